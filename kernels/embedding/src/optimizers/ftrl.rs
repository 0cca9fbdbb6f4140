//! FTRL-Proximal: sparse weights under L1. With `σ = (√(n+g²) - √n)/rate`, `z += g - σw; n += g²`,
//! and `w = 0` where |z| ≤ l1, else `-(z - sign(z)·l1) / ((β + √n)/rate + l2)`, with the true sign
//! of z.
//!
//! See McMahan et al., "Ad Click Prediction: a View from the Trenches", 2013, algorithm 1.

use super::elementwise::ElementwiseRule;
use crate::lanes::Lanes;

pub(super) struct Ftrl {
    /// Above 0.
    pub rate: f32,
    pub beta: f32,
    pub l1: f32,
    pub l2: f32,
}

impl ElementwiseRule<2> for Ftrl {
    #[inline(always)]
    fn step<L: Lanes>(&self, weight: L, [z, accumulator]: [L; 2], gradient: L) -> (L, [L; 2]) {
        let rate = L::splat(self.rate);
        let l1 = L::splat(self.l1);
        let grown = accumulator.add(gradient.mul(gradient));
        let root = grown.sqrt();
        let sigma = root.sub(accumulator.sqrt()).div(rate);
        let z = z.add(gradient.sub(sigma.mul(weight)));
        let shrunk = l1.with_sign_of(z).sub(z);
        let strength = L::splat(self.beta).add(root).div(rate).add(L::splat(self.l2));
        let weight = z.abs().where_above(l1, shrunk.div(strength), L::splat(0.0));
        (weight, [z, grown])
    }
}
