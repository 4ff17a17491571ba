//! Addresses that strangers name: where they lead, and how those of peers stand in compact lists (BEP 11, BEP 23).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The address as it is compared: an IPv4 address that is written as an IPv6 one is the IPv4 one, and what is no part
/// of an address on the internet (flow, scope) is gone.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Whether a connection to this address can mean a peer at all.
pub fn is_dialable(address: &SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

/// Whether it is an address of the public internet: not of this host, its link, a private network, or one that is set
/// aside for documents and tests (RFC 6890 and its registries). What embeds an IPv4 address counts as that.
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let set_aside = match ip.octets() {
        [0 | 10 | 127 | 224..=255, ..] => true,
        [100, b, ..] => b & 0xc0 == 64,
        [169, 254, ..] => true,
        [172, b, ..] => b & 0xf0 == 16,
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [192, 168, ..] => true,
        [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        _ => false,
    };
    !set_aside
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match ip.segments() {
        // NAT64 and 6to4.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => embedded(high, low),
        [0x2001, second, ..] => second >= 0x200 && second != 0xdb8,
        [0x3fff, second, ..] => second >= 0x1000,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// The network by which an address is banned: whoever has one IPv6 address has the 2⁶⁴ beside it.
pub fn network(ip: IpAddr) -> IpAddr {
    network_of(ip, 64)
}

/// The same with so many leading bits of an IPv6 address, 128 at most, instead of 64.
pub fn network_of(ip: IpAddr, ipv6_prefix: u8) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(ipv6_prefix.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Appends an address as 6 or 18 bytes: IP and port, big-endian.
pub fn put(address: &SocketAddr, out: &mut Vec<u8>) {
    match address.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}

/// The addresses in a list of 6 bytes each. Bytes after the last whole one are passed over.
pub fn list_v4(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> + '_ {
    bytes.as_chunks::<6>().0.iter().map(|[a, b, c, d, port @ ..]| {
        SocketAddr::new(Ipv4Addr::new(*a, *b, *c, *d).into(), u16::from_be_bytes(*port))
    })
}

/// The addresses in a list of 18 bytes each. Bytes after the last whole one are passed over.
pub fn list_v6(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> + '_ {
    bytes.as_chunks::<18>().0.iter().map(|[ip @ .., high, low]| {
        SocketAddr::new(Ipv6Addr::from(*ip).into(), u16::from_be_bytes([*high, *low]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn only_the_public_internet_is_public() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "223.255.255.255",
            "2606:4700::1",
            "2001:4860::8888",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(is_public(ip(public)), "{public}");
        }
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.1.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::7f00:1",
            "::127.0.0.1",
            "169.254.169.254",
            "64:ff9b::10.0.0.1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "3fff::1",
            "64:ff9b::a00:1",
            "2002:a00:1::1",
            "2002:7f00:1::",
        ] {
            assert!(!is_public(ip(private)), "{private}");
        }
    }

    #[test]
    fn what_no_peer_can_have_is_not_dialled() {
        for no in ["1.2.3.4:0", "0.0.0.0:1", "255.255.255.255:1", "224.0.0.1:1", "[::]:1", "[ff02::1]:1"] {
            assert!(!is_dialable(&no.parse().expect("an address")), "{no}");
        }
        assert!(is_dialable(&"127.0.0.1:1".parse().expect("an address")));
    }

    #[test]
    fn compact_lists_give_back_what_was_put() {
        let v4: Vec<SocketAddr> =
            ["1.2.3.4:5", "255.0.0.1:65535"].map(|it| it.parse().expect("valid")).into();
        let v6: Vec<SocketAddr> = ["[2606::1]:80"].map(|it| it.parse().expect("valid")).into();
        let bytes = |list: &[SocketAddr]| {
            let mut out = Vec::new();
            list.iter().for_each(|address| put(address, &mut out));
            out
        };
        assert_eq!(list_v4(&bytes(&v4)).collect::<Vec<_>>(), v4);
        assert_eq!(list_v6(&bytes(&v6)).collect::<Vec<_>>(), v6);
        assert_eq!(list_v4(&bytes(&v6)[..5]).count(), 0);
    }

    #[test]
    fn neighbours_are_of_one_network_in_ipv6_only() {
        assert_eq!(network(ip("2606:1:2:3:4::5")), network(ip("2606:1:2:3:ffff::")));
        assert_ne!(network(ip("2606:1:2:3::")), network(ip("2606:1:2:4::")));
        assert_ne!(network(ip("1.2.3.4")), network(ip("1.2.3.5")));
        assert_eq!(network(ip("::ffff:1.2.3.4")), ip("1.2.3.4"));
    }
}
