//! What either kind of table holds, and the limit of its memory.

use super::instance::{with, Instance, Table};
use super::refusals::REFUSED_NO_TABLE;

/// Writes statistics to words: rows, slots, bytes, row bytes, first-bucket rows, other-bucket rows, touched, then `Counts`
/// in order. Returns how many words. The displacement counts visit every row: asked for by `thorough` = 1 only.
#[no_mangle]
pub extern "C" fn table_statistics(thorough: u32) -> i32 {
    with(|instance| {
        let store = match &instance.table {
            Some(Table::Training(table)) => &table.store,
            Some(Table::Serving(table)) => &table.store,
            None => return REFUSED_NO_TABLE,
        };
        let displacement = if thorough == 1 { store.displacement() } else { [0, 0] };
        let mut words = vec![
            store.rows() as f64,
            store.slots() as f64,
            store.memory.bytes() as f64,
            store.layout.stride as f64,
            displacement[0] as f64,
            displacement[1] as f64,
        ];
        if let Some(Table::Training(table)) = &instance.table {
            let counts = table.counts;
            words.push(table.changes.touched(store) as f64);
            words.extend([counts.lookups, counts.missing, counts.admitted, counts.filtered]);
            words.extend([
                counts.evicted,
                counts.rejected,
                counts.updated,
                f64::from(table.clock_seconds),
            ]);
        }
        instance.buffers.words = words;
        instance.buffers.words.len() as i32
    })
}

/// Writes to words how many buckets of the index hold 0, 1, … entries. Returns how many words.
#[no_mangle]
pub extern "C" fn table_entries_per_bucket() -> i32 {
    with(|Instance { table, buffers }| {
        let store = match table {
            Some(Table::Training(table)) => &table.store,
            Some(Table::Serving(table)) => &table.store,
            None => return REFUSED_NO_TABLE,
        };
        buffers.words.clear();
        buffers.words.extend(store.index.entries_per_bucket().map(f64::from));
        buffers.words.len() as i32
    })
}

/// Moves the limit of the table's memory, to what it has claimed if that is more; returns the bytes claimed.
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
