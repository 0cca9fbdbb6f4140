//! The rows, in pages. A row keeps its handle until it is removed; the handle of a removed row is
//! the next one given out.

use crate::entry::HANDLES_MAX;
use crate::memory::{Blocks, Memory};
use crate::page::{Bitmap, Page, PageLayout, Row, KEY_BYTES, PAGE_ALIGN};

const NO_HANDLE: u32 = u32::MAX;
const PAGES_EXTENT_MAX: usize = 512 << 10;

/// Addresses of rows. Valid until the slab takes another page.
#[derive(Clone, Copy)]
pub struct SlabView {
    pages: *const Page,
    /// The layout of a page.
    pub layout: PageLayout,
}

impl SlabView {
    /// The row of a handle.
    ///
    /// # Safety
    /// The slab gave the handle out.
    #[inline(always)]
    pub unsafe fn row(&self, handle: u32) -> Row {
        // SAFETY: the handle was given out, so its page exists.
        unsafe { Row::at(*self.pages.add(self.layout.page(handle)), handle, &self.layout) }
    }
}

/// Pages of rows by handle.
pub struct Slab {
    /// The layout of a page.
    pub layout: PageLayout,
    /// Consumers (a bit each) for which a row of the page may have changed.
    pub changed_for: Vec<u8>,
    blocks: Blocks,
    pages: Vec<Page>,
    /// The last removed row; removed rows are linked through their keys.
    free_head: u32,
    /// The first handle that was never used.
    fresh: u32,
    rows: usize,
}

impl Slab {
    /// No rows.
    pub fn new(layout: PageLayout) -> Slab {
        Slab {
            layout,
            changed_for: Vec::new(),
            blocks: Blocks::new(layout.bytes(), PAGE_ALIGN, PAGES_EXTENT_MAX),
            pages: Vec::new(),
            free_head: NO_HANDLE,
            fresh: 0,
            rows: 0,
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of handles used so far, including those of removed rows.
    pub fn handles(&self) -> u32 {
        self.fresh
    }

    /// The pages, by number.
    pub fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// A view that is valid until the slab takes another page.
    #[inline(always)]
    pub fn view(&self) -> SlabView {
        SlabView { pages: self.pages.as_ptr(), layout: self.layout }
    }

    /// The row of a handle below `handles()`.
    #[inline(always)]
    pub fn row(&self, handle: u32) -> Row {
        // SAFETY: the page is this slab's.
        unsafe { Row::at(self.pages[self.layout.page(handle)], handle, &self.layout) }
    }

    /// The bytes of a row, its key first.
    #[inline(always)]
    pub fn bytes(&self, row: &Row) -> &[u8] {
        debug_assert!(self.owns(row));
        // SAFETY: the row is `stride` bytes inside a page, which the slab owns; writing borrows the
        // slab.
        unsafe { std::slice::from_raw_parts(row.start, self.layout.stride) }
    }

    /// The bytes of a row after its key.
    #[inline(always)]
    pub fn payload(&self, row: &Row) -> &[u8] {
        &self.bytes(row)[KEY_BYTES..]
    }

    /// The bytes of a row after its key, for writing.
    #[inline(always)]
    pub fn payload_mut(&mut self, row: &Row) -> &mut [u8] {
        debug_assert!(self.owns(row));
        // SAFETY: as in `bytes`; there is no other reference into the slab.
        let bytes = unsafe { std::slice::from_raw_parts_mut(row.start, self.layout.stride) };
        &mut bytes[KEY_BYTES..]
    }

    /// A row's update counter; `None` if pages have none.
    #[inline(always)]
    pub fn counter(&self, row: &Row) -> Option<u8> {
        debug_assert!(self.owns(row));
        // SAFETY: as in `bytes`; the counters lie in the page's header.
        row.counter_address(&self.layout).map(|counter| unsafe { *counter })
    }

    /// Sets a row's update counter, if pages have one.
    #[inline(always)]
    pub fn set_counter(&mut self, row: &Row, updates: u8) {
        debug_assert!(self.owns(row));
        if let Some(counter) = row.counter_address(&self.layout) {
            // SAFETY: as in `payload_mut` and `counter`.
            unsafe { *counter = updates }
        }
    }

    /// Appends a row in the form of a snapshot, `saved_row_bytes` of it.
    pub fn save(&self, row: &Row, saved: &mut Vec<u8>) {
        saved.extend_from_slice(self.bytes(row));
        saved.extend(self.counter(row));
    }

    /// Whether a row belongs to this slab.
    fn owns(&self, row: &Row) -> bool {
        let page = self.layout.page(row.handle);
        page < self.pages.len() && self.row(row.handle).start == row.start
    }

    /// The row of a handle, if it exists.
    pub fn occupied(&self, handle: u32) -> Option<Row> {
        if handle >= self.fresh {
            return None;
        }
        Some(self.row(handle)).filter(|row| row.has(&self.layout, Bitmap::OCCUPIED))
    }

    /// Calls `visit` with every row.
    pub fn for_each(&self, visit: impl FnMut(Row)) {
        (0..self.fresh).filter_map(|handle| self.occupied(handle)).for_each(visit);
    }

    /// Copies bitmap `from` to bitmap `to` on every page; returns the number of bits set.
    pub fn copy_bitmap(&self, from: Bitmap, to: Bitmap) -> usize {
        let mut set = 0;
        for page in &self.pages {
            for word in 0..self.layout.words() {
                let bits = self.layout.word(page.as_ptr(), from, word);
                self.layout.set_word(page.as_ptr(), to, word, bits);
                set += bits.count_ones() as usize;
            }
        }
        set
    }

    /// Clears a bitmap on every page.
    pub fn clear_bitmap(&self, bitmap: Bitmap) {
        for page in &self.pages {
            for word in 0..self.layout.words() {
                self.layout.set_word(page.as_ptr(), bitmap, word, 0);
            }
        }
    }

    /// A row for an id. All its bits except `OCCUPIED` are clear, and its payload is that of the
    /// handle's previous row; `None` at the memory limit.
    #[inline(always)]
    pub fn take(&mut self, memory: &mut Memory, id: u64) -> Option<Row> {
        let row = match self.free_head {
            NO_HANDLE => {
                if self.layout.index(self.fresh) == 0 {
                    self.add_page(memory)?;
                }
                self.fresh += 1;
                self.row(self.fresh - 1)
            }
            handle => {
                let row = self.row(handle);
                self.free_head = row.key() as u32;
                row
            }
        };
        row.put(&self.layout, Bitmap::OCCUPIED, true);
        row.set_key(id);
        self.rows += 1;
        Some(row)
    }

    /// Removes a row; its handle is free.
    pub fn give_back(&mut self, handle: u32) {
        let row = self.row(handle);
        row.clear_bits(&self.layout);
        self.set_counter(&row, 0);
        row.set_key(u64::from(self.free_head));
        self.free_head = handle;
        self.rows -= 1;
    }

    #[cold]
    #[inline(never)]
    fn add_page(&mut self, memory: &mut Memory) -> Option<()> {
        if self.fresh >= HANDLES_MAX {
            return None;
        }
        self.pages.try_reserve(1).ok()?;
        self.changed_for.try_reserve(1).ok()?;
        let page = self.blocks.take(memory)?;
        self.layout.clear(page);
        self.pages.push(page);
        self.changed_for.push(0);
        Some(())
    }
}
