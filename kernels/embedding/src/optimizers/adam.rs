//! Adam and AMSGrad, bias-corrected through the rate, epsilon outside the square root: `m +=
//! (1-β₁)(g-m); v += (1-β₂)(g²-v); w -= rate·√(1-β₂ᵗ)/(1-β₁ᵗ) · m/(√v + ε)`; AMSGrad divides by the
//! greatest √v. t counts the row's own steps: the powers βᵗ are stored in the row, after the
//! moments.
//!
//! See Kingma and Ba, "Adam", 2015, and Reddi, Kale and Kumar, "On the Convergence of Adam and
//! Beyond", 2018.

use super::{elementwise, elementwise::ElementwiseRule, Preparation};
use crate::lanes::Lanes;

pub(super) struct Adam {
    pub rate: f32,
    pub beta1: f32,
    pub beta2: f32,
    pub epsilon: f32,
}

struct Corrected {
    rate: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
}

impl Corrected {
    #[inline(always)]
    fn moments<L: Lanes>(&self, first: L, second: L, gradient: L) -> (L, L) {
        let first = first.add(gradient.sub(first).mul(L::splat(1.0 - self.beta1)));
        let square = gradient.mul(gradient);
        (first, second.add(square.sub(second).mul(L::splat(1.0 - self.beta2))))
    }

    #[inline(always)]
    fn moved<L: Lanes>(&self, weight: L, first: L, second: L) -> L {
        weight.sub(L::splat(self.rate).mul(first).div(second.sqrt().add(L::splat(self.epsilon))))
    }
}

impl ElementwiseRule<2> for Corrected {
    #[inline(always)]
    fn step<L: Lanes>(&self, weight: L, [first, second]: [L; 2], gradient: L) -> (L, [L; 2]) {
        let (first, second) = self.moments(first, second, gradient);
        (self.moved(weight, first, second), [first, second])
    }
}

impl ElementwiseRule<3> for Corrected {
    #[inline(always)]
    fn step<L: Lanes>(
        &self,
        weight: L,
        [first, second, greatest]: [L; 3],
        gradient: L,
    ) -> (L, [L; 3]) {
        let (first, second) = self.moments(first, second, gradient);
        let greatest = greatest.greater(second);
        (self.moved(weight, first, greatest), [first, second, greatest])
    }
}

impl Adam {
    #[inline(always)]
    pub fn apply(
        &self,
        amsgrad: bool,
        preparation: Preparation,
        weights: &mut [f32],
        state: &mut [f32],
        gradient: &[f32],
    ) {
        let (moments, powers) = state.split_at_mut(state.len() - 2);
        let corrected = Corrected {
            rate: self.rate * (1.0 - powers[1]).sqrt() / (1.0 - powers[0]),
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
        };
        match amsgrad {
            true => elementwise::apply::<3, _>(&corrected, preparation, weights, moments, gradient),
            false => {
                elementwise::apply::<2, _>(&corrected, preparation, weights, moments, gradient)
            }
        }
        powers[0] *= self.beta1;
        powers[1] *= self.beta2;
    }
}
