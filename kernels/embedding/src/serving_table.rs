//! The serving table: weights only, stored as float32, float16 or int8 with a scale a row, read as
//! float32.

use crate::copy::{copy_floats, copy_rows};
use crate::page::{Bitmap, PageLayout, Row, KEY_BYTES};
use crate::quantization::{fp16, int8};
use crate::row_starts::is_no_row;
use crate::row_store::RowStore;
use crate::search::WRITTEN_PASS;

/// Stale rows that a fill evicts for one new row. The first frees memory for the row, but perhaps
/// not a cell that its entry can reach.
const STALE_TRIES: usize = 4;
/// Weights that are packed to halves at a time.
const PACKED_BLOCK: usize = 64;

/// The format of stored weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Precision {
    /// 4 bytes a weight, exact.
    Fp32,
    /// 2 bytes a weight.
    Fp16,
    /// 1 byte a weight and 4 a row.
    Int8,
}

impl Precision {
    /// The precision of a code of the ABI.
    pub fn of_code(code: u32) -> Option<Precision> {
        match code {
            0 => Some(Precision::Fp32),
            1 => Some(Precision::Fp16),
            2 => Some(Precision::Int8),
            _ => None,
        }
    }

    /// Bytes of a packed row.
    pub fn row_bytes(self, width: usize) -> usize {
        match self {
            Precision::Fp32 => width * 4,
            Precision::Fp16 => width * 2,
            Precision::Int8 => 4 + width,
        }
    }

    /// Writes the weights of a row as a table of this precision stores them.
    pub fn pack(self, weights: &[f32], out: &mut [u8]) {
        assert!(out.len() == self.row_bytes(weights.len()));
        match self {
            Precision::Fp32 => {
                for (out, weight) in out.chunks_exact_mut(4).zip(weights) {
                    out.copy_from_slice(&weight.to_le_bytes());
                }
            }
            Precision::Fp16 => {
                let mut halves = [0; PACKED_BLOCK];
                let blocks = out.chunks_mut(2 * PACKED_BLOCK).zip(weights.chunks(PACKED_BLOCK));
                for (out, weights) in blocks {
                    let halves = &mut halves[..weights.len()];
                    fp16::encode_row(weights, halves);
                    for (out, half) in out.chunks_exact_mut(2).zip(halves) {
                        out.copy_from_slice(&half.to_le_bytes());
                    }
                }
            }
            Precision::Int8 => {
                let (scale, out) = out.split_at_mut(4);
                // SAFETY: i8 and u8 have the same size and alignment.
                let out = unsafe {
                    std::slice::from_raw_parts_mut(out.as_mut_ptr().cast::<i8>(), out.len())
                };
                scale.copy_from_slice(&int8::encode_row(weights, out).to_le_bytes());
            }
        }
    }
}

/// Rows of `width` weights by id.
pub struct ServingTable {
    /// Number of weights of a row.
    pub width: usize,
    /// The rows.
    pub store: RowStore,
    precision: Precision,
    filling: bool,
    /// The handle where a running fill looks for the next stale row.
    stale_hand: u32,
}

impl ServingTable {
    /// An empty table; `None` if `bytes_max` does not hold one page.
    pub fn new(width: usize, precision: Precision, bytes_max: usize) -> Option<ServingTable> {
        let payload = precision.row_bytes(width);
        // Bitmaps: existing rows, and rows written since the running fill began.
        let layout = PageLayout::new((KEY_BYTES + payload).next_multiple_of(4), 2, false);
        let store = RowStore::new(layout, bytes_max)?;
        Some(ServingTable { width, store, precision, filling: false, stale_hand: 0 })
    }

    /// Copies the weights of `ids` to `out`, shape `[ids, width]`; an absent id gives zeros and a 0
    /// in `found`.
    pub fn lookup(&mut self, ids: &[u64], out: &mut [f32], found: &mut [u8]) {
        let width = self.width;
        assert!(out.len() == ids.len() * width && found.len() == ids.len());
        let precision = self.precision;
        found.fill(1);
        self.store.read(ids, usize::MAX, false, |first, starts, absent| {
            let out = &mut out[first * width..][..starts.len() * width];
            read_rows(precision, width, starts, out);
            if absent == 0 {
                return;
            }
            let answers = out.chunks_exact_mut(width).zip(&mut found[first..]);
            for ((out, found), _) in answers.zip(starts).filter(|(_, &start)| is_no_row(start)) {
                *found = 0;
                out.fill(0.0);
            }
        });
    }

    /// Writes the weights of `ids`, shape `[ids, width]`; the last row of an id counts. At the
    /// memory limit new rows are left out, except that a running fill evicts stale rows for them.
    /// Returns the number of ids left out.
    pub fn upsert(&mut self, ids: &[u64], weights: &[f32]) -> usize {
        assert!(weights.len() == ids.len() * self.width);
        let width = self.width;
        self.upsert_each(ids, |table, row, at| table.write(row, &weights[at * width..][..width]))
    }

    /// As `upsert`, with rows that are packed in the table's precision.
    pub fn upsert_packed(&mut self, ids: &[u64], packed: &[u8]) -> usize {
        let bytes = self.precision.row_bytes(self.width);
        assert!(packed.len() == ids.len() * bytes);
        self.upsert_each(ids, |table, row, at| {
            table.payload_of(row)[..bytes].copy_from_slice(&packed[at * bytes..][..bytes]);
        })
    }

    /// Finds or makes the row of each id, and calls `write` with it and the index of its id.
    #[inline(always)]
    fn upsert_each(
        &mut self,
        ids: &[u64],
        mut write: impl FnMut(&mut ServingTable, &Row, usize),
    ) -> usize {
        let mut left_out = 0;
        for (pass, ids) in ids.chunks(WRITTEN_PASS).enumerate() {
            self.store.search_to_insert(ids);
            for (at, &id) in ids.iter().enumerate() {
                let mut row = self.store.found_at(at, id);
                if !row.exists() {
                    let inserted = self.store.insert_at(at, id).ok();
                    let Some(new) = inserted.or_else(|| self.insert_for_stale(id)) else {
                        left_out += 1;
                        continue;
                    };
                    row = new;
                }
                write(self, &row, pass * WRITTEN_PASS + at);
            }
        }
        left_out
    }

    /// The precision of the stored weights.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Inserts a row for which there is no room in place of rows that the running fill has not
    /// written: they are of the past, and `end_fill` would remove those that stay.
    #[cold]
    #[inline(never)]
    fn insert_for_stale(&mut self, id: u64) -> Option<Row> {
        (0..if self.filling { STALE_TRIES } else { 0 }).find_map(|_| {
            self.remove_next_stale()?;
            self.store.insert(id).ok()
        })
    }

    /// Removes the next row that the running fill has not written; `None` if there is none left.
    fn remove_next_stale(&mut self) -> Option<()> {
        let layout = self.store.layout;
        while self.stale_hand < self.store.slab.handles() {
            let row = self.store.slab.occupied(self.stale_hand);
            self.stale_hand += 1;
            if let Some(stale) = row.filter(|row| !row.has(&layout, Bitmap::FILLED)) {
                self.store.remove(stale.key());
                return Some(());
            }
        }
        None
    }

    fn write(&mut self, row: &Row, weights: &[f32]) {
        let precision = self.precision;
        let payload = self.payload_of(row);
        if precision == Precision::Fp32 {
            let to = payload[..4 * weights.len()].as_mut_ptr().cast();
            // SAFETY: as many floats as the slice has bytes for; payloads begin at multiples of 4
            // bytes.
            copy_floats(weights, unsafe { std::slice::from_raw_parts_mut(to, weights.len()) });
        } else {
            precision.pack(weights, &mut payload[..precision.row_bytes(weights.len())]);
        }
    }

    /// The bytes of a row that is written.
    #[inline(always)]
    fn payload_of(&mut self, row: &Row) -> &mut [u8] {
        if self.filling {
            row.put(&self.store.layout, Bitmap::FILLED, true);
        }
        self.store.slab.payload_mut(row)
    }

    /// Starts replacing all rows while they are served: `end_fill` removes all rows that `upsert`
    /// did not write in between. A running fill starts over.
    pub fn begin_fill(&mut self) {
        let layout = self.store.layout;
        self.filling = true;
        self.stale_hand = 0;
        self.store.slab.for_each(|row| row.put(&layout, Bitmap::FILLED, false));
    }

    /// Removes the rows that were not written since `begin_fill`; returns their number.
    pub fn end_fill(&mut self) -> usize {
        let layout = self.store.layout;
        self.filling = false;
        let mut removed = 0;
        for handle in 0..self.store.slab.handles() {
            let row = self.store.slab.occupied(handle);
            if let Some(stale) = row.filter(|row| !row.has(&layout, Bitmap::FILLED)) {
                removed += usize::from(self.store.remove(stale.key()));
            }
        }
        removed
    }

    /// Removes rows; absent ids are no error. Returns the number of rows removed.
    pub fn remove(&mut self, ids: &[u64]) -> usize {
        ids.iter().filter(|&&id| self.store.remove(id)).count()
    }
}

/// Decodes the weights of rows. The result is unspecified where an id has no row.
#[inline(always)]
fn read_rows(precision: Precision, width: usize, starts: &[*const u8], out: &mut [f32]) {
    if precision == Precision::Fp32 {
        // SAFETY: payloads begin 8 bytes into a row and hold `width` weights as `new` laid out.
        return unsafe { copy_rows(starts, KEY_BYTES, width, out) };
    }
    for (&start, out) in starts.iter().zip(out.chunks_exact_mut(width)) {
        if is_no_row(start) {
            continue;
        }
        // SAFETY: as above; rows lie at multiples of 4 bytes, and a scale precedes int8 weights.
        unsafe {
            let payload = start.add(KEY_BYTES);
            if precision == Precision::Fp16 {
                fp16::decode_row(std::slice::from_raw_parts(payload.cast(), width), out);
            } else {
                let weights = std::slice::from_raw_parts(payload.add(4).cast(), width);
                int8::decode_row(weights, payload.cast::<f32>().read(), out);
            }
        }
    }
}
