//! Lines of the admission counters that changed since the last stored snapshot, and generations
//! that were emptied since. The cuts are those of `since_snapshot.rs`.

use crate::admission::GENERATIONS;

/// A bit for each line of each generation; a generation without changes has no words.
pub type LineBits = [Vec<u64>; GENERATIONS];

/// Changes of one period.
#[derive(Default)]
struct Period {
    changed: LineBits,
    /// Generations that were emptied, a bit each.
    emptied: u8,
    /// Memory for bits was short.
    lost: bool,
}

/// Changes since the last stored snapshot.
pub struct LineChanges {
    words: usize,
    recording: bool,
    /// Between the last stored snapshot and the last cut.
    before: Period,
    /// Since the last cut.
    since: Period,
}

impl LineChanges {
    /// No changes; nothing is recorded before the first cut.
    pub fn new(lines: usize) -> LineChanges {
        LineChanges {
            words: lines.div_ceil(64),
            recording: false,
            before: Period::default(),
            since: Period::default(),
        }
    }

    /// LineBits a line as changed.
    #[inline(always)]
    pub fn touch(&mut self, generation: usize, line: usize) {
        if !self.recording {
            return;
        }
        if self.since.changed[generation].is_empty() && !self.since.begin(generation, self.words) {
            return;
        }
        self.since.changed[generation][line / 64] |= 1 << (line % 64);
    }

    /// Notes that a generation was emptied.
    pub fn empty(&mut self, generation: usize) {
        for period in [&mut self.before, &mut self.since] {
            period.changed[generation] = Vec::new();
        }
        self.since.emptied |= 1 << generation;
    }

    /// Makes this moment a cut; returns the number of changed lines before it, `None` if they are
    /// not all known.
    pub fn cut(&mut self, stored: bool) -> Option<usize> {
        if stored {
            self.before = Period::default();
        }
        self.recording = true;
        let since = std::mem::take(&mut self.since);
        self.before.emptied |= since.emptied;
        self.before.lost |= since.lost;
        for (before, since) in self.before.changed.iter_mut().zip(since.changed) {
            if before.is_empty() {
                *before = since;
                continue;
            }
            before.iter_mut().zip(since).for_each(|(before, since)| *before |= since);
        }
        let words = self.before.changed.iter().flatten();
        let lines = words.map(|word| word.count_ones() as usize).sum();
        Some(lines).filter(|_| !self.before.lost)
    }

    /// The lines that changed before the last cut.
    pub fn changed(&self) -> &LineBits {
        &self.before.changed
    }

    /// The generations that were emptied before the last cut, a bit each.
    pub fn emptied(&self) -> u8 {
        self.before.emptied
    }
}

impl Period {
    #[cold]
    fn begin(&mut self, generation: usize, words: usize) -> bool {
        let changed = &mut self.changed[generation];
        if changed.try_reserve_exact(words).is_err() {
            self.lost = true;
            return false;
        }
        changed.resize(words, 0);
        true
    }
}
