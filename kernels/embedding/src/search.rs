//! The batched search, on which serving and training spend their time.
//!
//! It works in passes over 128 ids, and loops that compute addresses alternate with loops that wait for them: those that
//! wait are a few instructions an id, so that the processor's window holds dozens of cache misses at once, where
//! one loop for all would hold a few. WASM has no prefetch; a load whose value is used later does the job.

use crate::cuckoo_index::IndexView;
use crate::entry::{hint_of, Entry};
use crate::mixing::mix64;
use crate::page::{PageLayout, Row};
use crate::plane::{Bucket, Cell, Choice};
use crate::slab::SlabView;
use crate::tags::{tag_of, BUCKET_CELLS};

/// Ids of one pass: as many rows as the first cache holds beside what else a pass reads.
pub const PASS: usize = 128;

/// What lookups read all the time.
#[derive(Clone, Copy)]
pub struct View {
    /// Where entries are.
    pub index: IndexView,
    /// Where rows are.
    pub slab: SlabView,
}

/// Bits that remember a pass's insertions: an id seems to come twice where it does not once in 64 times.
const INSERTED_BITS: usize = 32 * PASS;
const LINE_BYTES: usize = 64;
/// Largest offset of a row's last word where four words a line apart and that one touch all its lines.
const WIDE_BYTES: usize = 4 * LINE_BYTES + 7;
/// Bytes of a row that a search fetches at most; of wider rows the processor's own prefetcher brings the rest.
const TOUCH_BYTES_MAX: usize = 640;

/// What stands for a row where there is none, so that touching rows needs no branch.
static NO_ROW: [u64; TOUCH_BYTES_MAX / 8 + 1] = [0; TOUCH_BYTES_MAX / 8 + 1];
static NO_ENTRY: Entry = Entry::NONE;

/// Where there is no row.
#[inline(always)]
pub fn no_row() -> *const u8 {
    NO_ROW.as_ptr().cast()
}

/// What the passes hand to one another, an element an id.
pub struct Search {
    first: [Bucket; PASS],
    second: [Bucket; PASS],
    /// The tag, and behind its eight bits the hint that the entry must carry.
    tag_and_hint: [u32; PASS],
    /// Cells with the id's tag, as bits: the first bucket's, then the second's.
    matches: [u32; PASS],
    /// The entry of the first such cell, or `NO_ENTRY`.
    cell: [*const Entry; PASS],
    entry: [Entry; PASS],
    /// The row's first byte, or `no_row()`.
    start: [*const u8; PASS],
    /// Ids of the last `find`.
    count: usize,
    /// A Bloom filter of the hashes inserted since then.
    inserted: [u64; INSERTED_BITS / 64],
    /// Takes what is loaded for its cache line alone, so that the load is not optimised away.
    touched: u64,
}

impl Search {
    /// Nothing found yet.
    pub fn new() -> Search {
        Search {
            first: [Bucket::NONE; PASS],
            second: [Bucket::NONE; PASS],
            tag_and_hint: [0; PASS],
            matches: [0; PASS],
            cell: [&NO_ENTRY; PASS],
            entry: [Entry::NONE; PASS],
            start: [no_row(); PASS],
            count: 0,
            inserted: [0; INSERTED_BITS / 64],
            touched: 0,
        }
    }

    /// Finds up to `PASS` ids; their rows are still to be fetched.
    ///
    /// # Safety
    /// `view` is of a store that nothing changed since.
    #[inline]
    pub unsafe fn find(&mut self, view: &View, ids: &[u64]) {
        let ids = &ids[..ids.len().min(PASS)];
        let count = ids.len();
        // SAFETY: the caller's promise; each pass relies on what those before it wrote.
        unsafe {
            self.locate(view, ids);
            self.touch_tags(count);
            self.compare(count);
            self.load_entries(count);
            self.choose(view, count);
        }
        self.count = count;
    }

    /// Fetches the first `bytes` of rows, each of them a row's first byte or what `starts` gives.
    ///
    /// # Safety
    /// Rows have at least `bytes` bytes.
    #[inline]
    pub unsafe fn fetch(&mut self, starts: &[*const u8], bytes: usize) {
        // SAFETY: the caller's promise.
        self.touched ^= unsafe { touch_rows(starts, bytes) };
    }

    /// Fetches the first `bytes` of the rows that the last `find` found.
    ///
    /// # Safety
    /// As for `find`; rows have at least `bytes` bytes.
    #[inline]
    pub unsafe fn fetch_found(&mut self, bytes: usize) {
        // SAFETY: the caller's promise.
        self.touched ^= unsafe { touch_rows(&self.start[..self.count], bytes) };
    }

    /// Where the row of an id is to be looked for; where there is none, of zeros.
    #[inline(always)]
    pub fn start(&self, at: usize) -> *const u8 {
        self.start[at]
    }

    /// The handle of the row that `start` begins, or any that was given out.
    #[inline(always)]
    pub fn handle(&self, at: usize) -> u32 {
        self.entry[at].handle()
    }

    #[inline(always)]
    unsafe fn locate(&mut self, view: &View, ids: &[u64]) {
        let IndexView { directory, subtables, shift } = view.index;
        for (at, &id) in ids.iter().enumerate() {
            let hash = mix64(id);
            // SAFETY: the hash's top `depth` bits are below the directory's length, which holds numbers of subtables.
            let number = unsafe { *directory.add(((hash >> 1) >> shift) as usize) };
            // SAFETY: as above.
            let subtable = unsafe { &*subtables.add(number as usize) };
            let tag = tag_of(hash);
            let first = Choice::first(hash, subtable.depth);
            let second = first.other(tag);
            self.tag_and_hint[at] = u32::from(hint_of(hash, subtable.depth)) << 8 | u32::from(tag);
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

    /// Which cell carries the tag.
    #[inline(always)]
    fn compare(&mut self, count: usize) {
        for at in 0..count {
            let tag = self.tag_and_hint[at] as u8;
            let (first, second) = (self.first[at], self.second[at]);
            let matches = first.matches(tag) | second.matches(tag) << BUCKET_CELLS;
            self.matches[at] = matches;
            self.cell[at] = match matches {
                0 => &NO_ENTRY,
                _ => self.cell_of(at, matches.trailing_zeros()),
            };
        }
    }

    /// The entry of cell `bit` of both buckets.
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

    /// The row of the entry that carries the hint too: with 11 to 14 bits compared, a row of another id is seldom touched.
    #[inline(always)]
    unsafe fn choose(&mut self, view: &View, count: usize) {
        for at in 0..count {
            if self.matches[at] == 0 {
                self.start[at] = no_row();
            } else if u32::from(self.entry[at].hint()) == self.tag_and_hint[at] >> 8 {
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
            if u32::from(self.entry[at].hint()) == self.tag_and_hint[at] >> 8 {
                // SAFETY: an occupied cell's handle was given out.
                self.start[at] = unsafe { view.slab.row(self.entry[at].handle()).start };
                return;
            }
            matches &= matches - 1;
        }
        self.start[at] = no_row();
    }

    /// Whether no entry fits the id, so that it certainly has no row.
    #[inline(always)]
    pub fn is_absent(&self, at: usize) -> bool {
        is_no_row(self.start[at])
    }

    /// The row of a verified id.
    ///
    /// # Safety
    /// `is_row_of` says so of its start, and the row is used with the slab that was searched.
    #[inline(always)]
    pub unsafe fn row(&self, at: usize, layout: &PageLayout) -> Row {
        // SAFETY: the entry that gave the start has its handle.
        unsafe { Row::starting_at(self.start[at].cast_mut(), self.entry[at].handle(), layout) }
    }

    /// Whether the last `find` found anything.
    #[inline]
    pub fn found_any(&self) -> bool {
        (0..self.count).any(|at| !self.is_absent(at))
    }

    /// Fetches the cache lines that inserting the absent ids of the last `find` will write.
    #[inline]
    pub fn expect_insertions(&mut self) {
        self.inserted = [0; INSERTED_BITS / 64];
        let mut touched = 0;
        for at in 0..self.count {
            touched ^= self.roomier(at).0.touch_to_write();
        }
        self.touched ^= u64::from(touched);
    }

    /// Whether the id of that hash, where the last `find` found none, certainly was not inserted since, by `note_insertion`.
    #[inline(always)]
    pub fn is_still_absent(&self, hash: u64) -> bool {
        let bit = inserted_bit(hash);
        self.inserted[bit / 64] >> (bit % 64) & 1 == 0
    }

    /// An id of that hash is inserted.
    #[inline(always)]
    pub fn note_insertion(&mut self, hash: u64) {
        let bit = inserted_bit(hash);
        self.inserted[bit / 64] |= 1 << (bit % 64);
    }

    /// The emptier bucket of the id at `at` of the last `find`, its empty cells as bits, and whether it is the second. Only as
    /// long as subtables have not grown since then.
    #[inline(always)]
    fn roomier(&self, at: usize) -> (Bucket, u32, bool) {
        let (first, second) = (self.first[at], self.second[at]);
        let empty = [first.empty(), second.empty()];
        let in_second = empty[1].count_ones() > empty[0].count_ones();
        (first.or(second, in_second), one_of(empty, in_second), in_second)
    }

    /// Writes the entry of a row in the emptier bucket of the id at `at` of the last `find`, whose hash is given; false where
    /// both are full. Only as long as subtables have not grown since then.
    #[inline(always)]
    pub fn fill(&self, at: usize, hash: u64, depth: u8, handle: u32) -> bool {
        let (bucket, empty, in_second) = self.roomier(at);
        if empty != 0 {
            let (choices, tag) = Choice::both(hash, depth);
            let byte = one_of(choices.map(|choice| choice.byte), in_second) as u8;
            let entry = Entry::new(hash, depth, handle);
            bucket.set(empty.trailing_zeros() as usize, Cell { tag, byte, entry });
        }
        empty != 0
    }
}

/// One of two without a branch, which would be mispredicted every other time.
#[inline(always)]
fn one_of([this, that]: [u32; 2], take_that: bool) -> u32 {
    this ^ ((this ^ that) & u32::from(take_that).wrapping_neg())
}

/// The bit of `Search::inserted` that stands for a hash, of those that say least about where it lies.
#[inline(always)]
fn inserted_bit(hash: u64) -> usize {
    (hash >> 40) as usize % INSERTED_BITS
}

/// Whether a search may have found no row here, so that there certainly is none.
#[inline(always)]
pub fn is_no_row(start: *const u8) -> bool {
    start == no_row()
}

/// What may be touched like a row where nobody has looked for one yet.
#[inline(always)]
pub fn not_looked_for() -> *const u8 {
    NO_ROW[1..].as_ptr().cast()
}

/// Whether a row that begins here, or what stands for none, has that key.
#[inline(always)]
pub fn is_row_of(start: *const u8, id: u64) -> bool {
    // SAFETY: a row begins with its key, and `NO_ROW` is long enough.
    let key = unsafe { start.cast::<u64>().read_unaligned() };
    key == id && (start as usize).wrapping_sub(no_row() as usize) > size_of::<u64>()
}

/// Fetches the first `bytes` of every row; returns a mixture of what it read.
///
/// # Safety
/// All of `starts` begin rows of at least `bytes` bytes, or `NO_ROW`.
#[inline(never)]
unsafe fn touch_rows(starts: &[*const u8], bytes: usize) -> u64 {
    let last = bytes.clamp(8, TOUCH_BYTES_MAX) - 8;
    let (mut from, mut touched) = (0, 0);
    // SAFETY: all words lie inside the row's first `bytes`, or inside `NO_ROW`.
    unsafe {
        while from + WIDE_BYTES < last {
            touched |= touch_lines::<3>(starts, from, from + 3 * LINE_BYTES);
            from += 4 * LINE_BYTES;
        }
        // Words a line apart and the last one leave no line between them untouched.
        touched
            | match (last - from + LINE_BYTES - 8) / LINE_BYTES {
                0 | 1 => touch_lines::<1>(starts, from, last),
                2 => touch_lines::<2>(starts, from, last),
                3 => touch_lines::<3>(starts, from, last),
                _ => touch_lines::<4>(starts, from, last),
            }
    }
}

/// Reads a word of each of so many lines of every row, and the word at `last`. A row at a time, whose lines the processor
/// expects one after another; and the fewer instructions a load, the more loads its window holds.
///
/// # Safety
/// All of `starts` begin what is at least 8 bytes longer than each of these offsets.
#[inline(always)]
unsafe fn touch_lines<const LINES: usize>(starts: &[*const u8], from: usize, last: usize) -> u64 {
    debug_assert!(from + (LINES - 1) * LINE_BYTES <= last);
    let row = |start: *const u8| {
        // SAFETY: the caller's promise.
        let word = |at| unsafe { start.add(at).cast::<u64>().read_unaligned() };
        (0..LINES).fold(word(last), |touched, line| touched | word(from + line * LINE_BYTES))
    };
    let fours = starts.chunks_exact(4);
    let rest = fours.remainder();
    let touched = fours.fold(0, |touched, four| {
        touched | row(four[0]) | row(four[1]) | row(four[2]) | row(four[3])
    });
    rest.iter().fold(touched, |touched, &start| touched | row(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_row_is_read_and_nothing_behind_it() {
        let mut memory = vec![0_u64; 128];
        let address = memory.as_mut_ptr() as usize;
        for bytes in (8..=600).step_by(4) {
            for begin in (0..LINE_BYTES).step_by(4).map(|by| address.next_multiple_of(64) + by) {
                for line in begin / LINE_BYTES..=(begin + bytes - 1) / LINE_BYTES {
                    let marked = (line * LINE_BYTES).max(begin)..begin + bytes;
                    let marked = marked.start..marked.end.min((line + 1) * LINE_BYTES);
                    // Each word read shows, for the words of a line's marks differ.
                    for (at, byte) in marked.clone().enumerate() {
                        // SAFETY: the row lies inside `memory`.
                        unsafe { (byte as *mut u8).write(at as u8 + 1) };
                    }
                    // SAFETY: as above.
                    let touched = unsafe { touch_rows(&[begin as *const u8], bytes) };
                    assert_ne!(touched, 0, "{bytes} bytes at {begin}, line {line}");
                    memory.fill(0);
                }
                memory.fill(u64::MAX);
                let row = begin as *mut u8;
                // SAFETY: as above.
                unsafe { row.write_bytes(0, bytes) };
                // SAFETY: as above.
                assert_eq!(unsafe { touch_rows(&[row], bytes) }, 0);
                memory.fill(0);
            }
        }
    }
}
