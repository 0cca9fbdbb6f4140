//! The exports behind `embedding_table.ts` and `serving_table.ts`; see ABI.md, "Tables".
//!
//! One table an instance. As in `abi_batch.rs` no export takes a pointer: the host asks for buffers, and every count and
//! code is checked here, so that no call can trap or corrupt a row.

use core::cell::RefCell;

use crate::abi_buffers::{reserve, LENGTH_MAX};
use crate::admission::AdmissionCounter;
use crate::changes::DeltaError;
use crate::crc32c::crc32c;
use crate::export::{export_rows, CURSOR_END};
use crate::page::Row;
use crate::policy::TableOptions;
use crate::restore::{RestorePlan, Run};
use crate::serving_table::{Precision, ServingTable};
use crate::snapshot::Progress;
use crate::table::{floats_of, EmbeddingTable, Missing};

/// Changes with every incompatible change of an export; the host refuses another.
const VERSION: u32 = 1;

const REFUSED_NO_TABLE: i32 = -1;
const REFUSED_LENGTH: i32 = -2;
const REFUSED_CODE: i32 = -3;
const REFUSED_MEMORY: i32 = -4;
const REFUSED_CONSUMER: i32 = -5;
const REFUSED_ACKNOWLEDGEMENT: i32 = -6;
const REFUSED_SNAPSHOT: i32 = -7;
const REFUSED_CHECKSUM: i32 = -8;
/// Refused options are `REFUSED_OPTIONS - word`.
const REFUSED_OPTIONS: i32 = -1000;

enum Table {
    Training(EmbeddingTable),
    Serving(ServingTable),
}

#[derive(Default)]
struct Instance {
    table: Option<Table>,
    ids: Vec<u64>,
    floats: Vec<f32>,
    counts: Vec<u32>,
    words: Vec<f64>,
    bytes: Vec<u8>,
    removed: Vec<u64>,
    rows: Vec<Row>,
}

thread_local! {
    static INSTANCE: RefCell<Instance> = RefCell::default();
}

fn with<T>(operate: impl FnOnce(&mut Instance) -> T) -> T {
    INSTANCE.with_borrow_mut(operate)
}

/// Runs on the training table, or refuses.
fn training(operate: impl FnOnce(&mut EmbeddingTable, &mut Buffers) -> i32) -> i32 {
    with(|instance| {
        let Instance { table, ids, floats, counts, words, bytes, removed, rows } = instance;
        match table {
            Some(Table::Training(table)) => {
                operate(table, &mut Buffers { ids, floats, counts, words, bytes, removed, rows })
            }
            _ => REFUSED_NO_TABLE,
        }
    })
}

fn serving(operate: impl FnOnce(&mut ServingTable, &mut Buffers) -> i32) -> i32 {
    with(|instance| {
        let Instance { table, ids, floats, counts, words, bytes, removed, rows } = instance;
        match table {
            Some(Table::Serving(table)) => {
                operate(table, &mut Buffers { ids, floats, counts, words, bytes, removed, rows })
            }
            _ => REFUSED_NO_TABLE,
        }
    })
}

struct Buffers<'a> {
    ids: &'a mut Vec<u64>,
    floats: &'a mut Vec<f32>,
    counts: &'a mut Vec<u32>,
    words: &'a mut Vec<f64>,
    bytes: &'a mut Vec<u8>,
    removed: &'a mut Vec<u64>,
    rows: &'a mut Vec<Row>,
}

/// The version of this interface.
#[no_mangle]
pub extern "C" fn abi_version() -> u32 {
    VERSION
}

/// Buffer for `length` ids (u64).
#[no_mangle]
pub extern "C" fn table_ids(length: usize) -> usize {
    with(|instance| reserve(&mut instance.ids, length))
}

/// Buffer for `length` floats: rows in and out, gradients.
#[no_mangle]
pub extern "C" fn table_floats(length: usize) -> usize {
    with(|instance| reserve(&mut instance.floats, length))
}

/// Buffer for `length` occurrence counts (u32).
#[no_mangle]
pub extern "C" fn table_counts(length: usize) -> usize {
    with(|instance| reserve(&mut instance.counts, length))
}

/// Buffer for `length` words (f64): options, plans, statistics.
#[no_mangle]
pub extern "C" fn table_words(length: usize) -> usize {
    with(|instance| reserve(&mut instance.words, length))
}

/// Buffer for `length` bytes: found flags, snapshot chunks.
#[no_mangle]
pub extern "C" fn table_bytes(length: usize) -> usize {
    with(|instance| reserve(&mut instance.bytes, length))
}

/// Address of the removed ids of the last delta (u64).
#[no_mangle]
pub extern "C" fn table_removed() -> usize {
    with(|instance| instance.removed.as_ptr() as usize)
}

/// Makes this instance's training table from the first `length` words; see `TableOptions::decode`.
#[no_mangle]
pub extern "C" fn table_create(length: usize) -> i32 {
    with(|instance| {
        let Some(words) = instance.words.get(..length) else { return REFUSED_LENGTH };
        let options = match TableOptions::decode(words) {
            Ok(options) => options,
            Err(error) => return REFUSED_OPTIONS - error.word as i32,
        };
        instance.table = None;
        match EmbeddingTable::new(options) {
            Some(table) => {
                let width = table.options.width as i32;
                instance.table = Some(Table::Training(table));
                width
            }
            None => REFUSED_MEMORY,
        }
    })
}

/// Makes this instance's serving table; precision 0 = fp32, 1 = fp16, 2 = int8.
#[no_mangle]
pub extern "C" fn serving_create(width: usize, precision: u32, bytes_max: usize) -> i32 {
    let precision = match precision {
        0 => Precision::Fp32,
        1 => Precision::Fp16,
        2 => Precision::Int8,
        _ => return REFUSED_CODE,
    };
    if width == 0 || width > 1 << 16 {
        return REFUSED_LENGTH;
    }
    with(|instance| {
        instance.table = None;
        match ServingTable::new(width, precision, bytes_max) {
            Some(table) => {
                instance.table = Some(Table::Serving(table));
                0
            }
            None => REFUSED_MEMORY,
        }
    })
}

/// The first `count` ids → rows in floats, found flags in bytes. `missing`: 0 zeros, 1 initial values.
#[no_mangle]
pub extern "C" fn table_lookup(count: usize, missing: u32) -> i32 {
    training(|table, buffers| {
        let missing = match missing {
            0 => Missing::Zeros,
            1 => Missing::Initial,
            _ => return REFUSED_CODE,
        };
        let Some((ids, floats, found)) = buffers.lookup_of(count, table.options.width) else {
            return REFUSED_LENGTH;
        };
        table.lookup(ids, floats, missing, found);
        0
    })
}

/// The first `count` ids → rows in floats, found flags in bytes.
#[no_mangle]
pub extern "C" fn serving_lookup(count: usize) -> i32 {
    serving(|table, buffers| {
        let Some((ids, floats, found)) = buffers.lookup_of(count, table.width) else {
            return REFUSED_LENGTH;
        };
        table.lookup(ids, floats, found);
        0
    })
}

impl Buffers<'_> {
    /// The first `count` ids and their rows of `width` floats.
    fn rows_of(&mut self, count: usize, width: usize) -> Option<(&[u64], &mut [f32])> {
        let floats = count.checked_mul(width)?;
        Some((self.ids.get(..count)?, self.floats.get_mut(..floats)?))
    }

    /// The same with one found flag an id.
    fn lookup_of(&mut self, count: usize, width: usize) -> Option<(&[u64], &mut [f32], &mut [u8])> {
        let floats = count.checked_mul(width)?;
        Some((self.ids.get(..count)?, self.floats.get_mut(..floats)?, self.bytes.get_mut(..count)?))
    }
}

/// Applies gradients (floats) with counts to the first `count` ids, at `seconds` of the data clock.
#[no_mangle]
pub extern "C" fn table_apply_gradients(count: usize, seconds: u32) -> i32 {
    training(|table, buffers| {
        let Some(counts) = buffers.counts.get(..count) else { return REFUSED_LENGTH };
        let width = table.options.width;
        let Some(floats) = count.checked_mul(width) else { return REFUSED_LENGTH };
        let (Some(ids), Some(gradients)) = (buffers.ids.get(..count), buffers.floats.get(..floats))
        else {
            return REFUSED_LENGTH;
        };
        table.apply_gradients(ids, gradients, counts, seconds);
        0
    })
}

/// Sets the weights (floats) of the first `count` ids, at `seconds` of the data clock.
#[no_mangle]
pub extern "C" fn table_assign(count: usize, seconds: u32) -> i32 {
    training(|table, buffers| {
        let width = table.options.width;
        let Some((ids, weights)) = buffers.rows_of(count, width) else { return REFUSED_LENGTH };
        table.assign(ids, weights, seconds);
        0
    })
}

/// Writes weights (floats) of the first `count` ids; returns how many found room.
#[no_mangle]
pub extern "C" fn serving_upsert(count: usize) -> i32 {
    serving(|table, buffers| {
        let width = table.width;
        let Some((ids, weights)) = buffers.rows_of(count, width) else { return REFUSED_LENGTH };
        table.upsert(ids, weights) as i32
    })
}

/// Removes the first `count` ids; returns how many there were.
#[no_mangle]
pub extern "C" fn serving_remove(count: usize) -> i32 {
    serving(|table, buffers| match buffers.ids.get(..count) {
        Some(ids) => table.remove(ids) as i32,
        None => REFUSED_LENGTH,
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

/// Begins to replace all rows of the serving table.
#[no_mangle]
pub extern "C" fn serving_begin_fill() -> i32 {
    serving(|table, _| {
        table.begin_fill();
        0
    })
}

/// Removes the rows that were not written since `serving_begin_fill`; returns how many.
#[no_mangle]
pub extern "C" fn serving_end_fill() -> i32 {
    serving(|table, _| table.end_fill() as i32)
}

/// Evicts expired rows among the next `buckets` × 16; returns how many.
#[no_mangle]
pub extern "C" fn table_evict_expired(buckets: u32) -> i32 {
    training(|table, _| table.evict_expired(buckets) as i32)
}

/// Sets the factor of a segment's learning rate.
#[no_mangle]
pub extern "C" fn table_set_learning_rate_scale(segment: usize, scale: f32) -> i32 {
    training(|table, _| match table.learning_rate_scales.get_mut(segment) {
        Some(known) if scale >= 0.0 && scale.is_finite() => {
            *known = scale;
            0
        }
        _ => REFUSED_CODE,
    })
}

/// The next delta of a consumer. Words: sequence, rows, removed, checksum. Ids and floats: the rows. Returns 1 where
/// there is one, 0 where nothing is new.
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
        };
        if delta.sequence <= acknowledged as u64 {
            return 0;
        }
        buffers.ids.clone_from(&delta.ids);
        buffers.floats.clone_from(&delta.rows);
        buffers.removed.clone_from(&delta.tombstones);
        let mut checksum = crc32c(0, as_bytes(&delta.ids));
        checksum = crc32c(checksum, as_bytes(&delta.rows));
        checksum = crc32c(checksum, as_bytes(&delta.tombstones));
        *buffers.words = vec![
            delta.sequence as f64,
            delta.ids.len() as f64,
            delta.tombstones.len() as f64,
            f64::from(checksum),
        ];
        1
    })
}

/// A slice of words or floats as its little-endian bytes (the kernel runs on little-endian machines only).
fn as_bytes<T: Copy>(values: &[T]) -> &[u8] {
    // SAFETY: u64 and f32 have no padding, and u8 has alignment 1.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), std::mem::size_of_val(values)) }
}

/// Stops keeping changes for a consumer.
#[no_mangle]
pub extern "C" fn table_forget_consumer(consumer: usize) -> i32 {
    training(|table, _| {
        table.changes.forget(consumer);
        0
    })
}

/// At most `rows_max` rows behind `cursor`, in ids and floats. Words: rows, next cursor, done.
#[no_mangle]
pub extern "C" fn table_export_rows(cursor: f64, rows_max: usize) -> i32 {
    training(|table, buffers| {
        let width = table.options.width;
        let fits = rows_max.checked_mul(width).is_some_and(|floats| floats <= LENGTH_MAX);
        if rows_max == 0 || !fits || !(0.0..=CURSOR_END as f64).contains(&cursor) {
            return REFUSED_LENGTH;
        }
        let Some(next) = export_rows(&table.store, cursor as u64, rows_max, buffers.rows) else {
            return REFUSED_LENGTH;
        };
        let layout = table.store.layout;
        if reserve(buffers.ids, buffers.rows.len()) == 0
            || reserve(buffers.floats, buffers.rows.len() * width) == 0
        {
            return REFUSED_MEMORY;
        }
        for (position, row) in buffers.rows.iter().enumerate() {
            buffers.ids[position] = row.key();
            buffers.floats[position * width..][..width]
                .copy_from_slice(&floats_of(row, &layout)[..width]);
        }
        let done = f64::from(u8::from(next == CURSOR_END));
        *buffers.words = vec![buffers.rows.len() as f64, next as f64, done];
        0
    })
}

/// Where the columns are. Words: floats a row, then {first column, first state, state floats} for each segment; returns how many.
#[no_mangle]
pub extern "C" fn table_layout() -> i32 {
    training(|table, buffers| {
        let segments = table.options.segments.iter();
        *buffers.words =
            std::iter::once(table.options.floats as f64)
                .chain(segments.flat_map(|each| {
                    [each.column, each.state, each.state_floats].map(|at| at as f64)
                }))
                .collect();
        buffers.words.len() as i32
    })
}

/// Begins a snapshot of this moment. Words: rows, clock, draws, bytes of counters. Bytes: the admission counters.
#[no_mangle]
pub extern "C" fn table_snapshot_begin() -> i32 {
    training(|table, buffers| {
        table.begin_snapshot();
        buffers.bytes.clear();
        table.admission.write(buffers.bytes);
        *buffers.words = vec![
            table.store.rows() as f64,
            f64::from(table.clock_seconds),
            table.draws as f64,
            buffers.bytes.len() as f64,
        ];
        0
    })
}

/// The next rows of the snapshot, in bytes; returns how many, 0 at the end. Words: bytes, checksum.
#[no_mangle]
pub extern "C" fn table_snapshot_next(rows_max: usize) -> i32 {
    training(|table, buffers| {
        let stride = table.store.layout.stride;
        if rows_max == 0 || rows_max.checked_mul(stride).is_none_or(|bytes| bytes > LENGTH_MAX) {
            return REFUSED_LENGTH;
        }
        buffers.bytes.clear();
        if buffers.bytes.try_reserve(rows_max.min(table.snapshot_rows_left()) * stride).is_err() {
            return REFUSED_MEMORY;
        }
        match table.next_snapshot_rows(rows_max, buffers.bytes) {
            Progress::Rows(rows) => {
                *buffers.words =
                    vec![buffers.bytes.len() as f64, f64::from(crc32c(0, buffers.bytes))];
                rows as i32
            }
            Progress::Failed => REFUSED_SNAPSHOT,
        }
    })
}

/// Ends the snapshot.
#[no_mangle]
pub extern "C" fn table_snapshot_end() -> i32 {
    training(|table, _| {
        table.end_snapshot();
        0
    })
}

/// Takes over clock, draws and admission counters (the first `bytes` bytes; 0 = none) of a snapshot.
#[no_mangle]
pub extern "C" fn table_restore_begin(clock_seconds: u32, draws: f64, bytes: usize) -> i32 {
    training(|table, buffers| {
        let Some(counters) = buffers.bytes.get(..bytes) else { return REFUSED_LENGTH };
        if bytes > 0 {
            match AdmissionCounter::read(counters) {
                Some((counter, read))
                    if read == bytes && counter.is_as_large_as(&table.admission) =>
                {
                    table.admission = counter;
                }
                _ => return REFUSED_CODE,
            }
        }
        table.clock_seconds = table.clock_seconds.max(clock_seconds);
        table.draws = table.draws.max(draws as u64);
        0
    })
}

/// Takes the snapshot rows in the first `bytes` bytes, whose checksum must be `checksum`. Words in: floats, shard, shards,
/// runs, slots, {from, to, floats}…, slot…. Words out: restored, elsewhere, dropped, rejected.
#[no_mangle]
pub extern "C" fn table_restore_rows(bytes: usize, checksum: u32, words: usize) -> i32 {
    training(|table, buffers| {
        let (Some(chunk), Some(words)) = (buffers.bytes.get(..bytes), buffers.words.get(..words))
        else {
            return REFUSED_LENGTH;
        };
        if crc32c(0, chunk) != checksum {
            return REFUSED_CHECKSUM;
        }
        let Some(plan) = restore_plan(words) else { return REFUSED_CODE };
        let Some(restored) = table.restore(chunk, &plan) else { return REFUSED_LENGTH };
        *buffers.words = [restored.rows, restored.elsewhere, restored.dropped, restored.rejected]
            .map(f64::from)
            .to_vec();
        0
    })
}

fn restore_plan(words: &[f64]) -> Option<RestorePlan> {
    let mut words = words.iter().map(|&word| {
        let integer = word.fract() == 0.0 && (0.0..LENGTH_MAX as f64).contains(&word);
        integer.then_some(word as usize)
    });
    let mut next = || words.next()?;
    let (floats, shard, shards) = (next()?, next()? as u32, next()? as u32);
    let (run_count, slot_count) = (next()?, next()?);
    let mut plan = RestorePlan { floats, shard, shards, ..RestorePlan::default() };
    for _ in 0..run_count {
        plan.runs.push(Run { from: next()?, to: next()?, floats: next()? });
    }
    for _ in 0..slot_count {
        plan.slots.push(u16::try_from(next()?).ok()?);
    }
    next().is_none().then_some(plan)
}

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
        instance.words = words;
        instance.words.len() as i32
    })
}
