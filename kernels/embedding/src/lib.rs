//! Cairn's embedding kernel: what turns 64-bit feature ids into rows of floats that learn.
//!
//! Built for wasm32 it is one table, or one set of batch primitives, per instance (see ABI.md); built for the host
//! it is an ordinary library, which is how `cargo test` runs it. It has no dependencies, no clock, no randomness,
//! and gives the same bits on every machine.
#![deny(unsafe_op_in_unsafe_fn)]
#![deny(missing_docs)]

// The rows: memory, pages and slab; tags, planes, segments and index; the search, the memo, looking up by both, the whole store.
pub mod cuckoo_index;
pub mod displacement;
pub mod entry;
pub mod growth;
pub mod memory;
pub mod movers;
pub mod page;
pub mod plane;
pub mod plane_choice;
pub mod row_lookup;
pub mod row_memo;
pub mod row_store;
pub mod search;
pub mod segment;
pub mod slab;
pub mod tags;

// The tables.
pub mod changes;
pub mod copy;
pub mod eviction;
pub mod export;
pub mod policy;
pub mod restore;
pub mod serving_table;
pub mod snapshot;
pub mod table;

// Pure functions over slices: each routine with lanes has a scalar twin that the tests compare it with.
pub mod admission;
pub mod batch;
pub mod counter_snapshot;
pub mod crc32c;
pub mod feature_hash;
pub mod initializers;
pub mod lanes;
pub mod mixing;
pub mod optimizers;
pub mod quantization;

// The exports, a file for each thing that they serve.
pub mod abi;
