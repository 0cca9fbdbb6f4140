//! What an index is made of: planes of buckets, the entries in them, and the two choices of a bucket that a hash has.
//!
//! A cell is a one-byte tag, in arrays of their own so that the tags of a million keys stay in cache; a four-byte entry, the
//! row's handle beside six bits of hash; and the byte that chose the plane, which only insertions read. Tag, byte and
//! group say where else an entry may lie, so displacing entries and growing a subtable never touch a row.

use crate::entry::{self, Entry};
use crate::memory::Memory;
use crate::movers::Movers;
use crate::tags::{tag_of, Tags, BUCKET_CELLS};
use std::alloc::{alloc, dealloc, Layout};

/// Buckets of a plane.
pub const GROUPS: usize = 64;
/// Bytes of a cell: tag, byte and entry.
pub const CELL_BYTES: usize = 6;
/// Bytes of a plane.
pub const PLANE_BYTES: usize = GROUPS * BUCKET_CELLS * CELL_BYTES;
/// Planes of an extent: as many as have 64 kB of tags, a whole round of the second cache's sets.
const EXTENT_PLANES: usize = 64;
/// Cells of an extent.
const EXTENT_CELLS: usize = EXTENT_PLANES * GROUPS * BUCKET_CELLS;
/// Aligned to its tags, so that an address tells its place.
const EXTENT: Layout = match Layout::from_size_align(EXTENT_CELLS * CELL_BYTES, EXTENT_CELLS) {
    Ok(layout) => layout,
    Err(_) => panic!("a layout"),
};

/// A bucket, by the address of its tags. Those of an extent fill its first 64 kB, to which it is aligned; the cells' bytes
/// follow in the same order, then their entries: so the address of a cell's tag says where its byte and entry are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket(*mut Tags);

impl Bucket {
    /// Stands where there is none.
    pub const NONE: Bucket = Bucket(std::ptr::null_mut());

    #[inline(always)]
    fn tags(self) -> *mut Tags {
        self.0
    }

    /// What chose the plane of each cell.
    #[inline(always)]
    fn bytes(self) -> *mut [u8; BUCKET_CELLS] {
        self.0.cast::<u8>().wrapping_add(EXTENT_CELLS).cast()
    }

    /// A cache line.
    #[inline(always)]
    fn entries(self) -> *mut [Entry; BUCKET_CELLS] {
        let cell = self.0 as usize % EXTENT_CELLS;
        self.0.cast::<u8>().wrapping_add(2 * EXTENT_CELLS + 3 * cell).cast()
    }

    /// Cells with a tag, as bits.
    #[inline(always)]
    pub fn matches(self, tag: u8) -> u32 {
        // SAFETY: but for `NONE`, buckets are of planes, whose extents live as long as their index; the reference ends here.
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

    /// Taken cells whose bytes are in a set, as bits.
    #[inline(always)]
    pub fn moving(self, movers: &Movers) -> u32 {
        // SAFETY: as in `matches`.
        unsafe { movers.among(&*self.bytes()) & self.taken() }
    }

    /// A word of the tags, loaded for its cache line alone.
    #[inline(always)]
    pub fn touch(self) -> u64 {
        // SAFETY: as in `matches`.
        unsafe { (*self.tags()).touch() }
    }

    /// Loads what writing a cell needs, for the cache lines alone.
    #[inline(always)]
    pub fn touch_to_write(self) -> u8 {
        self.cell(0).byte ^ self.cell(0).entry.hint()
    }

    /// What is in a cell.
    #[inline(always)]
    pub fn cell(self, cell: usize) -> Cell {
        let cell = cell % BUCKET_CELLS;
        // SAFETY: as in `matches`.
        unsafe {
            Cell {
                tag: (*self.tags()).0[cell],
                byte: (*self.bytes())[cell],
                entry: (*self.entries())[cell],
            }
        }
    }

    /// Where the entry of a cell is.
    #[inline(always)]
    pub fn entry(self, cell: usize) -> *const Entry {
        self.entries().cast::<Entry>().wrapping_add(cell % BUCKET_CELLS)
    }

    /// Writes a cell.
    #[inline(always)]
    pub fn set(self, cell: usize, content: Cell) {
        let cell = cell % BUCKET_CELLS;
        // SAFETY: as in `matches`; each bucket is of one subtable, and only one thread uses a table.
        unsafe {
            (*self.tags()).0[cell] = content.tag;
            (*self.bytes())[cell] = content.byte;
            (*self.entries())[cell] = content.entry;
        }
    }

    /// Empties a cell.
    #[inline(always)]
    pub fn clear(self, cell: usize) {
        // SAFETY: as in `set`.
        unsafe { (*self.tags()).0[cell % BUCKET_CELLS] = 0 }
    }

    /// Makes bit 7 of every cell's byte the hash's bit behind the first `depth`, one more than before.
    #[inline]
    pub fn deepen(self, depth: u8, hash_of: &impl Fn(u32) -> u64) {
        // SAFETY: as in `set`; the references end here.
        let (bytes, entries) = unsafe { (&mut *self.bytes(), &mut *self.entries()) };
        entry::deepen(bytes, entries, depth, hash_of);
    }

    /// One of two without a branch, which would be mispredicted every other time.
    #[inline(always)]
    pub fn or(self, other: Bucket, take_other: bool) -> Bucket {
        let (this, that) = (self.0 as usize, other.0 as usize);
        Bucket((this ^ ((this ^ that) & usize::from(take_other).wrapping_neg())) as *mut Tags)
    }
}

/// What is in a cell.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// 0 where the cell is empty.
    pub tag: u8,
    /// What chose its plane.
    pub byte: u8,
    /// Which row.
    pub entry: Entry,
}

impl Cell {
    /// Nothing.
    pub const EMPTY: Cell = Cell { tag: 0, byte: 0, entry: Entry::NONE };
}

/// One bucket a group, one after another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plane(*mut Tags);

impl Plane {
    /// Stands where there is none.
    pub const NONE: Plane = Plane(std::ptr::null_mut());

    /// Empties it.
    pub fn clear(self) {
        let first = self.bucket(0);
        // SAFETY: each of the three arrays holds as many cells of this plane one after another, and only one thread uses it.
        unsafe {
            first.tags().write_bytes(0, GROUPS);
            first.bytes().write_bytes(0, GROUPS);
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

/// The planes of an index.
#[derive(Default)]
pub struct Planes {
    free: Vec<Plane>,
    extents: Vec<*mut Tags>,
    /// Planes of the last extent that were taken.
    taken: usize,
}

impl Planes {
    /// A plane, to be cleared before it is used; `None` at the memory limit. Only planes in use are claimed: the rest of an
    /// extent is memory that nobody has touched.
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

    /// Takes a plane back, which must be used no more.
    pub fn give_back(&mut self, plane: Plane) {
        self.free.push(plane);
    }

    fn add_extent(&mut self) -> Option<()> {
        self.extents.try_reserve(1).ok()?;
        // Room on the free list for every plane there is: giving one back never allocates.
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

/// One of the two buckets where an entry may lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Bucket of the plane, below `GROUPS`.
    pub group: u32,
    /// Chooses the plane, see `plane_choice.rs`; below 256.
    pub byte: u32,
}

impl Choice {
    /// The first of a hash in a subtable of that depth: bit 7 of its byte is the hash's bit behind those of the subtable.
    #[inline(always)]
    pub fn first(hash: u64, depth: u8) -> Choice {
        let next_bit = (hash >> (63 - depth)) as u32 & 1;
        Choice {
            group: (hash >> 8) as u32 % GROUPS as u32,
            byte: hash as u32 & 127 | next_bit << 7,
        }
    }

    /// The choice that an entry in a bucket of `group` is at.
    #[inline(always)]
    pub fn at(group: u32, byte: u8) -> Choice {
        Choice { group, byte: byte.into() }
    }

    /// The other choice of the same tag; of that, the other is this one.
    #[inline(always)]
    pub fn other(self, tag: u8) -> Choice {
        let mixed = u32::from(tag).wrapping_mul(0x9E37_79B1);
        let group_bits = GROUPS.trailing_zeros();
        Choice {
            group: self.group ^ mixed >> (32 - group_bits),
            byte: self.byte ^ (mixed >> 16 & 127),
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
mod tests {
    use super::*;
    use crate::mixing::mix64;

    #[test]
    fn the_other_choice_of_the_other_is_the_first_and_stays_on_its_side() {
        for seed in 0..20_000 {
            let ([first, second], tag) = Choice::both(mix64(seed), seed as u8 % 16);
            assert!((first.group as usize) < GROUPS && (second.group as usize) < GROUPS);
            assert!(first.byte < 256 && second.byte < 256);
            assert_eq!(second.other(tag), first);
            assert_eq!(first.byte & 128, second.byte & 128);
        }
    }

    #[test]
    fn a_bucket_knows_the_next_bit_of_its_hashes_at_every_depth() {
        let (mut planes, mut memory) = (Planes::default(), Memory::new(1 << 20));
        let plane = planes.take(&mut memory).unwrap();
        plane.clear();
        for seed in 0..500 {
            let hash_of = |handle: u32| mix64(seed << 8 | u64::from(handle));
            let bucket = plane.bucket(seed as u32 % GROUPS as u32);
            let cells = seed as usize % (BUCKET_CELLS + 1);
            for cell in 0..cells {
                let hash = hash_of(cell as u32);
                let byte = Choice::first(hash, 0).byte as u8;
                bucket.set(cell, Cell { tag: 1, byte, entry: Entry::new(hash, 0, cell as u32) });
            }
            for depth in 0..17 {
                if depth > 0 {
                    bucket.deepen(depth, &hash_of);
                }
                for handle in 0..cells as u32 {
                    let Cell { byte, entry, .. } = bucket.cell(handle as usize);
                    assert_eq!(entry, Entry::new(hash_of(handle), depth, handle));
                    assert_eq!(u32::from(byte), Choice::first(hash_of(handle), depth).byte);
                }
            }
        }
    }
}
