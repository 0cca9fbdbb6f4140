//! The exports behind `batch_kernel.ts` and `feature_hasher.ts`.
//!
//! No export takes a pointer. The host asks for an input buffer of some length, writes it, calls an operation and
//! reads the result where the kernel says; every length and position is checked here. So no call can corrupt
//! memory, and an operation that refuses its input returns a negative status (see ABI.md).

use core::cell::RefCell;

use crate::abi_buffers::reserve;
use crate::batch::{self, PoolError, PoolShape, Unique};
use crate::crc32c::crc32c;
use crate::feature_hash::{feature_id, SLOT_MAX};

const REFUSED_LENGTH: i32 = -1;
const REFUSED_SHAPE: i32 = -2;
const REFUSED_OFFSETS: i32 = -3;
const REFUSED_POSITION: i32 = -4;
const REFUSED_COMBINER: i32 = -5;
const REFUSED_SLOT: i32 = -6;

#[derive(Default)]
struct Buffers {
    ids: Vec<u64>,
    /// Positions of ids among unique rows (input of pooling).
    inverse: Vec<u32>,
    offsets: Vec<u32>,
    slots: Vec<u16>,
    bytes: Vec<u8>,
    rows: Vec<f32>,
    pooled: Vec<f32>,
    unique: Unique,
    /// Addresses of the last [`Unique::group`].
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

/// Buffer for `length` positions (u32).
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

/// Buffer for `length` bytes: UTF-8 text, combiner codes, or what is to be checksummed.
#[no_mangle]
pub extern "C" fn batch_bytes(length: usize) -> usize {
    with(|buffers| reserve(&mut buffers.bytes, length))
}

/// Buffer for `length` floats of unique rows or their gradients.
#[no_mangle]
pub extern "C" fn batch_rows(length: usize) -> usize {
    with(|buffers| reserve(&mut buffers.rows, length))
}

/// Buffer for `length` floats of pooled vectors or their gradients.
#[no_mangle]
pub extern "C" fn batch_pooled(length: usize) -> usize {
    with(|buffers| reserve(&mut buffers.pooled, length))
}

/// Groups the first `length` ids by `shards`; returns the number of distinct ids.
#[no_mangle]
pub extern "C" fn batch_unique(length: usize, shards: u32) -> i32 {
    with(|buffers| {
        if length > buffers.ids.len() || length >= 1 << 31 || shards == 0 || shards > 1 << 20 {
            return REFUSED_LENGTH;
        }
        let batch = buffers.unique.group(&buffers.ids[..length], shards);
        buffers.grouped = [
            batch.ids.as_ptr() as usize,
            batch.shard_starts.as_ptr() as usize,
            batch.inverse.as_ptr() as usize,
            batch.counts.as_ptr() as usize,
        ];
        batch.ids.len() as i32
    })
}

/// Address of a result of the last `batch_unique`: 0 ids (u64), 1 shard starts, 2 inverse, 3 counts (u32).
#[no_mangle]
pub extern "C" fn batch_unique_result(which: usize) -> usize {
    with(|buffers| buffers.grouped.get(which).copied().unwrap_or(0))
}

/// Pools `rows` into `pooled`. The combiner codes lie in the byte buffer.
#[no_mangle]
pub extern "C" fn batch_pool(
    unique: usize,
    width: usize,
    column: usize,
    dim: usize,
    ids: usize,
    segments: usize,
    slots: usize,
) -> i32 {
    with(|buffers| {
        let Some(sizes) = Sizes::of(buffers, unique, width, dim, ids, segments, slots) else {
            return REFUSED_LENGTH;
        };
        let shape = PoolShape {
            width,
            column,
            dim,
            inverse: &buffers.inverse[..ids],
            offsets: &buffers.offsets[..segments + 1],
            combiners: &buffers.bytes[..slots],
        };
        status(batch::pool(
            &shape,
            &buffers.rows[..sizes.rows],
            &mut buffers.pooled[..sizes.pooled],
        ))
    })
}

/// Adds the gradient of `batch_pool`, from `pooled` onto `rows`.
#[no_mangle]
pub extern "C" fn batch_pool_gradient(
    unique: usize,
    width: usize,
    column: usize,
    dim: usize,
    ids: usize,
    segments: usize,
    slots: usize,
) -> i32 {
    with(|buffers| {
        let Some(sizes) = Sizes::of(buffers, unique, width, dim, ids, segments, slots) else {
            return REFUSED_LENGTH;
        };
        let shape = PoolShape {
            width,
            column,
            dim,
            inverse: &buffers.inverse[..ids],
            offsets: &buffers.offsets[..segments + 1],
            combiners: &buffers.bytes[..slots],
        };
        let rows = &mut buffers.rows[..sizes.rows];
        status(batch::pool_gradient(&shape, &buffers.pooled[..sizes.pooled], rows))
    })
}

/// Sums the `ids` rows of `pooled` that share a position, into `unique` rows of `rows`.
#[no_mangle]
pub extern "C" fn batch_sum(unique: usize, width: usize, ids: usize) -> i32 {
    with(|buffers| {
        let Buffers { rows, pooled, inverse, .. } = buffers;
        let sums = unique.checked_mul(width).and_then(|floats| rows.get_mut(..floats));
        let values = ids.checked_mul(width).and_then(|floats| pooled.get(..floats));
        let (Some(sums), Some(values), Some(inverse)) = (sums, values, inverse.get(..ids)) else {
            return REFUSED_LENGTH;
        };
        status(batch::sum_by_inverse(width, inverse, values, sums))
    })
}

/// Hashes `length` texts, text i being `bytes[offsets[i]..offsets[i + 1]]` in slot `slots[i]`, into `ids`.
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

/// CRC-32C of the first `length` bytes of the byte buffer, after `crc`.
#[no_mangle]
pub extern "C" fn batch_crc32c(crc: u32, length: usize) -> u32 {
    with(|buffers| crc32c(crc, &buffers.bytes[..length.min(buffers.bytes.len())]))
}

/// Floats of both sides of a pooling, once all buffers are known to be long enough.
struct Sizes {
    rows: usize,
    pooled: usize,
}

impl Sizes {
    fn of(
        buffers: &Buffers,
        unique: usize,
        width: usize,
        dim: usize,
        ids: usize,
        segments: usize,
        slots: usize,
    ) -> Option<Sizes> {
        let rows = unique.checked_mul(width)?;
        let pooled = segments.checked_mul(dim)?;
        let held = rows <= buffers.rows.len()
            && pooled <= buffers.pooled.len()
            && ids <= buffers.inverse.len()
            && segments < buffers.offsets.len()
            && slots <= buffers.bytes.len()
            && width > 0;
        held.then_some(Sizes { rows, pooled })
    }
}

fn status(result: Result<(), PoolError>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(PoolError::Shape) => REFUSED_SHAPE,
        Err(PoolError::Offsets) => REFUSED_OFFSETS,
        Err(PoolError::Position) => REFUSED_POSITION,
        Err(PoolError::Combiner) => REFUSED_COMBINER,
    }
}
