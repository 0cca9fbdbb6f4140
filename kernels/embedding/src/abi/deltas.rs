//! The exports that read rows of a training table for replication: numbered deltas, and pages of
//! all rows.

use super::buffers::{reserve, LENGTH_MAX};
use super::instance::training;
use super::refusals::{REFUSED_ACKNOWLEDGEMENT, REFUSED_CONSUMER, REFUSED_LENGTH, REFUSED_MEMORY};
use crate::changes::DeltaError;
use crate::crc32c::crc32c;
use crate::export::{export_rows, Page};
use crate::table::EmbeddingTable;

/// Status of `table_take_delta`: the consumer has to begin anew.
const OVERFLOWED: i32 = 2;

/// Starts recording changes for a consumer; a consumer that had begun starts over.
#[no_mangle]
pub extern "C" fn table_begin_deltas(consumer: usize) -> i32 {
    training(|EmbeddingTable { changes, store, .. }, _| match changes.begin(store, consumer) {
        Ok(()) => 0,
        Err(_) => REFUSED_CONSUMER,
    })
}

/// Takes the next delta of a consumer. Words: sequence, rows, removed, checksum. Ids and floats:
/// the rows. Returns 1 for a delta, 0 if nothing is new, 2 if the consumer's tombstones overflowed
/// and it has to begin anew.
#[no_mangle]
pub extern "C" fn table_take_delta(consumer: usize, acknowledged: f64, rows_max: usize) -> i32 {
    training(|table, buffers| {
        let width = table.options.width;
        let fits = rows_max.checked_mul(width).is_some_and(|floats| floats <= LENGTH_MAX);
        if rows_max == 0
            || !fits
            || acknowledged.fract() != 0.0
            || !(0.0..9e15).contains(&acknowledged)
        {
            return REFUSED_LENGTH;
        }
        let EmbeddingTable { changes, store, .. } = table;
        let delta = match changes.take(store, consumer, acknowledged as u64, width, rows_max) {
            Ok(delta) => delta,
            Err(DeltaError::UnknownConsumer) => return REFUSED_CONSUMER,
            Err(DeltaError::Acknowledged) => return REFUSED_ACKNOWLEDGEMENT,
            Err(DeltaError::Overflowed) => return OVERFLOWED,
            Err(DeltaError::OutOfMemory) => return REFUSED_MEMORY,
        };
        if delta.sequence <= acknowledged as u64 {
            return 0;
        }
        let copied = copy(&delta.ids, &mut buffers.ids)
            && copy(&delta.rows, &mut buffers.floats)
            && copy(&delta.tombstones, &mut buffers.removed);
        if !copied {
            // The delta is kept and given again.
            return REFUSED_MEMORY;
        }
        let mut checksum = crc32c(0, as_bytes(&delta.ids));
        checksum = crc32c(checksum, as_bytes(&delta.rows));
        checksum = crc32c(checksum, as_bytes(&delta.tombstones));
        buffers.answer([
            delta.sequence as f64,
            delta.ids.len() as f64,
            delta.tombstones.len() as f64,
            f64::from(checksum),
        ]);
        1
    })
}

/// Copies to the front of a buffer; false if memory is short.
fn copy<T: Copy + Default>(from: &[T], to: &mut Vec<T>) -> bool {
    let fits = reserve(to, from.len()) != 0;
    if fits {
        to[..from.len()].copy_from_slice(from);
    }
    fits
}

/// The little-endian bytes of a slice of words or floats (the kernel runs on little-endian machines
/// only).
fn as_bytes<T: Copy>(values: &[T]) -> &[u8] {
    // SAFETY: u64 and f32 have no padding, and u8 has alignment 1.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), std::mem::size_of_val(values)) }
}

/// Reads at most `rows_max` rows from `cursor` on into ids and floats. Words: rows, next cursor,
/// done.
#[no_mangle]
pub extern "C" fn table_export_rows(cursor: f64, rows_max: usize) -> i32 {
    training(|table, buffers| {
        let width = table.options.width;
        let fits = rows_max.checked_mul(width).is_some_and(|floats| floats <= LENGTH_MAX);
        if rows_max == 0 || !fits || !(0.0..=f64::from(u32::MAX)).contains(&cursor) {
            return REFUSED_LENGTH;
        }
        let rows = rows_max.min(table.store.rows());
        if reserve(&mut buffers.ids, rows) == 0 || reserve(&mut buffers.floats, rows * width) == 0 {
            return REFUSED_MEMORY;
        }
        let (ids, weights) = (&mut buffers.ids[..rows], &mut buffers.floats[..rows * width]);
        let Page { rows, next } =
            export_rows(&table.store.slab, cursor as u32, width, ids, weights);
        let done = f64::from(u8::from(next.is_none()));
        buffers.answer([rows as f64, f64::from(next.unwrap_or(u32::MAX)), done]);
        0
    })
}
