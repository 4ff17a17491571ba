//! What the Dashboard is made of.

pub mod door;
pub mod log;
pub mod picture;
pub mod spark;
pub mod swarm;
pub mod tiles;
