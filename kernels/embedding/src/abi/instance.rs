//! The one table of an instance, and the buffers for its arrays; see ABI.md, "Tables". Each export
//! checks every count and code that it reads, so no call can trap or corrupt a row.

use core::cell::RefCell;

use super::buffers::{reserve, ANSWER_WORDS};
use super::refusals::REFUSED_NO_TABLE;
use crate::serving_table::ServingTable;
use crate::table::EmbeddingTable;

/// Increased by every incompatible change of an export; the host refuses other versions.
const VERSION: u32 = 9;

/// Upper bound of the memory for the small parts of a table, each allocated by itself. Rows, index
/// and options come on top.
pub const TABLE_BYTES: usize = 512 << 10;

/// The table of an instance.
#[expect(clippy::large_enum_variant, reason = "an instance has one")]
pub enum Table {
    /// A training table.
    Training(EmbeddingTable),
    /// A serving table.
    Serving(ServingTable),
}

/// Arrays of the current and the next call.
#[derive(Default)]
pub struct Buffers {
    pub ids: Vec<u64>,
    pub floats: Vec<f32>,
    pub counts: Vec<u32>,
    pub words: Vec<f64>,
    pub bytes: Vec<u8>,
    pub removed: Vec<u64>,
}

impl Buffers {
    /// Reserves room for every answer; called when a table is made.
    pub fn can_answer(&mut self) -> bool {
        reserve(&mut self.words, ANSWER_WORDS) != 0
    }

    /// Writes an answer to words and returns its length.
    pub fn answer<const LENGTH: usize>(&mut self, answer: [f64; LENGTH]) -> i32 {
        const { assert!(LENGTH <= ANSWER_WORDS) }
        self.words[..LENGTH].copy_from_slice(&answer);
        LENGTH as i32
    }

    /// The first `count` ids and their rows of `width` floats.
    pub fn rows_of(&mut self, count: usize, width: usize) -> Option<(&[u64], &mut [f32])> {
        let floats = count.checked_mul(width)?;
        Some((self.ids.get(..count)?, self.floats.get_mut(..floats)?))
    }

    /// As `rows_of`, with one found flag an id.
    pub fn lookup_of(
        &mut self,
        count: usize,
        width: usize,
    ) -> Option<(&[u64], &mut [f32], &mut [u8])> {
        let floats = count.checked_mul(width)?;
        Some((self.ids.get(..count)?, self.floats.get_mut(..floats)?, self.bytes.get_mut(..count)?))
    }
}

/// The state of an instance, without the batch buffers.
#[derive(Default)]
pub struct Instance {
    pub table: Option<Table>,
    pub buffers: Buffers,
}

thread_local! {
    static INSTANCE: RefCell<Instance> = RefCell::default();
}

/// Runs on the instance.
pub fn with<T>(operate: impl FnOnce(&mut Instance) -> T) -> T {
    INSTANCE.with_borrow_mut(operate)
}

/// Runs on the training table; refuses if there is none.
pub fn training(operate: impl FnOnce(&mut EmbeddingTable, &mut Buffers) -> i32) -> i32 {
    with(|Instance { table, buffers }| match table {
        Some(Table::Training(table)) => operate(table, buffers),
        _ => REFUSED_NO_TABLE,
    })
}

/// Runs on the serving table; refuses if there is none.
pub fn serving(operate: impl FnOnce(&mut ServingTable, &mut Buffers) -> i32) -> i32 {
    with(|Instance { table, buffers }| match table {
        Some(Table::Serving(table)) => operate(table, buffers),
        _ => REFUSED_NO_TABLE,
    })
}

/// The version of this interface.
#[no_mangle]
pub extern "C" fn abi_version() -> u32 {
    VERSION
}

/// Buffer for `length` ids (u64).
#[no_mangle]
pub extern "C" fn table_ids(length: usize) -> usize {
    with(|instance| reserve(&mut instance.buffers.ids, length))
}

/// Buffer for `length` floats: rows in and out, gradients.
#[no_mangle]
pub extern "C" fn table_floats(length: usize) -> usize {
    with(|instance| reserve(&mut instance.buffers.floats, length))
}

/// Buffer for `length` occurrence counts (u32).
#[no_mangle]
pub extern "C" fn table_counts(length: usize) -> usize {
    with(|instance| reserve(&mut instance.buffers.counts, length))
}

/// Buffer for `length` words (f64): options, plans, statistics.
#[no_mangle]
pub extern "C" fn table_words(length: usize) -> usize {
    with(|instance| reserve(&mut instance.buffers.words, length))
}

/// Buffer for `length` bytes: found flags, snapshot chunks.
#[no_mangle]
pub extern "C" fn table_bytes(length: usize) -> usize {
    with(|instance| reserve(&mut instance.buffers.bytes, length))
}

/// Address of the removed ids of the last delta (u64).
#[no_mangle]
pub extern "C" fn table_removed() -> usize {
    with(|instance| instance.buffers.removed.as_ptr() as usize)
}
