//! The browser peer.
//!
//! Two threads matter. The page (`bin/app.rs`) draws, takes input and holds the `RTCPeerConnection`s, which exist
//! nowhere else. The engine worker (`bin/engine.rs`) holds the engine, the tracker sockets, the storage, the hashing,
//! and, where the browser can transfer them, the data channels.

pub mod app;
pub mod client;
pub mod compare;
pub mod components;
pub mod dashboard;
pub mod document;
pub mod engine;
pub mod hash;
pub mod intake;
pub mod net;
pub mod pages;
pub mod platform;
pub mod protocol;
pub mod routes;
pub mod sample;
pub mod state;
pub mod storage;
pub mod text;

pub use shared::units;
