//! New rows of the training table: room for them, initial weights, and the optimizer's initial
//! state.

use crate::page::Row;
use crate::table::EmbeddingTable;

impl EmbeddingTable {
    /// The id's row; an absent id gets one with its initial value. `None` (and counted) if there is
    /// no room.
    pub fn find_or_insert(&mut self, id: u64) -> Option<Row> {
        let row = self.store.find(id);
        if row.exists() {
            Some(row)
        } else {
            self.insert(id, None)
        }
    }

    /// A new row for an absent id, with its initial value; `None` (and counted) if there is no
    /// room. `at` is the index of the id in the last search for ids to insert, if any.
    pub fn insert(&mut self, id: u64, at: Option<usize>) -> Option<Row> {
        let row = self.insert_without_weights(id, at)?;
        let floats = self.store.slab.floats_mut(&row);
        self.options.initial_weights(id, &mut floats[..self.options.width]);
        Some(row)
    }

    /// As `insert`, with the weights left over from an earlier row.
    #[inline]
    pub fn insert_without_weights(&mut self, id: u64, at: Option<usize>) -> Option<Row> {
        let Some(row) = self.insert_making_room(id, at) else {
            self.counts.rejected += 1.0;
            return None;
        };
        self.counts.admitted += 1.0;
        let floats = self.store.slab.floats_mut(&row);
        let policy = self.options.policy(id);
        for ((_, optimizer), slice) in policy.rules.iter().zip(&self.options.slices) {
            let used = optimizer.state_floats(slice.dim);
            let state = &mut floats[slice.state..slice.state + slice.state_floats];
            let (state, unused) = state.split_at_mut(used);
            optimizer.initialize_state(slice.dim, state);
            if !unused.is_empty() {
                unused.fill(0.0);
            }
        }
        // The caller stamps the row with its time of update, which may be long before the newest
        // one.
        self.store.slab.set_stamp(&row, 0);
        Some(row)
    }
}
