//! Snapshots of the admission counters as of their start, written a few lines at a time while
//! counting continues.
//!
//! Counts are added to the newest generation only. A line of that generation is copied aside before
//! its first change. If another generation is emptied to become the newest, it is set aside whole.
//! All else is read in place. The copies come on top of the table's limit, as the rows that a
//! snapshot copies aside do; they take at most as much memory as the counters.

use crate::admission::{Line, EMPTY_LINE, GENERATIONS, LINE_ENTRIES};
use crate::line_changes::LineBits;

/// A saved line: generation and line as u32, then tags and counts, all little-endian.
pub const SAVED_LINE_BYTES: usize = 8 + size_of::<Line>();

/// A snapshot under way.
pub struct CounterSnapshot {
    /// The newest generation when the snapshot began.
    newest: usize,
    /// The next line to write: number of generations done, the oldest first, and line in the next
    /// one.
    done: usize,
    line: usize,
    /// The lines of an increment; `None` = all lines.
    changed: Option<LineBits>,
    /// Lines of the newest generation that were copied aside, a bit each.
    copied: Vec<u64>,
    /// Lines copied aside, in saved form.
    aside: Vec<u8>,
    /// Generations that were emptied since the start, as they were.
    emptied: [Option<Vec<Line>>; GENERATIONS],
    /// Ran out of memory; the lines written so far are not a snapshot.
    failed: bool,
}

impl CounterSnapshot {
    /// A snapshot of generations with `lines` lines each, or of the changed lines; `None`
    /// if there is no memory for it.
    pub fn new(newest: usize, lines: usize, changed: Option<&LineBits>) -> Option<CounterSnapshot> {
        let changed = match changed {
            Some(changed) => Some(copy_of(changed)?),
            None => None,
        };
        let mut copied = Vec::new();
        let words = lines.div_ceil(64);
        copied.try_reserve_exact(words).ok()?;
        copied.resize(words, 0);
        Some(CounterSnapshot {
            newest,
            done: 0,
            line: 0,
            changed,
            copied,
            aside: Vec::new(),
            emptied: Default::default(),
            failed: false,
        })
    }

    /// Whether the snapshot has the line.
    fn holds(&self, generation: usize, line: usize) -> bool {
        let Some(changed) = &self.changed else { return true };
        changed[generation].get(line / 64).is_some_and(|word| word >> (line % 64) & 1 == 1)
    }

    /// The generation that is written after `done` others.
    fn generation(&self, done: usize) -> usize {
        (self.newest + 1 + done) % GENERATIONS
    }

    /// Called before a line changes.
    pub fn before_change(&mut self, generation: usize, line: usize, content: &Line) {
        let (word, bit) = (line / 64, 1 << (line % 64));
        let newest_done = GENERATIONS - 1;
        let written = self.done > newest_done || self.done == newest_done && line < self.line;
        let is_as_it_was = generation == self.newest && self.emptied[generation].is_none();
        let is_needed = !written && self.holds(generation, line);
        if self.failed || !is_as_it_was || !is_needed || self.copied[word] & bit != 0 {
            return;
        }
        self.copied[word] |= bit;
        if self.aside.try_reserve(SAVED_LINE_BYTES).is_err() {
            self.failed = true;
            return;
        }
        save(generation, line, content, &mut self.aside);
    }

    /// Called before a generation is emptied: takes its lines, leaving `lines` empty, if some are
    /// not written yet.
    pub fn before_emptying(&mut self, generation: usize, lines: &mut Vec<Line>) {
        let written = (0..self.done).any(|done| self.generation(done) == generation);
        if !written && !self.failed && self.emptied[generation].is_none() {
            self.emptied[generation] = Some(std::mem::take(lines));
        }
    }

    /// Called before a line of any generation changes: copies the lines of an older generation, of
    /// which no other change is expected, if some are not written yet.
    pub fn before_removal(&mut self, generation: usize, lines: &[Line]) {
        let written = (0..self.done).any(|done| self.generation(done) == generation);
        let is_as_it_was = generation != self.newest && self.emptied[generation].is_none();
        if written || self.failed || !is_as_it_was {
            return;
        }
        let mut copy = Vec::new();
        if copy.try_reserve_exact(lines.len()).is_err() {
            self.failed = true;
            return;
        }
        copy.extend_from_slice(lines);
        self.emptied[generation] = Some(copy);
    }

    /// Upper bound of the lines still to be written. `generations` are the current ones.
    pub fn lines_left(&self, generations: [&[Line]; GENERATIONS]) -> usize {
        let lines = |done| self.lines(self.generation(done), generations).len();
        let left: usize = (self.done..GENERATIONS).map(lines).sum();
        self.aside.len() / SAVED_LINE_BYTES + left.saturating_sub(self.line)
    }

    /// The lines of a generation as of the start, except those copied aside.
    fn lines<'a>(
        &'a self,
        generation: usize,
        generations: [&'a [Line]; GENERATIONS],
    ) -> &'a [Line] {
        self.emptied[generation].as_deref().unwrap_or(generations[generation])
    }

    /// Appends up to `lines_max` lines to `out`, which has room for them. Returns their number, 0
    /// after the last, `None` if memory ran out. `generations` are the current ones.
    pub fn next(
        &mut self,
        generations: [&[Line]; GENERATIONS],
        lines_max: usize,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        if self.failed {
            return None;
        }
        let kept = (self.aside.len() / SAVED_LINE_BYTES).min(lines_max);
        out.extend(self.aside.drain(self.aside.len() - kept * SAVED_LINE_BYTES..));
        let mut saved = kept;
        while saved < lines_max && self.done < GENERATIONS {
            let generation = self.generation(self.done);
            let Some(&content) = self.lines(generation, generations).get(self.line) else {
                self.emptied[generation] = None;
                (self.done, self.line) = (self.done + 1, 0);
                continue;
            };
            let is_aside = generation == self.newest
                && self.copied[self.line / 64] >> (self.line % 64) & 1 == 1;
            let holds = self.holds(generation, self.line);
            if !content.is_unused() && holds && !is_aside {
                save(generation, self.line, &content, out);
                saved += 1;
            }
            self.line += 1;
        }
        Some(saved)
    }
}

/// A copy; `None` if there is no memory for it.
fn copy_of(changed: &LineBits) -> Option<LineBits> {
    let mut copy = LineBits::default();
    for (copy, changed) in copy.iter_mut().zip(changed) {
        copy.try_reserve_exact(changed.len()).ok()?;
        copy.extend_from_slice(changed);
    }
    Some(copy)
}

/// Appends a line in saved form.
pub fn save(generation: usize, line: usize, content: &Line, out: &mut Vec<u8>) {
    out.extend((generation as u32).to_le_bytes());
    out.extend((line as u32).to_le_bytes());
    out.extend(content.tags.iter().chain(&content.counts).flat_map(|word| word.to_le_bytes()));
}

/// Decodes a saved line of `SAVED_LINE_BYTES` bytes: generation, line and content.
pub fn read(saved: &[u8]) -> (usize, usize, Line) {
    let number = |at: usize| {
        u32::from_le_bytes([saved[at], saved[at + 1], saved[at + 2], saved[at + 3]]) as usize
    };
    let word = |at: usize| u16::from_le_bytes([saved[8 + 2 * at], saved[9 + 2 * at]]);
    let mut content = EMPTY_LINE;
    content.tags = core::array::from_fn(word);
    content.counts = core::array::from_fn(|entry| word(LINE_ENTRIES + entry));
    (number(0), number(4), content)
}
