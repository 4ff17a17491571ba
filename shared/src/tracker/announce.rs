//! What an announce says and what comes back, in whatever protocol (BEP 3, 7, 15, 23). The WebSocket protocol carries
//! offers besides and has messages of its own, see [`super::ws`].

use core::net::{IpAddr, SocketAddr};

use crate::id::{InfoHash, PeerId};
use crate::limits;

/// What an announce says is left when we do not know: one block. Stock WebTorrent sends `null` then, which the
/// reference server takes for 0, so that everybody who has only a link counts as a seed.
pub const LEFT_UNKNOWN: u64 = limits::BLOCK_LENGTH as u64;

/// Why a peer announces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Event {
    /// The interval is over.
    #[default]
    Update,
    /// It joins.
    Started,
    /// It has everything since just now.
    Completed,
    /// It leaves.
    Stopped,
    /// It stays, without wanting more (BEP 21).
    Paused,
}

impl Event {
    /// The word in a query or a WebSocket message; none for [`Event::Update`].
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Update => None,
            Self::Started => Some("started"),
            Self::Completed => Some("completed"),
            Self::Stopped => Some("stopped"),
            Self::Paused => Some("paused"),
        }
    }

    /// What the word says; the empty word, `update` and `empty` are in use for [`Event::Update`].
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "" | "update" | "empty" => Some(Self::Update),
            "started" => Some(Self::Started),
            "completed" => Some(Self::Completed),
            "stopped" => Some(Self::Stopped),
            "paused" => Some(Self::Paused),
            _ => None,
        }
    }
}

/// What a member is to its swarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It lacks something, and downloads.
    #[default]
    Leech,
    /// It lacks something, and wants no more of it (BEP 21).
    PartialSeed,
    /// It has everything.
    Seed,
}

impl Role {
    /// What who announces this is. `completed` says that it has everything whatever is said to be left: stock WebTorrent repeats the
    /// block that it made up while it had no metadata. `paused` comes with every announce of a partial seed; a seed that says so is a seed.
    pub const fn of(left: Option<u64>, event: Event) -> Self {
        match (left, event) {
            (Some(0), _) | (_, Event::Completed) => Self::Seed,
            (_, Event::Paused) => Self::PartialSeed,
            _ => Self::Leech,
        }
    }

    /// Whether it has everything.
    pub const fn is_seed(self) -> bool {
        matches!(self, Self::Seed)
    }
}

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
    /// Addresses of other members: at most [`limits::TRACKER_PEERS_MAX`], none of them twice, each with a port.
    pub peers: Vec<SocketAddr>,
    /// The address that the tracker sees us at (BEP 24, HTTP only).
    pub external_ip: Option<IpAddr>,
    /// To be repeated in later announces (HTTP only); bounded.
    pub tracker_id: Option<String>,
    /// Something that a person should know; bounded.
    pub warning: Option<String>,
}

impl AnnounceResponse {
    /// Takes up the addresses that can be dialled, each once, until there are [`limits::TRACKER_PEERS_MAX`].
    pub(super) fn add_peers(&mut self, peers: impl IntoIterator<Item = SocketAddr>) {
        let mut seen: std::collections::BTreeSet<_> = self.peers.iter().copied().collect();
        for peer in peers {
            if self.peers.len() >= limits::TRACKER_PEERS_MAX {
                break;
            }
            let dialable = peer.port() != 0 && !peer.ip().is_unspecified() && !peer.ip().is_multicast();
            if dialable && seen.insert(peer) {
                self.peers.push(peer);
            }
        }
    }
}
