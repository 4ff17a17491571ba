//! Connections: peer connections on the page, their data channels and the tracker sockets in the worker.

pub mod announce_token;
pub mod api;
pub mod channel;
pub mod rtc;
pub mod tracker_socket;
pub mod web_seed;
