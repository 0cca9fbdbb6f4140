//! How a segment grows: by one plane, into which one entry of n + 1 moves, and from sixteen planes into two segments of eight,
//! for which nothing moves at all.
//!
//! So a segment's load stays between .85 and its bound, an insertion pays for moving one entry on average, and no growth
//! takes longer than going through one segment's index once.

use crate::movers::movers;
use crate::plane::{Bucket, Choice, Plane, Slot, GROUPS};
use crate::plane_choice::{PLANES_HALF, PLANES_MAX, TURNS};
use crate::segment::{Crowded, Segment};
use crate::tags::BUCKET_SLOTS;

impl Segment {
    /// The same entries in as many planes as are given, one more than there are now. This segment stays as it is, so that a
    /// growth that fails has changed nothing.
    pub fn grown(&self, planes: &[Plane]) -> Result<Segment, Crowded> {
        debug_assert!(planes.len() == usize::from(self.count) + 1 && planes.len() <= PLANES_MAX);
        let mut grown = Segment { rows: self.rows, ..Segment::new(self.depth, self.turns, planes) };
        let mut homeless = Vec::new();
        for group in 0..GROUPS as u32 {
            self.move_group(group, planes, &mut homeless)?;
        }
        for (group, Slot { tag, byte, entry }) in homeless {
            let choice = Choice::at(group, byte);
            grown.place([choice, choice.other(tag)], tag, entry)?;
        }
        Ok(grown)
    }

    /// Copies the buckets of one group, less what moves into the new plane. What finds no room there is added to `homeless`.
    #[inline(always)]
    fn move_group(
        &self,
        group: u32,
        planes: &[Plane],
        homeless: &mut Vec<(u32, Slot)>,
    ) -> Result<(), Crowded> {
        let movers = &movers()[usize::from(self.turns)][planes.len()];
        let last = planes[planes.len() - 1].bucket(group);
        let mut moved = 0;
        last.clear_all();
        for (from, to) in self.planes().iter().zip(planes) {
            let (from, to) = (from.bucket(group), to.bucket(group));
            to.copy_from(from);
            let mut moving = from.moving(movers);
            while moving != 0 {
                let slot = moving.trailing_zeros() as usize;
                moving &= moving - 1;
                to.clear(slot);
                if moved < BUCKET_SLOTS {
                    last.set(moved, from.slot(slot));
                    moved += 1;
                } else {
                    homeless.try_reserve(1).map_err(|_| Crowded)?;
                    homeless.push((group, from.slot(slot)));
                }
            }
        }
        Ok(())
    }

    /// Cuts a segment of sixteen planes in two: the ids whose hash's bit behind the shared ones is 0, and the others.
    pub fn cut(self, hash_of: impl Fn(u32) -> u64) -> [Segment; 2] {
        debug_assert!(usize::from(self.count) == PLANES_MAX);
        let depth = self.depth + 1;
        for bucket in self.buckets() {
            bucket.deepen(depth, &hash_of);
        }
        let upper_turns = (usize::from(self.turns) + 1) % TURNS;
        let (lower, upper) = self.planes().split_at(PLANES_HALF);
        let halves = [(self.turns, lower), (upper_turns as u8, upper)];
        halves.map(|(turns, planes)| {
            let half = Segment::new(depth, turns, planes);
            let rows = half.buckets().map(|bucket| bucket.taken().count_ones()).sum();
            Segment { rows, ..half }
        })
    }
}

impl Bucket {
    /// Makes bit 7 of every entry's byte the hash's bit behind the first `depth`.
    fn deepen(self, depth: u8, hash_of: &impl Fn(u32) -> u64) {
        let mut taken = self.taken();
        while taken != 0 {
            let slot = taken.trailing_zeros() as usize;
            taken &= taken - 1;
            let before = self.slot(slot);
            let entry = before.entry.deepened(depth, hash_of);
            let byte = before.byte & 127 | entry.bit_behind(depth) << 7;
            self.set(slot, Slot { byte, entry, ..before });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use crate::mixing::mix64;
    use crate::plane::Planes;

    /// A segment of that depth, grown from one plane to sixteen, each time when it was at its bound, and what owns its planes.
    fn filled(depth: u8, turns: u8, hash_of: impl Fn(u32) -> u64) -> (Segment, Planes) {
        let (mut planes, mut memory) = (Planes::default(), Memory::new(1 << 30));
        let mut take = |count| -> Vec<Plane> {
            (0..count).map(|_| planes.take(&mut memory).unwrap()).collect()
        };
        let first = take(1);
        (0..GROUPS as u32).for_each(|group| first[0].bucket(group).clear_all());
        let mut segment = Segment::new(depth, turns, &first);
        for handle in 0.. {
            if segment.rows >= segment.rows_max() {
                if segment.planes().len() == PLANES_MAX {
                    return (segment, planes);
                }
                segment = segment.grown(&take(segment.planes().len() + 1)).unwrap();
            }
            segment.insert(hash_of(handle), handle).unwrap();
        }
        unreachable!()
    }

    #[test]
    fn a_segment_of_any_depth_finds_every_entry_while_it_grows_and_after_its_cut() {
        for depth in 0..16 {
            let hash_of = |handle: u32| mix64(u64::from(handle) << 8 | u64::from(depth));
            let (segment, _planes) = filled(depth, depth % TURNS as u8, hash_of);
            let rows = segment.rows;
            let found = |segment: &Segment, handle: u32| {
                segment.find(hash_of(handle), |other| other == handle).is_some()
            };
            assert!((0..rows).all(|handle| found(&segment, handle)));
            let halves = segment.cut(hash_of);
            for handle in 0..rows {
                let side = (hash_of(handle) >> (63 - depth) & 1) as usize;
                assert!(found(&halves[side], handle), "{handle} at depth {depth}");
            }
            assert_eq!(halves[0].rows + halves[1].rows, rows);
            // Uniform hashes fill both halves alike.
            assert!(halves[0].rows.abs_diff(halves[1].rows) < rows / 16);
        }
    }

    #[test]
    fn a_growth_that_finds_no_room_changes_nothing() {
        // 48 entries of one tag that two planes hold in four buckets, and three in two.
        let (mut planes, mut memory) = (Planes::default(), Memory::new(1 << 30));
        let mut take = |count| -> Vec<Plane> {
            (0..count).map(|_| planes.take(&mut memory).unwrap()).collect()
        };
        let two = take(2);
        (0..GROUPS as u32).for_each(|group| two.iter().for_each(|p| p.bucket(group).clear_all()));
        let mut segment = Segment::new(0, 0, &two);
        let choices = &crate::plane_choice::plane_choices()[0];
        let both_move = |hash: &u64| {
            let ([first, second], _) = crate::plane::Choice::both(*hash, 0);
            let to = |planes: usize, choice: Choice| choices[planes][choice.byte as usize];
            to(3, first) == 2 && to(3, second) == 2 && to(2, first) != to(2, second)
        };
        let hashes: Vec<u64> =
            (0..128).map(|byte| 0x5_0000_0000 | byte).filter(both_move).cycle().take(48).collect();
        let mut placed = Vec::new();
        for (handle, &hash) in hashes.iter().enumerate() {
            if segment.insert(hash, handle as u32).is_ok() {
                placed.push(handle);
            }
        }
        assert!(placed.len() > 2 * BUCKET_SLOTS);
        assert!(segment.grown(&take(3)).is_err());
        for handle in placed {
            assert!(segment.find(hashes[handle], |other| other as usize == handle).is_some());
        }
    }
}
