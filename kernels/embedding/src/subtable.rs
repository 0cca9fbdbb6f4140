//! A subtable of the index: the entries of all ids whose hashes share their top bits.
//!
//! A bucketised cuckoo table (Pagh and Rodler, 2004) with partial keys (Fan et al., "Cuckoo
//! Filter", 2014). Its buckets lie in one to sixteen planes; an entry lies in one of two buckets,
//! each given by a group and by a choice byte for the plane. `displacement.rs` makes room in full
//! buckets, `growth.rs` adds planes.

use crate::bucket::{Bucket, Cell, BUCKET_CELLS};
use crate::displacement::{write, Journal};
use crate::entry::Entry;
use crate::plane::{is_guest, Choice, Plane, GROUPS};
use crate::plane_choice::{plane_choices, PlaneChoice, PLANES_MAX};

/// A subtable grows when more than this share of its cells would be taken.
pub const LOAD_MAX_PERMILLE: usize = 955;

/// The entries of one range of hashes.
#[derive(Clone)]
#[repr(C)]
pub struct Subtable {
    /// Plane by choice byte.
    pub choice: &'static PlaneChoice,
    /// Number of top bits that all its hashes share.
    pub depth: u8,
    /// See `plane_choice.rs`.
    pub rotation: u8,
    /// Number of planes.
    pub count: u8,
    /// Number of removals to wait before the next growth. A growth may find no room for the entries
    /// of the new plane; it must not be tried again for each of the ids that were made to collide.
    pub growth_pause: u8,
    /// Number of entries.
    pub rows: u32,
    /// The cell where the search for a victim continues.
    pub victim_hand: u32,
    /// The first `count` exist.
    pub planes: [Plane; PLANES_MAX],
}

/// A cell of a bucket.
#[derive(Clone, Copy)]
pub struct Position {
    bucket: Bucket,
    cell: usize,
}

/// An entry found no cell within the bound of the search; the subtable has to grow.
#[derive(Debug, PartialEq)]
pub struct Crowded;

impl Subtable {
    /// A subtable that owns `planes` from now on; their tags say which cells are taken.
    pub fn new(depth: u8, rotation: u8, planes: &[Plane]) -> Subtable {
        let mut subtable = Subtable {
            choice: &plane_choices()[usize::from(rotation)][planes.len()],
            depth,
            rotation,
            count: planes.len() as u8,
            growth_pause: 0,
            rows: 0,
            victim_hand: 0,
            planes: [Plane::NONE; PLANES_MAX],
        };
        subtable.planes[..planes.len()].copy_from_slice(planes);
        subtable
    }

    /// The existing planes.
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
        debug_assert!(choice.choice_byte < 256);
        // SAFETY: a choice byte is below 256, and its plane below the number of planes.
        let plane = unsafe {
            let plane = *self.choice.get_unchecked(choice.choice_byte as usize);
            self.planes.get_unchecked(usize::from(plane))
        };
        plane.bucket(choice.group)
    }

    /// Number of cells.
    pub fn cells(&self) -> usize {
        usize::from(self.count) * GROUPS * BUCKET_CELLS
    }

    /// Number of entries at which it should grow.
    #[inline(always)]
    pub fn rows_max(&self) -> u32 {
        u32::from(self.count) * (GROUPS * BUCKET_CELLS * LOAD_MAX_PERMILLE / 1000) as u32
    }

    /// The cell of the entry with the hash's tag and choice byte that satisfies `is_row`.
    #[inline]
    pub fn find(&self, hash: u64, mut is_row: impl FnMut(u32) -> bool) -> Option<Position> {
        let (choices, tag) = Choice::both(hash, self.depth);
        for choice in choices {
            let bucket = self.bucket(choice);
            let mut matches = bucket.matches(tag);
            while matches != 0 {
                let cell = matches.trailing_zeros() as usize;
                let Cell { choice_byte, entry, .. } = bucket.cell(cell);
                if u32::from(choice_byte) == choice.choice_byte && is_row(entry.handle()) {
                    return Some(Position { bucket, cell });
                }
                matches &= matches - 1;
            }
        }
        None
    }

    /// Inserts an entry for a hash.
    #[inline]
    pub fn insert(&mut self, hash: u64, handle: u32) -> Result<(), Crowded> {
        let (choices, tag) = Choice::both(hash, self.depth);
        self.place(choices, tag, Entry::new(hash, self.depth, handle), None)?;
        self.rows += 1;
        Ok(())
    }

    /// Inserts an entry into its first bucket or, if that is full, into its second; moves other
    /// entries if both are.
    #[inline(always)]
    pub fn place(
        &mut self,
        choices: [Choice; 2],
        tag: u8,
        entry: Entry,
        mut journal: Option<&mut Journal>,
    ) -> Result<(), Crowded> {
        for choice in choices {
            let bucket = self.bucket(choice);
            let empty = bucket.empty();
            if empty != 0 {
                let content = Cell { tag, choice_byte: choice.choice_byte as u8, entry };
                write(bucket, empty.trailing_zeros() as usize, content, &mut journal);
                return Ok(());
            }
        }
        self.displace(choices, tag, entry, journal)
    }

    /// Empties a cell.
    pub fn remove(&mut self, Position { bucket, cell }: Position) {
        bucket.clear(cell);
        self.rows -= 1;
        self.growth_pause = self.growth_pause.saturating_sub(1);
    }

    /// The handle in cell `number`, if it is taken.
    pub fn handle_at(&self, number: usize) -> Option<u32> {
        let (bucket, cell) = (number / BUCKET_CELLS, number % BUCKET_CELLS);
        let bucket = self.planes()[bucket / GROUPS].bucket((bucket % GROUPS) as u32);
        Some(bucket.cell(cell)).filter(|cell| cell.tag != 0).map(|cell| cell.entry.handle())
    }

    /// Counts its buckets by the number of entries they hold.
    pub fn count_buckets(&self, histogram: &mut [u32; BUCKET_CELLS + 1]) {
        for bucket in self.buckets() {
            histogram[bucket.taken().count_ones() as usize] += 1;
        }
    }

    /// Number of entries in their first bucket, and in the other one.
    pub fn displacement(&self) -> [usize; 2] {
        let mut counts = [0; 2];
        for (number, bucket) in self.buckets().enumerate() {
            let tags = (0..BUCKET_CELLS).map(|cell| bucket.cell(cell).tag);
            for tag in tags.filter(|&tag| tag != 0) {
                counts[usize::from(is_guest((number % GROUPS) as u32, tag))] += 1;
            }
        }
        counts
    }
}
