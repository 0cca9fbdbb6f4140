//! Batch primitives of trainer and ranker: which distinct ids a batch holds and on which shard they live, and the
//! way from unique rows to pooled dense inputs and back.

mod pool;
mod unique;

pub use pool::{pool, pool_gradient, sum_by_inverse, Combiner, PoolError, PoolShape};
pub use unique::{Unique, UniqueBatch};
