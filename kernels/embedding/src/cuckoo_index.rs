//! The index: from hash to the handles of the rows that may hold it.
//!
//! It is many segments by the top bits of the hash, so that growth touches one of some thousand entries at a time, and a
//! directory from those bits to segments, as in extendible hashing (Fagin et al., 1979).

use crate::entry::Entry;
use crate::memory::Memory;
use crate::plane::{Choice, Planes};
use crate::plane_choice::PLANES_MAX;
use crate::search::PASS;
use crate::segment::{Crowded, Position, Segment};
use crate::tags::BUCKET_SLOTS;

/// 2^16 segments hold 500 million rows; deeper only ids made to collide would go.
const DEPTH_MAX: u8 = 16;

/// What the batched search reads. Valid until something is inserted other than through `Search`.
#[derive(Clone, Copy)]
pub struct IndexView {
    /// Segment by the top bits of a hash.
    pub directory: *const u32,
    /// By number.
    pub segments: *const Segment,
    /// 63 less the directory's depth.
    pub shift: u32,
}

/// Entries of a table.
pub struct CuckooIndex {
    /// Numbers are stable.
    segments: Vec<Segment>,
    /// Segment by the top `depth` bits of a hash.
    directory: Vec<u32>,
    depth: u8,
    planes: Planes,
    /// Hashes whose segments are at their bound; no more than the ids of a pass, after which they grow.
    waiting: Vec<u64>,
    /// Goes up whenever entries move between segments or planes.
    pub growths: u64,
}

impl CuckooIndex {
    /// An empty index; `None` at the memory limit.
    pub fn new(memory: &mut Memory) -> Option<CuckooIndex> {
        let mut planes = Planes::default();
        let plane = planes.take(memory)?;
        plane.clear();
        Some(CuckooIndex {
            segments: vec![Segment::new(0, 0, &[plane])],
            directory: vec![0],
            depth: 0,
            planes,
            waiting: Vec::with_capacity(PASS),
            growths: 0,
        })
    }

    /// For searches until something changes.
    #[inline(always)]
    pub fn view(&self) -> IndexView {
        IndexView {
            directory: self.directory.as_ptr(),
            segments: self.segments.as_ptr(),
            shift: 63 - u32::from(self.depth),
        }
    }

    /// Slots in all.
    pub fn slots(&self) -> usize {
        self.segments.iter().map(Segment::slots).sum()
    }

    /// The number of the segment that holds a hash or would hold it.
    #[inline(always)]
    pub fn number_of(&self, hash: u64) -> usize {
        // Two shifts, for a shift by 64 is none.
        self.directory[((hash >> 1) >> (63 - self.depth)) as usize] as usize
    }

    /// The segment that holds a hash or would hold it.
    pub fn segment_of(&mut self, hash: u64) -> &mut Segment {
        let number = self.number_of(hash);
        &mut self.segments[number]
    }

    /// Bits that the hashes of a segment share.
    #[inline(always)]
    pub fn depth(&self, segment: usize) -> u8 {
        self.segments[segment].depth
    }

    /// The place of the hash's entry that satisfies `is_row`.
    #[inline]
    pub fn find(&self, hash: u64, is_row: impl FnMut(u32) -> bool) -> Option<Position> {
        self.segments[self.number_of(hash)].find(hash, is_row)
    }

    /// Adds an entry, growing where the segment is at its bound.
    pub fn insert(
        &mut self,
        memory: &mut Memory,
        hash: u64,
        handle: u32,
        hash_of: impl Fn(u32) -> u64,
    ) -> Result<(), Crowded> {
        self.make_room(memory, hash, &hash_of);
        match self.segment_of(hash).insert(hash, handle) {
            Ok(()) => Ok(()),
            Err(Crowded) => self.insert_crowded(memory, hash, handle, hash_of),
        }
    }

    /// Adds an entry for which its segment has no room as it is.
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
            let segment = self.segment_of(hash);
            // Crowded while it is three quarters empty, it holds ids made to collide.
            let may_grow = 4 * segment.rows as usize > segment.slots();
            if !may_grow || !self.grow(memory, hash, &hash_of) {
                return Err(Crowded);
            }
            if self.segment_of(hash).insert(hash, handle) == Ok(()) {
                return Ok(());
            }
        }
    }

    /// Places an entry in a segment, by number, whose search saw no empty slot; it is still to be counted.
    pub fn displace(&mut self, segment: usize, hash: u64, handle: u32) -> Result<(), Crowded> {
        let segment = &mut self.segments[segment];
        let (choices, tag) = Choice::both(hash, segment.depth);
        segment.displace(choices, tag, Entry::new(hash, segment.depth, handle), None)
    }

    /// Counts an entry that was placed in its segment, by `Search::fill` or `displace`.
    #[inline(always)]
    pub fn count_insertion(&mut self, segment: usize, hash: u64) {
        let segment = &mut self.segments[segment];
        segment.rows += 1;
        if segment.rows >= segment.rows_max() {
            self.waiting.push(hash);
        }
    }

    /// Grows the segments that reached their bound since the last time.
    #[inline(always)]
    pub fn grow_waiting(&mut self, memory: &mut Memory, hash_of: impl Fn(u32) -> u64) {
        while let Some(hash) = self.waiting.pop() {
            self.make_room(memory, hash, &hash_of);
        }
    }

    /// Keeps a hash's segment below its bound. At the memory limit it stays as it is and goes on filling.
    fn make_room(&mut self, memory: &mut Memory, hash: u64, hash_of: &impl Fn(u32) -> u64) {
        loop {
            let segment = self.segment_of(hash);
            if segment.rows < segment.rows_max() || !self.grow(memory, hash, hash_of) {
                return;
            }
        }
    }

    /// Empties a position of a hash's segment.
    pub fn remove(&mut self, hash: u64, position: Position) {
        self.segment_of(hash).remove(position);
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, memory: &mut Memory, hash: u64, hash_of: &impl Fn(u32) -> u64) -> bool {
        let segment = self.segment_of(hash);
        if segment.growth_rests > 0 {
            return false;
        }
        let grew = match usize::from(segment.count) {
            PLANES_MAX => self.cut(hash, hash_of),
            _ => self.add_plane(memory, hash),
        };
        self.growths += u64::from(grew.is_some());
        grew.is_some()
    }

    /// Grows a segment by one plane; `None` at the memory limit, or where its ids are made to collide.
    fn add_plane(&mut self, memory: &mut Memory, hash: u64) -> Option<()> {
        let plane = self.planes.take(memory)?;
        let segment = self.segment_of(hash);
        let grown = segment.grow(plane);
        if grown.is_err() {
            segment.growth_rests = u8::MAX;
            self.planes.give_back(plane);
        }
        grown.ok()
    }

    /// Cuts a segment in two; `None` where its ids are made to collide.
    fn cut(&mut self, hash: u64, hash_of: &impl Fn(u32) -> u64) -> Option<()> {
        let number = self.number_of(hash);
        let depth = self.segments[number].depth;
        if depth == DEPTH_MAX {
            return None;
        }
        self.segments.try_reserve(1).ok()?;
        if depth == self.depth {
            let mut directory = Vec::new();
            directory.try_reserve_exact(2 * self.directory.len()).ok()?;
            directory.extend(self.directory.iter().flat_map(|&segment| [segment, segment]));
            self.directory = directory;
            self.depth += 1;
        }
        let [lower, upper] = self.segments[number].clone().cut(hash_of);
        let upper_prefix = (hash >> (63 - depth) | 1) as usize;
        let span = self.depth - upper.depth;
        let begin = upper_prefix << span;
        self.directory[begin..begin + (1 << span)].fill(self.segments.len() as u32);
        self.segments[number] = lower;
        self.segments.push(upper);
        Some(())
    }

    /// Buckets by the entries that they hold, from none to all slots.
    pub fn entries_per_bucket(&self) -> [u32; BUCKET_SLOTS + 1] {
        let mut histogram = [0; BUCKET_SLOTS + 1];
        self.segments.iter().for_each(|segment| segment.count_buckets(&mut histogram));
        histogram
    }

    /// Entries in the first bucket of their hash, and in the other one.
    pub fn displacement(&self, hash_of: impl Fn(u32) -> u64) -> [usize; 2] {
        self.segments
            .iter()
            .map(|segment| segment.displacement(&hash_of))
            .fold([0, 0], |sum, counts| [sum[0] + counts[0], sum[1] + counts[1]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixing::mix64;

    fn hash_of(handle: u32) -> u64 {
        mix64(u64::from(handle))
    }

    #[test]
    fn an_index_grows_through_many_cuts_and_loses_nothing() {
        let mut memory = Memory::new(1 << 30);
        let mut index = CuckooIndex::new(&mut memory).unwrap();
        const ENTRIES: u64 = 300_000;
        for id in 0..ENTRIES {
            assert_eq!(index.insert(&mut memory, mix64(id), id as u32, hash_of), Ok(()));
            // A load that was passed before anything grew.
            if id == 967 {
                assert_eq!(index.slots(), 1024);
            }
        }
        assert!(index.segments.len() > 16 && index.depth >= 5);
        for id in 0..ENTRIES {
            assert!(index.find(mix64(id), |handle| u64::from(handle) == id).is_some());
            assert!(index
                .find(mix64(id + ENTRIES), |handle| u64::from(handle) >= ENTRIES)
                .is_none());
        }
        let [in_first, in_other] = index.displacement(hash_of);
        assert_eq!((in_first + in_other) as u64, ENTRIES);
        assert!(in_first as u64 > ENTRIES / 3);
        let load = ENTRIES as f64 / index.slots() as f64;
        assert!(load > 0.84, "{load}");
        let rows: u32 = index.segments.iter().map(|segment| segment.rows).sum();
        assert_eq!(u64::from(rows), ENTRIES);
    }

    #[test]
    fn a_removed_entry_is_gone_and_its_slot_is_free() {
        let mut memory = Memory::new(1 << 30);
        let mut index = CuckooIndex::new(&mut memory).unwrap();
        for round in 0..20_u64 {
            for id in 0..900 {
                let handle = (round * 1000 + id) as u32;
                index.insert(&mut memory, mix64(u64::from(handle)), handle, hash_of).unwrap();
            }
            for id in 0..900 {
                let (handle, hash) = (round * 1000 + id, mix64(round * 1000 + id));
                let position = index.find(hash, |other| u64::from(other) == handle).unwrap();
                index.remove(hash, position);
                assert!(index.find(hash, |other| u64::from(other) == handle).is_none());
            }
        }
        assert_eq!(index.slots(), 1024);
    }

    #[test]
    fn a_growth_that_cannot_help_is_not_tried_for_every_id() {
        let mut memory = Memory::new(1 << 26);
        let mut index = CuckooIndex::new(&mut memory).unwrap();
        // The bit that tells two halves of a segment apart is the same, and so half of its planes are of no use.
        let hash = |handle: u32| 0xABCDE << 44 | mix64(u64::from(handle)) >> 20;
        let mut refused = 0;
        for handle in 0..20_000 {
            refused += u32::from(index.insert(&mut memory, hash(handle), handle, hash).is_err());
        }
        let segment = index.segment_of(hash(0));
        assert!(segment.growth_rests > 0);
        assert!(segment.rows + refused == 20_000 && refused > 5000);
    }

    #[test]
    fn ids_made_to_collide_are_refused_and_nothing_is_lost() {
        let mut memory = Memory::new(1 << 26);
        let mut index = CuckooIndex::new(&mut memory).unwrap();
        // One tag, one byte, one group: two buckets for all.
        let hash = |handle: u32| 0x77_0000_0000 | u64::from(handle) << 14;
        let mut placed = 0;
        while index.insert(&mut memory, hash(placed), placed, hash).is_ok() {
            placed += 1;
            assert!(placed < 1000);
        }
        assert_eq!(placed, 32);
        for handle in 0..placed {
            assert!(index.find(hash(handle), |other| other == handle).is_some());
        }
    }
}
