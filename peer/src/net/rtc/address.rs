//! Which addresses of this machine connections are made from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Addresses used by one connection: each is a socket, and a candidate in every session description.
const ADDRESSES_MAX: usize = 8;

/// Addresses to bind, each with port 0: those of all interfaces that are up, of both families, without loopback; loopback
/// alone where nothing else is, or where it is asked for.
pub(super) fn local(loopback: bool) -> Vec<SocketAddr> {
    let mut found: Vec<IpAddr> = if loopback { Vec::new() } else { interfaces() };
    if found.is_empty() {
        found = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    }
    // Bound one by one: an address that cannot be bound is left out by the library, as long as one can.
    found.into_iter().map(|address| SocketAddr::new(address, 0)).collect()
}

fn interfaces() -> Vec<IpAddr> {
    let interfaces = match if_addrs::get_if_addrs() {
        Ok(interfaces) => interfaces,
        Err(error) => {
            tracing::warn!(%error, "the addresses of this machine cannot be listed");
            return Vec::new();
        }
    };
    let mut found: Vec<IpAddr> = interfaces
        .into_iter()
        .map(|interface| interface.ip())
        .filter(|address| is_usable(*address))
        .collect();
    // IPv4 first: what most networks have, should there be more addresses than are used.
    found.sort_by_key(|address| address.is_ipv6());
    found.dedup();
    found.truncate(ADDRESSES_MAX);
    found
}

/// Whether a candidate can name it. An IPv6 address of the link means nothing without its scope, which candidates lack.
fn is_usable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unspecified() && !v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::{is_usable, local};

    #[test]
    fn loopback_is_used_alone_where_it_is_asked_for() {
        let asked = local(true);
        assert!(!asked.is_empty() && asked.iter().all(|address| address.ip().is_loopback()), "{asked:?}");
        let found = local(false);
        let loopback = found.iter().filter(|address| address.ip().is_loopback()).count();
        assert!(loopback == 0 || loopback == found.len(), "{found:?}");
    }

    #[test]
    fn addresses_that_no_candidate_can_name_are_left_out() {
        for usable in ["192.168.1.2", "10.0.0.1", "169.254.1.1", "203.0.113.9", "fd00::2", "2001:db8::1"] {
            assert!(is_usable(usable.parse().unwrap()), "{usable}");
        }
        for not in ["127.0.0.1", "0.0.0.0", "::1", "::", "fe80::1"] {
            assert!(!is_usable(not.parse().unwrap()), "{not}");
        }
    }
}
