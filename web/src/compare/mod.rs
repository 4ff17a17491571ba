//! The same bytes over each protocol, measured from this page: what runs, what is counted, what it comes to.
//!
//! What only computes ([`model`], [`shared::statistics`], [`wire`], [`verdict`]) knows nothing of a browser.

mod gather;
pub mod http;
pub mod live;
pub mod model;
pub mod origins;
pub mod p2p;
pub mod race;
mod record;
pub mod room;
pub mod seed;
pub mod verdict;
pub mod wire;
