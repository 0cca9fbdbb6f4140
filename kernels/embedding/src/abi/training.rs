//! The exports behind `embedding_table.ts` that make, read and train a table.

use super::instance::{training, with, Table, TABLE_BYTES};
use super::refusals::{REFUSED_CODE, REFUSED_LENGTH, REFUSED_MEMORY, REFUSED_OPTIONS};
use crate::memory::is_available;
use crate::policy::TableOptions;
use crate::table::{EmbeddingTable, Missing};

/// Upper bound of the memory for a word of options, decoded and while it is decoded.
const OPTION_BYTES: usize = 16;

/// Makes the training table of this instance from the first `length` words; see
/// `TableOptions::decode`. A table that the instance held is dropped with all its memory.
#[no_mangle]
pub extern "C" fn table_create(length: usize) -> i32 {
    with(|instance| {
        instance.table = None;
        let Some(words) = instance.buffers.words.get(..length) else { return REFUSED_LENGTH };
        if !is_available(OPTION_BYTES.saturating_mul(length).saturating_add(TABLE_BYTES)) {
            return REFUSED_MEMORY;
        }
        let options = match TableOptions::decode(words) {
            Ok(options) => options,
            Err(error) => return REFUSED_OPTIONS - error.word as i32,
        };
        match EmbeddingTable::new(options) {
            Some(table) if instance.buffers.can_answer() => {
                let width = table.options.width as i32;
                instance.table = Some(Table::Training(table));
                width
            }
            _ => REFUSED_MEMORY,
        }
    })
}

/// Writes the layout of a row to words: floats a row, then {first column, first state, state
/// floats} for each slice. Returns the number of words.
#[no_mangle]
pub extern "C" fn table_layout() -> i32 {
    training(|table, buffers| {
        let slices = &table.options.slices;
        let columns = slices.iter().flat_map(|each| [each.column, each.state, each.state_floats]);
        let layout = std::iter::once(table.options.floats).chain(columns);
        buffers.words.iter_mut().zip(layout).for_each(|(word, at)| *word = at as f64);
        1 + 3 * slices.len() as i32
    })
}

/// Looks up the first `count` ids: rows in floats, found flags in bytes. `missing`: 0 zeros, 1
/// initial values, for ids that are about to be updated.
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

/// Evicts the expired rows among the next `buckets` × 16; returns their number.
#[no_mangle]
pub extern "C" fn table_evict_expired(buckets: u32) -> i32 {
    training(|table, _| table.evict_expired(buckets) as i32)
}

/// Sets the factor of a slice's learning rate.
#[no_mangle]
pub extern "C" fn table_set_learning_rate_scale(slice: usize, scale: f32) -> i32 {
    training(|table, _| match table.learning_rate_scales.get_mut(slice) {
        Some(known) if scale >= 0.0 && scale.is_finite() => {
            *known = scale;
            0
        }
        _ => REFUSED_CODE,
    })
}
