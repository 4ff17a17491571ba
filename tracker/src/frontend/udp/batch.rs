//! Datagrams, many of them with one call to the system: such calls are most of the work of a tracker over UDP.
//!
//! Linux takes and gives them by the batch (`recvmmsg`, `sendmmsg`). Elsewhere it is a call for each.

use std::io;
use std::net::SocketAddr;

use shared::tracker::udp::DATAGRAM_MAX;
use tokio::net::UdpSocket;
use tracing::debug;

#[cfg(target_os = "linux")]
use self::many as calls;
#[cfg(not(target_os = "linux"))]
use self::single as calls;

/// Datagrams that are answered before others have their turn.
pub(super) const BATCH: usize = 64;

/// Datagrams that came together.
pub(super) struct Received {
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
    /// Takes what the system holds, at most [`BATCH`] datagrams, in place of those from before.
    ///
    /// # Errors
    ///
    /// The system's. [`io::ErrorKind::WouldBlock`] if there is none.
    pub(super) fn fill(&mut self, socket: &UdpSocket) -> io::Result<()> {
        self.heads.clear();
        calls::receive(socket, &mut self.buffers, &mut self.heads)
    }

    /// Each with its sender.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], SocketAddr)> {
        let heads = self.heads.iter();
        heads.zip(&self.buffers).map(|((length, sender), buffer)| (&buffer[..*length], *sender))
    }
}

/// Datagrams that go together.
#[derive(Default)]
pub(super) struct Replies {
    /// One after the other.
    bytes: Vec<u8>,
    /// Where each ends, and to whom it goes.
    heads: Vec<(usize, SocketAddr)>,
}

impl Replies {
    /// Appends what `write` writes; no datagram if that is nothing. Returns its length.
    pub(super) fn push(&mut self, receiver: SocketAddr, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        let before = self.bytes.len();
        write(&mut self.bytes);
        let length = self.bytes.len() - before;
        if length > 0 {
            self.heads.push((self.bytes.len(), receiver));
        }
        length
    }

    /// Sends all, and waits while the system has no room. What it refuses is lost, as any datagram may be: returns how many.
    pub(super) async fn send(&mut self, socket: &UdpSocket) -> u64 {
        let (mut sent, mut lost) = (0, 0);
        while sent < self.heads.len() {
            let from = sent.checked_sub(1).map_or(0, |last| self.heads[last].0);
            match calls::send(socket, &self.bytes, from, &self.heads[sent..]) {
                Ok(count) => sent += count.max(1),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if socket.writable().await.is_err() {
                        lost += (self.heads.len() - sent) as u64;
                        break;
                    }
                }
                Err(error) => {
                    debug!(remote = %self.heads[sent].1, %error, "a reply was lost");
                    (sent, lost) = (sent + 1, lost + 1);
                }
            }
        }
        self.bytes.clear();
        self.heads.clear();
        lost
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

#[cfg(target_os = "linux")]
mod many {
    use std::io::{self, IoSlice, IoSliceMut};
    use std::net::{Ipv4Addr, SocketAddr};
    use std::os::fd::AsRawFd as _;

    use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
    use shared::tracker::udp::DATAGRAM_MAX;
    use tokio::io::Interest;
    use tokio::net::UdpSocket;

    use super::each;

    pub(super) fn receive(
        socket: &UdpSocket,
        buffers: &mut [[u8; DATAGRAM_MAX]],
        heads: &mut Vec<(usize, SocketAddr)>,
    ) -> io::Result<()> {
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(buffers.len(), None);
        let mut slices: Vec<_> = buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let received = socket.try_io(Interest::READABLE, || {
            Ok(recvmmsg(socket.as_raw_fd(), &mut headers, &mut slices, MsgFlags::MSG_DONTWAIT, None)?)
        })?;
        heads.extend(received.map(|message| (message.bytes, address(message.address))));
        Ok(())
    }

    pub(super) fn send(
        socket: &UdpSocket,
        bytes: &[u8],
        from: usize,
        heads: &[(usize, SocketAddr)],
    ) -> io::Result<usize> {
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(heads.len(), None);
        let slices: Vec<_> = each(bytes, from, heads).map(|bytes| [IoSlice::new(bytes)]).collect();
        let receivers: Vec<_> = heads.iter().map(|(_, receiver)| Some((*receiver).into())).collect();
        socket.try_io(Interest::WRITABLE, || {
            let flags = MsgFlags::MSG_DONTWAIT;
            Ok(sendmmsg(socket.as_raw_fd(), &mut headers, &slices, receivers, [], flags)?.count())
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

#[cfg(any(not(target_os = "linux"), test))]
mod single {
    use std::io;
    use std::net::SocketAddr;

    use shared::tracker::udp::DATAGRAM_MAX;
    use tokio::net::UdpSocket;

    use super::each;

    pub(super) fn receive(
        socket: &UdpSocket,
        buffers: &mut [[u8; DATAGRAM_MAX]],
        heads: &mut Vec<(usize, SocketAddr)>,
    ) -> io::Result<()> {
        for buffer in buffers {
            match socket.try_recv_from(buffer) {
                Ok(received) => heads.push(received),
                // What came before it is answered; whoever asks again hears of the error.
                Err(_) if !heads.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
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
