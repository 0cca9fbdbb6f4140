//! How a subtable grows: by one plane, into which one entry of n + 1 moves, and from sixteen planes into two subtables of eight,
//! for which nothing moves at all.
//!
//! So a subtable's load stays between .85 and its bound, an insertion pays for moving one entry on average, and no growth
//! takes longer than going through one subtable's index once.

use crate::displacement::Journal;
use crate::movers::{movers, Movers};
use crate::plane::{Cell, Choice, Plane, GROUPS};
use crate::plane_choice::{plane_choices, PLANES_HALF, PLANES_MAX, TURNS};
use crate::subtable::{Crowded, Subtable};
use crate::tags::BUCKET_CELLS;

/// Cells of a plane.
const CELLS: usize = GROUPS * BUCKET_CELLS;
/// Moving entries of a bucket that are listed without asking whether there are as many; seldom are there more.
const LISTED_AT_ONCE: usize = 4;

/// What moves into a new plane.
struct Arrivals {
    plane: Plane,
    /// Entries that it has, by group.
    filled: [u8; GROUPS],
    /// Those that found its bucket full, with their groups.
    homeless: Vec<(u32, Cell)>,
    /// Cells of one plane whose entries move, group by group.
    moving: [u16; CELLS + LISTED_AT_ONCE],
}

impl Arrivals {
    /// Nothing has moved yet.
    fn new(plane: Plane) -> Arrivals {
        plane.clear();
        Arrivals {
            plane,
            filled: [0; GROUPS],
            homeless: Vec::new(),
            moving: [0; CELLS + LISTED_AT_ONCE],
        }
    }

    /// Lists the cells of a plane whose entries move; returns how many. That is a loop of its own, without a branch for each
    /// entry, which would be mispredicted once a bucket.
    fn list(&mut self, from: Plane, movers: &Movers) -> usize {
        let mut count = 0;
        for group in 0..GROUPS as u32 {
            let mut moving = from.bucket(group).moving(movers);
            loop {
                for listed in &mut self.moving[count..][..LISTED_AT_ONCE] {
                    *listed = (group * BUCKET_CELLS as u32 + moving.trailing_zeros()) as u16;
                    count += usize::from(moving != 0);
                    moving &= moving.wrapping_sub(1);
                }
                if moving == 0 {
                    break;
                }
            }
        }
        count
    }

    /// Moves what is to move out of a plane; what it cannot list it leaves there.
    fn take_from(&mut self, from: Plane, movers: &Movers) -> Result<(), Crowded> {
        let count = self.list(from, movers);
        for &listed in &self.moving[..count] {
            let (group, cell) = (u32::from(listed) / BUCKET_CELLS as u32, listed.into());
            let bucket = from.bucket(group);
            let content = bucket.cell(cell);
            let filled = &mut self.filled[group as usize];
            if usize::from(*filled) < BUCKET_CELLS {
                self.plane.bucket(group).set((*filled).into(), content);
                *filled += 1;
            } else {
                self.homeless.try_reserve(1).map_err(|_| Crowded)?;
                self.homeless.push((group, content));
            }
            bucket.clear(cell);
        }
        Ok(())
    }
}

impl Subtable {
    /// Takes in one plane more. A growth that finds no room, or no memory, leaves the subtable as it was, without the plane.
    pub fn grow(&mut self, plane: Plane) -> Result<(), Crowded> {
        let before = self.clone();
        let count = usize::from(self.count) + 1;
        let movers = &movers()[usize::from(self.turns)][count];
        let mut arrivals = Arrivals::new(plane);
        let arrived = before.planes().iter().try_for_each(|&from| arrivals.take_from(from, movers));
        self.planes[count - 1] = plane;
        self.count = count as u8;
        self.choice = &plane_choices()[usize::from(self.turns)][count];
        let mut journal = Journal::default();
        let placed = arrived.and_then(|()| {
            arrivals.homeless.iter().try_for_each(|&(group, Cell { tag, byte, entry })| {
                let choice = Choice::at(group, byte);
                journal.reserve()?;
                self.place([choice, choice.other(tag)], tag, entry, Some(&mut journal))
            })
        });
        if placed.is_err() {
            journal.revert();
            *self = before;
            self.take_back(arrivals);
        }
        placed
    }

    /// Puts what moved out of buckets of this subtable back there.
    #[cold]
    fn take_back(&mut self, Arrivals { plane, homeless, .. }: Arrivals) {
        let moved = (0..GROUPS as u32).flat_map(|group| {
            let cells = (0..BUCKET_CELLS).map(move |cell| plane.bucket(group).cell(cell));
            cells.filter(|cell| cell.tag != 0).map(move |cell| (group, cell))
        });
        for (group, content) in moved.chain(homeless) {
            let bucket = self.bucket(Choice::at(group, content.byte));
            bucket.set(bucket.empty().trailing_zeros() as usize, content);
        }
    }

    /// Cuts a subtable of sixteen planes in two: the ids whose hash's bit behind the shared ones is 0, and the others.
    pub fn cut(self, hash_of: impl Fn(u32) -> u64) -> [Subtable; 2] {
        debug_assert!(usize::from(self.count) == PLANES_MAX);
        let depth = self.depth + 1;
        for bucket in self.buckets() {
            bucket.deepen(depth, &hash_of);
        }
        let upper_turns = (usize::from(self.turns) + 1) % TURNS;
        let (lower, upper) = self.planes().split_at(PLANES_HALF);
        let halves = [(self.turns, lower), (upper_turns as u8, upper)];
        halves.map(|(turns, planes)| {
            let half = Subtable::new(depth, turns, planes);
            let rows = half.buckets().map(|bucket| bucket.taken().count_ones()).sum();
            Subtable { rows, ..half }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use crate::mixing::mix64;
    use crate::plane::Planes;

    /// A subtable of that depth, grown from one plane to sixteen, each time when it was at its bound, and what owns its planes.
    fn filled(depth: u8, turns: u8, hash_of: impl Fn(u32) -> u64) -> (Subtable, Planes) {
        let (mut planes, mut memory) = (Planes::default(), Memory::new(1 << 30));
        let mut take = |count| -> Vec<Plane> {
            (0..count).map(|_| planes.take(&mut memory).unwrap()).collect()
        };
        let first = take(1);
        first[0].clear();
        let mut subtable = Subtable::new(depth, turns, &first);
        for handle in 0.. {
            if subtable.rows >= subtable.rows_max() {
                if subtable.planes().len() == PLANES_MAX {
                    return (subtable, planes);
                }
                subtable.grow(take(1)[0]).unwrap();
            }
            subtable.insert(hash_of(handle), handle).unwrap();
        }
        unreachable!()
    }

    #[test]
    fn a_subtable_of_any_depth_finds_every_entry_while_it_grows_and_after_its_cut() {
        for depth in 0..16 {
            let hash_of = |handle: u32| mix64(u64::from(handle) << 8 | u64::from(depth));
            let (subtable, _planes) = filled(depth, depth % TURNS as u8, hash_of);
            let rows = subtable.rows;
            let found = |subtable: &Subtable, handle: u32| {
                subtable.find(hash_of(handle), |other| other == handle).is_some()
            };
            assert!((0..rows).all(|handle| found(&subtable, handle)));
            let halves = subtable.cut(hash_of);
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
        two.iter().for_each(|plane| plane.clear());
        let mut subtable = Subtable::new(0, 0, &two);
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
            if subtable.insert(hash, handle as u32).is_ok() {
                placed.push(handle);
            }
        }
        assert!(placed.len() > 2 * BUCKET_CELLS);
        let (rows, count) = (subtable.rows, subtable.count);
        assert!(subtable.grow(take(1)[0]).is_err());
        assert_eq!((subtable.rows, subtable.count), (rows, count));
        for handle in placed {
            assert!(subtable.find(hashes[handle], |other| other as usize == handle).is_some());
        }
    }
}
