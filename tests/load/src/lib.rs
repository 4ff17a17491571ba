//! What `crowd` (many connections) and `soak` (a long run) are made of: a real tracker process, clients that speak its
//! protocols, and the memory that the kernel counts.

pub mod client;
pub mod memory;
pub mod process;
