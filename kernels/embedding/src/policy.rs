//! The options of a table, decoded once: how rows of each slot are initialized, updated, admitted
//! and expired.

use crate::initializers::Initializer;
use crate::memory::BYTES_MAX;
use crate::optimizers::{every_rule_accepts, Optimizer};

/// Slots are 15 bits of an id.
pub const SLOTS: usize = 1 << 15;
/// Upper bound of a slice's dim; with `SLICES_MAX` it keeps all products of sizes far inside 32
/// bits.
const DIM_MAX: usize = 4096;
/// Maximum number of slices of a row.
pub const SLICES_MAX: usize = 64;

/// The policy at the memory limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AtLimit {
    /// New ids get no row.
    Reject,
    /// The least recently updated row of a sample is evicted.
    EvictLeastRecentlyUsed,
    /// The least often updated row of a sample is evicted.
    EvictLeastFrequentlyUsed,
}

/// When an id gets a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Admission {
    /// At its first occurrence.
    AtOnce,
    /// After this many occurrences.
    After(u32),
    /// At each occurrence with this probability.
    ByChance(f32),
}

/// One slot's rules.
#[derive(Clone, Debug)]
pub struct Policy {
    /// When an id gets a row.
    pub admission: Admission,
    /// A row without an update for this many seconds of the data clock expires; `u32::MAX` = never.
    pub expiry_seconds: u32,
    /// The initializer and optimizer of each slice.
    pub rules: Vec<(Initializer, Optimizer)>,
    /// Number of the first policy with the same optimizers.
    pub steps_as: usize,
}

/// A slice: columns with rules of their own.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// Number of weights.
    pub dim: usize,
    /// First weight of the row.
    pub column: usize,
    /// First float of its state, counted from the row's first weight.
    pub state: usize,
    /// Floats of state, enough for the optimizer of every slot.
    pub state_floats: usize,
}

/// The options of a table.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// Hard limit of the table's memory.
    pub bytes_max: usize,
    /// The policy at the limit.
    pub at_limit: AtLimit,
    /// Seed of all initial values and draws.
    pub seed: u64,
    /// Number of ids that the admission counter remembers.
    pub admission_ids_max: usize,
    /// The slices of a row.
    pub slices: Vec<Slice>,
    /// Floats of weights in a row.
    pub width: usize,
    /// Floats of weights and state in a row.
    pub floats: usize,
    policies: Vec<Policy>,
    /// Number of the policy of each slot.
    of_slot: Vec<u16>,
}

/// The reason why words are not the options of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptionsError {
    /// Index of the word where decoding stopped.
    pub word: usize,
}

struct Words<'a> {
    words: &'a [f64],
    at: usize,
}

impl Words<'_> {
    fn next(&mut self) -> Result<f64, OptionsError> {
        let word = *self.words.get(self.at).ok_or(OptionsError { word: self.at })?;
        self.at += 1;
        Ok(word)
    }

    fn integer(&mut self, low: u64, high: u64) -> Result<u64, OptionsError> {
        let word = self.next()?;
        let fits = word.fract() == 0.0 && word >= low as f64 && word <= high as f64;
        if fits {
            Ok(word as u64)
        } else {
            Err(OptionsError { word: self.at - 1 })
        }
    }

    fn floats<const N: usize>(&mut self) -> Result<[f32; N], OptionsError> {
        let mut floats = [0.0; N];
        for float in &mut floats {
            *float = self.next()? as f32;
        }
        Ok(floats)
    }

    fn rule(&mut self) -> Result<(Initializer, Optimizer), OptionsError> {
        let word = self.at;
        let initializer =
            Initializer::decode(&self.floats()?).map_err(|_| OptionsError { word })?;
        let word = self.at;
        let optimizer = Optimizer::decode(&self.floats()?).map_err(|_| OptionsError { word })?;
        Ok((initializer, optimizer))
    }
}

impl TableOptions {
    /// Decodes the words of `table_encoding.ts`: `bytesMax, atLimit, seed, admissionIdsMax, slices,
    /// {dim, rule}…, slots, {slot, admission, value, expiry, rule…}…`, where a rule is an
    /// initializer's 3 words and an optimizer's 8.
    pub fn decode(words: &[f64]) -> Result<TableOptions, OptionsError> {
        let mut words = Words { words, at: 0 };
        let bytes_max = words.integer(1, BYTES_MAX as u64)? as usize;
        let at_limit = match words.integer(0, 2)? {
            0 => AtLimit::Reject,
            1 => AtLimit::EvictLeastRecentlyUsed,
            _ => AtLimit::EvictLeastFrequentlyUsed,
        };
        let seed = words.integer(0, 1 << 53)?;
        let admission_ids_max = words.integer(1, 1 << 28)? as usize;
        let count = words.integer(1, SLICES_MAX as u64)? as usize;
        let mut dims = Vec::with_capacity(count);
        let mut defaults = Vec::with_capacity(count);
        for _ in 0..count {
            dims.push(words.integer(1, DIM_MAX as u64)? as usize);
            defaults.push(words.rule()?);
        }
        let mut policies = vec![Policy {
            admission: Admission::AtOnce,
            expiry_seconds: u32::MAX,
            rules: defaults,
            steps_as: 0,
        }];
        let mut of_slot = vec![0_u16; SLOTS];
        for _ in 0..words.integer(0, SLOTS as u64 - 1)? {
            let slot = words.integer(0, SLOTS as u64 - 1)? as usize;
            let admission = match words.integer(0, 1)? {
                0 => match words.integer(0, 65_535)? {
                    0 => Admission::AtOnce,
                    threshold => Admission::After(threshold as u32),
                },
                _ => {
                    let word = words.at;
                    let chance = words.next()? as f32;
                    if !(chance > 0.0 && chance <= 1.0) {
                        return Err(OptionsError { word });
                    }
                    Admission::ByChance(chance)
                }
            };
            let expiry_seconds = words.integer(1, u64::from(u32::MAX))? as u32;
            let rules: Vec<_> = (0..count).map(|_| words.rule()).collect::<Result<_, _>>()?;
            let optimizers = rules.iter().map(|(_, optimizer)| optimizer);
            let is_alike = |policy: &Policy| {
                policy.rules.iter().map(|(_, optimizer)| optimizer).eq(optimizers.clone())
            };
            let steps_as = policies.iter().position(is_alike).unwrap_or(policies.len());
            of_slot[slot] = policies.len() as u16;
            policies.push(Policy { admission, expiry_seconds, rules, steps_as });
        }
        if words.at != words.words.len() {
            return Err(OptionsError { word: words.at });
        }
        let width: usize = dims.iter().sum();
        let mut slices: Vec<Slice> = Vec::with_capacity(count);
        let (mut column, mut state) = (0, width);
        for (number, &dim) in dims.iter().enumerate() {
            let needed = policies.iter().map(|policy| policy.rules[number].1.state_floats(dim));
            let state_floats = needed.max().unwrap_or(0);
            slices.push(Slice { dim, column, state, state_floats });
            column += dim;
            state += state_floats;
        }
        Ok(TableOptions {
            bytes_max,
            at_limit,
            seed,
            admission_ids_max,
            slices,
            width,
            floats: state,
            policies,
            of_slot,
        })
    }

    /// The policy of an id's slot.
    #[inline(always)]
    pub fn policy(&self, id: u64) -> &Policy {
        match self.policies.as_slice() {
            // If all slots have the same policy, the table of 64 kB is not read.
            [only] => only,
            policies => &policies[usize::from(self.of_slot[slot_of(id)])],
        }
    }

    /// Whether a row of the id may be updated by a gradient, shape `[width]`.
    #[inline(always)]
    pub fn accepts(&self, id: u64, gradient: &[f32]) -> bool {
        // Gradients so large that clipping matters are rare.
        every_rule_accepts(gradient) || self.rules_accept(id, gradient)
    }

    #[cold]
    #[inline(never)]
    fn rules_accept(&self, id: u64, gradient: &[f32]) -> bool {
        self.policy(id).rules.iter().zip(&self.slices).all(|((_, optimizer), slice)| {
            optimizer.accepts(&gradient[slice.column..slice.column + slice.dim])
        })
    }

    /// Writes the initial weights of the id's row, shape `[width]`.
    pub fn initial_weights(&self, id: u64, weights: &mut [f32]) {
        for ((initializer, _), slice) in self.policy(id).rules.iter().zip(&self.slices) {
            let columns = &mut weights[slice.column..slice.column + slice.dim];
            initializer.fill(self.seed, id, slice.column as u32, columns);
        }
    }

    /// Whether rows of any slot expire.
    pub fn anything_expires(&self) -> bool {
        self.policies.iter().any(|policy| policy.expiry_seconds != u32::MAX)
    }

    /// Whether a row of the id, last updated at `stamp`, has expired at `clock`, seconds.
    #[inline(always)]
    pub fn has_expired(&self, id: u64, stamp: u32, clock: u32) -> bool {
        let expiry = self.policy(id).expiry_seconds;
        expiry != u32::MAX && clock.saturating_sub(stamp) >= expiry
    }

    /// Whether any slot has a threshold of admission.
    pub fn anything_is_counted(&self) -> bool {
        self.policies.iter().any(|policy| matches!(policy.admission, Admission::After(_)))
    }
}

/// The slot of an id: bits 48 to 62.
#[inline(always)]
pub const fn slot_of(id: u64) -> usize {
    (id >> 48) as usize & (SLOTS - 1)
}
