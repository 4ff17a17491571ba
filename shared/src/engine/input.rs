use core::net::SocketAddr;

use bytes::Bytes;

use super::{Command, EffectResult};
use crate::id::{ConnId, EffectId, InfoHash, TrackerId};

/// What happened. Inputs that name a connection, tracker or effect that is already closed are ignored.
#[derive(Clone, Debug)]
pub enum Input {
    /// The deadline that [`super::Output::Timeout`] named has come. Harmless when early.
    Timeout,
    /// Somebody asked for something.
    Command(Command),
    /// The data channel of a connection is open.
    ConnectionOpened {
        /// Which.
        conn: ConnId,
        /// Most bytes that the remote takes in one message (`maxMessageSize` of the SCTP transport); for a byte
        /// stream, as many as the host likes in one send.
        max_message: usize,
    },
    /// Somebody connected to a port of the host and named a torrent in the handshake (BEP 3), which the host has read that
    /// far. The whole stream, handshake included, follows as `ConnectionData`. A torrent that is unknown, inactive or has
    /// enough peers answers with [`super::Output::Close`].
    ConnectionIncoming {
        /// Numbered by the host from [`ConnId::INCOMING`], never twice.
        conn: ConnId,
        /// Where it comes from.
        address: SocketAddr,
        /// From its handshake.
        info_hash: InfoHash,
    },
    /// Bytes arrived. Boundaries between messages mean nothing: a connection is a stream of bytes.
    ConnectionData {
        /// Which.
        conn: ConnId,
        /// What came; kept without copying, so it should not be a small part of something large.
        data: Bytes,
    },
    /// What waits in the host's send buffer. Told by the transport's own event when the buffer falls to half of
    /// [`crate::limits::SEND_BUFFER_HIGH`], never by a timer; and right after a send that leaves it at or below that
    /// half although the bytes sent since it was last told reach that half: no event would come then, and the engine,
    /// which can only add up what it sent, would wait for one.
    ConnectionWritable {
        /// Which.
        conn: ConnId,
        /// Bytes that still wait in the host's buffer.
        buffered: usize,
    },
    /// A connection ended, or could not be made.
    ConnectionClosed {
        /// Which.
        conn: ConnId,
        /// Why, as far as the host knows.
        by: ClosedBy,
    },
    /// The WebSocket of a tracker is open.
    TrackerOpened(TrackerId),
    /// A text message of a tracker arrived.
    TrackerMessage {
        /// Which.
        tracker: TrackerId,
        /// The whole text frame.
        text: String,
    },
    /// The WebSocket of a tracker closed or could not be opened.
    TrackerClosed {
        /// Which.
        tracker: TrackerId,
        /// That of its close frame, or in the host's words; may be empty. A tracker that ends says in it when to come back:
        /// see [`crate::tracker::ws::reconnect`].
        reason: String,
    },
    /// An effect ended.
    EffectDone {
        /// The id it was given with.
        id: EffectId,
        /// What came of it.
        result: EffectResult,
    },
}

/// Who ended a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// The remote side closed it.
    Remote,
    /// It was never open: no path between the two networks (ICE failed), or it took too long.
    Unreachable,
    /// The transport failed, in the host's words.
    Transport(String),
}
