//! Numbers that only grow, by reason.

use std::sync::atomic::{AtomicU64, Ordering};

/// By which way a peer announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frontend {
    WebSocket,
    Http,
    Udp,
}

impl Frontend {
    pub(crate) const ALL: [Self; 3] = [Self::WebSocket, Self::Http, Self::Udp];

    /// As metrics name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Http => "http",
            Self::Udp => "udp",
        }
    }
}

/// What became of an announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was answered with numbers and peers.
    Answered,
    /// It was beyond a bound of the swarms, or not allowed.
    Refused,
}

impl Outcome {
    pub(crate) const ALL: [Self; 2] = [Self::Answered, Self::Refused];

    /// As metrics name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
        }
    }
}

/// What is lost or turned away outside of the swarms; those count their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// A socket was closed since its queue was full.
    SlowReader,
    /// An offer or answer for a socket whose queue was half full.
    QueueFull,
    /// One WebSocket too many of an address.
    SocketsOfAddress,
    /// One download too many.
    Downloads,
    /// A TLS handshake that failed.
    TlsHandshake,
    /// No whole request in time.
    NoRequest,
    /// A socket that did not answer pings.
    Dead,
    /// A socket that asked nothing for long.
    Silent,
    /// A message that was too long, no UTF-8 or no message.
    Frame,
    /// A report about a swarm beyond what is kept.
    Report,
    /// Somebody without an account, or whose account may not.
    Denied,
    /// The dashboard or the metrics were asked for by somebody who may not see them.
    NotAllowed,
}

impl Loss {
    pub(crate) const ALL: [Self; 12] = [
        Self::SlowReader,
        Self::QueueFull,
        Self::SocketsOfAddress,
        Self::Downloads,
        Self::TlsHandshake,
        Self::NoRequest,
        Self::Dead,
        Self::Silent,
        Self::Frame,
        Self::Report,
        Self::Denied,
        Self::NotAllowed,
    ];

    /// As metrics name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SlowReader => "slow_reader",
            Self::QueueFull => "queue_full",
            Self::SocketsOfAddress => "sockets_of_address",
            Self::Downloads => "downloads",
            Self::TlsHandshake => "tls_handshake",
            Self::NoRequest => "no_request",
            Self::Dead => "unanswered_pings",
            Self::Silent => "silent",
            Self::Frame => "frame",
            Self::Report => "report",
            Self::Denied => "account",
            Self::NotAllowed => "not_allowed",
        }
    }
}

/// A number for each of `N` reasons.
#[derive(Debug)]
pub(crate) struct Tally<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; N])
    }
}

impl<const N: usize> Tally<N> {
    pub(crate) fn add(&self, reason: usize) {
        self.0[reason].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self, reason: usize) -> u64 {
        self.0[reason].load(Ordering::Relaxed)
    }
}
