//! Rows changed and removed since the last snapshot that is stored, so that the next snapshot can
//! hold these alone.
//!
//! A row that changes is marked in the bitmap `SINCE_CUT`. A cut, the moment of a new snapshot,
//! moves these marks to `BEFORE_CUT`. Only when that snapshot is known to be stored, at a later
//! cut, are the marks before it forgotten. So a snapshot that fails or is given up loses nothing:
//! its changes are in the next one too.

use crate::changes::{Changes, CONSUMERS_MAX, TOMBSTONES_MAX};
use crate::page::Bitmap;
use crate::row_store::RowStore;

/// As many removed ids are remembered as the table has rows, divided by this, if that is more than
/// `TOMBSTONES_MAX`.
const REMOVED_SHARE: usize = 8;

/// Ids removed in a period.
#[derive(Default)]
struct Removed {
    ids: Vec<u64>,
    /// More were removed than are remembered, or memory was short; `ids` is empty.
    lost: bool,
}

/// Changes since the last stored snapshot.
#[derive(Default)]
pub struct SinceSnapshot {
    /// There is a snapshot for which all changes since are known.
    settled: bool,
    /// Removed between that snapshot and the last cut.
    before: Removed,
    /// Removed since the last cut.
    since: Removed,
}

/// Numbers of changes between the last stored snapshot and the last cut.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Changed {
    /// Whether these are all changes, so that a snapshot may hold them alone.
    pub known: bool,
    /// Rows changed or added.
    pub rows: usize,
    /// Ids removed; some may have a row again, or never had one in the stored snapshot.
    pub removed: usize,
}

impl SinceSnapshot {
    /// The flag of a page with rows in the bitmap `SINCE_CUT`.
    pub const SINCE_CUT: u8 = 1 << CONSUMERS_MAX;
    /// The flag of a page with rows in the bitmap `BEFORE_CUT`.
    const BEFORE_CUT: u8 = Self::SINCE_CUT << 1;

    /// Remembers a removed id.
    pub fn bury(&mut self, id: u64, rows: usize) {
        let Removed { ids, lost } = &mut self.since;
        if *lost {
            return;
        }
        let is_full = ids.len() >= TOMBSTONES_MAX.max(rows / REMOVED_SHARE);
        if is_full || ids.try_reserve(1).is_err() {
            *lost = true;
            *ids = Vec::new();
            return;
        }
        ids.push(id);
    }

    /// Ids removed before the last cut.
    pub fn removed(&self) -> &[u64] {
        &self.before.ids
    }

    /// Moves the removed ids behind the cut.
    fn cut(&mut self) {
        let lost = self.before.lost || self.since.lost;
        let fits = !lost && self.before.ids.try_reserve(self.since.ids.len()).is_ok();
        if fits {
            self.before.ids.append(&mut self.since.ids);
        } else {
            self.before = Removed { ids: Vec::new(), lost: true };
        }
        self.since = Removed::default();
    }
}

impl Changes {
    /// Makes this moment a cut. `stored` says that the snapshot of the last cut is stored: changes
    /// before it are forgotten.
    pub fn cut(&mut self, store: &mut RowStore, stored: bool) -> Changed {
        if stored {
            self.forget_before_cut(store);
        }
        self.record_for_snapshots();
        self.since_snapshot.cut();
        let rows = mark_before_cut(store);
        let SinceSnapshot { settled, before, .. } = &self.since_snapshot;
        Changed { known: *settled && !before.lost, rows, removed: before.ids.len() }
    }

    /// Makes this moment a cut whose snapshot is stored: the table was restored from it.
    pub fn settle(&mut self, store: &mut RowStore) {
        self.record_for_snapshots();
        self.since_snapshot.cut();
        mark_before_cut(store);
        self.forget_before_cut(store);
    }

    fn forget_before_cut(&mut self, store: &mut RowStore) {
        self.since_snapshot.settled = true;
        self.since_snapshot.before = Removed::default();
        store.slab.clear_bitmap(BEFORE_CUT);
        store.slab.changed_for.iter_mut().for_each(|flags| *flags &= !SinceSnapshot::BEFORE_CUT);
    }
}

const SINCE_CUT: Bitmap = Bitmap(2 + CONSUMERS_MAX);
/// Rows that changed between the last stored snapshot and the last cut.
pub const BEFORE_CUT: Bitmap = Bitmap(2 + CONSUMERS_MAX + 1);

/// Moves the marks behind the cut; returns the number of rows that have one then.
fn mark_before_cut(store: &mut RowStore) -> usize {
    let layout = store.layout;
    let mut rows = 0;
    for at in 0..store.slab.pages().len() {
        let flags = store.slab.changed_for[at];
        if flags & (SinceSnapshot::SINCE_CUT | SinceSnapshot::BEFORE_CUT) == 0 {
            continue;
        }
        let page = store.slab.pages()[at].as_ptr();
        for word in 0..layout.words() {
            let since = layout.word(page, SINCE_CUT, word);
            let bits = since | layout.word(page, BEFORE_CUT, word);
            layout.set_word(page, BEFORE_CUT, word, bits);
            layout.set_word(page, SINCE_CUT, word, 0);
            rows += bits.count_ones() as usize;
        }
        store.slab.changed_for[at] = flags & !SinceSnapshot::SINCE_CUT | SinceSnapshot::BEFORE_CUT;
    }
    rows
}
