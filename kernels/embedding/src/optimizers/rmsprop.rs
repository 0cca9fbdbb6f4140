//! RMSprop with denominator `√n + 1`: V1 averages, `n = m·n + (1-m)·g²`; V2 sums with decay, `n =
//! m·n + g²`.
//!
//! See Tieleman and Hinton, "Lecture 6.5: rmsprop", 2012; the 1 in the denominator bounds the step
//! by `rate · g`.

use super::{elementwise::ElementwiseRule, RmspropVersion};
use crate::lanes::Lanes;

pub(super) struct Rmsprop {
    rate: f32,
    keep: f32,
    take: f32,
}

impl Rmsprop {
    #[inline(always)]
    pub fn new(rate: f32, momentum: f32, version: RmspropVersion) -> Rmsprop {
        let take = match version {
            RmspropVersion::V1 => 1.0 - momentum,
            RmspropVersion::V2 => 1.0,
        };
        Rmsprop { rate, keep: momentum, take }
    }
}

impl ElementwiseRule<1> for Rmsprop {
    #[inline(always)]
    fn step<L: Lanes>(&self, weight: L, [squares]: [L; 1], gradient: L) -> (L, [L; 1]) {
        let added = L::splat(self.take).mul(gradient.mul(gradient));
        let squares = L::splat(self.keep).mul(squares).add(added);
        let denominator = squares.sqrt().add(L::splat(1.0));
        (weight.sub(L::splat(self.rate).mul(gradient).div(denominator)), [squares])
    }
}
