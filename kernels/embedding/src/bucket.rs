//! A bucket of the index: one cache line of ten cells.
//!
//! ```text
//! tags          10 × u8    eight bits of each hash; 0 where the cell is empty
//! choice bytes  10 × u8    chose the plane; read by insertions only
//! entries       10 × u32   handle of a row and hash hint
//!                4 bytes   unused
//! ```
//!
//! A search that finds its id in the first of its two buckets reads one line of the index, and an
//! insertion into it writes one. Tag, choice byte and group of a cell give the other bucket of its
//! entry (`plane.rs`), so displacement and growth never read a row.

use crate::entry::{self, Entry};
use crate::movers::Movers;

/// Cells of a bucket: as many as fit a line.
pub const BUCKET_CELLS: usize = 10;
/// All cells, as bits.
const CELLS: u32 = (1 << BUCKET_CELLS) - 1;

/// The cells of a bucket.
#[repr(C, align(64))]
pub struct Line {
    tags: [u8; BUCKET_CELLS],
    choice_bytes: [u8; BUCKET_CELLS],
    entries: [Entry; BUCKET_CELLS],
}

/// A bucket, by the address of its line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket(*mut Line);

impl Bucket {
    /// No bucket.
    pub const NONE: Bucket = Bucket(std::ptr::null_mut());

    /// The bucket whose cells are in `line`.
    #[inline(always)]
    pub fn at(line: *mut Line) -> Bucket {
        Bucket(line)
    }

    /// Cells with this tag, as bits.
    #[inline(always)]
    pub fn matches(self, tag: u8) -> u32 {
        // SAFETY: but for `NONE`, buckets are of planes, which live as long as their index. A line
        // begins with its tags and is longer than sixteen bytes; the reference ends here.
        equal_bytes(unsafe { &*self.0.cast::<[u8; 16]>() }, tag) & CELLS
    }

    /// Empty cells as bits.
    #[inline(always)]
    pub fn empty(self) -> u32 {
        self.matches(0)
    }

    /// Taken cells as bits.
    #[inline(always)]
    pub fn taken(self) -> u32 {
        !self.empty() & CELLS
    }

    /// Taken cells whose choice bytes are in a set, as bits.
    #[inline(always)]
    pub fn moving(self, movers: &Movers) -> u32 {
        let bytes = self.0.cast::<u8>().wrapping_add(BUCKET_CELLS).cast::<[u8; 16]>();
        // SAFETY: as in `matches`; the choice bytes follow the tags.
        movers.among(unsafe { &*bytes }) & self.taken()
    }

    /// Taken cells of a bucket of this group whose entries are in their second bucket, as bits.
    #[inline(always)]
    pub fn guests(self, group: u32) -> u32 {
        // SAFETY: as in `matches`.
        let odd = odd_bytes(unsafe { &*self.0.cast::<[u8; 16]>() });
        (odd ^ (group & 1).wrapping_neg()) & self.taken()
    }

    /// A word of the line; the load fetches it.
    #[inline(always)]
    pub fn touch(self) -> u64 {
        // SAFETY: as in `matches`.
        unsafe { *self.0.cast::<u64>() }
    }

    /// The content of a cell.
    #[inline(always)]
    pub fn cell(self, cell: usize) -> Cell {
        // SAFETY: as in `matches`.
        let Line { tags, choice_bytes, entries } = unsafe { &*self.0 };
        Cell { tag: tags[cell], choice_byte: choice_bytes[cell], entry: entries[cell] }
    }

    /// The entry of the first of some cells, given as bits; if there are none, that of the last
    /// cell.
    #[inline(always)]
    pub fn first_entry(self, cells: u32) -> Entry {
        let cell = (cells | 1 << (BUCKET_CELLS - 1)).trailing_zeros() as usize;
        // SAFETY: as in `matches`; the last cell at most.
        unsafe { *(*self.0).entries.get_unchecked(cell) }
    }

    /// Writes a cell.
    #[inline(always)]
    pub fn set(self, cell: usize, content: Cell) {
        // SAFETY: as in `matches`; each bucket is of one subtable, and only one thread uses a
        // table.
        let Line { tags, choice_bytes, entries } = unsafe { &mut *self.0 };
        tags[cell] = content.tag;
        choice_bytes[cell] = content.choice_byte;
        entries[cell] = content.entry;
    }

    /// Empties a cell.
    #[inline(always)]
    pub fn clear(self, cell: usize) {
        // SAFETY: as in `set`.
        unsafe { (*self.0).tags[cell] = 0 }
    }

    /// Sets bit 7 of every cell's choice byte to the bit of its hash after the first `depth`, one
    /// more than before.
    #[inline]
    pub fn deepen(self, depth: u8, hash_of: &impl Fn(u32) -> u64) {
        // SAFETY: as in `set`; the reference ends here.
        let line = unsafe { &mut *self.0 };
        entry::deepen(&mut line.choice_bytes, &mut line.entries, depth, hash_of);
    }

    /// `other` if `take_other`, else `self`; without a branch.
    #[inline(always)]
    pub fn or(self, other: Bucket, take_other: bool) -> Bucket {
        let (this, that) = (self.0 as usize, other.0 as usize);
        Bucket((this ^ ((this ^ that) & usize::from(take_other).wrapping_neg())) as *mut Line)
    }
}

/// The content of a cell.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// 0 where the cell is empty.
    pub tag: u8,
    /// The byte that chose its plane.
    pub choice_byte: u8,
    /// The row's handle and a hash hint.
    pub entry: Entry,
}

impl Cell {
    /// An empty cell.
    pub const EMPTY: Cell = Cell { tag: 0, choice_byte: 0, entry: Entry::NONE };
}

/// Bit i is set where byte i is `byte`.
#[cfg(target_arch = "wasm32")]
#[inline(always)]
fn equal_bytes(bytes: &[u8; 16], byte: u8) -> u32 {
    use core::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_splat, v128_load};
    // SAFETY: sixteen bytes.
    let bytes = unsafe { v128_load(bytes.as_ptr().cast()) };
    u32::from(u8x16_bitmask(u8x16_eq(bytes, u8x16_splat(byte))))
}

/// Bit i is set where byte i is `byte`.
#[cfg(not(target_arch = "wasm32"))]
#[inline(always)]
fn equal_bytes(bytes: &[u8; 16], byte: u8) -> u32 {
    equal_bytes_scalar(bytes, byte)
}

/// The scalar form of `equal_bytes`.
#[cfg(any(test, not(target_arch = "wasm32")))]
fn equal_bytes_scalar(bytes: &[u8; 16], byte: u8) -> u32 {
    bytes.iter().enumerate().fold(0, |mask, (at, &each)| mask | u32::from(each == byte) << at)
}

/// Bit i is set where byte i is odd.
#[inline(always)]
fn odd_bytes(bytes: &[u8; 16]) -> u32 {
    #[cfg(target_arch = "wasm32")]
    {
        use core::arch::wasm32::{i8x16_shl, u8x16_bitmask, v128_load};
        // SAFETY: sixteen bytes.
        return u32::from(u8x16_bitmask(i8x16_shl(unsafe { v128_load(bytes.as_ptr().cast()) }, 7)));
    }
    #[cfg(not(target_arch = "wasm32"))]
    bytes.iter().enumerate().fold(0, |mask, (at, &each)| mask | u32::from(each & 1) << at)
}

#[cfg(test)]
mod tests;
