//! The exports behind `candidate_index.ts`. An instance holds one set of candidates, besides its
//! table and batch buffers.

use core::cell::RefCell;

use super::buffers::reserve;
use super::refusals::{
    REFUSED_CODE, REFUSED_INDEX, REFUSED_LENGTH, REFUSED_MEMORY, REFUSED_NO_TABLE,
};
use crate::candidates::{Candidates, Order, DIM_MAX};

/// Upper bound of the number of candidates.
const COUNT_MAX: usize = 1 << 26;

#[derive(Default)]
struct Buffers {
    candidates: Option<Candidates>,
    floats: Vec<f32>,
    indices: Vec<u32>,
    mask: Vec<u32>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

fn with<T>(operate: impl FnOnce(&mut Buffers) -> T) -> T {
    BUFFERS.with_borrow_mut(operate)
}

/// Buffer for `length` floats: vectors with their biases, a query, scores.
#[no_mangle]
pub extern "C" fn candidates_floats(length: usize) -> usize {
    with(|buffers| reserve(&mut buffers.floats, length))
}

/// Buffer for `length` indices (u32).
#[no_mangle]
pub extern "C" fn candidates_indices(length: usize) -> usize {
    with(|buffers| reserve(&mut buffers.indices, length))
}

/// Buffer for `length` words (u32) of a mask, a bit an index.
#[no_mangle]
pub extern "C" fn candidates_mask(length: usize) -> usize {
    with(|buffers| reserve(&mut buffers.mask, length))
}

/// Makes the candidates of this instance: vectors of `dim` numbers at indices below `count_max`.
/// Drops the candidates that it held before.
#[no_mangle]
pub extern "C" fn candidates_create(dim: usize, count_max: usize) -> i32 {
    if dim == 0 || dim > DIM_MAX || count_max > COUNT_MAX {
        return REFUSED_LENGTH;
    }
    with(|buffers| buffers.candidates = Some(Candidates::new(dim, count_max)));
    0
}

/// Writes the vectors of the first `count` indices; floats hold a vector and its bias for each.
#[no_mangle]
pub extern "C" fn candidates_write(count: usize) -> i32 {
    with(|Buffers { candidates, floats, indices, .. }| {
        let Some(candidates) = candidates else { return REFUSED_NO_TABLE };
        let width = candidates.dim + 1;
        let Some(floats) = count.checked_mul(width).and_then(|length| floats.get(..length)) else {
            return REFUSED_LENGTH;
        };
        let Some(indices) = indices.get(..count) else { return REFUSED_LENGTH };
        let Some(&greatest) = indices.iter().max() else { return 0 };
        if greatest as usize >= candidates.count_max {
            return REFUSED_INDEX;
        }
        if !candidates.reserve(greatest as usize + 1) {
            return REFUSED_MEMORY;
        }
        for (&index, row) in indices.iter().zip(floats.chunks_exact(width)) {
            candidates.write(index as usize, &row[..width - 1], row[width - 1]);
        }
        0
    })
}

/// Searches the candidates that the first `words` of the mask allow for the `count` best by the
/// query in floats; order 0 = inner product plus bias, 1 = cosine. Writes indices and, after the
/// query, scores; returns how many.
#[no_mangle]
pub extern "C" fn candidates_search(order: u32, words: usize, count: usize) -> i32 {
    let order = match order {
        0 => Order::InnerProduct,
        1 => Order::Cosine,
        _ => return REFUSED_CODE,
    };
    with(|Buffers { candidates, floats, indices, mask }| {
        let Some(candidates) = candidates else { return REFUSED_NO_TABLE };
        let Some((query, scores)) = floats.split_at_mut_checked(candidates.dim) else {
            return REFUSED_LENGTH;
        };
        match (mask.get(..words), indices.get_mut(..count), scores.get_mut(..count)) {
            (Some(mask), Some(indices), Some(scores)) => {
                candidates.search(query, mask, order, indices, scores) as i32
            }
            _ => REFUSED_LENGTH,
        }
    })
}
