//! The exports that write a training table to a snapshot and restore it.

use super::buffers::LENGTH_MAX;
use super::instance::training;
use super::refusals::{
    REFUSED_CHECKSUM, REFUSED_CODE, REFUSED_LENGTH, REFUSED_MEMORY, REFUSED_SNAPSHOT,
};
use crate::admission::RestoreError;
use crate::counter_snapshot::SAVED_LINE_BYTES;
use crate::crc32c::crc32c;
use crate::memory::is_available;
use crate::policy::{SLICES_MAX, SLOTS};
use crate::restore::{RestorePlan, Restored, Run};
use crate::snapshot::Progress;

/// Upper bound of a restore plan's words: its counts, weights and state of each slice, all slots.
const PLAN_WORDS_MAX: usize = 6 + 2 * 3 * SLICES_MAX + SLOTS;
/// Upper bound of the memory for reading one.
const PLAN_BYTES_MAX: usize = 16 * PLAN_WORDS_MAX;

/// Starts a snapshot of this moment. Words: rows, clock, draws, newest generation of the admission
/// counters.
#[no_mangle]
pub extern "C" fn table_snapshot_begin() -> i32 {
    training(|table, buffers| {
        if !table.begin_snapshot() {
            return REFUSED_MEMORY;
        }
        buffers.answer([
            table.store.rows() as f64,
            f64::from(table.clock_seconds),
            table.draws as f64,
            table.admission.newest() as f64,
        ]);
        0
    })
}

/// Writes the next piece of the snapshot to bytes: lines of the admission counters first, then
/// rows. Returns the number of lines or rows, 0 at the end. Words: bytes, checksum, 1 for lines.
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
                buffers.answer([buffers.bytes.len() as f64, f64::from(checksum), 1.0]);
                return lines as i32;
            }
            None => return REFUSED_SNAPSHOT,
        }
        if buffers.bytes.try_reserve(rows_max.min(table.snapshot_rows_left()) * row_bytes).is_err()
        {
            return REFUSED_MEMORY;
        }
        match table.next_snapshot_rows(rows_max, &mut buffers.bytes) {
            Progress::Rows(rows) => {
                let checksum = crc32c(0, &buffers.bytes);
                buffers.answer([buffers.bytes.len() as f64, f64::from(checksum), 0.0]);
                rows as i32
            }
            Progress::Failed => REFUSED_SNAPSHOT,
        }
    })
}

/// Words: the share of the memory for rows copied aside that is in use; 0 without a snapshot.
#[no_mangle]
pub extern "C" fn table_snapshot_aside() -> i32 {
    training(|table, buffers| buffers.answer([table.snapshot_aside()]))
}

/// Ends the snapshot.
#[no_mangle]
pub extern "C" fn table_snapshot_end() -> i32 {
    training(|table, _| {
        table.end_snapshot();
        0
    })
}

/// Restores clock and draws of a snapshot.
#[no_mangle]
pub extern "C" fn table_restore_begin(clock_seconds: u32, draws: f64) -> i32 {
    training(|table, _| {
        table.clock_seconds = table.clock_seconds.max(clock_seconds);
        table.draws = table.draws.max(draws as u64);
        0
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
