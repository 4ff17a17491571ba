//! Hashing shared files on all cores.

pub mod pool;
pub mod protocol;
pub mod worker;
