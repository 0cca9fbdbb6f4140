//! Memory of a table: blocks of fixed sizes under one hard limit.
//!
//! WASM memory never shrinks, so a block stays with the table and is reused for the next row or
//! plane. The host may refuse memory at any time, long before the limit is reached. A refusal must
//! not trap, so no code allocates without asking first.

use std::alloc::{alloc, dealloc, Layout};
use std::ptr::NonNull;

/// Upper bound of a table's limit, of the 4 GiB that 32 bits address. A snapshot takes up to a
/// quarter of the limit on top of it, and the buffers take the rest.
pub const BYTES_MAX: usize = 3 << 30;

/// Blocks are carved from extents of one sixteenth of the table's size, so that small tables stay
/// small and large tables call `memory.grow` rarely.
const EXTENT_SHARE: usize = 16;

/// Whether so many bytes can be allocated now, in one piece or in several. Code that makes several
/// small allocations asks once, before the first.
pub fn is_available(bytes: usize) -> bool {
    let mut probe = Vec::<u8>::new();
    let is_available = probe.try_reserve_exact(bytes).is_ok();
    // Without a use the compiler may remove the allocation and assume success.
    std::hint::black_box(&probe);
    is_available
}

/// Accounts for every large allocation of a table.
pub struct Memory {
    bytes_max: usize,
    bytes: usize,
}

impl Memory {
    /// A limit of `bytes_max`, at most `BYTES_MAX`.
    pub fn new(bytes_max: usize) -> Memory {
        Memory { bytes_max: bytes_max.min(BYTES_MAX), bytes: 0 }
    }

    /// Bytes claimed; at most `bytes_max`.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The hard limit.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Moves the hard limit, but not below the bytes claimed.
    pub fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max.min(BYTES_MAX).max(self.bytes);
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

    /// Returns bytes that `claim` took.
    pub fn release(&mut self, bytes: usize) {
        self.bytes -= bytes;
    }
}

/// Blocks of one size, uninitialised when taken and freed with this owner.
pub struct Blocks {
    block_bytes: usize,
    align: usize,
    extent_bytes_max: usize,
    /// Blocks in all extents.
    blocks: usize,
    /// Unused part of the newest extent.
    fresh: *mut u8,
    fresh_blocks: usize,
    extents: Vec<(NonNull<u8>, Layout)>,
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
            extents: Vec::new(),
        }
    }

    /// A block, or `None` at the limit.
    pub fn take(&mut self, memory: &mut Memory) -> Option<NonNull<u8>> {
        if self.fresh_blocks == 0 {
            self.add_extent(memory)?;
        }
        let block = NonNull::new(self.fresh)?;
        self.fresh_blocks -= 1;
        // SAFETY: `fresh` had at least one block left, so the result is inside its extent or one
        // past its end.
        self.fresh = unsafe { self.fresh.add(self.block_bytes) };
        Some(block)
    }

    fn add_extent(&mut self, memory: &mut Memory) -> Option<()> {
        let room = (memory.bytes_max - memory.bytes) / self.block_bytes;
        let share = self.blocks / EXTENT_SHARE;
        let blocks = share.min(self.extent_bytes_max / self.block_bytes).max(1).min(room);
        if blocks == 0 {
            return None;
        }
        self.extents.try_reserve(1).ok()?;
        let bytes = blocks * self.block_bytes;
        let layout = Layout::from_size_align(bytes, self.align).ok()?;
        // SAFETY: the layout's size is not zero, blocks and block_bytes being at least 1.
        let extent = NonNull::new(unsafe { alloc(layout) })?;
        self.extents.push((extent, layout));
        memory.bytes += bytes;
        self.fresh = extent.as_ptr();
        self.fresh_blocks = blocks;
        self.blocks += blocks;
        Some(())
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        for &(extent, layout) in &self.extents {
            // SAFETY: allocated with this layout, and freed once.
            unsafe { dealloc(extent.as_ptr(), layout) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_and_apart_and_the_limit_holds() {
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
        assert!(!memory.claim(1));
        memory.set_bytes_max(1);
        assert_eq!(memory.bytes_max(), 10 * 1024);
        memory.set_bytes_max(12 * 1024);
        assert_eq!(take_all(&mut memory, &mut blocks).len(), 2);
        memory.set_bytes_max(usize::MAX);
        assert_eq!(memory.bytes_max(), BYTES_MAX);
    }
}
