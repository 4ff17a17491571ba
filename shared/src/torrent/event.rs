use super::{EffectFailure, Phase};
use crate::id::{ConnId, InfoHash, PeerId, TrackerId};
use crate::layout::PieceIndex;
use crate::peer::CloseReason;

/// Something that happened inside the engine, for hosts that show or log it.
#[derive(Clone, Debug)]
pub enum Event {
    /// A torrent came in.
    Added(InfoHash),
    /// A command could not be taken: in words for a person, with what was expected and what came.
    Refused {
        /// The torrent, where one is known.
        torrent: Option<InfoHash>,
        /// Why.
        reason: String,
    },
    /// A torrent's phase changed.
    Phase {
        /// Which.
        torrent: InfoHash,
        /// From now on.
        phase: Phase,
    },
    /// A piece is verified and its write acknowledged.
    PieceVerified {
        /// Which torrent.
        torrent: InfoHash,
        /// Which piece.
        piece: PieceIndex,
    },
    /// A piece did not match the hash in the metadata and was thrown away.
    PieceFailed {
        /// Which torrent.
        torrent: InfoHash,
        /// Which piece.
        piece: PieceIndex,
        /// Who gave blocks of it.
        from: Vec<ConnId>,
    },
    /// A peer shook hands.
    PeerConnected {
        /// Which torrent.
        torrent: InfoHash,
        /// Its connection.
        conn: ConnId,
        /// What it calls itself.
        peer: PeerId,
    },
    /// A connection of a torrent ended.
    PeerClosed {
        /// Which torrent.
        torrent: InfoHash,
        /// Its connection.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
    },
    /// A peer is not talked to any more.
    PeerBanned {
        /// Which torrent.
        torrent: InfoHash,
        /// What it calls itself.
        peer: PeerId,
    },
    /// A web seed gave bytes that did not match, and is not asked any more.
    WebSeedConvicted {
        /// Which torrent.
        torrent: InfoHash,
        /// Its URL.
        url: String,
    },
    /// A tracker said something that a person should know.
    TrackerWarning {
        /// Which.
        tracker: TrackerId,
        /// Its words, bounded.
        text: String,
    },
    /// The host could not do something for a torrent; it is in [`Phase::Error`].
    Failed {
        /// Which.
        torrent: InfoHash,
        /// Why.
        failure: EffectFailure,
    },
    /// A torrent is gone.
    Removed(InfoHash),
}
