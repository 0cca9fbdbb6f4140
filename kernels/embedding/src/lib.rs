//! Cairn's embedding kernel: what turns 64-bit feature ids into rows of floats that learn.
//!
//! Built for wasm32 it is one table, or one set of batch primitives, per instance (see ABI.md); built for the host
//! it is an ordinary library, which is how `cargo test` runs it. It has no dependencies, no clock, no randomness,
//! and gives the same bits on every machine.
//!
//! From an id to its row:
//!
//! ```text
//! id ── mixing ─▶ hash
//!   its top bits ───────────▶ subtable  one of some thousands, each of which grows alone (growth.rs)
//!   bits 0-6, and the one
//!   behind the subtable's ──▶ plane     one of the subtable's 1 to 16 (plane_choice.rs)
//!   bits 8-13 ──────────────▶ group     one of 64, each of which has one bucket in every plane
//!   bucket: 16 cells, each a tag (8 bits of hash), the byte that chose the plane, and an entry
//!   equal tag ──────────────▶ entry     the row's handle, and six bits of hash more: the hint (entry.rs)
//!   handle ─────────────────▶ page, row id, stamp, weights, state; the id is compared at last
//! ```
//!
//! An id has two buckets; where both are full, another entry makes room by moving to its other one (displacement.rs). Row and
//! handle stay together for life, so what remembers rows (row_memo.rs, changes.rs) follows no moves.
#![deny(unsafe_op_in_unsafe_fn)]
#![deny(missing_docs)]

// The rows: memory, pages and slab; tags, planes, subtables and index; the search, the memo, looking up by both, the store.
mod cuckoo_index;
mod displacement;
mod entry;
mod growth;
mod memory;
mod movers;
mod page;
mod plane;
mod plane_choice;
mod row_lookup;
mod row_memo;
mod row_store;
mod search;
mod slab;
mod subtable;
mod tags;

// The tables.
mod changes;
mod copy;
mod eviction;
mod export;
mod policy;
mod restore;
mod serving_table;
mod snapshot;
mod table;

// Pure functions over slices: each routine with lanes has a scalar twin that the tests compare it with.
mod admission;
mod batch;
mod counter_snapshot;
mod crc32c;
mod feature_hash;
mod initializers;
mod lanes;
mod mixing;
mod optimizers;
mod quantization;

// The exports, a file for each thing that they serve.
pub mod abi;

/// Inside WASM a test's output goes nowhere; whoever runs the tests there asks whether they ran.
#[cfg(all(test, target_arch = "wasm32"))]
mod inside_wasm {
    use core::sync::atomic::{AtomicU32, Ordering};

    static TESTS_RAN: AtomicU32 = AtomicU32::new(0);

    #[test]
    fn tests_run() {
        TESTS_RAN.store(1, Ordering::Relaxed);
    }

    #[no_mangle]
    extern "C" fn tests_ran() -> u32 {
        TESTS_RAN.load(Ordering::Relaxed)
    }
}
