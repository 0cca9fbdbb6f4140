//! All rows of a table: the slab that stores them, the index that finds them, and the memo of
//! recent lookups.

use crate::cuckoo_index::CuckooIndex;
use crate::memory::Memory;
use crate::mixing::mix64;
use crate::page::{PageLayout, Row};
use crate::recent_lookups::RecentLookups;
use crate::row_lookup::Candidates;
use crate::row_memo::RowMemo;
use crate::row_starts::is_row_of;
use crate::search::{Search, View};
use crate::slab::Slab;
use crate::subtable::Crowded;

/// The memo takes at most the table's limit divided by this.
const MEMO_SHARE: usize = 64;

/// The reason why a row cannot be inserted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InsertError {
    /// The table's memory limit.
    OutOfMemory,
    /// Both buckets of the id are full, and so are all buckets that their entries could move to.
    Crowded,
}

/// Rows, index and memory of one table.
pub struct RowStore {
    /// The layout of a page.
    pub layout: PageLayout,
    /// The bytes claimed, and the limit.
    pub memory: Memory,
    /// The rows.
    pub slab: Slab,
    /// Handles of rows by hash.
    pub index: CuckooIndex,
    pub(crate) search: Box<Search>,
    /// Growths of the index and removals at the time of the last search for ids to insert.
    searched_at: (u64, u64),
    /// Addresses of rows found recently.
    pub memo: Box<RowMemo>,
    /// Number of rows at which the memo's size is looked at again.
    memo_due_at: usize,
    /// Rows of the last lookups of ids that will be updated.
    pub recent: RecentLookups,
    pub(crate) candidates: Box<Candidates>,
    /// Number of removals: after an increase, a row found earlier may belong to another id.
    pub removals: u64,
}

impl RowStore {
    /// An empty store; `None` if `bytes_max` does not hold one page.
    pub fn new(layout: PageLayout, bytes_max: usize) -> Option<RowStore> {
        let mut memory = Memory::new(bytes_max);
        let index = CuckooIndex::new(&mut memory)?;
        let mut slab = Slab::new(layout);
        let row = slab.take(&mut memory, 0)?;
        slab.give_back(row.handle);
        Some(RowStore {
            layout,
            memory,
            slab,
            index,
            search: Box::new(Search::new()),
            searched_at: (0, 0),
            memo: Box::new(RowMemo::new()),
            memo_due_at: RowMemo::ROWS_MIN,
            recent: RecentLookups::new(),
            candidates: Box::new(Candidates::new()),
            removals: 0,
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.slab.rows()
    }

    /// Number of cells of the index.
    pub fn cells(&self) -> usize {
        self.index.cells()
    }

    #[inline(always)]
    pub(crate) fn view(&self) -> View {
        View { index: self.index.view(), slab: self.slab.view() }
    }

    /// Searches for up to `WRITTEN_PASS` ids whose absent ones will be inserted, and fetches the
    /// cache lines that insertion reads and writes. `found_at` gives the results; the memo is not
    /// asked.
    #[inline]
    pub fn search_to_insert(&mut self, ids: &[u64]) {
        self.keep_memo();
        let slab = &self.slab;
        self.index.grow_waiting(&mut self.memory, |handle| mix64(slab.row(handle).key()));
        let view = self.view();
        self.searched_at = (self.index.growths, self.removals);
        // SAFETY: the view is of this moment, and no row is shorter than the stride.
        unsafe {
            self.search.find(&view, ids);
            if self.search.found_any() {
                self.search.fetch_found(self.layout.stride);
            }
        }
        self.search.begin_insertions();
    }

    /// The current row of the id at index `at` of the last `search_to_insert`.
    #[inline(always)]
    pub fn found_at(&self, at: usize, id: u64) -> Row {
        let (growths, removals) = self.searched_at;
        if self.search.is_absent(at) {
            match growths == self.index.growths && self.search.is_still_absent(mix64(id)) {
                true => Row::NONE,
                false => self.find(id),
            }
        } else if removals == self.removals && is_row_of(self.search.start(at), id) {
            // SAFETY: no row was removed since, and the key says that the id's row is there.
            unsafe { self.search.row(at, &self.layout) }
        } else {
            self.find(id)
        }
    }

    /// Inserts a row for the id at index `at` of the last `search_to_insert`, which has none; the
    /// payload is that of an earlier row.
    #[inline(always)]
    pub fn insert_at(&mut self, at: usize, id: u64) -> Result<Row, InsertError> {
        let hash = mix64(id);
        // First, because the caller makes room if there is none, and then inserts the id by
        // `insert`.
        self.search.note_insertion(hash);
        // The search knows both buckets of ids that it did not find.
        if self.searched_at.0 != self.index.growths || !self.search.is_absent(at) {
            return self.insert(id);
        }
        let row = self.slab.take(&mut self.memory, id).ok_or(InsertError::OutOfMemory)?;
        let subtable = self.index.number_of(hash);
        let depth = self.index.depth(subtable);
        if !self.search.fill(at, hash, depth, row.handle)
            && self.index.displace(subtable, hash, row.handle).is_err()
        {
            let slab = &self.slab;
            let hash_of = |handle| mix64(slab.row(handle).key());
            let inserted = self.index.insert_crowded(&mut self.memory, hash, row.handle, hash_of);
            if inserted.is_err() {
                self.slab.give_back(row.handle);
            }
            return inserted.map(|()| row).map_err(|Crowded| InsertError::Crowded);
        }
        self.index.count_insertion(subtable, hash);
        Ok(row)
    }

    /// Finds one id.
    pub fn find(&self, id: u64) -> Row {
        let mut row = Row::NONE;
        let found = self.index.find(mix64(id), |handle| {
            row = self.slab.row(handle);
            row.key() == id
        });
        match found {
            Some(_) => row,
            None => Row::NONE,
        }
    }

    /// Inserts a row for an id without one; the payload is that of an earlier row.
    pub fn insert(&mut self, id: u64) -> Result<Row, InsertError> {
        let row = self.slab.take(&mut self.memory, id).ok_or(InsertError::OutOfMemory)?;
        let slab = &self.slab;
        let hash_of = |handle| mix64(slab.row(handle).key());
        if self.index.insert(&mut self.memory, mix64(id), row.handle, hash_of).is_err() {
            self.slab.give_back(row.handle);
            return Err(InsertError::Crowded);
        }
        self.keep_memo();
        Ok(row)
    }

    /// Inserts a row for an id one of whose buckets has an empty cell, as after an eviction for it;
    /// nothing grows.
    pub fn insert_in_room_made(&mut self, id: u64) -> Option<Row> {
        let hash = mix64(id);
        let row = self.slab.take(&mut self.memory, id)?;
        if self.index.subtable_of(hash).insert(hash, row.handle).is_err() {
            self.slab.give_back(row.handle);
            return None;
        }
        Some(row)
    }

    /// Removes an id's row; false if it has none.
    pub fn remove(&mut self, id: u64) -> bool {
        let hash = mix64(id);
        let mut handle = 0;
        let position = self.index.find(hash, |candidate| {
            handle = candidate;
            self.slab.row(candidate).key() == id
        });
        let Some(position) = position else { return false };
        self.index.remove(hash, position);
        self.slab.give_back(handle);
        self.memo.remove(id);
        self.removals += 1;
        true
    }

    /// Number of rows whose entry lies in its first bucket, and in the other one.
    pub fn displacement(&self) -> [usize; 2] {
        self.index.displacement()
    }

    /// Starts the memo once there are enough rows, and makes it larger with them, as far as the
    /// limit allows.
    #[inline(always)]
    fn keep_memo(&mut self) {
        if self.rows() >= self.memo_due_at {
            self.resize_memo();
        }
    }

    #[cold]
    #[inline(never)]
    fn resize_memo(&mut self) {
        self.memo_due_at = self.rows() + self.rows() / 8;
        let words = [self.memo.words(), RowMemo::words_for(self.rows())];
        let [before, bytes] = words.map(RowMemo::bytes_of);
        if bytes <= before || self.memory.bytes_max() / bytes < MEMO_SHARE {
            return;
        }
        if self.memory.claim(bytes) {
            let resized = self.memo.resize(words[1]);
            self.memory.release(if resized { before } else { bytes });
        }
    }
}

#[cfg(test)]
mod tests;
