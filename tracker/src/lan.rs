//! This host as its neighbours see it.

use std::net::{IpAddr, Ipv4Addr};

/// The addresses under which others on the local network reach this host: the likeliest first.
pub fn addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let mut found: Vec<(u8, IpAddr)> = interfaces
        .into_iter()
        .filter(|interface| !interface.is_loopback())
        .filter_map(|interface| {
            let address = interface.ip();
            Some((rank(&interface.name, address)?, address))
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(|(_, address)| address).collect()
}

/// The smaller the likelier; `None` for what nobody else can use.
fn rank(interface: &str, address: IpAddr) -> Option<u8> {
    // Bridges of virtual machines and containers have addresses that only their guests reach.
    let inner = ["docker", "br-", "veth", "virbr", "lxc", "vbox", "vmnet"];
    let inner = inner.iter().any(|prefix| interface.starts_with(prefix));
    let rank = match address {
        IpAddr::V4(v4) if v4.is_link_local() || v4 == Ipv4Addr::UNSPECIFIED => return None,
        IpAddr::V4(v4) if v4.is_private() => 0,
        IpAddr::V4(_) => 1,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => return None,
        IpAddr::V6(_) => 2,
    };
    Some(if inner { rank + 3 } else { rank })
}

/// What this host calls itself, if it says.
pub fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_ascii_lowercase();
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    (plain && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_of_real_interfaces_come_first() {
        let rank = |interface, address: &str| rank(interface, address.parse().unwrap());
        assert!(rank("eth0", "192.168.1.5") < rank("eth0", "203.0.113.5"));
        assert!(rank("eth0", "203.0.113.5") < rank("eth0", "2001:db8::5"));
        assert!(rank("eth0", "2001:db8::5") < rank("docker0", "172.17.0.1"));
        assert_eq!(rank("eth0", "fe80::1"), None);
        assert_eq!(rank("eth0", "169.254.3.4"), None);
    }
}
