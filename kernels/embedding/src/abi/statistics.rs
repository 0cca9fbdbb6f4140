//! Statistics and memory limit of a table of either kind.

use super::instance::{with, Instance, Table};
use super::refusals::REFUSED_NO_TABLE;
use crate::table::Counts;

/// Writes statistics to words: rows, cells, bytes, row bytes, rows in their first bucket, rows in
/// the other, touched, then `Counts` in order. Returns the number of words. The bucket counts visit
/// every row; without `thorough` = 1 they are 0.
#[no_mangle]
pub extern "C" fn table_statistics(thorough: u32) -> i32 {
    with(|Instance { table, buffers }| {
        let store = match table {
            Some(Table::Training(table)) => &table.store,
            Some(Table::Serving(table)) => &table.store,
            None => return REFUSED_NO_TABLE,
        };
        let displacement = if thorough == 1 { store.displacement() } else { [0, 0] };
        let [rows, cells, bytes, row_bytes, first, other] = [
            store.rows(),
            store.cells(),
            store.memory.bytes(),
            store.layout.stride,
            displacement[0],
            displacement[1],
        ]
        .map(|count| count as f64);
        let Some(Table::Training(table)) = table else {
            return buffers.answer([rows, cells, bytes, row_bytes, first, other]);
        };
        let touched = table.changes.touched(&table.store) as f64;
        let Counts { lookups, missing, admitted, filtered, evicted, rejected, updated } =
            table.counts;
        let seconds = f64::from(table.clock_seconds);
        buffers.answer([
            rows, cells, bytes, row_bytes, first, other, touched, lookups, missing, admitted,
            filtered, evicted, rejected, updated, seconds,
        ])
    })
}

/// Writes to words the number of buckets of the index that hold 0, 1, … entries. Returns the number
/// of words.
#[no_mangle]
pub extern "C" fn table_entries_per_bucket() -> i32 {
    with(|Instance { table, buffers }| {
        let store = match table {
            Some(Table::Training(table)) => &table.store,
            Some(Table::Serving(table)) => &table.store,
            None => return REFUSED_NO_TABLE,
        };
        buffers.answer(store.index.entries_per_bucket().map(f64::from))
    })
}

/// Moves the limit of the table's memory, but not below the bytes that it has claimed; returns
/// those.
#[no_mangle]
pub extern "C" fn table_limit(bytes_max: u32) -> u32 {
    with(|instance| {
        let store = match &mut instance.table {
            Some(Table::Training(table)) => &mut table.store,
            Some(Table::Serving(table)) => &mut table.store,
            None => return 0,
        };
        store.memory.set_bytes_max(bytes_max as usize);
        store.memory.bytes() as u32
    })
}
