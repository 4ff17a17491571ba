//! By which address peers reach the seeder over TCP.
//!
//! A host has several, and none is right for everybody: loopback is for this host alone, and a network's address for that
//! network. So nothing is entered into the swarm; each asker is told the address from which this host would answer it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The discard protocol's: nothing is ever sent.
const ANY_PORT: u16 = 9;

/// Where `asker` reaches a seeder that listens at `listen`, if it does. `outside` is what those are told who are not on
/// this host, where it is known better than from the routes (port forwarding, containers).
pub(super) fn address_for(asker: IpAddr, listen: SocketAddr, outside: Option<IpAddr>) -> Option<SocketAddr> {
    let asker = asker.to_canonical();
    let takes_v4 = listen.is_ipv4() || listen.ip().is_unspecified();
    let takes_v6 = listen.is_ipv6();
    let told = |ip: IpAddr| Some(SocketAddr::new(ip, listen.port()));
    let same_family = |ip: &IpAddr| ip.is_ipv4() == asker.is_ipv4();
    match listen.ip() {
        ip if ip.is_loopback() => told(ip).filter(|_| asker.is_loopback() && same_family(&ip)),
        _ if asker.is_ipv4() && !takes_v4 || asker.is_ipv6() && !takes_v6 => None,
        ip if !asker.is_loopback() && outside.is_some() => {
            let outside = outside.filter(same_family);
            outside.or_else(|| Some(ip).filter(|ip| !ip.is_unspecified())).and_then(told)
        }
        ip if !ip.is_unspecified() => told(ip),
        _ => match asker {
            IpAddr::V4(v4) if v4.is_loopback() => told(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(v6) if v6.is_loopback() => told(Ipv6Addr::LOCALHOST.into()),
            _ => route_to(asker).and_then(told),
        },
    }
}

/// The address from which this host would send to that one.
fn route_to(asker: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match asker {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((asker, ANY_PORT)).ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_unspecified()).then_some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(asker: &str, listen: &str, outside: Option<&str>) -> Option<String> {
        let outside = outside.map(|ip| ip.parse().unwrap());
        let address = address_for(asker.parse().unwrap(), listen.parse().unwrap(), outside)?;
        Some(address.to_string())
    }

    #[test]
    fn each_asker_is_told_what_leads_here() {
        for (asker, listen, outside, wanted) in [
            ("127.0.0.1", "127.0.0.1:7", None, Some("127.0.0.1:7")),
            ("::ffff:127.0.0.1", "127.0.0.1:7", None, Some("127.0.0.1:7")),
            ("192.0.2.1", "127.0.0.1:7", None, None),
            ("192.0.2.1", "127.0.0.1:7", Some("203.0.113.1"), None),
            ("::1", "127.0.0.1:7", None, None),
            ("127.0.0.1", "[::]:7", Some("203.0.113.1"), Some("127.0.0.1:7")),
            ("::1", "[::]:7", None, Some("[::1]:7")),
            ("::1", "0.0.0.0:7", None, None),
            ("192.0.2.1", "[::]:7", Some("203.0.113.1"), Some("203.0.113.1:7")),
            ("2001:db8::1", "[::]:7", Some("203.0.113.1"), None),
            ("192.0.2.1", "192.0.2.9:7", None, Some("192.0.2.9:7")),
            ("192.0.2.1", "192.0.2.9:7", Some("203.0.113.1"), Some("203.0.113.1:7")),
            ("2001:db8::1", "192.0.2.9:7", None, None),
            ("192.0.2.1", "[2001:db8::9]:7", None, None),
        ] {
            let got = told(asker, listen, outside);
            assert_eq!(got.as_deref(), wanted, "{asker} {listen} {outside:?}");
        }
    }
}
