//! One connection to a remote peer.

/// Why we ended a connection, or learnt that it ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The torrent was paused, removed, or the host is ending.
    #[error("the torrent was stopped here")]
    Stopped,
}
