//! The exports behind `batch_kernel.ts`, `pool_kernel.ts` and `feature_hasher.ts`. Every length and
//! index is checked here; an operation that refuses its input returns a negative status (see
//! ABI.md).

use core::cell::RefCell;

use super::buffers::reserve;
use super::refusals::{
    REFUSED_CLASS, REFUSED_GROUPS, REFUSED_INDEX, REFUSED_LENGTH, REFUSED_MEMORY, REFUSED_OFFSETS,
    REFUSED_PLAN, REFUSED_SHAPE, REFUSED_SLOT,
};
use crate::batch::{Groups, PoolBatch, PoolError, PoolPlan, Pooling, Unique};
use crate::crc32c::crc32c;
use crate::feature_hash::{feature_id, SLOT_MAX};
use crate::memory::is_available;

/// Upper bound of the memory for a word of a pooling plan, decoded and while it is decoded.
const PLAN_BYTES: usize = 32;

/// Pooling plans of one instance, which read the same rows.
const PLANS: usize = 2;

#[derive(Default)]
struct Buffers {
    ids: Vec<u64>,
    /// Index of each id among the unique rows.
    inverse: Vec<u32>,
    offsets: Vec<u32>,
    slots: Vec<u16>,
    bytes: Vec<u8>,
    plan: Vec<u32>,
    group_starts: Vec<u32>,
    rows: Vec<f32>,
    pooled: Vec<f32>,
    gradients: Vec<f32>,
    poolings: [Option<Pooling>; PLANS],
    unique: Unique,
    /// Number of classes of rows, minus one.
    further_classes: u8,
    /// Empty if all slots are of one class.
    class_of_slot: Vec<u8>,
    /// Addresses of the results of the last [`Unique::group`], zeros if it was refused.
    grouped: [usize; 4],
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

fn with<T>(operate: impl FnOnce(&mut Buffers) -> T) -> T {
    BUFFERS.with_borrow_mut(operate)
}

/// Buffer for `length` ids (u64).
#[no_mangle]
pub extern "C" fn batch_ids(length: usize) -> usize {
    with(|buffers| reserve(&mut buffers.ids, length))
}

/// Buffer for `length` indices (u32) of ids among unique rows.
#[no_mangle]
pub extern "C" fn batch_inverse(length: usize) -> usize {
    with(|buffers| reserve(&mut buffers.inverse, length))
}

/// Buffer for `length` offsets (u32).
#[no_mangle]
pub extern "C" fn batch_offsets(length: usize) -> usize {
    with(|buffers| reserve(&mut buffers.offsets, length))
}

/// Buffer for `length` slots (u16).
#[no_mangle]
pub extern "C" fn batch_slots(length: usize) -> usize {
    with(|buffers| reserve(&mut buffers.slots, length))
}

/// Buffer for `length` words (u32) of a pooling plan.
#[no_mangle]
pub extern "C" fn batch_plan(length: usize) -> usize {
    with(|buffers| reserve(&mut buffers.plan, length))
}

/// Buffer for `length` group starts (u32).
#[no_mangle]
pub extern "C" fn batch_groups(length: usize) -> usize {
    with(|buffers| reserve(&mut buffers.group_starts, length))
}

/// Buffer for `length` bytes: UTF-8 text, or bytes to checksum.
#[no_mangle]
pub extern "C" fn batch_bytes(length: usize) -> usize {
    with(|buffers| reserve(&mut buffers.bytes, length))
}

/// Buffer for `length` floats of unique rows or their gradients.
#[no_mangle]
pub extern "C" fn batch_rows(length: usize) -> usize {
    with(|buffers| reserve(&mut buffers.rows, length))
}

/// Buffer for `length` floats of pooled vectors.
#[no_mangle]
pub extern "C" fn batch_pooled(length: usize) -> usize {
    with(|buffers| reserve(&mut buffers.pooled, length))
}

/// Buffer for `length` floats of the gradients of pooled vectors.
#[no_mangle]
pub extern "C" fn batch_gradients(length: usize) -> usize {
    with(|buffers| reserve(&mut buffers.gradients, length))
}

/// Reads the class of each of the 32,768 slots from the first bytes; returns the number of classes.
#[no_mangle]
pub extern "C" fn batch_classes() -> i32 {
    with(|buffers| {
        let slots = usize::from(SLOT_MAX) + 1;
        let Some(classes) = buffers.bytes.get(..slots) else { return REFUSED_LENGTH };
        if reserve(&mut buffers.class_of_slot, slots) == 0 {
            return REFUSED_MEMORY;
        }
        buffers.class_of_slot.copy_from_slice(classes);
        buffers.further_classes = classes.iter().copied().max().unwrap_or(0);
        i32::from(buffers.further_classes) + 1
    })
}

/// Groups the first `length` ids by shard, and by class inside a shard; returns the number of
/// distinct ids.
#[no_mangle]
pub extern "C" fn batch_unique(length: usize, shards: u32) -> i32 {
    with(|buffers| {
        if length > buffers.ids.len() || length >= 1 << 31 || shards == 0 || shards > 1 << 20 {
            return REFUSED_LENGTH;
        }
        buffers.grouped = [0; 4];
        let classes = u32::from(buffers.further_classes) + 1;
        let groups = Groups { shards, classes, class_of_slot: &buffers.class_of_slot };
        let Some(batch) = buffers.unique.group(&buffers.ids[..length], &groups) else {
            return REFUSED_MEMORY;
        };
        buffers.grouped = [
            batch.ids.as_ptr() as usize,
            batch.group_starts.as_ptr() as usize,
            batch.inverse.as_ptr() as usize,
            batch.counts.as_ptr() as usize,
        ];
        batch.ids.len() as i32
    })
}

/// Address of a result of the last `batch_unique`: 0 ids (u64), 1 group starts, 2 inverse, 3 counts
/// (u32).
#[no_mangle]
pub extern "C" fn batch_unique_result(which: usize) -> usize {
    with(|buffers| buffers.grouped.get(which).copied().unwrap_or(0))
}

/// Decodes a plan of later poolings from the first `words` plan words; see `PoolPlan::decode`. An
/// instance has the plans 0 and 1.
#[no_mangle]
pub extern "C" fn batch_pool_plan(plan: usize, words: usize) -> i32 {
    with(|buffers| {
        if plan >= PLANS {
            return REFUSED_PLAN;
        }
        let Some(words) = buffers.plan.get(..words) else { return REFUSED_LENGTH };
        if !is_available(PLAN_BYTES.saturating_mul(words.len())) {
            return REFUSED_MEMORY;
        }
        match PoolPlan::decode(words) {
            Some(decoded) => {
                buffers.poolings[plan] = Some(Pooling::new(decoded));
                0
            }
            None => REFUSED_PLAN,
        }
    })
}

/// Pools the first `row_floats` of `rows` by a plan into `pooled_floats` of `pooled`, from
/// `pooled_start` on. The batch has `ids` ids in `lists` lists, one for each slot of each example;
/// its distinct ids are in `groups` groups.
#[no_mangle]
pub extern "C" fn batch_pool(
    plan: usize,
    row_floats: usize,
    pooled_start: usize,
    pooled_floats: usize,
    ids: usize,
    lists: usize,
    groups: usize,
) -> i32 {
    with(|buffers| {
        let Buffers { poolings, rows, pooled, inverse, offsets, group_starts, .. } = buffers;
        let Some(Some(pooling)) = poolings.get_mut(plan) else { return REFUSED_PLAN };
        if lists >= offsets.len() || groups >= group_starts.len() {
            return REFUSED_LENGTH;
        }
        let pooled = pooled.get_mut(pooled_start..).and_then(|from| from.get_mut(..pooled_floats));
        let (Some(rows), Some(pooled), Some(inverse)) =
            (rows.get(..row_floats), pooled, inverse.get(..ids))
        else {
            return REFUSED_LENGTH;
        };
        let batch = PoolBatch {
            groups: &group_starts[..groups + 1],
            inverse,
            offsets: &offsets[..lists + 1],
        };
        status(pooling.pool(&batch, rows, pooled))
    })
}

/// Computes the gradient of the last `batch_pool` of plan 0 from the first `pooled_floats` of
/// `gradients` into the first `row_floats` of `rows`.
#[no_mangle]
pub extern "C" fn batch_pool_gradient(pooled_floats: usize, row_floats: usize) -> i32 {
    with(|buffers| {
        let Buffers { poolings: [pooling, ..], rows, gradients, .. } = buffers;
        let Some(pooling) = pooling else { return REFUSED_PLAN };
        match (gradients.get(..pooled_floats), rows.get_mut(..row_floats)) {
            (Some(gradients), Some(rows)) => status(pooling.gradient(gradients, rows)),
            _ => REFUSED_LENGTH,
        }
    })
}

/// Hashes `length` texts into `ids`; text i is `bytes[offsets[i]..offsets[i + 1]]` in slot
/// `slots[i]`.
#[no_mangle]
pub extern "C" fn batch_hash(length: usize) -> i32 {
    with(|buffers| {
        let Buffers { ids, offsets, slots, bytes, .. } = buffers;
        let short = length > ids.len() || length > slots.len() || length >= offsets.len();
        if short {
            return REFUSED_LENGTH;
        }
        for index in 0..length {
            let (start, end) = (offsets[index] as usize, offsets[index + 1] as usize);
            let Some(text) = bytes.get(start..end) else {
                return REFUSED_OFFSETS;
            };
            if slots[index] > SLOT_MAX {
                return REFUSED_SLOT;
            }
            ids[index] = feature_id(slots[index], text);
        }
        0
    })
}

/// CRC-32C of the first `length` bytes of the byte buffer, continued from `crc`.
#[no_mangle]
pub extern "C" fn batch_crc32c(crc: u32, length: usize) -> u32 {
    with(|buffers| crc32c(crc, &buffers.bytes[..length.min(buffers.bytes.len())]))
}

fn status(result: Result<(), PoolError>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(PoolError::Shape) => REFUSED_SHAPE,
        Err(PoolError::Offsets) => REFUSED_OFFSETS,
        Err(PoolError::Index) => REFUSED_INDEX,
        Err(PoolError::Groups) => REFUSED_GROUPS,
        Err(PoolError::Class) => REFUSED_CLASS,
        Err(PoolError::OutOfMemory) => REFUSED_MEMORY,
    }
}
