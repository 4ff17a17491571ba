//! What goes over the network.

pub mod counters;
pub mod rtc;
pub(crate) mod tcp;
pub mod transport;
