//! Snapshots that are consistent as of their start while the table goes on learning.
//!
//! Beginning one marks every row (one bit each, no copy). A row that is about to change or go while its mark is set is
//! copied aside first; the snapshot is the rows copied aside plus the marked rows as they are, in any order.
//!
//! A saved row is key, stamp, floats and, where the least frequently used are evicted, its counter: a table that forgot at a
//! restart what is used often would evict it. A counter that only ages, because a victim was looked for, is not copied
//! aside for that: it may be lower than it was at the start, never higher.

use crate::page::{Bitmap, Row};
use crate::table::EmbeddingTable;

/// Bytes of rows copied aside before a snapshot gives up, as a share of the table's limit. They come on top of it: a table
/// that evicts is at its limit for good, and could never write a snapshot within it.
const PRESERVED_SHARE: usize = 4;
/// The first bytes set apart for them.
const PRESERVED_BYTES_MIN: usize = 64 << 10;

/// A snapshot under way.
pub struct Snapshot {
    /// Rows as they were, one after another, each `saved_row_bytes`.
    preserved: Vec<u8>,
    /// Rows still marked.
    marked: usize,
    /// The page where the walk goes on.
    hand: usize,
    /// Ran out of memory for rows that changed; what was written so far is not a snapshot.
    overtaken: bool,
}

/// What `next` gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// Rows written; more may follow.
    Rows(usize),
    /// No snapshot is under way, or it failed.
    Failed,
}

impl EmbeddingTable {
    /// Begins a snapshot of this moment; one that was under way is dropped. False where there is no memory for it.
    #[must_use]
    pub fn begin_snapshot(&mut self) -> bool {
        self.end_snapshot();
        if !self.admission.begin_snapshot() {
            return false;
        }
        self.store.slab.copy_bitmap(Bitmap::OCCUPIED, Bitmap::IN_SNAPSHOT);
        self.snapshot = Some(Snapshot {
            preserved: Vec::new(),
            marked: self.store.rows(),
            hand: 0,
            overtaken: false,
        });
        true
    }

    /// Rows that the snapshot has still to give.
    pub fn snapshot_rows_left(&self) -> usize {
        let row_bytes = self.store.layout.saved_row_bytes();
        self.snapshot
            .as_ref()
            .map_or(0, |snapshot| snapshot.marked + snapshot.preserved.len() / row_bytes)
    }

    /// Share of the memory for rows copied aside that they take, 0 to 1: at 1, one more overtakes the snapshot.
    pub fn snapshot_aside(&self) -> f64 {
        let bytes = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.preserved.len());
        bytes as f64 / self.preserved_bytes_max() as f64
    }

    fn preserved_bytes_max(&self) -> usize {
        self.store.memory.bytes_max() / PRESERVED_SHARE
    }

    /// Ends the snapshot, complete or not, and frees what it kept.
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
        let mut rows = kept;
        // Rows keep their places and new ones are not marked, so one walk over the pages meets all marks.
        while rows < rows_max && snapshot.marked > 0 {
            let page = self.store.slab.pages()[snapshot.hand];
            let first = (snapshot.hand << layout.rows_shift) as u32;
            for word in 0..layout.words() {
                let mut bits = layout.word(page.as_ptr(), Bitmap::IN_SNAPSHOT, word);
                while bits != 0 && rows < rows_max {
                    let handle = first + word as u32 * 64 + bits.trailing_zeros();
                    bits &= bits - 1;
                    self.store.slab.save(&self.store.slab.row(handle), out);
                    rows += 1;
                    snapshot.marked -= 1;
                }
                layout.set_word(page.as_ptr(), Bitmap::IN_SNAPSHOT, word, bits);
            }
            snapshot.hand += usize::from(rows < rows_max);
        }
        Progress::Rows(rows)
    }

    /// Copies a marked row aside before it changes.
    #[cold]
    pub fn preserve(&mut self, row: &Row) {
        let layout = self.store.layout;
        row.put(&layout, Bitmap::IN_SNAPSHOT, false);
        let bytes_max = self.preserved_bytes_max();
        let Some(snapshot) = &mut self.snapshot else { return };
        snapshot.marked -= 1;
        let row_bytes = layout.saved_row_bytes();
        if !snapshot.overtaken && has_room(&mut snapshot.preserved, row_bytes, bytes_max) {
            return self.store.slab.save(row, &mut snapshot.preserved);
        }
        // Learning goes on; the one who takes the snapshot is told, and begins anew.
        snapshot.overtaken = true;
        snapshot.preserved = Vec::new();
    }
}

/// Makes room for `bytes` more, doubling, and never for more than `bytes_max` in all.
fn has_room(preserved: &mut Vec<u8>, bytes: usize, bytes_max: usize) -> bool {
    let needed = preserved.len() + bytes;
    if needed <= preserved.capacity() {
        return true;
    }
    let capacity = (2 * preserved.capacity()).max(PRESERVED_BYTES_MIN).min(bytes_max);
    capacity >= needed && preserved.try_reserve_exact(capacity - preserved.len()).is_ok()
}
