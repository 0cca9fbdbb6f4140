//! Pooling and its gradient. A slot of an example may have many ids, and the model reads one vector
//! a slot. The gradient adds every id's share to its unique row, which also sums duplicates.
//!
//! A plan, decoded once, maps columns of rows to columns of inputs, and `checked_batch.rs` checks
//! the address of every id's row. One walk over the batch without further checks then fills all
//! inputs: an id's row is located once, and its lists lie in one or two cache lines.

use crate::batch::checked_batch::{CheckedBatch, PoolBatch, PoolError};
use crate::batch::plan::{Combiner, Part, PoolPlan};
use crate::copy::copy_floats;
use crate::lanes::{F32x4, Lanes};

/// A plan and the last batch that was pooled, which the gradient reads.
pub struct Pooling {
    plan: PoolPlan,
    batch: CheckedBatch,
}

impl Pooling {
    /// Pools by `plan`; without a batch at first.
    pub fn new(plan: PoolPlan) -> Pooling {
        Pooling { batch: CheckedBatch::none(&plan), plan }
    }

    /// Pools the rows of a batch, group after group, into the model's inputs, block after block. An
    /// empty slot gives zeros.
    pub fn pool(
        &mut self,
        batch: &PoolBatch,
        rows: &[f32],
        pooled: &mut [f32],
    ) -> Result<(), PoolError> {
        self.batch.place(&self.plan, batch, rows.len(), pooled.len())?;
        self.for_each_slot(|parts, starts, example, bases| {
            for (part, base) in parts.iter().zip(bases) {
                let out = &mut pooled[base + example * part.stride..][..part.floats()];
                pool_part(part, starts, rows, out);
            }
        });
        Ok(())
    }

    /// Sums the gradients of the last batch's inputs by distinct id. Overwrites `row_gradients`,
    /// which has the shape of that batch's rows.
    pub fn gradient(
        &self,
        pooled_gradients: &[f32],
        row_gradients: &mut [f32],
    ) -> Result<(), PoolError> {
        if !self.batch.fits(&self.plan, row_gradients.len(), pooled_gradients.len()) {
            return Err(PoolError::Shape);
        }
        row_gradients.fill(0.0);
        self.for_each_slot(|parts, starts, example, bases| {
            for (part, base) in parts.iter().zip(bases) {
                let gradient = &pooled_gradients[base + example * part.stride..][..part.floats()];
                return_part(part, starts, gradient, row_gradients);
            }
        });
        Ok(())
    }

    /// Calls `visit` for each slot of each example with the slot's parts, the first floats of its
    /// ids' rows, the example's number and the first column of each part in the first example.
    #[inline(always)]
    fn for_each_slot(&self, mut visit: impl FnMut(&[Part], &[u32], usize, &[usize])) {
        let Pooling { plan, batch } = self;
        let slots = plan.slots();
        for example in 0..batch.examples {
            let offsets = &batch.offsets[example * slots..][..slots + 1];
            for slot in 0..slots {
                let range = plan.parts_of(slot);
                let starts = &batch.starts[offsets[slot] as usize..offsets[slot + 1] as usize];
                visit(&plan.parts[range.clone()], starts, example, &batch.bases[range]);
            }
        }
    }
}

/// Fills one part of one example from the rows that begin at `starts`.
#[inline(always)]
fn pool_part(part: &Part, starts: &[u32], rows: &[f32], out: &mut [f32]) {
    let row = |start: u32| &rows[start as usize + part.column..][..part.dim];
    // Most slots hold one id, and a first-order weight is one float, so both have code of their
    // own.
    let &[start] = starts else { return pool_several(part, starts, rows, out) };
    match out {
        [out] => *out = rows[start as usize + part.column],
        out => {
            let (present, absent) = out.split_at_mut(part.dim);
            copy_floats(row(start), present);
            absent.fill(0.0);
        }
    }
}

/// As `pool_part`, for any number of rows but one.
#[inline(never)]
fn pool_several(part: &Part, starts: &[u32], rows: &[f32], out: &mut [f32]) {
    let row = |start: u32| &rows[start as usize + part.column..][..part.dim];
    if part.combiner == Combiner::Each {
        let taken = starts.len().min(part.entries);
        let (present, absent) = out.split_at_mut(taken * part.dim);
        for (&start, out) in starts.iter().zip(present.chunks_exact_mut(part.dim)) {
            copy_floats(row(start), out);
        }
        absent.fill(0.0);
        return;
    }
    let Some((&first, rest)) = starts.split_first() else {
        out.fill(0.0);
        return;
    };
    copy_floats(row(first), out);
    if part.combiner == Combiner::First {
        return;
    }
    for &start in rest {
        add(out, row(start));
    }
    if part.combiner != Combiner::Sum {
        divide(out, part.combiner.divisor(starts.len()));
    }
}

/// Adds the gradient of one part of one example to the rows that begin at `starts`.
#[inline(always)]
fn return_part(part: &Part, starts: &[u32], gradient: &[f32], row_gradients: &mut [f32]) {
    let &[start] = starts else { return return_several(part, starts, gradient, row_gradients) };
    let first = start as usize + part.column;
    match gradient {
        [gradient] => row_gradients[first] += gradient,
        // Only the first of the entries belongs to an id.
        gradient => add(&mut row_gradients[first..first + part.dim], &gradient[..part.dim]),
    }
}

/// As `return_part`, for any number of rows but one.
#[inline(never)]
fn return_several(part: &Part, starts: &[u32], gradient: &[f32], row_gradients: &mut [f32]) {
    let columns = |start: u32| {
        let first = start as usize + part.column;
        first..first + part.dim
    };
    match part.combiner {
        Combiner::Each => {
            for (&start, gradient) in starts.iter().zip(gradient.chunks_exact(part.dim)) {
                add(&mut row_gradients[columns(start)], gradient);
            }
        }
        Combiner::First => {
            if let Some(&start) = starts.first() {
                add(&mut row_gradients[columns(start)], gradient);
            }
        }
        combiner => {
            let share = 1.0 / combiner.divisor(starts.len().max(1));
            for &start in starts {
                add_scaled(&mut row_gradients[columns(start)], gradient, share);
            }
        }
    }
}

/// `to += from`.
#[inline(always)]
fn add(to: &mut [f32], from: &[f32]) {
    let mut to_vectors = to.chunks_exact_mut(4);
    let mut from_vectors = from.chunks_exact(4);
    for (to, from) in (&mut to_vectors).zip(&mut from_vectors) {
        let to: &mut [f32; 4] = to.try_into().expect("four floats");
        let from = F32x4::load(from.try_into().expect("four floats"));
        F32x4::load(to).add(from).store(to);
    }
    for (to, from) in to_vectors.into_remainder().iter_mut().zip(from_vectors.remainder()) {
        *to += from;
    }
}

/// `to += factor · from`.
#[inline(always)]
fn add_scaled(to: &mut [f32], from: &[f32], factor: f32) {
    let mut to_vectors = to.chunks_exact_mut(4);
    let mut from_vectors = from.chunks_exact(4);
    for (to, from) in (&mut to_vectors).zip(&mut from_vectors) {
        let to: &mut [f32; 4] = to.try_into().expect("four floats");
        let scaled = F32x4::load(from.try_into().expect("four floats")).mul(F32x4::splat(factor));
        F32x4::load(to).add(scaled).store(to);
    }
    for (to, from) in to_vectors.into_remainder().iter_mut().zip(from_vectors.remainder()) {
        *to += from * factor;
    }
}

/// `to /= divisor`.
#[inline(always)]
fn divide(to: &mut [f32], divisor: f32) {
    let mut vectors = to.chunks_exact_mut(4);
    for to in &mut vectors {
        let to: &mut [f32; 4] = to.try_into().expect("four floats");
        F32x4::load(to).div(F32x4::splat(divisor)).store(to);
    }
    for value in vectors.into_remainder() {
        *value /= divisor;
    }
}

#[cfg(test)]
mod tests;
