//! Rows that go: those whose slot's expiry has passed on the data clock, and, at the memory limit, the least useful of a
//! sample.

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
        let mut evicted = 0;
        let mut budget =
            (buckets_max as usize).saturating_mul(BUCKET_SLOTS).min(self.handles() as usize);
        while budget > 0 {
            let (number, handle) = self.expiry_hand;
            let Some(region) = self.store.regions.get(number as usize) else {
                self.expiry_hand = (0, 0);
                continue;
            };
            if handle >= region.handles() {
                self.expiry_hand = (number + 1, 0);
                continue;
            }
            budget -= 1;
            if region.is_occupied(&layout, handle) {
                let row = region.row(&layout, number, handle as u16);
                let expiry = self.options.policy(row.key()).expiry_seconds;
                let age = self.clock_seconds.saturating_sub(stamp_of(&row, &layout));
                if expiry != u32::MAX && age >= expiry {
                    if !self.evict(&row) {
                        return evicted;
                    }
                    evicted += 1;
                }
            }
            self.expiry_hand = (number, handle + 1);
        }
        evicted
    }

    /// Rows that exist or did, free ones included.
    fn handles(&self) -> u64 {
        self.store.regions.iter().map(|region| u64::from(region.handles())).sum()
    }

    /// A row for an absent id; at the memory limit a row of the same region makes room where the options say so.
    pub fn insert_making_room(&mut self, id: u64) -> Option<Row> {
        if let Ok(row) = self.store.insert(id) {
            return Some(row);
        }
        if self.options.at_limit == AtLimit::Reject {
            return None;
        }
        let victim = self.victim(self.store.region_for(id))?;
        if !self.evict(&victim) {
            return None;
        }
        self.store.insert(id).ok()
    }

    /// The least useful of the next `SAMPLE_ROWS` rows of a region.
    fn victim(&mut self, number: u32) -> Option<Row> {
        let layout = self.store.layout;
        let region = &mut self.store.regions[number as usize];
        let handles = region.handles();
        let mut least: Option<(u64, Row)> = None;
        let mut seen = 0;
        for _ in 0..handles {
            if seen == SAMPLE_ROWS {
                break;
            }
            let handle = region.victim_hand % handles;
            region.victim_hand = handle + 1;
            if !region.is_occupied(&layout, handle) {
                continue;
            }
            seen += 1;
            let row = region.row(&layout, number, handle as u16);
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
