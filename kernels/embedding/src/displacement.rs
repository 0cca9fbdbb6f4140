//! Room in full buckets: the shortest chain of moves, each of an entry to its other bucket.

use crate::entry::Entry;
use crate::plane::{Bucket, Cell, Choice};
use crate::subtable::{Crowded, Subtable};
use crate::tags::BUCKET_CELLS;

/// Buckets looked at before an insertion gives up.
const BUCKETS_MAX: usize = 64;
/// Cells that a placement writes at most: two a move, of which no bucket makes more than one, and its own.
const WRITES_MAX: usize = 2 * BUCKETS_MAX + 1;

/// A bucket on the way, with its group: in it, `cell` of the bucket of step `from` finds room.
#[derive(Clone, Copy)]
struct Step {
    bucket: Bucket,
    group: u32,
    from: usize,
    cell: usize,
}

/// What cells held before they were written, so that several placements can be taken back.
#[derive(Default)]
pub struct Journal(Vec<(Bucket, usize, Cell)>);

impl Journal {
    /// Makes room for what one more placement writes: no placement allocates, for it must not end halfway.
    pub fn reserve(&mut self) -> Result<(), Crowded> {
        self.0.try_reserve(WRITES_MAX).map_err(|_| Crowded)
    }

    /// Every cell holds again what it did.
    pub fn revert(self) {
        self.0.into_iter().rev().for_each(|(bucket, cell, content)| bucket.set(cell, content));
    }
}

/// Writes a cell, noting in a journal what it held.
#[inline(always)]
pub fn write(bucket: Bucket, cell: usize, content: Cell, journal: &mut Option<&mut Journal>) {
    if let Some(Journal(cells)) = journal {
        cells.push((bucket, cell, bucket.cell(cell)));
    }
    bucket.set(cell, content);
}

impl Subtable {
    /// Places an entry whose buckets are both full.
    #[cold]
    #[inline(never)]
    pub fn displace(
        &self,
        choices: [Choice; 2],
        tag: u8,
        entry: Entry,
        mut journal: Option<&mut Journal>,
    ) -> Result<(), Crowded> {
        // Nearly always one move does, and needs no memory of where the search has been.
        for choice in choices {
            let bucket = self.bucket(choice);
            for cell in 0..BUCKET_CELLS {
                if self.move_aside(bucket, choice.group, cell, &mut journal) {
                    write(bucket, cell, Cell { tag, byte: choice.byte as u8, entry }, &mut journal);
                    return Ok(());
                }
            }
        }
        self.displace_further(choices, tag, entry, &mut journal)
    }

    /// The other choice of an entry.
    #[inline(always)]
    fn other_choice(bucket: Bucket, group: u32, cell: usize) -> Choice {
        let Cell { tag, byte, .. } = bucket.cell(cell);
        Choice::at(group, byte).other(tag)
    }

    /// Moves an entry to its other bucket; false where that is full.
    #[inline(always)]
    fn move_aside(
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
            let moved = Cell { byte: other.byte as u8, ..bucket.cell(cell) };
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
                    // Back to the root: each bucket on the way gives an entry to the hole behind it.
                    let (mut hole, mut step) = (cell, at);
                    while step != steps[step].from {
                        let Step { from, cell, .. } = steps[step];
                        let Step { bucket, group, .. } = steps[from];
                        let moved = self.move_aside(bucket, group, cell, journal);
                        debug_assert!(moved);
                        (hole, step) = (cell, from);
                    }
                    let byte = choices[step].byte as u8;
                    write(steps[step].bucket, hole, Cell { tag, byte, entry }, journal);
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
