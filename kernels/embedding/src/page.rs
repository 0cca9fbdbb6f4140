//! A page of rows: a header of bitmaps and counters, then the rows.
//!
//! ```text
//! bitmaps   words × BITMAPS × u64   a bit per row: occupied, in the snapshot, changed (a bit
//!                                   per consumer), changed since the last cut, and before it
//! counters  rows × u8               updates of each row, to evict the least frequently used
//! rows      rows × stride           key u64 | stamp u32 | weights f32 … | optimizer state f32 …
//! ```
//!
//! A row's bits lie on its page and take an eighth of a byte each. So the memory for changed rows
//! is bounded by the table, and no change is lost for lack of memory. The words with the bits of
//! one row are neighbours: marking a row for several readers touches one cache line.

use std::ptr::NonNull;

/// One page of rows, uninitialised until its header is cleared.
pub type Page = NonNull<u8>;
/// Alignment of pages.
pub const PAGE_ALIGN: usize = 64;

/// Bytes of a row's id.
pub const KEY_BYTES: usize = 8;
/// Lower bound of rows a page: fewer waste bits of the bitmaps, whose words have 64. Larger pages
/// would leave the only page of a small table half empty.
const BYTES_AIMED: usize = 64 << 10;
const ROWS_MAX: usize = 512;

/// A bitmap of a page's header, by number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bitmap(pub usize);

impl Bitmap {
    /// Rows that exist.
    pub const OCCUPIED: Bitmap = Bitmap(0);
    /// Rows that the running snapshot has still to write.
    pub const IN_SNAPSHOT: Bitmap = Bitmap(1);
    /// Rows of a serving table that were written since the running fill began.
    pub const FILLED: Bitmap = Bitmap(1);

    /// Rows that changed since their last delta for this consumer.
    pub fn changed_for(consumer: usize) -> Bitmap {
        Bitmap(2 + consumer)
    }
}

/// The layout of the pages of one table.
#[derive(Clone, Copy, Debug)]
pub struct PageLayout {
    /// Rows a page, as a power of two.
    pub rows_shift: u32,
    /// Bytes from row to row.
    pub stride: usize,
    bitmaps: usize,
    counters: bool,
    words: usize,
    rows_offset: usize,
}

impl PageLayout {
    /// Pages for rows of `stride` bytes with `bitmaps` bits each, and an 8-bit counter if
    /// `counted`.
    pub fn new(stride: usize, bitmaps: usize, counters: bool) -> PageLayout {
        let rows_shift = (BYTES_AIMED / stride).clamp(1, ROWS_MAX).ilog2();
        let rows: usize = 1 << rows_shift;
        let words = usize::div_ceil(rows, 64);
        let header = bitmaps * words * 8 + if counters { rows } else { 0 };
        PageLayout {
            rows_shift,
            stride,
            bitmaps,
            counters,
            words,
            rows_offset: header.next_multiple_of(8),
        }
    }

    /// Rows a page.
    #[inline(always)]
    pub fn rows(&self) -> usize {
        1 << self.rows_shift
    }

    /// Number of a handle's row in its page.
    #[inline(always)]
    pub fn index(&self, handle: u32) -> usize {
        handle as usize & (self.rows() - 1)
    }

    /// Number of a handle's page.
    #[inline(always)]
    pub fn page(&self, handle: u32) -> usize {
        handle as usize >> self.rows_shift
    }

    /// Bytes a page.
    pub fn bytes(&self) -> usize {
        self.rows_offset + self.rows() * self.stride
    }

    /// Bytes of a row in a snapshot: the row, and its counter if it has one.
    pub fn saved_row_bytes(&self) -> usize {
        self.stride + usize::from(self.counters)
    }

    /// Words of one bitmap.
    pub fn words(&self) -> usize {
        self.words
    }

    /// Clears the header of a new page.
    pub fn clear(&self, page: Page) {
        // SAFETY: the header lies inside the page.
        unsafe { page.as_ptr().write_bytes(0, self.rows_offset) }
    }

    #[inline(always)]
    fn word_of(&self, page: *mut u8, bitmap: Bitmap, word: usize) -> *mut u64 {
        debug_assert!(bitmap.0 < self.bitmaps && word < self.words);
        // SAFETY: bitmap and word are below the numbers that the layout has, so the offset is
        // inside the page.
        unsafe { page.add((word * self.bitmaps + bitmap.0) * 8).cast() }
    }

    /// One word of a bitmap.
    #[inline(always)]
    pub fn word(&self, page: *mut u8, bitmap: Bitmap, word: usize) -> u64 {
        // SAFETY: `word_of` points into the header; pages are 64-byte aligned, so it is aligned.
        unsafe { self.word_of(page, bitmap, word).read() }
    }

    /// Replaces one word of a bitmap.
    #[inline(always)]
    pub fn set_word(&self, page: *mut u8, bitmap: Bitmap, word: usize, bits: u64) {
        // SAFETY: as in `word`.
        unsafe { self.word_of(page, bitmap, word).write(bits) }
    }
}

/// A row, at an address that does not change until the row is removed. Its slab hands out
/// references into it while the slab is borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Null = no row. Private: only this file makes rows.
    page: *mut u8,
    /// The row's first byte, its key.
    pub start: *mut u8,
    /// Number of the page and of the row in it.
    pub handle: u32,
}

impl Row {
    /// No row.
    pub const NONE: Row =
        Row { page: std::ptr::null_mut(), start: std::ptr::null_mut(), handle: 0 };

    /// The row of a handle in this page.
    ///
    /// # Safety
    ///
    /// The page has this layout and belongs to the slab that gave the handle out. The row is used
    /// with that slab only, while both exist.
    #[inline(always)]
    pub unsafe fn at(page: Page, handle: u32, layout: &PageLayout) -> Row {
        let page = page.as_ptr();
        // SAFETY: the index is below the rows of a page, so the row lies inside the page.
        let start = unsafe { page.add(layout.rows_offset + layout.index(handle) * layout.stride) };
        Row { page, start, handle }
    }

    /// The row of a handle, by the address of its first byte.
    ///
    /// # Safety
    ///
    /// The row begins there; else as in `at`.
    #[inline(always)]
    pub unsafe fn starting_at(start: *mut u8, handle: u32, layout: &PageLayout) -> Row {
        // SAFETY: rows lie in their pages as `at` computes.
        let page = unsafe { start.sub(layout.rows_offset + layout.index(handle) * layout.stride) };
        Row { page, start, handle }
    }

    /// Whether there is a row.
    #[inline(always)]
    pub fn exists(&self) -> bool {
        !self.page.is_null()
    }

    /// The id.
    #[inline(always)]
    pub fn key(&self) -> u64 {
        // SAFETY: a row begins with its key; strides are multiples of 4 only, hence unaligned.
        unsafe { self.start.cast::<u64>().read_unaligned() }
    }

    /// Writes the id.
    #[inline(always)]
    pub fn set_key(&self, key: u64) {
        // SAFETY: as in `key`.
        unsafe { self.start.cast::<u64>().write_unaligned(key) }
    }

    /// Whether the row's bit is set.
    #[inline(always)]
    pub fn has(&self, layout: &PageLayout, bitmap: Bitmap) -> bool {
        let index = layout.index(self.handle);
        layout.word(self.page, bitmap, index / 64) >> (index % 64) & 1 == 1
    }

    /// Sets or clears the row's bit.
    #[inline(always)]
    pub fn put(&self, layout: &PageLayout, bitmap: Bitmap, on: bool) {
        let index = layout.index(self.handle);
        let before = layout.word(self.page, bitmap, index / 64);
        let bit = 1 << (index % 64);
        let after = if on { before | bit } else { before & !bit };
        layout.set_word(self.page, bitmap, index / 64, after);
    }

    /// The address of the row's update counter; `None` if pages have none.
    #[inline(always)]
    pub fn counter_address(&self, layout: &PageLayout) -> Option<*mut u8> {
        let at = layout.bitmaps * layout.words * 8 + layout.index(self.handle);
        layout.counters.then(|| self.page.wrapping_add(at))
    }

    /// Clears all bits.
    pub fn clear_bits(&self, layout: &PageLayout) {
        for bitmap in (0..layout.bitmaps).map(Bitmap) {
            self.put(layout, bitmap, false);
        }
    }
}
