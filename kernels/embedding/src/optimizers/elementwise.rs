//! The driver of all rules that treat each weight separately: four at a time, then one at a time.

use super::Preparation;
use crate::lanes::{F32x4, Lanes};

/// A rule over one weight, its `STATES` state values and its prepared gradient.
pub(super) trait ElementwiseRule<const STATES: usize> {
    /// The weight and state after the step.
    fn step<L: Lanes>(&self, weight: L, state: [L; STATES], gradient: L) -> (L, [L; STATES]);
}

/// `state` begins with `STATES` arrays of `weights.len()` floats; the rest is left alone.
#[inline(always)]
pub(super) fn apply<const STATES: usize, R: ElementwiseRule<STATES>>(
    rule: &R,
    preparation: Preparation,
    weights: &mut [f32],
    state: &mut [f32],
    gradient: &[f32],
) {
    let dim = weights.len();
    assert!(gradient.len() == dim && state.len() >= STATES * dim);
    let mut columns = split_columns::<STATES>(state, dim);
    let vectors = dim & !3;
    let mut at = 0;
    while at < vectors {
        step_at(rule, preparation, weights, &mut columns, gradient, at, load4, store4);
        at += 4;
    }
    while at < dim {
        step_at(
            rule,
            preparation,
            weights,
            &mut columns,
            gradient,
            at,
            |from, i| from[i],
            |to, i, v: f32| to[i] = v,
        );
        at += 1;
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn step_at<const STATES: usize, L: Lanes, R: ElementwiseRule<STATES>>(
    rule: &R,
    preparation: Preparation,
    weights: &mut [f32],
    columns: &mut [&mut [f32]; STATES],
    gradient: &[f32],
    at: usize,
    load: impl Fn(&[f32], usize) -> L,
    store: impl Fn(&mut [f32], usize, L),
) {
    let weight = load(weights, at);
    let before = core::array::from_fn(|index| load(columns[index], at));
    let prepared = preparation.prepare(weight, load(gradient, at));
    let (weight, after) = rule.step(weight, before, prepared);
    store(weights, at, weight);
    for (column, value) in columns.iter_mut().zip(after) {
        store(column, at, value);
    }
}

#[inline(always)]
fn load4(from: &[f32], at: usize) -> F32x4 {
    F32x4::load(from[at..at + 4].try_into().expect("four floats"))
}

#[inline(always)]
fn store4(to: &mut [f32], at: usize, value: F32x4) {
    value.store((&mut to[at..at + 4]).try_into().expect("four floats"));
}

#[inline(always)]
fn split_columns<const STATES: usize>(state: &mut [f32], dim: usize) -> [&mut [f32]; STATES] {
    let mut rest = state;
    core::array::from_fn(|_| {
        let (column, behind) = core::mem::take(&mut rest).split_at_mut(dim);
        rest = behind;
        column
    })
}

/// The scalar form: the same loop, one weight at a time.
#[cfg(test)]
pub(super) fn apply_scalar<const STATES: usize, R: ElementwiseRule<STATES>>(
    rule: &R,
    preparation: Preparation,
    weights: &mut [f32],
    state: &mut [f32],
    gradient: &[f32],
) {
    let dim = weights.len();
    for at in 0..dim {
        let before = core::array::from_fn(|index| state[index * dim + at]);
        let prepared = preparation.prepare(weights[at], gradient[at]);
        let (weight, after) = rule.step(weights[at], before, prepared);
        weights[at] = weight;
        for (index, value) in after.into_iter().enumerate() {
            state[index * dim + at] = value;
        }
    }
}
