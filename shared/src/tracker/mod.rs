//! Messages between peers and trackers, one module per protocol, used by both ends.

pub mod ws;
