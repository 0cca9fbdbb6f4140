//! All rows of a table: a directory from the top bits of a hash to its region, and the batched search.
//!
//! The search is what serving and training spend their time on, so it works in passes over 64 ids: every pass starts
//! the memory accesses of all 64 before the next one needs a result, and cache misses overlap instead of queueing.

use crate::cuckoo_index::{candidates, place_of, Entry};
use crate::memory::{Memory, Page};
use crate::mixing::mix64;
use crate::page::{Bitmap, PageLayout, Row};
use crate::region::{InsertError, Region};
use crate::tags::{Tags, BUCKET_SLOTS};

/// Ids of one pass.
pub const PASS: usize = 64;
/// 2^16 regions hold a thousand million rows; deeper only ids made to collide would go.
const DEPTH_MAX: u32 = 16;
const NO_HANDLE: u32 = u32::MAX;

/// What the search needs of a region, side by side.
#[derive(Clone, Copy)]
struct Probe {
    tags: *const Tags,
    entries: *const Entry,
    pages: *const Page,
    /// The row that the next insertion takes, or any readable row.
    next_row: *const u8,
    buckets: u32,
}

/// What the passes of a search hand to one another, an element an id.
struct Traces {
    first: [*const Tags; PASS],
    second: [*const Tags; PASS],
    /// Position of the first tag of the first and of the second bucket.
    positions: [[u32; 2]; PASS],
    region: [u32; PASS],
    tag: [u8; PASS],
    place: [u16; PASS],
    /// Slots with the id's tag, as bits: the first bucket's, then the second's.
    matches: [u32; PASS],
    /// The entry of the first such slot; null where there is none.
    entry: [*const Entry; PASS],
    /// Handle of the entry with the id's tag and place, or `NO_HANDLE`.
    handle: [u32; PASS],
    /// Takes what is loaded for its cache line alone, so that the load is not optimised away.
    touched: u64,
}

impl Traces {
    const NONE: Traces = Traces {
        first: [std::ptr::null(); PASS],
        second: [std::ptr::null(); PASS],
        positions: [[0; 2]; PASS],
        region: [0; PASS],
        tag: [0; PASS],
        place: [0; PASS],
        matches: [0; PASS],
        entry: [std::ptr::null(); PASS],
        handle: [0; PASS],
        touched: 0,
    };
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
    traces: Box<Traces>,
    /// Region by the top `depth` bits of a hash.
    directory: Vec<u32>,
    depth: u32,
    rows: usize,
}

/// Copies of what the search reads all the time: the compiler cannot know that writing a trace leaves them alone.
struct Search {
    directory: *const u32,
    probes: *const Probe,
    shift: u32,
    layout: PageLayout,
}

impl Search {
    /// Where the tags are.
    #[inline(always)]
    fn locate(&self, ids: &[u64], traces: &mut Traces) {
        for (at, &id) in ids.iter().enumerate().take(PASS) {
            let hash = mix64(id);
            // SAFETY: the hash's top `depth` bits are below the directory's length.
            let region = unsafe { *self.directory.add(((hash >> 1) >> self.shift) as usize) };
            // SAFETY: the directory holds numbers of regions, and every region has its probe.
            let probe = unsafe { &*self.probes.add(region as usize) };
            let candidates = candidates(hash, probe.buckets);
            // SAFETY: candidates are below `buckets`, the length of `tags`.
            let (first, second) =
                unsafe { (probe.tags.add(candidates.first), probe.tags.add(candidates.second)) };
            traces.first[at] = first;
            traces.second[at] = second;
            traces.positions[at] =
                [candidates.first, candidates.second].map(|bucket| (bucket * BUCKET_SLOTS) as u32);
            traces.region[at] = region;
            traces.tag[at] = candidates.tag;
            traces.place[at] = place_of(hash);
        }
    }

    /// Which slot carries the tag.
    #[inline(always)]
    fn compare(&self, count: usize, traces: &mut Traces) {
        for at in 0..count.min(PASS) {
            // SAFETY: `locate` pointed both at buckets, and nothing moved since.
            let (first, second) = unsafe { (&*traces.first[at], &*traces.second[at]) };
            let matches =
                first.matches(traces.tag[at]) | second.matches(traces.tag[at]) << BUCKET_SLOTS;
            traces.matches[at] = matches;
            traces.entry[at] = match matches {
                0 => std::ptr::null(),
                _ => self.entry(traces, at, matches),
            };
        }
    }

    /// The entry of the first of `matches`, which is not 0.
    #[inline(always)]
    fn entry(&self, traces: &Traces, at: usize, matches: u32) -> *const Entry {
        let slot = matches.trailing_zeros() as usize;
        let position = traces.positions[at][slot / BUCKET_SLOTS] as usize + slot % BUCKET_SLOTS;
        // SAFETY: the region has a probe, and positions of the candidate buckets lie inside its `entries`.
        unsafe { (*self.probes.add(traces.region[at] as usize)).entries.add(position) }
    }

    /// The entry that carries the place too: with 24 bits compared, a row of another id is hardly ever touched.
    #[inline(always)]
    fn choose(&self, count: usize, traces: &mut Traces) {
        for at in 0..count.min(PASS) {
            if traces.entry[at].is_null() {
                traces.handle[at] = NO_HANDLE;
                continue;
            }
            // SAFETY: an entry that is not null lies inside its index.
            let entry = unsafe { *traces.entry[at] };
            traces.handle[at] = match entry.place() == traces.place[at] {
                true => u32::from(entry.handle()),
                false => self.choose_further(traces, at),
            };
        }
    }

    #[cold]
    fn choose_further(&self, traces: &Traces, at: usize) -> u32 {
        let mut matches = traces.matches[at] & (traces.matches[at] - 1);
        while matches != 0 {
            // SAFETY: as in `choose`.
            let entry = unsafe { *self.entry(traces, at, matches) };
            if entry.place() == traces.place[at] {
                return u32::from(entry.handle());
            }
            matches &= matches - 1;
        }
        NO_HANDLE
    }

    /// The row of each entry.
    #[inline(always)]
    fn rows(&self, count: usize, traces: &Traces, found: &mut [Row; PASS]) {
        for at in 0..count.min(PASS) {
            found[at] = match traces.handle[at] {
                NO_HANDLE => Row::NONE,
                handle => {
                    let handle = handle as usize;
                    let region = traces.region[at];
                    // SAFETY: an occupied slot's handle was given out, so its page exists.
                    let page = unsafe {
                        *(*self.probes.add(region as usize))
                            .pages
                            .add(handle >> self.layout.rows_shift)
                    };
                    Row::at(page, (handle & (self.layout.rows() - 1)) as u32, region, &self.layout)
                }
            };
        }
    }
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
            traces: Box::new(Traces::NONE),
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
        };
        match self.probes.get_mut(number as usize) {
            Some(known) => *known = probe,
            None => self.probes.push(probe),
        }
    }

    /// Finds up to `PASS` ids; `found[i]` is `Row::NONE` where there is no row.
    ///
    /// Computing addresses and waiting for them alternate in separate loops: the loops that wait are a few instructions an
    /// id, so that the processor's window holds dozens of misses at once, where one loop for all would hold a few.
    #[inline]
    pub fn find_pass(&mut self, ids: &[u64], found: &mut [Row; PASS]) {
        let ids = &ids[..ids.len().min(PASS)];
        let search = self.search();
        let traces = &mut *self.traces;
        search.locate(ids, traces);
        let mut touched = 0;
        for at in 0..ids.len() {
            // SAFETY: `locate` pointed both at buckets.
            touched ^= unsafe { (*traces.first[at]).touch() ^ (*traces.second[at]).touch() };
        }
        search.compare(ids.len(), traces);
        search.choose(ids.len(), traces);
        search.rows(ids.len(), traces, found);
        for row in found.iter().take(ids.len()) {
            if row.exists() {
                touched ^= row.touch(&search.layout);
            }
        }
        traces.touched = touched;
        for (row, &id) in found.iter_mut().zip(ids) {
            if row.exists() && row.key() != id {
                *row = self.find(id);
            }
        }
    }

    /// Fetches the cache lines that inserting the absent ids of the last `find_pass` will write.
    #[inline]
    pub fn expect_insertions(&mut self, count: usize) {
        let search = self.search();
        let traces = &mut *self.traces;
        let mut touched = 0;
        for at in 0..count.min(PASS) {
            if traces.handle[at] != NO_HANDLE {
                continue;
            }
            // SAFETY: the region has a probe, and positions of the candidate buckets lie inside its `entries`.
            unsafe {
                let probe = &*search.probes.add(traces.region[at] as usize);
                touched ^= (*probe.entries.add(traces.positions[at][0] as usize)).place();
                touched ^= (*probe.entries.add(traces.positions[at][1] as usize)).place();
            }
            // SAFETY: `next_row` is null or begins a row, whose stride is at least 12.
            unsafe {
                let row = (*search.probes.add(traces.region[at] as usize)).next_row;
                if !row.is_null() {
                    touched ^= u16::from(*row) ^ u16::from(*row.add(search.layout.stride - 1));
                }
            }
        }
        traces.touched ^= u64::from(touched);
    }

    #[inline(always)]
    fn search(&self) -> Search {
        Search {
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
        inserted
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
