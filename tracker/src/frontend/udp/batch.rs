//! Datagrams, many of them with one call to the system: such calls are most of the work of a tracker over UDP.
//!
//! Linux takes and gives them by the batch (`recvmmsg`, `sendmmsg`). Elsewhere it is a call for each.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use shared::tracker::udp::DATAGRAM_MAX;
use tokio::net::UdpSocket;
use tokio::time::timeout;
use tracing::debug;

/// Datagrams that are answered before others have their turn.
pub(super) const BATCH: usize = 64;

/// How long replies may wait for room; then they are lost, as any datagram may be.
const SEND_WITHIN: Duration = Duration::from_millis(100);

/// Datagrams that came together, and their replies.
#[derive(Default)]
pub(super) struct Batch {
    received: Received,
    replies: Replies,
}

/// What a batch came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Passed {
    /// Bytes of datagrams that came.
    pub(super) received: usize,
    /// Bytes of replies.
    pub(super) replied: usize,
}

impl Batch {
    /// Takes what the system holds, at most [`BATCH`] datagrams, and has `answer` append the reply to each, if there is one. Sends
    /// what there is room for.
    ///
    /// # Errors
    ///
    /// The system's, if nothing was received. [`io::ErrorKind::WouldBlock`] if there is nothing.
    pub(super) fn answer(
        &mut self,
        socket: &UdpSocket,
        answer: impl FnMut(&[u8], SocketAddr, &mut Vec<u8>),
    ) -> io::Result<Passed> {
        calls::answer(socket, self, answer)
    }

    /// Sends the replies for which there was no room, and forgets all. Returns how many of them were lost: those that the system
    /// refused, and those for which there was no room for a tenth of a second.
    pub(super) async fn finish(&mut self, socket: &UdpSocket) -> u64 {
        let replies = &mut self.replies;
        while !replies.send(|bytes, from, heads| single::send(socket, bytes, from, heads)) {
            if !matches!(timeout(SEND_WITHIN, socket.writable()).await, Ok(Ok(()))) {
                replies.lost += (replies.heads.len() - replies.sent) as u64;
                break;
            }
        }
        let lost = replies.lost;
        (replies.sent, replies.lost) = (0, 0);
        replies.bytes.clear();
        replies.heads.clear();
        lost
    }

    /// Has `answer` append its reply to each datagram.
    fn reply(&mut self, mut answer: impl FnMut(&[u8], SocketAddr, &mut Vec<u8>)) -> Passed {
        let mut passed = Passed::default();
        for (datagram, remote) in self.received.iter() {
            passed.received += datagram.len();
            passed.replied += self.replies.push(remote, |reply| answer(datagram, remote, reply));
        }
        passed
    }
}

struct Received {
    /// A datagram each. The bytes after the first [`DATAGRAM_MAX`] are cut off.
    buffers: Vec<[u8; DATAGRAM_MAX]>,
    /// Length and sender, in the order they came.
    heads: Vec<(usize, SocketAddr)>,
}

impl Default for Received {
    fn default() -> Self {
        Self { buffers: vec![[0; DATAGRAM_MAX]; BATCH], heads: Vec::with_capacity(BATCH) }
    }
}

impl Received {
    /// Each with its sender.
    fn iter(&self) -> impl Iterator<Item = (&[u8], SocketAddr)> {
        let heads = self.heads.iter();
        heads.zip(&self.buffers).map(|((length, sender), buffer)| (&buffer[..*length], *sender))
    }
}

#[derive(Default)]
struct Replies {
    /// One after the other.
    bytes: Vec<u8>,
    /// Where each ends, and to whom it goes.
    heads: Vec<(usize, SocketAddr)>,
    /// So many are done with.
    sent: usize,
    /// So many of these were refused.
    lost: u64,
}

impl Replies {
    /// Appends what `write` writes; no datagram if that is nothing. Returns its length.
    fn push(&mut self, receiver: SocketAddr, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        let before = self.bytes.len();
        write(&mut self.bytes);
        let length = self.bytes.len() - before;
        if length > 0 {
            self.heads.push((self.bytes.len(), receiver));
        }
        length
    }

    /// Sends on with `call`, which takes the bytes of all, where the first to be sent begins, and the heads of those to be sent, and
    /// returns how many it sent. `false` if there is no room for more.
    fn send(
        &mut self,
        mut call: impl FnMut(&[u8], usize, &[(usize, SocketAddr)]) -> io::Result<usize>,
    ) -> bool {
        while let Some((_, receiver)) = self.heads.get(self.sent) {
            let from = self.sent.checked_sub(1).map_or(0, |last| self.heads[last].0);
            match call(&self.bytes, from, &self.heads[self.sent..]) {
                Ok(count) => self.sent += count.max(1),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => {
                    debug!(remote = %receiver, %error, "a reply was lost");
                    self.sent += 1;
                    self.lost += 1;
                }
            }
        }
        true
    }
}

/// The bytes of each of `heads`, of which the first begins at `from`.
fn each<'a>(
    bytes: &'a [u8],
    from: usize,
    heads: &'a [(usize, SocketAddr)],
) -> impl Iterator<Item = &'a [u8]> {
    heads.iter().scan(from, move |from, (end, _)| Some(&bytes[core::mem::replace(from, *end)..*end]))
}

#[cfg(not(target_os = "linux"))]
use self::single as calls;
#[cfg(target_os = "linux")]
use self::together as calls;

#[cfg(target_os = "linux")]
mod together {
    use std::io::{self, IoSlice, IoSliceMut};
    use std::net::{Ipv4Addr, SocketAddr};
    use std::os::fd::AsRawFd as _;

    use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
    use tokio::io::Interest;
    use tokio::net::UdpSocket;

    use super::{BATCH, Batch, Passed, Received, each};

    type Headers = MultiHeaders<SockaddrStorage>;

    pub(super) fn answer(
        socket: &UdpSocket,
        batch: &mut Batch,
        answer: impl FnMut(&[u8], SocketAddr, &mut Vec<u8>),
    ) -> io::Result<Passed> {
        let mut headers = Headers::preallocate(BATCH, None);
        receive(socket, &mut headers, &mut batch.received)?;
        let passed = batch.reply(answer);
        batch.replies.send(|bytes, from, heads| send(socket, &mut headers, bytes, from, heads));
        Ok(passed)
    }

    fn receive(socket: &UdpSocket, headers: &mut Headers, received: &mut Received) -> io::Result<()> {
        received.heads.clear();
        let mut slices: Vec<_> =
            received.buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let messages = socket.try_io(Interest::READABLE, || {
            Ok(recvmmsg(socket.as_raw_fd(), headers, &mut slices, MsgFlags::MSG_DONTWAIT, None)?)
        })?;
        received.heads.extend(messages.map(|message| (message.bytes, address(message.address))));
        Ok(())
    }

    /// `headers` are those that were received with: what counts the sent ones looks at addresses in them, of which there are as many
    /// as datagrams came, and no more replies.
    fn send(
        socket: &UdpSocket,
        headers: &mut Headers,
        bytes: &[u8],
        from: usize,
        heads: &[(usize, SocketAddr)],
    ) -> io::Result<usize> {
        let slices: Vec<_> = each(bytes, from, heads).map(|bytes| [IoSlice::new(bytes)]).collect();
        let receivers: Vec<_> = heads.iter().map(|(_, receiver)| Some((*receiver).into())).collect();
        socket.try_io(Interest::WRITABLE, || {
            let flags = MsgFlags::MSG_DONTWAIT;
            Ok(sendmmsg(socket.as_raw_fd(), headers, &slices, receivers, [], flags)?.count())
        })
    }

    /// Who sent it. A datagram of no address family that we listen to cannot come; a reply to what stands for it is refused.
    fn address(sender: Option<SockaddrStorage>) -> SocketAddr {
        let v4 =
            |sender: &SockaddrStorage| sender.as_sockaddr_in().map(|sender| SocketAddr::V4((*sender).into()));
        let v6 = |sender: &SockaddrStorage| {
            sender.as_sockaddr_in6().map(|sender| SocketAddr::V6((*sender).into()))
        };
        let unknown = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        sender.and_then(|sender| v4(&sender).or_else(|| v6(&sender))).unwrap_or(unknown)
    }
}

mod single {
    use std::io;
    use std::net::SocketAddr;

    use tokio::net::UdpSocket;

    use super::each;
    #[cfg(any(not(target_os = "linux"), test))]
    use super::{Batch, Passed};

    #[cfg(any(not(target_os = "linux"), test))]
    pub(super) fn answer(
        socket: &UdpSocket,
        batch: &mut Batch,
        answer: impl FnMut(&[u8], SocketAddr, &mut Vec<u8>),
    ) -> io::Result<Passed> {
        batch.received.heads.clear();
        for buffer in &mut batch.received.buffers {
            match socket.try_recv_from(buffer) {
                Ok(received) => batch.received.heads.push(received),
                // What came before it is answered; whoever asks again hears of the error.
                Err(_) if !batch.received.heads.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        let passed = batch.reply(answer);
        batch.replies.send(|bytes, from, heads| send(socket, bytes, from, heads));
        Ok(passed)
    }

    pub(super) fn send(
        socket: &UdpSocket,
        bytes: &[u8],
        from: usize,
        heads: &[(usize, SocketAddr)],
    ) -> io::Result<usize> {
        let Some((bytes, (_, receiver))) = each(bytes, from, heads).zip(heads).next() else { return Ok(0) };
        socket.try_send_to(bytes, *receiver).map(|_| 1)
    }
}

#[cfg(test)]
mod tests;
