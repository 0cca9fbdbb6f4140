//! Batch primitives of trainer and ranker: which distinct ids a batch holds and on which shard they live, and the
//! way from unique rows to pooled dense inputs and back.

mod placement;
mod plan;
mod pool;
mod unique;

pub use placement::{PoolBatch, PoolError};
pub use plan::PoolPlan;
pub use pool::Pooling;
pub use unique::{Groups, Unique};
