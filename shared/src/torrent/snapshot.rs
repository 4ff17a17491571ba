//! What a host shows: values, no references, cheap enough to take a few times a second.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::id::{ConnId, InfoHash, PeerId};
use crate::peer::Transport;

/// Everything at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Torrents, in the order in which they were added.
    pub torrents: Vec<TorrentSnapshot>,
}

/// Where a torrent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Looking for peers that have the metadata.
    Connecting,
    /// Connected to somebody and fetching the metadata.
    Metadata,
    /// The storage is opened and stored pieces are checked.
    Checking,
    /// Everything is known; waits for `Command::Start`.
    Ready,
    /// Fetching pieces.
    Downloading,
    /// All pieces are verified; here because it was downloaded. Goes on giving.
    Complete,
    /// All pieces are verified; here because it was shared from this host.
    Seeding,
    /// Stopped by command.
    Paused,
    /// Stopped by a failure, see [`TorrentSnapshot::error`].
    Error,
}

/// What a torrent is waiting for, where it is not moving. Durations in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waiting {
    /// No tracker is reachable; the next attempt is in `retry_ms`.
    Tracker {
        /// Until the next attempt.
        retry_ms: u64,
    },
    /// A tracker answered; nobody has connected for `since_ms`.
    Peers {
        /// Since a tracker first replied, or since the last peer left.
        since_ms: u64,
    },
    /// Somebody was found, and a connection has been tried for `since_ms`, or is tried again when they are met again.
    Connection {
        /// Since the oldest attempt that goes on; where none does, since the first of those that failed.
        since_ms: u64,
        /// Attempts that failed since anybody was last connected.
        failed: u32,
    },
    /// Connected, but no peer has a piece that is missing; in [`Phase::Metadata`], none gives the metadata.
    Pieces,
    /// Connected to somebody who has pieces, but they have had us choked for `since_ms`.
    Unchoke {
        /// Since interest was told.
        since_ms: u64,
    },
    /// Requests are out and nothing came for `since_ms`.
    Data {
        /// Since the last byte of a block.
        since_ms: u64,
    },
}

/// One torrent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TorrentSnapshot {
    /// Its info-hash.
    pub info_hash: InfoHash,
    /// Name, made safe; from the metadata, or before that from the link.
    pub name: Option<String>,
    /// Where it stands.
    pub phase: Phase,
    /// Why it is in [`Phase::Error`], for a person.
    pub error: Option<String>,
    /// Why it is not moving.
    pub waiting: Option<Waiting>,
    /// Bytes in the torrent; from the link (`xl`) until the metadata is there, 0 if unknown.
    pub total_bytes: u64,
    /// Bytes of pieces that are verified and written.
    pub verified_bytes: u64,
    /// Number of pieces, 0 until the metadata is there.
    pub pieces: u32,
    /// Pieces verified and written.
    pub verified_pieces: u32,
    /// Bytes in each piece but the last, 0 until the metadata is there.
    pub piece_length: u32,
    /// Payload bytes a second from peers, over the last few seconds.
    pub down_rate: u64,
    /// Payload bytes a second to peers, over the last few seconds.
    pub up_rate: u64,
    /// Payload bytes from peers since the torrent was added, thrown-away ones included.
    pub downloaded: u64,
    /// Payload bytes to peers since the torrent was added.
    pub uploaded: u64,
    /// Payload bytes that came twice or did not match.
    pub wasted: u64,
    /// Milliseconds until complete at the present rate; `None` where that says nothing.
    pub eta_ms: Option<u64>,
    /// Peers that shook hands.
    pub peers: Vec<PeerSnapshot>,
    /// Addresses at which peers may be found, besides those met through WebSocket trackers.
    pub known_addresses: u32,
    /// Addresses that strangers named and that are not dialled, since they are private or no peer can have them.
    pub refused_addresses: u32,
    /// Its trackers.
    pub trackers: Vec<TrackerSnapshot>,
    /// Its web seeds.
    pub web_seeds: Vec<WebSeedSnapshot>,
    /// Its files; empty until the metadata is there.
    pub files: Vec<FileSnapshot>,
    /// One byte a piece: the state in the low three bits ([`PieceState`]), and for verified pieces in the high five
    /// the slot (1 to 31, 0 unknown) of the peer who gave it, see [`PeerSnapshot::slot`].
    #[serde(with = "serde_bytes")]
    pub field: Vec<u8>,
    /// Copies among connected peers of the rarest piece, and of the average one.
    pub availability: (u32, f32),
    /// The magnet link (`magnet:?xt=…`), name, length and trackers included.
    pub magnet: String,
    /// Peers that we gave something and that then had everything: delivered.
    pub fulfilled: u32,
    /// Times a peer was banned here.
    pub banned: u32,
    /// Pieces that did not match and were thrown away.
    pub failed_pieces: u32,
}

/// State of a piece in [`TorrentSnapshot::field`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PieceState {
    /// Nothing of it is here.
    Missing = 0,
    /// Some of its blocks are asked for.
    Requested = 1,
    /// Some of its blocks are here.
    Received = 2,
    /// Whole, being hashed or written.
    Verifying = 3,
    /// Verified and written.
    Verified = 4,
}

/// One peer that shook hands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerSnapshot {
    /// Its connection.
    pub conn: ConnId,
    /// What it calls itself.
    pub peer_id: PeerId,
    /// How it is reached.
    pub transport: Transport,
    /// The other end of a TCP connection.
    pub address: Option<SocketAddr>,
    /// Program and version, from the extension handshake or its peer id; made safe and bounded.
    pub client: String,
    /// Small number for colours, 1 to 31; reused after the peer has left.
    pub slot: u8,
    /// Pieces it has.
    pub pieces: u32,
    /// Payload bytes a second from it.
    pub down_rate: u64,
    /// Payload bytes a second to it.
    pub up_rate: u64,
    /// Payload bytes from it.
    pub downloaded: u64,
    /// Payload bytes to it.
    pub uploaded: u64,
    /// Verified pieces of which it gave the larger part.
    pub given: u32,
    /// We choke it.
    pub choked: bool,
    /// It chokes us.
    pub choking: bool,
    /// We want something it has.
    pub interested: bool,
    /// It wants something we have.
    pub wanting: bool,
    /// Requests that we have sent it and that it has not answered.
    pub pending: u32,
    /// Milliseconds from request to block, smoothed; `None` until measured.
    pub rtt_ms: Option<u32>,
    /// Milliseconds since it shook hands.
    pub connected_ms: u64,
}

/// One tracker of a torrent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerSnapshot {
    /// Its announce URL.
    pub url: String,
    /// Where it stands.
    pub state: TrackerState,
    /// Seeds that it knows.
    pub seeds: Option<u32>,
    /// Leechers that it knows.
    pub leechers: Option<u32>,
    /// Milliseconds until the next announce or attempt.
    pub next_ms: Option<u64>,
    /// What it said last when it refused, bounded.
    pub message: Option<String>,
}

/// Where a tracker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrackerState {
    /// The socket is being opened, or the first announce has no answer yet.
    Connecting,
    /// It answered the last announce.
    Working,
    /// It answered with a failure.
    Refused,
    /// It cannot be reached.
    Unreachable,
    /// Of a kind that this host has no way to contact; left alone.
    Unsupported,
}

/// One web seed of a torrent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebSeedSnapshot {
    /// Its URL, as the link or `.torrent` names it.
    pub url: String,
    /// Where it stands.
    pub state: WebSeedState,
    /// Small number for colours as of a peer, 0 until it is asked.
    pub slot: u8,
    /// Payload bytes a second from it.
    pub down_rate: u64,
    /// Payload bytes from it.
    pub downloaded: u64,
    /// Verified pieces of which it gave the larger part.
    pub given: u32,
    /// Requests under way.
    pub requests: u32,
    /// Milliseconds until it is tried again.
    pub next_ms: Option<u64>,
    /// Why it failed last, bounded.
    pub message: Option<String>,
}

/// Where a web seed stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WebSeedState {
    /// Nothing is asked of it now.
    Idle,
    /// Bytes are on their way, or asked for.
    Fetching,
    /// It failed and is tried again later.
    Waiting,
    /// Its URL names a private address, which this host does not contact for strangers.
    Private,
    /// It gave bytes that did not match, and is not asked any more.
    Convicted,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSnapshot {
    /// Path inside the torrent, made safe, parts joined by `/`.
    pub path: String,
    /// Length in bytes.
    pub length: u64,
    /// Bytes of it in verified pieces.
    pub verified: u64,
}
