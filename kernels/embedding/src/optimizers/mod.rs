//! Sparse optimizers: rules that update one slice of a row from its summed gradient, one rule a
//! file.
//!
//! The state lies in the row after the weights, as `STATES` arrays of `dim` floats followed by the
//! row's scalars; its size depends on the rule alone. Gradients are clipped first, then L2 decay is
//! added.

mod adadelta;
mod adagrad;
mod adam;
mod elementwise;
mod ftrl;
mod group_adagrad;
mod momentum;
mod reductions;
mod rmsprop;
mod rowwise_adagrad;
mod sgd;

#[cfg(test)]
mod tests;

use crate::lanes::{all_below, Lanes};

/// The rule and its own hyperparameters. Codes and order of parameters: `optimizer_codes.ts`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // the fields are the hyperparameters that each rule's file explains
pub enum Rule {
    Sgd,
    Momentum { momentum: f32, nesterov: bool },
    Adagrad { initial_accumulator: f32 },
    RowwiseAdagrad { initial_accumulator: f32 },
    Adadelta { averaging_ratio: f32, epsilon: f32 },
    Adam { beta1: f32, beta2: f32, epsilon: f32, amsgrad: bool },
    Rmsprop { momentum: f32, version: RmspropVersion },
    Ftrl { beta: f32, initial_accumulator: f32, l1: f32, l2: f32 },
    GroupAdagrad { beta: f32, initial_accumulator: f32, l2: f32 },
}

/// V1 averages the squared gradients, V2 sums them with decay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RmspropVersion {
    /// `n = m·n + (1-m)·g²`
    V1,
    /// `n = m·n + g²`
    V2,
}

/// The reason why eight words are not an optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // `value` is the encoded word at index `word`
pub enum OptimizerError {
    UnknownRule(f32),
    NotFinite { word: usize },
    OutOfRange { word: usize, value: f32 },
}

/// A rule and the parameters that all rules have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimizer {
    /// Above 0; `apply` multiplies it by the schedule's scale.
    pub learning_rate: f32,
    /// L2: `g + weight_decay · w`.
    pub weight_decay: f32,
    /// Elementwise bound on |g|; infinity = none.
    pub gradient_clip: f32,
    /// The rule itself.
    pub rule: Rule,
}

/// The steps applied to a gradient before its rule.
#[derive(Clone, Copy)]
struct Preparation {
    weight_decay: f32,
    clip: f32,
}

impl Preparation {
    #[inline(always)]
    fn prepare<L: Lanes>(&self, weight: L, gradient: L) -> L {
        let clipped = gradient.lesser(L::splat(self.clip)).greater(L::splat(-self.clip));
        clipped.add(L::splat(self.weight_decay).mul(weight))
    }
}

/// Upper bound of a gradient's magnitude after clipping. The summed squares of larger gradients
/// soon overflow, and the row becomes NaN for good.
const GRADIENT_MAX: f32 = (1_u64 << 50) as f32;

/// The parts of some rows that one optimizer updates. The rule is chosen once for all of them: a
/// choice for each row took as long as the step of a row.
pub trait Steps {
    /// Calls `step` with each row's weights, state and gradient: weights and gradient hold `dim`
    /// finite floats, the state holds `state_floats(dim)`.
    fn for_each(&mut self, step: impl FnMut(&mut [f32], &mut [f32], &[f32]));
}

impl Optimizer {
    /// Whether a row may be updated by a gradient: every value is finite and, clipped, below 2⁵⁰ in
    /// magnitude.
    pub fn accepts(&self, gradient: &[f32]) -> bool {
        let is_clipped = self.gradient_clip < GRADIENT_MAX;
        all_below(if is_clipped { f32::INFINITY } else { GRADIENT_MAX }, gradient)
    }

    /// Words of an encoded optimizer: rule, learning rate, weight decay, clip, up to four
    /// parameters.
    pub const WORDS: usize = 8;

    /// Decodes the words of `optimizer_codes.ts` and checks every range.
    pub fn decode(words: &[f32; Optimizer::WORDS]) -> Result<Optimizer, OptimizerError> {
        for (word, value) in words.iter().enumerate() {
            if value.is_nan() || (value.is_infinite() && word != 3) {
                return Err(OptimizerError::NotFinite { word });
            }
        }
        let within = |word: usize, accept: fn(f32) -> bool| match accept(words[word]) {
            true => Ok(words[word]),
            false => Err(OptimizerError::OutOfRange { word, value: words[word] }),
        };
        let positive = |word| within(word, |value| value > 0.0);
        let not_negative = |word| within(word, |value| value >= 0.0);
        let fraction = |word| within(word, |value| (0.0..1.0).contains(&value));
        let flag = |word| within(word, |value| value == 0.0 || value == 1.0).map(|v| v == 1.0);
        let rule = match words[0] {
            0.0 => Rule::Sgd,
            1.0 => Rule::Momentum { momentum: fraction(4)?, nesterov: flag(5)? },
            2.0 => Rule::Adagrad { initial_accumulator: not_negative(4)? },
            3.0 => Rule::RowwiseAdagrad { initial_accumulator: not_negative(4)? },
            4.0 => Rule::Adadelta { averaging_ratio: fraction(4)?, epsilon: positive(5)? },
            5.0 => Rule::Adam {
                beta1: fraction(4)?,
                beta2: fraction(5)?,
                epsilon: positive(6)?,
                amsgrad: flag(7)?,
            },
            6.0 => Rule::Rmsprop {
                momentum: fraction(4)?,
                version: match within(5, |value| value == 1.0 || value == 2.0)? {
                    1.0 => RmspropVersion::V1,
                    _ => RmspropVersion::V2,
                },
            },
            7.0 => Rule::Ftrl {
                beta: not_negative(4)?,
                initial_accumulator: not_negative(5)?,
                l1: not_negative(6)?,
                l2: not_negative(7)?,
            },
            8.0 => Rule::GroupAdagrad {
                beta: not_negative(4)?,
                initial_accumulator: not_negative(5)?,
                l2: not_negative(6)?,
            },
            unknown => return Err(OptimizerError::UnknownRule(unknown)),
        };
        Ok(Optimizer {
            learning_rate: positive(1)?,
            weight_decay: not_negative(2)?,
            gradient_clip: positive(3)?,
            rule,
        })
    }

    /// Floats of state for `dim` weights.
    pub fn state_floats(&self, dim: usize) -> usize {
        match self.rule {
            Rule::Sgd => 0,
            Rule::Momentum { .. } | Rule::Adagrad { .. } | Rule::Rmsprop { .. } => dim,
            Rule::RowwiseAdagrad { .. } | Rule::GroupAdagrad { .. } => 1,
            Rule::Adadelta { .. } | Rule::Ftrl { .. } => 2 * dim,
            Rule::Adam { amsgrad: false, .. } => 2 * dim + 2,
            Rule::Adam { amsgrad: true, .. } => 3 * dim + 2,
        }
    }

    /// Writes the initial state; `state` holds `state_floats(dim)` floats.
    pub fn initialize_state(&self, dim: usize, state: &mut [f32]) {
        assert_eq!(state.len(), self.state_floats(dim));
        match self.rule {
            Rule::Adagrad { initial_accumulator }
            | Rule::RowwiseAdagrad { initial_accumulator }
            | Rule::GroupAdagrad { initial_accumulator, .. } => state.fill(initial_accumulator),
            Rule::Ftrl { initial_accumulator, .. } => {
                let (z, accumulator) = state.split_at_mut(dim);
                z.fill(0.0);
                accumulator.fill(initial_accumulator);
            }
            Rule::Adam { beta1, beta2, .. } => {
                let moments = state.len() - 2;
                state[..moments].fill(0.0);
                state[moments..].copy_from_slice(&[beta1, beta2]);
            }
            Rule::Sgd | Rule::Momentum { .. } | Rule::Adadelta { .. } | Rule::Rmsprop { .. } => {
                state.fill(0.0);
            }
        }
    }

    /// One step of each row at `learning_rate · learning_rate_scale`. A scale of 0 leaves the
    /// weights as they are.
    #[inline(always)]
    pub fn apply(&self, learning_rate_scale: f32, rows: &mut impl Steps) {
        let rate = self.learning_rate * learning_rate_scale;
        let preparation = Preparation { weight_decay: self.weight_decay, clip: self.gradient_clip };
        macro_rules! each_elementwise {
            ($rule:expr) => {{
                let rule = $rule;
                rows.for_each(|w, s, g| elementwise::apply(&rule, preparation, w, s, g));
            }};
        }
        match self.rule {
            Rule::Sgd => each_elementwise!(sgd::Sgd { rate }),
            Rule::Momentum { momentum, nesterov } => {
                each_elementwise!(momentum::Momentum { rate, momentum, nesterov })
            }
            Rule::Adagrad { .. } => each_elementwise!(adagrad::Adagrad { rate }),
            Rule::RowwiseAdagrad { .. } => {
                rows.for_each(|w, s, g| rowwise_adagrad::apply(rate, preparation, w, s, g));
            }
            Rule::Adadelta { averaging_ratio, epsilon } => {
                each_elementwise!(adadelta::Adadelta { rate, averaging_ratio, epsilon })
            }
            Rule::Adam { beta1, beta2, epsilon, amsgrad } => {
                let adam = adam::Adam { rate, beta1, beta2, epsilon };
                rows.for_each(|w, s, g| adam.apply(amsgrad, preparation, w, s, g));
            }
            Rule::Rmsprop { momentum, version } => {
                each_elementwise!(rmsprop::Rmsprop::new(rate, momentum, version))
            }
            // FTRL divides by the rate; at rate 0 the row stays as it is.
            Rule::Ftrl { .. } if rate == 0.0 => {}
            Rule::Ftrl { beta, l1, l2, .. } => {
                each_elementwise!(ftrl::Ftrl { rate, beta, l1, l2 })
            }
            Rule::GroupAdagrad { beta, l2, .. } => {
                let rule = group_adagrad::GroupAdagrad { rate, beta, l2 };
                rows.for_each(|w, s, g| rule.apply(preparation, w, s, g));
            }
        }
    }
}

/// Whether some rule may apply a gradient.
#[inline(always)]
pub fn every_rule_accepts(gradient: &[f32]) -> bool {
    all_below(GRADIENT_MAX, gradient)
}

/// Whether no value is NaN or infinite.
pub fn all_finite(values: &[f32]) -> bool {
    all_below(f32::INFINITY, values)
}
