//! Touched keys: what each consumer (a serving side, a backup) has not been told yet.
//!
//! A changed row is one bit in its page, for each consumer: a hot id is one entry, memory is bounded by the table, and
//! nothing is lost when a consumer is slow. A delta takes the bits it carries but is kept until a later call
//! acknowledges it; asked again, it is given again. Removed ids wait in a bounded queue of tombstones, and when
//! that is full eviction waits, never the tombstone.

use crate::page::{Bitmap, Row};
use crate::row_store::RowStore;
use crate::table::floats_of;
use std::collections::VecDeque;

/// Consumers a table can serve.
pub const CONSUMERS_MAX: usize = 4;
/// Tombstones that wait for one consumer.
pub const TOMBSTONES_MAX: usize = 1 << 18;

/// Changed weights and removed ids, numbered without gaps per consumer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delta {
    /// From 1.
    pub sequence: u64,
    /// Ids of `rows`.
    pub ids: Vec<u64>,
    /// Weights, shape `[ids, width]`.
    pub rows: Vec<f32>,
    /// Ids that went; none of them is in `ids`.
    pub tombstones: Vec<u64>,
}

#[derive(Default)]
struct Consumer {
    /// The delta given last; its sequence is 0 before the first.
    last: Delta,
    acknowledged: u64,
    tombstones: VecDeque<u64>,
    /// The page where the search for changed rows goes on.
    hand: usize,
}

/// The consumers' cursors.
#[derive(Default)]
pub struct Changes {
    consumers: [Option<Consumer>; CONSUMERS_MAX],
    /// Bit i is set where consumer i exists.
    active: u8,
}

/// Why there is no delta.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DeltaError {
    /// Consumers are numbered from 0 to `CONSUMERS_MAX` - 1.
    UnknownConsumer,
    /// The acknowledged sequence is behind what was acknowledged before.
    Acknowledged,
    /// The host refuses the memory for it; nothing is lost.
    OutOfMemory,
}

impl Changes {
    /// Bitmaps that a page needs: occupied, in snapshot, one a consumer.
    pub const BITMAPS: usize = 2 + CONSUMERS_MAX;

    /// Marks a row as changed for everyone.
    #[inline(always)]
    pub fn touch(&self, store: &mut RowStore, row: &Row) {
        if self.active == 0 {
            return;
        }
        let page = store.layout.page(row.handle);
        store.slab.changed_for[page] |= self.active;
        for consumer in 0..CONSUMERS_MAX {
            if self.active >> consumer & 1 == 1 {
                row.put(&store.layout, Bitmap::changed_for(consumer), true);
            }
        }
    }

    /// Whether one more row may be removed.
    pub fn has_room_for_tombstone(&mut self) -> bool {
        self.consumers.iter_mut().flatten().all(|Consumer { tombstones, .. }| {
            tombstones.len() < TOMBSTONES_MAX && tombstones.try_reserve(1).is_ok()
        })
    }

    /// Queues a tombstone for everyone, where there is room. The row's own marks go with the row.
    pub fn bury(&mut self, id: u64) {
        for consumer in self.consumers.iter_mut().flatten() {
            consumer.tombstones.push_back(id);
        }
    }

    /// The next delta of a consumer, at most `rows_max` rows and as many tombstones; an empty one where nothing is new.
    ///
    /// `acknowledged` is the highest sequence that the consumer has applied. A delta that it has not applied is given again. A
    /// consumer that is new, or that is ahead of the table because the table was restored, is told every row.
    pub fn take(
        &mut self,
        store: &mut RowStore,
        number: usize,
        acknowledged: u64,
        width: usize,
        rows_max: usize,
    ) -> Result<&Delta, DeltaError> {
        let slot = self.consumers.get_mut(number).ok_or(DeltaError::UnknownConsumer)?;
        let known = slot.as_ref().is_some_and(|consumer| acknowledged <= consumer.last.sequence);
        if !known {
            *slot = Some(Consumer {
                last: Delta { sequence: acknowledged, ..Delta::default() },
                acknowledged,
                ..Consumer::default()
            });
            self.active |= 1 << number;
            mark_every_row(store, number);
        }
        let Some(consumer) = slot else { return Err(DeltaError::UnknownConsumer) };
        if acknowledged < consumer.acknowledged {
            return Err(DeltaError::Acknowledged);
        }
        consumer.acknowledged = acknowledged;
        if consumer.last.sequence > acknowledged {
            return Ok(&consumer.last);
        }
        let delta = &mut consumer.last;
        delta.ids.clear();
        delta.rows.clear();
        delta.tombstones.clear();
        let rows = rows_max.min(store.rows());
        let reserved = delta.ids.try_reserve(rows).is_ok()
            && delta.rows.try_reserve(rows * width).is_ok()
            && delta.tombstones.try_reserve(rows_max.min(consumer.tombstones.len())).is_ok();
        if !reserved {
            return Err(DeltaError::OutOfMemory);
        }
        // An id that came back is told by its row, and must not be removed after it.
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

    /// Stops keeping changes for a consumer; asking again makes it a new one.
    pub fn forget(&mut self, number: usize) {
        if let Some(slot) = self.consumers.get_mut(number) {
            *slot = None;
            self.active &= !(1 << number);
        }
    }

    /// Rows and tombstones that some consumer has not taken, at most: the largest over consumers.
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

fn mark_every_row(store: &mut RowStore, number: usize) {
    store.slab.copy_bitmap(Bitmap::OCCUPIED, Bitmap::changed_for(number));
    store.slab.changed_for.iter_mut().for_each(|changed_for| *changed_for |= 1 << number);
}

/// Moves changed rows into the delta, going around the table from where the last delta stopped: a row that changes all the
/// time cannot keep others waiting.
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
                    let row = Row::at(page, handle + bits.trailing_zeros(), &layout);
                    bits &= bits - 1;
                    delta.ids.push(row.key());
                    delta.rows.extend_from_slice(&floats_of(&row, &layout)[..width]);
                }
                layout.set_word(page.as_ptr(), bitmap, word, 0);
            }
            store.slab.changed_for[at] &= !(1 << number);
        }
        *hand = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::PageLayout;

    #[test]
    fn rows_that_changed_before_the_table_grew_are_in_the_next_delta() {
        const ROWS: u64 = 10_000;
        let mut store =
            RowStore::new(PageLayout::new(16, Changes::BITMAPS, false), 1 << 26).unwrap();
        let mut changes = Changes::default();
        for id in 0..ROWS {
            store.insert(id).unwrap();
        }
        let all = changes.take(&mut store, 0, 0, 1, usize::MAX).unwrap().ids.len();
        assert_eq!(all as u64, ROWS);
        assert!(changes.take(&mut store, 0, 1, 1, usize::MAX).unwrap().ids.is_empty());
        for id in 0..64 {
            let row = store.find(id);
            changes.touch(&mut store, &row);
        }
        let mut id = ROWS;
        while id < 8 * ROWS {
            store.insert(id).unwrap();
            id += 1;
        }
        assert_eq!(changes.touched(&store), 64);
        let delta = changes.take(&mut store, 0, 1, 1, usize::MAX).unwrap();
        let mut ids = delta.ids.clone();
        ids.sort_unstable();
        assert_eq!(ids, (0..64).collect::<Vec<u64>>());
    }
}
