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
use tokio::time::{Instant, timeout_at};

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
        let mut reading = tokio::spawn(read(self.clone(), conn, reader, reports.clone()));
        match self.write(conn, writer, &reports).await {
            // Ours to close: what still comes is of no interest, but it is taken, because a socket that is closed
            // over unread bytes resets the connection, and what is on its way to the other side is lost with it.
            Ok(deadline) => {
                if timeout_at(deadline, &mut reading).await.is_err() {
                    reading.abort();
                }
            }
            Err(error) => {
                reading.abort();
                // Of one that is closing the engine has heard, or need not.
                if !self.is_closing() {
                    let _ = reports.closed(conn, ClosedBy::Transport(error.to_string())).await;
                }
            }
        }
    }

    /// Writes what is queued; ends when the connection is to be closed and everything has left, or has not in time.
    /// Answers until when the connection may linger.
    async fn write(
        &self,
        conn: ConnId,
        mut writer: OwnedWriteHalf,
        reports: &Reports,
    ) -> io::Result<Instant> {
        let mut taken: VecDeque<Bytes> = VecDeque::new();
        let mut deadline = None;
        loop {
            {
                let mut queue = self.0.queue.lock();
                taken.append(&mut queue.waiting);
                if queue.closing && deadline.is_none() {
                    deadline = Some(Instant::now() + LINGER);
                }
            }
            let written = match (deadline, taken.is_empty()) {
                (Some(deadline), true) => {
                    let _ = timeout_at(deadline, writer.shutdown()).await;
                    return Ok(deadline);
                }
                (None, true) => {
                    self.0.wake.notified().await;
                    continue;
                }
                (Some(deadline), false) => {
                    match timeout_at(deadline, write_some(&mut writer, &taken)).await {
                        Ok(written) => written?,
                        Err(_) => return Ok(deadline),
                    }
                }
                (None, false) => tokio::select! {
                    biased;
                    written = write_some(&mut writer, &taken) => written?,
                    () = self.closing() => continue,
                },
            };
            reports.counters().tcp.add_sent(written);
            advance(&mut taken, written);
            if let Some(buffered) = self.wrote(written)
                && reports.writable(conn, buffered).await == Err(Ended)
            {
                self.close();
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
        let read = tokio::select! {
            biased;
            read = reader.read_buf(&mut room) => read,
            () = reports.ended(), if !link.is_closing() => {
                link.close();
                continue;
            }
        };
        let read = match read {
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
            link.close();
        }
    };
    if !link.is_closing() {
        let _ = reports.closed(conn, by).await;
        link.close();
    }
}

#[cfg(test)]
mod tests {
    use shared::engine::Input;
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;
    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    use super::*;

    /// A connection that is carried, the other side of it, and where it reports.
    async fn carried() -> (Link, TcpStream, mpsc::Receiver<Input>, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (stream, accepted) =
            tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let (reports, arriving) = mpsc::channel(4);
        let reports = Reports::new(reports, Arc::new(Counters::default()));
        let link = Link::new();
        let carrying = tokio::spawn(link.clone().carry(ConnId(1), stream.unwrap(), reports));
        (link, accepted.unwrap().0, arriving, carrying)
    }

    /// Waits until nobody takes what is sent, as is so once the socket of the other side is no more.
    async fn gone(mut remote: TcpStream, carrying: JoinHandle<()>) {
        timeout(LINGER + Duration::from_secs(1), carrying).await.unwrap().unwrap();
        for _ in 0..100 {
            if remote.write_all(b"x").await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it is still there");
    }

    #[tokio::test]
    async fn one_that_is_closed_is_gone_though_the_other_side_is_silent() {
        let (link, remote, _arriving, carrying) = carried().await;
        link.close();
        gone(remote, carrying).await;
    }

    #[tokio::test]
    async fn one_that_is_closed_is_gone_though_the_other_side_takes_nothing() {
        let (link, remote, _arriving, carrying) = carried().await;
        link.send(vec![0; 64 * 1024 * 1024].into());
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!carrying.is_finished());
        link.close();
        gone(remote, carrying).await;
    }

    #[tokio::test]
    async fn one_whose_client_is_no_more_is_gone() {
        let (_link, remote, arriving, carrying) = carried().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!carrying.is_finished());
        drop(arriving);
        gone(remote, carrying).await;
    }
}
