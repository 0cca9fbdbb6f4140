//! Changed rows and removed ids that a consumer (a replica, a backup) has not yet received.
//!
//! A changed row is one bit in its page for each consumer: memory is bounded by the table, a hot id
//! is one entry, and no change is lost if a consumer is slow. A delta clears the bits that it
//! carries, but is held and given again until a later call acknowledges it. Removed ids wait in a
//! bounded queue of tombstones. If the queue overflows, the consumer has to begin anew with all
//! rows; training and eviction never wait for a consumer.

use crate::page::{Bitmap, Row};
use crate::row_store::RowStore;
use crate::since_snapshot::SinceSnapshot;
use std::collections::VecDeque;

/// Consumers of a table.
pub const CONSUMERS_MAX: usize = 2;
/// Maximum number of tombstones that wait for a consumer.
pub const TOMBSTONES_MAX: usize = 1 << 18;

/// The form of the rows of a delta.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum RowForm {
    /// Weights, for serving.
    #[default]
    Weights,
    /// Whole rows as a snapshot saves them, for another training table.
    Saved,
}

/// Changed rows and removed ids, numbered without gaps per consumer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delta {
    /// From 1.
    pub sequence: u64,
    /// The form of the rows.
    pub form: RowForm,
    /// Ids of the rows.
    pub ids: Vec<u64>,
    /// Weights, shape `[ids, width]`; empty in the form `Saved`.
    pub rows: Vec<f32>,
    /// Saved rows, one after another; empty in the form `Weights`.
    pub saved: Vec<u8>,
    /// Removed ids; none of them is in `ids`.
    pub tombstones: Vec<u64>,
}

#[derive(Default)]
struct Consumer {
    /// The last delta given; its sequence is 0 before the first.
    last: Delta,
    acknowledged: u64,
    tombstones: VecDeque<u64>,
    /// The page where the search for changed rows continues.
    hand: usize,
    /// More ids were removed than the queue holds or memory allows; the queue was emptied.
    overflowed: bool,
}

/// The state of all consumers.
#[derive(Default)]
pub struct Changes {
    consumers: [Option<Consumer>; CONSUMERS_MAX],
    /// Bit i is set where consumer i exists, the bit after them where changes since the last
    /// snapshot are recorded.
    active: u8,
    /// Changes since the last snapshot.
    pub since_snapshot: SinceSnapshot,
}

/// The reason why there is no delta.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DeltaError {
    /// Consumers are numbered from 0 to `CONSUMERS_MAX` - 1, and begin before they take.
    UnknownConsumer,
    /// The acknowledged sequence is behind an earlier one, or was never given.
    Acknowledged,
    /// Tombstones of the consumer were lost: it has to begin anew with all rows.
    Overflowed,
    /// The host refuses the memory for it; nothing is lost.
    OutOfMemory,
    /// The delta that is not acknowledged was given in another form.
    OtherForm,
}

impl Changes {
    /// Bitmaps of a page: occupied, in snapshot, one a consumer, since the last cut and before it.
    pub const BITMAPS: usize = 2 + CONSUMERS_MAX + 2;

    /// Records changes for snapshots from now on.
    pub fn record_for_snapshots(&mut self) {
        self.active |= SinceSnapshot::SINCE_CUT;
    }

    /// Whether changes are recorded for snapshots.
    pub fn records_for_snapshots(&self) -> bool {
        self.active & SinceSnapshot::SINCE_CUT != 0
    }

    /// Records that a row changed, for all consumers and for the next snapshot.
    #[inline(always)]
    pub fn touch(&self, store: &mut RowStore, row: &Row) {
        if self.active == 0 {
            return;
        }
        let page = store.layout.page(row.handle);
        store.slab.changed_for[page] |= self.active;
        for consumer in 0..=CONSUMERS_MAX {
            if self.active >> consumer & 1 == 1 {
                row.put(&store.layout, Bitmap::changed_for(consumer), true);
            }
        }
    }

    /// Queues a tombstone for all consumers and for the next snapshot. The marks of the row are
    /// cleared with the row.
    ///
    /// `rows` is the number of rows of the table.
    pub fn bury(&mut self, id: u64, rows: usize) {
        if self.records_for_snapshots() {
            self.since_snapshot.bury(id, rows);
        }
        for consumer in self.consumers.iter_mut().flatten() {
            let tombstones = &mut consumer.tombstones;
            if tombstones.len() == TOMBSTONES_MAX || tombstones.try_reserve(1).is_err() {
                consumer.tombstones = VecDeque::new();
                consumer.overflowed = true;
            }
            if !consumer.overflowed {
                consumer.tombstones.push_back(id);
            }
        }
    }

    /// Starts recording changes for a consumer. The consumer reads all rows by itself; its next
    /// delta is number 1. A consumer that had begun starts over.
    pub fn begin(&mut self, store: &mut RowStore, number: usize) -> Result<(), DeltaError> {
        let known = self.consumers.get_mut(number).ok_or(DeltaError::UnknownConsumer)?;
        *known = Some(Consumer::default());
        self.active |= 1 << number;
        store.slab.clear_bitmap(Bitmap::changed_for(number));
        store.slab.changed_for.iter_mut().for_each(|changed_for| *changed_for &= !(1 << number));
        Ok(())
    }

    /// Stops recording changes for a consumer. A consumer that has not begun is no error.
    pub fn end(&mut self, number: usize) -> Result<(), DeltaError> {
        let known = self.consumers.get_mut(number).ok_or(DeltaError::UnknownConsumer)?;
        *known = None;
        self.active &= !(1 << number);
        Ok(())
    }

    /// The next delta of a consumer, at most `rows_max` rows and as many tombstones; empty if
    /// nothing is new.
    ///
    /// `acknowledged` is the highest sequence that the consumer has applied. A delta that it has
    /// not applied is given again.
    pub fn take(
        &mut self,
        store: &mut RowStore,
        number: usize,
        acknowledged: u64,
        form: RowForm,
        width: usize,
        rows_max: usize,
    ) -> Result<&Delta, DeltaError> {
        let consumer = self.consumers.get_mut(number).and_then(Option::as_mut);
        let consumer = consumer.ok_or(DeltaError::UnknownConsumer)?;
        if consumer.overflowed {
            return Err(DeltaError::Overflowed);
        }
        if !(consumer.acknowledged..=consumer.last.sequence).contains(&acknowledged) {
            return Err(DeltaError::Acknowledged);
        }
        consumer.acknowledged = acknowledged;
        if consumer.last.sequence > acknowledged {
            let is_other = consumer.last.form != form;
            return if is_other { Err(DeltaError::OtherForm) } else { Ok(&consumer.last) };
        }
        let delta = &mut consumer.last;
        delta.form = form;
        delta.ids.clear();
        delta.rows.clear();
        delta.saved.clear();
        delta.tombstones.clear();
        let rows = rows_max.min(store.rows());
        let has_room = match form {
            RowForm::Weights => delta.rows.try_reserve(rows * width).is_ok(),
            RowForm::Saved => {
                delta.saved.try_reserve(rows * store.layout.saved_row_bytes()).is_ok()
            }
        };
        let reserved = has_room
            && delta.ids.try_reserve(rows).is_ok()
            && delta.tombstones.try_reserve(rows_max.min(consumer.tombstones.len())).is_ok();
        if !reserved {
            return Err(DeltaError::OutOfMemory);
        }
        // An id that was removed and inserted again is sent as a row; its tombstone must not
        // follow.
        while delta.tombstones.len() < rows_max {
            let Some(id) = consumer.tombstones.pop_front() else { break };
            if !store.find(id).exists() {
                delta.tombstones.push(id);
            }
        }
        collect(store, number, &mut consumer.hand, width, rows_max, delta);
        if !delta.ids.is_empty() || !delta.tombstones.is_empty() {
            delta.sequence += 1;
        }
        Ok(&consumer.last)
    }

    /// Upper bound of the rows and tombstones that a consumer has not received, the largest over
    /// all consumers.
    pub fn touched(&self, store: &RowStore) -> usize {
        let waiting = |number: usize| {
            let tombstones =
                self.consumers[number].as_ref().map_or(0, |consumer| consumer.tombstones.len());
            let layout = &store.layout;
            let pages = store.slab.pages().iter().zip(&store.slab.changed_for);
            let rows: usize = pages
                .filter(|(_, changed_for)| **changed_for >> number & 1 == 1)
                .flat_map(|(page, _)| (0..layout.words()).map(move |word| (page, word)))
                .map(|(page, word)| layout.word(page.as_ptr(), Bitmap::changed_for(number), word))
                .map(|bits| bits.count_ones() as usize)
                .sum();
            rows + tombstones
        };
        (0..CONSUMERS_MAX)
            .filter(|number| self.active >> number & 1 == 1)
            .map(waiting)
            .max()
            .unwrap_or(0)
    }
}

/// Moves changed rows into the delta, continuing around the table where the last delta stopped, so
/// that a row that always changes does not hold up others.
fn collect(
    store: &mut RowStore,
    number: usize,
    hand: &mut usize,
    width: usize,
    rows_max: usize,
    delta: &mut Delta,
) {
    let bitmap = Bitmap::changed_for(number);
    let layout = store.layout;
    let pages = store.slab.pages().len();
    for _ in 0..pages {
        let at = *hand % pages;
        if store.slab.changed_for[at] >> number & 1 == 1 {
            let page = store.slab.pages()[at];
            for word in 0..layout.words() {
                let mut bits = layout.word(page.as_ptr(), bitmap, word);
                while bits != 0 {
                    if delta.ids.len() == rows_max {
                        layout.set_word(page.as_ptr(), bitmap, word, bits);
                        *hand = at;
                        return;
                    }
                    let handle = (at << layout.rows_shift) as u32 + word as u32 * 64;
                    let row = store.slab.row(handle + bits.trailing_zeros());
                    bits &= bits - 1;
                    delta.ids.push(row.key());
                    match delta.form {
                        RowForm::Weights => {
                            delta.rows.extend_from_slice(&store.slab.floats(&row)[..width]);
                        }
                        RowForm::Saved => store.slab.save(&row, &mut delta.saved),
                    }
                }
                layout.set_word(page.as_ptr(), bitmap, word, 0);
            }
            store.slab.changed_for[at] &= !(1 << number);
        }
        *hand = at + 1;
    }
}

#[cfg(test)]
mod tests;
