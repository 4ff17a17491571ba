//! Whose request it is that came through proxies, from what they wrote into its head.
//!
//! Each proxy appends where it had the request from. So the list is read from its right end: what a trusted proxy
//! appended is believed, and the first address that is not a trusted proxy's is the client. What stands further left came
//! from the client, who may write what it likes there.

use std::net::{IpAddr, Ipv6Addr};

use http::HeaderMap;

use super::ProxyHeader;
use crate::access::Networks;

/// The client of a request that came from `peer`, a trusted proxy. With nothing usable in the head, the proxy itself.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, header: ProxyHeader, trusted: &Networks) -> IpAddr {
    let lines = headers.get_all(header.name());
    let lines: Vec<&str> = lines.iter().map(|line| line.to_str().unwrap_or_default()).collect();
    let mut nearest = peer;
    // Several lines are one list (RFC 9110, 5.3).
    for entry in lines.iter().rev().flat_map(|line| entries(line)) {
        let address = match header {
            ProxyHeader::XForwardedFor => node(entry),
            ProxyHeader::Forwarded => forwarded_for(entry).and_then(node),
        };
        // A hidden or wrong one: whoever wrote it is the last of whom something is known.
        let Some(address) = address else { return nearest };
        nearest = address;
        if !trusted.contains(address) {
            return nearest;
        }
    }
    nearest
}

/// The parts between commas, the last first; commas within quotation marks do not count. Marks are paired from the right:
/// one that a client left open must not swallow what a proxy appended.
fn entries(line: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let parts = line.rsplit(move |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    parts.map(str::trim)
}

/// The value of `for` in an element of `Forwarded` (RFC 7239).
fn forwarded_for(element: &str) -> Option<&str> {
    let mut quoted = false;
    let mut pairs = element.split(move |c: char| {
        quoted ^= c == '"';
        c == ';' && !quoted
    });
    pairs.find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"'))
    })
}

/// An address, with a port or without: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn node(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let is_end =
            port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
        return is_end
            .then(|| address.parse::<Ipv6Addr>().ok())
            .flatten()
            .map(|ip| IpAddr::V6(ip).to_canonical());
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(ip.to_canonical());
    }
    text.parse::<std::net::SocketAddrV4>().ok().map(|address| IpAddr::V4(*address.ip()))
}

#[cfg(test)]
mod tests {
    use http::header::HeaderName;
    use proptest::prelude::*;

    use super::*;

    fn found(header: ProxyHeader, lines: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "::1"].iter().map(|network| network.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HeaderName::from_static(header.name()), line.parse().unwrap());
        }
        client("10.0.0.1".parse().unwrap(), &headers, header, &trusted).to_string()
    }

    #[test]
    fn the_right_end_is_believed_as_far_as_proxies_wrote_it() {
        for (lines, client) in [
            (&[][..], "10.0.0.1"),
            (&["192.0.2.1"], "192.0.2.1"),
            (&["203.0.113.66, 192.0.2.1"], "192.0.2.1"),
            (&["203.0.113.66,192.0.2.1 , 10.9.9.9,::1"], "192.0.2.1"),
            (&["203.0.113.66", "192.0.2.1, 10.1.1.1"], "192.0.2.1"),
            (&["192.0.2.1", "10.1.1.1"], "192.0.2.1"),
            (&["10.0.0.7, 10.0.0.8"], "10.0.0.7"),
            (&["192.0.2.1:4711"], "192.0.2.1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["::ffff:192.0.2.1"], "192.0.2.1"),
            (&["192.0.2.1, nonsense"], "10.0.0.1"),
            (&["192.0.2.1, nonsense, 10.7.7.7"], "10.7.7.7"),
            (&["192.0.2.1, "], "10.0.0.1"),
            (&["192.0.2.1, 10.0.0.2, [::1"], "10.0.0.1"),
        ] {
            assert_eq!(found(ProxyHeader::XForwardedFor, lines), client, "{lines:?}");
        }
    }

    #[test]
    fn the_standard_header_is_read_in_the_same_way() {
        for (line, client) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=203.0.113.66, for=192.0.2.1;proto=https;by=10.0.0.1", "192.0.2.1"),
            (
                "for=203.0.113.66;by=\"a,for=198.51.100.1\", proto=http; for=192.0.2.1, for=10.1.1.1",
                "192.0.2.1",
            ),
            ("for=203.0.113.66;by=\", for=192.0.2.1", "192.0.2.1"),
            ("for=\"203.0.113.66, for=192.0.2.1;by=\"[2001:db8::1]:1\"", "192.0.2.1"),
            ("for=192.0.2.1, for=_hidden", "10.0.0.1"),
            ("for=192.0.2.1, for=unknown", "10.0.0.1"),
            ("for=192.0.2.1, proto=https", "10.0.0.1"),
        ] {
            assert_eq!(found(ProxyHeader::Forwarded, &[line]), client, "{line}");
        }
    }

    proptest! {
        /// However a client begins the list, it cannot make itself another than the proxy says.
        #[test]
        fn nothing_further_left_counts(spoofed in "([ -~]|for=|\", ){0,60}", header in 0..2) {
            let (header, real) = match header {
                0 => (ProxyHeader::XForwardedFor, "192.0.2.1"),
                _ => (ProxyHeader::Forwarded, "for=192.0.2.1"),
            };
            prop_assert_eq!(found(header, &[&format!("{spoofed}, {real}")]), "192.0.2.1");
            prop_assert_eq!(found(header, &[&spoofed, real]), "192.0.2.1");
        }
    }
}
