//! The peer wire protocol over TCP (BEP 3): connections that are made, and those that come in.

mod incoming;
mod link;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use shared::engine::ClosedBy;
use shared::id::ConnId;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::time::timeout;

pub(crate) use incoming::{Links, accept};
pub(crate) use link::Link;

use super::guard::connect_from;
use super::transport::Reports;

/// How long a dial may take. Who does not answer by then is behind something that drops.
const DIAL_WITHIN: Duration = Duration::from_secs(10);

/// Connections that the system holds until they are accepted.
const BACKLOG: i32 = 256;

/// Listens; an unspecified IPv6 address takes IPv4 as well, and is an IPv4 one where the system has no IPv6.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match bind(address) {
        Err(error) if address.ip().is_unspecified() && address.is_ipv6() => {
            let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port());
            // The port may be taken as well: then the first reason is the better one.
            bind(v4).map_err(|_| error)
        }
        other => other,
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Opens a connection, and carries what `link` is given and what comes, until it ends.
pub(crate) fn dial(conn: ConnId, from: Option<IpAddr>, address: SocketAddr, link: Link, reports: Reports) {
    tokio::spawn(async move {
        let opened = tokio::select! {
            opened = timeout(DIAL_WITHIN, connect_from(from, address)) => opened,
            () = link.closing() => return,
        };
        let stream = match opened {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%conn, %address, %error, "not connected");
                let _ = reports.closed(conn, ClosedBy::Unreachable).await;
                return;
            }
            Err(_) => {
                let _ = reports.closed(conn, ClosedBy::Unreachable).await;
                return;
            }
        };
        if reports.opened(conn, shared::limits::SEND_MESSAGE_MAX).await.is_ok() {
            link.carry(conn, stream, reports).await;
        }
    });
}
