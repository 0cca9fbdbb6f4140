//! All rows of a table: regions, and a directory from the top bits of a hash to its region.

use crate::memory::Memory;
use crate::mixing::mix64;
use crate::page::{PageLayout, Row};
use crate::region::{InsertError, Region};
use crate::row_memo::RowMemo;
use crate::search::{Probe, Regions, Search, PASS};

/// 2^16 regions hold a thousand million rows; deeper only ids made to collide would go.
const DEPTH_MAX: u32 = 16;

/// Of a table's limit, what its memo takes at most is one part of so many.
const MEMO_SHARE: usize = 64;

/// Regions, directory and memory of one table.
pub struct RowStore {
    /// Where things are in a page.
    pub layout: PageLayout,
    /// Pages and the limit.
    pub memory: Memory,
    /// In order of creation; numbers are stable.
    pub regions: Vec<Region>,
    probes: Vec<Probe>,
    search: Box<Search>,
    /// Where rows found lately lie.
    pub memo: Box<RowMemo>,
    /// Region by the top `depth` bits of a hash.
    directory: Vec<u32>,
    depth: u32,
    rows: usize,
}

impl RowStore {
    /// An empty store; `None` where `bytes_max` does not hold even one region.
    pub fn new(layout: PageLayout, bytes_max: usize) -> Option<RowStore> {
        let mut memory = Memory::new(layout.bytes(), bytes_max);
        let region = Region::new(&mut memory, &layout)?;
        if !memory.has_room(1) {
            return None;
        }
        let mut store = RowStore {
            layout,
            memory,
            regions: vec![region],
            probes: Vec::new(),
            search: Box::new(Search::new()),
            memo: Box::new(RowMemo::new()),
            directory: vec![0],
            depth: 0,
            rows: 0,
        };
        store.refresh(0);
        Some(store)
    }

    /// Rows in all.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Slots of all indexes.
    pub fn slots(&self) -> usize {
        self.regions.iter().map(|region| region.index.slots()).sum()
    }

    #[inline(always)]
    fn region_of(&self, hash: u64) -> u32 {
        // Two shifts, for a shift by 64 is none.
        self.directory[((hash >> 1) >> (63 - self.depth)) as usize]
    }

    /// The region's view for the search, after anything in it moved.
    fn refresh(&mut self, number: u32) {
        let region = &self.regions[number as usize];
        let probe = Probe {
            tags: region.index.tags().as_ptr(),
            entries: region.index.entries().as_ptr(),
            pages: region.pages.as_ptr(),
            next_row: region.next_row(&self.layout),
            buckets: region.index.buckets(),
            region: number,
        };
        match self.probes.get_mut(number as usize) {
            Some(known) => *known = probe,
            None => self.probes.push(probe),
        }
    }

    /// Finds up to `PASS` ids; `found[i]` is `Row::NONE` where there is no row.
    #[inline]
    pub fn find_pass(&mut self, ids: &[u64], found: &mut [Row; PASS]) {
        let regions = self.regions_now();
        if self.recall_pass(&regions, ids, self.layout.stride) {
            for (at, row) in found.iter_mut().enumerate().take(ids.len()) {
                *row = self.memo.row(at, &self.layout);
            }
            return;
        }
        self.search_pass(&regions, ids, self.layout.stride);
        for (at, (row, &id)) in found.iter_mut().zip(ids).enumerate() {
            *row = self.searched_row(&regions, at, id);
        }
    }

    /// Calls `read` with the first byte of each id's row, null where there is none, in order. For up to `PASS` ids, of
    /// whose rows the first `bytes` will be read.
    #[inline(always)]
    pub fn read_pass(&mut self, ids: &[u64], bytes: usize, mut read: impl FnMut(*const u8)) {
        let regions = self.regions_now();
        let bytes = bytes.min(self.layout.stride);
        if self.recall_pass(&regions, ids, bytes) {
            for at in 0..ids.len().min(PASS) {
                read(self.memo.start(at));
            }
            return;
        }
        self.search_pass(&regions, ids, bytes);
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
    fn search_pass(&mut self, regions: &Regions, ids: &[u64], bytes: usize) {
        // SAFETY: the description is of this moment, and no row is shorter than the stride.
        unsafe {
            self.search.find(regions, ids);
            self.search.fetch(bytes);
        }
    }

    /// The same, but searches only for those that the memo does not know, and leaves all rows there; false while it rests.
    #[inline]
    fn recall_pass(&mut self, regions: &Regions, ids: &[u64], bytes: usize) -> bool {
        let Some(unknown) = self.memo.recall(ids) else { return false };
        // SAFETY: as in `search_pass`; what the memo knows begins a row, for it forgets those that move or go.
        unsafe {
            self.search.find(regions, self.memo.unknown_ids(unknown));
            for number in 0..unknown {
                self.memo.expect(number, self.search.start(number));
            }
            let starts = (0..ids.len().min(PASS)).map(|at| self.memo.start(at));
            self.search.fetch_others(starts, bytes);
        }
        for number in 0..unknown {
            let row = self.searched_row(regions, number, self.memo.unknown_ids(unknown)[number]);
            self.memo.learn(number, &row);
        }
        true
    }

    /// The row of id `at` of the last search.
    #[inline(always)]
    fn searched_row(&self, regions: &Regions, at: usize, id: u64) -> Row {
        if !self.search.verified(at, id).is_null() {
            // SAFETY: nothing changed since the search.
            unsafe { self.search.row(regions, at) }
        } else if self.search.is_absent(at) {
            Row::NONE
        } else {
            self.find(id)
        }
    }

    /// Fetches the cache lines that inserting the absent ids of the last `find_pass` will write.
    #[inline]
    pub fn expect_insertions(&mut self) {
        let regions = self.regions_now();
        // SAFETY: the description is of this moment, and callers insert only afterwards.
        unsafe { self.search.expect_insertions(&regions) };
    }

    #[inline(always)]
    fn regions_now(&self) -> Regions {
        Regions {
            directory: self.directory.as_ptr(),
            probes: self.probes.as_ptr(),
            shift: 63 - self.depth,
            layout: self.layout,
        }
    }

    /// Finds one id.
    pub fn find(&self, id: u64) -> Row {
        let hash = mix64(id);
        let number = self.region_of(hash);
        let region = &self.regions[number as usize];
        let mut row = Row::NONE;
        let found = region.index.find(hash, |handle| {
            row = region.row(&self.layout, number, handle);
            row.key() == id
        });
        if found.is_some() {
            row
        } else {
            Row::NONE
        }
    }

    /// Adds a row for an id that has none; the payload is what its place held before. All `Row`s found earlier are
    /// invalid afterwards.
    pub fn insert(&mut self, id: u64) -> Result<Row, InsertError> {
        let hash = mix64(id);
        let mut number = self.region_of(hash);
        let region = &self.regions[number as usize];
        if region.rows >= region.rows_max && region.depth < DEPTH_MAX {
            self.split(number);
            number = self.region_of(hash);
        }
        let region = &mut self.regions[number as usize];
        let inserted = region.insert(&mut self.memory, &self.layout, number, id, hash);
        self.rows += usize::from(inserted.is_ok());
        self.refresh(number);
        if self.rows == RowMemo::ROWS_MIN {
            self.begin_memo();
        }
        inserted
    }

    #[cold]
    fn begin_memo(&mut self) {
        let affordable = self.memory.bytes_max() / RowMemo::BYTES >= MEMO_SHARE;
        if !affordable || self.memo.has_begun() || !self.memory.claim(RowMemo::BYTES) {
            return;
        }
        if !self.memo.begin() {
            self.memory.release(RowMemo::BYTES);
        }
    }

    /// The id's row; added where there is none, see `insert`.
    pub fn find_or_insert(&mut self, id: u64) -> Result<Row, InsertError> {
        let row = self.find(id);
        if row.exists() {
            Ok(row)
        } else {
            self.insert(id)
        }
    }

    /// Removes an id's row; false where there is none.
    pub fn remove(&mut self, id: u64) -> bool {
        let hash = mix64(id);
        let number = self.region_of(hash);
        let removed = self.regions[number as usize].remove(&self.layout, id, hash);
        self.memo.forget(id);
        self.rows -= usize::from(removed);
        removed
    }

    /// The number of the region that holds an id or would hold it.
    pub fn region_for(&self, id: u64) -> u32 {
        self.region_of(mix64(id))
    }

    /// Splits a region in two. At the memory limit it stays as it is and goes on filling.
    fn split(&mut self, number: u32) {
        let region = &self.regions[number as usize];
        if region.depth == self.depth
            && self.directory.try_reserve_exact(self.directory.len()).is_err()
        {
            return;
        }
        let Some(indexes) = region.plan_split(&mut self.memory, &self.layout) else { return };
        if region.depth == self.depth {
            self.directory = self.directory.iter().flat_map(|&region| [region, region]).collect();
            self.depth += 1;
        }
        let other = self.regions.len() as u32;
        let whole = std::mem::replace(&mut self.regions[number as usize], Region::placeholder());
        let [low, high] = whole.split(&mut self.memory, &self.layout, indexes);
        let span = self.depth - high.depth;
        let begin = (high.prefix << span) as usize;
        self.directory[begin..begin + (1 << span)].fill(other);
        self.regions[number as usize] = low;
        self.regions.push(high);
        self.refresh(number);
        self.refresh(other);
        self.memo.clear(); // both halves' rows have moved
    }

    /// Calls `visit` with every row whose hash's top 32 bits lie in `low..high`, region by region.
    pub fn for_each_between(&self, low: u64, high: u64, mut visit: impl FnMut(Row)) {
        let mut at = low;
        while at < high {
            let number = self.region_of(at << 32);
            let region = &self.regions[number as usize];
            region.for_each(&self.layout, number, |row, _| {
                let position = mix64(row.key()) >> 32;
                if (low..high).contains(&position) {
                    visit(row);
                }
            });
            at = (region.prefix + 1) << (32 - region.depth);
        }
    }

    /// Rows whose entry lies in its first and in its other bucket.
    pub fn displacement(&self) -> [usize; 2] {
        self.regions
            .iter()
            .map(|region| region.index.displacement())
            .fold([0, 0], |sum, counts| [sum[0] + counts[0], sum[1] + counts[1]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(bytes_max: usize) -> RowStore {
        RowStore::new(PageLayout::new(8 + 4 + 16, 3, true), bytes_max).unwrap()
    }

    #[test]
    fn every_row_is_found_while_regions_grow_and_split_and_none_is_found_after_its_removal() {
        let mut store = store(1 << 30);
        const IDS: u64 = 200_000;
        for id in 0..IDS {
            let row = store.insert(id << 40 | id).unwrap();
            row.payload(&store.layout)[4..12].copy_from_slice(&id.to_le_bytes());
        }
        assert!(store.regions.len() > 4);
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
                    assert_eq!(row.payload(&store.layout)[4..12], number.to_le_bytes());
                }
            }
        }
        let mut visited = 0;
        store.for_each_between(0, 1 << 32, |_| visited += 1);
        assert_eq!(visited, store.rows());
        assert_eq!(store.displacement().iter().sum::<usize>(), store.rows());
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
