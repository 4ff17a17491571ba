//! The client as those use it who program against it: real sockets, real files.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod resume;
mod servers;
mod support;
mod trackers;
mod transfer;
