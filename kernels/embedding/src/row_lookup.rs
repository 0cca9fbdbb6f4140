//! Lookups of rows, a chunk of ids at a time: ask the memo, search the index for the ids that it
//! does not know, fetch all candidate rows, verify their keys, and add the searched ids to the
//! memo. An update looks for a chunk of ids too, and takes their rows a pass at a time: the unknown
//! ids of one pass are too few for a search of their own (3 % of an update on Intel).
//!
//! Each step is a loop of its own in a function of its own. With verification and copies in one
//! loop body, V8 kept most variables of the loop in memory: lookups of dim 16 took 3 ns an id more
//! in cache, and 2 to 11 ns more else.

use crate::page::Row;
use crate::row_memo::CHUNK;
use crate::row_starts::{is_no_row, is_row_of, no_row};
use crate::row_store::RowStore;
use crate::search::{fetched_at_once, WRITTEN_PASS};

/// Candidate rows of a chunk: the address of each row's first byte or of the stand-in for no row,
/// and handles if they are needed. Once verified, a candidate is the row of its id, or none.
pub struct Candidates {
    starts: [*const u8; CHUNK],
    handles: [u32; CHUNK],
}

/// The ids of an update for which `Candidates` are valid.
pub struct Sought {
    first: usize,
    end: usize,
    /// Ids that the memo did not know, and how many of them were added to it.
    unknown: usize,
    remembered: usize,
    /// Removals of rows when they were sought.
    removals: u64,
}

impl Sought {
    /// None so far.
    pub fn none(removals: u64) -> Sought {
        Sought { first: 0, end: 0, unknown: 0, remembered: 0, removals }
    }
}

impl Candidates {
    /// An empty chunk.
    pub fn new() -> Candidates {
        Candidates { starts: [std::ptr::null(); CHUNK], handles: [0; CHUNK] }
    }
}

impl RowStore {
    /// Finds the ids of one pass, `WRITTEN_PASS` of `ids` from index `first` on; `found[i]` is
    /// `Row::NONE` if id i of the pass has no row. `sought` is of the pass before, or new.
    #[inline]
    pub fn find_pass(
        &mut self,
        ids: &[u64],
        first: usize,
        sought: &mut Sought,
        found: &mut [Row; WRITTEN_PASS],
    ) {
        if first >= sought.end || sought.removals != self.removals {
            self.seek(ids, first, sought);
        }
        let pass = &ids[first..ids.len().min(first + WRITTEN_PASS)];
        let from = first - sought.first;
        let to = from + pass.len();
        self.fetch(from, to, self.layout.stride);
        self.verify(from, pass);
        sought.remembered = self.remember(sought.remembered, sought.unknown, to);
        let Candidates { starts, handles } = &*self.candidates;
        let candidates = starts[from..to].iter().zip(&handles[from..to]);
        for (row, (&start, &handle)) in found.iter_mut().zip(candidates) {
            *row = match is_no_row(start) {
                true => Row::NONE,
                // SAFETY: verified: a row of this handle begins there.
                false => unsafe { Row::starting_at(start.cast_mut(), handle, &self.layout) },
            };
        }
    }

    /// Finds all ids, as an update does that neither inserts nor removes.
    #[cfg(test)]
    pub fn find_all(&mut self, ids: &[u64]) -> Vec<Row> {
        let mut sought = Sought::none(self.removals);
        let passes = (0..ids.len()).step_by(WRITTEN_PASS).flat_map(|first| {
            let mut found = [Row::NONE; WRITTEN_PASS];
            self.find_pass(ids, first, &mut sought, &mut found);
            found
        });
        passes.take(ids.len()).collect()
    }

    /// Finds candidates for the next ids: a chunk of them, or one pass where the pass before
    /// removed rows, after which candidates may be rows of other ids.
    #[inline(never)]
    fn seek(&mut self, ids: &[u64], first: usize, sought: &mut Sought) {
        let count = if sought.removals == self.removals { CHUNK } else { WRITTEN_PASS };
        let end = ids.len().min(first + count);
        let some = &ids[first..end];
        let unknown = match self.recent.of(ids, self.removals) {
            Some(lookup) => self.look_up_again(lookup, first, some),
            None => self.look_for::<true>(some),
        };
        *sought = Sought { first, end, unknown, remembered: 0, removals: self.removals };
    }

    /// Calls `read` for some ids at a time in order, with the index of the first, the addresses of
    /// their rows (`no_row()` for an id without one) and the number of ids without a row. The
    /// caller reads the first `bytes` of each row. With `learns` the rows are remembered for an
    /// update.
    #[inline(always)]
    pub fn read(
        &mut self,
        ids: &[u64],
        bytes: usize,
        learns: bool,
        mut read: impl FnMut(usize, &[*const u8], usize),
    ) {
        let bytes = bytes.min(self.layout.stride);
        let remembers = learns && self.recent.begin(ids, self.removals, self.memory.bytes_max());
        let fetched = fetched_at_once(bytes);
        for (chunk, ids) in ids.chunks(CHUNK).enumerate() {
            let unknown = self.look_for_chunk(ids, remembers);
            let mut remembered = 0;
            for first in (0..ids.len()).step_by(fetched) {
                let end = ids.len().min(first + fetched);
                self.fetch(first, end, bytes);
                let absent = self.verify(first, &ids[first..end]);
                remembered = self.remember(remembered, unknown, end);
                read(chunk * CHUNK + first, &self.candidates.starts[first..end], absent);
            }
        }
    }

    /// As `look_for`; with `remembers` the candidates are added to the recent lookup that began.
    #[inline(never)]
    fn look_for_chunk(&mut self, ids: &[u64], remembers: bool) -> usize {
        if !remembers {
            return self.look_for::<false>(ids);
        }
        let unknown = self.look_for::<true>(ids);
        let Candidates { starts, handles } = &*self.candidates;
        for found in starts.iter().copied().zip(handles.iter().copied()).take(ids.len()) {
            self.recent.add(found);
        }
        unknown
    }

    /// Replaces candidates that are not the row of their id, for `ids` from index `first` of the
    /// chunk on. Returns the number of ids without a row.
    #[inline(never)]
    fn verify(&mut self, first: usize, ids: &[u64]) -> usize {
        let end = first + ids.len();
        let (mut at, mut absent) = (first, 0);
        loop {
            let candidates = self.candidates.starts[at..end].iter().zip(&ids[at - first..]);
            let wrong = candidates.enumerate().find(|(_, (&start, &id))| !is_row_of(start, id));
            let Some((right, (&start, &id))) = wrong else { return absent };
            at += right;
            let row = self.find_otherwise(start, id);
            absent += usize::from(!row.exists());
            self.candidates.starts[at] = if row.exists() { row.start } else { no_row() };
            self.candidates.handles[at] = row.handle;
            at += 1;
        }
    }

    /// Finds candidate rows of up to `CHUNK` ids. Returns how many ids the memo did not know. Their
    /// handles are set in any case; with `HANDLES` those of all ids are.
    #[inline]
    fn look_for<const HANDLES: bool>(&mut self, ids: &[u64]) -> usize {
        let view = self.view();
        let RowStore { memo, candidates, search, .. } = self;
        let Candidates { starts, handles } = &mut **candidates;
        let unknown = memo.recall(ids, |at, start, handle| {
            starts[at % CHUNK] = start;
            if HANDLES {
                handles[at % CHUNK] = handle;
            }
        });
        let Some(unknown) = unknown else {
            // SAFETY: the view is of this moment.
            unsafe { search.find(&view, ids) };
            for at in 0..ids.len().min(CHUNK) {
                starts[at] = search.start(at);
                if HANDLES {
                    handles[at] = search.handle(at);
                }
            }
            return 0;
        };
        self.search_for_unknown(unknown);
        unknown
    }

    /// Takes the candidates of a recent lookup, and searches for ids that had none then.
    #[inline]
    fn look_up_again(&mut self, lookup: usize, first: usize, ids: &[u64]) -> usize {
        let RowStore { memo, candidates, recent, .. } = self;
        let mut absent = 0;
        for (at, &id) in ids.iter().enumerate() {
            let (start, handle) = recent.found(lookup, first + at);
            (candidates.starts[at % CHUNK], candidates.handles[at % CHUNK]) = (start, handle);
            memo.list_unknown(absent, at, id);
            absent += usize::from(is_no_row(start));
        }
        self.search_for_unknown(absent);
        absent
    }

    /// Searches for the first `unknown` ids that the memo lists.
    #[inline]
    fn search_for_unknown(&mut self, unknown: usize) {
        let view = self.view();
        let RowStore { memo, candidates, search, .. } = self;
        let Candidates { starts, handles } = &mut **candidates;
        // SAFETY: the view is of this moment.
        unsafe { search.find(&view, memo.unknown_ids(unknown)) };
        for number in 0..unknown {
            let at = memo.position(number);
            (starts[at], handles[at]) = (search.start(number), search.handle(number));
        }
    }

    /// Fetches the first `bytes` of the candidates of ids `first` to `end` of the chunk.
    #[inline(always)]
    fn fetch(&mut self, first: usize, end: usize, bytes: usize) {
        // SAFETY: candidates are rows, none of which is shorter than the stride, or the stand-in
        // for no row.
        unsafe { self.search.fetch(&self.candidates.starts[first..end], bytes) }
    }

    /// Adds to the memo the verified rows of unknown ids from number `first` on (of `unknown` in
    /// all) that precede index `end` of the chunk. Returns the number of the next.
    #[inline(always)]
    fn remember(&mut self, first: usize, unknown: usize, end: usize) -> usize {
        for number in first..unknown {
            let at = self.memo.position(number);
            if at >= end {
                return number;
            }
            let start = self.candidates.starts[at];
            if !is_no_row(start) {
                let id = self.memo.unknown_id(number);
                self.memo.remember(id, start, self.candidates.handles[at]);
            }
        }
        unknown
    }

    /// The row of an id whose candidate is not its row: it is the row of another id, or none.
    #[cold]
    #[inline(never)]
    fn find_otherwise(&mut self, candidate: *const u8, id: u64) -> Row {
        if is_no_row(candidate) {
            return Row::NONE;
        }
        let row = self.find(id);
        if row.exists() {
            self.memo.remember(id, row.start, row.handle);
        }
        row
    }
}
