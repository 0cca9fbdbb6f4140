//! Planes of buckets, the cells in them, and the two choices of a bucket that a hash has.
//!
//! A cell is a tag of one byte, an entry of four bytes (a row's handle and a hash hint), and the
//! choice byte, which chose the plane and is read by insertions only. Tags, choice bytes and
//! entries lie in separate arrays, so that the tags of a million keys stay in cache. Tag, choice
//! byte and group give the other bucket of an entry, so displacement and growth never read a row.

use crate::entry::{self, Entry};
use crate::memory::Memory;
use crate::movers::Movers;
use crate::tags::{tag_of, Tags, BUCKET_CELLS};
use std::alloc::{alloc, dealloc, Layout};

/// Buckets of a plane.
pub const GROUPS: usize = 64;
/// Bytes of a cell: tag, choice byte and entry.
pub const CELL_BYTES: usize = 6;
/// Bytes of a plane.
pub const PLANE_BYTES: usize = GROUPS * BUCKET_CELLS * CELL_BYTES;
/// Planes of an extent: they have 64 kB of tags, which fill all sets of the second-level cache
/// once.
const EXTENT_PLANES: usize = 64;
/// Cells of an extent.
const EXTENT_CELLS: usize = EXTENT_PLANES * GROUPS * BUCKET_CELLS;
/// Aligned to the size of its tags, so that the address of a tag gives its offset in the extent.
const EXTENT: Layout = match Layout::from_size_align(EXTENT_CELLS * CELL_BYTES, EXTENT_CELLS) {
    Ok(layout) => layout,
    Err(_) => panic!("a layout"),
};

/// A bucket, by the address of its tags. The tags of an extent fill its first 64 kB, to which it is
/// aligned; the choice bytes follow in the same order, then the entries. So the address of a cell's
/// tag gives the addresses of its choice byte and entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket(*mut Tags);

impl Bucket {
    /// No bucket.
    pub const NONE: Bucket = Bucket(std::ptr::null_mut());

    #[inline(always)]
    fn tags(self) -> *mut Tags {
        self.0
    }

    /// The choice byte of each cell.
    #[inline(always)]
    fn choice_bytes(self) -> *mut [u8; BUCKET_CELLS] {
        self.0.cast::<u8>().wrapping_add(EXTENT_CELLS).cast()
    }

    /// A cache line.
    #[inline(always)]
    fn entries(self) -> *mut [Entry; BUCKET_CELLS] {
        let cell = self.0 as usize % EXTENT_CELLS;
        self.0.cast::<u8>().wrapping_add(2 * EXTENT_CELLS + 3 * cell).cast()
    }

    /// Cells with this tag, as bits.
    #[inline(always)]
    pub fn matches(self, tag: u8) -> u32 {
        // SAFETY: but for `NONE`, buckets are of planes, whose extents live as long as their index;
        // the reference ends here.
        unsafe { (*self.tags()).matches(tag) }
    }

    /// Empty cells as bits.
    #[inline(always)]
    pub fn empty(self) -> u32 {
        self.matches(0)
    }

    /// Taken cells as bits.
    #[inline(always)]
    pub fn taken(self) -> u32 {
        !self.empty() & 0xffff
    }

    /// Taken cells whose choice bytes are in a set, as bits.
    #[inline(always)]
    pub fn moving(self, movers: &Movers) -> u32 {
        // SAFETY: as in `matches`.
        unsafe { movers.among(&*self.choice_bytes()) & self.taken() }
    }

    /// A word of the tags; the load fetches their cache line.
    #[inline(always)]
    pub fn touch(self) -> u64 {
        // SAFETY: as in `matches`.
        unsafe { (*self.tags()).touch() }
    }

    /// Loads of the cache lines that writing a cell needs.
    #[inline(always)]
    pub fn touch_to_write(self) -> u8 {
        self.cell(0).choice_byte ^ self.cell(0).entry.hash_hint()
    }

    /// The content of a cell.
    #[inline(always)]
    pub fn cell(self, cell: usize) -> Cell {
        let cell = cell % BUCKET_CELLS;
        // SAFETY: as in `matches`.
        unsafe {
            Cell {
                tag: (*self.tags()).0[cell],
                choice_byte: (*self.choice_bytes())[cell],
                entry: (*self.entries())[cell],
            }
        }
    }

    /// The address of a cell's entry.
    #[inline(always)]
    pub fn entry(self, cell: usize) -> *const Entry {
        self.entries().cast::<Entry>().wrapping_add(cell % BUCKET_CELLS)
    }

    /// Writes a cell.
    #[inline(always)]
    pub fn set(self, cell: usize, content: Cell) {
        let cell = cell % BUCKET_CELLS;
        // SAFETY: as in `matches`; each bucket is of one subtable, and only one thread uses a
        // table.
        unsafe {
            (*self.tags()).0[cell] = content.tag;
            (*self.choice_bytes())[cell] = content.choice_byte;
            (*self.entries())[cell] = content.entry;
        }
    }

    /// Empties a cell.
    #[inline(always)]
    pub fn clear(self, cell: usize) {
        // SAFETY: as in `set`.
        unsafe { (*self.tags()).0[cell % BUCKET_CELLS] = 0 }
    }

    /// Sets bit 7 of every cell's choice byte to the bit of its hash after the first `depth`, one
    /// more than before.
    #[inline]
    pub fn deepen(self, depth: u8, hash_of: &impl Fn(u32) -> u64) {
        // SAFETY: as in `set`; the references end here.
        let (bytes, entries) = unsafe { (&mut *self.choice_bytes(), &mut *self.entries()) };
        entry::deepen(bytes, entries, depth, hash_of);
    }

    /// `other` if `take_other`, else `self`; without a branch.
    #[inline(always)]
    pub fn or(self, other: Bucket, take_other: bool) -> Bucket {
        let (this, that) = (self.0 as usize, other.0 as usize);
        Bucket((this ^ ((this ^ that) & usize::from(take_other).wrapping_neg())) as *mut Tags)
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

/// One bucket a group, in consecutive memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plane(*mut Tags);

impl Plane {
    /// No plane.
    pub const NONE: Plane = Plane(std::ptr::null_mut());

    /// Empties all buckets.
    pub fn clear(self) {
        let first = self.bucket(0);
        // SAFETY: each of the three arrays holds as many cells of this plane one after another, and
        // only one thread uses it.
        unsafe {
            first.tags().write_bytes(0, GROUPS);
            first.choice_bytes().write_bytes(0, GROUPS);
            first.entries().write_bytes(0, GROUPS);
        }
    }

    /// The bucket of a group.
    #[inline(always)]
    pub fn bucket(self, group: u32) -> Bucket {
        debug_assert!((group as usize) < GROUPS);
        Bucket(self.0.wrapping_add(group as usize))
    }
}

/// The planes of an index, carved from extents.
#[derive(Default)]
pub struct Planes {
    free: Vec<Plane>,
    extents: Vec<*mut Tags>,
    /// Planes of the last extent that were taken.
    taken: usize,
}

impl Planes {
    /// Takes a plane, which the caller must clear; `None` at the memory limit. Only planes in use
    /// are claimed; the rest of an extent is memory that was never touched.
    pub fn take(&mut self, memory: &mut Memory) -> Option<Plane> {
        if let Some(plane) = self.free.pop() {
            return Some(plane);
        }
        if self.extents.is_empty() || self.taken == EXTENT_PLANES {
            self.add_extent()?;
        }
        if !memory.claim(PLANE_BYTES) {
            return None;
        }
        self.taken += 1;
        let extent = *self.extents.last()?;
        Some(Plane(extent.wrapping_add((self.taken - 1) * GROUPS)))
    }

    /// Returns a plane, which must not be used any more.
    pub fn give_back(&mut self, plane: Plane) {
        self.free.push(plane);
    }

    fn add_extent(&mut self) -> Option<()> {
        self.extents.try_reserve(1).ok()?;
        // Room on the free list for all planes, so that returning one never allocates.
        let planes = (self.extents.len() + 1) * EXTENT_PLANES;
        self.free.try_reserve(planes - self.free.len()).ok()?;
        // SAFETY: the layout's size is not zero.
        let extent = unsafe { alloc(EXTENT) };
        if extent.is_null() {
            return None;
        }
        self.extents.push(extent.cast());
        self.taken = 0;
        Some(())
    }
}

impl Drop for Planes {
    fn drop(&mut self) {
        for &extent in &self.extents {
            // SAFETY: allocated with this layout, and freed once.
            unsafe { dealloc(extent.cast(), EXTENT) }
        }
    }
}

/// One of the two buckets that an entry may lie in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Bucket of the plane, below `GROUPS`.
    pub group: u32,
    /// Chooses the plane, see `plane_choice.rs`; below 256.
    pub choice_byte: u32,
}

impl Choice {
    /// The first choice of a hash in a subtable of depth `depth`. Bit 7 of the choice byte is the
    /// bit of the hash that follows the subtable's.
    #[inline(always)]
    pub fn first(hash: u64, depth: u8) -> Choice {
        let next_bit = (hash << depth >> 63) as u32;
        Choice {
            group: (hash >> 8) as u32 % GROUPS as u32,
            choice_byte: hash as u32 & 127 | next_bit << 7,
        }
    }

    /// The choice of an entry that lies in a bucket of `group`.
    #[inline(always)]
    pub fn at(group: u32, choice_byte: u8) -> Choice {
        Choice { group, choice_byte: choice_byte.into() }
    }

    /// The alternate bucket for this tag. An involution: `c.other(t).other(t) == c`.
    #[inline(always)]
    pub fn other(self, tag: u8) -> Choice {
        let mixed = u32::from(tag).wrapping_mul(0x9E37_79B1);
        let group_bits = GROUPS.trailing_zeros();
        Choice {
            group: self.group ^ mixed >> (32 - group_bits),
            choice_byte: self.choice_byte ^ (mixed >> 16 & 127),
        }
    }

    /// Both choices of a hash, and its tag.
    #[inline(always)]
    pub fn both(hash: u64, depth: u8) -> ([Choice; 2], u8) {
        let tag = tag_of(hash);
        let first = Choice::first(hash, depth);
        ([first, first.other(tag)], tag)
    }
}

#[cfg(test)]
mod tests;
