//! The table's memory: pages of one size from a free list, under one hard limit.
//!
//! WASM memory never shrinks, so nothing here is ever given back: a freed page waits for the next region that
//! needs one, and memory stays level however often rows come and go. Because every page of a table has the same
//! size, the free list cannot fragment.

use std::alloc::{alloc, Layout};
use std::ptr::NonNull;

/// Pages are carved from extents: one sixteenth of what is there already, so that small tables stay small and
/// large ones call `memory.grow` rarely.
const EXTENT_BYTES_MAX: usize = 512 << 10;
const EXTENT_SHARE: usize = 16;
const PAGE_ALIGN: usize = 64;

/// One page of rows, uninitialised until its owner clears the header.
pub type Page = NonNull<u8>;

/// Hands out pages and accounts for every large allocation of its table.
pub struct Memory {
    page_bytes: usize,
    bytes_max: usize,
    /// Claimed by the extents and by `claim`.
    bytes: usize,
    extent_bytes: usize,
    /// Never used part of the newest extent.
    fresh: *mut u8,
    fresh_pages: usize,
    free: Vec<Page>,
}

impl Memory {
    /// Memory of pages of `page_bytes` each, `bytes_max` in all.
    pub fn new(page_bytes: usize, bytes_max: usize) -> Memory {
        let page_bytes = page_bytes.next_multiple_of(PAGE_ALIGN);
        Memory {
            page_bytes,
            bytes_max,
            bytes: 0,
            extent_bytes: 0,
            fresh: std::ptr::null_mut(),
            fresh_pages: 0,
            free: Vec::new(),
        }
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

    /// A page, or `None` at the limit.
    pub fn take_page(&mut self) -> Option<Page> {
        if let Some(page) = self.free.pop() {
            return Some(page);
        }
        if self.fresh_pages == 0 {
            self.add_extent()?;
        }
        let page = NonNull::new(self.fresh)?;
        self.fresh_pages -= 1;
        // SAFETY: `fresh` had at least one page left, so the result is inside its extent or one past its end.
        self.fresh = unsafe { self.fresh.add(self.page_bytes) };
        Some(page)
    }

    /// Takes a page back. It must come from `take_page` and be used no more.
    pub fn return_page(&mut self, page: Page) {
        self.free.push(page);
    }

    /// Whether `pages` more pages can be had.
    pub fn has_room(&self, pages: usize) -> bool {
        let ready = self.free.len() + self.fresh_pages;
        ready >= pages || (self.bytes_max - self.bytes) / self.page_bytes >= pages - ready
    }

    /// Accounts for an allocation outside the pages; false at the limit.
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

    fn add_extent(&mut self) -> Option<()> {
        let room = (self.bytes_max - self.bytes) / self.page_bytes;
        let wanted = (self.extent_bytes / EXTENT_SHARE).min(EXTENT_BYTES_MAX) / self.page_bytes;
        let pages = wanted.max(1).min(room);
        if pages == 0 {
            return None;
        }
        // Room on the free list for every page there is: returning one never allocates.
        self.free.try_reserve((self.extent_bytes / self.page_bytes) + pages).ok()?;
        let layout = Layout::from_size_align(pages * self.page_bytes, PAGE_ALIGN).ok()?;
        // SAFETY: the layout's size is not zero, pages and page_bytes being at least 1.
        let extent = unsafe { alloc(layout) };
        if extent.is_null() {
            return None;
        }
        self.fresh = extent;
        self.fresh_pages = pages;
        self.extent_bytes += pages * self.page_bytes;
        self.bytes += pages * self.page_bytes;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_reused_and_the_limit_holds() {
        let mut memory = Memory::new(1000, 10 * 1024);
        let pages: Vec<Page> = std::iter::from_fn(|| memory.take_page()).collect();
        assert_eq!(pages.len(), 10);
        assert_eq!(memory.bytes(), 10 * 1024);
        for &page in &pages {
            memory.return_page(page);
        }
        assert_eq!(std::iter::from_fn(|| memory.take_page()).count(), 10);
        assert_eq!(memory.bytes(), 10 * 1024);
        assert!(!memory.claim(1));
        memory.set_bytes_max(1);
        assert_eq!(memory.bytes_max(), 10 * 1024);
        memory.set_bytes_max(12 * 1024);
        assert!(memory.take_page().is_some() && memory.take_page().is_some());
        assert!(memory.take_page().is_none());
    }
}
