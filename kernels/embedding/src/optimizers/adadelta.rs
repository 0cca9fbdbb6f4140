//! Adadelta with a learning rate: the step's scale is the ratio of two running averages,
//! `n = ρn + (1-ρ)g²; d = g·√(u + ε)/√(n + ε); u = ρu + (1-ρ)d²; w -= rate · d`.
//!
//! See Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012.

use super::elementwise::ElementwiseRule;
use crate::lanes::Lanes;

pub(super) struct Adadelta {
    pub rate: f32,
    pub averaging_ratio: f32,
    pub epsilon: f32,
}

impl ElementwiseRule<2> for Adadelta {
    #[inline(always)]
    fn step<L: Lanes>(&self, weight: L, [squares, updates]: [L; 2], gradient: L) -> (L, [L; 2]) {
        let keep = L::splat(self.averaging_ratio);
        let take = L::splat(1.0 - self.averaging_ratio);
        let epsilon = L::splat(self.epsilon);
        let squares = keep.mul(squares).add(take.mul(gradient.mul(gradient)));
        let update = updates.add(epsilon).sqrt().div(squares.add(epsilon).sqrt()).mul(gradient);
        let updates = keep.mul(updates).add(take.mul(update.mul(update)));
        (weight.sub(L::splat(self.rate).mul(update)), [squares, updates])
    }
}
