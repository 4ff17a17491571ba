//! What `crowd` (many connections), `soak` (a long run), `exchange` (offers that are all read) and `cluster` (several trackers as
//! one) are made of: a real tracker process, clients that speak its protocols, and the memory that the kernel counts.

pub mod client;
pub mod memory;
pub mod process;
