//! The Piecemeal engine as a native host: WebRTC data channels and TCP, trackers over WebSocket, HTTP and UDP, web seeds,
//! files on disk. The command line is one user of this library; tests, measurements and the tracker's own seeder are others.
//!
//! [`client::Client`] is the whole of it. [`hash`] makes the piece hashes of files that are to be shared, [`storage`] is
//! where torrents lie, [`net`] what goes over the network.

pub mod client;
mod clock;
pub mod compare;
pub mod create;
pub mod hash;
pub mod net;
pub mod qr;
pub mod quantity;
pub mod storage;
