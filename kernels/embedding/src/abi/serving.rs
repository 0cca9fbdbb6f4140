//! The exports behind `serving_table.ts`.

use super::instance::{serving, with, Table, TABLE_BYTES};
use super::refusals::{REFUSED_CODE, REFUSED_LENGTH, REFUSED_MEMORY};
use crate::memory::is_available;
use crate::serving_table::{Precision, ServingTable};

/// Makes the serving table of this instance; precision 0 = fp32, 1 = fp16, 2 = int8. A table that
/// the instance held is dropped with all its memory.
#[no_mangle]
pub extern "C" fn serving_create(width: usize, precision: u32, bytes_max: usize) -> i32 {
    let Some(precision) = Precision::of_code(precision) else { return REFUSED_CODE };
    if width == 0 || width > 1 << 16 {
        return REFUSED_LENGTH;
    }
    with(|instance| {
        instance.table = None;
        if !is_available(TABLE_BYTES) {
            return REFUSED_MEMORY;
        }
        match ServingTable::new(width, precision, bytes_max) {
            Some(table) if instance.buffers.can_answer() => {
                instance.table = Some(Table::Serving(table));
                0
            }
            _ => REFUSED_MEMORY,
        }
    })
}

/// Looks up the first `count` ids: rows in floats, found flags in bytes. Returns the number of
/// absent ids.
#[no_mangle]
pub extern "C" fn serving_lookup(count: usize) -> i32 {
    serving(|table, buffers| {
        let Some((ids, floats, found)) = buffers.lookup_of(count, table.width) else {
            return REFUSED_LENGTH;
        };
        table.lookup(ids, floats, found);
        found.iter().filter(|&&found| found == 0).count() as i32
    })
}

/// Writes weights (floats) of the first `count` ids; returns the number of new ids left out at the
/// memory limit.
#[no_mangle]
pub extern "C" fn serving_upsert(count: usize) -> i32 {
    serving(|table, buffers| {
        let width = table.width;
        let Some((ids, weights)) = buffers.rows_of(count, width) else { return REFUSED_LENGTH };
        table.upsert(ids, weights) as i32
    })
}

/// As `serving_upsert`, with rows (bytes) that `table_pack_rows` packed; refuses a precision that
/// is not the table's.
#[no_mangle]
pub extern "C" fn serving_upsert_packed(count: usize, precision: u32) -> i32 {
    serving(|table, buffers| {
        if Precision::of_code(precision) != Some(table.precision()) {
            return REFUSED_CODE;
        }
        let Some(length) = count.checked_mul(table.precision().row_bytes(table.width)) else {
            return REFUSED_LENGTH;
        };
        match (buffers.ids.get(..count), buffers.bytes.get(..length)) {
            (Some(ids), Some(packed)) => table.upsert_packed(ids, packed) as i32,
            _ => REFUSED_LENGTH,
        }
    })
}

/// Removes the first `count` ids; returns the number of rows removed.
#[no_mangle]
pub extern "C" fn serving_remove(count: usize) -> i32 {
    serving(|table, buffers| match buffers.ids.get(..count) {
        Some(ids) => table.remove(ids) as i32,
        None => REFUSED_LENGTH,
    })
}

/// Starts replacing all rows of the serving table.
#[no_mangle]
pub extern "C" fn serving_begin_fill() -> i32 {
    serving(|table, _| {
        table.begin_fill();
        0
    })
}

/// Removes the rows that were not written since `serving_begin_fill`; returns their number.
#[no_mangle]
pub extern "C" fn serving_end_fill() -> i32 {
    serving(|table, _| table.end_fill() as i32)
}
