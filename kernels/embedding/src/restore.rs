//! Restoring the rows of a snapshot, also into another number of shards or another schema.

use crate::mixing::shard_of;
use crate::page::KEY_BYTES;
use crate::policy::slot_of;
use crate::table::{EmbeddingTable, COUNTED_UPDATE};
use crate::training_row::ROW_HEADER_BYTES;

/// Update counter of a row from a snapshot without counters: that of a row after its first update,
/// so that restored rows are not evicted before younger ones for lack of a counter.
const COUNTER_UNKNOWN: u8 = COUNTED_UPDATE;

/// A run of floats that the saved row and this table's row have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// First float in the saved row.
    pub from: usize,
    /// First float in this table's row.
    pub to: usize,
    /// Length, floats.
    pub floats: usize,
}

/// Which saved rows to take, and which of their floats.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RestorePlan {
    /// Floats of a saved row.
    pub floats: usize,
    /// Whether a saved row ends with its update counter.
    pub counted: bool,
    /// Floats that are copied; all others get their initial values.
    pub runs: Vec<Run>,
    /// This table's shard among `shards`.
    pub shard: u32,
    /// Number of shards that the ids are now spread over.
    pub shards: u32,
    /// Slots to take; empty = all.
    pub slots: Vec<u16>,
}

/// Numbers of saved rows by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Restored {
    /// Rows restored into this table.
    pub rows: u32,
    /// Rows of another shard.
    pub elsewhere: u32,
    /// Rows of a slot that is no longer in the schema.
    pub dropped: u32,
    /// Rows without room in this table.
    pub rejected: u32,
}

impl EmbeddingTable {
    /// Restores the rows of a chunk; `None` if chunk or plan have the wrong size, and then the
    /// table is unchanged.
    pub fn restore(&mut self, chunk: &[u8], plan: &RestorePlan) -> Option<Restored> {
        let floats_end = ROW_HEADER_BYTES + plan.floats * 4;
        let stride = floats_end + usize::from(plan.counted);
        let fits = |run: &Run| {
            run.from.checked_add(run.floats).is_some_and(|end| end <= plan.floats)
                && run.to.checked_add(run.floats).is_some_and(|end| end <= self.options.floats)
        };
        if chunk.len() % stride != 0 || plan.shards == 0 || !plan.runs.iter().all(fits) {
            return None;
        }
        let mut restored = Restored::default();
        for saved in chunk.chunks_exact(stride) {
            let (row, counter) = saved.split_at(floats_end);
            let (header, floats) = row.split_at(ROW_HEADER_BYTES);
            let (key, stamp) = header.split_at(KEY_BYTES);
            let id = u64::from_le_bytes(key.try_into().ok()?);
            let seconds = u32::from_le_bytes(stamp.try_into().ok()?);
            if shard_of(id, plan.shards) != plan.shard {
                restored.elsewhere += 1;
                continue;
            }
            if !plan.slots.is_empty() && !plan.slots.contains(&(slot_of(id) as u16)) {
                restored.dropped += 1;
                continue;
            }
            let Some(row) = self.find_or_insert(id) else {
                restored.rejected += 1;
                continue;
            };
            self.before_change(&row);
            let target = self.store.slab.floats_mut(&row);
            for run in &plan.runs {
                let source = floats[run.from * 4..][..run.floats * 4].chunks_exact(4);
                for (to, from) in target[run.to..].iter_mut().zip(source) {
                    *to = f32::from_le_bytes([from[0], from[1], from[2], from[3]]);
                }
            }
            self.store.slab.set_stamp(&row, seconds);
            let updates = counter.first().copied().unwrap_or(COUNTER_UNKNOWN);
            self.store.slab.set_counter(&row, updates);
            self.clock_seconds = self.clock_seconds.max(seconds);
            self.changes.touch(&mut self.store, &row);
            restored.rows += 1;
        }
        Some(restored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::TableOptions;
    use crate::snapshot::Progress;

    const REJECT: f64 = 0.0;
    const LEAST_FREQUENTLY_USED: f64 = 2.0;
    const IDS: u64 = 3000;

    /// Rows of two floats, initially zeros, with SGD.
    fn table(at_limit: f64) -> EmbeddingTable {
        let rule = [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, f64::INFINITY, 0.0, 0.0, 0.0, 0.0];
        let words = [&[1e8, at_limit, 1.0, 64.0, 1.0, 2.0][..], &rule, &[0.0]].concat();
        EmbeddingTable::new(TableOptions::decode(&words).unwrap()).unwrap()
    }

    /// Number of updates of an id in `learned`.
    fn updates(id: u64) -> u8 {
        (id % 7 + 1) as u8
    }

    fn learned(at_limit: f64) -> EmbeddingTable {
        let mut table = table(at_limit);
        for round in 0..7 {
            let ids: Vec<u64> = (0..IDS).filter(|&id| updates(id) > round).collect();
            let counts = vec![1; ids.len()];
            table.apply_gradients(&ids, &vec![1.0; 2 * ids.len()], &counts, u32::from(round));
        }
        table
    }

    /// Begins a snapshot of all rows; returns their number.
    fn begin(table: &mut EmbeddingTable) -> usize {
        table.cut(false);
        table.begin_snapshot(false).unwrap()
    }

    /// All rows of a snapshot, during which each row is updated once more.
    fn saved(table: &mut EmbeddingTable) -> Vec<u8> {
        let mut bytes = Vec::new();
        assert_eq!(begin(table), IDS as usize);
        let ids: Vec<u64> = (0..IDS).collect();
        assert_eq!(table.next_snapshot_rows(100, &mut bytes), Progress::Rows(100));
        table.apply_gradients(&ids, &vec![1.0; 2 * ids.len()], &vec![1; ids.len()], 9);
        let rest = table.next_snapshot_rows(usize::MAX, &mut bytes);
        assert_eq!(rest, Progress::Rows(IDS as usize - 100));
        table.end_snapshot();
        bytes
    }

    fn plan(counted: bool, shard: u32, shards: u32) -> RestorePlan {
        let runs = vec![Run { from: 0, to: 0, floats: 2 }];
        RestorePlan { floats: 2, counted, runs, shard, shards, slots: vec![] }
    }

    fn counter(table: &EmbeddingTable, id: u64) -> Option<u8> {
        table.store.slab.counter(&table.store.find(id))
    }

    #[test]
    fn update_counters_are_restored_into_more_and_into_fewer_shards() {
        let whole = saved(&mut learned(LEAST_FREQUENTLY_USED));
        assert_eq!(whole.len(), IDS as usize * (ROW_HEADER_BYTES + 2 * 4 + 1));
        let mut rows = 0;
        let mut again = table(LEAST_FREQUENTLY_USED);
        for shard in 0..3 {
            let mut part = table(LEAST_FREQUENTLY_USED);
            rows += part.restore(&whole, &plan(true, shard, 3)).unwrap().rows;
            for id in (0..IDS).filter(|&id| shard_of(id, 3) == shard) {
                assert_eq!(counter(&part, id), Some(updates(id)));
            }
            let mut bytes = Vec::new();
            begin(&mut part);
            part.next_snapshot_rows(usize::MAX, &mut bytes);
            again.restore(&bytes, &plan(true, 0, 1)).unwrap();
        }
        assert_eq!(u64::from(rows), IDS);
        for id in 0..IDS {
            assert_eq!(counter(&again, id), Some(updates(id)));
            let row = again.store.find(id);
            let weight = -f32::from(updates(id));
            assert_eq!(again.store.slab.floats(&row), [weight, weight]);
        }
    }

    #[test]
    fn a_table_that_counts_reads_rows_without_counters_and_the_other_way_round() {
        let uncounted = saved(&mut learned(REJECT));
        assert_eq!(uncounted.len(), IDS as usize * (ROW_HEADER_BYTES + 2 * 4));
        let mut counting = table(LEAST_FREQUENTLY_USED);
        assert!(counting.restore(&uncounted, &plan(true, 0, 1)).is_none());
        counting.restore(&uncounted, &plan(false, 0, 1)).unwrap();
        assert_eq!(counter(&counting, 5), Some(COUNTER_UNKNOWN));
        let mut plain = table(REJECT);
        let counted = saved(&mut learned(LEAST_FREQUENTLY_USED));
        assert_eq!(plain.restore(&counted, &plan(true, 0, 1)).unwrap().rows as u64, IDS);
        assert_eq!(counter(&plain, 5), None);
        assert_eq!(plain.store.slab.floats(&plain.store.find(6)), [-7.0, -7.0]);
    }
}
