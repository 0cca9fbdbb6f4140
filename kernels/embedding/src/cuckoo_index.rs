//! One region's index: from hash to the handles of the rows that may hold it.
//!
//! A bucketised cuckoo table (Pagh and Rodler, 2004; buckets of eight as in Fan et al., "MemC3", 2013) whose slots are a
//! one-byte tag and a two-byte row handle in arrays of their own: three bytes a slot, so the tags of a million keys
//! stay in cache and moving an entry never touches its row. The alternate bucket follows from bucket and tag alone
//! and is its own inverse for any number of buckets, hence growth in small steps instead of doublings.

use crate::tags::{empty_slot, matches, occupied, tag_at, tag_of, with_tag, BUCKET_SLOTS};

/// Growth happens when more than this share of the slots would be taken.
pub const LOAD_MAX_PERCENT: usize = 96;
/// Buckets looked at before an insertion gives up and the index grows: five moves deep in all but odd cases.
const SEARCH_BUCKETS_MAX: usize = 256;
/// Bytes of a slot: tag and handle.
pub const SLOT_BYTES: usize = 3;

/// A slot's position: bucket × 8 + slot.
pub type Position = usize;

/// Where a hash may be: two buckets and the tag to look for.
#[derive(Clone, Copy)]
pub struct Candidates {
    /// First bucket, from the hash's low 32 bits.
    pub first: usize,
    /// The other bucket of this tag; may equal the first.
    pub second: usize,
    /// Never 0.
    pub tag: u8,
}

/// The candidates of a hash among `buckets` buckets.
#[inline(always)]
pub fn candidates(hash: u64, buckets: u32) -> Candidates {
    let first = ((hash & 0xffff_ffff) * u64::from(buckets)) >> 32;
    let tag = tag_of(hash);
    Candidates { first: first as usize, second: alternate(first as usize, tag, buckets), tag }
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

/// Tags and handles of one region.
pub struct CuckooIndex {
    tags: Vec<u64>,
    handles: Vec<u16>,
}

/// An entry found no place within the search bound; the index must grow.
#[derive(Debug, PartialEq)]
pub struct Crowded;

impl CuckooIndex {
    /// An empty index, or `None` where the allocator has no room.
    pub fn with_buckets(buckets: u32) -> Option<CuckooIndex> {
        let buckets = buckets as usize;
        let mut index = CuckooIndex { tags: Vec::new(), handles: Vec::new() };
        index.tags.try_reserve_exact(buckets).ok()?;
        index.handles.try_reserve_exact(buckets * BUCKET_SLOTS).ok()?;
        index.tags.resize(buckets, 0);
        index.handles.resize(buckets * BUCKET_SLOTS, 0);
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
        self.handles.len()
    }

    /// Bytes of tags and handles.
    pub fn bytes(&self) -> usize {
        self.slots() * SLOT_BYTES
    }

    /// Entries that may be placed before the index has to grow.
    pub fn entries_max(&self) -> usize {
        self.slots() * LOAD_MAX_PERCENT / 100
    }

    /// Tags by bucket, for the batched probe.
    pub fn tags(&self) -> &[u64] {
        &self.tags
    }

    /// Handles by position, for the batched probe.
    pub fn handles(&self) -> &[u16] {
        &self.handles
    }

    /// The position whose entry carries the hash's tag and satisfies `is_row`.
    #[inline]
    pub fn find(&self, hash: u64, mut is_row: impl FnMut(u16) -> bool) -> Option<Position> {
        let place = candidates(hash, self.buckets());
        let mut mask = matches(self.tags[place.first], self.tags[place.second], place.tag);
        while mask != 0 {
            let position = position_of(&place, mask.trailing_zeros() as usize);
            if is_row(self.handles[position]) {
                return Some(position);
            }
            mask &= mask - 1;
        }
        None
    }

    /// Places a new entry, moving others aside where both its buckets are full.
    #[inline]
    pub fn insert(&mut self, hash: u64, handle: u16) -> Result<(), Crowded> {
        let place = candidates(hash, self.buckets());
        let (first, second) = (self.tags[place.first], self.tags[place.second]);
        // The emptier bucket: this alone carries the load past .8 before anything has to move.
        let bucket = match occupied(second) < occupied(first) {
            true => place.second,
            false => place.first,
        };
        if let Some(slot) = empty_slot(self.tags[bucket]) {
            self.set(bucket, slot, place.tag, handle);
            return Ok(());
        }
        let (bucket, slot) = self.make_room(&place)?;
        self.set(bucket, slot, place.tag, handle);
        Ok(())
    }

    /// Empties a position.
    pub fn remove(&mut self, position: Position) {
        let (bucket, slot) = (position / BUCKET_SLOTS, position % BUCKET_SLOTS);
        self.tags[bucket] = with_tag(self.tags[bucket], slot, 0);
    }

    #[inline(always)]
    fn set(&mut self, bucket: usize, slot: usize, tag: u8, handle: u16) {
        self.tags[bucket] = with_tag(self.tags[bucket], slot, tag);
        self.handles[bucket * BUCKET_SLOTS + slot] = handle;
    }

    /// Frees a slot in one of two full buckets: the shortest chain of moves, found breadth first.
    #[cold]
    fn make_room(&mut self, place: &Candidates) -> Result<(usize, usize), Crowded> {
        struct Step {
            bucket: u32,
            /// The step whose bucket gives an entry to this bucket, and that entry's slot.
            parent: u16,
            slot: u8,
        }
        const ROOT: u16 = u16::MAX;
        let mut steps: Vec<Step> = Vec::with_capacity(SEARCH_BUCKETS_MAX);
        for bucket in [place.first, place.second] {
            steps.push(Step { bucket: bucket as u32, parent: ROOT, slot: 0 });
        }
        let mut at = 0;
        while at < steps.len() {
            let bucket = steps[at].bucket as usize;
            for slot in 0..BUCKET_SLOTS {
                let tag = tag_at(self.tags[bucket], slot);
                let target = alternate(bucket, tag, self.buckets());
                if target == bucket {
                    continue;
                }
                if let Some(empty) = empty_slot(self.tags[target]) {
                    self.shift(bucket, slot, target, empty);
                    let mut hole = (bucket, slot);
                    let mut step = &steps[at];
                    // Walk back to a root: each bucket on the path receives from its parent. A move that an earlier
                    // one has made stale (a bucket twice on one path) cannot happen: its hole would have ended the
                    // search there.
                    while step.parent != ROOT {
                        let parent = &steps[step.parent as usize];
                        let from = (parent.bucket as usize, step.slot as usize);
                        self.shift(from.0, from.1, hole.0, hole.1);
                        hole = from;
                        step = parent;
                    }
                    return Ok(hole);
                }
                let known = steps.iter().any(|step| step.bucket as usize == target);
                if !known && steps.len() < SEARCH_BUCKETS_MAX {
                    steps.push(Step { bucket: target as u32, parent: at as u16, slot: slot as u8 });
                }
            }
            at += 1;
        }
        Err(Crowded)
    }

    fn shift(&mut self, from: usize, slot: usize, to: usize, hole: usize) {
        let tag = tag_at(self.tags[from], slot);
        let handle = self.handles[from * BUCKET_SLOTS + slot];
        self.set(to, hole, tag, handle);
        self.tags[from] = with_tag(self.tags[from], slot, 0);
    }

    /// Entries in their first bucket and in their other one, by asking each row for its hash.
    pub fn displacement(&self, mut hash_of: impl FnMut(u16) -> u64) -> [usize; 2] {
        let mut counts = [0; 2];
        for (bucket, &tags) in self.tags.iter().enumerate() {
            for slot in (0..BUCKET_SLOTS).filter(|&slot| tag_at(tags, slot) != 0) {
                let hash = hash_of(self.handles[bucket * BUCKET_SLOTS + slot]);
                counts[usize::from(candidates(hash, self.buckets()).first != bucket)] += 1;
            }
        }
        counts
    }
}

/// The position of match `bit` (0-7 in the first bucket, 8-15 in the second).
#[inline(always)]
pub fn position_of(place: &Candidates, bit: usize) -> Position {
    match bit < BUCKET_SLOTS {
        true => place.first * BUCKET_SLOTS + bit,
        false => place.second * BUCKET_SLOTS + bit - BUCKET_SLOTS,
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
        for buckets in [100_u32, 513, 2000, 4999] {
            let mut index = CuckooIndex::with_buckets(buckets).unwrap();
            let entries = index.entries_max() as u64;
            for id in 0..entries {
                assert_eq!(index.insert(mix64(id), id as u16), Ok(()), "load {id} of {entries}");
            }
            for id in 0..entries {
                assert!(index.find(mix64(id), |handle| handle == id as u16).is_some());
            }
            let in_first: usize = index.displacement(|handle| mix64(u64::from(handle)))[0];
            assert!(in_first > entries as usize / 3);
        }
    }

    #[test]
    fn a_removed_entry_is_gone_and_its_slot_is_free() {
        let mut index = CuckooIndex::with_buckets(1).unwrap();
        for id in 0..8 {
            index.insert(mix64(id), id as u16).unwrap();
        }
        assert_eq!(index.insert(mix64(8), 8), Err(Crowded));
        let position = index.find(mix64(3), |handle| handle == 3).unwrap();
        index.remove(position);
        assert_eq!(index.find(mix64(3), |handle| handle == 3), None);
        assert_eq!(index.insert(mix64(8), 8), Ok(()));
    }
}
