//! The entry of an index cell: the handle of a row, and a hash hint, six bits of hash that tell ids
//! with the same tag apart and give the half of the subtable that the entry goes to when the
//! subtable is split.

use crate::tags::BUCKET_CELLS;

/// Handles are below this.
pub const HANDLES_MAX: u32 = 1 << HANDLE_BITS;
/// Bits of a handle.
pub const HANDLE_BITS: u32 = 26;
/// Bits of a hash hint.
const HINT_BITS: u32 = 32 - HANDLE_BITS;
/// Splits of a subtable that one hash hint serves.
const HINT_SPLITS: u8 = 4;
/// The top bit of an entry, which the first of those splits reads.
const FIRST_SPLIT_BIT: u32 = 31;

/// A row's handle (low 26 bits) and a hash hint (high 6 bits).
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(transparent)]
pub struct Entry(u32);

impl Entry {
    /// No entry.
    pub const NONE: Entry = Entry(0);

    /// An entry of a subtable of depth `depth`.
    #[inline(always)]
    pub fn new(hash: u64, depth: u8, handle: u32) -> Entry {
        Entry(u32::from(hash_hint_of(hash, depth)) << HANDLE_BITS | handle)
    }

    /// The row's handle.
    #[inline(always)]
    pub fn handle(self) -> u32 {
        self.0 & (HANDLES_MAX - 1)
    }

    /// See `hash_hint_of`.
    #[inline(always)]
    pub fn hash_hint(self) -> u8 {
        (self.0 >> HANDLE_BITS) as u8
    }
}

/// Sets the top bit of each cell's choice byte to bit `63 - depth` of its hash, the bit that
/// follows the subtable's shared bits. Every fourth time all hash hints are renewed from the rows'
/// ids. Empty cells are included: sixteen reads without a branch overlap best, and the entry in an
/// empty cell names an existing row.
#[inline(always)]
pub fn deepen(
    bytes: &mut [u8; BUCKET_CELLS],
    entries: &mut [Entry; BUCKET_CELLS],
    depth: u8,
    hash_of: &impl Fn(u32) -> u64,
) {
    if depth % HINT_SPLITS == 0 {
        for entry in entries.iter_mut() {
            *entry = Entry::new(hash_of(entry.handle()), depth, entry.handle());
        }
    }
    set_top_bits(bytes, entries, FIRST_SPLIT_BIT - u32::from(depth % HINT_SPLITS));
}

/// Sets the top bit of each choice byte to a bit of its entry.
#[cfg(target_arch = "wasm32")]
#[inline(always)]
fn set_top_bits(bytes: &mut [u8; BUCKET_CELLS], entries: &[Entry; BUCKET_CELLS], bit: u32) {
    use core::arch::wasm32::*;
    let at = entries.as_ptr().cast::<v128>();
    // The bit becomes the sign, and narrowing keeps signs.
    // SAFETY: sixteen words of four bytes, hence four vectors, and sixteen bytes.
    unsafe {
        let top = |quarter| i32x4_shr(i32x4_shl(v128_load(at.add(quarter)), 31 - bit), 31);
        let tops = i8x16_narrow_i16x8(
            i16x8_narrow_i32x4(top(0), top(1)),
            i16x8_narrow_i32x4(top(2), top(3)),
        );
        let target = bytes.as_mut_ptr().cast::<v128>();
        v128_store(target, v128_bitselect(tops, v128_load(target), u8x16_splat(128)));
    }
}

/// Sets the top bit of each choice byte to a bit of its entry.
#[cfg(not(target_arch = "wasm32"))]
#[inline(always)]
fn set_top_bits(bytes: &mut [u8; BUCKET_CELLS], entries: &[Entry; BUCKET_CELLS], bit: u32) {
    set_top_bits_scalar(bytes, entries, bit);
}

/// The scalar form of `set_top_bits`.
#[cfg(any(test, not(target_arch = "wasm32")))]
pub fn set_top_bits_scalar(
    bytes: &mut [u8; BUCKET_CELLS],
    entries: &[Entry; BUCKET_CELLS],
    bit: u32,
) {
    for (byte, entry) in bytes.iter_mut().zip(entries) {
        *byte = *byte & 127 | ((entry.0 >> bit & 1) as u8) << 7;
    }
}

/// The hash hint of a hash: six bits, the first of which the next splits of the subtable read; at
/// least three remain to tell ids with the same tag apart.
#[inline(always)]
pub fn hash_hint_of(hash: u64, depth: u8) -> u8 {
    (hash << (depth / HINT_SPLITS * HINT_SPLITS) >> (64 - HINT_BITS)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixing::mix64;

    #[test]
    fn setting_top_bits_as_vectors_equals_its_scalar_form() {
        for seed in 0..2000 {
            let words: [u64; 8] = core::array::from_fn(|at| mix64(seed << 8 | at as u64));
            let entries = core::array::from_fn(|at| Entry((words[at / 2] >> (at % 2 * 32)) as u32));
            let bytes = core::array::from_fn(|at| words[at / 8 + 1].to_le_bytes()[at % 8]);
            let (mut vector, mut scalar) = (bytes, bytes);
            let bit = seed as u32 % 32;
            set_top_bits(&mut vector, &entries, bit);
            set_top_bits_scalar(&mut scalar, &entries, bit);
            assert_eq!(vector, scalar);
        }
    }
}
