//! Deterministic simulator: the shipped engine and the shipped tracker swarm under a virtual clock, a network with
//! latency, rate and faults, and a disk that can be slow, full or gone.
//!
//! A [`World`] is built from a [`Plan`] whose every choice follows from one seed. Running it twice gives the same
//! [`World::log`], byte for byte; a failure is reproduced by its seed number alone. Invariants are checked after every
//! step ([`check`]), not only at the end.

pub mod check;
pub mod content;
pub mod disk;
mod fault;
pub mod host;
pub mod log;
pub mod net;
pub mod plan;
pub mod tcp;
pub mod tracker;
mod web;
pub mod world;

pub use plan::{Fault, HostPlan, NetPlan, Plan, WebPlan};
pub use world::World;
