//! One region's index: from hash to the handles of the rows that may hold it.
//!
//! A bucketised cuckoo table (Pagh and Rodler, 2004; partial keys as in Fan et al., "Cuckoo Filter", 2014). A slot is a
//! one-byte tag, in an array of its own so that the tags of a million keys stay in cache, and a four-byte entry: the
//! row's handle beside the 16 bits of hash that chose its bucket. Those bits, and an alternate bucket that follows
//! from bucket and tag alone and is its own inverse for any number of buckets, mean that displacing entries and
//! rebuilding the index a sixth larger never touch a row.

use crate::tags::{tag_of, Tags, BUCKET_SLOTS};

/// Growth happens when more than this share of the slots would be taken.
pub const LOAD_MAX_PERCENT: usize = 96;
/// Buckets looked at before an insertion gives up and the index grows.
const SEARCH_BUCKETS_MAX: usize = 64;
/// Bytes of a slot: tag and entry.
pub const SLOT_BYTES: usize = 5;

/// A row's handle (low half) and its place, the hash bits that choose the first bucket (high half).
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(transparent)]
pub struct Entry(u32);

impl Entry {
    /// Stands where there is none.
    pub const NONE: Entry = Entry(0);

    fn new(place: u16, handle: u16) -> Entry {
        Entry(u32::from(place) << 16 | u32::from(handle))
    }

    /// The row's handle.
    #[inline(always)]
    pub fn handle(self) -> u16 {
        self.0 as u16
    }

    /// The hash bits that choose the first bucket.
    #[inline(always)]
    pub fn place(self) -> u16 {
        (self.0 >> 16) as u16
    }
}

/// The hash bits that choose the first bucket.
#[inline(always)]
pub fn place_of(hash: u64) -> u16 {
    hash as u16
}

/// A slot's position: bucket × 16 + slot.
pub type Position = usize;

/// Where a hash may be: two buckets and the tag to look for.
#[derive(Clone, Copy)]
pub struct Candidates {
    /// First bucket, from the hash's low 16 bits.
    pub first: usize,
    /// The other bucket of this tag; may equal the first.
    pub second: usize,
    /// Never 0.
    pub tag: u8,
}

/// The candidates of a hash among `buckets` buckets.
#[inline(always)]
pub fn candidates(hash: u64, buckets: u32) -> Candidates {
    candidates_of(place_of(hash), tag_of(hash), buckets)
}

#[inline(always)]
fn candidates_of(place: u16, tag: u8, buckets: u32) -> Candidates {
    let first = ((u32::from(place) * buckets) >> 16) as usize;
    Candidates { first, second: alternate(first, tag, buckets), tag }
}

/// The other bucket of a tag: (pivot(tag) − bucket) mod buckets, an involution for any number of buckets.
#[inline(always)]
fn alternate(bucket: usize, tag: u8, buckets: u32) -> usize {
    let spread = u32::from(tag).wrapping_mul(0x9E37_79B1);
    let pivot = ((u64::from(spread) * u64::from(buckets)) >> 32) as usize;
    match pivot >= bucket {
        true => pivot - bucket,
        false => pivot + buckets as usize - bucket,
    }
}

/// Tags and entries of one region.
pub struct CuckooIndex {
    tags: Vec<Tags>,
    entries: Vec<Entry>,
}

/// An entry found no place within the search bound; the index must grow.
#[derive(Debug, PartialEq)]
pub struct Crowded;

impl CuckooIndex {
    /// An empty index, or `None` where the allocator has no room.
    pub fn with_buckets(buckets: u32) -> Option<CuckooIndex> {
        let buckets = buckets as usize;
        let mut index = CuckooIndex { tags: Vec::new(), entries: Vec::new() };
        index.tags.try_reserve_exact(buckets).ok()?;
        index.entries.try_reserve_exact(buckets * BUCKET_SLOTS).ok()?;
        index.tags.resize(buckets, Tags::EMPTY);
        index.entries.resize(buckets * BUCKET_SLOTS, Entry(0));
        Some(index)
    }

    /// Buckets that hold `rows` at `load_percent`.
    pub fn buckets_for(rows: usize, load_percent: usize) -> u32 {
        (rows * 100).div_ceil(BUCKET_SLOTS * load_percent).max(1) as u32
    }

    /// Buckets in all.
    #[inline(always)]
    pub fn buckets(&self) -> u32 {
        self.tags.len() as u32
    }

    /// Slots in all.
    pub fn slots(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of tags and entries.
    pub fn bytes(&self) -> usize {
        self.slots() * SLOT_BYTES
    }

    /// Entries that may be placed before the index has to grow.
    pub fn entries_max(&self) -> usize {
        self.slots() * LOAD_MAX_PERCENT / 100
    }

    /// Tags by bucket, for the batched probe.
    pub fn tags(&self) -> &[Tags] {
        &self.tags
    }

    /// Entries by position, for the batched probe.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The position whose entry carries the hash's tag and satisfies `is_row`.
    #[inline]
    pub fn find(&self, hash: u64, mut is_row: impl FnMut(u16) -> bool) -> Option<Position> {
        let place = candidates(hash, self.buckets());
        for bucket in [place.first, place.second] {
            let mut matches = self.tags[bucket].matches(place.tag);
            while matches != 0 {
                let position = bucket * BUCKET_SLOTS + matches.trailing_zeros() as usize;
                let entry = self.entries[position];
                if entry.place() == place_of(hash) && is_row(entry.handle()) {
                    return Some(position);
                }
                matches &= matches - 1;
            }
        }
        None
    }

    /// Places a new entry, moving others aside where both its buckets are full.
    #[inline]
    pub fn insert(&mut self, hash: u64, handle: u16) -> Result<(), Crowded> {
        self.place(Entry::new(place_of(hash), handle), tag_of(hash))
    }

    #[inline(always)]
    fn place(&mut self, entry: Entry, tag: u8) -> Result<(), Crowded> {
        let place = candidates_of(entry.place(), tag, self.buckets());
        let (first, second) = (self.tags[place.first].empty(), self.tags[place.second].empty());
        // The emptier bucket: this alone fills nine tenths of all slots before anything has to move.
        let (bucket, empty) = match second.count_ones() > first.count_ones() {
            true => (place.second, second),
            false => (place.first, first),
        };
        let (bucket, slot) = match empty {
            0 => self.make_room(&place)?,
            _ => (bucket, empty.trailing_zeros() as usize),
        };
        self.set(bucket, slot, tag, entry);
        Ok(())
    }

    /// Places every entry of another index.
    pub fn fill_from(&mut self, other: &CuckooIndex) -> Result<(), Crowded> {
        for (bucket, &tags) in other.tags.iter().enumerate() {
            for slot in 0..BUCKET_SLOTS {
                if tags.0[slot] != 0 {
                    self.place(other.entries[bucket * BUCKET_SLOTS + slot], tags.0[slot])?;
                }
            }
        }
        Ok(())
    }

    /// Empties a position.
    pub fn remove(&mut self, position: Position) {
        self.tags[position / BUCKET_SLOTS].0[position % BUCKET_SLOTS] = 0;
    }

    #[inline(always)]
    fn set(&mut self, bucket: usize, slot: usize, tag: u8, entry: Entry) {
        self.tags[bucket].0[slot] = tag;
        self.entries[bucket * BUCKET_SLOTS + slot] = entry;
    }

    /// Frees a slot in one of two full buckets: the shortest chain of moves, found breadth first.
    #[cold]
    fn make_room(&mut self, place: &Candidates) -> Result<(usize, usize), Crowded> {
        #[derive(Clone, Copy)]
        struct Step {
            bucket: usize,
            /// The step whose bucket gives an entry to this bucket, and that entry's slot; a root has none.
            parent: Option<(usize, usize)>,
        }
        let root = |bucket| Step { bucket, parent: None };
        let mut steps = [root(place.first); SEARCH_BUCKETS_MAX];
        steps[1] = root(place.second);
        let mut known = 2;
        let mut at = 0;
        while at < known {
            let from = steps[at].bucket;
            for slot in 0..BUCKET_SLOTS {
                let target = alternate(from, self.tags[from].0[slot], self.buckets());
                let empty = self.tags[target].empty();
                if empty != 0 {
                    self.shift(from, slot, target, empty.trailing_zeros() as usize);
                    // Back to the root: each bucket on the way gives an entry to the hole behind it.
                    let (mut hole, mut step) = ((from, slot), steps[at]);
                    while let Some((parent, slot)) = step.parent {
                        step = steps[parent];
                        self.shift(step.bucket, slot, hole.0, hole.1);
                        hole = (step.bucket, slot);
                    }
                    return Ok(hole);
                }
                // No bucket twice: a move must not find its entry moved by another one.
                if known < SEARCH_BUCKETS_MAX
                    && steps[..known].iter().all(|step| step.bucket != target)
                {
                    steps[known] = Step { bucket: target, parent: Some((at, slot)) };
                    known += 1;
                }
            }
            at += 1;
        }
        Err(Crowded)
    }

    fn shift(&mut self, from: usize, slot: usize, to: usize, hole: usize) {
        self.set(to, hole, self.tags[from].0[slot], self.entries[from * BUCKET_SLOTS + slot]);
        self.tags[from].0[slot] = 0;
    }

    /// Entries in their first bucket and in their other one.
    pub fn displacement(&self) -> [usize; 2] {
        let mut counts = [0; 2];
        for (bucket, &tags) in self.tags.iter().enumerate() {
            for slot in (0..BUCKET_SLOTS).filter(|&slot| tags.0[slot] != 0) {
                let place = self.entries[bucket * BUCKET_SLOTS + slot].place();
                let first = candidates_of(place, tags.0[slot], self.buckets()).first;
                counts[usize::from(first != bucket)] += 1;
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixing::mix64;

    #[test]
    fn the_alternate_bucket_is_its_own_inverse() {
        for buckets in [1_u32, 2, 3, 7, 100, 4096, 5001] {
            for seed in 0..2000 {
                let place = candidates(mix64(seed), buckets);
                assert!(place.first < buckets as usize && place.second < buckets as usize);
                assert_eq!(alternate(place.second, place.tag, buckets), place.first);
            }
        }
    }

    #[test]
    fn an_index_of_any_size_fills_past_its_promised_load_and_loses_nothing() {
        for buckets in [50_u32, 257, 1000, 2499] {
            let mut index = CuckooIndex::with_buckets(buckets).unwrap();
            let entries = index.entries_max() as u64;
            for id in 0..entries {
                assert_eq!(index.insert(mix64(id), id as u16), Ok(()), "load {id} of {entries}");
            }
            for id in 0..entries {
                assert!(index.find(mix64(id), |handle| handle == id as u16).is_some());
            }
            let in_first: usize = index.displacement()[0];
            assert!(in_first > entries as usize / 3);
        }
    }

    #[test]
    fn a_removed_entry_is_gone_and_its_slot_is_free() {
        let mut index = CuckooIndex::with_buckets(1).unwrap();
        for id in 0..16 {
            index.insert(mix64(id), id as u16).unwrap();
        }
        assert_eq!(index.insert(mix64(16), 16), Err(Crowded));
        let position = index.find(mix64(3), |handle| handle == 3).unwrap();
        index.remove(position);
        assert_eq!(index.find(mix64(3), |handle| handle == 3), None);
        assert_eq!(index.insert(mix64(16), 16), Ok(()));
    }
}
