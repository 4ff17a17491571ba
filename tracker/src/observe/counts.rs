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
