//! The table's memory: blocks of fixed sizes under one hard limit.
//!
//! WASM memory never shrinks, so nothing here is ever given back to the host: a freed block waits for the next that needs
//! one of its size, and memory stays level however often rows come and go.

use std::alloc::{alloc, Layout};
use std::ptr::NonNull;

/// Blocks are carved from extents: one sixteenth of what is there already, so that small tables stay small and large ones
/// call `memory.grow` rarely.
const EXTENT_SHARE: usize = 16;

/// Accounts for every large allocation of a table.
pub struct Memory {
    bytes_max: usize,
    bytes: usize,
}

impl Memory {
    /// At most `bytes_max` in all.
    pub fn new(bytes_max: usize) -> Memory {
        Memory { bytes_max, bytes: 0 }
    }

    /// Bytes claimed; at most `bytes_max`.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The hard limit.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Moves the hard limit, to what is claimed already if that is more.
    pub fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max.max(self.bytes);
    }

    /// Accounts for an allocation; false at the limit.
    #[must_use]
    pub fn claim(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.bytes_max - self.bytes;
        if fits {
            self.bytes += bytes;
        }
        fits
    }

    /// Gives back what `claim` took.
    pub fn release(&mut self, bytes: usize) {
        self.bytes -= bytes;
    }
}

/// Blocks of one size, uninitialised when taken.
pub struct Blocks {
    block_bytes: usize,
    align: usize,
    extent_bytes_max: usize,
    /// In all extents.
    blocks: usize,
    /// Never used part of the newest extent.
    fresh: *mut u8,
    fresh_blocks: usize,
    free: Vec<NonNull<u8>>,
}

impl Blocks {
    /// Blocks of `block_bytes`, rounded up to a multiple of `align`, a power of two.
    pub fn new(block_bytes: usize, align: usize, extent_bytes_max: usize) -> Blocks {
        Blocks {
            block_bytes: block_bytes.next_multiple_of(align),
            align,
            extent_bytes_max,
            blocks: 0,
            fresh: std::ptr::null_mut(),
            fresh_blocks: 0,
            free: Vec::new(),
        }
    }

    /// A block, or `None` at the limit.
    pub fn take(&mut self, memory: &mut Memory) -> Option<NonNull<u8>> {
        if let Some(block) = self.free.pop() {
            return Some(block);
        }
        if self.fresh_blocks == 0 {
            self.add_extent(memory)?;
        }
        let block = NonNull::new(self.fresh)?;
        self.fresh_blocks -= 1;
        // SAFETY: `fresh` had at least one block left, so the result is inside its extent or one past its end.
        self.fresh = unsafe { self.fresh.add(self.block_bytes) };
        Some(block)
    }

    /// Takes a block back. It must come from `take` and be used no more.
    pub fn give_back(&mut self, block: NonNull<u8>) {
        self.free.push(block);
    }

    fn add_extent(&mut self, memory: &mut Memory) -> Option<()> {
        let room = (memory.bytes_max - memory.bytes) / self.block_bytes;
        let share = self.blocks / EXTENT_SHARE;
        let blocks = share.min(self.extent_bytes_max / self.block_bytes).max(1).min(room);
        if blocks == 0 {
            return None;
        }
        // Room on the free list for every block there is: giving one back never allocates.
        self.free.try_reserve(self.blocks + blocks).ok()?;
        let bytes = blocks * self.block_bytes;
        let layout = Layout::from_size_align(bytes, self.align).ok()?;
        // SAFETY: the layout's size is not zero, blocks and block_bytes being at least 1.
        let extent = unsafe { alloc(layout) };
        if extent.is_null() || !memory.claim(bytes) {
            return None;
        }
        self.fresh = extent;
        self.fresh_blocks = blocks;
        self.blocks += blocks;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_apart_and_used_again_and_the_limit_holds() {
        let mut memory = Memory::new(10 * 1024);
        let mut blocks = Blocks::new(1000, 64, 1 << 20);
        let take_all = |memory: &mut Memory, blocks: &mut Blocks| -> Vec<NonNull<u8>> {
            std::iter::from_fn(|| blocks.take(memory)).collect()
        };
        let taken = take_all(&mut memory, &mut blocks);
        assert_eq!(taken.len(), 10);
        let address = |block: &NonNull<u8>| block.as_ptr() as usize;
        for (at, block) in taken.iter().enumerate() {
            assert_eq!(address(block) % 64, 0);
            assert!(taken[..at]
                .iter()
                .all(|other| address(block).abs_diff(address(other)) >= 1024));
        }
        assert_eq!(memory.bytes(), 10 * 1024);
        taken.into_iter().for_each(|block| blocks.give_back(block));
        assert_eq!(take_all(&mut memory, &mut blocks).len(), 10);
        assert_eq!(memory.bytes(), 10 * 1024);
        assert!(!memory.claim(1));
        memory.set_bytes_max(1);
        assert_eq!(memory.bytes_max(), 10 * 1024);
        memory.set_bytes_max(12 * 1024);
        assert_eq!(take_all(&mut memory, &mut blocks).len(), 2);
    }
}
