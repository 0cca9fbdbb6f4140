//! The entry of an index cell: the handle of a row, and a hash hint, six bits of hash that tell ids
//! with the same tag apart and give the half of the subtable that the entry goes to when the
//! subtable is split.

use crate::bucket::BUCKET_CELLS;

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
/// ids. Empty cells are included: ten reads without a branch overlap best, and the entry in an
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
    let bit = FIRST_SPLIT_BIT - u32::from(depth % HINT_SPLITS);
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
