//! Adagrad: `n += g²; w -= rate · g / √n`, without an epsilon; the initial accumulator serves that
//! purpose. A weight whose accumulator is still 0 does not move (instead of becoming 0/0).
//!
//! See Duchi, Hazan and Singer, "Adaptive Subgradient Methods", 2011.

use super::elementwise::ElementwiseRule;
use crate::lanes::Lanes;

pub(super) struct Adagrad {
    pub rate: f32,
}

impl ElementwiseRule<1> for Adagrad {
    #[inline(always)]
    fn step<L: Lanes>(&self, weight: L, [accumulator]: [L; 1], gradient: L) -> (L, [L; 1]) {
        let zero = L::splat(0.0);
        let accumulator = accumulator.add(gradient.mul(gradient));
        let step = L::splat(self.rate).mul(gradient).div(accumulator.sqrt());
        (weight.sub(accumulator.where_above(zero, step, zero)), [accumulator])
    }
}
