//! Rows that go: those whose slot's expiry has passed on the data clock, and, at the memory limit, the least useful of a
//! sample.

use crate::mixing::mix64;
use crate::page::Row;
use crate::policy::AtLimit;
use crate::table::{stamp_of, EmbeddingTable};
use crate::tags::BUCKET_SLOTS;

/// Rows compared to find one victim. With 16, a victim is among the least useful tenth four times out of five.
const SAMPLE_ROWS: u32 = 16;

impl EmbeddingTable {
    /// Looks at the next `buckets_max` × 16 rows and evicts the expired: those with newest update seen − own update ≥ their
    /// slot's expiry. Goes around the table over calls. Returns rows evicted.
    pub fn evict_expired(&mut self, buckets_max: u32) -> u32 {
        if !self.options.anything_expires() {
            return 0;
        }
        let layout = self.store.layout;
        let handles = self.store.slab.handles();
        let mut evicted = 0;
        for _ in 0..buckets_max.saturating_mul(BUCKET_SLOTS as u32).min(handles) {
            let handle = self.expiry_hand % handles;
            if let Some(row) = self.store.slab.occupied(handle) {
                let expiry = self.options.policy(row.key()).expiry_seconds;
                let age = self.clock_seconds.saturating_sub(stamp_of(&row, &layout));
                if expiry != u32::MAX && age >= expiry {
                    self.evict(&row);
                    evicted += 1;
                }
            }
            self.expiry_hand = handle + 1;
        }
        evicted
    }

    /// A row for an absent id; `at` is its position in the last search for ids to insert, if any. At the memory limit a row
    /// of the same segment of the index makes room where the options say so.
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
        self.store.insert(id).ok()
    }

    /// The least useful of the next `SAMPLE_ROWS` rows of a hash's segment.
    fn victim(&mut self, hash: u64) -> Option<Row> {
        let layout = self.store.layout;
        let segment = self.store.index.segment_of(hash);
        let slots = segment.slots() as u32;
        let mut least: Option<(u64, Row)> = None;
        let mut seen = 0;
        for _ in 0..slots {
            if seen == SAMPLE_ROWS {
                break;
            }
            let slot = segment.victim_hand % slots;
            segment.victim_hand = slot + 1;
            let Some(handle) = segment.handle_at(slot as usize) else { continue };
            seen += 1;
            let row = self.store.slab.row(handle);
            let stamp = u64::from(stamp_of(&row, &layout));
            // Among rows updated equally often the oldest goes. Counters age: each look takes one off, so that what was
            // hot long ago does not stay for ever.
            let usefulness = match row.counter(&layout) {
                Some(counter) => {
                    let often = u64::from(*counter);
                    *counter = counter.saturating_sub(1);
                    often << 32 | stamp
                }
                None => stamp,
            };
            if least.is_none_or(|(known, _)| usefulness < known) {
                least = Some((usefulness, row));
            }
        }
        least.map(|(_, row)| row)
    }
}
