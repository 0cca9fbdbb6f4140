//! The exports; see ABI.md. An instance holds one table and one set of batch buffers.

pub mod batch;
pub mod buffers;
pub mod candidates;
pub mod deltas;
mod instance;
mod proofs;
mod refusals;
pub mod serving;
pub mod snapshots;
pub mod statistics;
pub mod training;
