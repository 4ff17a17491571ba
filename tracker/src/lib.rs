//! The tracker.

pub mod swarm;
