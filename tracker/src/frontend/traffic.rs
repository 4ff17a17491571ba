//! What came over HTTP and UDP since the start.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Rejections;

/// Numbers for operators.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Announces over HTTP, refused ones included.
    pub(crate) http_announces: Count,
    /// Scrapes over HTTP.
    pub(crate) http_scrapes: Count,
    /// Connect requests over UDP.
    pub(crate) udp_connects: Count,
    /// Announces over UDP with a connection id that holds.
    pub(crate) udp_announces: Count,
    /// Scrapes over UDP with a connection id that holds.
    pub(crate) udp_scrapes: Count,
    /// Datagrams whose connection id is not of this address, or old.
    pub(crate) udp_unproven: Count,
    /// Datagrams that are nothing of this protocol.
    pub(crate) udp_garbage: Count,
    /// Replies over UDP that the system refused to send.
    pub(crate) udp_lost: Count,
    /// What else was refused, dropped or closed.
    pub(crate) rejections: Rejections,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self) {
        self.add_many(1);
    }

    pub(crate) fn add_many(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
