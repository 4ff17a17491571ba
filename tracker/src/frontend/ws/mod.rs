//! WebTorrent peers: one task for each WebSocket.

pub(crate) mod outbox;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures_util::{SinkExt as _, StreamExt as _};
use shared::id::{InfoHash, PeerId};
use shared::tracker::ws::{Action, Ending, Failure, Request, Response};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info};

use self::outbox::{Outbox, Waiting};
use super::Rejected;
use super::pace::Budget;
use crate::access::Unserved;
use crate::account::Credential;
use crate::config::NetLimits;
use crate::observe::counts::Frontend;
use crate::state::AppState;
use crate::store::Session;
use crate::swarm::{Reply, SocketId};

/// After a message that was one too many of its address, wait before reading the next.
const TOO_MANY_PAUSE: Duration = Duration::from_secs(1);

/// How long a closing socket may take to say goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a socket ends.
#[derive(Debug)]
enum End {
    /// The connection broke.
    Gone,
    /// The peer closes it, and waits for our word.
    Closed,
    /// The tracker ends.
    Leave,
    /// We close it.
    Close { code: u16, reason: &'static str, rejected: Rejected },
}

impl End {
    const SLOW: Self = Self::close(close_code::POLICY, "reads too slowly", Rejected::SlowReader);

    const fn close(code: u16, reason: &'static str, rejected: Rejected) -> Self {
        Self::Close { code, reason, rejected }
    }
}

/// Serves one peer until either side has enough.
pub(crate) async fn serve(
    socket: Box<WebSocket>,
    remote: SocketAddr,
    credential: Credential,
    state: Arc<AppState>,
) {
    let id = state.next_socket();
    let limits = &state.config.net;
    let outbox = Arc::new(Outbox::new(limits.queue_messages, limits.queue_bytes));
    let leaving = Leaving::new(id, outbox.clone(), &state);
    let session = state.swarms.open(id, remote.ip());
    debug!(socket = id.0, %remote, "peer connected");
    let ip = remote.ip();
    let mut peer =
        Peer { id, ip, session, socket, credential, outbox, state: &state, limits, invited: false };
    let end = peer.run().await;
    debug!(socket = id.0, ?end, "peer disconnected");
    let Peer { mut socket, session, .. } = peer;
    drop((session, leaving));
    if matches!(end, End::Closed) {
        // The answer to its close frame is queued by reading it, and written by reading on (RFC 6455, 5.5.1).
        let _ = timeout(CLOSE_TIMEOUT, async { while let Some(Ok(_)) = socket.next().await {} }).await;
    }
    let close = match end {
        End::Close { code, reason, rejected } => {
            state.traffic.rejections.add(rejected);
            state.observe.socket_ended(id, reason);
            Some((code, reason.to_owned()))
        }
        End::Leave => Some((close_code::AWAY, state.drain.goodbye())),
        End::Gone | End::Closed => None,
    };
    if let Some((code, reason)) = close {
        if code != close_code::AWAY {
            info!(socket = id.0, %remote, code, reason, "closing a peer's socket");
        }
        let frame = CloseFrame { code, reason: reason.into() };
        // The peer may be gone or deaf: the goodbye is a courtesy.
        let _ = timeout(CLOSE_TIMEOUT, async {
            socket.send(Message::Close(Some(frame))).await?;
            while let Some(Ok(_)) = socket.next().await {}
            Ok::<_, axum::Error>(())
        })
        .await;
    }
}

/// An outbox among the others, until this is dropped: on every way out, a panic included.
struct Leaving<'a> {
    id: SocketId,
    state: &'a AppState,
}

impl<'a> Leaving<'a> {
    fn new(id: SocketId, outbox: Arc<Outbox>, state: &'a AppState) -> Self {
        state.outboxes.insert(id, outbox);
        Self { id, state }
    }
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.state.outboxes.remove(self.id);
        self.state.observe.closed(self.id);
    }
}

struct Peer<'a> {
    id: SocketId,
    ip: IpAddr,
    session: Session<'a>,
    socket: Box<WebSocket>,
    /// For whom it asks.
    credential: Credential,
    outbox: Arc<Outbox>,
    state: &'a AppState,
    limits: &'a NetLimits,
    /// It was asked for reports.
    invited: bool,
}

impl Peer<'_> {
    async fn run(&mut self) -> End {
        let now = Instant::now();
        let mut pace = Budget::new(now, self.limits);
        let (mut heard, mut asked, mut read_from) = (now, now, now);
        // Since this one was.
        let mut others_read = false;
        let ping = sleep_until(now + self.limits.ping_interval);
        tokio::pin!(ping);
        loop {
            // Many short messages come with one read: others have their turn in between.
            tokio::task::coop::consume_budget().await;
            let paused = read_from > Instant::now();
            tokio::select! {
                biased;
                () = self.state.shutdown.cancelled() => return End::Leave,
                () = self.outbox.filled() => {
                    // Others are read from before this peer is written to: what they have for it goes with the same write, and
                    // whoever has several sockets here is woken once.
                    if !core::mem::take(&mut others_read) {
                        yield_now().await;
                    }
                    if let Err(end) = self.empty_outbox().await {
                        return end;
                    }
                }
                () = pause(read_from), if paused => {}
                message = self.socket.next(), if !paused => {
                    heard = Instant::now();
                    read_from = pace.spend(heard, length(&message), &self.state.traffic.rejections);
                    match self.read(message) {
                        Ok(Some(replied)) => {
                            asked = heard;
                            yield_now().await;
                            others_read = replied > 0;
                            if !self.state.messages.spend(self.state.clock.now(), self.ip, replied) {
                                self.state.traffic.rejections.add(Rejected::MessagesPaced);
                                read_from = read_from.max(heard + TOO_MANY_PAUSE);
                            }
                        }
                        Ok(None) => {}
                        Err(end) => return end,
                    }
                }
                () = &mut ping => {
                    let now = Instant::now();
                    // While reading is paused the peer cannot be heard, and that is our doing.
                    if !paused && now - heard >= self.limits.idle_timeout {
                        return End::close(close_code::AWAY, "does not answer pings", Rejected::Idle);
                    }
                    if !self.state.accounts.holds(self.credential) {
                        let reason = "the login or passkey holds no longer";
                        return End::close(close_code::POLICY, reason, Rejected::Login);
                    }
                    if now - asked >= self.limits.silent_timeout {
                        return End::close(close_code::AWAY, "silent for too long", Rejected::Silent);
                    }
                    if let Err(end) = Box::pin(self.write([Message::Ping(Default::default())])).await {
                        return end;
                    }
                    ping.as_mut().reset(now + self.limits.ping_interval);
                }
            }
        }
    }

    /// Handles what was received: bytes of the replies to a message, `None` if it was only a sign of life.
    fn read(&mut self, received: Option<Result<Message, axum::Error>>) -> Result<Option<usize>, End> {
        Ok(Some(match received {
            Some(Ok(Message::Text(text))) => self.handle(&text),
            Some(Ok(Message::Binary(bytes))) => match core::str::from_utf8(&bytes) {
                Ok(text) => self.handle(text),
                Err(error) => {
                    let reason = format!("invalid JSON object: {error}");
                    self.refuse(Failure { action: None, info_hash: None, reason })
                }
            },
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(None),
            Some(Ok(Message::Close(_))) => return Err(End::Closed),
            None => return Err(End::Gone),
            Some(Err(error)) => return Err(read_failed(error)),
        }))
    }

    fn handle(&mut self, text: &str) -> usize {
        let begun = std::time::Instant::now();
        match Request::parse(text) {
            Ok(mut request) => {
                if let Some(response) = self.state.accounts.refusal(self.credential, &request) {
                    self.state.traffic.rejections.add(Rejected::Account);
                    return self.deliver(vec![Reply { to: self.id, response }]);
                }
                if let Err((denied, info_hash)) = self.may(&mut request) {
                    self.state.traffic.rejections.add(denied);
                    let reason = denied.to_string();
                    let failure = Failure { action: Some(Action::Announce), info_hash, reason };
                    return self.deliver(vec![Reply { to: self.id, response: Response::Failure(failure) }]);
                }
                let announced = match &request {
                    Request::Announce(announce) => {
                        Some((announce.info_hash, announce.peer_id, announce.event))
                    }
                    _ => None,
                };
                if let (Some(seeder), Request::Announce(announce)) = (&self.state.seeder, &request) {
                    seeder.ask(&announce.info_hash, announce.peer_id, announce.left, announce.event);
                }
                let mut replies = Vec::new();
                let now = self.state.clock.now();
                let answers =
                    if let Request::Answer(answer) = &request { Some(answer.to_peer_id) } else { None };
                self.session.handle(now, request, &mut replies);
                self.leave_out_unserved(&mut replies);
                if let Some(cluster) = &self.state.cluster {
                    replies.retain(|reply| !cluster.forwards(self.id, answers, reply));
                }
                let refusal = replies.first().and_then(|reply| match &reply.response {
                    Response::Failure(failure) => Some(failure.reason.clone()),
                    _ => None,
                });
                let own = self.deliver(replies);
                if let Some((info_hash, peer_id, event)) = announced {
                    let who = (&info_hash, &peer_id);
                    self.state.observe.announced(Frontend::WebSocket, begun, who, event, refusal.as_deref());
                    self.invite(&peer_id);
                }
                own
            }
            Err(_) if self.state.observe.report(self.id, text, &self.state.traffic.rejections) => 0,
            Err(failure) => self.refuse(failure),
        }
    }

    /// Asks a peer of our own make for reports of its progress, once.
    fn invite(&mut self, peer_id: &PeerId) {
        if !self.invited
            && let Some(invitation) = self.state.observe.reports.invitation(peer_id)
        {
            self.invited = true;
            self.outbox.push(invitation.into());
        }
    }

    /// Whether this may be asked; if not, of which torrent. Torrents that are not served are taken out of a scrape.
    fn may(&self, request: &mut Request<'_>) -> Result<(), (Unserved, Option<InfoHash>)> {
        let access = &self.state.access;
        match request {
            Request::Announce(announce) => {
                let info_hash = announce.info_hash;
                access.announce(self.ip, &info_hash).map_err(|denied| (denied, Some(info_hash)))
            }
            Request::Scrape(hashes) => {
                access.scrape(self.ip, hashes).map_err(|denied| (denied, None))?;
                hashes.retain(|hash| access.torrent(hash).is_ok());
                Ok(())
            }
            Request::Answer(_) => Ok(()),
        }
    }

    /// A scrape of all does not say which torrents are not served.
    fn leave_out_unserved(&self, replies: &mut [Reply<'_>]) {
        for reply in replies {
            if let Response::Scraped { files, .. } = &mut reply.response {
                files.retain(|(hash, _)| self.state.access.torrent(hash).is_ok());
            }
        }
    }

    fn refuse(&self, failure: Failure) -> usize {
        debug!(socket = self.id.0, reason = failure.reason, "request refused");
        self.state.traffic.rejections.add(Rejected::Malformed);
        self.deliver(vec![Reply { to: self.id, response: Response::Failure(failure) }])
    }

    /// Queues them; bytes of those for this socket.
    fn deliver(&self, replies: Vec<Reply<'_>>) -> usize {
        let (mut own, mut ending) = (0, Ending::default());
        for Reply { to, response } in replies {
            let message: Utf8Bytes = response.to_json_after(&mut ending).into();
            if to == self.id {
                own += message.len();
                if !self.outbox.push(message) {
                    debug!(socket = to.0, "queue full: message dropped, the socket will be closed");
                }
            } else if let Some(outbox) = self.state.outboxes.get(to)
                && !outbox.push_from_stranger(message)
            {
                // A socket that closed since has no outbox.
                self.state.traffic.rejections.add(Rejected::ForSlowReader);
                debug!(socket = to.0, "the receiver reads too slowly: an offer or answer was dropped");
            }
        }
        own
    }

    async fn empty_outbox(&mut self) -> Result<(), End> {
        match self.outbox.take() {
            Waiting::Overflow => Err(End::SLOW),
            Waiting::Messages(messages) => {
                // Boxed, since an idle peer's task would keep room for it: a third of a kilobyte.
                Box::pin(self.write(messages.into_iter().map(Message::Text))).await
            }
        }
    }

    async fn write(&mut self, messages: impl IntoIterator<Item = Message>) -> Result<(), End> {
        let write = async {
            for message in messages {
                self.socket.feed(message).await?;
            }
            self.socket.flush().await
        };
        tokio::select! {
            biased;
            // Mostly done at once, then nothing else is looked at.
            written = timeout(self.limits.write_timeout, write) => match written {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) if is_stalled(&error) => Err(End::SLOW),
                Ok(Err(error)) => {
                    debug!(socket = self.id.0, %error, "cannot write");
                    Err(End::Gone)
                }
                Err(_) => Err(End::SLOW),
            },
            () = self.outbox.overflow() => Err(End::SLOW),
            () = self.state.shutdown.cancelled() => Err(End::Leave),
        }
    }
}

/// Boxed, since it is seldom needed, and each task would keep room for it.
async fn pause(until: Instant) {
    Box::pin(sleep_until(until)).await;
}

/// Whether a write failed because the peer did not read.
fn is_stalled(error: &axum::Error) -> bool {
    use std::error::Error as _;
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return error.kind() == std::io::ErrorKind::TimedOut;
        }
        cause = error.source();
    }
    false
}

fn read_failed(error: axum::Error) -> End {
    use tungstenite::Error;
    use tungstenite::error::ProtocolError;
    match error.into_inner().downcast::<Error>().map(|error| *error) {
        Ok(Error::Capacity(_)) => End::close(close_code::SIZE, "message too long", Rejected::MessageTooLong),
        Ok(Error::Utf8(_)) => {
            End::close(close_code::INVALID, "text that is not UTF-8", Rejected::NotWebSocket)
        }
        // Closed tabs and lost networks.
        Ok(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => End::Gone,
        Ok(Error::Protocol(_)) => {
            End::close(close_code::PROTOCOL, "not a WebSocket message", Rejected::NotWebSocket)
        }
        _ => End::Gone,
    }
}

/// Bytes of a message, as it came.
fn length(received: &Option<Result<Message, axum::Error>>) -> usize {
    match received {
        Some(Ok(Message::Text(text))) => text.len(),
        Some(Ok(Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes))) => bytes.len(),
        _ => 0,
    }
}
