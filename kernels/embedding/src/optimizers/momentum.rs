//! Momentum: `v = m·v + g; w -= rate · v`, or with Nesterov's look-ahead `w -= rate · (g + m·v)`.
//! The rate is outside the velocity, so a schedule takes effect at once.
//!
//! See Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.

use super::elementwise::ElementwiseRule;
use crate::lanes::Lanes;

pub(super) struct Momentum {
    pub rate: f32,
    pub momentum: f32,
    pub nesterov: bool,
}

impl ElementwiseRule<1> for Momentum {
    #[inline(always)]
    fn step<L: Lanes>(&self, weight: L, [velocity]: [L; 1], gradient: L) -> (L, [L; 1]) {
        let momentum = L::splat(self.momentum);
        let velocity = momentum.mul(velocity).add(gradient);
        let direction = match self.nesterov {
            true => gradient.add(momentum.mul(velocity)),
            false => velocity,
        };
        (weight.sub(L::splat(self.rate).mul(direction)), [velocity])
    }
}
