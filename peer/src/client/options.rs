//! What a client is made of.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use shared::engine::{Config, Origin};

use crate::net::tls::Trust;
use crate::net::transport::StartTransport;
use crate::storage::{self, Place};

/// How a client works.
pub struct Options {
    /// What the engine does. `offers` and `listen_port` are set by the client, from `webrtc` and `listen`, and `sparse`,
    /// which its storage is; `private_addresses` also holds for names that resolve to such addresses: trackers, web seeds.
    pub engine: Config,
    /// Where TCP connections of peers are taken; port 0 lets the system choose. `None` takes none.
    pub listen: Option<SocketAddr>,
    /// Makes WebRTC connections, where they are wanted.
    pub webrtc: Option<StartTransport>,
    /// Where downloads go.
    pub storage: storage::Options,
    /// Whose certificates are believed, of trackers and web seeds.
    pub trust: Trust,
}

impl Options {
    /// TCP in both directions on a port of the system's choice, HTTP and UDP trackers and web seeds, no WebRTC; downloads
    /// to `directory`.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            engine: Config { dials: true, offers: false, web_seeds: true, ..Config::default() },
            listen: Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0)),
            webrtc: None,
            storage: storage::Options::new(directory),
            trust: Trust::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("engine", &self.engine)
            .field("listen", &self.listen)
            .field("webrtc", &self.webrtc.is_some())
            .field("storage", &self.storage)
            .field("unverified", &self.trust.unverified)
            .finish()
    }
}

/// A torrent to take in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add {
    /// What is known of it.
    pub origin: Origin,
    /// Announce URLs beside those that the origin names.
    pub trackers: Vec<String>,
    /// Fetch what is missing, as soon as the metadata is there.
    pub start: bool,
    /// Where it lies or will lie.
    pub place: Place,
}

impl Add {
    /// Fetches what a link or a `.torrent` names into the download directory.
    pub const fn download(origin: Origin) -> Self {
        Self { origin, trackers: Vec::new(), start: true, place: Place::Downloads }
    }
}

/// Why a torrent was not taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// The link is none.
    #[error("{0}")]
    Link(#[from] shared::magnet::LinkError),
    /// The `.torrent` is none.
    #[error("{0}")]
    Metainfo(#[from] shared::metainfo::MetainfoError),
    /// As many files were hashed as the torrent does not have.
    #[error("expected a place for each of {expected} files of the torrent, got {got}")]
    Files {
        /// Files of the torrent.
        expected: usize,
        /// Places given.
        got: usize,
    },
    /// Only torrents whose every piece was hashed lie where their files are.
    #[error("expected Origin::Complete for files that are shared where they lie")]
    Incomplete,
    /// The client has ended.
    #[error("the client has ended")]
    Ended,
}

/// Why a client did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port cannot be had.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// WebRTC cannot be had.
    #[error("WebRTC: {0}")]
    Webrtc(#[from] crate::net::transport::TransportError),
    /// A certificate that is to be believed is none.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(std::io::Error),
}
