//! SHA-1 of pieces, on as many cores as there are.

mod files;

pub use files::{HashError, Progress, pieces};
