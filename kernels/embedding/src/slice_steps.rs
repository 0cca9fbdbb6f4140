//! One slice of several rows, as an optimizer updates it.

use crate::optimizers::Steps;
use crate::page::Row;
use crate::policy::Slice;
use crate::slab::Slab;
use core::slice::{from_raw_parts, from_raw_parts_mut};

/// Rows of a pass, and their gradients.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    /// Indices of the rows that take a step, in order.
    pub positions: &'a [u8],
    /// Rows of the pass.
    pub rows: &'a [Row],
    /// Shape `[rows, width]`.
    pub gradients: &'a [f32],
    /// Floats of a gradient, as many as a row has weights.
    pub width: usize,
}

/// One slice of the rows at some places.
pub struct SliceSteps<'a> {
    slab: &'a mut Slab,
    places: Places<'a>,
    slice: Slice,
    /// Floats of state that the optimizer uses.
    used: usize,
}

impl<'a> SliceSteps<'a> {
    /// The slice of rows of `slab`, with the first `used` floats of its state.
    #[inline(always)]
    pub fn new(
        slab: &'a mut Slab,
        places: Places<'a>,
        slice: &Slice,
        used: usize,
    ) -> SliceSteps<'a> {
        let Places { rows, gradients, width, .. } = places;
        let (weights_end, state_end) = (slice.column + slice.dim, slice.state + used);
        assert!(weights_end <= width && width <= slice.state && state_end <= slab.floats_of_row());
        assert!(rows.len() * width <= gradients.len());
        SliceSteps { slab, places, slice: *slice, used }
    }
}

impl Steps for SliceSteps<'_> {
    #[inline(always)]
    fn for_each(&mut self, mut step: impl FnMut(&mut [f32], &mut [f32], &[f32])) {
        let Places { positions, rows, gradients, width } = self.places;
        let Slice { dim, column, state, .. } = self.slice;
        for at in positions.iter().copied().map(usize::from) {
            let floats = self.slab.floats_mut(&rows[at]).as_mut_ptr();
            // SAFETY: `new` compared the ranges with a row's floats and with the gradients; weights
            // end before the state begins.
            unsafe {
                let weights = from_raw_parts_mut(floats.add(column), dim);
                let state = from_raw_parts_mut(floats.add(state), self.used);
                step(
                    weights,
                    state,
                    from_raw_parts(gradients.as_ptr().add(at * width + column), dim),
                );
            }
        }
    }
}
