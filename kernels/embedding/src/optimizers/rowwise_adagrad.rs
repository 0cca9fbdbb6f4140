//! Row-wise Adagrad: one accumulator a row, `n += mean(g²); w -= rate · g / √n`. It nearly halves a
//! training row.
//!
//! See Gupta, Bengio and Weston, "Training Highly Multiclass Classifiers", 2014, and FBGEMM's
//! row-wise Adagrad.

use super::{elementwise, elementwise::ElementwiseRule, reductions, Preparation};
use crate::lanes::Lanes;

struct Scaled {
    factor: f32,
}

impl ElementwiseRule<0> for Scaled {
    #[inline(always)]
    fn step<L: Lanes>(&self, weight: L, state: [L; 0], gradient: L) -> (L, [L; 0]) {
        (weight.sub(L::splat(self.factor).mul(gradient)), state)
    }
}

pub(super) fn apply(
    rate: f32,
    preparation: Preparation,
    weights: &mut [f32],
    state: &mut [f32],
    gradient: &[f32],
) {
    let squares = reductions::sum_pairs(weights, gradient, |weight, gradient| {
        let prepared = preparation.prepare(weight, gradient);
        prepared.mul(prepared)
    });
    state[0] += squares / weights.len() as f32;
    if state[0] > 0.0 {
        let rule = Scaled { factor: rate / state[0].sqrt() };
        elementwise::apply(&rule, preparation, weights, &mut [], gradient);
    }
}
