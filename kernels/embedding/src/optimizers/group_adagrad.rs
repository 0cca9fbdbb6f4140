//! Group lasso Adagrad: one accumulator a row, grown by the greatest g², and a proximal step that
//! sets the whole row to zero when its norm is small: `n += max g²; η = rate/(β + √n); w -= ηg; w
//! *= max(0, 1 - η·l2/‖w‖)`.
//!
//! See Yuan and Lin, "Model selection and estimation in regression with grouped variables", 2006.

use super::{elementwise, elementwise::ElementwiseRule, reductions, Preparation};
use crate::lanes::Lanes;

pub(super) struct GroupAdagrad {
    pub rate: f32,
    pub beta: f32,
    pub l2: f32,
}

struct Descend {
    eta: f32,
}

impl ElementwiseRule<0> for Descend {
    #[inline(always)]
    fn step<L: Lanes>(&self, weight: L, state: [L; 0], gradient: L) -> (L, [L; 0]) {
        (weight.sub(L::splat(self.eta).mul(gradient)), state)
    }
}

impl GroupAdagrad {
    #[inline(always)]
    pub fn apply(
        &self,
        preparation: Preparation,
        weights: &mut [f32],
        state: &mut [f32],
        gradient: &[f32],
    ) {
        let greatest = reductions::greatest_pairs(weights, gradient, |weight, gradient| {
            let prepared = preparation.prepare(weight, gradient);
            prepared.mul(prepared)
        });
        state[0] += greatest;
        let denominator = self.beta + state[0].sqrt();
        if denominator == 0.0 {
            return;
        }
        let eta = self.rate / denominator;
        elementwise::apply(&Descend { eta }, preparation, weights, &mut [], gradient);
        let norm = reductions::sum(weights, |weight| weight.mul(weight)).sqrt();
        let kept = if norm > eta * self.l2 { 1.0 - eta * self.l2 / norm } else { 0.0 };
        for weight in weights {
            *weight *= kept;
        }
    }
}
