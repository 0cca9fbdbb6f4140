//! Eviction: rows whose slot's expiry has passed on the data clock, and, at the memory limit, the
//! least useful rows of a sample.
//!
//! An expired row counts as absent from the moment of its expiry: a lookup does not find it, and an
//! update evicts it and begins with a new row. So the weights are a function of the updates, not
//! of the times at which `evict_expired` removes expired rows to free their memory. (At the memory
//! limit, the sample from which a victim is taken still depends on the rows that are there.)

use crate::bucket::BUCKET_CELLS;
use crate::mixing::mix64;
use crate::page::Row;
use crate::plane::Choice;
use crate::policy::AtLimit;
use crate::search::WRITTEN_PASS;
use crate::subtable::Subtable;
use crate::table::EmbeddingTable;

/// Rows compared for one victim. With 16, the victim is among the least useful tenth four times out
/// of five.
const SAMPLE_ROWS: usize = 16;

/// Rows of one step of a sweep.
const SWEPT_ROWS: u32 = 16;

impl EmbeddingTable {
    /// Examines the next `buckets_max` × 16 rows, continuing around the table over calls, and
    /// evicts the expired ones: newest update seen − own update ≥ expiry of the slot. Returns the
    /// number of rows evicted.
    pub fn evict_expired(&mut self, buckets_max: u32) -> u32 {
        if !self.options.anything_expires() {
            return 0;
        }
        let handles = self.store.slab.handles();
        let mut evicted = 0;
        for _ in 0..buckets_max.saturating_mul(SWEPT_ROWS).min(handles) {
            let handle = self.expiry_hand % handles;
            if let Some(row) = self.store.slab.occupied(handle) {
                let stamp = self.store.slab.stamp(&row);
                if self.options.has_expired(row.key(), stamp, self.clock_seconds) {
                    self.evict(&row);
                    evicted += 1;
                }
            }
            self.expiry_hand = handle + 1;
        }
        evicted
    }

    /// Evicts the expired rows among those of `ids`, which become `Row::NONE`.
    #[inline(never)]
    pub fn evict_expired_among(&mut self, ids: &[u64], rows: &mut [Row; WRITTEN_PASS]) {
        for (row, &id) in rows.iter_mut().zip(ids).filter(|(row, _)| row.exists()) {
            let stamp = self.store.slab.stamp(row);
            if !self.options.has_expired(id, stamp, self.clock_seconds) {
                continue;
            }
            // An id given twice, against the contract, has no row any more.
            if self.store.slab.occupied(row.handle).is_some() {
                self.evict(row);
            }
            *row = Row::NONE;
        }
    }

    /// Inserts a row for an absent id; `at` is its index in the last search for ids to insert, if
    /// any. If there is no room and the options allow it, another row makes room.
    pub fn insert_making_room(&mut self, id: u64, at: Option<usize>) -> Option<Row> {
        let inserted = match at {
            Some(at) => self.store.insert_at(at, id),
            None => self.store.insert(id),
        };
        if let Ok(row) = inserted {
            return Some(row);
        }
        if self.options.at_limit == AtLimit::Reject {
            return None;
        }
        let victim = self.victim(mix64(id))?;
        self.evict(&victim);
        self.store.insert_in_room_made(id)
    }

    /// The least useful row that can make room for a hash.
    fn victim(&mut self, hash: u64) -> Option<Row> {
        let mut handles = [0; 2 * BUCKET_CELLS];
        let count = self.store.index.subtable_of(hash).candidates(hash, &mut handles);
        let slab = &mut self.store.slab;
        let usefulness = |handle: &u32| {
            let row = slab.row(*handle);
            let stamp = u64::from(slab.stamp(&row));
            // Among rows with equal counters the oldest is evicted. Each comparison decreases a
            // counter, so that rows that were hot long ago lose their rank.
            match slab.counter(&row) {
                Some(updates) => {
                    slab.set_counter(&row, updates.saturating_sub(1));
                    u64::from(updates) << 32 | stamp
                }
                None => stamp,
            }
        };
        let victim = handles[..count].iter().copied().min_by_key(usefulness)?;
        Some(self.store.slab.row(victim))
    }
}

impl Subtable {
    /// Handles of rows that can make room for a hash. If its two buckets are full, only their rows
    /// can help; this also keeps ids made to collide from evicting other rows. Else the next rows
    /// of the subtable.
    fn candidates(&mut self, hash: u64, handles: &mut [u32; 2 * BUCKET_CELLS]) -> usize {
        let (choices, _) = Choice::both(hash, self.depth);
        let own = choices.map(|choice| self.bucket(choice));
        if own.iter().all(|bucket| bucket.empty() == 0) {
            for (number, handle) in handles.iter_mut().enumerate() {
                *handle = own[number / BUCKET_CELLS].cell(number % BUCKET_CELLS).entry.handle();
            }
            return handles.len();
        }
        let cells = self.cells() as u32;
        let mut count = 0;
        for _ in 0..cells {
            if count == SAMPLE_ROWS {
                break;
            }
            let cell = self.victim_hand % cells;
            self.victim_hand = cell + 1;
            if let Some(handle) = self.handle_at(cell as usize) {
                handles[count] = handle;
                count += 1;
            }
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixing::unmix64;
    use crate::policy::TableOptions;

    const LEAST_RECENTLY_USED: f64 = 1.0;
    const LEAST_FREQUENTLY_USED: f64 = 2.0;

    fn table(at_limit: f64, bytes_max: f64) -> EmbeddingTable {
        let rule = [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, f64::INFINITY, 0.0, 0.0, 0.0, 0.0];
        let words = [&[bytes_max, at_limit, 1.0, 64.0, 1.0, 2.0][..], &rule, &[0.0]].concat();
        EmbeddingTable::new(TableOptions::decode(&words).unwrap()).unwrap()
    }

    fn learn(table: &mut EmbeddingTable, ids: &[u64], seconds: u32) {
        for ids in ids.chunks(1000) {
            let gradients = vec![1.0; 2 * ids.len()];
            table.apply_gradients(ids, &gradients, &vec![1; ids.len()], seconds);
        }
    }

    /// Ids whose hashes have the same tag, choice byte and group, and so the same two buckets.
    fn colliding(count: u64) -> Vec<u64> {
        (0..count).map(|i| unmix64(0x77 << 32 | 0x1234 | i << 14 & 0xffff_c000)).collect()
    }

    #[test]
    fn ids_made_to_collide_evict_only_rows_of_their_own_buckets() {
        for at_limit in [LEAST_RECENTLY_USED, LEAST_FREQUENTLY_USED] {
            let mut table = table(at_limit, 1e9);
            let ordinary: Vec<u64> = (0..50_000).map(|id| 1 << 48 | id).collect();
            learn(&mut table, &ordinary, 1);
            learn(&mut table, &colliding(5000), 2);
            let lost = ordinary.iter().filter(|&&id| !table.store.find(id).exists()).count();
            assert!(lost <= 2 * BUCKET_CELLS, "{lost} lost");
            assert_eq!(table.counts.rejected, 0.0);
        }
    }

    #[test]
    fn at_the_limit_an_evicted_row_makes_room_for_a_new_one() {
        for at_limit in [LEAST_RECENTLY_USED, LEAST_FREQUENTLY_USED] {
            let mut table = table(at_limit, 1e6);
            learn(&mut table, &(0..100_000).collect::<Vec<u64>>(), 1);
            let rows = table.store.rows();
            let evicted = table.counts.evicted;
            learn(&mut table, &colliding(5000), 2);
            learn(&mut table, &(100_000..150_000).collect::<Vec<u64>>(), 3);
            assert_eq!(table.counts.rejected, 0.0);
            assert_eq!(table.store.rows(), rows);
            assert!(table.counts.evicted - evicted <= 55_000.0);
        }
    }
}
