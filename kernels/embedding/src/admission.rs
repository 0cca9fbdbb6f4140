//! Who gets a row: most ids of a stream occur a few times and never again, and a row for each would fill the memory.
//!
//! The counter remembers how often absent ids occurred, in bounded memory that slides: four generations of 64-byte
//! lines with a 16-bit tag and a 16-bit count an entry. When the newest generation is full, the oldest is emptied
//! and becomes the newest; a count that is added to moves into the newest. So an id is forgotten once between
//! 3/4 and all of `ids_max` other ids were counted since its last occurrence. A foreign tag is taken for an id's
//! own in at most 0.1 % of first occurrences (48 tags read of 65,536); it then is admitted early, never late.

use crate::mixing::mix64;

/// The greatest threshold that a count can reach.
pub const THRESHOLD_MAX: u32 = u16::MAX as u32;

const GENERATIONS: usize = 4;
const LINE_ENTRIES: usize = 16;
const COUNTER_SALT: u64 = 0xBB67_AE85_84CA_A73B;
const CHANCE_SALT: u64 = 0x3C6E_F372_FE94_F82B;

/// One cache line of counts; a count of 0 marks a free entry.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line {
    tags: [u16; LINE_ENTRIES],
    counts: [u16; LINE_ENTRIES],
}

const _: () = assert!(size_of::<Line>() == 64);

const EMPTY_LINE: Line = Line { tags: [0; LINE_ENTRIES], counts: [0; LINE_ENTRIES] };

/// Where a search ended.
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
    fn find(&self, hash: u64) -> Entry {
        let tag = hash as u16;
        let lines = self.lines.len();
        let mut at = (((hash >> 32) * lines as u64) >> 32) as usize;
        loop {
            let line = &self.lines[at];
            // Entries fill from the left and are never removed, so the first free one ends the search.
            for entry in 0..LINE_ENTRIES {
                match line.counts[entry] {
                    0 => return Entry::Free(at, entry),
                    _ if line.tags[entry] == tag => return Entry::Held(at, entry),
                    _ => {}
                }
            }
            at = if at + 1 == lines { 0 } else { at + 1 };
        }
    }
}

/// Occurrences of ids that have no row.
pub struct AdmissionCounter {
    generations: [Generation; GENERATIONS],
    newest: usize,
    lines: usize,
}

impl AdmissionCounter {
    /// Counts up to `ids_max` recent ids; takes 5.4 bytes an id, from the first use on.
    pub fn new(ids_max: usize) -> AdmissionCounter {
        let entries = ids_max.div_ceil(GENERATIONS).max(1).saturating_mul(4).div_ceil(3);
        let lines = entries.div_ceil(LINE_ENTRIES);
        AdmissionCounter { generations: Default::default(), newest: 0, lines }
    }

    /// Adds occurrences of an id and returns how many were known before, at most [`THRESHOLD_MAX`]. Where the host refuses
    /// the memory for them they are not remembered.
    pub fn add(&mut self, id: u64, occurrences: u32) -> u32 {
        let hash = mix64(id ^ COUNTER_SALT);
        let before = self.count(hash);
        let after = before.saturating_add(occurrences).min(THRESHOLD_MAX) as u16;
        if after == 0 {
            return before;
        }
        if self.generations[self.newest].lines.is_empty() {
            let lines = &mut self.generations[self.newest].lines;
            if lines.try_reserve_exact(self.lines).is_err() {
                return before;
            }
            lines.resize(self.lines, EMPTY_LINE);
        }
        let newest = &mut self.generations[self.newest];
        match newest.find(hash) {
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

    /// Whether both remember as many ids.
    pub fn is_as_large_as(&self, other: &AdmissionCounter) -> bool {
        self.lines == other.lines
    }

    /// Bytes that it takes once it has counted enough.
    pub fn bytes_max(&self) -> usize {
        GENERATIONS * self.lines * size_of::<Line>()
    }

    /// Bytes that `write` appends.
    pub fn saved_bytes(&self) -> usize {
        let lines = self.generations.iter().map(|generation| generation.lines.len());
        lines.map(|lines| size_of::<u64>() + lines * size_of::<Line>()).sum::<usize>()
            + 2 * size_of::<u64>()
    }

    /// The newest generation that knows the id decides.
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
        oldest.lines.fill(EMPTY_LINE);
        oldest.held = 0;
    }

    /// Appends the whole state, little-endian.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend((self.lines as u64).to_le_bytes());
        out.extend((self.newest as u64).to_le_bytes());
        for generation in &self.generations {
            out.extend((generation.lines.len() as u64).to_le_bytes());
            for line in &generation.lines {
                let words = line.tags.iter().chain(&line.counts);
                out.extend(words.flat_map(|word| word.to_le_bytes()));
            }
        }
    }

    /// Reads what [`AdmissionCounter::write`] wrote, and how many bytes it took; `None` when it is malformed.
    pub fn read(bytes: &[u8]) -> Option<(AdmissionCounter, usize)> {
        let mut rest = bytes;
        let lines = usize::try_from(read_word(&mut rest)?).ok()?;
        let newest = usize::try_from(read_word(&mut rest)?).ok()?;
        if lines == 0 || newest >= GENERATIONS {
            return None;
        }
        let mut generations: [Generation; GENERATIONS] = Default::default();
        for generation in &mut generations {
            let present = usize::try_from(read_word(&mut rest)?).ok()?;
            let taken = present.checked_mul(size_of::<Line>())?;
            if (present != 0 && present != lines) || taken > rest.len() {
                return None;
            }
            let (held, behind) = rest.split_at(taken);
            generation.lines = held.chunks_exact(size_of::<Line>()).map(read_line).collect();
            generation.held = generation.lines.iter().map(held_entries).sum();
            if generation.held * 4 > lines * LINE_ENTRIES * 3 + 4 {
                return None;
            }
            rest = behind;
        }
        Some((AdmissionCounter { generations, newest, lines }, bytes.len() - rest.len()))
    }
}

fn read_word(rest: &mut &[u8]) -> Option<u64> {
    let (word, behind) = rest.split_first_chunk::<8>()?;
    *rest = behind;
    Some(u64::from_le_bytes(*word))
}

fn read_line(bytes: &[u8]) -> Line {
    let word = |index: usize| u16::from_le_bytes([bytes[2 * index], bytes[2 * index + 1]]);
    Line {
        tags: core::array::from_fn(word),
        counts: core::array::from_fn(|entry| word(LINE_ENTRIES + entry)),
    }
}

fn held_entries(line: &Line) -> usize {
    line.counts.iter().filter(|&&count| count != 0).count()
}

/// The share of a gradient, summed over `occurrences` ≥ 1, that lies beyond the threshold: 0 = filtered.
///
/// Every occurrence counts, duplicates inside a batch included; with threshold t the (t+1)-th is the first applied.
pub fn admitted_share(before: u32, occurrences: u32, threshold: u32) -> f32 {
    let beyond = (u64::from(before) + u64::from(occurrences)).saturating_sub(u64::from(threshold));
    (beyond.min(u64::from(occurrences)) as f64 / f64::from(occurrences)) as f32
}

/// Whether at least one of `occurrences` trials of `probability` succeeds; `draw` numbers the decisions.
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

/// base^exponent by squaring: basic operations only.
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
mod tests {
    use super::*;

    #[test]
    fn occurrences_add_up_to_the_greatest_threshold_and_stay_there() {
        let mut counter = AdmissionCounter::new(1000);
        assert_eq!(counter.add(u64::MAX, 3), 0);
        assert_eq!(counter.add(u64::MAX, 4), 3);
        assert_eq!(counter.add(u64::MAX, 70_000), 7);
        assert_eq!(counter.add(u64::MAX, 1), THRESHOLD_MAX);
        assert_eq!(counter.add(0, 1), 0);
    }

    #[test]
    fn counts_of_recent_ids_are_exact_but_for_rare_shared_tags() {
        let mut counter = AdmissionCounter::new(100_000);
        let mut wrong = 0;
        for round in 0..5 {
            for id in 0..70_000_u64 {
                wrong += u32::from(counter.add(mix64(id), 1) != round);
            }
        }
        assert!(wrong < 5 * 70, "{wrong} of 350,000 counts differ");
    }

    #[test]
    fn memory_is_bounded_and_old_ids_age_out_while_used_ones_stay() {
        let mut counter = AdmissionCounter::new(16_000);
        counter.add(1, 5);
        counter.add(2, 5);
        let mut used = 5;
        for id in 100..200_000_u64 {
            counter.add(id, 1);
            if id % 1000 == 0 {
                assert_eq!(counter.add(2, 1), used);
                used += 1;
            }
        }
        assert!(counter.add(1, 1) < 5, "forgotten");
        assert!(counter.saved_bytes() <= 16_000 * 6, "{}", counter.saved_bytes());
    }

    #[test]
    fn a_counter_read_back_goes_on_as_before_and_damage_is_refused() {
        let mut counter = AdmissionCounter::new(5000);
        (0..9000_u64).for_each(|id| _ = counter.add(id, 1 + id as u32 % 7));
        let mut bytes = vec![];
        counter.write(&mut bytes);
        let (mut restored, taken) = AdmissionCounter::read(&bytes).expect("whole");
        assert_eq!(taken, bytes.len());
        for id in 0..20_000_u64 {
            assert_eq!(restored.add(id, 1), counter.add(id, 1));
        }
        for cut in [0, 7, 8, 16, 100, bytes.len() - 1] {
            assert!(AdmissionCounter::read(&bytes[..cut]).is_none());
        }
        bytes[8] = 9;
        assert!(AdmissionCounter::read(&bytes).is_none());
    }

    #[test]
    fn the_fourth_occurrence_is_the_first_that_threshold_three_applies() {
        assert_eq!(admitted_share(0, 2, 3), 0.0);
        assert_eq!(admitted_share(2, 2, 3), 0.5);
        assert_eq!(admitted_share(4, 2, 3), 1.0);
        assert_eq!(admitted_share(0, 1, 0), 1.0);
        assert_eq!(admitted_share(3, 1, 3), 1.0);
        assert_eq!(admitted_share(0, 3, 3), 0.0);
    }

    #[test]
    fn chance_admits_as_often_as_it_says() {
        for (occurrences, expected) in [(1, 0.1), (5, 1.0 - 0.9_f64.powi(5))] {
            let admitted = (0..100_000_u64)
                .filter(|&id| admitted_by_chance(1, id, id / 3, occurrences, 0.1))
                .count() as f64;
            assert!((admitted / 100_000.0 - expected).abs() < 0.006);
        }
        assert!((0..1000).all(|id| admitted_by_chance(1, id, 0, 1, 1.0)));
        assert!(!(0..1000).any(|id| admitted_by_chance(1, id, 0, 1, 0.0)));
    }
}
