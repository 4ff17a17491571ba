//! One announce or scrape over UDP, without a socket: connect, ask, repeat what is lost (BEP 15, «Time outs»).
//!
//! The host resolves the tracker's name, sends what it is told to the one address it chose, hands in only what comes from
//! that address, and calls [`UdpClient::handle_timeout`] when the time has come. After every call it drains
//! [`UdpClient::poll_output`] until that answers a timeout or the end.

use core::time::Duration;
use std::collections::VecDeque;

use super::{Packet, UdpRequest, UdpResponse};
use crate::id::InfoHash;
use crate::rng::Rng;
use crate::time::Instant;
use crate::tracker::announce::{AnnounceRequest, AnnounceResponse};
use crate::tracker::compact::Family;
use crate::tracker::scrape::ScrapeCounts;

/// How long a connection id may be used by a client.
pub const CONNECTION_VALID: Duration = Duration::from_secs(60);

/// How long to wait for the first reply; twice as long after each repetition.
pub const TIMEOUT_FIRST: Duration = Duration::from_secs(15);

/// Most repetitions of one packet. After the eighth BEP 15 waits 3 840 s more, hence two hours in all.
pub const REPETITIONS_MAX: u32 = 8;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// For peers.
    Announce(Box<AnnounceRequest>),
    /// For the numbers of one to [`crate::limits::SCRAPE_HASHES_MAX`] swarms.
    Scrape(Vec<InfoHash>),
}

/// What the tracker replied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To an announce.
    Announce(Box<AnnounceResponse>),
    /// To a scrape: the numbers in the order in which the swarms were named. Fewer if the tracker gave fewer.
    Scrape(Vec<ScrapeCounts>),
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UdpClientError {
    /// The tracker refuses, in its own words, bounded.
    #[error("{0}")]
    Refused(String),
    /// Nothing came, however often it was asked.
    #[error("expected a reply within {0:?}, got none")]
    Silent(Duration),
}

/// What the host is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UdpOutput {
    /// Send this datagram to the tracker.
    Send(Vec<u8>),
    /// Nothing more for now; call [`UdpClient::handle_timeout`] at that time.
    Timeout(Instant),
    /// It is over.
    Done(Result<Reply, UdpClientError>),
}

/// A connection id and when it came. Another client of the same tracker and the same socket may go on with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    id: u64,
    since: Instant,
}

impl Connection {
    fn is_valid(&self, now: Instant) -> bool {
        now.saturating_since(self.since) < CONNECTION_VALID
    }
}

/// One announce or scrape under way.
#[derive(Clone, Debug)]
pub struct UdpClient {
    ask: Ask,
    url_data: Vec<u8>,
    family: Family,
    repetitions_max: u32,
    rng: Rng,
    started: Instant,
    connection: Option<Connection>,
    /// The id came from another client, so the tracker may have forgotten it.
    borrowed: bool,
    /// What the reply to the last packet must repeat, and whether that packet was a connect request.
    transaction: u32,
    connecting: bool,
    repetitions: u32,
    deadline: Instant,
    outputs: VecDeque<UdpOutput>,
    done: Option<Result<Reply, UdpClientError>>,
}

impl UdpClient {
    /// Begins. `url` is the announce URL, whose path and query the tracker is told (BEP 41); `family` is that of the
    /// tracker's address. A packet is repeated `repetitions_max` times, at most [`REPETITIONS_MAX`].
    pub fn new(
        now: Instant,
        ask: Ask,
        url: &str,
        family: Family,
        connection: Option<Connection>,
        repetitions_max: u32,
        rng: Rng,
    ) -> Self {
        let connection = connection.filter(|connection| connection.is_valid(now));
        let mut client = Self {
            ask,
            url_data: path_and_query(url).as_bytes().to_vec(),
            family,
            repetitions_max: repetitions_max.min(REPETITIONS_MAX),
            rng,
            started: now,
            connection,
            borrowed: connection.is_some(),
            transaction: 0,
            connecting: false,
            repetitions: 0,
            deadline: now,
            outputs: VecDeque::new(),
            done: None,
        };
        client.send(now);
        client
    }

    /// A datagram came from the tracker's address. What is no reply to the last packet is ignored: anybody can send it.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        if self.done.is_some() {
            return;
        }
        let Ok((transaction, response)) = UdpResponse::parse(datagram, self.family) else { return };
        if transaction != self.transaction {
            return;
        }
        match (response, &self.ask) {
            (UdpResponse::Connect { connection }, _) if self.connecting => {
                self.connection = Some(Connection { id: connection, since: now });
                self.borrowed = false;
                self.repetitions = 0;
                self.send(now);
            }
            (UdpResponse::Announce(response), Ask::Announce(_)) if !self.connecting => {
                self.end(Ok(Reply::Announce(response)));
            }
            (UdpResponse::Scrape(mut counts), Ask::Scrape(hashes)) if !self.connecting => {
                counts.truncate(hashes.len());
                self.end(Ok(Reply::Scrape(counts)));
            }
            (UdpResponse::Error(_), _) if self.borrowed => {
                self.connection = None;
                self.borrowed = false;
                self.send(now);
            }
            (UdpResponse::Error(message), _) => self.end(Err(UdpClientError::Refused(message))),
            _ => {}
        }
    }

    /// The time of [`UdpOutput::Timeout`] has come; earlier calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.done.is_some() || now < self.deadline {
            return;
        }
        if self.repetitions >= self.repetitions_max {
            self.end(Err(UdpClientError::Silent(now.saturating_since(self.started))));
            return;
        }
        self.repetitions += 1;
        self.send(now);
    }

    /// What to do next; [`UdpOutput::Timeout`] and [`UdpOutput::Done`] end a round and come again when asked again.
    pub fn poll_output(&mut self) -> UdpOutput {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        match &self.done {
            Some(result) => UdpOutput::Done(result.clone()),
            None => UdpOutput::Timeout(self.deadline),
        }
    }

    /// The connection id in use, for the next client of the same tracker.
    pub const fn connection(&self) -> Option<Connection> {
        self.connection
    }

    /// Sends the packet whose turn it is: the request if there is a connection id that is still good, else a connect
    /// request. A packet that is repeated keeps its transaction, so that a late reply is one as well.
    fn send(&mut self, now: Instant) {
        let connection = self.connection.filter(|connection| connection.is_valid(now));
        let connecting = connection.is_none();
        if self.repetitions == 0 || connecting != self.connecting {
            self.transaction = self.rng.next_u32();
        }
        self.connecting = connecting;
        let request = match (connection, &self.ask) {
            (None, _) => UdpRequest::Connect,
            (Some(Connection { id: connection, .. }), Ask::Announce(request)) => {
                let (request, url_data) = (request.clone(), self.url_data.clone());
                UdpRequest::Announce { connection, request, url_data }
            }
            (Some(Connection { id: connection, .. }), Ask::Scrape(hashes)) => {
                UdpRequest::Scrape { connection, hashes: hashes.clone() }
            }
        };
        let mut datagram = Vec::new();
        Packet { transaction: self.transaction, request }.encode(&mut datagram);
        self.outputs.push_back(UdpOutput::Send(datagram));
        self.deadline = now + TIMEOUT_FIRST * 2_u32.pow(self.repetitions);
    }

    fn end(&mut self, result: Result<Reply, UdpClientError>) {
        self.outputs.clear();
        self.done = Some(result);
    }
}

/// What follows the authority of a URL, without fragment; empty where nothing does.
fn path_and_query(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split('#').next().unwrap_or_default();
    &rest[rest.find(['/', '?']).unwrap_or(rest.len())..]
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
