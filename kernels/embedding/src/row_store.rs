//! All rows of a table: a directory from the top bits of a hash to its region, and the batched search.
//!
//! The search is what serving and training spend their time on, so it works in passes over 64 ids: every pass starts
//! the memory accesses of all 64 before the next one needs a result, and cache misses overlap instead of queueing.

use crate::cuckoo_index::{candidates, position_of, Candidates};
use crate::memory::{Memory, Page};
use crate::mixing::mix64;
use crate::page::{Bitmap, PageLayout, Row};
use crate::region::{InsertError, Region};

/// Ids of one pass.
pub const PASS: usize = 64;
/// 2^16 regions hold a thousand million rows; deeper only ids made to collide would go.
const DEPTH_MAX: u32 = 16;

/// What the search needs of a region, side by side.
#[derive(Clone, Copy)]
struct Probe {
    tags: *const u64,
    handles: *const u16,
    pages: *const Page,
    buckets: u32,
}

/// What the first pass finds out about an id.
#[derive(Clone, Copy)]
struct Trace {
    place: Candidates,
    region: u32,
    matches: u32,
}

/// Regions, directory and memory of one table.
pub struct RowStore {
    /// Where things are in a page.
    pub layout: PageLayout,
    /// Pages and the limit.
    pub memory: Memory,
    /// In order of creation; numbers are stable.
    pub regions: Vec<Region>,
    probes: Vec<Probe>,
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
            handles: region.index.handles().as_ptr(),
            pages: region.pages.as_ptr(),
            buckets: region.index.buckets(),
        };
        match self.probes.get_mut(number as usize) {
            Some(known) => *known = probe,
            None => self.probes.push(probe),
        }
    }

    /// Finds up to `PASS` ids; `found[i]` is `Row::NONE` where there is no row.
    #[inline]
    pub fn find_pass(&self, ids: &[u64], found: &mut [Row; PASS]) {
        debug_assert!(ids.len() <= PASS);
        const BLANK: Trace = Trace { place: Candidates { first: 0, second: 0, tag: 0 }, region: 0, matches: 0 };
        let mut traces = [BLANK; PASS];
        for (trace, &id) in traces.iter_mut().zip(ids) {
            *trace = self.trace(mix64(id));
        }
        let mut keys = [0_u64; PASS];
        for ((trace, row), key) in traces[..ids.len()].iter().zip(found.iter_mut()).zip(&mut keys) {
            if trace.matches == 0 {
                *row = Row::NONE;
                continue;
            }
            *row = self.row_at(trace, trace.matches.trailing_zeros());
            *key = row.key(&self.layout);
        }
        for (((trace, row), &key), &id) in traces.iter().zip(found).zip(&keys).zip(ids) {
            if key != id && row.exists() {
                *row = self.find_further(trace, id);
            }
        }
    }

    #[inline(always)]
    fn trace(&self, hash: u64) -> Trace {
        let region = self.region_of(hash);
        // SAFETY: the directory holds numbers of regions, and every region has its probe.
        let probe = unsafe { self.probes.get_unchecked(region as usize) };
        let place = candidates(hash, probe.buckets);
        // SAFETY: candidates are below `buckets`, the length of `tags`; `refresh` ran since they last moved.
        let (first, second) = unsafe { (*probe.tags.add(place.first), *probe.tags.add(place.second)) };
        Trace { place, region, matches: crate::tags::matches(first, second, place.tag) }
    }

    /// The row of match `bit`, which must be set in the trace's matches.
    #[inline(always)]
    fn row_at(&self, trace: &Trace, bit: u32) -> Row {
        // SAFETY: as in `trace`.
        let probe = unsafe { self.probes.get_unchecked(trace.region as usize) };
        // SAFETY: positions of the two candidate buckets lie inside `handles`.
        let handle = usize::from(unsafe { *probe.handles.add(position_of(&trace.place, bit as usize)) });
        // SAFETY: an occupied slot's handle was given out, so its page exists.
        let page = unsafe { *probe.pages.add(handle >> self.layout.rows_shift) };
        Row { page: page.as_ptr(), index: (handle & (self.layout.rows() - 1)) as u32, region: trace.region }
    }

    /// Goes on behind a first match whose tag was another id's.
    #[cold]
    fn find_further(&self, trace: &Trace, id: u64) -> Row {
        let mut matches = trace.matches & (trace.matches - 1);
        while matches != 0 {
            let row = self.row_at(trace, matches.trailing_zeros());
            if row.key(&self.layout) == id {
                return row;
            }
            matches &= matches - 1;
        }
        Row::NONE
    }

    /// Finds one id.
    pub fn find(&self, id: u64) -> Row {
        let trace = self.trace(mix64(id));
        match trace.matches {
            0 => Row::NONE,
            matches => {
                let row = self.row_at(&trace, matches.trailing_zeros());
                if row.key(&self.layout) == id { row } else { self.find_further(&trace, id) }
            }
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
        inserted
    }

    /// Removes an id's row; false where there is none.
    pub fn remove(&mut self, id: u64) -> bool {
        let hash = mix64(id);
        let number = self.region_of(hash);
        let removed = self.regions[number as usize].remove(&self.layout, id, hash);
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
        if region.depth == self.depth && self.directory.try_reserve_exact(self.directory.len()).is_err() {
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
    }

    /// Removes every row and keeps the memory for new ones.
    pub fn clear(&mut self) -> Option<()> {
        for region in self.regions.drain(..) {
            region.release(&mut self.memory);
        }
        self.probes.clear();
        self.directory = vec![0];
        self.depth = 0;
        self.rows = 0;
        self.regions.push(Region::new(&mut self.memory, &self.layout)?);
        self.refresh(0);
        Some(())
    }

    /// Calls `visit` with every row whose hash's top 32 bits lie in `low..high`, region by region.
    pub fn for_each_between(&self, low: u64, high: u64, mut visit: impl FnMut(Row)) {
        let mut at = low;
        while at < high {
            let number = self.region_of(at << 32);
            let region = &self.regions[number as usize];
            region.for_each(&self.layout, number, |row, _| {
                let position = mix64(row.key(&self.layout)) >> 32;
                if (low..high).contains(&position) {
                    visit(row);
                }
            });
            at = (region.prefix + 1) << (32 - region.depth);
        }
    }

    /// Rows by how many of their index slots lie before or in their other bucket; see `CuckooIndex::displacement`.
    pub fn displacement(&self) -> [usize; 2] {
        self.regions.iter().fold([0, 0], |sum, region| {
            let counts = region.index.displacement(|handle| {
                mix64(region.row(&self.layout, 0, handle).key(&self.layout))
            });
            [sum[0] + counts[0], sum[1] + counts[1]]
        })
    }

    /// Whether the row's bit is set; shorthand for tests.
    pub fn is_marked(&self, row: &Row, bitmap: Bitmap) -> bool {
        row.has(&self.layout, bitmap)
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
