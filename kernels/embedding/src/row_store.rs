//! All rows of a table: the slab that holds them, the index that finds them, and the memo of those found lately.

use crate::cuckoo_index::CuckooIndex;
use crate::memory::Memory;
use crate::mixing::mix64;
use crate::page::{PageLayout, Row};
use crate::row_memo::RowMemo;
use crate::search::{Search, View, PASS};
use crate::segment::Crowded;
use crate::slab::Slab;

/// Of a table's limit, what its memo takes at most is one part of so many.
const MEMO_SHARE: usize = 64;

/// Why a row cannot be inserted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InsertError {
    /// The table's memory limit.
    OutOfMemory,
    /// Both buckets of the id are full, and all that their entries could move to.
    Crowded,
}

/// Rows, index and memory of one table.
pub struct RowStore {
    /// Where things are in a page.
    pub layout: PageLayout,
    /// What is claimed, and the limit.
    pub memory: Memory,
    /// The rows.
    pub slab: Slab,
    /// Their handles by hash.
    pub index: CuckooIndex,
    search: Box<Search>,
    /// Growths of the index when the last search began.
    searched_at: u64,
    /// Where rows found lately lie.
    pub memo: Box<RowMemo>,
    /// Rows removed so far: a row found earlier may be another's by now where this went up.
    pub removals: u64,
}

impl RowStore {
    /// An empty store; `None` where `bytes_max` does not hold even one page.
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
            searched_at: 0,
            memo: Box::new(RowMemo::new()),
            removals: 0,
        })
    }

    /// Rows in all.
    pub fn rows(&self) -> usize {
        self.slab.rows()
    }

    /// Slots of the index.
    pub fn slots(&self) -> usize {
        self.index.slots()
    }

    #[inline(always)]
    fn view(&self) -> View {
        View { index: self.index.view(), slab: self.slab.view() }
    }

    /// Finds up to `PASS` ids; `found[i]` is `Row::NONE` where there is no row.
    #[inline]
    pub fn find_pass(&mut self, ids: &[u64], found: &mut [Row; PASS]) {
        let view = self.view();
        if self.recall_pass(&view, ids, self.layout.stride) {
            for (at, row) in found.iter_mut().enumerate().take(ids.len()) {
                *row = self.memo.row(at, &self.layout);
            }
            return;
        }
        self.search_pass(&view, ids, self.layout.stride);
        for (at, (row, &id)) in found.iter_mut().zip(ids).enumerate() {
            *row = self.searched_row(&view, at, id);
        }
    }

    /// Calls `read` with the first byte of each id's row, null where there is none, in order. For up to `PASS` ids, of
    /// whose rows the first `bytes` will be read.
    #[inline(always)]
    pub fn read_pass(&mut self, ids: &[u64], bytes: usize, mut read: impl FnMut(*const u8)) {
        let view = self.view();
        let bytes = bytes.min(self.layout.stride);
        if self.recall_pass(&view, ids, bytes) {
            for at in 0..ids.len().min(PASS) {
                read(self.memo.start(at));
            }
            return;
        }
        self.search_pass(&view, ids, bytes);
        for (at, &id) in ids.iter().enumerate().take(PASS) {
            let mut start = self.search.verified(at, id);
            if start.is_null() && !self.search.is_absent(at) {
                start = self.find(id).start;
            }
            read(start);
        }
    }

    /// Searches for up to `PASS` ids and fetches the first `bytes` of their rows.
    #[inline(always)]
    fn search_pass(&mut self, view: &View, ids: &[u64], bytes: usize) {
        // SAFETY: the view is of this moment, and no row is shorter than the stride.
        unsafe {
            self.search.find(view, ids);
            self.search.fetch(bytes);
        }
    }

    /// The same, but searches only for those that the memo does not know, and leaves all rows there; false while it rests.
    #[inline]
    fn recall_pass(&mut self, view: &View, ids: &[u64], bytes: usize) -> bool {
        let Some(unknown) = self.memo.recall(ids) else { return false };
        // SAFETY: as in `search_pass`; what the memo knows begins a row, for it forgets those that go.
        unsafe {
            self.search.find(view, self.memo.unknown_ids(unknown));
            for number in 0..unknown {
                self.memo.expect(number, self.search.start(number));
            }
            let starts = (0..ids.len().min(PASS)).map(|at| self.memo.start(at));
            self.search.fetch_others(starts, bytes);
        }
        for number in 0..unknown {
            let row = self.searched_row(view, number, self.memo.unknown_ids(unknown)[number]);
            self.memo.learn(number, &row);
        }
        true
    }

    /// The row of id `at` of the last search.
    #[inline(always)]
    fn searched_row(&self, view: &View, at: usize, id: u64) -> Row {
        if !self.search.verified(at, id).is_null() {
            // SAFETY: nothing changed since the search.
            unsafe { self.search.row(view, at) }
        } else if self.search.is_absent(at) {
            Row::NONE
        } else {
            self.find(id)
        }
    }

    /// As `find_pass`, for ids of which absent ones are going to be inserted by `insert_at`, for which it fetches what will be
    /// written. The memo is not asked.
    #[inline]
    pub fn find_pass_to_insert(&mut self, ids: &[u64], found: &mut [Row; PASS]) {
        self.keep_memo();
        let slab = &self.slab;
        self.index.grow_waiting(&mut self.memory, |handle| mix64(slab.row(handle).key()));
        let view = self.view();
        self.searched_at = self.index.growths;
        self.search_pass(&view, ids, self.layout.stride);
        for (at, (row, &id)) in found.iter_mut().zip(ids).enumerate() {
            *row = self.searched_row(&view, at, id);
        }
        self.search.expect_insertions();
    }

    /// The row of the id at position `at` of the last `find_pass_to_insert`, where it had none: an insertion since then may
    /// have been of the same id.
    #[inline(always)]
    pub fn find_again(&self, at: usize, id: u64) -> Row {
        let hash = mix64(id);
        let absent = self.searched_at == self.index.growths
            && self.search.is_still_absent(at, hash, self.index.depth_of(hash));
        match absent {
            true => Row::NONE,
            false => self.find(id),
        }
    }

    /// The row of the id at position `at` of the last `find_pass_to_insert`, where it had none, and whether it is new: an
    /// insertion since then may have been of the same id. The payload of a new row is what its place held before.
    #[inline(always)]
    pub fn insert_at(&mut self, at: usize, id: u64) -> Result<(Row, bool), InsertError> {
        let hash = mix64(id);
        let depth = self.index.depth_of(hash);
        if self.searched_at != self.index.growths || !self.search.is_still_absent(at, hash, depth) {
            let row = self.find(id);
            return match row.exists() {
                true => Ok((row, false)),
                false => self.insert(id).map(|row| (row, true)),
            };
        }
        let vacancy = self.search.vacancy(at);
        let row = self.slab.take(&mut self.memory, id).ok_or(InsertError::OutOfMemory)?;
        if vacancy.exists() {
            vacancy.fill(hash, depth, row.handle);
        } else if self.index.displace(hash, row.handle).is_err() {
            let slab = &self.slab;
            let hash_of = |handle| mix64(slab.row(handle).key());
            let inserted = self.index.insert_crowded(&mut self.memory, hash, row.handle, hash_of);
            if inserted.is_err() {
                self.slab.give_back(row.handle);
            }
            return inserted.map(|()| (row, true)).map_err(|Crowded| InsertError::Crowded);
        }
        self.index.count_insertion(hash);
        Ok((row, true))
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

    /// Adds a row for an id that has none; the payload is what its place held before.
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

    /// Adds a row for an id of which one of the buckets has an empty slot, as where a row went to make room; nothing grows.
    pub fn insert_in_room_made(&mut self, id: u64) -> Option<Row> {
        let hash = mix64(id);
        let row = self.slab.take(&mut self.memory, id)?;
        if self.index.segment_of(hash).insert(hash, row.handle).is_err() {
            self.slab.give_back(row.handle);
            return None;
        }
        Some(row)
    }

    /// Removes an id's row; false where there is none.
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
        self.memo.forget(id);
        self.removals += 1;
        true
    }

    /// Rows whose entry lies in its first and in its other bucket.
    pub fn displacement(&self) -> [usize; 2] {
        self.index.displacement(|handle| mix64(self.slab.row(handle).key()))
    }

    /// Begins to remember rows once there are enough of them, where the limit allows it.
    #[inline(always)]
    fn keep_memo(&mut self) {
        if self.rows() >= RowMemo::ROWS_MIN && !self.memo.has_begun() {
            self.begin_memo();
        }
    }

    #[cold]
    fn begin_memo(&mut self) {
        let affordable = self.memory.bytes_max() / RowMemo::BYTES >= MEMO_SHARE;
        if affordable && self.memory.claim(RowMemo::BYTES) && !self.memo.begin() {
            self.memory.release(RowMemo::BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(bytes_max: usize) -> RowStore {
        RowStore::new(PageLayout::new(8 + 4 + 16, 3, true), bytes_max).unwrap()
    }

    #[test]
    fn every_row_keeps_its_place_while_the_index_grows_and_none_is_found_after_its_removal() {
        let mut store = store(1 << 30);
        const IDS: u64 = 200_000;
        let mut starts = Vec::new();
        for id in 0..IDS {
            let row = store.insert(id << 40 | id).unwrap();
            starts.push(row.start);
            row.payload(&store.layout)[4..12].copy_from_slice(&id.to_le_bytes());
        }
        for id in (0..IDS).step_by(3) {
            assert!(store.remove(id << 40 | id));
            assert!(!store.remove(id << 40 | id));
        }
        let ids: Vec<u64> = (0..IDS).map(|id| id << 40 | id).collect();
        let mut found = [Row::NONE; PASS];
        for chunk in ids.chunks(PASS) {
            store.find_pass(chunk, &mut found);
            for (row, &id) in found.iter().zip(chunk) {
                let number = id & 0xff_ffff;
                assert_eq!(row.exists(), number % 3 != 0);
                assert_eq!(store.find(id).exists(), row.exists());
                if row.exists() {
                    assert_eq!(row.start, starts[number as usize]);
                    assert_eq!(row.payload(&store.layout)[4..12], number.to_le_bytes());
                }
            }
        }
        let mut visited = 0;
        store.slab.for_each(|_| visited += 1);
        assert_eq!(visited, store.rows());
        assert_eq!(store.displacement().iter().sum::<usize>(), store.rows());
    }

    #[test]
    fn a_pass_inserts_what_it_did_not_find_once_each() {
        let mut store = store(1 << 30);
        let mut found = [Row::NONE; PASS];
        let mut known = std::collections::HashSet::new();
        for pass in 0..2000_u64 {
            // A third of each pass is known already, and some ids come twice.
            let ids: Vec<u64> = (0..PASS as u64).map(|at| mix64(pass * 64 + at % 100)).collect();
            store.find_pass_to_insert(&ids, &mut found);
            for (at, &id) in ids.iter().enumerate() {
                assert!(!found[at].exists() || known.contains(&id));
                if !found[at].exists() {
                    let (row, new) = store.insert_at(at, id).unwrap();
                    assert_eq!(new, known.insert(id));
                    assert_eq!(row.key(), id);
                }
            }
            assert_eq!(store.rows(), known.len());
        }
        assert!(known.iter().all(|&id| store.find(id).key() == id));
        assert!(store.rows() as f64 / store.slots() as f64 > 0.84);
    }

    #[test]
    fn churn_does_not_grow_memory() {
        let mut store = store(1 << 30);
        let mut plateau = 0;
        for round in 0..50_u64 {
            for id in 0..20_000 {
                store.insert(round << 32 | id).unwrap();
            }
            for id in 0..20_000 {
                assert!(store.remove(round << 32 | id));
            }
            if round == 2 {
                plateau = store.memory.bytes();
            }
        }
        assert_eq!(store.memory.bytes(), plateau);
    }

    #[test]
    fn the_limit_holds_and_rows_below_it_stay_right() {
        let mut store = store(1 << 20);
        let mut id = 0;
        while store.insert(id).is_ok() {
            id += 1;
        }
        assert!(store.memory.bytes() <= 1 << 20);
        assert!(id > 20_000);
        assert!((0..id).all(|id| store.find(id).exists()));
    }
}
