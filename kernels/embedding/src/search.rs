//! The batched search, on which serving and training spend their time.
//!
//! It works in passes over 128 ids, and loops that compute addresses alternate with loops that wait for them: those that
//! wait are a few instructions an id, so that the processor's window holds dozens of cache misses at once, where
//! one loop for all would hold a few. WASM has no prefetch; a load whose value is used later does the job.

use crate::cuckoo_index::{candidates, place_of, Entry};
use crate::memory::Page;
use crate::mixing::mix64;
use crate::page::{PageLayout, Row};
use crate::tags::{Tags, BUCKET_SLOTS};

/// Ids of one pass: as many rows as the first cache holds beside what else a pass reads.
pub const PASS: usize = 128;

/// What the search needs of a region, side by side.
#[derive(Clone, Copy)]
pub struct Probe {
    /// By bucket.
    pub tags: *const Tags,
    /// By position.
    pub entries: *const Entry,
    /// By handle >> rows_shift.
    pub pages: *const Page,
    /// The row that the next insertion takes, or null.
    pub next_row: *const u8,
    /// Buckets of its index.
    pub buckets: u32,
    /// Its number.
    pub region: u32,
}

/// What lookups read all the time.
#[derive(Clone, Copy)]
pub struct Regions {
    /// Region by the top bits of a hash.
    pub directory: *const u32,
    /// By region.
    pub probes: *const Probe,
    /// 63 less the directory's depth.
    pub shift: u32,
    /// Where things are in a page.
    pub layout: PageLayout,
}

const LINE_BYTES: usize = 64;
/// Bytes of a row that a search fetches at most; of wider rows the processor's own prefetcher brings the rest.
const TOUCH_BYTES_MAX: usize = 640;

/// What stands for a row where there is none, so that touching rows needs no branch.
static NO_ROW: [u64; TOUCH_BYTES_MAX / 8] = [0; TOUCH_BYTES_MAX / 8];
static NO_ENTRY: Entry = Entry::NONE;

#[inline(always)]
fn no_row() -> *const u8 {
    NO_ROW.as_ptr().cast()
}

/// What the passes hand to one another, an element an id.
pub struct Search {
    first: [*const Tags; PASS],
    second: [*const Tags; PASS],
    probe: [*const Probe; PASS],
    tag: [u8; PASS],
    place: [u16; PASS],
    /// Slots with the id's tag, as bits: the first bucket's, then the second's.
    matches: [u32; PASS],
    /// The entry of the first such slot, or `NO_ENTRY`.
    slot: [*const Entry; PASS],
    entry: [Entry; PASS],
    /// The row's first byte, or `no_row()`.
    start: [*const u8; PASS],
    /// Ids of the last `find`.
    count: usize,
    /// Takes what is loaded for its cache line alone, so that the load is not optimised away.
    touched: u64,
}

impl Search {
    /// Nothing found yet.
    pub fn new() -> Search {
        Search {
            first: [std::ptr::null(); PASS],
            second: [std::ptr::null(); PASS],
            probe: [std::ptr::null(); PASS],
            tag: [0; PASS],
            place: [0; PASS],
            matches: [0; PASS],
            slot: [&NO_ENTRY; PASS],
            entry: [Entry::NONE; PASS],
            start: [no_row(); PASS],
            count: 0,
            touched: 0,
        }
    }

    /// Finds up to `PASS` ids; their rows are still to be fetched.
    ///
    /// # Safety
    /// `regions` describes a store that nothing changed since.
    #[inline]
    pub unsafe fn find(&mut self, regions: &Regions, ids: &[u64]) {
        let ids = &ids[..ids.len().min(PASS)];
        let count = ids.len();
        // SAFETY: the caller's promise; each pass relies on what those before it wrote.
        unsafe {
            self.locate(regions, ids);
            self.touch_tags(count);
            self.compare(count);
            self.load_entries(count);
            self.choose(regions, count);
        }
        self.count = count;
    }

    /// Fetches the first `bytes` of the rows that the last `find` found.
    ///
    /// # Safety
    /// As for `find`; rows have at least `bytes` bytes.
    #[inline]
    pub unsafe fn fetch(&mut self, bytes: usize) {
        // SAFETY: the caller's promise.
        self.touched ^= unsafe { touch_rows(self.start[..self.count].iter().copied(), bytes) };
    }

    /// Fetches the first `bytes` of rows known otherwise, each of them a row's first byte or what `start` gives.
    ///
    /// # Safety
    /// As for `fetch`.
    #[inline]
    pub unsafe fn fetch_others(
        &mut self,
        starts: impl Iterator<Item = *const u8> + Clone,
        bytes: usize,
    ) {
        // SAFETY: the caller's promise.
        self.touched ^= unsafe { touch_rows(starts, bytes) };
    }

    /// Where the row of an id is to be looked for; where there is none, of zeros.
    #[inline(always)]
    pub fn start(&self, at: usize) -> *const u8 {
        self.start[at]
    }

    #[inline(always)]
    unsafe fn locate(&mut self, regions: &Regions, ids: &[u64]) {
        for (at, &id) in ids.iter().enumerate() {
            let hash = mix64(id);
            // SAFETY: the hash's top `depth` bits are below the directory's length.
            let region = unsafe { *regions.directory.add(((hash >> 1) >> regions.shift) as usize) };
            // SAFETY: the directory holds numbers of regions, and every region has its probe.
            let probe = unsafe { &*regions.probes.add(region as usize) };
            let candidates = candidates(hash, probe.buckets);
            self.probe[at] = probe;
            // SAFETY: candidates are below `buckets`, the length of `tags`.
            unsafe {
                self.first[at] = probe.tags.add(candidates.first);
                self.second[at] = probe.tags.add(candidates.second);
            }
            self.tag[at] = candidates.tag;
            self.place[at] = place_of(hash);
        }
    }

    #[inline(always)]
    unsafe fn touch_tags(&mut self, count: usize) {
        let mut touched = 0;
        for (&first, &second) in self.first[..count].iter().zip(&self.second) {
            // SAFETY: `locate` pointed both at buckets.
            touched ^= unsafe { (*first).touch() ^ (*second).touch() };
        }
        self.touched = touched;
    }

    /// Which slot carries the tag.
    #[inline(always)]
    unsafe fn compare(&mut self, count: usize) {
        for at in 0..count {
            // SAFETY: `locate` pointed both at buckets.
            let (first, second) = unsafe { (&*self.first[at], &*self.second[at]) };
            let tag = self.tag[at];
            let matches = first.matches(tag) | second.matches(tag) << BUCKET_SLOTS;
            self.matches[at] = matches;
            self.slot[at] = match matches {
                0 => &NO_ENTRY,
                // SAFETY: bit i of the matches is a slot of the two buckets.
                _ => unsafe { self.slot_of(at, matches.trailing_zeros()) },
            };
        }
    }

    /// The entry of slot `bit` of both buckets.
    #[inline(always)]
    unsafe fn slot_of(&self, at: usize, bit: u32) -> *const Entry {
        let (first, second) = (self.first[at] as usize, self.second[at] as usize);
        // Arithmetic, for a branch on the bucket would be mispredicted every other time.
        let in_second = ((bit as usize) / BUCKET_SLOTS).wrapping_neg();
        let bucket = first ^ ((first ^ second) & in_second);
        // SAFETY: `locate` set the probe; the bucket lies in its tags, one byte a slot, and entries are one a slot too.
        unsafe {
            let probe = &*self.probe[at];
            let position = bucket - probe.tags as usize + bit as usize % BUCKET_SLOTS;
            probe.entries.add(position)
        }
    }

    #[inline(always)]
    unsafe fn load_entries(&mut self, count: usize) {
        for (entry, &slot) in self.entry[..count].iter_mut().zip(&self.slot) {
            // SAFETY: slots point at entries or at `NO_ENTRY`.
            *entry = unsafe { *slot };
        }
    }

    /// The row of the entry that carries the place too: with 24 bits compared, a row of another id is hardly ever touched.
    #[inline(always)]
    unsafe fn choose(&mut self, regions: &Regions, count: usize) {
        for at in 0..count {
            if self.matches[at] == 0 {
                self.start[at] = no_row();
            } else if self.entry[at].place() == self.place[at] {
                // SAFETY: the entry is one of the probe's.
                self.start[at] = unsafe { self.start_of(&regions.layout, at) };
            } else {
                // SAFETY: as the caller promised.
                unsafe { self.choose_further(regions, at) };
            }
        }
    }

    #[inline(always)]
    unsafe fn start_of(&self, layout: &PageLayout, at: usize) -> *const u8 {
        // SAFETY: an occupied slot's handle was given out, so its page exists and holds its row.
        unsafe { self.row_in_page(layout, at).start }
    }

    #[inline(always)]
    unsafe fn row_in_page(&self, layout: &PageLayout, at: usize) -> Row {
        let handle = usize::from(self.entry[at].handle());
        // SAFETY: an occupied slot's handle was given out, so its page exists.
        let (page, region) = unsafe {
            let probe = &*self.probe[at];
            (*probe.pages.add(handle >> layout.rows_shift), probe.region)
        };
        Row::at(page, (handle & (layout.rows() - 1)) as u32, region, layout)
    }

    #[cold]
    #[inline(never)]
    unsafe fn choose_further(&mut self, regions: &Regions, at: usize) {
        let mut matches = self.matches[at] & (self.matches[at] - 1);
        while matches != 0 {
            // SAFETY: bit i of the matches is a slot of the two buckets.
            self.entry[at] = unsafe { *self.slot_of(at, matches.trailing_zeros()) };
            if self.entry[at].place() == self.place[at] {
                // SAFETY: the entry is one of the probe's.
                self.start[at] = unsafe { self.start_of(&regions.layout, at) };
                return;
            }
            matches &= matches - 1;
        }
        self.start[at] = no_row();
    }

    /// The found row's first byte if its key is `id`; null where another pass has to look (see [`Search::is_absent`]).
    #[inline(always)]
    pub fn verified(&self, at: usize, id: u64) -> *const u8 {
        let start = self.start[at];
        // SAFETY: a row begins with its key, and `NO_ROW` is long enough.
        let key = unsafe { start.cast::<u64>().read_unaligned() };
        if key == id && start != no_row() {
            start
        } else {
            std::ptr::null()
        }
    }

    /// Whether no entry fits the id, so that it certainly has no row.
    #[inline(always)]
    pub fn is_absent(&self, at: usize) -> bool {
        self.start[at] == no_row()
    }

    /// The row of a verified id.
    ///
    /// # Safety
    /// As for `find`, whose last call found it.
    #[inline(always)]
    pub unsafe fn row(&self, regions: &Regions, at: usize) -> Row {
        // SAFETY: the caller's promise.
        unsafe { self.row_in_page(&regions.layout, at) }
    }

    /// Fetches the cache lines that inserting the absent ids of the last `find` will write.
    ///
    /// # Safety
    /// As for `find`.
    #[inline]
    pub unsafe fn expect_insertions(&mut self, regions: &Regions) {
        let mut touched = 0;
        for at in 0..self.count {
            if !self.is_absent(at) {
                continue;
            }
            // SAFETY: `locate` set the probe and both buckets; `next_row` is null or begins a row of at least 12 bytes.
            unsafe {
                let probe = &*self.probe[at];
                touched ^= (*self.slot_of(at, 0)).place();
                touched ^= (*self.slot_of(at, BUCKET_SLOTS as u32)).place();
                if !probe.next_row.is_null() {
                    let last = probe.next_row.add(regions.layout.stride - 1);
                    touched ^= u16::from(*probe.next_row) ^ u16::from(*last);
                }
            }
        }
        self.touched ^= u64::from(touched);
    }
}

/// Fetches the first `bytes` of every row, a line of all of them at a time; returns a mixture of what it read.
///
/// # Safety
/// All of `starts` begin rows of at least `bytes` bytes, or `NO_ROW`.
#[inline(always)]
unsafe fn touch_rows(starts: impl Iterator<Item = *const u8> + Clone, bytes: usize) -> u64 {
    let last = bytes.clamp(8, TOUCH_BYTES_MAX) - 8;
    let mut touched = 0;
    let mut offset = 0;
    while offset < last {
        let next = (offset + LINE_BYTES).min(last);
        for start in starts.clone() {
            // SAFETY: both words lie inside the row's first `bytes`, or inside `NO_ROW`.
            unsafe {
                touched ^= start.add(offset).cast::<u64>().read_unaligned();
                touched ^= start.add(next).cast::<u64>().read_unaligned();
            }
        }
        offset = next + LINE_BYTES;
    }
    if offset.wrapping_sub(LINE_BYTES) != last {
        for start in starts {
            // SAFETY: as above.
            touched ^= unsafe { start.add(last).cast::<u64>().read_unaligned() };
        }
    }
    touched
}
