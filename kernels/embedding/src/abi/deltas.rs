//! The exports that read rows of a training table for replication: numbered deltas, and pages of
//! all rows.

use super::buffers::{reserve, LENGTH_MAX};
use super::instance::training;
use super::refusals::{
    REFUSED_ACKNOWLEDGEMENT, REFUSED_CODE, REFUSED_CONSUMER, REFUSED_LENGTH, REFUSED_MEMORY,
};
use crate::changes::{Delta, DeltaError, RowForm};
use crate::counter_snapshot::SAVED_LINE_BYTES;
use crate::crc32c::crc32c;
use crate::export::{digest, export_rows, export_saved, Page};
use crate::serving_table::Precision;
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

/// Stops recording changes for a consumer.
#[no_mangle]
pub extern "C" fn table_end_deltas(consumer: usize) -> i32 {
    training(|EmbeddingTable { changes, .. }, _| match changes.end(consumer) {
        Ok(()) => 0,
        Err(_) => REFUSED_CONSUMER,
    })
}

/// Takes the next delta of a consumer. Words: sequence, rows, removed, checksum. Ids and floats:
/// the rows. Returns 1 for a delta, 0 if nothing is new, 2 if the consumer's tombstones overflowed
/// and it has to begin anew.
#[no_mangle]
pub extern "C" fn table_take_delta(consumer: usize, acknowledged: f64, rows_max: usize) -> i32 {
    take(consumer, acknowledged, rows_max, RowForm::Weights)
}

/// As `table_take_delta`, with whole rows in the form of a snapshot, in bytes.
#[no_mangle]
pub extern "C" fn table_take_saved_delta(
    consumer: usize,
    acknowledged: f64,
    rows_max: usize,
) -> i32 {
    take(consumer, acknowledged, rows_max, RowForm::Saved)
}

fn take(consumer: usize, acknowledged: f64, rows_max: usize, form: RowForm) -> i32 {
    training(|table, buffers| {
        let width = table.options.width;
        let largest = width.max(table.store.layout.saved_row_bytes());
        let fits = rows_max.checked_mul(largest).is_some_and(|length| length <= LENGTH_MAX);
        if rows_max == 0
            || !fits
            || acknowledged.fract() != 0.0
            || !(0.0..9e15).contains(&acknowledged)
        {
            return REFUSED_LENGTH;
        }
        let EmbeddingTable { changes, store, .. } = table;
        let taken = changes.take(store, consumer, acknowledged as u64, form, width, rows_max);
        let delta = match taken {
            Ok(delta) => delta,
            Err(DeltaError::UnknownConsumer) => return REFUSED_CONSUMER,
            Err(DeltaError::Acknowledged) => return REFUSED_ACKNOWLEDGEMENT,
            Err(DeltaError::Overflowed) => return OVERFLOWED,
            Err(DeltaError::OutOfMemory) => return REFUSED_MEMORY,
            Err(DeltaError::OtherForm) => return REFUSED_CODE,
        };
        if delta.sequence <= acknowledged as u64 {
            return 0;
        }
        let copied = copy(&delta.tombstones, &mut buffers.removed)
            && match form {
                RowForm::Weights => {
                    copy(&delta.ids, &mut buffers.ids) && copy(&delta.rows, &mut buffers.floats)
                }
                RowForm::Saved => copy(&delta.saved, &mut buffers.bytes),
            };
        if !copied {
            // The delta is held and given again.
            return REFUSED_MEMORY;
        }
        buffers.answer([
            delta.sequence as f64,
            delta.ids.len() as f64,
            delta.tombstones.len() as f64,
            f64::from(checksum_of(delta)),
        ]);
        1
    })
}

/// Packs the rows of the first `count` ids (floats, of a delta or a page) into bytes, as a serving
/// table of the precision stores them. Words: CRC-32C over these ids, the bytes and the first
/// `removed` removed ids. Returns the bytes of a row.
#[no_mangle]
pub extern "C" fn table_pack_rows(count: usize, removed: usize, precision: u32) -> i32 {
    training(|table, buffers| {
        let width = table.options.width;
        let Some(precision) = Precision::of_code(precision) else { return REFUSED_CODE };
        let row_bytes = precision.row_bytes(width);
        let length = count.checked_mul(row_bytes).filter(|&length| length <= LENGTH_MAX);
        let (Some(length), Some(_), Some(_)) =
            (length, buffers.ids.get(..count), buffers.removed.get(..removed))
        else {
            return REFUSED_LENGTH;
        };
        if buffers.floats.len() < count * width {
            return REFUSED_LENGTH;
        }
        if reserve(&mut buffers.bytes, length) == 0 {
            return REFUSED_MEMORY;
        }
        let rows = buffers.floats.chunks_exact(width).take(count);
        for (weights, out) in rows.zip(buffers.bytes.chunks_exact_mut(row_bytes)) {
            precision.pack(weights, out);
        }
        let checksum = crc32c(0, as_bytes(&buffers.ids[..count]));
        let checksum = crc32c(checksum, &buffers.bytes[..length]);
        let checksum = crc32c(checksum, as_bytes(&buffers.removed[..removed]));
        buffers.answer([f64::from(checksum)]);
        row_bytes as i32
    })
}

/// CRC-32C over ids, weights and tombstones, or over saved rows.
fn checksum_of(delta: &Delta) -> u32 {
    match delta.form {
        RowForm::Weights => {
            let rows = crc32c(crc32c(0, as_bytes(&delta.ids)), as_bytes(&delta.rows));
            crc32c(rows, as_bytes(&delta.tombstones))
        }
        RowForm::Saved => crc32c(0, &delta.saved),
    }
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

/// Reads at most `rows_max` rows from `cursor` on into bytes, whole and in the form of a snapshot.
/// Words: rows, next cursor, done, checksum.
#[no_mangle]
pub extern "C" fn table_export_saved(cursor: f64, rows_max: usize) -> i32 {
    training(|table, buffers| {
        let row_bytes = table.store.layout.saved_row_bytes();
        let fits = rows_max.checked_mul(row_bytes).is_some_and(|bytes| bytes <= LENGTH_MAX);
        if rows_max == 0 || !fits || !(0.0..=f64::from(u32::MAX)).contains(&cursor) {
            return REFUSED_LENGTH;
        }
        buffers.bytes.clear();
        let rows = rows_max.min(table.store.rows());
        if buffers.bytes.try_reserve(rows * row_bytes).is_err() {
            return REFUSED_MEMORY;
        }
        let Page { rows, next } =
            export_saved(&table.store.slab, cursor as u32, rows, &mut buffers.bytes);
        let checksum = crc32c(0, &buffers.bytes);
        let done = f64::from(u8::from(next.is_none()));
        buffers.answer([
            rows as f64,
            f64::from(next.unwrap_or(u32::MAX)),
            done,
            f64::from(checksum),
        ]);
        0
    })
}

/// Reads at most `lines_max` lines of the admission counters from `cursor` on into bytes, in the
/// form of a snapshot. Words: lines, next cursor, done, checksum.
#[no_mangle]
pub extern "C" fn table_export_counters(cursor: f64, lines_max: usize) -> i32 {
    training(|table, buffers| {
        let fits = lines_max.checked_mul(SAVED_LINE_BYTES).is_some_and(|bytes| bytes <= LENGTH_MAX);
        if lines_max == 0 || !fits || !(0.0..=f64::from(u32::MAX)).contains(&cursor) {
            return REFUSED_LENGTH;
        }
        buffers.bytes.clear();
        let lines = lines_max.min(table.admission.lines_in_use());
        if buffers.bytes.try_reserve(lines * SAVED_LINE_BYTES).is_err() {
            return REFUSED_MEMORY;
        }
        let next = table.admission.export(cursor as usize, lines, &mut buffers.bytes);
        let lines = buffers.bytes.len() / SAVED_LINE_BYTES;
        let checksum = crc32c(0, &buffers.bytes);
        let done = f64::from(u8::from(next.is_none()));
        buffers.answer([lines as f64, next.unwrap_or(0) as f64, done, f64::from(checksum)]);
        0
    })
}

/// Words: rows, clock, update calls, newest generation of the admission counters.
#[no_mangle]
pub extern "C" fn table_moment() -> i32 {
    training(|table, buffers| {
        buffers.answer([
            table.store.rows() as f64,
            f64::from(table.clock_seconds),
            table.updates as f64,
            table.admission.newest() as f64,
        ])
    })
}

/// Removes the rows of the first `count` ids, and their occurrences without a row; consumers get
/// tombstones. Returns the rows removed.
#[no_mangle]
pub extern "C" fn table_remove(count: usize) -> i32 {
    training(|table, buffers| {
        let Some(ids) = buffers.ids.get(..count) else { return REFUSED_LENGTH };
        let mut removed = 0;
        for &id in ids {
            let row = table.store.find(id);
            if row.exists() {
                table.evict(&row);
                removed += 1;
            }
            table.admission.remove(id);
        }
        removed
    })
}

/// The digest of the rows of at most `handles_max` handles from `cursor` on. Words: rows, low and
/// high half of the sum, next cursor, done.
#[no_mangle]
pub extern "C" fn table_digest(cursor: f64, handles_max: u32) -> i32 {
    training(|table, buffers| {
        if handles_max == 0 || !(0.0..=f64::from(u32::MAX)).contains(&cursor) {
            return REFUSED_LENGTH;
        }
        let (rows, sum, next) = digest(&table.store.slab, cursor as u32, handles_max);
        let [low, high] = [sum as u32, (sum >> 32) as u32].map(f64::from);
        let done = f64::from(u8::from(next.is_none()));
        buffers.answer([rows as f64, low, high, f64::from(next.unwrap_or(u32::MAX)), done]);
        0
    })
}
