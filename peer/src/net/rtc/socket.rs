//! The sockets and the clock under WebRTC: tokio's, with larger buffers, counted, and in a hurry while it connects.

use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime,
    TokioRuntime, Transmit,
};

use crate::net::transport::Reports;

/// Buffers of each socket in the kernel. SCTP keeps up to a mebibyte on its way, in bursts: with the 208 KiB that Linux gives
/// otherwise half of it is lost, and the rate falls thirtyfold. The kernel gives less where `net.core.rmem_max` is lower.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;

/// Longest sleep of a connection that is being made. The library sends what it makes of a packet with its next turn, and
/// between two steps of connecting (ICE to DTLS, DTLS to SCTP) the next turn is a timer's: 200 ms each.
const HURRY: Duration = Duration::from_millis(5);

/// Tokio as the WebRTC library wants to see it, for one connection.
#[derive(Debug)]
pub(super) struct CountedTokio {
    tokio: TokioRuntime,
    reports: Reports,
    connecting: Arc<AtomicBool>,
}

impl CountedTokio {
    /// Counts into the counters of `reports`; sleeps no longer than [`HURRY`] at a time while `connecting`.
    pub(super) const fn new(reports: Reports, connecting: Arc<AtomicBool>) -> Self {
        Self { tokio: TokioRuntime, reports, connecting }
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Runtime for CountedTokio {
    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.tokio.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let raw = SockRef::from(&socket);
        // Refused only by platforms that cap harder; the connection works with less, just not as fast.
        for refused in [raw.set_recv_buffer_size(SOCKET_BUFFER), raw.set_send_buffer_size(SOCKET_BUFFER)] {
            if let Err(error) = refused {
                tracing::debug!(%error, "the buffers of a socket stay as small as they are");
            }
        }
        let socket = self.tokio.wrap_udp_socket(socket)?;
        Ok(Arc::new(CountedSocket { socket, reports: self.reports.clone() }))
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.tokio.wrap_tcp_listener(listener)
    }

    fn connect_tcp(&self, remote: SocketAddr) -> Boxed<'_, io::Result<Arc<dyn AsyncTcpStream>>> {
        self.tokio.connect_tcp(remote)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        self.tokio.resolve_host(host)
    }

    fn sleep(&self, duration: Duration) -> Boxed<'static, ()> {
        let hurried = self.connecting.load(Ordering::Relaxed);
        self.tokio.sleep(if hurried { duration.min(HURRY) } else { duration })
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.tokio.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.tokio.block_on(future);
    }

    fn yield_now(&self) -> Boxed<'static, ()> {
        self.tokio.yield_now()
    }

    fn name(&self) -> &'static str {
        self.tokio.name()
    }
}

#[derive(Debug)]
struct CountedSocket {
    socket: Arc<dyn AsyncUdpSocket>,
    reports: Reports,
}

impl AsyncUdpSocket for CountedSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let sent = self.socket.poll_send(cx, transmit);
        if let Poll::Ready(Ok(length)) = sent {
            let each = transmit.segment_size.unwrap_or(length).max(1);
            self.reports.counters().datagrams.add_sent(length.div_ceil(each));
            self.reports.counters().datagram.add_sent(length);
        }
        sent
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = self.socket.poll_recv(cx, bufs, meta);
        if let Poll::Ready(Ok(messages)) = received {
            for message in meta.iter().take(messages) {
                let datagrams = message.len.div_ceil(message.stride.max(1));
                self.reports.counters().datagrams.add_received(datagrams);
                self.reports.counters().datagram.add_received(message.len);
            }
        }
        received
    }

    fn max_gso_segments(&self) -> usize {
        self.socket.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.socket.max_gro_segments()
    }
}
