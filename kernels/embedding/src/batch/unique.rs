//! The distinct ids of a batch, grouped by shard and class of rows, and the index of each original
//! id among them.
//!
//! An open-addressing table, at least twice as large as the batch and cleared for each. As in
//! `search.rs`, loops that wait for cache lines alternate with the loop that computes. That loop
//! does not branch on whether an id is new, since the branch would be mispredicted every other
//! time. Inside a group, ids keep the order of their first appearance.

use crate::mixing::{mix64, shard_of};
use crate::policy::slot_of;

/// The shard of an id, and its class of rows there; both depend on the id alone.
pub struct Groups<'a> {
    /// At least 1.
    pub shards: u32,
    /// At least 1.
    pub classes: u32,
    /// The class of each slot; not read if there is one class.
    pub class_of_slot: &'a [u8],
}

impl Groups<'_> {
    /// Number of groups: each class of each shard.
    pub fn count(&self) -> usize {
        self.shards as usize * self.classes as usize
    }

    #[inline(always)]
    fn of(&self, id: u64) -> u32 {
        let shard = if self.shards == 1 { 0 } else { shard_of(id, self.shards) };
        if self.classes == 1 {
            return shard;
        }
        shard * self.classes + u32::from(self.class_of_slot[slot_of(id)])
    }
}

/// The result of [`Unique::group`]. All slices belong to the `Unique` and change with its next
/// call.
pub struct UniqueBatch<'a> {
    /// Distinct ids, group by group.
    pub ids: &'a [u64],
    /// Ids of group g are `ids[group_starts[g]..group_starts[g + 1]]`.
    pub group_starts: &'a [u32],
    /// `ids[inverse[i]]` is the i-th id of the batch.
    pub inverse: &'a [u32],
    /// Occurrences of each distinct id in the batch.
    pub counts: &'a [u32],
}

/// Ids whose cache lines are fetched together.
const PASS: usize = 128;
/// 2⁶⁴ over the golden ratio (Knuth, volume 3).
const FIBONACCI: u64 = 0x9E37_79B9_7F4A_7C15;
/// Maximum number of probes an id, on average; half a probe is usual in a table that is half full.
const PROBES_MAX: usize = 8;
/// Multipliers tried after the usual one.
const MULTIPLIERS_MAX: usize = 3;

/// Number of cells for so many ids.
fn index_size(length: usize) -> usize {
    (2 * length).next_power_of_two().max(16)
}

/// The table and its results, reused from batch to batch.
#[derive(Default)]
pub struct Unique {
    /// Index in `first_seen` + 1; 0 = empty.
    cells: Vec<u32>,
    /// The distinct ids, as many as there are counts; the elements after them are left over from an
    /// earlier batch.
    first_seen: Vec<u64>,
    first_counts: Vec<u32>,
    group_of_first: Vec<u32>,
    position_of_first: Vec<u32>,
    grouped_ids: Vec<u64>,
    grouped_counts: Vec<u32>,
    group_starts: Vec<u32>,
    /// Index of the next id of each group.
    next: Vec<u32>,
    inverse: Vec<u32>,
    /// Receives values that are loaded for their cache line alone, so that the load is not
    /// optimised away.
    touched: u64,
}

impl Unique {
    /// Groups `ids` (fewer than 2³¹); `None` if the host refuses the memory for it.
    pub fn group(&mut self, ids: &[u64], groups: &Groups) -> Option<UniqueBatch<'_>> {
        assert!(groups.count() >= 1 && ids.len() < 1 << 31);
        self.reserve(ids.len())?;
        self.index(ids);
        self.group_starts.clear();
        set_length(&mut self.group_starts, groups.count() + 1)?;
        if groups.count() == 1 {
            self.group_starts[1] = self.first_counts.len() as u32;
            return Some(UniqueBatch {
                ids: &self.first_seen[..self.first_counts.len()],
                group_starts: &self.group_starts,
                inverse: &self.inverse,
                counts: &self.first_counts,
            });
        }
        self.regroup(groups)?;
        Some(UniqueBatch {
            ids: &self.grouped_ids,
            group_starts: &self.group_starts,
            inverse: &self.inverse,
            counts: &self.grouped_counts,
        })
    }

    fn reserve(&mut self, length: usize) -> Option<()> {
        let size = index_size(length);
        if self.cells.len() < size {
            set_length(&mut self.cells, size)?;
        }
        // One more than the maximum: every id is written after the known ones before it is known to
        // be new.
        if self.first_seen.len() <= length {
            set_length(&mut self.first_seen, length + 1)?;
        }
        self.first_counts.clear();
        self.first_counts.try_reserve(length).ok()?;
        set_length(&mut self.inverse, length)
    }

    /// Fills `first_seen`, `first_counts` and `inverse` in order of first appearance, which no
    /// multiplier changes.
    fn index(&mut self, ids: &[u64]) {
        if self.index_by(FIBONACCI, ids, PROBES_MAX) {
            return;
        }
        // Ids made to collide under one multiplier do not collide under one that depends on the
        // whole batch.
        let mut seed = ids.iter().fold(0, |seed, &id| mix64(seed ^ id));
        for _ in 0..MULTIPLIERS_MAX {
            seed = mix64(seed);
            if self.index_by(seed | 1, ids, PROBES_MAX) {
                return;
            }
        }
        self.index_by(FIBONACCI, ids, usize::MAX);
    }

    /// As `index`, with one multiplier; false if an id takes more than `probes_max` probes on
    /// average.
    #[inline(never)]
    fn index_by(&mut self, multiplier: u64, ids: &[u64], probes_max: usize) -> bool {
        let size = index_size(ids.len());
        let shift = 64 - size.trailing_zeros();
        let cells = &mut self.cells[..size];
        cells.fill(0);
        self.first_counts.clear();
        self.first_counts.resize(ids.len(), 0);
        let (mut probes, mut probes_left) = (0, 0_usize);
        let mut homes = [0; PASS];
        let mut distinct = 0;
        let mut touched = 0;
        for (ids, inverse) in ids.chunks(PASS).zip(self.inverse.chunks_mut(PASS)) {
            probes_left = probes_left.saturating_add(probes_max.saturating_mul(PASS));
            for (home, &id) in homes.iter_mut().zip(ids) {
                // Multiplicative hashing of folded bits: slot, signature and small numbers all
                // reach the top bits.
                *home = ((id ^ (id >> 32)).wrapping_mul(multiplier) >> shift) as u32;
            }
            let mut positions = [0; PASS];
            for (position, &home) in positions.iter_mut().zip(&homes[..ids.len()]) {
                *position = cells[home as usize].saturating_sub(1);
            }
            for &position in &positions[..ids.len()] {
                touched ^= self.first_seen[position as usize];
            }
            for ((&home, &id), inverse) in homes.iter().zip(ids).zip(inverse) {
                self.first_seen[distinct] = id;
                let mut at = home as usize;
                let mut cell = cells[at];
                let mut position = if cell == 0 { distinct } else { cell as usize - 1 };
                while self.first_seen[position] != id {
                    at = (at + 1) & (size - 1);
                    probes += 1;
                    cell = cells[at];
                    position = if cell == 0 { distinct } else { cell as usize - 1 };
                }
                cells[at] = position as u32 + 1;
                self.first_counts[position] += 1;
                *inverse = position as u32;
                distinct += usize::from(cell == 0);
            }
            if probes > probes_left {
                return false;
            }
        }
        self.touched = touched;
        self.first_counts.truncate(distinct);
        true
    }

    /// Sorts the distinct ids by group (a counting sort) and updates `inverse`.
    fn regroup(&mut self, groups: &Groups) -> Option<()> {
        let distinct = self.first_counts.len();
        set_length(&mut self.group_of_first, distinct)?;
        set_length(&mut self.position_of_first, distinct)?;
        set_length(&mut self.grouped_ids, distinct)?;
        set_length(&mut self.grouped_counts, distinct)?;
        set_length(&mut self.next, groups.count())?;
        for (group, &id) in self.group_of_first.iter_mut().zip(&self.first_seen) {
            *group = groups.of(id);
            self.group_starts[*group as usize + 1] += 1;
        }
        for group in 0..groups.count() {
            self.next[group] = self.group_starts[group];
            self.group_starts[group + 1] += self.group_starts[group];
        }
        for first in 0..distinct {
            let cursor = &mut self.next[self.group_of_first[first] as usize];
            let position = *cursor;
            *cursor += 1;
            self.position_of_first[first] = position;
            self.grouped_ids[position as usize] = self.first_seen[first];
            self.grouped_counts[position as usize] = self.first_counts[first];
        }
        for position in &mut self.inverse {
            *position = self.position_of_first[*position as usize];
        }
        Some(())
    }
}

/// Sets the length of a list, with zeros after its elements; `None` if there is no memory for it.
fn set_length<T: Clone + Default>(list: &mut Vec<T>, length: usize) -> Option<()> {
    list.try_reserve(length.saturating_sub(list.len())).ok()?;
    list.resize(length, T::default());
    Some(())
}

#[cfg(test)]
mod tests;
