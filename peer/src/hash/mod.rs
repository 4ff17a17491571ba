//! SHA-1 of pieces, on as many cores as there are.

mod files;
mod pool;

pub use files::{HashError, Progress, pieces};
pub(crate) use pool::Pool;
