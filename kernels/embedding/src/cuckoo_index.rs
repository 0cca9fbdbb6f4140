//! The index: from a hash to the handles of the rows that may have it.
//!
//! Entries are spread over many subtables by the top bits of the hash, so that growth touches about
//! one thousandth of them at a time. A directory maps those bits to subtables, as in extendible
//! hashing (Fagin et al., 1979).

use crate::bucket::BUCKET_CELLS;
use crate::entry::Entry;
use crate::memory::Memory;
use crate::plane::{Choice, Planes};
use crate::plane_choice::PLANES_MAX;
use crate::search::PASS;
use crate::subtable::{Crowded, Position, Subtable};

/// 2^16 subtables hold 500 million rows; only ids made to collide would need more.
const DEPTH_MAX: u8 = 16;

/// The part of the index that the batched search reads. Invalid after any insertion except by
/// `Search`.
#[derive(Clone, Copy)]
pub struct IndexView {
    /// Subtable by the top bits of a hash.
    pub directory: *const u32,
    /// Subtables by number.
    pub subtables: *const Subtable,
    /// 63 minus the directory's depth.
    pub shift: u32,
}

/// The entries of a table.
pub struct CuckooIndex {
    /// Numbers of subtables do not change.
    subtables: Vec<Subtable>,
    /// Subtable by the top `depth` bits of a hash.
    directory: Vec<u32>,
    depth: u8,
    planes: Planes,
    /// Hashes whose subtables reached their bound. At most the ids of a pass; then they grow.
    waiting: Vec<u64>,
    /// Increases whenever entries move between subtables or planes.
    pub growths: u64,
}

impl CuckooIndex {
    /// An empty index; `None` at the memory limit.
    pub fn new(memory: &mut Memory) -> Option<CuckooIndex> {
        let mut planes = Planes::new();
        let plane = planes.take(memory)?;
        plane.clear();
        Some(CuckooIndex {
            subtables: vec![Subtable::new(0, 0, &[plane])],
            directory: vec![0],
            depth: 0,
            planes,
            waiting: Vec::with_capacity(PASS),
            growths: 0,
        })
    }

    /// A view that is valid until the index changes.
    #[inline(always)]
    pub fn view(&self) -> IndexView {
        IndexView {
            directory: self.directory.as_ptr(),
            subtables: self.subtables.as_ptr(),
            shift: 63 - u32::from(self.depth),
        }
    }

    /// Number of cells.
    pub fn cells(&self) -> usize {
        self.subtables.iter().map(Subtable::cells).sum()
    }

    /// The number of the hash's subtable.
    #[inline(always)]
    pub fn number_of(&self, hash: u64) -> usize {
        // Two shifts, because a shift by 64 is undefined.
        self.directory[((hash >> 1) >> (63 - self.depth)) as usize] as usize
    }

    /// The hash's subtable.
    pub fn subtable_of(&mut self, hash: u64) -> &mut Subtable {
        let number = self.number_of(hash);
        &mut self.subtables[number]
    }

    /// Number of top bits that all hashes of a subtable share.
    #[inline(always)]
    pub fn depth(&self, subtable: usize) -> u8 {
        self.subtables[subtable].depth
    }

    /// The cell of the hash's entry that satisfies `is_row`.
    #[inline]
    pub fn find(&self, hash: u64, is_row: impl FnMut(u32) -> bool) -> Option<Position> {
        self.subtables[self.number_of(hash)].find(hash, is_row)
    }

    /// Adds an entry; grows the subtable if it is at its bound.
    pub fn insert(
        &mut self,
        memory: &mut Memory,
        hash: u64,
        handle: u32,
        hash_of: impl Fn(u32) -> u64,
    ) -> Result<(), Crowded> {
        self.make_room(memory, hash, &hash_of);
        match self.subtable_of(hash).insert(hash, handle) {
            Ok(()) => Ok(()),
            Err(Crowded) => self.insert_crowded(memory, hash, handle, hash_of),
        }
    }

    /// Adds an entry that its subtable refused.
    #[cold]
    #[inline(never)]
    pub fn insert_crowded(
        &mut self,
        memory: &mut Memory,
        hash: u64,
        handle: u32,
        hash_of: impl Fn(u32) -> u64,
    ) -> Result<(), Crowded> {
        loop {
            let subtable = self.subtable_of(hash);
            // A subtable that is crowded while three quarters empty holds ids made to collide.
            let may_grow = 4 * subtable.rows as usize > subtable.cells();
            if !may_grow || !self.grow(memory, hash, &hash_of) {
                return Err(Crowded);
            }
            if self.subtable_of(hash).insert(hash, handle) == Ok(()) {
                return Ok(());
            }
        }
    }

    /// Inserts an entry into a subtable, by number, whose two buckets for the entry are full.
    /// `count_insertion` must follow.
    pub fn displace(&mut self, subtable: usize, hash: u64, handle: u32) -> Result<(), Crowded> {
        let subtable = &mut self.subtables[subtable];
        let (choices, tag) = Choice::both(hash, subtable.depth);
        subtable.displace(choices, tag, Entry::new(hash, subtable.depth, handle), None)
    }

    /// Counts an entry that `Search::fill` or `displace` inserted.
    #[inline(always)]
    pub fn count_insertion(&mut self, subtable: usize, hash: u64) {
        let subtable = &mut self.subtables[subtable];
        subtable.rows += 1;
        if subtable.rows >= subtable.rows_max() {
            self.waiting.push(hash);
        }
    }

    /// Grows the subtables that reached their bound since the last call.
    #[inline(always)]
    pub fn grow_waiting(&mut self, memory: &mut Memory, hash_of: impl Fn(u32) -> u64) {
        while let Some(hash) = self.waiting.pop() {
            self.make_room(memory, hash, &hash_of);
        }
    }

    /// Grows the hash's subtable if it is at its bound. At the memory limit it stays as it is and
    /// goes on filling.
    fn make_room(&mut self, memory: &mut Memory, hash: u64, hash_of: &impl Fn(u32) -> u64) {
        loop {
            let subtable = self.subtable_of(hash);
            if subtable.rows < subtable.rows_max() || !self.grow(memory, hash, hash_of) {
                return;
            }
        }
    }

    /// Empties a cell of the hash's subtable.
    pub fn remove(&mut self, hash: u64, position: Position) {
        self.subtable_of(hash).remove(position);
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, memory: &mut Memory, hash: u64, hash_of: &impl Fn(u32) -> u64) -> bool {
        let subtable = self.subtable_of(hash);
        if subtable.growth_pause > 0 {
            return false;
        }
        let grew = match usize::from(subtable.count) {
            PLANES_MAX => self.split(hash, hash_of),
            _ => self.add_plane(memory, hash),
        };
        self.growths += u64::from(grew.is_some());
        grew.is_some()
    }

    /// Grows a subtable by one plane; `None` at the memory limit, or if its ids are made to
    /// collide.
    fn add_plane(&mut self, memory: &mut Memory, hash: u64) -> Option<()> {
        let plane = self.planes.take(memory)?;
        let subtable = self.subtable_of(hash);
        let grown = subtable.grow(plane);
        if grown.is_err() {
            subtable.growth_pause = u8::MAX;
            self.planes.give_back(plane);
        }
        grown.ok()
    }

    /// Splits a subtable; `None` if its ids are made to collide.
    fn split(&mut self, hash: u64, hash_of: &impl Fn(u32) -> u64) -> Option<()> {
        let number = self.number_of(hash);
        let depth = self.subtables[number].depth;
        if depth == DEPTH_MAX {
            return None;
        }
        self.subtables.try_reserve(1).ok()?;
        if depth == self.depth {
            let mut directory = Vec::new();
            directory.try_reserve_exact(2 * self.directory.len()).ok()?;
            directory.extend(self.directory.iter().flat_map(|&subtable| [subtable, subtable]));
            self.directory = directory;
            self.depth += 1;
        }
        let [lower, upper] = self.subtables[number].clone().split(hash_of);
        let upper_prefix = (hash >> (63 - depth) | 1) as usize;
        let span = self.depth - upper.depth;
        let begin = upper_prefix << span;
        self.directory[begin..begin + (1 << span)].fill(self.subtables.len() as u32);
        self.subtables[number] = lower;
        self.subtables.push(upper);
        Some(())
    }

    /// Number of buckets that hold 0, 1, … 10 entries.
    pub fn entries_per_bucket(&self) -> [u32; BUCKET_CELLS + 1] {
        let mut histogram = [0; BUCKET_CELLS + 1];
        self.subtables.iter().for_each(|subtable| subtable.count_buckets(&mut histogram));
        histogram
    }

    /// Number of entries in the first bucket of their hash, and in the other one.
    pub fn displacement(&self) -> [usize; 2] {
        self.subtables
            .iter()
            .map(Subtable::displacement)
            .fold([0, 0], |sum, counts| [sum[0] + counts[0], sum[1] + counts[1]])
    }
}

#[cfg(test)]
mod tests;
