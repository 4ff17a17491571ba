//! Under which URL the page is told to ask.

use std::net::{IpAddr, SocketAddr};

/// `stun:` and the [`place`].
pub(crate) fn url(host: &str, port: SocketAddr) -> Option<String> {
    place(host, port).map(|place| format!("stun:{place}"))
}

/// `HOST:PORT`, with the host by which the page called the tracker. `None` where that would lead nowhere: the port
/// takes what comes from this machine only, and the page was called by another name, through a proxy, which passes no UDP
/// on; or the host is no name and no address.
pub(crate) fn place(host: &str, port: SocketAddr) -> Option<String> {
    if !is_host(host) || (port.ip().is_loopback() && !is_this_machine(host)) {
        return None;
    }
    Some(format!("{host}:{}", port.port()))
}

/// A name, an IPv4 address, or an IPv6 address in its brackets.
fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        return inner.strip_suffix(']').is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !host.is_empty() && host.len() <= 253 && host.bytes().all(plain)
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_told_what_it_can_reach() {
        let everywhere = "[::]:3478".parse().unwrap();
        assert_eq!(url("tracker.example", everywhere).unwrap(), "stun:tracker.example:3478");
        assert_eq!(url("192.0.2.1", everywhere).unwrap(), "stun:192.0.2.1:3478");
        assert_eq!(url("[2001:db8::1]", everywhere).unwrap(), "stun:[2001:db8::1]:3478");
        let here = "127.0.0.1:8080".parse().unwrap();
        for host in ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "[::1]"] {
            assert_eq!(url(host, here).unwrap(), format!("stun:{host}:8080"));
        }
        assert_eq!(url("tracker.example", here), None, "behind a proxy");
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        let everywhere = "0.0.0.0:3478".parse().unwrap();
        for wrong in ["", "a b", "a?transport=tcp", "[::1", "::1", "[a]", "a/b", "a\"", "ä", "a:1"] {
            assert_eq!(url(wrong, everywhere), None, "{wrong}");
        }
        assert_eq!(url(&"a".repeat(254), everywhere), None);
    }
}
