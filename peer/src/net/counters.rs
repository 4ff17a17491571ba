//! Bytes by layer, counted where they pass.

use std::sync::atomic::{AtomicU64, Ordering};

/// Both directions of one layer, in bytes.
#[derive(Debug, Default)]
pub struct Pair {
    /// Received.
    pub received: AtomicU64,
    /// Sent.
    pub sent: AtomicU64,
}

impl Pair {
    /// Adds received bytes.
    pub fn add_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Adds sent bytes.
    pub fn add_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn read(&self) -> Both {
        Both { received: self.received.load(Ordering::Relaxed), sent: self.sent.load(Ordering::Relaxed) }
    }
}

/// What the layers add to while the client runs.
#[derive(Debug, Default)]
pub struct Counters {
    /// The peer wire protocol over TCP: what sockets took and gave, handshakes included.
    pub tcp: Pair,
    /// TCP connections that were opened, in either direction.
    pub tcp_connections: AtomicU64,
    /// Messages of data channels: what the engine sent and got over WebRTC.
    pub channel: Pair,
    /// Number of those messages.
    pub messages: Pair,
    /// Payloads of UDP datagrams of WebRTC: ICE, DTLS and SCTP.
    pub datagram: Pair,
    /// Number of those datagrams.
    pub datagrams: Pair,
    /// Contents of web seeds that came over HTTP.
    pub web_seed_body: AtomicU64,
    /// HTTP of web seeds as sockets gave and took it (with TLS: within it).
    pub web_seed: Pair,
    /// Trackers, of every kind: what sockets took and gave, without TLS.
    pub tracker: Pair,
}

/// Both directions of one layer at one moment, in bytes or datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Both {
    /// Received.
    pub received: u64,
    /// Sent.
    pub sent: u64,
}

/// [`Counters`] at one moment; since the client began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Totals {
    /// See [`Counters::tcp`].
    pub tcp: Both,
    /// See [`Counters::tcp_connections`].
    pub tcp_connections: u64,
    /// See [`Counters::channel`].
    pub channel: Both,
    /// See [`Counters::messages`].
    pub messages: Both,
    /// See [`Counters::datagram`].
    pub datagram: Both,
    /// See [`Counters::datagrams`].
    pub datagrams: Both,
    /// See [`Counters::web_seed_body`].
    pub web_seed_body: u64,
    /// See [`Counters::web_seed`].
    pub web_seed: Both,
    /// See [`Counters::tracker`].
    pub tracker: Both,
}

impl Counters {
    /// Counts one more.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// All of them now. Each is read for itself: bytes on their way may be in one layer and not yet in the next.
    pub fn totals(&self) -> Totals {
        Totals {
            tcp: self.tcp.read(),
            tcp_connections: self.tcp_connections.load(Ordering::Relaxed),
            channel: self.channel.read(),
            messages: self.messages.read(),
            datagram: self.datagram.read(),
            datagrams: self.datagrams.read(),
            web_seed_body: self.web_seed_body.load(Ordering::Relaxed),
            web_seed: self.web_seed.read(),
            tracker: self.tracker.read(),
        }
    }
}
