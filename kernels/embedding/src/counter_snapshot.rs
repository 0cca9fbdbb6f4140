//! Admission counters as they were when a snapshot began, written a few lines at a time while counting goes on.
//!
//! Counts are added to the newest generation alone. Of it, a line is copied aside before it changes for the first time; of
//! the others, one that is emptied to become the newest is set aside whole. The rest is read where it is. What is
//! aside comes on top of the table's limit, as the rows that a snapshot copies aside do: at most as much again as the counters.

use crate::admission::{Line, EMPTY_LINE, GENERATIONS, LINE_ENTRIES};

/// A saved line: generation and line as u32, then tags and counts, all little-endian.
pub const SAVED_LINE_BYTES: usize = 8 + size_of::<Line>();

/// Counters being written.
pub struct CounterSnapshot {
    /// The newest generation when the snapshot began.
    newest: usize,
    /// Where writing goes on: how many generations are done, the oldest first, and a line of the next.
    done: usize,
    line: usize,
    /// Lines of the newest generation that were copied aside, a bit each.
    copied: Vec<u64>,
    /// Saved lines.
    aside: Vec<u8>,
    /// Generations that were emptied since, as they were.
    emptied: [Option<Vec<Line>>; GENERATIONS],
    /// Ran out of memory: what was written is not a snapshot.
    failed: bool,
}

impl CounterSnapshot {
    /// Of generations with `lines` lines each; `None` where there is no memory for it.
    pub fn new(newest: usize, lines: usize) -> Option<CounterSnapshot> {
        let mut copied = Vec::new();
        let words = lines.div_ceil(64);
        copied.try_reserve_exact(words).ok()?;
        copied.resize(words, 0);
        Some(CounterSnapshot {
            newest,
            done: 0,
            line: 0,
            copied,
            aside: Vec::new(),
            emptied: Default::default(),
            failed: false,
        })
    }

    /// Which generation is written after so many others.
    fn generation(&self, done: usize) -> usize {
        (self.newest + 1 + done) % GENERATIONS
    }

    /// A line is about to change.
    pub fn before_change(&mut self, generation: usize, line: usize, content: &Line) {
        let (word, bit) = (line / 64, 1 << (line % 64));
        let newest_done = GENERATIONS - 1;
        let written = self.done > newest_done || self.done == newest_done && line < self.line;
        let is_as_it_was = generation == self.newest && self.emptied[generation].is_none();
        if self.failed || !is_as_it_was || written || self.copied[word] & bit != 0 {
            return;
        }
        self.copied[word] |= bit;
        if self.aside.try_reserve(SAVED_LINE_BYTES).is_err() {
            self.failed = true;
            return;
        }
        save(generation, line, content, &mut self.aside);
    }

    /// A generation is about to be emptied: what is not written of it stays here, and `lines` is left without any.
    pub fn before_emptying(&mut self, generation: usize, lines: &mut Vec<Line>) {
        let written = (0..self.done).any(|done| self.generation(done) == generation);
        if !written && !self.failed && self.emptied[generation].is_none() {
            self.emptied[generation] = Some(std::mem::take(lines));
        }
    }

    /// Lines that are still to be written, at most. `generations` are those of now.
    pub fn lines_left(&self, generations: [&[Line]; GENERATIONS]) -> usize {
        let lines = |done| self.lines(self.generation(done), generations).len();
        let left: usize = (self.done..GENERATIONS).map(lines).sum();
        self.aside.len() / SAVED_LINE_BYTES + left.saturating_sub(self.line)
    }

    /// The lines of a generation as they were, but for those that are aside.
    fn lines<'a>(
        &'a self,
        generation: usize,
        generations: [&'a [Line]; GENERATIONS],
    ) -> &'a [Line] {
        self.emptied[generation].as_deref().unwrap_or(generations[generation])
    }

    /// Appends up to `lines_max` lines to `out`, which has room for them, 0 after the last; `None` where memory ran out.
    /// `generations` are those of now.
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
            if content.counts[0] != 0 && !is_aside {
                save(generation, self.line, &content, out);
                saved += 1;
            }
            self.line += 1;
        }
        Some(saved)
    }
}

fn save(generation: usize, line: usize, content: &Line, out: &mut Vec<u8>) {
    out.extend((generation as u32).to_le_bytes());
    out.extend((line as u32).to_le_bytes());
    out.extend(content.tags.iter().chain(&content.counts).flat_map(|word| word.to_le_bytes()));
}

/// Generation, line and content of the `SAVED_LINE_BYTES` of a saved line.
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
