//! A subtable of the index: the entries of all ids whose hashes share their top bits.
//!
//! A bucketised cuckoo table (Pagh and Rodler, 2004; partial keys as in Fan et al., "Cuckoo Filter", 2014). Its buckets are
//! those of one to sixteen planes; an entry lies in one of two, each given by a group and a byte that chooses the
//! plane. How it makes room in full buckets is in `displacement.rs`, how it grows in `growth.rs`.

use crate::displacement::{write, Journal};
use crate::entry::Entry;
use crate::plane::{Bucket, Cell, Choice, Plane, GROUPS};
use crate::plane_choice::{plane_choices, PlaneChoice, PLANES_MAX};
use crate::tags::BUCKET_CELLS;

/// A subtable is grown when more than this share of its cells would be taken.
pub const LOAD_MAX_PERMILLE: usize = 955;

/// Entries of one range of hashes.
#[derive(Clone)]
#[repr(C)]
pub struct Subtable {
    /// Plane by byte.
    pub choice: &'static PlaneChoice,
    /// Bits that its hashes share.
    pub depth: u8,
    /// See `plane_choice.rs`.
    pub turns: u8,
    /// Planes that are there.
    pub count: u8,
    /// Removals before growth is tried again, which found no room for the entries of one more plane: it must not be tried for
    /// each of the ids that were made to collide.
    pub growth_rests: u8,
    /// Entries.
    pub rows: u32,
    /// Where the search for a victim goes on, a cell.
    pub victim_hand: u32,
    /// The first `count` are there.
    pub planes: [Plane; PLANES_MAX],
}

/// A cell of a bucket.
#[derive(Clone, Copy)]
pub struct Position {
    bucket: Bucket,
    cell: usize,
}

/// An entry found no place within the search's bound: the subtable has to grow.
#[derive(Debug, PartialEq)]
pub struct Crowded;

impl Subtable {
    /// A subtable of planes that are its own from now on and whose tags say what is in them.
    pub fn new(depth: u8, turns: u8, planes: &[Plane]) -> Subtable {
        let mut subtable = Subtable {
            choice: &plane_choices()[usize::from(turns)][planes.len()],
            depth,
            turns,
            count: planes.len() as u8,
            growth_rests: 0,
            rows: 0,
            victim_hand: 0,
            planes: [Plane::NONE; PLANES_MAX],
        };
        subtable.planes[..planes.len()].copy_from_slice(planes);
        subtable
    }

    /// Its planes.
    pub fn planes(&self) -> &[Plane] {
        &self.planes[..usize::from(self.count)]
    }

    /// All buckets, plane by plane.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> + '_ {
        self.planes().iter().flat_map(|plane| (0..GROUPS as u32).map(|group| plane.bucket(group)))
    }

    /// The bucket of a choice.
    #[inline(always)]
    pub fn bucket(&self, choice: Choice) -> Bucket {
        debug_assert!(choice.byte < 256);
        // SAFETY: a choice's byte is below 256, and what it chooses below the number of planes.
        let plane = unsafe {
            let plane = *self.choice.get_unchecked(choice.byte as usize);
            self.planes.get_unchecked(usize::from(plane))
        };
        plane.bucket(choice.group)
    }

    /// Cells in all.
    pub fn cells(&self) -> usize {
        usize::from(self.count) * GROUPS * BUCKET_CELLS
    }

    /// Entries that it takes before it should grow.
    #[inline(always)]
    pub fn rows_max(&self) -> u32 {
        u32::from(self.count) * (GROUPS * BUCKET_CELLS * LOAD_MAX_PERMILLE / 1000) as u32
    }

    /// The position whose entry carries the hash's tag and byte and satisfies `is_row`.
    #[inline]
    pub fn find(&self, hash: u64, mut is_row: impl FnMut(u32) -> bool) -> Option<Position> {
        let (choices, tag) = Choice::both(hash, self.depth);
        for choice in choices {
            let bucket = self.bucket(choice);
            let mut matches = bucket.matches(tag);
            while matches != 0 {
                let cell = matches.trailing_zeros() as usize;
                let Cell { byte, entry, .. } = bucket.cell(cell);
                if u32::from(byte) == choice.byte && is_row(entry.handle()) {
                    return Some(Position { bucket, cell });
                }
                matches &= matches - 1;
            }
        }
        None
    }

    /// Adds an entry of a hash.
    #[inline]
    pub fn insert(&mut self, hash: u64, handle: u32) -> Result<(), Crowded> {
        let (choices, tag) = Choice::both(hash, self.depth);
        self.place(choices, tag, Entry::new(hash, self.depth, handle), None)?;
        self.rows += 1;
        Ok(())
    }

    /// Places an entry in the emptier of its buckets, moving others aside where both are full.
    #[inline(always)]
    pub fn place(
        &mut self,
        choices: [Choice; 2],
        tag: u8,
        entry: Entry,
        mut journal: Option<&mut Journal>,
    ) -> Result<(), Crowded> {
        let [first, second] = choices.map(|choice| self.bucket(choice).empty());
        // The emptier bucket: this alone fills nine tenths of all cells before anything has to move.
        let (choice, empty) = match second.count_ones() > first.count_ones() {
            true => (choices[1], second),
            false => (choices[0], first),
        };
        match empty {
            0 => self.displace(choices, tag, entry, journal),
            _ => {
                let (bucket, cell) = (self.bucket(choice), empty.trailing_zeros() as usize);
                write(bucket, cell, Cell { tag, byte: choice.byte as u8, entry }, &mut journal);
                Ok(())
            }
        }
    }

    /// Empties a position.
    pub fn remove(&mut self, Position { bucket, cell }: Position) {
        bucket.clear(cell);
        self.rows -= 1;
        self.growth_rests = self.growth_rests.saturating_sub(1);
    }

    /// The handle in cell `number` of all, where one is there.
    pub fn handle_at(&self, number: usize) -> Option<u32> {
        let (bucket, cell) = (number / BUCKET_CELLS, number % BUCKET_CELLS);
        let bucket = self.planes()[bucket / GROUPS].bucket((bucket % GROUPS) as u32);
        Some(bucket.cell(cell)).filter(|cell| cell.tag != 0).map(|cell| cell.entry.handle())
    }

    /// Adds its buckets to a histogram by the entries that they hold.
    pub fn count_buckets(&self, histogram: &mut [u32; BUCKET_CELLS + 1]) {
        for bucket in self.buckets() {
            histogram[bucket.taken().count_ones() as usize] += 1;
        }
    }

    /// Entries that are in their first bucket, and in their other one.
    pub fn displacement(&self, hash_of: impl Fn(u32) -> u64) -> [usize; 2] {
        let mut counts = [0; 2];
        for bucket in self.buckets() {
            let cells = (0..BUCKET_CELLS).map(|cell| bucket.cell(cell));
            for Cell { entry, .. } in cells.filter(|cell| cell.tag != 0) {
                let hash = hash_of(entry.handle());
                let in_first = self.bucket(Choice::first(hash, self.depth)) == bucket;
                counts[usize::from(!in_first)] += 1;
            }
        }
        counts
    }
}
