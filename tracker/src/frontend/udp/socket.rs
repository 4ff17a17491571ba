//! Opens UDP ports.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;
use tracing::debug;

use crate::error::StartError;

/// Datagrams that the system may hold until they are read: a burst of some ten thousand.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// Opens a socket. An unspecified IPv6 address takes IPv4 too.
pub(crate) fn bind(address: SocketAddr, option: &'static str) -> Result<UdpSocket, StartError> {
    let only_v6 = !address.ip().is_unspecified();
    open(address, only_v6, |_| Ok(())).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => StartError::InUse { address, option },
        io::ErrorKind::PermissionDenied => StartError::Privileged { address, option },
        _ => StartError::Listen { address, option, error },
    })
}

fn open(
    address: SocketAddr,
    only_v6: bool,
    set: impl FnOnce(&Socket) -> io::Result<()>,
) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    set(&socket)?;
    if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER) {
        debug!(%error, "the receive buffer keeps its size");
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// [`bind`] on all addresses of both families, or of IPv4 where the system has no IPv6.
pub(crate) fn bind_all(port: u16, option: &'static str) -> Result<UdpSocket, StartError> {
    match bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), option) {
        Err(StartError::Listen { .. }) => bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), option),
        bound => bound,
    }
}

/// More sockets at the address of `first`, until there are `count`: on Linux the system hands each peer's datagrams to one of
/// them, so that as many cores may read. One that cannot be had, and all of them elsewhere, are done without.
pub(crate) fn share(first: UdpSocket, count: usize) -> Vec<UdpSocket> {
    let mut sockets = vec![first];
    if cfg!(target_os = "linux")
        && let Err(error) = open_more(&mut sockets, count)
    {
        debug!(%error, sockets = sockets.len(), "announces over UDP are read by fewer cores than there are");
    }
    sockets
}

#[cfg(target_os = "linux")]
fn open_more(sockets: &mut Vec<UdpSocket>, count: usize) -> io::Result<()> {
    let address = sockets[0].local_addr()?;
    let only_v6 = address.is_ipv6() && SockRef::from(&sockets[0]).only_v6()?;
    // Only now: the first was to fail if another program had the port, even one that would share it.
    SockRef::from(&sockets[0]).set_reuse_port(true)?;
    while sockets.len() < count {
        sockets.push(open(address, only_v6, |socket| socket.set_reuse_port(true))?);
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn open_more(_: &mut Vec<UdpSocket>, _: usize) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_is_shared_by_our_own_sockets_alone() {
        for address in
            [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))]
        {
            let sockets = share(bind(address, "--test").unwrap(), 3);
            let local = sockets[0].local_addr().unwrap();
            assert_eq!(sockets.len(), if cfg!(target_os = "linux") { 3 } else { 1 });
            assert!(sockets.iter().all(|socket| socket.local_addr().unwrap() == local));
            let again = bind(local, "--test");
            assert!(matches!(again, Err(StartError::InUse { option: "--test", .. })), "{again:?}");
        }
    }
}
