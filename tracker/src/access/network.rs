//! Networks of addresses, as `192.0.2.0/24` names them (CIDR), and sets of them.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Bits before an IPv4 address where it is mapped into IPv6.
const MAPPED: u8 = 96;

/// All addresses with the same leading bits. IPv4 counts as mapped into IPv6, so that both are compared alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    bits: u128,
    /// Leading bits of the 128 that count.
    prefix: u8,
}

/// Text that names no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address or a network such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32, found `{0}`")]
pub struct NetworkError(String);

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

const fn mask(prefix: u8) -> u128 {
    match prefix {
        0 => 0,
        prefix => u128::MAX << (128 - prefix),
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    /// An address, or one with the number of its leading bits that count; what stands behind those is passed over.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError(text.chars().take(64).collect());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let ip: IpAddr = address.parse().map_err(|_| wrong())?;
        let (most, before) = if ip.is_ipv4() { (32, MAPPED) } else { (128, 0) };
        let prefix = prefix.unwrap_or(most);
        if prefix > most {
            return Err(wrong());
        }
        let prefix = prefix + before;
        Ok(Self { bits: bits(ip) & mask(prefix), prefix })
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ip = Ipv6Addr::from_bits(self.bits);
        match ip.to_ipv4_mapped() {
            Some(ip) if self.prefix >= MAPPED => write!(f, "{ip}/{}", self.prefix - MAPPED),
            _ => write!(f, "{ip}/{}", self.prefix),
        }
    }
}

/// Networks, asked in a time that depends on how many different lengths they have, not on how many they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(BTreeMap<u8, HashSet<u128>>);

impl Networks {
    /// Whether an address is in one of them.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let bits = bits(ip);
        self.0.iter().any(|(prefix, networks)| networks.contains(&(bits & mask(*prefix))))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.values().map(HashSet::len).sum()
    }
}

impl FromIterator<Network> for Networks {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        let mut set: BTreeMap<u8, HashSet<u128>> = BTreeMap::new();
        for Network { bits, prefix } in networks {
            set.entry(prefix).or_default().insert(bits);
        }
        Self(set)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn networks(text: &str) -> Networks {
        text.split(' ').map(|network| network.parse::<Network>().unwrap()).collect()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_within_is_found() {
        let set = networks("10.0.0.0/8 192.0.2.7 192.0.2.128/25 2001:db8::/32 ::1");
        for inside in [
            "10.255.0.1",
            "::ffff:10.1.1.1",
            "192.0.2.7",
            "192.0.2.128",
            "192.0.2.255",
            "2001:db8:ffff::1",
            "::1",
        ] {
            assert!(set.contains(ip(inside)), "{inside}");
        }
        for outside in ["11.0.0.1", "192.0.2.8", "192.0.2.127", "2001:db9::", "::2", "::a00:1"] {
            assert!(!set.contains(ip(outside)), "{outside}");
        }
        assert!(!Networks::default().contains(ip("192.0.2.1")));
        assert_eq!(set.len(), 5);
    }

    #[test]
    fn all_of_one_family_is_not_all_of_the_other() {
        assert!(networks("0.0.0.0/0").contains(ip("198.51.100.1")));
        assert!(!networks("0.0.0.0/0").contains(ip("2001:db8::1")));
        assert!(networks("::/0").contains(ip("2001:db8::1")));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for wrong in [
            "",
            "a",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "10.0.0/8",
            "1.2.3.4/8/8",
            "10.0.0.0 /8",
        ] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
        assert_eq!("10.1.2.3/8".parse::<Network>().unwrap().to_string(), "10.0.0.0/8");
        assert_eq!("2001:db8::1/32".parse::<Network>().unwrap().to_string(), "2001:db8::/32");
        assert_eq!("192.0.2.7".parse::<Network>().unwrap().to_string(), "192.0.2.7/32");
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_read_back(text in "[0-9a-f:./]{0,24}") {
            if let Ok(network) = text.parse::<Network>() {
                prop_assert_eq!(network.to_string().parse::<Network>().unwrap(), network);
            }
        }
    }
}
