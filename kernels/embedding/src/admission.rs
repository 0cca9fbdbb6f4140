//! Admission: most ids of a stream occur a few times and never again, and a row for each would fill
//! the memory. An id gets a row after a number of occurrences.
//!
//! The counter stores the occurrences of ids without a row in bounded memory: four generations of
//! 64-byte lines with a 16-bit tag and a 16-bit count an entry. When the newest generation is full,
//! the oldest is emptied and becomes the newest; an increased count moves into the newest
//! generation. So an id is forgotten after between 3/4 of `ids_max` and `ids_max` other ids were
//! counted since its last occurrence. The tag of another id is taken for an id's own in at most 0.1
//! % of first occurrences (48 tags read of 65,536); that admits the id early, never late.

use crate::counter_snapshot::{self, CounterSnapshot, SAVED_LINE_BYTES};
use crate::line_changes::LineChanges;
use crate::mixing::mix64;

/// The greatest threshold that a count can reach.
pub const THRESHOLD_MAX: u32 = u16::MAX as u32;

/// Generations of counts.
pub const GENERATIONS: usize = 4;
/// Counts in a line.
pub const LINE_ENTRIES: usize = 16;
const COUNTER_SALT: u64 = 0xBB67_AE85_84CA_A73B;
const CHANCE_SALT: u64 = 0x3C6E_F372_FE94_F82B;

/// Tag of a removed entry, whose count is 0. A free entry has tag and count 0.
const REMOVED: u16 = 1;

/// A cache line of counts; a count of 0 is an entry that is free or removed.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Line {
    /// 16 bits of the hash of each counted id.
    pub tags: [u16; LINE_ENTRIES],
    /// Occurrences.
    pub counts: [u16; LINE_ENTRIES],
}

const _: () = assert!(size_of::<Line>() == 64);

/// A line without counts.
pub const EMPTY_LINE: Line = Line { tags: [0; LINE_ENTRIES], counts: [0; LINE_ENTRIES] };

impl Line {
    /// Whether no entry was ever used: entries fill from the left.
    pub fn is_unused(&self) -> bool {
        self.counts[0] == 0 && self.tags[0] != REMOVED
    }
}

/// The reason why saved lines are refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RestoreError {
    /// The bytes are not saved lines of a counter of this size.
    Malformed,
    /// The host refuses the memory for them.
    OutOfMemory,
}

/// The end of a search.
enum Entry {
    Held(usize, usize),
    Free(usize, usize),
}

#[derive(Clone, Default)]
struct Generation {
    lines: Vec<Line>,
    held: usize,
}

impl Generation {
    /// Allocates the lines if it has none; false if there is no memory for them.
    #[inline(always)]
    fn begin(&mut self, lines: usize) -> bool {
        if self.lines.is_empty() {
            if self.lines.try_reserve_exact(lines).is_err() {
                return false;
            }
            self.lines.resize(lines, EMPTY_LINE);
        }
        true
    }

    fn find(&self, hash: u64) -> Entry {
        let tag = hash as u16;
        let lines = self.lines.len();
        let mut at = (((hash >> 32) * lines as u64) >> 32) as usize;
        loop {
            let line = &self.lines[at];
            // Entries fill from the left, and a forgotten one stays, so the first free one ends the
            // search.
            for entry in 0..LINE_ENTRIES {
                match line.counts[entry] {
                    0 if line.tags[entry] == REMOVED => {}
                    0 => return Entry::Free(at, entry),
                    _ if line.tags[entry] == tag => return Entry::Held(at, entry),
                    _ => {}
                }
            }
            at = if at + 1 == lines { 0 } else { at + 1 };
        }
    }
}

/// Occurrences of ids without a row.
pub struct AdmissionCounter {
    generations: [Generation; GENERATIONS],
    newest: usize,
    lines: usize,
    /// The snapshot under way.
    snapshot: Option<CounterSnapshot>,
    /// Lines changed since the last stored snapshot.
    changes: LineChanges,
}

impl AdmissionCounter {
    /// Counts up to `ids_max` recent ids; takes 5.4 bytes an id, from the first use on.
    pub fn new(ids_max: usize) -> AdmissionCounter {
        let entries = ids_max.div_ceil(GENERATIONS).max(1).saturating_mul(4).div_ceil(3);
        let lines = entries.div_ceil(LINE_ENTRIES);
        AdmissionCounter {
            generations: Default::default(),
            newest: 0,
            lines,
            snapshot: None,
            changes: LineChanges::new(lines),
        }
    }

    /// Adds occurrences of an id and returns the number known before, at most [`THRESHOLD_MAX`]. If
    /// the host refuses the memory for them, they are not stored.
    pub fn add(&mut self, id: u64, occurrences: u32) -> u32 {
        let hash = mix64(id ^ COUNTER_SALT);
        let before = self.count(hash);
        let after = before.saturating_add(occurrences).min(THRESHOLD_MAX) as u16;
        if after == 0 {
            return before;
        }
        let newest = &mut self.generations[self.newest];
        if !newest.begin(self.lines) {
            return before;
        }
        let entry = newest.find(hash);
        let (Entry::Held(line, _) | Entry::Free(line, _)) = entry;
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.before_change(self.newest, line, &newest.lines[line]);
        }
        self.changes.touch(self.newest, line);
        match entry {
            Entry::Held(line, entry) => newest.lines[line].counts[entry] = after,
            Entry::Free(line, entry) => {
                newest.lines[line].tags[entry] = hash as u16;
                newest.lines[line].counts[entry] = after;
                newest.held += 1;
                if newest.held * 4 >= self.lines * LINE_ENTRIES * 3 {
                    self.rotate();
                }
            }
        }
        before
    }

    /// Removes the occurrences of an id, and its tag, in all generations. The entry stays occupied
    /// until its generation is emptied.
    pub fn remove(&mut self, id: u64) {
        let hash = mix64(id ^ COUNTER_SALT);
        for number in 0..GENERATIONS {
            let generation = &mut self.generations[number];
            if generation.held == 0 {
                continue;
            }
            let Entry::Held(line, entry) = generation.find(hash) else { continue };
            if let Some(snapshot) = &mut self.snapshot {
                snapshot.before_change(number, line, &generation.lines[line]);
                snapshot.before_removal(number, &generation.lines);
            }
            generation.lines[line].tags[entry] = REMOVED;
            generation.lines[line].counts[entry] = 0;
            self.changes.touch(number, line);
        }
    }

    /// Bytes that it takes once all generations are in use.
    pub fn bytes_max(&self) -> usize {
        GENERATIONS * self.lines * size_of::<Line>()
    }

    /// The newest generation that has the id determines its count.
    fn count(&self, hash: u64) -> u32 {
        for age in 0..GENERATIONS {
            let generation = &self.generations[(self.newest + GENERATIONS - age) % GENERATIONS];
            if generation.held == 0 {
                continue;
            }
            if let Entry::Held(line, entry) = generation.find(hash) {
                return u32::from(generation.lines[line].counts[entry]);
            }
        }
        0
    }

    fn rotate(&mut self) {
        self.newest = (self.newest + 1) % GENERATIONS;
        let oldest = &mut self.generations[self.newest];
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.before_emptying(self.newest, &mut oldest.lines);
        }
        oldest.lines.fill(EMPTY_LINE);
        oldest.held = 0;
        self.changes.empty(self.newest);
    }

    /// The number of the newest generation.
    pub fn newest(&self) -> usize {
        self.newest
    }

    /// Makes this moment a cut; see [`LineChanges::cut`].
    pub fn cut(&mut self, stored: bool) -> Option<usize> {
        self.changes.cut(stored)
    }

    /// Makes this moment a cut whose snapshot is stored.
    pub fn settle(&mut self) {
        self.changes.cut(false);
        self.changes.cut(true);
    }

    /// The generations that were emptied between the last stored snapshot and the last cut, a bit
    /// each.
    pub fn emptied(&self) -> u8 {
        self.changes.emptied()
    }

    /// Empties the generations of an increment that is about to be restored, and sets the newest
    /// one. False if there is none of this number.
    #[must_use]
    pub fn restore_emptied(&mut self, newest: usize, emptied: u8) -> bool {
        if newest >= GENERATIONS {
            return false;
        }
        self.newest = newest;
        for (number, generation) in self.generations.iter_mut().enumerate() {
            if emptied >> number & 1 == 1 {
                generation.lines.fill(EMPTY_LINE);
                generation.held = 0;
            }
        }
        true
    }

    /// Starts writing the counts of this moment, or the lines among them that changed before it;
    /// see `next_saved_lines`. False if there is no memory for that.
    #[must_use]
    pub fn begin_snapshot(&mut self, is_increment: bool) -> bool {
        let changed = is_increment.then(|| self.changes.changed());
        self.snapshot = CounterSnapshot::new(self.newest, self.lines, changed);
        self.snapshot.is_some()
    }

    /// Ends the snapshot, complete or not.
    pub fn end_snapshot(&mut self) {
        self.snapshot = None;
    }

    /// Upper bound of the lines that the snapshot has still to write.
    pub fn saved_lines_left(&self) -> usize {
        self.snapshot
            .as_ref()
            .map_or(0, |snapshot| snapshot.lines_left(lines_of(&self.generations)))
    }

    /// Appends up to `lines_max` saved lines to `out`, which has room for them, each as it was when
    /// the snapshot began. Returns their number, 0 after the last, `None` if no snapshot is under
    /// way or memory ran out.
    pub fn next_saved_lines(&mut self, lines_max: usize, out: &mut Vec<u8>) -> Option<usize> {
        self.snapshot.as_mut()?.next(lines_of(&self.generations), lines_max, out)
    }

    /// Upper bound of the lines that [`export`](Self::export) gives.
    pub fn lines_in_use(&self) -> usize {
        self.generations.iter().map(|generation| generation.held.min(generation.lines.len())).sum()
    }

    /// Appends the lines with counts from number `cursor` on, over all generations, at most
    /// `lines_max`, in saved form to `out`, which has room for them. Returns the cursor of the
    /// next line; `None` = done.
    pub fn export(&self, cursor: usize, lines_max: usize, out: &mut Vec<u8>) -> Option<usize> {
        let mut lines = 0;
        for at in cursor..GENERATIONS * self.lines {
            let (generation, line) = (at / self.lines, at % self.lines);
            let Some(content) = self.generations[generation].lines.get(line) else { continue };
            if content.is_unused() {
                continue;
            }
            if lines == lines_max {
                return Some(at);
            }
            counter_snapshot::save(generation, line, content, out);
            lines += 1;
        }
        None
    }

    /// Restores the saved lines of a counter of the same size, whose newest generation is `newest`.
    pub fn restore(&mut self, newest: usize, saved: &[u8]) -> Result<(), RestoreError> {
        if newest >= GENERATIONS || saved.len() % SAVED_LINE_BYTES != 0 {
            return Err(RestoreError::Malformed);
        }
        self.newest = newest;
        for saved in saved.chunks_exact(SAVED_LINE_BYTES) {
            let (generation, line, content) = counter_snapshot::read(saved);
            let generation = self.generations.get_mut(generation).ok_or(RestoreError::Malformed)?;
            if line >= self.lines {
                return Err(RestoreError::Malformed);
            }
            if !generation.begin(self.lines) {
                return Err(RestoreError::OutOfMemory);
            }
            let before = held_entries(&generation.lines[line]);
            let held = generation.held - before + held_entries(&content);
            // A search ends at a free entry.
            if held * 4 > self.lines * LINE_ENTRIES * 3 + 4 {
                return Err(RestoreError::Malformed);
            }
            generation.lines[line] = content;
            generation.held = held;
        }
        Ok(())
    }
}

fn lines_of(generations: &[Generation; GENERATIONS]) -> [&[Line]; GENERATIONS] {
    generations.each_ref().map(|generation| generation.lines.as_slice())
}

/// Entries that are not free.
fn held_entries(line: &Line) -> usize {
    line.counts
        .iter()
        .zip(&line.tags)
        .filter(|&(&count, &tag)| count != 0 || tag == REMOVED)
        .count()
}

/// The share of a gradient, summed over `occurrences` ≥ 1, that lies beyond the threshold; 0 =
/// filtered.
///
/// Duplicates inside a batch count too. With threshold t the (t+1)-th occurrence is the first
/// applied.
pub fn admitted_share(before: u32, occurrences: u32, threshold: u32) -> f32 {
    let beyond = (u64::from(before) + u64::from(occurrences)).saturating_sub(u64::from(threshold));
    (beyond.min(u64::from(occurrences)) as f64 / f64::from(occurrences)) as f32
}

/// Whether at least one of `occurrences` trials of `probability` succeeds; `draw` numbers the
/// decisions.
pub fn admitted_by_chance(
    seed: u64,
    id: u64,
    draw: u64,
    occurrences: u32,
    probability: f32,
) -> bool {
    let random = mix64(mix64(mix64(seed ^ CHANCE_SALT) ^ id).wrapping_add(draw)) >> 11;
    let uniform = random as f64 / (1_u64 << 53) as f64;
    uniform >= power(1.0 - f64::from(probability), occurrences)
}

/// base^exponent by squaring, from basic operations only.
fn power(mut base: f64, mut exponent: u32) -> f64 {
    let mut result = 1.0;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result *= base;
        }
        base *= base;
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests;
