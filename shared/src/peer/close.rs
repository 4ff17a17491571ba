use crate::bitfield::BitfieldError;
use crate::id::InfoHash;
use crate::wire::WireError;
use crate::wire::extension::ExtensionError;

/// Why we ended a connection, or learnt that it ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The torrent was paused, removed, or the host is ending.
    #[error("the torrent was stopped here")]
    Stopped,
    /// Nobody answered our offer in time.
    #[error("nobody answered the offer")]
    OfferExpired,
    /// The description of a connection could not be made or taken by the host.
    #[error("the host could not make the connection: {0}")]
    Signalling(String),
    /// The connection did not open in time, or there is no path between the two networks.
    #[error("no connection could be made")]
    Unreachable,
    /// The connection is open but no handshake came in time.
    #[error("no handshake came in time")]
    HandshakeTimeout,
    /// The remote side closed it.
    #[error("the peer closed the connection")]
    Remote,
    /// The transport failed, in the host's words.
    #[error("the transport failed: {0}")]
    Transport(String),
    /// The handshake is about another torrent.
    #[error("expected a handshake for {expected}, got one for {got}")]
    InfoHash {
        /// The torrent of this connection.
        expected: InfoHash,
        /// The torrent that was named.
        got: InfoHash,
    },
    /// Somebody connected for a torrent that is not here.
    #[error("there is no torrent {0} here")]
    UnknownTorrent(InfoHash),
    /// The peer id in the handshake is our own.
    #[error("this is a connection to ourselves")]
    SelfConnection,
    /// Another connection to the same peer is kept.
    #[error("there is another connection to the same peer")]
    Duplicate,
    /// The peer gave bad pieces.
    #[error("the peer is banned for bad pieces")]
    Banned,
    /// No room for another peer.
    #[error("too many peers")]
    TooManyPeers,
    /// Both sides have everything.
    #[error("both sides have every piece")]
    NothingToExchange,
    /// Nothing came for longer than keep-alives allow.
    #[error("the peer has been silent for too long")]
    Silent,
    /// A message began and did not go on.
    #[error("the peer broke off within a message")]
    BrokenOff,
    /// What we had to tell it piled up.
    #[error("the peer takes nothing")]
    Stalled,
    /// Bytes that are no message.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Bytes that are no message of an extension.
    #[error(transparent)]
    Extension(#[from] ExtensionError),
    /// A bitfield that does not fit the torrent.
    #[error(transparent)]
    Bitfield(#[from] BitfieldError),
    /// A message of the fast extension (BEP 6) that was not negotiated.
    #[error("expected no message of the fast extension, since it was not negotiated")]
    FastNotNegotiated,
    /// A bitfield, have-all or have-none that is not the first message about pieces.
    #[error("expected the bitfield before any other message about pieces")]
    LateBitfield,
    /// A piece that the torrent does not have.
    #[error("expected a piece below {pieces}, got {got}")]
    PieceOutOfRange {
        /// Number of pieces in the torrent, or the bound where it is not known yet.
        pieces: u32,
        /// The number that was named.
        got: u32,
    },
    /// A request for bytes outside of a piece, or for too many.
    #[error(
        "expected a request within a piece and the bound, got {length} bytes from {begin} of piece {piece}"
    )]
    RequestOutOfRange {
        /// Number of the piece.
        piece: u32,
        /// First byte in the piece.
        begin: u32,
        /// Number of bytes.
        length: u32,
    },
    /// More requests than we said we queue, from a peer that cannot be told so.
    #[error("expected at most {max} requests at once", max = crate::limits::REQUESTS_QUEUED_MAX)]
    RequestFlood,
    /// A block that we did not ask for.
    #[error("expected a block that was asked for, got {length} bytes from {begin} of piece {piece}")]
    UnrequestedBlock {
        /// Number of the piece.
        piece: u32,
        /// First byte in the piece.
        begin: u32,
        /// Number of bytes.
        length: usize,
    },
}
