//! What the kernel counts about one TCP connection: asked over netlink (`sock_diag(7)`), as `ss -i` does.

use std::net::{IpAddr, SocketAddr};

/// The kernel's counters of one connection so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TcpCounters {
    /// Segments of this size at most go out, headers and options not counted.
    pub(crate) mss: u32,
    /// Each segment carries a timestamp: 12 bytes of options.
    pub(crate) timestamps: bool,
    /// Smoothed round trip, microseconds.
    pub(crate) rtt: u32,
    /// Segments as they are on the wire: one that the network card is to cut counts as its parts.
    pub(crate) segments_sent: u32,
    pub(crate) segments_received: u32,
    /// Segments, and bytes, that were sent again.
    pub(crate) segments_again: u32,
    pub(crate) bytes_again: u64,
}

/// The counters of the connection between these two addresses of this host's; `None` where the system does not tell:
/// the connection is gone, or this is no Linux, or it is forbidden.
pub(crate) fn counters(local: SocketAddr, remote: SocketAddr) -> Option<TcpCounters> {
    let reply = ask(&request(local, remote)?)?;
    parse(&reply)
}

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const INET_DIAG_INFO: u16 = 2;
const IPPROTO_TCP: u8 = 6;

/// Lengths of `nlmsghdr`, `inet_diag_req_v2`, `inet_diag_msg`.
const HEADER: usize = 16;
const REQUEST: usize = 56;
const MESSAGE: usize = 72;

fn request(local: SocketAddr, remote: SocketAddr) -> Option<Vec<u8>> {
    // A socket that takes both families has its IPv4 peers mapped; the kernel finds those by either form.
    let family = match (local.ip().to_canonical(), remote.ip().to_canonical()) {
        (IpAddr::V4(_), IpAddr::V4(_)) => rustix::net::AddressFamily::INET,
        (IpAddr::V6(_), IpAddr::V6(_)) => rustix::net::AddressFamily::INET6,
        _ => return None,
    };
    let mut bytes = Vec::with_capacity(HEADER + REQUEST);
    bytes.extend(((HEADER + REQUEST) as u32).to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST.to_ne_bytes());
    // Number of the request, and the port of the asker: the kernel fills in the socket's own.
    bytes.extend([0; 8]);
    bytes.extend([u8::try_from(family.as_raw()).ok()?, IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1), 0]);
    // In whatever state it is.
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend(local.port().to_be_bytes());
    bytes.extend(remote.port().to_be_bytes());
    for address in [local, remote] {
        let mut field = [0; 16];
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => field[..4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => field = ip.octets(),
        }
        bytes.extend(field);
    }
    // Any interface, and no cookie: it is not known yet.
    bytes.extend([0; 4]);
    bytes.extend([0xff; 8]);
    Some(bytes)
}

#[cfg(target_os = "linux")]
fn ask(request: &[u8]) -> Option<Vec<u8>> {
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )
    .ok()?;
    let kernel = netlink::SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&socket, request, SendFlags::empty(), &kernel).ok()?;
    // The kernel answers before the send returns: there is nothing to wait for.
    let mut reply = vec![0; 1_024];
    let (length, _) = rustix::net::recv(&socket, reply.as_mut_slice(), RecvFlags::DONTWAIT).ok()?;
    reply.truncate(length);
    Some(reply)
}

#[cfg(not(target_os = "linux"))]
fn ask(_request: &[u8]) -> Option<Vec<u8>> {
    None
}

/// Takes the counters out of a reply: a message with attributes, one of which is `struct tcp_info`.
fn parse(reply: &[u8]) -> Option<TcpCounters> {
    if u16_at(reply, 4)? != SOCK_DIAG_BY_FAMILY {
        return None;
    }
    let mut attributes = reply.get(HEADER + MESSAGE..)?;
    while let (Some(length), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
        let length = usize::from(length);
        let value = attributes.get(4..length)?;
        if kind == INET_DIAG_INFO {
            return tcp_info(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// `struct tcp_info` of linux/tcp.h; it only ever grew at its end.
fn tcp_info(info: &[u8]) -> Option<TcpCounters> {
    const TIMESTAMPS: u8 = 1;
    Some(TcpCounters {
        mss: u32_at(info, 16)?,
        timestamps: info.get(5)? & TIMESTAMPS != 0,
        rtt: u32_at(info, 68)?,
        segments_again: u32_at(info, 100)?,
        segments_sent: u32_at(info, 136)?,
        segments_received: u32_at(info, 140)?,
        bytes_again: u64::from_ne_bytes(*info.get(208..)?.first_chunk()?),
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_kernel_tells_how_many_segments_went() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut far, remote) = listener.accept().unwrap();
            far.write_all(&[0; 100_000]).unwrap();
            near.read_exact(&mut vec![0; 100_000]).unwrap();
            let counters = counters(far.local_addr().unwrap(), remote).unwrap();
            assert!(counters.segments_sent >= 2 && counters.mss > 500, "{counters:?}");
            drop((near, far));
        }
        let nobody = ("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
        assert_eq!(counters(nobody.0, nobody.1), None);
    }

    #[test]
    fn a_strange_reply_is_none() {
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&[0; HEADER + MESSAGE]), None);
        let mut reply = [0; HEADER + MESSAGE];
        reply[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        for attribute in [&[0_u8, 0, 2, 0][..], &[3, 0, 2, 0], &[255, 255, 2, 0], &[8, 0, 2, 0, 1, 1, 1, 1]] {
            let reply = [&reply[..], attribute].concat();
            assert_eq!(parse(&reply), None, "{attribute:?}");
        }
    }
}
