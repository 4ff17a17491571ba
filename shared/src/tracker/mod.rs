//! Messages between peers and trackers, one module per protocol, used by both ends.

pub mod announce;
pub mod compact;
pub mod http;
pub mod scrape;
pub mod udp;
pub mod ws;

pub use announce::{AnnounceRequest, AnnounceResponse, Event};
pub use scrape::ScrapeCounts;
