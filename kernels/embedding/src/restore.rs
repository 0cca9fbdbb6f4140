//! Restoring rows of a snapshot, into another number of shards and into another schema.

use crate::mixing::shard_of;
use crate::page::KEY_BYTES;
use crate::policy::slot_of;
use crate::table::{floats_of, set_stamp, EmbeddingTable, ROW_HEADER_BYTES};

/// A run of floats that the saved row and this table's row share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// First float in the saved row.
    pub from: usize,
    /// First float in this table's row.
    pub to: usize,
    /// Floats.
    pub floats: usize,
}

/// Which saved rows to take, and what of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RestorePlan {
    /// Floats of a saved row.
    pub floats: usize,
    /// What is copied; all else begins anew.
    pub runs: Vec<Run>,
    /// This table's shard among `shards`.
    pub shard: u32,
    /// Shards that the ids are spread over now.
    pub shards: u32,
    /// Slots to keep; empty = all.
    pub slots: Vec<u16>,
}

/// What became of saved rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Restored {
    /// Now rows of this table.
    pub rows: u32,
    /// Belong to another shard.
    pub elsewhere: u32,
    /// Of a slot that the schema has no more.
    pub dropped: u32,
    /// Found no room.
    pub rejected: u32,
}

impl EmbeddingTable {
    /// Takes the rows of a chunk; `None` where chunk or plan have the wrong size, and then nothing changed.
    pub fn restore(&mut self, chunk: &[u8], plan: &RestorePlan) -> Option<Restored> {
        let stride = ROW_HEADER_BYTES + plan.floats * 4;
        let fits = |run: &Run| {
            run.from.checked_add(run.floats).is_some_and(|end| end <= plan.floats)
                && run.to.checked_add(run.floats).is_some_and(|end| end <= self.options.floats)
        };
        if chunk.len() % stride != 0 || plan.shards == 0 || !plan.runs.iter().all(fits) {
            return None;
        }
        let mut restored = Restored::default();
        for saved in chunk.chunks_exact(stride) {
            let (header, floats) = saved.split_at(ROW_HEADER_BYTES);
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
            let target = floats_of(&row, &self.store.layout);
            for run in &plan.runs {
                let source = floats[run.from * 4..][..run.floats * 4].chunks_exact(4);
                for (to, from) in target[run.to..].iter_mut().zip(source) {
                    *to = f32::from_le_bytes([from[0], from[1], from[2], from[3]]);
                }
            }
            set_stamp(&row, &self.store.layout, seconds);
            self.clock_seconds = self.clock_seconds.max(seconds);
            self.changes.touch(&mut self.store, &row);
            restored.rows += 1;
        }
        Some(restored)
    }
}
