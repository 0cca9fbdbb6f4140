//! The layout of a training row: key, stamp, and floats, weights before the optimizer's state.

use crate::page::{Row, KEY_BYTES};
use crate::slab::Slab;

/// Bytes of the stamp, which follows the key: the data clock at the last update, seconds.
const STAMP_BYTES: usize = 4;
/// Bytes of a row before its floats.
pub const ROW_HEADER_BYTES: usize = KEY_BYTES + STAMP_BYTES;

/// The data of a training row.
impl Slab {
    /// Floats of a row.
    #[inline(always)]
    pub fn floats_of_row(&self) -> usize {
        (self.layout.stride - ROW_HEADER_BYTES) / 4
    }

    /// The floats of a row, weights first.
    #[inline(always)]
    pub fn floats(&self, row: &Row) -> &[f32] {
        let bytes = &self.payload(row)[STAMP_BYTES..];
        debug_assert!(bytes.as_ptr() as usize % 4 == 0);
        // SAFETY: pages are 64-byte aligned and header, stride, key and stamp are multiples of 4
        // bytes; any bits are floats.
        unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / 4) }
    }

    /// The floats of a row, for writing.
    #[inline(always)]
    pub fn floats_mut(&mut self, row: &Row) -> &mut [f32] {
        let bytes = &mut self.payload_mut(row)[STAMP_BYTES..];
        debug_assert!(bytes.as_ptr() as usize % 4 == 0);
        // SAFETY: as in `floats`.
        unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len() / 4) }
    }

    /// When a row was last updated, seconds on the data clock.
    #[inline(always)]
    pub fn stamp(&self, row: &Row) -> u32 {
        let bytes = self.payload(row);
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    /// Sets the time of a row's last update.
    #[inline(always)]
    pub fn set_stamp(&mut self, row: &Row, seconds: u32) {
        self.payload_mut(row)[..STAMP_BYTES].copy_from_slice(&seconds.to_le_bytes());
    }
}
