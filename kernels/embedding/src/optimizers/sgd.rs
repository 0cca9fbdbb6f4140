//! Stochastic gradient descent: `w -= rate · g`. No state.

use super::elementwise::ElementwiseRule;
use crate::lanes::Lanes;

pub(super) struct Sgd {
    pub rate: f32,
}

impl ElementwiseRule<0> for Sgd {
    #[inline(always)]
    fn step<L: Lanes>(&self, weight: L, state: [L; 0], gradient: L) -> (L, [L; 0]) {
        (weight.sub(L::splat(self.rate).mul(gradient)), state)
    }
}
