//! The serving table: weights only, stored as float32, float16 or int8 with a scale a row, read as
//! float32.

use crate::copy::copy_floats;
use crate::page::{Bitmap, PageLayout, Row, KEY_BYTES};
use crate::quantization::{fp16, int8};
use crate::row_store::RowStore;
use crate::search::PASS;

/// Stale rows that a fill evicts for one new row. The first frees memory for the row, but perhaps
/// not a cell that its entry can reach.
const STALE_TRIES: usize = 4;

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
    halves: Vec<u16>,
    bytes: Vec<i8>,
}

impl ServingTable {
    /// An empty table; `None` if `bytes_max` does not hold one page.
    pub fn new(width: usize, precision: Precision, bytes_max: usize) -> Option<ServingTable> {
        let payload = match precision {
            Precision::Fp32 => width * 4,
            Precision::Fp16 => width * 2,
            Precision::Int8 => 4 + width,
        };
        // Bitmaps: existing rows, and rows written since the running fill began.
        let layout = PageLayout::new((KEY_BYTES + payload).next_multiple_of(4), 2, false);
        let store = RowStore::new(layout, bytes_max)?;
        Some(ServingTable {
            width,
            store,
            precision,
            filling: false,
            stale_hand: 0,
            halves: vec![0; width],
            bytes: vec![0; width],
        })
    }

    /// Copies the weights of `ids` to `out`, shape `[ids, width]`; an absent id gives zeros and a 0
    /// in `found`.
    pub fn lookup(&mut self, ids: &[u64], out: &mut [f32], found: &mut [u8]) {
        let width = self.width;
        assert!(out.len() == ids.len() * width && found.len() == ids.len());
        let precision = self.precision;
        found.fill(1);
        let mut answers = out.chunks_exact_mut(width).zip(found);
        self.store.read(ids, usize::MAX, |start| {
            let Some((out, found)) = answers.next() else { return };
            if start.is_null() {
                *found = 0;
                out.fill(0.0);
            } else {
                read(precision, start, out);
            }
        });
    }

    /// Writes the weights of `ids`, shape `[ids, width]`; the last row of an id counts. At the
    /// memory limit new rows are left out, except that a running fill evicts stale rows for them.
    /// Returns the number of ids left out.
    pub fn upsert(&mut self, ids: &[u64], weights: &[f32]) -> usize {
        assert!(weights.len() == ids.len() * self.width);
        let width = self.width;
        let mut left_out = 0;
        for (pass, ids) in ids.chunks(PASS).enumerate() {
            self.store.search_to_insert(ids);
            let weights = weights[pass * PASS * width..].chunks_exact(width);
            for (at, (&id, weights)) in ids.iter().zip(weights).enumerate() {
                let mut row = self.store.found_at(at, id);
                if !row.exists() {
                    let inserted = self.store.insert_at(at, id).ok();
                    let Some(new) = inserted.or_else(|| self.insert_for_stale(id)) else {
                        left_out += 1;
                        continue;
                    };
                    row = new;
                }
                self.write(&row, weights);
            }
        }
        left_out
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
        if self.filling {
            row.put(&self.store.layout, Bitmap::FILLED, true);
        }
        let payload = self.store.slab.payload_mut(row);
        match self.precision {
            Precision::Fp32 => {
                let to = payload[..4 * weights.len()].as_mut_ptr().cast();
                // SAFETY: as many floats as the slice has bytes for; payloads begin at multiples of
                // 4 bytes.
                copy_floats(weights, unsafe { std::slice::from_raw_parts_mut(to, weights.len()) });
            }
            Precision::Fp16 => {
                fp16::encode_row(weights, &mut self.halves);
                for (to, half) in payload.chunks_exact_mut(2).zip(&self.halves) {
                    to.copy_from_slice(&half.to_le_bytes());
                }
            }
            Precision::Int8 => {
                let scale = int8::encode_row(weights, &mut self.bytes);
                payload[..4].copy_from_slice(&scale.to_le_bytes());
                for (to, &byte) in payload[4..].iter_mut().zip(&self.bytes) {
                    *to = byte as u8;
                }
            }
        }
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

/// Decodes the weights of a row.
#[inline(always)]
fn read(precision: Precision, start: *const u8, out: &mut [f32]) {
    let width = out.len();
    // SAFETY: payloads begin 8 bytes into a row, rows at multiples of 4 bytes, and hold `width`
    // weights as `new` laid out.
    unsafe {
        let payload = start.add(KEY_BYTES);
        match precision {
            Precision::Fp32 => copy_floats(std::slice::from_raw_parts(payload.cast(), width), out),
            Precision::Fp16 => {
                fp16::decode_row(std::slice::from_raw_parts(payload.cast(), width), out)
            }
            Precision::Int8 => {
                let scale = payload.cast::<f32>().read();
                int8::decode_row(
                    std::slice::from_raw_parts(payload.add(4).cast(), width),
                    scale,
                    out,
                )
            }
        }
    }
}
