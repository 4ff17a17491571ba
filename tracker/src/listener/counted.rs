//! A stream whose bytes are counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use peer::net::counted::Tally;
use serde::Serialize;

use crate::observe::egress::{Ledger, Protocol};

/// Bytes so far, as the server sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Bytes {
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

impl Bytes {
    /// What came after `earlier`.
    pub(crate) const fn since(self, earlier: Self) -> Self {
        Self {
            sent: self.sent.saturating_sub(earlier.sent),
            received: self.received.saturating_sub(earlier.received),
        }
    }
}

/// Counters of one stream; whoever has them may read them while the stream is used.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    sent: AtomicU64,
    received: AtomicU64,
    /// What had been received before the last read that brought anything.
    received_before: AtomicU64,
    /// Of the stream that is TCP's: where its bytes are counted together with those of others.
    ledger: Option<Ledger>,
}

impl Counters {
    pub(crate) fn now(&self) -> Bytes {
        Bytes { sent: self.sent.load(Ordering::Relaxed), received: self.received.load(Ordering::Relaxed) }
    }

    /// A request came in this protocol.
    pub(crate) fn asked(&self, protocol: Protocol) {
        if let Some(ledger) = &self.ledger {
            ledger.asked(protocol);
        }
    }

    /// What stood before the last read: where one request ends and the next, which that read brought, begins.
    pub(crate) fn before_last_read(&self) -> Bytes {
        Bytes { received: self.received_before.load(Ordering::Relaxed), ..self.now() }
    }
}

/// Only one task uses a stream at a time, so the counters need no order among themselves.
impl Tally for Tallied {
    fn sent(&self, bytes: usize) {
        self.0.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        if let Some(ledger) = &self.0.ledger {
            ledger.sent(bytes);
        }
    }

    fn received(&self, bytes: usize) {
        if bytes > 0 {
            let before = self.0.received.fetch_add(bytes as u64, Ordering::Relaxed);
            self.0.received_before.store(before, Ordering::Relaxed);
            if let Some(ledger) = &self.0.ledger {
                ledger.received(bytes);
            }
        }
    }
}

/// [`Counters`] that a stream has too.
#[derive(Clone, Debug, Default)]
pub(super) struct Tallied(Arc<Counters>);

impl Tallied {
    /// Of a connection that was just accepted.
    pub(super) fn accepted(ledger: Ledger) -> Self {
        Self(Arc::new(Counters { ledger: Some(ledger), ..Counters::default() }))
    }

    pub(super) fn counters(&self) -> Arc<Counters> {
        self.0.clone()
    }
}

/// A stream whose bytes are counted.
pub(super) type Counted<S> = peer::net::counted::Counted<S, Tallied>;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn both_directions_are_counted_and_the_last_read_can_be_left_out() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = Counted::new(near, Tallied::default());
        let counters = near.tally().counters();
        near.write_all(b"12345").await.unwrap();
        far.write_all(b"abc").await.unwrap();
        near.read_exact(&mut [0; 3]).await.unwrap();
        far.write_all(b"defg").await.unwrap();
        near.read_exact(&mut [0; 4]).await.unwrap();
        assert_eq!(counters.now(), Bytes { sent: 5, received: 7 });
        assert_eq!(counters.before_last_read(), Bytes { sent: 5, received: 3 });
        assert_eq!(counters.now().since(Bytes { sent: 5, received: 3 }), Bytes { sent: 0, received: 4 });
    }
}
