//! Lookups of rows, a chunk of ids at a time: ask the memo, search the index for the ids that it
//! does not know, fetch all candidate rows, verify their keys, and add the searched ids to the
//! memo.

use crate::page::Row;
use crate::row_memo::CHUNK;
use crate::row_starts::{is_no_row, is_row_of};
use crate::row_store::RowStore;
use crate::search::PASS;

/// Candidate rows of a chunk: the address of each row's first byte or of the stand-in for no row,
/// and handles if they are needed.
pub struct Candidates {
    starts: [*const u8; CHUNK],
    handles: [u32; CHUNK],
}

impl Candidates {
    /// An empty chunk.
    pub fn new() -> Candidates {
        Candidates { starts: [std::ptr::null(); CHUNK], handles: [0; CHUNK] }
    }
}

impl RowStore {
    /// Finds up to `PASS` ids; `found[i]` is `Row::NONE` if id i has no row.
    ///
    /// `recent`: number of a recent lookup, and the index there of the first of these ids.
    #[inline]
    pub fn find_pass(
        &mut self,
        ids: &[u64],
        recent: Option<(usize, usize)>,
        found: &mut [Row; PASS],
    ) {
        let ids = &ids[..ids.len().min(PASS)];
        let unknown = match recent {
            Some((lookup, first)) => self.look_up_again(lookup, first, ids),
            None => self.look_for::<true>(ids),
        };
        self.fetch(0, ids.len(), self.layout.stride);
        self.remember(0, unknown, ids.len());
        for (at, (row, &id)) in found.iter_mut().zip(ids).enumerate() {
            let (start, handle) = (self.candidates.starts[at], self.candidates.handles[at]);
            *row = match is_row_of(start, id) {
                // SAFETY: its key says that a row of this handle begins there.
                true => unsafe { Row::starting_at(start.cast_mut(), handle, &self.layout) },
                false => self.find_otherwise(start, id),
            };
        }
    }

    /// Calls `read` in order with the address of each id's row, null if it has none; the caller
    /// reads the first `bytes` of each row. With `learns` the rows are remembered for an update.
    #[inline(always)]
    pub fn read(
        &mut self,
        ids: &[u64],
        bytes: usize,
        learns: bool,
        mut read: impl FnMut(*const u8),
    ) {
        let bytes = bytes.min(self.layout.stride);
        let remembers = learns && self.recent.begin(ids, self.removals, self.memory.bytes_max());
        for ids in ids.chunks(CHUNK) {
            let unknown = match remembers {
                true => self.look_for::<true>(ids),
                false => self.look_for::<false>(ids),
            };
            if remembers {
                let Candidates { starts, handles } = &*self.candidates;
                for found in starts.iter().copied().zip(handles.iter().copied()).take(ids.len()) {
                    self.recent.add(found);
                }
            }
            let mut remembered = 0;
            for first in (0..ids.len()).step_by(PASS) {
                let end = ids.len().min(first + PASS);
                self.fetch(first, end, bytes);
                remembered = self.remember(remembered, unknown, end);
                for (at, &id) in (first..end).zip(&ids[first..end]) {
                    let start = self.candidates.starts[at % CHUNK];
                    read(match is_row_of(start, id) {
                        true => start,
                        false => self.find_otherwise(start, id).start,
                    });
                }
            }
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
            for (pass, ids) in ids.chunks(PASS).enumerate() {
                // SAFETY: the view is of this moment.
                unsafe { search.find(&view, ids) };
                for number in 0..ids.len() {
                    let at = (pass * PASS + number) % CHUNK;
                    starts[at] = search.start(number);
                    if HANDLES {
                        handles[at] = search.handle(number);
                    }
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
        // In equal parts, since a search for few ids takes nearly as long as one for many.
        let part = unknown.div_ceil(unknown.div_ceil(PASS).max(1)).max(1);
        for first in (0..unknown).step_by(part) {
            let ids = memo.unknown_ids(first, unknown.min(first + part));
            // SAFETY: as above.
            unsafe { search.find(&view, ids) };
            for number in 0..ids.len() {
                let at = memo.position(first + number);
                (starts[at], handles[at]) = (search.start(number), search.handle(number));
            }
        }
    }

    /// Fetches the first `bytes` of the candidates of ids `first` to `end` of the chunk.
    #[inline(always)]
    fn fetch(&mut self, first: usize, end: usize, bytes: usize) {
        // SAFETY: candidates are rows, none of which is shorter than the stride, or the stand-in
        // for no row.
        unsafe { self.search.fetch(&self.candidates.starts[first..end], bytes) }
    }

    /// Adds to the memo the rows of unknown ids from number `first` on (of `unknown` in all) that
    /// precede index `end` of the chunk. Returns the number of the next.
    #[inline(always)]
    fn remember(&mut self, first: usize, unknown: usize, end: usize) -> usize {
        for number in first..unknown {
            let at = self.memo.position(number);
            if at >= end {
                return number;
            }
            let (id, start) = (self.memo.unknown_id(number), self.candidates.starts[at]);
            if is_row_of(start, id) {
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
