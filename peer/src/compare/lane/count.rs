//! Streams that count what passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::net::counted::Tally;

/// Bytes that passed, shared between a stream and whoever asks afterwards.
#[derive(Clone, Debug, Default)]
pub(super) struct Count {
    sent: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
}

impl Count {
    /// Bytes written.
    pub(super) fn total_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Bytes read.
    pub(super) fn total_received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl Tally for Count {
    fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// A stream with a [`Count`].
pub(super) type Counted<S> = crate::net::counted::Counted<S, Count>;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn both_directions_are_counted() {
        let (near, mut far) = tokio::io::duplex(64);
        let count = Count::default();
        let mut near = Counted::new(near, count.clone());
        near.write_all(b"12345").await.unwrap();
        far.write_all(b"123").await.unwrap();
        near.read_exact(&mut [0; 2]).await.unwrap();
        assert_eq!((count.total_sent(), count.total_received()), (5, 2));
    }
}
