//! Room in full buckets: the shortest chain of moves, each of an entry to its other bucket.

use crate::entry::Entry;
use crate::plane::{Bucket, Choice, Slot};
use crate::segment::{Crowded, Segment};
use crate::tags::BUCKET_SLOTS;

/// Buckets looked at before an insertion gives up.
const BUCKETS_MAX: usize = 64;
/// Slots that a placement writes at most: two a move, of which no bucket makes more than one, and its own.
const WRITES_MAX: usize = 2 * BUCKETS_MAX + 1;

/// A bucket on the way, with its group: in it, `slot` of the bucket of step `from` finds room.
#[derive(Clone, Copy)]
struct Step {
    bucket: Bucket,
    group: u32,
    from: usize,
    slot: usize,
}

/// What slots held before they were written, so that several placements can be taken back.
#[derive(Default)]
pub struct Journal(Vec<(Bucket, usize, Slot)>);

impl Journal {
    /// Makes room for what one more placement writes: no placement allocates, for it must not end halfway.
    pub fn reserve(&mut self) -> Result<(), Crowded> {
        self.0.try_reserve(WRITES_MAX).map_err(|_| Crowded)
    }

    /// Every slot holds again what it did.
    pub fn revert(self) {
        self.0.into_iter().rev().for_each(|(bucket, slot, content)| bucket.set(slot, content));
    }
}

/// Writes a slot, noting in a journal what it held.
#[inline(always)]
pub fn write(bucket: Bucket, slot: usize, content: Slot, journal: &mut Option<&mut Journal>) {
    if let Some(Journal(slots)) = journal {
        slots.push((bucket, slot, bucket.slot(slot)));
    }
    bucket.set(slot, content);
}

impl Segment {
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
            for slot in 0..BUCKET_SLOTS {
                if self.move_aside(bucket, choice.group, slot, &mut journal) {
                    write(bucket, slot, Slot { tag, byte: choice.byte as u8, entry }, &mut journal);
                    return Ok(());
                }
            }
        }
        self.displace_further(choices, tag, entry, &mut journal)
    }

    /// The other choice of an entry.
    #[inline(always)]
    fn other_choice(bucket: Bucket, group: u32, slot: usize) -> Choice {
        let Slot { tag, byte, .. } = bucket.slot(slot);
        Choice::at(group, byte).other(tag)
    }

    /// Moves an entry to its other bucket; false where that is full.
    #[inline(always)]
    fn move_aside(
        &self,
        bucket: Bucket,
        group: u32,
        slot: usize,
        journal: &mut Option<&mut Journal>,
    ) -> bool {
        let other = Self::other_choice(bucket, group, slot);
        let to = self.bucket(other);
        let empty = to.empty();
        if empty != 0 {
            let moved = Slot { byte: other.byte as u8, ..bucket.slot(slot) };
            write(to, empty.trailing_zeros() as usize, moved, journal);
            write(bucket, slot, Slot::EMPTY, journal);
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
        let mut steps = [Step { bucket: Bucket::NONE, group: 0, from: 0, slot: 0 }; BUCKETS_MAX];
        for (root, choice) in choices.into_iter().enumerate() {
            let (bucket, group) = (self.bucket(choice), choice.group);
            steps[root] = Step { bucket, group, from: root, slot: 0 };
        }
        let (mut at, mut known) = (0, 2);
        while at < known {
            let Step { bucket, group, .. } = steps[at];
            for slot in 0..BUCKET_SLOTS {
                if self.move_aside(bucket, group, slot, journal) {
                    // Back to the root: each bucket on the way gives an entry to the hole behind it.
                    let (mut hole, mut step) = (slot, at);
                    while step != steps[step].from {
                        let Step { from, slot, .. } = steps[step];
                        let Step { bucket, group, .. } = steps[from];
                        let moved = self.move_aside(bucket, group, slot, journal);
                        debug_assert!(moved);
                        (hole, step) = (slot, from);
                    }
                    let byte = choices[step].byte as u8;
                    write(steps[step].bucket, hole, Slot { tag, byte, entry }, journal);
                    return Ok(());
                }
                let other = Self::other_choice(bucket, group, slot);
                let step = Step { bucket: self.bucket(other), group: other.group, from: at, slot };
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
