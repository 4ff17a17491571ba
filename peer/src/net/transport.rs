//! What the client asks of something that makes WebRTC connections, and what it is told in return.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use shared::engine::{ClosedBy, Input};
use shared::id::ConnId;
use tokio::sync::mpsc;

use super::counters::Counters;

/// Makes connections with one ordered, reliable data channel each. Methods are called in order and never block; what comes
/// of them is told through [`Reports`].
pub trait DataTransport: Send + Sync + 'static {
    /// Begins a connection and gathers candidates; answers the offer, complete with them.
    fn offer(&self, conn: ConnId) -> BoxFuture<'static, Result<String, TransportError>>;

    /// Begins a connection for a remote offer and gathers candidates; answers the answer, complete with them.
    fn answer(&self, conn: ConnId, sdp: String) -> BoxFuture<'static, Result<String, TransportError>>;

    /// Gives the remote answer to a connection that made an offer.
    fn accept(&self, conn: ConnId, sdp: String) -> BoxFuture<'static, Result<(), TransportError>>;

    /// Queues a message, which is at most as long as `max_message` of the connection. The engine stops at
    /// [`shared::limits::SEND_BUFFER_HIGH`] bytes that were not yet reported as gone, so the queue needs no bound of its
    /// own. One for a connection that is no more is dropped.
    fn send(&self, conn: ConnId, data: Bytes);

    /// Ends a connection after what was queued has left as far as possible, within a bound of a few seconds. Nothing need
    /// be reported of it afterwards.
    fn close(&self, conn: ConnId);

    /// Ends everything; the future is ready when what was queued has left, or after a few seconds.
    fn shutdown(&self) -> BoxFuture<'static, ()>;
}

/// Makes a transport whose connections report where they are told to. Called once, on the runtime of the client.
pub type StartTransport =
    Box<dyn FnOnce(Reports) -> Result<Arc<dyn DataTransport>, TransportError> + Send + 'static>;

/// Why a connection could not be made or described, for the engine and for logs; bounded by whoever makes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(pub String);

/// The client has ended; nobody listens any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client has ended")]
pub struct Ended;

/// Where connections report. Reports of one connection are to be made one after the other, in the order in which things
/// happened. Each waits while the client has more to do than it can: whoever reads from the network is held back so.
#[derive(Clone)]
pub struct Reports {
    inputs: mpsc::Sender<Input>,
    counters: Arc<Counters>,
}

impl Reports {
    /// Reports into a queue, whose length bounds what has arrived and is not yet taken in.
    pub const fn new(inputs: mpsc::Sender<Input>, counters: Arc<Counters>) -> Self {
        Self { inputs, counters }
    }

    /// What the transport adds to as bytes pass: [`Counters::channel`], [`Counters::datagram`], [`Counters::datagrams`].
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The channel is open; `max_message` is the longest message that the other side takes (a byte stream: `usize::MAX`).
    pub async fn opened(&self, conn: ConnId, max_message: usize) -> Result<(), Ended> {
        self.tell(Input::ConnectionOpened { conn, max_message }).await
    }

    /// Bytes arrived. They are kept without copying, so they should not be a small part of something large.
    pub async fn data(&self, conn: ConnId, data: Bytes) -> Result<(), Ended> {
        self.tell(Input::ConnectionData { conn, data }).await
    }

    /// What waits in the send buffer: see [`Input::ConnectionWritable`] for when to tell it.
    pub async fn writable(&self, conn: ConnId, buffered: usize) -> Result<(), Ended> {
        self.tell(Input::ConnectionWritable { conn, buffered }).await
    }

    /// The connection ended, or could not be made. The last report of a connection.
    pub async fn closed(&self, conn: ConnId, by: ClosedBy) -> Result<(), Ended> {
        self.tell(Input::ConnectionClosed { conn, by }).await
    }

    /// Ready when nobody listens any more.
    pub(crate) async fn ended(&self) {
        self.inputs.closed().await;
    }

    pub(crate) async fn tell(&self, input: Input) -> Result<(), Ended> {
        self.inputs.send(input).await.map_err(|_| Ended)
    }
}

impl fmt::Debug for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reports").finish_non_exhaustive()
    }
}
