//! A stream whose bytes are counted.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

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
}

impl Counters {
    pub(crate) fn now(&self) -> Bytes {
        Bytes { sent: self.sent.load(Ordering::Relaxed), received: self.received.load(Ordering::Relaxed) }
    }

    /// What stood before the last read: where one request ends and the next, which that read brought, begins.
    pub(crate) fn before_last_read(&self) -> Bytes {
        Bytes { received: self.received_before.load(Ordering::Relaxed), ..self.now() }
    }
}

/// Counts what passes. Only one task uses a stream at a time, so the counters need no order among themselves.
#[derive(Debug)]
pub(super) struct Counted<S> {
    stream: S,
    counters: Arc<Counters>,
}

impl<S> Counted<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, counters: Arc::default() }
    }

    pub(super) fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    fn count_sent(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(written)) = written {
            self.counters.sent.fetch_add(*written as u64, Ordering::Relaxed);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let read = (buf.filled().len() - before) as u64;
        if read > 0 {
            let received = self.counters.received.fetch_add(read, Ordering::Relaxed);
            self.counters.received_before.store(received, Ordering::Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.count_sent(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.count_sent(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn both_directions_are_counted_and_the_last_read_can_be_left_out() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = Counted::new(near);
        let counters = near.counters();
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
