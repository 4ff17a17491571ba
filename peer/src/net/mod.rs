//! What goes over the network.

pub mod counted;
pub mod counters;
pub(crate) mod guard;
pub(crate) mod http;
pub mod rtc;
pub(crate) mod tcp;
pub mod tls;
pub(crate) mod tracker_http;
pub(crate) mod tracker_socket;
pub(crate) mod tracker_udp;
pub mod transport;
pub(crate) mod web_seed;
