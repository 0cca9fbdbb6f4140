//! The layouts that ABI.md promises, proved at compile time: a change that breaks one does not
//! build.

use crate::bucket::{Line, BUCKET_CELLS};
use crate::entry::Entry;
use crate::page::{Bitmap, KEY_BYTES};
use crate::policy::slot_of;
#[cfg(target_arch = "wasm32")]
use crate::subtable::Subtable;
use crate::training_row::ROW_HEADER_BYTES;

// A bucket is one cache line of cells.
const _: () = assert!(size_of::<Line>() == 64 && align_of::<Line>() == 64);
const _: () = assert!(BUCKET_CELLS * (2 + size_of::<Entry>()) <= size_of::<Line>());

// A training row is key u64, stamp u32, floats; a saved row starts with the same bytes.
const _: () = assert!(KEY_BYTES == size_of::<u64>() && ROW_HEADER_BYTES == KEY_BYTES + 4);

// The search multiplies a subtable's number by its size.
#[cfg(target_arch = "wasm32")]
const _: () = assert!(size_of::<Subtable>() == 80);

// Bitmaps: 0 occupied, 1 in the snapshot, then one a consumer.
const _: () = assert!(Bitmap::OCCUPIED.0 == 0 && Bitmap::IN_SNAPSHOT.0 == 1);

// Integers and floats cross with the byte order of memory.
const _: () = assert!(cfg!(target_endian = "little"));

// Addresses and lengths are 32 bits.
#[cfg(target_arch = "wasm32")]
const _: () = assert!(size_of::<usize>() == 4);

// The reserved top bit of an id belongs to no slot.
const _: () =
    assert!(slot_of(u64::MAX) == 0x7fff && slot_of(1 << 63) == 0 && slot_of(5 << 48) == 5);
