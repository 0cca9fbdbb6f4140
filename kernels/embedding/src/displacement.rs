//! Room in full buckets: moves a chain of entries, each to its other bucket, until one finds an
//! empty cell. The chain is the shortest there is.
//!
//! # The plain algorithm
//!
//! A breadth-first search over buckets, in which a bucket leads to the other buckets of its
//! entries:
//!
//! ```text
//! queue = [first bucket, second bucket]
//! for bucket in queue:
//!     for cell in bucket:
//!         other = the other bucket of the cell's entry
//!         if other has an empty cell:
//!             move the entry there, then each entry of the path into the hole after it
//!             write the new entry into the hole in the first or second bucket
//!             return
//!         append other to queue, with its path
//! return Crowded
//! ```
//!
//! # Deviations, and their gain
//!
//! 1. **No row is read.** Tag, choice byte and group of a cell give the other bucket of its entry,
//!    as in a cuckoo filter; the hash in the row is not needed.
//! 2. **The first step has no queue** (`displace`). 42 % of insertions move an entry, after 5.6
//!    tries on average, and only one insertion in a hundred needs a second move
//!    (`displace_further`).
//! 3. **At most 64 buckets.** Beyond, the subtable grows. Uniform hashes never get there below the
//!    load at which subtables grow; ids made to collide do.
//! 4. **No bucket is queued twice,** so that no move finds its entry already moved.
//! 5. **A journal.** While a subtable grows, several insertions succeed or fail together; the
//!    journal records each cell before it is written and can restore all. Growing in place by it,
//!    instead of into a copy, saves 6 to 10 ns an insertion.
//!
//! # Example
//!
//! Entry e has buckets A and B, both full. The other buckets of their entries are full too, but
//! entry x in cell 3 of A has its other bucket in C, where entry y in cell 7 has an empty cell in
//! D:
//!
//! ```text
//! before   A[3] = x   C[7] = y   D[0] empty
//! move y   A[3] = x   C[7] empty D[0] = y
//! move x   A[3] empty C[7] = x   D[0] = y
//! write e  A[3] = e   C[7] = x   D[0] = y
//! ```

use crate::bucket::{Bucket, Cell, BUCKET_CELLS};
use crate::entry::Entry;
use crate::plane::Choice;
use crate::subtable::{Crowded, Subtable};

/// Maximum number of buckets in the queue.
const BUCKETS_MAX: usize = 64;
/// Maximum number of cells that an insertion writes: two a move, at most one move a bucket, and its
/// own.
const WRITES_MAX: usize = 2 * BUCKETS_MAX + 1;

/// A bucket in the queue, with its group. It is the other bucket of the entry in cell `cell` of
/// step `from`'s bucket.
#[derive(Clone, Copy)]
struct Step {
    bucket: Bucket,
    group: u32,
    from: usize,
    cell: usize,
}

/// Contents of cells before they were written, so that several insertions can be undone.
#[derive(Default)]
pub struct Journal(Vec<(Bucket, usize, Cell)>);

impl Journal {
    /// Reserves memory for one more insertion. Insertions do not allocate, so that none fails
    /// halfway.
    pub fn reserve(&mut self) -> Result<(), Crowded> {
        self.0.try_reserve(WRITES_MAX).map_err(|_| Crowded)
    }

    /// Restores all cells.
    pub fn revert(self) {
        self.0.into_iter().rev().for_each(|(bucket, cell, content)| bucket.set(cell, content));
    }
}

/// Writes a cell and records its former content in the journal.
#[inline(always)]
pub fn write(bucket: Bucket, cell: usize, content: Cell, journal: &mut Option<&mut Journal>) {
    if let Some(Journal(cells)) = journal {
        cells.push((bucket, cell, bucket.cell(cell)));
    }
    bucket.set(cell, content);
}

impl Subtable {
    /// Inserts an entry whose buckets are both full.
    #[cold]
    #[inline(never)]
    pub fn displace(
        &self,
        choices: [Choice; 2],
        tag: u8,
        entry: Entry,
        mut journal: Option<&mut Journal>,
    ) -> Result<(), Crowded> {
        // One move is enough nearly always, and needs no queue.
        for choice in choices {
            let bucket = self.bucket(choice);
            for cell in 0..BUCKET_CELLS {
                if self.move_aside(bucket, choice.group, cell, &mut journal) {
                    write(
                        bucket,
                        cell,
                        Cell { tag, choice_byte: choice.choice_byte as u8, entry },
                        &mut journal,
                    );
                    return Ok(());
                }
            }
        }
        self.displace_further(choices, tag, entry, &mut journal)
    }

    /// The other choice of a cell's entry.
    #[inline(always)]
    fn other_choice(bucket: Bucket, group: u32, cell: usize) -> Choice {
        let Cell { tag, choice_byte, .. } = bucket.cell(cell);
        Choice::at(group, choice_byte).other(tag)
    }

    /// Moves an entry to its other bucket; false if that is full.
    #[inline(always)]
    pub fn move_aside(
        &self,
        bucket: Bucket,
        group: u32,
        cell: usize,
        journal: &mut Option<&mut Journal>,
    ) -> bool {
        let other = Self::other_choice(bucket, group, cell);
        let to = self.bucket(other);
        let empty = to.empty();
        if empty != 0 {
            let moved = Cell { choice_byte: other.choice_byte as u8, ..bucket.cell(cell) };
            write(to, empty.trailing_zeros() as usize, moved, journal);
            write(bucket, cell, Cell::EMPTY, journal);
        }
        empty != 0
    }

    #[inline(never)]
    fn displace_further(
        &self,
        choices: [Choice; 2],
        tag: u8,
        entry: Entry,
        journal: &mut Option<&mut Journal>,
    ) -> Result<(), Crowded> {
        let mut steps = [Step { bucket: Bucket::NONE, group: 0, from: 0, cell: 0 }; BUCKETS_MAX];
        for (root, choice) in choices.into_iter().enumerate() {
            let (bucket, group) = (self.bucket(choice), choice.group);
            steps[root] = Step { bucket, group, from: root, cell: 0 };
        }
        let (mut at, mut known) = (0, 2);
        while at < known {
            let Step { bucket, group, .. } = steps[at];
            for cell in 0..BUCKET_CELLS {
                if self.move_aside(bucket, group, cell, journal) {
                    // Back to the root: each bucket of the path gives an entry to the hole after
                    // it.
                    let (mut hole, mut step) = (cell, at);
                    while step != steps[step].from {
                        let Step { from, cell, .. } = steps[step];
                        let Step { bucket, group, .. } = steps[from];
                        let moved = self.move_aside(bucket, group, cell, journal);
                        debug_assert!(moved);
                        (hole, step) = (cell, from);
                    }
                    let choice_byte = choices[step].choice_byte as u8;
                    write(steps[step].bucket, hole, Cell { tag, choice_byte, entry }, journal);
                    return Ok(());
                }
                let other = Self::other_choice(bucket, group, cell);
                let step = Step { bucket: self.bucket(other), group: other.group, from: at, cell };
                // No bucket twice: a move must not find its entry moved by another one.
                let is_new = steps[..known].iter().all(|known| known.bucket != step.bucket);
                if known < BUCKETS_MAX && is_new {
                    steps[known] = step;
                    known += 1;
                }
            }
            at += 1;
        }
        Err(Crowded)
    }
}
