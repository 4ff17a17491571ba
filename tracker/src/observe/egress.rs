//! Bytes, connections and requests by protocol.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use axum::extract::Request;
use http::Version;

use crate::app::is_websocket;

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Nothing yet: until the first request has come, the TLS handshake included.
    Opening,
    /// HTTP/1.1 or older.
    Http1,
    /// HTTP/2.
    Http2,
    /// A peer's WebSocket, from its upgrade on.
    WebSocket,
    /// Announces over UDP; there is no connection.
    Udp,
}

impl Protocol {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Opening, Self::Http1, Self::Http2, Self::WebSocket, Self::Udp];

    /// As metrics name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Http1 => "http/1.1",
            Self::Http2 => "h2",
            Self::WebSocket => "websocket",
            Self::Udp => "udp",
        }
    }
}

/// What a request is spoken in.
pub(crate) fn spoken(request: &Request) -> Protocol {
    match request.version() {
        Version::HTTP_2 => Protocol::Http2,
        _ if is_websocket(request) => Protocol::WebSocket,
        _ => Protocol::Http1,
    }
}

/// Numbers of one protocol, in clear or over TLS.
#[derive(Debug, Default)]
struct Class {
    sent: AtomicU64,
    received: AtomicU64,
    open: AtomicU64,
    requests: AtomicU64,
}

/// What [`Egress::rows`] tells of one protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// Bytes that TCP or UDP was given, TLS included.
    pub(crate) sent: u64,
    /// Bytes that it gave.
    pub(crate) received: u64,
    /// Connections now.
    pub(crate) open: u64,
    /// Requests so far, upgrades included.
    pub(crate) requests: u64,
}

/// Numbers of this server by protocol, in clear and over TLS.
#[derive(Debug, Default)]
pub(crate) struct Egress([Class; 2 * Protocol::ALL.len()]);

impl Egress {
    /// All of them: protocol, whether over TLS, numbers.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (Protocol, bool, Row)> {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Protocol::ALL.into_iter().flat_map(|protocol| [(protocol, false), (protocol, true)]).map(
            move |(protocol, tls)| {
                let class = &self.0[index(protocol, tls)];
                let row = Row {
                    sent: read(&class.sent),
                    received: read(&class.received),
                    open: read(&class.open),
                    requests: read(&class.requests),
                };
                (protocol, tls, row)
            },
        )
    }

    /// Datagrams came or went.
    pub(crate) fn datagrams(&self, received: usize, sent: usize) {
        let class = &self.0[index(Protocol::Udp, false)];
        class.received.fetch_add(received as u64, Ordering::Relaxed);
        class.sent.fetch_add(sent as u64, Ordering::Relaxed);
    }
}

const fn index(protocol: Protocol, tls: bool) -> usize {
    2 * protocol as usize + tls as usize
}

/// The place of one connection among them; given back when dropped.
#[derive(Debug)]
pub(crate) struct Ledger {
    egress: Arc<Egress>,
    class: AtomicU8,
}

impl Ledger {
    /// A connection was accepted.
    pub(crate) fn open(egress: Arc<Egress>, tls: bool) -> Self {
        let class = index(Protocol::Opening, tls);
        egress.0[class].open.fetch_add(1, Ordering::Relaxed);
        Self { egress, class: AtomicU8::new(class as u8) }
    }

    fn class(&self) -> &Class {
        &self.egress.0[usize::from(self.class.load(Ordering::Relaxed))]
    }

    /// A request came in this protocol: what follows on the connection is counted as that.
    pub(crate) fn asked(&self, protocol: Protocol) {
        let was = usize::from(self.class.load(Ordering::Relaxed));
        let class = index(protocol, was % 2 == 1);
        if class != was {
            // The new place first: a count may be one too high for a moment, and never goes below none.
            self.egress.0[class].open.fetch_add(1, Ordering::Relaxed);
            self.class.store(class as u8, Ordering::Relaxed);
            self.egress.0[was].open.fetch_sub(1, Ordering::Relaxed);
        }
        self.class().requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.class().sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.class().received.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.class().open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_as_what_is_spoken_when_they_pass() {
        let egress = Arc::new(Egress::default());
        let of = |protocol, tls| egress.rows().find(|row| (row.0, row.1) == (protocol, tls)).unwrap().2;
        let ledger = Ledger::open(egress.clone(), true);
        ledger.received(500);
        assert_eq!(of(Protocol::Opening, true), Row { received: 500, open: 1, ..Row::default() });
        ledger.asked(Protocol::Http1);
        ledger.sent(10);
        ledger.asked(Protocol::WebSocket);
        ledger.sent(7);
        assert_eq!(of(Protocol::Opening, true).open, 0);
        assert_eq!(of(Protocol::Http1, true), Row { sent: 10, requests: 1, ..Row::default() });
        assert_eq!(of(Protocol::WebSocket, true), Row { sent: 7, open: 1, requests: 1, ..Row::default() });
        drop(ledger);
        assert_eq!(of(Protocol::WebSocket, true).open, 0);
        egress.datagrams(98, 20);
        assert_eq!(of(Protocol::Udp, false), Row { sent: 20, received: 98, ..Row::default() });
        let clear = egress.rows().filter(|(protocol, tls, _)| !tls && *protocol != Protocol::Udp);
        assert!(clear.into_iter().all(|(_, _, row)| row == Row::default()));
    }
}
