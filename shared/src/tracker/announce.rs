//! What an announce says and what comes back, in whatever protocol (BEP 3, 7, 15, 23). The WebSocket protocol carries
//! offers besides and has messages of its own, see [`super::ws`].

use core::net::SocketAddr;

pub use super::ws::Event;
use crate::id::{InfoHash, PeerId};

/// An announce over HTTP or UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnounceRequest {
    /// Which swarm.
    pub info_hash: InfoHash,
    /// Who announces.
    pub peer_id: PeerId,
    /// TCP port on which it takes connections; 0 if it takes none.
    pub port: u16,
    /// Payload bytes given since `started`.
    pub uploaded: u64,
    /// Payload bytes got since `started`.
    pub downloaded: u64,
    /// Bytes that are missing; `None` while that is unknown.
    pub left: Option<u64>,
    /// Why it announces.
    pub event: Event,
    /// Most peers wanted; `None` leaves it to the tracker.
    pub wanted: Option<u32>,
    /// Proves across a change of address that it is the same peer; drawn once a run.
    pub key: u32,
    /// What the tracker wants to see again (`tracker id`, HTTP only); bounded.
    pub tracker_id: Option<String>,
}

/// A tracker's reply to an announce over HTTP or UDP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnnounceResponse {
    /// Seconds until the next announce.
    pub interval: u32,
    /// Seconds before which no announce is wanted (HTTP only).
    pub min_interval: Option<u32>,
    /// Seeds that the tracker knows.
    pub complete: Option<u32>,
    /// Leechers that the tracker knows.
    pub incomplete: Option<u32>,
    /// Addresses of other members; bounded, none of them twice.
    pub peers: Vec<SocketAddr>,
    /// To be repeated in later announces (HTTP only); bounded.
    pub tracker_id: Option<String>,
    /// Something that a person should know; bounded.
    pub warning: Option<String>,
}
