//! The exports that write a training table to a snapshot and restore it.

use super::buffers::LENGTH_MAX;
use super::instance::training;
use super::refusals::{
    REFUSED_CHECKSUM, REFUSED_CODE, REFUSED_LENGTH, REFUSED_MEMORY, REFUSED_SNAPSHOT,
};
use crate::admission::{RestoreError, GENERATIONS};
use crate::counter_snapshot::SAVED_LINE_BYTES;
use crate::crc32c::crc32c;
use crate::memory::is_available;
use crate::page::KEY_BYTES;
use crate::policy::{SLICES_MAX, SLOTS};
use crate::restore::{RestorePlan, Restored, Run};
use crate::snapshot::Progress;

/// Upper bound of a restore plan's words: its counts, weights and state of each slice, all slots.
const PLAN_WORDS_MAX: usize = 6 + 2 * 3 * SLICES_MAX + SLOTS;
/// Upper bound of the memory for reading one.
const PLAN_BYTES_MAX: usize = 16 * PLAN_WORDS_MAX;

/// The content of a piece of a snapshot, the third word of `table_snapshot_next`.
const ROWS: f64 = 0.0;
const COUNTERS: f64 = 1.0;
const REMOVED: f64 = 2.0;

/// Makes this moment the cut of a snapshot; a running one is dropped. `stored` is 1 if the snapshot
/// of the last cut is stored. Words: 1 if all changes since the last stored snapshot are known,
/// their rows, removed ids and lines of admission counters.
#[no_mangle]
pub extern "C" fn table_snapshot_cut(stored: u32) -> i32 {
    training(|table, buffers| {
        let (changed, lines) = table.cut(stored == 1);
        let known = f64::from(u8::from(changed.known));
        buffers.answer([known, changed.rows as f64, changed.removed as f64, lines as f64])
    })
}

/// Makes this moment a cut whose snapshot is stored: the table was restored from it.
#[no_mangle]
pub extern "C" fn table_snapshot_settle() -> i32 {
    training(|table, _| {
        table.settle();
        0
    })
}

/// Starts the snapshot of the cut that was just made: of all rows, or, if `increment` is 1, of the
/// changes since the last stored snapshot. Words: rows of the table, clock, update calls, newest
/// generation of the admission counters; rows and removed ids of the snapshot, and emptied
/// generations.
#[no_mangle]
pub extern "C" fn table_snapshot_begin(increment: u32) -> i32 {
    training(|table, buffers| {
        let is_increment = increment == 1;
        let Some(rows) = table.begin_snapshot(is_increment) else { return REFUSED_MEMORY };
        let removed = table.changes.since_snapshot.removed().len();
        let (removed, emptied) =
            if is_increment { (removed, table.admission.emptied()) } else { (0, 0) };
        buffers.answer([
            table.store.rows() as f64,
            f64::from(table.clock_seconds),
            table.updates as f64,
            table.admission.newest() as f64,
            rows as f64,
            removed as f64,
            f64::from(emptied),
        ]);
        0
    })
}

/// Writes the next piece of the snapshot to bytes: lines of the admission counters first, then
/// removed ids, then rows. Returns the number of lines, ids or rows, 0 at the end. Words: bytes,
/// checksum, 1 for lines and 2 for ids.
#[no_mangle]
pub extern "C" fn table_snapshot_next(rows_max: usize) -> i32 {
    training(|table, buffers| {
        let row_bytes = table.store.layout.saved_row_bytes();
        let largest = row_bytes.max(SAVED_LINE_BYTES);
        if rows_max == 0 || rows_max.checked_mul(largest).is_none_or(|bytes| bytes > LENGTH_MAX) {
            return REFUSED_LENGTH;
        }
        buffers.bytes.clear();
        let lines_max = rows_max.min(table.admission.saved_lines_left());
        if buffers.bytes.try_reserve(lines_max * SAVED_LINE_BYTES).is_err() {
            return REFUSED_MEMORY;
        }
        match table.admission.next_saved_lines(lines_max, &mut buffers.bytes) {
            Some(0) => {}
            Some(lines) => {
                let checksum = crc32c(0, &buffers.bytes);
                buffers.answer([buffers.bytes.len() as f64, f64::from(checksum), COUNTERS]);
                return lines as i32;
            }
            None => return REFUSED_SNAPSHOT,
        }
        let ids_max = rows_max.min(table.changes.since_snapshot.removed().len());
        if buffers.bytes.try_reserve(ids_max * KEY_BYTES).is_err() {
            return REFUSED_MEMORY;
        }
        let removed = table.next_removed(rows_max, &mut buffers.bytes);
        if removed > 0 {
            let checksum = crc32c(0, &buffers.bytes);
            buffers.answer([buffers.bytes.len() as f64, f64::from(checksum), REMOVED]);
            return removed as i32;
        }
        if buffers.bytes.try_reserve(rows_max.min(table.snapshot_rows_left()) * row_bytes).is_err()
        {
            return REFUSED_MEMORY;
        }
        match table.next_snapshot_rows(rows_max, &mut buffers.bytes) {
            Progress::Rows(rows) => {
                let checksum = crc32c(0, &buffers.bytes);
                buffers.answer([buffers.bytes.len() as f64, f64::from(checksum), ROWS]);
                rows as i32
            }
            Progress::Failed => REFUSED_SNAPSHOT,
        }
    })
}

/// Moves the bound of the memory for rows copied aside. Returns the bytes allocated for them.
#[no_mangle]
pub extern "C" fn table_snapshot_limit(bytes_max: u32) -> i32 {
    training(|table, _| table.limit_aside(bytes_max as usize) as i32)
}

/// Ends the snapshot.
#[no_mangle]
pub extern "C" fn table_snapshot_end() -> i32 {
    training(|table, _| {
        table.end_snapshot();
        0
    })
}

/// Restores clock and update calls of a snapshot.
#[no_mangle]
pub extern "C" fn table_restore_begin(clock_seconds: u32, updates: f64) -> i32 {
    training(|table, _| {
        table.clock_seconds = table.clock_seconds.max(clock_seconds);
        table.updates = table.updates.max(updates as u64);
        0
    })
}

/// Prepares the admission counters for the lines of an increment: `emptied` has a bit for each
/// generation that was emptied since the snapshot before it.
#[no_mangle]
pub extern "C" fn table_restore_emptied(newest: usize, emptied: u32) -> i32 {
    training(|table, _| {
        let known = emptied < 1 << GENERATIONS;
        if known && table.admission.restore_emptied(newest, emptied as u8) {
            0
        } else {
            REFUSED_CODE
        }
    })
}

/// Removes the rows of the ids in the first `bytes` bytes, whose checksum must be `checksum`: an
/// increment says that they were removed. An id without a row is no error. Returns the number of
/// rows removed.
#[no_mangle]
pub extern "C" fn table_restore_removed(bytes: usize, checksum: u32) -> i32 {
    training(|table, buffers| {
        let Some(ids) = buffers.bytes.get(..bytes) else { return REFUSED_LENGTH };
        if bytes % KEY_BYTES != 0 {
            return REFUSED_LENGTH;
        }
        if crc32c(0, ids) != checksum {
            return REFUSED_CHECKSUM;
        }
        let mut removed = 0;
        for id in ids.chunks_exact(KEY_BYTES) {
            let Ok(id) = id.try_into() else { return REFUSED_LENGTH };
            let row = table.store.find(u64::from_le_bytes(id));
            if row.exists() {
                table.evict(&row);
                removed += 1;
            }
        }
        removed
    })
}

/// Restores the lines of admission counters in the first `bytes` bytes, whose checksum must be
/// `checksum`. The saved counters must have the size of this table's; `newest` is their newest
/// generation.
#[no_mangle]
pub extern "C" fn table_restore_counters(newest: usize, bytes: usize, checksum: u32) -> i32 {
    training(|table, buffers| {
        let Some(lines) = buffers.bytes.get(..bytes) else { return REFUSED_LENGTH };
        if crc32c(0, lines) != checksum {
            return REFUSED_CHECKSUM;
        }
        match table.admission.restore(newest, lines) {
            Ok(()) => 0,
            Err(RestoreError::Malformed) => REFUSED_CODE,
            Err(RestoreError::OutOfMemory) => REFUSED_MEMORY,
        }
    })
}

/// Restores the rows in the first `bytes` bytes, whose checksum must be `checksum`. Words in:
/// floats, counted, shard, shards, runs, slots, {from, to, floats}…, slot…. Words out: restored,
/// elsewhere, dropped, rejected.
#[no_mangle]
pub extern "C" fn table_restore_rows(bytes: usize, checksum: u32, words: usize) -> i32 {
    training(|table, buffers| {
        let (Some(chunk), Some(words)) = (buffers.bytes.get(..bytes), buffers.words.get(..words))
        else {
            return REFUSED_LENGTH;
        };
        if words.len() > PLAN_WORDS_MAX {
            return REFUSED_LENGTH;
        }
        if !is_available(PLAN_BYTES_MAX) {
            return REFUSED_MEMORY;
        }
        if crc32c(0, chunk) != checksum {
            return REFUSED_CHECKSUM;
        }
        let Some(plan) = restore_plan(words) else { return REFUSED_CODE };
        let Some(restored) = table.restore(chunk, &plan) else { return REFUSED_LENGTH };
        let Restored { rows, elsewhere, dropped, rejected } = restored;
        buffers.answer([rows, elsewhere, dropped, rejected].map(f64::from));
        0
    })
}

fn restore_plan(words: &[f64]) -> Option<RestorePlan> {
    let mut words = words.iter().map(|&word| {
        let integer = word.fract() == 0.0 && (0.0..LENGTH_MAX as f64).contains(&word);
        integer.then_some(word as usize)
    });
    let mut next = || words.next()?;
    let (floats, counted) = (next()?, next()?);
    if counted > 1 {
        return None;
    }
    let (shard, shards) = (next()? as u32, next()? as u32);
    let (run_count, slot_count) = (next()?, next()?);
    let mut plan =
        RestorePlan { floats, counted: counted == 1, shard, shards, ..RestorePlan::default() };
    for _ in 0..run_count {
        plan.runs.push(Run { from: next()?, to: next()?, floats: next()? });
    }
    for _ in 0..slot_count {
        plan.slots.push(u16::try_from(next()?).ok()?);
    }
    next().is_none().then_some(plan)
}
