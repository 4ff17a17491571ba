use std::sync::Arc;

use bytes::Bytes;

use crate::id::{ConnId, InfoHash};
use crate::metainfo::Metainfo;
use crate::tracker::{AnnounceRequest, AnnounceResponse};

/// Work that only a host can do. Every effect gets exactly one `Input::EffectDone` with its id, in any order,
/// except that effects on one torrent's storage are done in the order in which they were given.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Makes the torrent's storage ready and looks for a resume record. Result: [`EffectResult::Opened`].
    Open {
        /// Which torrent.
        torrent: InfoHash,
        /// Its files; the host keeps it with the storage so that a reload can offer the torrent again.
        metainfo: Arc<Metainfo>,
    },
    /// Reads `length` bytes from `offset` of the torrent. Result: [`EffectResult::Bytes`] with exactly that many.
    Read {
        /// Which torrent.
        torrent: InfoHash,
        /// First byte in the torrent.
        offset: u64,
        /// Number of bytes, at least 1.
        length: u32,
    },
    /// SHA-1 over these blocks, one after the other. Result: [`EffectResult::Digest`].
    Hash {
        /// A whole piece.
        blocks: Vec<Bytes>,
    },
    /// SHA-1 over stored bytes, for a piece whose resume record is missing. Result: [`EffectResult::Digest`].
    Check {
        /// Which torrent.
        torrent: InfoHash,
        /// First byte in the torrent.
        offset: u64,
        /// Number of bytes, at least 1.
        length: u32,
    },
    /// Writes these blocks one after the other from `offset` of the torrent. Result: [`EffectResult::Done`] once a
    /// later read, also one after the process ended, gives them back.
    Write {
        /// Which torrent.
        torrent: InfoHash,
        /// First byte in the torrent.
        offset: u64,
        /// A whole, verified piece.
        blocks: Vec<Bytes>,
    },
    /// Replaces the resume record. Result: [`EffectResult::Done`]. Replaces it as a whole: after a crash either the old or the
    /// new one is there, and what the one that is there says is written, see [`Effect::Write`].
    ///
    /// One is given after each piece that was written, but only one at a time: a piece whose write was acknowledged may be
    /// missing in the last record of a process that was killed.
    Persist {
        /// Which torrent.
        torrent: InfoHash,
        /// Opaque to the host.
        record: Bytes,
    },
    /// Closes the torrent's storage; with `erase`, deletes it and its record. Result: [`EffectResult::Done`].
    Close {
        /// Which torrent.
        torrent: InfoHash,
        /// Whether the stored bytes go as well.
        erase: bool,
    },
    /// Makes a WebRTC connection with one ordered, reliable data channel and gathers candidates.
    /// Result: [`EffectResult::Sdp`] with the offer.
    Offer {
        /// What the connection will be called.
        conn: ConnId,
    },
    /// Makes a WebRTC connection for a remote offer and gathers candidates. Result: [`EffectResult::Sdp`] with the
    /// answer.
    Answer {
        /// What the connection will be called.
        conn: ConnId,
        /// The remote offer.
        sdp: String,
    },
    /// Announces to a tracker over HTTP or UDP; the URL's scheme says which. Result: [`EffectResult::Announced`], or
    /// [`EffectFailure::Refused`] with the tracker's own words.
    Announce {
        /// Announce URL: `http`, `https` or `udp`.
        url: String,
        /// What to tell it.
        request: Box<AnnounceRequest>,
    },
    /// Fetches bytes of one file from a web seed (BEP 19) with a Range request, without following redirects to another
    /// host. They come as `ConnectionData` of `conn` while they arrive; the effect ends after the last one. Result:
    /// [`EffectResult::Done`] once exactly `length` bytes were given, or [`EffectFailure::Refused`] if the server blames the
    /// request (a 4xx status other than 408 and 429, which pass). `Output::Close` of `conn` breaks it off.
    Fetch {
        /// The web seed.
        conn: ConnId,
        /// The file's own URL.
        url: String,
        /// First byte within that file.
        offset: u64,
        /// Number of bytes, at least 1.
        length: u64,
    },
    /// Gives the remote answer to a connection that made an offer. Result: [`EffectResult::Done`].
    Accept {
        /// Which connection.
        conn: ConnId,
        /// The remote answer.
        sdp: String,
    },
}

/// What came of an effect.
#[derive(Clone, Debug)]
pub enum EffectResult {
    /// It is done and has no other result.
    Done,
    /// Bytes that were read.
    Bytes(Bytes),
    /// A SHA-1.
    Digest([u8; 20]),
    /// A session description, complete with candidates.
    Sdp(String),
    /// Storage is ready.
    Opened(Opened),
    /// A tracker replied.
    Announced(Box<AnnounceResponse>),
    /// It could not be done.
    Failed(EffectFailure),
}

/// What the host found when it opened a torrent's storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// The resume record last persisted here, if there is one.
    pub record: Option<Bytes>,
    /// Whether bytes may be there although no record is: each piece is then checked before it is fetched. With a record,
    /// only where [`crate::engine::Config::sparse`] is set, and only those that it lacks.
    pub check: bool,
}

/// Why an effect could not be done. What a person reads is made from this by the host that shows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EffectFailure {
    /// The storage is full, or its quota is.
    #[error("no space: {needed} bytes needed, {available:?} available")]
    NoSpace {
        /// Bytes that the torrent still needs.
        needed: u64,
        /// Bytes that the host believes it can have, if it knows.
        available: Option<u64>,
    },
    /// A file that is seeded in place is gone or was changed since it was hashed.
    #[error("the file is gone or was changed: {0}")]
    Changed(String),
    /// The other side refuses, in its own words, bounded: a tracker's failure reason, an HTTP status.
    #[error("refused: {0}")]
    Refused(String),
    /// The host has no way to do this (no WebRTC, no storage).
    #[error("not possible here: {0}")]
    Unsupported(String),
    /// Anything else that the host reports, in its own words.
    #[error("{0}")]
    Failed(String),
}
