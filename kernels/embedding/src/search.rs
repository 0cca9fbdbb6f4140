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
//! With a million rows each id misses the caches three times: a line of the index and two of the
//! row, and one id in ten once more, for its second bucket. A processor starts loads ahead only
//! within its window of some hundred instructions. One iteration takes about as many, so the misses
//! of different ids hardly overlap.
//!
//! # Deviations, and their gain
//!
//! 1. **Stages.** A pass is up to 512 ids. The loop body is divided into loops over a pass, the
//!    stages. Stages that compute addresses (`locate`, `choose`) alternate with stages that only
//!    load (`touch`, `touch_rows`). A loading stage has a few instructions an id, so dozens of
//!    misses are under way at once. At the ends of a stage few loads are under way, so long passes
//!    are faster: 128 ids by 8 % than 64 at 4 M rows (AMD), 256 by 5 % than 128 (AMD), 512 by 3 %
//!    than 256 (Intel). Rows are fetched for 256 ids, or for 128 where theirs leave the first-level
//!    cache.
//! 2. **The second bucket only for ids that the first one does not give,** in stages of their own
//!    for the list of these ids. An insertion prefers the first bucket (`subtable.rs`), so nine of
//!    ten ids need no second one.
//! 3. **Touching in place of prefetching.** WASM has no prefetch. A load whose value is used later
//!    fetches the line; `touched` is that use.
//! 4. **Every line of a row is touched,** not only the first: else the loop that copies rows waits
//!    for the second line of each. Lookups: 16.0 M/s with it, 9.2 without.
//! 5. **Ten tags at once,** by one SIMD comparison a bucket (`bucket.rs`).
//! 6. **A hash hint** of six bits in the entry. With the tag, 10 to 13 bits are compared before a
//!    row is read, so the row of another id is rarely fetched. Four bits were too few at some
//!    depths.
//! 7. **No branch on random data.** An id whose first bucket does not give it takes some row at
//!    first, and is written to the list, which grows by 0 or 1; missing rows point at `NO_ROW`.
//! 8. **One address an id between stages** instead of row, page and handle. Lookups + 8 %, of
//!    training tables 7.0 → 12.6 M/s.
//! 9. **A Bloom filter of the pass's insertions** decides whether an absent id may have been
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
//! choice 1    group 55 (bits 9 to 13 and bit 32), choice byte 0xa2 (bits 0 to 6, and bit 63)
//!             → plane 2
//! choice 2    group 48, choice byte 0xd1, from choice 1 and the tag → plane 3
//! ```
//!
//! `touch` loads the line of bucket 55 of plane 2. If its cell 5 is the first with tag 0x27,
//! `choose` reads the entry of that cell and takes the address of its row if the entry's hash hint
//! is 0x29. Else 42 is listed, `touch` loads the line of bucket 48 of plane 3, and `choose_further`
//! compares all cells of both buckets.

use crate::bucket::{Bucket, Cell};
use crate::cuckoo_index::IndexView;
use crate::entry::{hash_hint_of, Entry};
use crate::mixing::mix64;
use crate::page::{PageLayout, Row};
use crate::plane::{tag_of, Choice};
use crate::row_starts::{is_no_row, no_row, touch_rows};
use crate::slab::SlabView;
use crate::subtable::Subtable;

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

/// The data that stages hand to one another, an element an id.
pub struct Search {
    first: [Bucket; PASS],
    /// Only of listed ids.
    second: [Bucket; PASS],
    /// The tag in the low eight bits, and above them the hash hint that the entry must have.
    tag_and_hash_hint: [u32; PASS],
    /// Indexes of the ids that their first bucket does not give.
    listed: [u16; PASS],
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
            listed: [0; PASS],
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
        self.count = ids.len();
        // SAFETY: the caller's promise; each stage relies on the results of those before it.
        unsafe {
            self.locate(view, ids);
            self.touch(ids.len());
            let listed = self.choose(view, ids.len());
            self.locate_further(view, ids, listed);
            self.choose_further(view, listed);
        }
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
        for (at, &id) in ids.iter().enumerate() {
            let hash = mix64(id);
            // SAFETY: as the caller promised.
            let subtable = unsafe { subtable_of(view, hash) };
            self.tag_and_hash_hint[at] =
                u32::from(hash_hint_of(hash, subtable.depth)) << 8 | u32::from(tag_of(hash));
            self.first[at] = subtable.bucket(Choice::first(hash, subtable.depth));
        }
    }

    #[inline(always)]
    fn touch(&mut self, count: usize) {
        self.touched = self.first[..count].iter().fold(0, |touched, it| touched ^ it.touch());
    }

    /// Takes the row of the first cell with the id's tag, and lists the ids for which that is not
    /// the one. Returns their number.
    #[inline(always)]
    unsafe fn choose(&mut self, view: &View, count: usize) -> usize {
        let mut listed = 0;
        for at in 0..count {
            let matches = self.first[at].matches(self.tag_and_hash_hint[at] as u8);
            let entry = self.first[at].first_entry(matches);
            let fits = matches != 0 && self.hint_fits(at, entry);
            self.entry[at] = entry;
            // SAFETY: an entry's handle was given out, also in an empty cell.
            self.start[at] = unsafe { view.slab.row(entry.handle()).start };
            self.listed[listed % PASS] = at as u16;
            listed += usize::from(!fits);
        }
        listed
    }

    #[inline(always)]
    fn hint_fits(&self, at: usize, entry: Entry) -> bool {
        u32::from(entry.hash_hint()) == self.tag_and_hash_hint[at] >> 8
    }

    /// Touches the second buckets of the listed ids.
    #[inline(never)]
    unsafe fn locate_further(&mut self, view: &View, ids: &[u64], listed: usize) {
        for &at in &self.listed[..listed] {
            let at = usize::from(at) % PASS;
            let hash = mix64(ids[at]);
            // SAFETY: as the caller promised.
            let subtable = unsafe { subtable_of(view, hash) };
            let ([_, second], _) = Choice::both(hash, subtable.depth);
            self.second[at] = subtable.bucket(second);
        }
        for &at in &self.listed[..listed] {
            self.touched ^= self.second[usize::from(at) % PASS].touch();
        }
    }

    /// Takes the rows of the listed ids by all cells of both buckets.
    #[inline(never)]
    unsafe fn choose_further(&mut self, view: &View, listed: usize) {
        for number in 0..listed {
            let at = usize::from(self.listed[number]) % PASS;
            self.start[at] = no_row();
            for bucket in [self.first[at], self.second[at]] {
                let mut matches = bucket.matches(self.tag_and_hash_hint[at] as u8);
                while matches != 0 {
                    let entry = bucket.first_entry(matches);
                    if self.hint_fits(at, entry) {
                        self.entry[at] = entry;
                        // SAFETY: an occupied cell's handle was given out.
                        self.start[at] = unsafe { view.slab.row(entry.handle()).start };
                    }
                    matches &= matches - 1;
                }
            }
        }
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

    /// Forgets the insertions before.
    #[inline]
    pub fn begin_insertions(&mut self) {
        self.inserted = [0; INSERTED_BITS / 64];
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

    /// Writes the entry of a row into a bucket of id `at`, absent in the last `find`, whose hash is
    /// given; false if both are full. Valid until subtables grow.
    #[inline(always)]
    pub fn fill(&self, at: usize, hash: u64, depth: u8, handle: u32) -> bool {
        let (first, second) = (self.first[at], self.second[at]);
        // Without a branch, which would be mispredicted.
        let in_second = first.empty() == 0;
        let bucket = first.or(second, in_second);
        let empty = bucket.empty();
        if empty != 0 {
            let (choices, tag) = Choice::both(hash, depth);
            let choice_byte = choices[usize::from(in_second)].choice_byte as u8;
            let entry = Entry::new(hash, depth, handle);
            bucket.set(empty.trailing_zeros() as usize, Cell { tag, choice_byte, entry });
        }
        empty != 0
    }
}

/// The hash's subtable.
///
/// # Safety
///
/// `view` is of a store that did not change since.
#[inline(always)]
unsafe fn subtable_of(view: &View, hash: u64) -> &Subtable {
    let IndexView { directory, subtables, shift } = view.index;
    // SAFETY: the hash's top `depth` bits are below the directory's length, which holds numbers of
    // subtables.
    unsafe { &*subtables.add(*directory.add(((hash >> 1) >> shift) as usize) as usize) }
}

/// The bit of `Search::inserted` for a hash, from bits that do not choose buckets.
#[inline(always)]
fn inserted_bit(hash: u64) -> usize {
    (hash >> 40) as usize % INSERTED_BITS
}

#[cfg(test)]
mod tests;
