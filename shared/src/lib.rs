//! The Piecemeal engine and every wire format it speaks.
//!
//! Pure: nothing here opens a socket, reads a clock, draws global randomness or touches a file. A host tells the
//! [`engine::Engine`] what happened and at what time, and does what the engine answers. The browser peer, the native
//! peer and the simulator are three such hosts around this same code.

#![forbid(unsafe_code)]

pub mod address;
pub mod bencode;
pub mod bitfield;
pub mod choker;
pub mod engine;
#[doc(hidden)]
pub mod fuzz;
pub mod id;
pub mod layout;
pub mod limits;
pub mod magnet;
pub mod metainfo;
pub mod peer;
pub mod picker;
pub mod rate;
pub mod rng;
pub mod statistics;
pub mod stun;
pub mod text;
pub mod time;
pub mod torrent;
pub mod tracker;
pub mod units;
pub mod url;
pub mod wire;
