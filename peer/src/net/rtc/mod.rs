//! WebRTC data channels, natively: what `RTCPeerConnection` is to the page. One connection is one task of ours and one of the
//! library's; both end with it.
//!
//! Candidates are addresses of this machine and, where STUN servers are given, what those see of it; descriptions leave
//! whole, since trackers relay two messages only. Addresses that browsers hide behind mDNS names are not resolved: the
//! browser's own checks reach us and are answered where they came from (peer-reflexive candidates, RFC 8445, section 7.3.1.3).

mod address;
mod connection;
mod description;
mod socket;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use shared::id::ConnId;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::transport::{DataTransport, Reports, StartTransport, TransportError};
use connection::{Command, Connection, Role};
use description::{Description, Kind};

/// Connections at once, unless options say otherwise. Each has a socket per address and two tasks.
const CONNECTIONS_MAX: usize = 500;

/// Characters of a reason that are kept.
const REASON_MAX: usize = 300;

/// How connections are made.
#[derive(Clone, Debug)]
pub struct Options {
    /// STUN servers, `stun:host:port`. None is needed within a LAN or for whoever has a public address.
    pub stun: Vec<String>,
    /// Only loopback is used, for peers on this machine.
    pub loopback: bool,
    /// Connections at once, those not yet open included.
    pub connections_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { stun: Vec::new(), loopback: false, connections_max: CONNECTIONS_MAX }
    }
}

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RtcError {
    /// The session description of the remote is none that we can use.
    #[error("session description: {0}")]
    Description(String),
    /// The connection was closed while it was being made, or never existed.
    #[error("the connection is gone")]
    Gone,
    /// There are as many as the options allow.
    #[error("there are {0} connections already")]
    TooMany(usize),
    /// The library refuses, in its words.
    #[error("WebRTC: {0}")]
    Library(#[from] webrtc::error::Error),
}

/// All WebRTC connections of a client.
#[derive(Debug)]
pub struct Rtc {
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Shared {
    options: Options,
    reports: Reports,
    open: Mutex<HashMap<ConnId, mpsc::UnboundedSender<Command>>>,
}

impl Rtc {
    /// No connections yet; what happens on them is told to `reports`.
    pub fn new(options: Options, reports: Reports) -> Self {
        let shared = Shared { options, reports, open: Mutex::default() };
        Self { shared: Arc::new(shared), tasks: TaskTracker::new() }
    }

    /// What starts it, for the options of a client.
    pub fn start(options: Options) -> StartTransport {
        Box::new(|reports| Ok(Arc::new(Self::new(options, reports))))
    }

    /// Connections that are open, being made or being closed.
    pub fn connections(&self) -> usize {
        self.tasks.len()
    }

    fn make(&self, conn: ConnId, role: Role) -> oneshot::Receiver<Result<String, RtcError>> {
        let (reply, described) = oneshot::channel();
        let most = self.shared.options.connections_max;
        // Those being closed count as well: they hold their sockets for some seconds yet.
        if self.connections() >= most {
            let _ = reply.send(Err(RtcError::TooMany(most)));
            return described;
        }
        let (commands, receiver) = mpsc::unbounded_channel();
        self.shared.open.lock().insert(conn, commands);
        let connection = Connection::new(conn, role, Arc::clone(&self.shared), receiver);
        self.tasks.spawn(connection.run(reply));
        described
    }

    fn command(&self, conn: ConnId, command: Command) {
        if let Some(commands) = self.shared.open.lock().get(&conn) {
            // A connection that ends at this moment takes no commands, and reports that it ended.
            let _ = commands.send(command);
        }
    }

    fn read(&self, sdp: &str, kind: Kind) -> Result<Description, RtcError> {
        description::read(sdp, kind, self.shared.options.loopback)
    }
}

impl DataTransport for Rtc {
    fn offer(&self, conn: ConnId) -> BoxFuture<'static, Result<String, TransportError>> {
        later(self.make(conn, Role::Offers))
    }

    fn answer(&self, conn: ConnId, sdp: String) -> BoxFuture<'static, Result<String, TransportError>> {
        match self.read(&sdp, Kind::Offer) {
            Ok(remote) => later(self.make(conn, Role::Answers(remote))),
            Err(error) => Box::pin(ready(Err(error.into()))),
        }
    }

    fn accept(&self, conn: ConnId, sdp: String) -> BoxFuture<'static, Result<(), TransportError>> {
        let remote = match self.read(&sdp, Kind::Answer) {
            Ok(remote) => remote,
            Err(error) => return Box::pin(ready(Err(error.into()))),
        };
        let (reply, accepted) = oneshot::channel();
        self.command(conn, Command::Accept { remote, reply });
        later(accepted)
    }

    fn send(&self, conn: ConnId, data: Bytes) {
        self.command(conn, Command::Send(data));
    }

    fn close(&self, conn: ConnId) {
        // Without its sender the connection ends, once it has done what it was told before.
        self.shared.open.lock().remove(&conn);
    }

    fn shutdown(&self) -> BoxFuture<'static, ()> {
        self.shared.open.lock().clear();
        self.tasks.close();
        let tasks = self.tasks.clone();
        Box::pin(async move { tasks.wait().await })
    }
}

impl Drop for Rtc {
    fn drop(&mut self) {
        self.shared.open.lock().clear();
    }
}

/// What a connection replies; one that ended before it could is gone.
fn later<T: Send + 'static>(
    reply: oneshot::Receiver<Result<T, RtcError>>,
) -> BoxFuture<'static, Result<T, TransportError>> {
    Box::pin(async { reply.await.unwrap_or(Err(RtcError::Gone)).map_err(TransportError::from) })
}

impl From<RtcError> for TransportError {
    fn from(error: RtcError) -> Self {
        // The library quotes what a remote said; its words are bounded here.
        Self(error.to_string().chars().take(REASON_MAX).collect())
    }
}
