//! The tracker as its clients meet it: over real sockets, on ports that the system chooses.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod access;
mod accounts;
mod announce;
mod api;
mod compare;
mod conformance;
mod connections;
mod drain;
mod files;
mod http_announce;
mod neighbours;
mod observe;
mod page;
mod process;
mod proxy;
mod publication;
mod seed;
mod snapshot;
mod stun;
mod support;
mod tls;
mod turn;
mod udp_announce;
