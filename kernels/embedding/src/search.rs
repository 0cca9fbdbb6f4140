//! The batched search: for up to 512 ids, the address of the row that each may have. Lookups and
//! updates spend most of their time here.
//!
//! # The plain algorithm
//!
//! ```text
//! for id in ids:
//!     hash = mix64(id)
//!     subtable = directory[top bits of hash]
//!     for bucket in the two buckets of hash in subtable:
//!         for cell in bucket where cell.tag == tag of hash:
//!             if cell.entry.hash_hint == hash hint of hash:
//!                 start = address of row cell.entry.handle        # the caller compares its id
//! ```
//!
//! With a million rows each id misses the caches up to five times: two lines of tags, one of
//! entries, two of the row. A processor starts loads ahead only within its window of some hundred
//! instructions. One iteration takes about as many, so the misses of different ids hardly overlap.
//!
//! # Deviations, and their gain
//!
//! 1. **Stages.** A pass is up to 512 ids. The loop body is divided into six loops over a pass, the
//!    stages. Stages that compute addresses (`locate`, `compare`, `choose`) alternate with stages
//!    that only load (`touch_tags`, `load_entries`, `touch_rows`). A loading stage has a few
//!    instructions an id, so dozens of misses are under way at once. Without the loop over rows,
//!    lookups of a million rows take 95.8 ns, with it 65.4; with `locate` and `touch_tags` merged
//!    they take 70.9 (Intel). At the ends of a stage few loads are under way, so long passes are
//!    faster: 128 ids by 8 % than 64 at 4 M rows (AMD), 256 by 5 % than 128 (AMD), 512 by 3 % than
//!    256 (Intel). Rows are fetched for 256 ids, or for 128 where theirs leave the first-level
//!    cache.
//! 2. **Touching in place of prefetching.** WASM has no prefetch. A load whose value is used later
//!    fetches the line; `touched` is that use.
//! 3. **Every line of a row is touched,** not only the first: else the loop that copies rows waits
//!    for the second line of each. Lookups: 16.0 M/s with it, 9.2 without.
//! 4. **Sixteen tags at once,** by one SIMD comparison a bucket (`tags.rs`).
//! 5. **A hash hint** of six bits in the entry. With the tag, 11 to 14 bits are compared before a
//!    row is read, so the row of another id is rarely fetched. Four bits were too few at some
//!    depths.
//! 6. **No branch on random data.** Missing rows point at `NO_ROW`; buckets are selected by masks.
//!    The branch between two buckets was mispredicted every other time: insertion + 4 %.
//! 7. **One address an id between stages** instead of row, page and handle. Lookups + 8 %, of
//!    training tables 7.0 → 12.6 M/s.
//! 8. **A Bloom filter of the pass's insertions** decides whether an absent id may have been
//!    inserted earlier in the same pass, instead of a second search: insertion + 3 %.
//!
//! # Example
//!
//! Id 42 in a table of one subtable (depth 0) with four planes:
//!
//! ```text
//! hash        0xa759_ea27_d472_7622
//! tag         0x27    bits 32 to 39
//! hash hint   0x29    the top six bits
//! choice 1    group 54 (bits 8 to 13), choice byte 0xa2 (bits 0 to 6, and bit 63) → plane 2
//! choice 2    group 48, choice byte 0xd1, from choice 1 and the tag               → plane 3
//! ```
//!
//! `touch_tags` loads the tags of bucket 54 of plane 2 and of bucket 48 of plane 3. If cell 5 of
//! the first bucket has tag 0x27, `compare` sets bit 5 of `matches`, `load_entries` reads the entry
//! of that cell, and `choose` takes the address of its row if the entry's hash hint is 0x29.

use crate::cuckoo_index::IndexView;
use crate::entry::{hash_hint_of, Entry};
use crate::mixing::mix64;
use crate::page::{PageLayout, Row};
use crate::plane::{Bucket, Cell, Choice};
use crate::row_starts::{is_no_row, no_row, touch_rows};
use crate::slab::SlabView;
use crate::tags::{tag_of, BUCKET_CELLS};

/// Ids of a pass: the arrays of a pass fit the first-level cache.
pub const PASS: usize = 512;
/// Ids of a pass that may insert rows: subtables grow between passes only, so a long one would fill
/// a small table beyond its bound.
pub const WRITTEN_PASS: usize = 128;
/// Bytes of rows that are fetched together, so that they are still in the first-level cache when
/// they are read.
const FETCHED_BYTES: usize = 40 << 10;

/// Ids whose rows a lookup that reads `bytes` of each fetches together.
#[inline]
pub fn fetched_at_once(bytes: usize) -> usize {
    if bytes * (PASS / 2) <= FETCHED_BYTES {
        PASS / 2
    } else {
        PASS / 4
    }
}

/// The parts of a store that lookups read.
#[derive(Clone, Copy)]
pub struct View {
    /// The index.
    pub index: IndexView,
    /// The slab.
    pub slab: SlabView,
}

/// Bits of the filter of a pass's insertions: one id in 64 is taken for inserted by mistake.
const INSERTED_BITS: usize = 32 * WRITTEN_PASS;
static NO_ENTRY: Entry = Entry::NONE;

/// The data that stages hand to one another, an element an id.
pub struct Search {
    first: [Bucket; PASS],
    second: [Bucket; PASS],
    /// The tag in the low eight bits, and above them the hash hint that the entry must have.
    tag_and_hash_hint: [u32; PASS],
    /// Cells with the id's tag, as bits: the first bucket's, then the second's.
    matches: [u32; PASS],
    /// Address of the entry of the first such cell, or of `NO_ENTRY`.
    cell: [*const Entry; PASS],
    entry: [Entry; PASS],
    /// Address of the row's first byte, or `no_row()`.
    start: [*const u8; PASS],
    /// Number of ids of the last `find`.
    count: usize,
    /// A Bloom filter of the hashes inserted since then.
    inserted: [u64; INSERTED_BITS / 64],
    /// Receives values that are loaded for their cache line alone, so that the load is not
    /// optimised away.
    touched: u64,
}

impl Search {
    /// An empty search.
    pub fn new() -> Search {
        Search {
            first: [Bucket::NONE; PASS],
            second: [Bucket::NONE; PASS],
            tag_and_hash_hint: [0; PASS],
            matches: [0; PASS],
            cell: [&NO_ENTRY; PASS],
            entry: [Entry::NONE; PASS],
            start: [no_row(); PASS],
            count: 0,
            inserted: [0; INSERTED_BITS / 64],
            touched: 0,
        }
    }

    /// Finds candidate rows of up to `PASS` ids, without touching the rows.
    ///
    /// # Safety
    ///
    /// `view` is of a store that did not change since.
    #[inline]
    pub unsafe fn find(&mut self, view: &View, ids: &[u64]) {
        let ids = &ids[..ids.len().min(PASS)];
        let count = ids.len();
        // SAFETY: the caller's promise; each stage relies on the results of those before it.
        unsafe {
            self.locate(view, ids);
            self.touch_tags(count);
            self.compare(count);
            self.load_entries(count);
            self.choose(view, count);
        }
        self.count = count;
    }

    /// Touches the first `bytes` of rows, given by the addresses that `start` returns.
    ///
    /// # Safety
    ///
    /// Rows have at least `bytes` bytes.
    #[inline]
    pub unsafe fn fetch(&mut self, starts: &[*const u8], bytes: usize) {
        // SAFETY: the caller's promise.
        self.touched ^= unsafe { touch_rows(starts, bytes) };
    }

    /// Touches the first `bytes` of the candidates of the last `find`.
    ///
    /// # Safety
    ///
    /// As for `find`; rows have at least `bytes` bytes.
    #[inline]
    pub unsafe fn fetch_found(&mut self, bytes: usize) {
        // SAFETY: the caller's promise.
        self.touched ^= unsafe { touch_rows(&self.start[..self.count], bytes) };
    }

    /// Address of the candidate row of an id; if there is none, of zeros.
    #[inline(always)]
    pub fn start(&self, at: usize) -> *const u8 {
        self.start[at]
    }

    /// The handle of the row at `start`; if there is none, any handle that was given out.
    #[inline(always)]
    pub fn handle(&self, at: usize) -> u32 {
        self.entry[at].handle()
    }

    #[inline(always)]
    unsafe fn locate(&mut self, view: &View, ids: &[u64]) {
        let IndexView { directory, subtables, shift } = view.index;
        for (at, &id) in ids.iter().enumerate() {
            let hash = mix64(id);
            // SAFETY: the hash's top `depth` bits are below the directory's length, which holds
            // numbers of subtables.
            let number = unsafe { *directory.add(((hash >> 1) >> shift) as usize) };
            // SAFETY: as above.
            let subtable = unsafe { &*subtables.add(number as usize) };
            let tag = tag_of(hash);
            let first = Choice::first(hash, subtable.depth);
            let second = first.other(tag);
            self.tag_and_hash_hint[at] =
                u32::from(hash_hint_of(hash, subtable.depth)) << 8 | u32::from(tag);
            self.first[at] = subtable.bucket(first);
            self.second[at] = subtable.bucket(second);
        }
    }

    #[inline(always)]
    fn touch_tags(&mut self, count: usize) {
        let mut touched = 0;
        for (first, second) in self.first[..count].iter().zip(&self.second) {
            touched ^= first.touch() ^ second.touch();
        }
        self.touched = touched;
    }

    /// Finds the cells with the id's tag.
    #[inline(always)]
    fn compare(&mut self, count: usize) {
        for at in 0..count {
            let tag = self.tag_and_hash_hint[at] as u8;
            let (first, second) = (self.first[at], self.second[at]);
            let matches = first.matches(tag) | second.matches(tag) << BUCKET_CELLS;
            self.matches[at] = matches;
            self.cell[at] = match matches {
                0 => &NO_ENTRY,
                _ => self.cell_of(at, matches.trailing_zeros()),
            };
        }
    }

    /// The entry of cell `bit`; the bits from `BUCKET_CELLS` on are cells of the second bucket.
    #[inline(always)]
    fn cell_of(&self, at: usize, bit: u32) -> *const Entry {
        let bit = bit as usize;
        let bucket = self.first[at].or(self.second[at], bit >= BUCKET_CELLS);
        bucket.entry(bit)
    }

    #[inline(always)]
    unsafe fn load_entries(&mut self, count: usize) {
        for (entry, &cell) in self.entry[..count].iter_mut().zip(&self.cell) {
            // SAFETY: cells point at entries or at `NO_ENTRY`.
            *entry = unsafe { *cell };
        }
    }

    /// Takes the row of the entry with the right hash hint.
    #[inline(always)]
    unsafe fn choose(&mut self, view: &View, count: usize) {
        for at in 0..count {
            if self.matches[at] == 0 {
                self.start[at] = no_row();
            } else if u32::from(self.entry[at].hash_hint()) == self.tag_and_hash_hint[at] >> 8 {
                // SAFETY: an occupied cell's handle was given out.
                self.start[at] = unsafe { view.slab.row(self.entry[at].handle()).start };
            } else {
                // SAFETY: as the caller promised.
                unsafe { self.choose_further(view, at) };
            }
        }
    }

    #[cold]
    #[inline(never)]
    unsafe fn choose_further(&mut self, view: &View, at: usize) {
        let mut matches = self.matches[at] & (self.matches[at] - 1);
        while matches != 0 {
            // SAFETY: bit i of the matches is a cell of the two buckets.
            self.entry[at] = unsafe { *self.cell_of(at, matches.trailing_zeros()) };
            if u32::from(self.entry[at].hash_hint()) == self.tag_and_hash_hint[at] >> 8 {
                // SAFETY: an occupied cell's handle was given out.
                self.start[at] = unsafe { view.slab.row(self.entry[at].handle()).start };
                return;
            }
            matches &= matches - 1;
        }
        self.start[at] = no_row();
    }

    /// Whether no entry fits the id: it certainly has no row.
    #[inline(always)]
    pub fn is_absent(&self, at: usize) -> bool {
        is_no_row(self.start[at])
    }

    /// The row of a verified id.
    ///
    /// # Safety
    ///
    /// `is_row_of` holds for its start, and the row is used with the slab that was searched.
    #[inline(always)]
    pub unsafe fn row(&self, at: usize, layout: &PageLayout) -> Row {
        // SAFETY: the entry that gave the start has its handle.
        unsafe { Row::starting_at(self.start[at].cast_mut(), self.entry[at].handle(), layout) }
    }

    /// Whether the last `find` found any candidate.
    #[inline]
    pub fn found_any(&self) -> bool {
        (0..self.count).any(|at| !self.is_absent(at))
    }

    /// Fetches the cache lines that inserting the absent ids of the last `find` writes.
    #[inline]
    pub fn expect_insertions(&mut self) {
        self.inserted = [0; INSERTED_BITS / 64];
        let mut touched = 0;
        for at in 0..self.count {
            touched ^= self.roomier(at).0.touch_to_write();
        }
        self.touched ^= u64::from(touched);
    }

    /// Whether an id with this hash, absent in the last `find`, was certainly not inserted since by
    /// `note_insertion`.
    #[inline(always)]
    pub fn is_still_absent(&self, hash: u64) -> bool {
        let bit = inserted_bit(hash);
        self.inserted[bit / 64] >> (bit % 64) & 1 == 0
    }

    /// Records the insertion of an id with this hash.
    #[inline(always)]
    pub fn note_insertion(&mut self, hash: u64) {
        let bit = inserted_bit(hash);
        self.inserted[bit / 64] |= 1 << (bit % 64);
    }

    /// The emptier bucket of id `at` of the last `find`, its empty cells as bits, and whether it is
    /// the second. Valid until subtables grow.
    #[inline(always)]
    fn roomier(&self, at: usize) -> (Bucket, u32, bool) {
        let (first, second) = (self.first[at], self.second[at]);
        let empty = [first.empty(), second.empty()];
        let in_second = empty[1].count_ones() > empty[0].count_ones();
        (first.or(second, in_second), one_of(empty, in_second), in_second)
    }

    /// Writes the entry of a row into the emptier bucket of id `at` of the last `find`, whose hash
    /// is given; false if both are full. Valid until subtables grow.
    #[inline(always)]
    pub fn fill(&self, at: usize, hash: u64, depth: u8, handle: u32) -> bool {
        let (bucket, empty, in_second) = self.roomier(at);
        if empty != 0 {
            let (choices, tag) = Choice::both(hash, depth);
            let choice_byte = one_of(choices.map(|choice| choice.choice_byte), in_second) as u8;
            let entry = Entry::new(hash, depth, handle);
            bucket.set(empty.trailing_zeros() as usize, Cell { tag, choice_byte, entry });
        }
        empty != 0
    }
}

/// `that` if `take_that`, else `this`; a branch would be mispredicted every other time.
#[inline(always)]
fn one_of([this, that]: [u32; 2], take_that: bool) -> u32 {
    this ^ ((this ^ that) & u32::from(take_that).wrapping_neg())
}

/// The bit of `Search::inserted` for a hash, from bits that do not choose buckets.
#[inline(always)]
fn inserted_bit(hash: u64) -> usize {
    (hash >> 40) as usize % INSERTED_BITS
}

#[cfg(test)]
mod tests;
