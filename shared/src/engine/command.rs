use core::net::SocketAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::InfoHash;

/// What a person, or a program in their stead, asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Takes a torrent into the engine. A known info-hash gains the trackers named and is otherwise left as it is, unless
    /// it lacks pieces and [`Origin::Complete`] has them all: then it seeds what the host has.
    Add {
        /// What is known of it.
        origin: Origin,
        /// Announce URLs that the host wants (the page's own origin), beside those that the origin names.
        trackers: Vec<String>,
        /// Fetch pieces once the metadata is there; otherwise wait at [`super::Phase::Ready`] for [`Command::Start`].
        start: bool,
    },
    /// Fetches the pieces of a torrent that is ready, paused or failed.
    Start(InfoHash),
    /// Ends all its connections and announces `stopped`; what is verified is kept.
    Pause(InfoHash),
    /// Forgets a torrent; with `erase`, its stored bytes and resume record as well.
    Remove {
        /// Which.
        torrent: InfoHash,
        /// Whether the host deletes what it stored.
        erase: bool,
    },
    /// Announces at once instead of at the next interval.
    Reannounce(InfoHash),
    /// Names addresses at which peers of a torrent may be found. Only where [`super::Config::dials`] is set; taken as the
    /// host's own word, so private ones are dialled as well: what a stranger named is first held against
    /// [`crate::address::is_public`]. Beyond [`crate::limits::ADDRESSES_PER_TORRENT`] they are left out.
    AddPeers {
        /// Which.
        torrent: InfoHash,
        /// Where.
        addresses: Vec<SocketAddr>,
    },
    /// Sets limits in bytes a second for all torrents together; `None` is no limit.
    SetLimits {
        /// To all peers.
        upload: Option<u64>,
        /// From all peers.
        download: Option<u64>,
    },
    /// Names anew whom to tell our progress, see [`super::Config::report_to`]; none are told none.
    ReportTo(Vec<String>),
    /// Announces `stopped` everywhere and closes every connection: the host is about to end, once what it was given to do
    /// is done ([`super::Effect::Announce`] among it) or has had a few seconds.
    Shutdown,
}

/// What is known of a torrent when it is added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// A magnet or share link, or a bare info-hash, as text; the metadata comes from peers.
    Link(String),
    /// A whole `.torrent`.
    Metainfo(Bytes),
    /// A whole `.torrent` whose every piece the host has just hashed itself and can read: seeds at once, unchecked.
    Complete(Bytes),
}
