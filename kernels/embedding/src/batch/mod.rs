//! Batch primitives of trainer and scorer: the distinct ids of a batch by shard and class, and
//! pooling of their rows into dense inputs and of gradients back.

mod checked_batch;
mod plan;
mod pool;
mod unique;

pub use checked_batch::{PoolBatch, PoolError};
pub use plan::PoolPlan;
pub use pool::Pooling;
pub use unique::{Groups, Unique};
