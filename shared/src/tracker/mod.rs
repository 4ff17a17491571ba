//! Messages between peers and trackers, one module per protocol, used by both ends.

pub mod announce;
pub mod ws;

pub use announce::{AnnounceRequest, AnnounceResponse, Event};
