//! What goes over the network.

pub mod counters;
pub mod rtc;
pub mod transport;
