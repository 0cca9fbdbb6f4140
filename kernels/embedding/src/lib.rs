//! Cairn's embedding kernel: a table from 64-bit feature ids to rows of trainable floats.
//!
//! Built for wasm32, an instance holds one table, or one set of batch primitives (see ABI.md).
//! Built for the host it is an ordinary library, for `cargo test`. It has no dependencies, no clock
//! and no randomness, and gives the same bits on every machine.
//!
//! From an id to its row:
//!
//! ```text
//! id ── mixing ─▶ hash
//!   top bits ───────────────▶ subtable  one of thousands, each grows alone (growth.rs)
//!   bits 0-6, and the bit
//!   after the subtable's ───▶ plane     one of the subtable's 1 to 16 (plane_choice.rs)
//!   bits 9-13 and 32 ───────▶ group     one of 64; a group has one bucket in every plane
//!   bucket: 10 cells, each a tag (8 bits of hash), the choice byte (chose the plane) and an entry
//!   equal tag ──────────────▶ entry     the row's handle and a hash hint of six bits (entry.rs)
//!   handle ─────────────────▶ page: id, stamp, weights, state of the row; the id is compared here
//! ```
//!
//! An id has two buckets and lies in the first if there is room. If both are full, another entry
//! makes room by moving to its other bucket (displacement.rs). A row and its handle do not move, so
//! code that remembers rows (row_memo.rs, recent_lookups.rs, changes.rs) need not follow moves.
//!
//! A call from TypeScript takes this way: an export (abi/serving.rs, abi/training.rs), its table
//! (serving_table.rs, table.rs), the table's store (row_store.rs) and its lookups (row_lookup.rs),
//! which ask the memo (row_memo.rs) and then the index (search.rs).
//!
//! To learn how it works, read search.rs, displacement.rs, plane_choice.rs and row_memo.rs first;
//! each begins with the plain algorithm and lists the differences from it with their gain.
#![deny(unsafe_op_in_unsafe_fn)]
#![deny(missing_docs)]

// Rows: memory, pages and slab; buckets, planes, subtables and index; search, memo, recent lookups,
// lookups by all three, and the store.
mod bucket;
mod cuckoo_index;
mod displacement;
mod entry;
mod growth;
mod memory;
mod movers;
mod page;
mod plane;
mod plane_choice;
mod recent_lookups;
mod row_lookup;
mod row_memo;
mod row_starts;
mod row_store;
mod search;
mod slab;
mod subtable;

// The tables.
mod changes;
mod copy;
mod eviction;
mod export;
mod insertion;
mod policy;
mod restore;
mod serving_table;
mod since_snapshot;
mod slice_steps;
mod snapshot;
mod table;
mod training_row;

// Pure functions over slices. Tests compare each SIMD routine with its scalar form.
mod admission;
mod batch;
mod candidates;
mod counter_snapshot;
mod crc32c;
mod feature_hash;
mod initializers;
mod lanes;
mod line_changes;
mod mixing;
mod optimizers;
mod quantization;

// The exports, a file a subject.
pub mod abi;

/// Inside WASM the output of tests is lost; the script that runs them there asks whether they ran.
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
