//! Growth of a subtable: by one plane, into which one entry of n + 1 moves, up to sixteen planes;
//! then it is split into two subtables of eight planes, and no entry moves.
//!
//! A new plane leaves room in all buckets, so entries in their second bucket then move to the first
//! if that is not full: 86 to 90 % of entries are in their first bucket, without this 62 to 74 %.
//!
//! The load of a subtable stays between .85 and its bound, an insertion pays for moving one entry
//! on average, and no growth takes longer than one pass over one subtable's index.

use crate::bucket::{Cell, BUCKET_CELLS};
use crate::displacement::Journal;
use crate::movers::{movers, Movers};
use crate::plane::{Choice, Plane, GROUPS};
use crate::plane_choice::{plane_choices, PLANES_HALF, PLANES_MAX, ROTATIONS};
use crate::subtable::{Crowded, Subtable};

/// Cells of a plane.
const CELLS: usize = GROUPS * BUCKET_CELLS;
/// Moving entries of a bucket that are listed without counting them first; more are rare.
const LISTED_AT_ONCE: usize = 4;

/// The entries that move into a new plane.
struct Arrivals {
    plane: Plane,
    /// Number of entries in the new plane, by group.
    filled: [u8; GROUPS],
    /// Entries, with their groups, that found their bucket in the new plane full.
    overflow: Vec<(u32, Cell)>,
    /// Cells of one plane whose entries move, by group.
    moving: [u16; CELLS + LISTED_AT_ONCE],
}

impl Arrivals {
    /// Nothing has moved yet.
    fn new(plane: Plane) -> Arrivals {
        plane.clear();
        Arrivals {
            plane,
            filled: [0; GROUPS],
            overflow: Vec::new(),
            moving: [0; CELLS + LISTED_AT_ONCE],
        }
    }

    /// Lists the cells of a plane whose entries move and returns their number. A separate loop
    /// without a branch for each entry, since that branch would be mispredicted once a bucket.
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

    /// Moves entries out of a plane. Entries for whose listing there is no memory stay.
    fn take_from(&mut self, from: Plane, movers: &Movers) -> Result<(), Crowded> {
        let count = self.list(from, movers);
        for &listed in &self.moving[..count] {
            let (group, cell) = (listed / BUCKET_CELLS as u16, usize::from(listed) % BUCKET_CELLS);
            let group = u32::from(group);
            let bucket = from.bucket(group);
            let content = bucket.cell(cell);
            let filled = &mut self.filled[group as usize];
            if usize::from(*filled) < BUCKET_CELLS {
                self.plane.bucket(group).set((*filled).into(), content);
                *filled += 1;
            } else {
                self.overflow.try_reserve(1).map_err(|_| Crowded)?;
                self.overflow.push((group, content));
            }
            bucket.clear(cell);
        }
        Ok(())
    }
}

impl Subtable {
    /// Adds one plane. If an entry finds no room, or there is no memory, the subtable stays as it
    /// was.
    pub fn grow(&mut self, plane: Plane) -> Result<(), Crowded> {
        let before = self.clone();
        let count = usize::from(self.count) + 1;
        let movers = &movers()[usize::from(self.rotation)][count];
        let mut arrivals = Arrivals::new(plane);
        let arrived = before.planes().iter().try_for_each(|&from| arrivals.take_from(from, movers));
        self.planes[count - 1] = plane;
        self.count = count as u8;
        self.choice = &plane_choices()[usize::from(self.rotation)][count];
        let mut journal = Journal::default();
        let placed = arrived.and_then(|()| {
            arrivals.overflow.iter().try_for_each(|&(group, Cell { tag, choice_byte, entry })| {
                let choice = Choice::at(group, choice_byte);
                journal.reserve()?;
                self.place([choice, choice.other(tag)], tag, entry, Some(&mut journal))
            })
        });
        if placed.is_err() {
            journal.revert();
            *self = before;
            self.take_back(arrivals);
        } else {
            self.bring_guests_home();
        }
        placed
    }

    /// Moves entries from their second bucket to the first where that has room now.
    fn bring_guests_home(&self) {
        for plane in self.planes() {
            for group in 0..GROUPS as u32 {
                let bucket = plane.bucket(group);
                let mut guests = bucket.guests(group);
                while guests != 0 {
                    self.move_aside(bucket, group, guests.trailing_zeros() as usize, &mut None);
                    guests &= guests - 1;
                }
            }
        }
    }

    /// Puts moved entries back into their buckets of this subtable.
    #[cold]
    fn take_back(&mut self, Arrivals { plane, overflow, .. }: Arrivals) {
        let moved = (0..GROUPS as u32).flat_map(|group| {
            let cells = (0..BUCKET_CELLS).map(move |cell| plane.bucket(group).cell(cell));
            cells.filter(|cell| cell.tag != 0).map(move |cell| (group, cell))
        });
        for (group, content) in moved.chain(overflow) {
            let bucket = self.bucket(Choice::at(group, content.choice_byte));
            bucket.set(bucket.empty().trailing_zeros() as usize, content);
        }
    }

    /// Splits a subtable of sixteen planes, by the bit of the hash that follows the shared
    /// ones.
    pub fn split(self, hash_of: impl Fn(u32) -> u64) -> [Subtable; 2] {
        debug_assert!(usize::from(self.count) == PLANES_MAX);
        let depth = self.depth + 1;
        for bucket in self.buckets() {
            bucket.deepen(depth, &hash_of);
        }
        let upper_rotation = (usize::from(self.rotation) + 1) % ROTATIONS;
        let (lower, upper) = self.planes().split_at(PLANES_HALF);
        let halves = [(self.rotation, lower), (upper_rotation as u8, upper)];
        halves.map(|(rotation, planes)| {
            let half = Subtable::new(depth, rotation, planes);
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

    /// A subtable of depth `depth` grown from one plane to sixteen, each time at its bound, and the
    /// owner of its planes.
    fn filled(depth: u8, rotation: u8, hash_of: impl Fn(u32) -> u64) -> (Subtable, Planes) {
        let (mut planes, mut memory) = (Planes::new(), Memory::new(1 << 30));
        let mut take = |count| -> Vec<Plane> {
            (0..count).map(|_| planes.take(&mut memory).unwrap()).collect()
        };
        let first = take(1);
        first[0].clear();
        let mut subtable = Subtable::new(depth, rotation, &first);
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
    fn a_subtable_of_any_depth_finds_every_entry_while_it_grows_and_after_its_split() {
        for depth in 0..16 {
            let hash_of = |handle: u32| mix64(u64::from(handle) << 8 | u64::from(depth));
            let (subtable, _planes) = filled(depth, depth % ROTATIONS as u8, hash_of);
            let rows = subtable.rows;
            let found = |subtable: &Subtable, handle: u32| {
                subtable.find(hash_of(handle), |other| other == handle).is_some()
            };
            assert!((0..rows).all(|handle| found(&subtable, handle)));
            let halves = subtable.split(hash_of);
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
        // Entries of one tag that two planes hold in four buckets, and three in two.
        let (mut planes, mut memory) = (Planes::new(), Memory::new(1 << 30));
        let mut take = |count| -> Vec<Plane> {
            (0..count).map(|_| planes.take(&mut memory).unwrap()).collect()
        };
        let two = take(2);
        two.iter().for_each(|plane| plane.clear());
        let mut subtable = Subtable::new(0, 0, &two);
        let choices = &crate::plane_choice::plane_choices()[0];
        let both_move = |hash: &u64| {
            let ([first, second], _) = crate::plane::Choice::both(*hash, 0);
            let to = |planes: usize, choice: Choice| choices[planes][choice.choice_byte as usize];
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
