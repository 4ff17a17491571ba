//! Clients of a tracker, no cleverer than they have to be.

pub mod http;
pub mod peer;
pub mod udp;
