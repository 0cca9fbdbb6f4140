//! Snapshots as of their start, written while the table is trained.
//!
//! The start sets a bit for each row of the snapshot, without a copy: all rows, or, in an
//! increment, the rows that changed since the last stored snapshot. A pending row that is about to
//! change or to be removed is copied aside first. The snapshot consists of the rows copied aside
//! and of the pending rows, in any order. An increment has the ids that were removed as well.
//!
//! A saved row is key, stamp, floats and, if the table evicts the least frequently used rows, its
//! update counter: without it a restarted table would evict rows in frequent use. If only the
//! counter changes, by aging, the row is not copied aside; the saved counter may therefore be lower
//! than at the start, never higher.

use crate::page::{Bitmap, Row};
use crate::since_snapshot::{Changed, BEFORE_CUT};
use crate::table::EmbeddingTable;

/// Upper bound of the bytes copied aside, as a divisor of the table's limit, unless `limit_aside`
/// sets it. They come on top of the limit: a table that evicts is always at its limit and could
/// write no snapshot within it.
const PRESERVED_SHARE: usize = 4;
/// Initial capacity for rows copied aside, bytes. Small, since several tables may share the bound.
const PRESERVED_BYTES_MIN: usize = 4 << 10;

/// A snapshot under way.
pub struct Snapshot {
    /// Rows copied aside, `saved_row_bytes` each.
    preserved: Vec<u8>,
    /// Whether it holds only the changes since the last stored snapshot.
    is_increment: bool,
    /// Removed ids that were written.
    removed_written: usize,
    /// Pending rows: their bit is set.
    pending: usize,
    /// The page where writing continues.
    hand: usize,
    /// Ran out of memory for rows that changed; the rows written so far are not a snapshot.
    overtaken: bool,
}

/// The result of `next_snapshot_rows`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// Rows written; more may follow.
    Rows(usize),
    /// No snapshot is under way, or it failed.
    Failed,
}

impl EmbeddingTable {
    /// Makes this moment the cut of a snapshot, which `begin_snapshot` begins; a running one is
    /// dropped. `stored` says that the snapshot of the last cut is stored. Returns the changes
    /// since the last stored snapshot, and the changed lines of the admission counters.
    pub fn cut(&mut self, stored: bool) -> (Changed, usize) {
        self.end_snapshot();
        let changed = self.changes.cut(&mut self.store, stored);
        let lines = self.admission.cut(stored);
        let known = changed.known && lines.is_some();
        (Changed { known, ..changed }, lines.unwrap_or(0))
    }

    /// Makes this moment a cut whose snapshot is stored: the table was restored from it.
    pub fn settle(&mut self) {
        self.changes.settle(&mut self.store);
        self.admission.settle();
    }

    /// Starts the snapshot of the last cut, which is this moment: of all rows, or an increment of
    /// the changes that `cut` has counted. Returns the number of rows that it will have; `None` if
    /// there is no memory for it.
    #[must_use]
    pub fn begin_snapshot(&mut self, is_increment: bool) -> Option<usize> {
        if !self.admission.begin_snapshot(is_increment) {
            return None;
        }
        let from = if is_increment { BEFORE_CUT } else { Bitmap::OCCUPIED };
        let pending = self.store.slab.copy_bitmap(from, Bitmap::IN_SNAPSHOT);
        self.snapshot = Some(Snapshot {
            preserved: Vec::new(),
            is_increment,
            removed_written: 0,
            pending,
            hand: 0,
            overtaken: false,
        });
        Some(pending)
    }

    /// Appends up to `ids_max` ids that were removed before an increment began; returns their
    /// number, 0 after the last.
    pub fn next_removed(&mut self, ids_max: usize, out: &mut Vec<u8>) -> usize {
        let Some(snapshot) = &mut self.snapshot else { return 0 };
        if !snapshot.is_increment {
            return 0;
        }
        let removed = &self.changes.since_snapshot.removed()[snapshot.removed_written..];
        let count = removed.len().min(ids_max);
        out.extend(removed[..count].iter().flat_map(|id| id.to_le_bytes()));
        snapshot.removed_written += count;
        count
    }

    /// Number of rows still to be written.
    pub fn snapshot_rows_left(&self) -> usize {
        let row_bytes = self.store.layout.saved_row_bytes();
        self.snapshot
            .as_ref()
            .map_or(0, |snapshot| snapshot.pending + snapshot.preserved.len() / row_bytes)
    }

    /// Moves the bound of the memory for rows copied aside, but frees none. Returns the bytes
    /// allocated for them.
    pub fn limit_aside(&mut self, bytes_max: usize) -> usize {
        self.aside_bytes_max = Some(bytes_max);
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.preserved.capacity())
    }

    fn preserved_bytes_max(&self) -> usize {
        self.aside_bytes_max.unwrap_or(self.store.memory.bytes_max() / PRESERVED_SHARE)
    }

    /// Ends the snapshot and frees its memory.
    pub fn end_snapshot(&mut self) {
        self.snapshot = None;
        self.admission.end_snapshot();
    }

    /// Appends up to `rows_max` rows to `out`, each as it was when the snapshot began.
    pub fn next_snapshot_rows(&mut self, rows_max: usize, out: &mut Vec<u8>) -> Progress {
        let layout = self.store.layout;
        let row_bytes = layout.saved_row_bytes();
        let Some(snapshot) = &mut self.snapshot else { return Progress::Failed };
        if snapshot.overtaken {
            return Progress::Failed;
        }
        let kept = (snapshot.preserved.len() / row_bytes).min(rows_max);
        let begin = snapshot.preserved.len() - kept * row_bytes;
        out.extend(snapshot.preserved.drain(begin..));
        if begin == 0 {
            snapshot.preserved = Vec::new();
        }
        let mut rows = kept;
        // Rows do not move and new ones are not pending, so one pass over the pages visits all
        // pending rows.
        while rows < rows_max && snapshot.pending > 0 {
            let page = self.store.slab.pages()[snapshot.hand];
            let first = (snapshot.hand << layout.rows_shift) as u32;
            for word in 0..layout.words() {
                let mut bits = layout.word(page.as_ptr(), Bitmap::IN_SNAPSHOT, word);
                while bits != 0 && rows < rows_max {
                    let handle = first + word as u32 * 64 + bits.trailing_zeros();
                    bits &= bits - 1;
                    self.store.slab.save(&self.store.slab.row(handle), out);
                    rows += 1;
                    snapshot.pending -= 1;
                }
                layout.set_word(page.as_ptr(), Bitmap::IN_SNAPSHOT, word, bits);
            }
            snapshot.hand += usize::from(rows < rows_max);
        }
        Progress::Rows(rows)
    }

    /// Copies a pending row aside, before it changes.
    #[cold]
    pub fn preserve(&mut self, row: &Row) {
        let layout = self.store.layout;
        row.put(&layout, Bitmap::IN_SNAPSHOT, false);
        let bytes_max = self.preserved_bytes_max();
        let Some(snapshot) = &mut self.snapshot else { return };
        snapshot.pending -= 1;
        let row_bytes = layout.saved_row_bytes();
        if !snapshot.overtaken && has_room(&mut snapshot.preserved, row_bytes, bytes_max) {
            return self.store.slab.save(row, &mut snapshot.preserved);
        }
        // Training continues; the snapshot fails, and its writer has to start over.
        snapshot.overtaken = true;
        snapshot.preserved = Vec::new();
    }
}

/// Reserves `bytes` more, and a quarter of the present capacity at least, up to `bytes_max` in all.
/// Doubling would leave nothing to the tables that share the bound while half of it is unused.
fn has_room(preserved: &mut Vec<u8>, bytes: usize, bytes_max: usize) -> bool {
    let needed = preserved.len() + bytes;
    if needed <= preserved.capacity() {
        return true;
    }
    let grown = preserved.capacity() + preserved.capacity() / 4;
    let capacity = grown.max(needed).max(PRESERVED_BYTES_MIN).min(bytes_max);
    capacity >= needed && preserved.try_reserve_exact(capacity - preserved.len()).is_ok()
}
