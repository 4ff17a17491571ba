//! One connection: a queue of what is to be sent, a task that writes, one that reads.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use parking_lot::Mutex;
use shared::engine::ClosedBy;
use shared::id::ConnId;
use shared::limits::SEND_BUFFER_HIGH;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::net::counters::Counters;
use crate::net::transport::{Ended, Reports};

/// Below this the engine wants to hear that there is room.
const HALF: usize = SEND_BUFFER_HIGH / 2;

/// Room for one read. What is read shares it, so that blocks are not copied.
const READ: usize = 256 * 1024;

/// Less room than this is not read into.
const READ_MIN: usize = 64 * 1024;

/// A read that is shorter is copied, so that it does not hold on to the room it was read into.
const SHORT: usize = 8 * 1024;

/// Buffers that go into one write.
const SLICES: usize = 64;

/// How long a connection that is closed goes on, for what was sent to leave and for the other side to have got it.
const LINGER: Duration = Duration::from_secs(5);

/// What the pump holds of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Link(Arc<Outgoing>);

#[derive(Debug, Default)]
struct Outgoing {
    queue: Mutex<Queue>,
    /// Something was queued, or the connection is to be closed.
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Bytes>,
    /// Bytes that the socket has not taken, those that are being written included.
    buffered: usize,
    /// Bytes sent since the engine was last told.
    untold: usize,
    closing: bool,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Outgoing::default()))
    }

    /// Queues bytes. Answers what the engine is to be told is buffered, where no later event would tell it.
    pub(crate) fn send(&self, data: Bytes) -> Option<usize> {
        let mut queue = self.0.queue.lock();
        queue.buffered += data.len();
        queue.untold += data.len();
        queue.waiting.push_back(data);
        let tell = queue.buffered <= HALF && queue.untold >= HALF;
        if tell {
            queue.untold = 0;
        }
        let buffered = queue.buffered;
        drop(queue);
        self.0.wake.notify_one();
        tell.then_some(buffered)
    }

    /// Ends the connection when what is queued has left.
    pub(crate) fn close(&self) {
        self.0.queue.lock().closing = true;
        self.0.wake.notify_one();
    }

    /// Ready when the connection is to be closed.
    pub(super) async fn closing(&self) {
        while !self.is_closing() {
            self.0.wake.notified().await;
        }
    }

    fn is_closing(&self) -> bool {
        self.0.queue.lock().closing
    }

    /// Carries both directions until one of them ends.
    pub(super) async fn carry(self, conn: ConnId, stream: TcpStream, reports: Reports) {
        // Where it cannot be set, small messages are late: no reason to do without the peer.
        let _ = stream.set_nodelay(true);
        Counters::count(&reports.counters().tcp_connections);
        let (reader, writer) = stream.into_split();
        let reading = tokio::spawn(read(self.clone(), conn, reader, reports.clone()));
        let by = match self.write(conn, writer, &reports).await {
            // Ours to close: what still comes is of no interest, but it is taken, because a socket that is closed
            // over unread bytes resets the connection, and what is on its way to the other side is lost with it.
            Ok(()) => {
                let _ = timeout(LINGER, reading).await;
                return;
            }
            Err(error) => ClosedBy::Transport(error.to_string()),
        };
        reading.abort();
        let _ = reports.closed(conn, by).await;
    }

    /// Writes what is queued; ends when the connection is to be closed and everything has left.
    async fn write(&self, conn: ConnId, mut writer: OwnedWriteHalf, reports: &Reports) -> io::Result<()> {
        let mut taken: VecDeque<Bytes> = VecDeque::new();
        loop {
            let closing = {
                let mut queue = self.0.queue.lock();
                taken.append(&mut queue.waiting);
                queue.closing
            };
            if taken.is_empty() {
                if closing {
                    let _ = timeout(LINGER, writer.shutdown()).await;
                    return Ok(());
                }
                self.0.wake.notified().await;
                continue;
            }
            let written = if closing {
                timeout(LINGER, write_some(&mut writer, &taken)).await.map_err(io::Error::from)??
            } else {
                write_some(&mut writer, &taken).await?
            };
            reports.counters().tcp.add_sent(written);
            advance(&mut taken, written);
            if let Some(buffered) = self.wrote(written)
                && reports.writable(conn, buffered).await == Err(Ended)
            {
                return Ok(());
            }
        }
    }

    /// The socket took bytes. Answers what the engine is to be told, when the buffer has just fallen to half.
    fn wrote(&self, written: usize) -> Option<usize> {
        let mut queue = self.0.queue.lock();
        let before = queue.buffered;
        queue.buffered = before.saturating_sub(written);
        let fell = before > HALF && queue.buffered <= HALF;
        if fell {
            queue.untold = 0;
        }
        fell.then_some(queue.buffered)
    }
}

async fn write_some(writer: &mut OwnedWriteHalf, waiting: &VecDeque<Bytes>) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let mut count = 0;
    for (slice, bytes) in slices.iter_mut().zip(waiting) {
        *slice = IoSlice::new(bytes);
        count += 1;
    }
    match writer.write_vectored(&slices[..count]).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        written => Ok(written),
    }
}

fn advance(waiting: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(first) = waiting.front_mut() {
        if written < first.len() {
            first.advance(written);
            return;
        }
        written -= first.len();
        waiting.pop_front();
    }
}

/// Reads and reports, until the other side ends.
async fn read(link: Link, conn: ConnId, mut reader: OwnedReadHalf, reports: Reports) {
    let mut room = BytesMut::with_capacity(READ);
    let by = loop {
        if room.capacity() < READ_MIN {
            room.reserve(READ);
        }
        let read = match reader.read_buf(&mut room).await {
            Ok(0) => break ClosedBy::Remote,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break ClosedBy::Remote,
            Err(error) => break ClosedBy::Transport(error.to_string()),
        };
        reports.counters().tcp.add_received(read);
        if link.is_closing() {
            room.clear();
            continue;
        }
        let data = if read < SHORT {
            let data = Bytes::copy_from_slice(&room);
            room.clear();
            data
        } else {
            room.split().freeze()
        };
        if reports.data(conn, data).await.is_err() {
            return;
        }
    };
    if !link.is_closing() {
        let _ = reports.closed(conn, by).await;
        link.close();
    }
}
