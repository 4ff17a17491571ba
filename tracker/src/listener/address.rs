//! How much of something each address has: connections, WebSockets, downloads.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;
use shared::address::network_of;

/// Counts what each address holds, up to a bound.
#[derive(Clone, Debug)]
pub(crate) struct PerAddress {
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
    /// What addresses have at other nodes of a cluster.
    elsewhere: Arc<Mutex<HashMap<IpAddr, usize>>>,
    bound: usize,
    /// Leading bits of an IPv6 address that count.
    ipv6_prefix: u8,
}

/// One place of an address; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl PerAddress {
    /// `bound` places for each address; 0 is no bound.
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            held: Arc::default(),
            elsewhere: Arc::default(),
            bound: if bound == 0 { usize::MAX } else { bound },
            ipv6_prefix: 64,
        }
    }

    /// The same for IPv6 networks of so many bits; 64 otherwise.
    pub(crate) fn by_prefix(self, ipv6_prefix: u8) -> Self {
        Self { ipv6_prefix, ..self }
    }

    /// A place for `address`; `None` if it has all it may have.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Place> {
        let address = network_of(address, self.ipv6_prefix);
        let elsewhere = self.elsewhere.lock().get(&address).copied().unwrap_or(0);
        let mut held = self.held.lock();
        let count = held.get(&address).copied().unwrap_or(0);
        if count.saturating_add(elsewhere) >= self.bound {
            return None;
        }
        held.insert(address, count + 1);
        Some(Place { held: self.held.clone(), address })
    }

    /// The addresses that have at least this part of what they may, with what they have, in order; those of IPv4 as they are mapped into
    /// IPv6. With more than `most` of them those that have most.
    pub(crate) fn busiest(&self, part: usize, most: usize) -> Vec<(u128, u32)> {
        if self.bound == usize::MAX {
            return Vec::new();
        }
        let least = (self.bound / part).max(1);
        let held = self.held.lock();
        let busy = held.iter().filter(|(_, count)| **count >= least);
        let mut busy: Vec<_> =
            busy.map(|(ip, count)| (bits(*ip), u32::try_from(*count).unwrap_or(u32::MAX))).collect();
        drop(held);
        if busy.len() > most {
            busy.sort_unstable_by_key(|(_, count)| u32::MAX - count);
            busy.truncate(most);
        }
        busy.sort_unstable();
        busy
    }

    /// What addresses have at other nodes, as [`Self::busiest`] names them; in place of what they had.
    pub(crate) fn set_elsewhere(&self, counts: &BTreeMap<u128, u32>) {
        let of = |(bits, count): (&u128, &u32)| (Ipv6Addr::from_bits(*bits).to_canonical(), *count as usize);
        let counts = counts.iter().map(of).collect();
        *self.elsewhere.lock() = counts;
    }
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.held.lock();
        if let Some(count) = held.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_by_address_and_given_back() {
        let places = PerAddress::new(2);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = places.take(address("192.0.2.1")).unwrap();
        let _second = places.take(address("::ffff:192.0.2.1")).unwrap();
        assert!(places.take(address("192.0.2.1")).is_none());
        drop(first);
        assert!(places.take(address("192.0.2.1")).is_some());
        let _a = places.take(address("2001:db8::1")).unwrap();
        let _b = places.take(address("2001:db8::2")).unwrap();
        assert!(places.take(address("2001:db8::ffff:1")).is_none());
        assert!(places.take(address("2001:db8:0:1::1")).is_some());
        drop((_second, _a, _b));
        assert!(places.held.lock().is_empty());
    }

    #[test]
    fn a_bound_holds_over_what_an_address_has_elsewhere() {
        let (here, there) = (PerAddress::new(20), PerAddress::new(20));
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let _held: Vec<_> = (0..15).map(|_| there.take(address("192.0.2.1")).unwrap()).collect();
        let _few = there.take(address("192.0.2.2")).unwrap();
        let _v6 = (there.take(address("2001:db8::1")), there.take(address("2001:db8::2")));
        let busiest = there.busiest(10, 9);
        assert_eq!(busiest.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [15, 2]);
        assert_eq!(there.busiest(10, 1).len(), 1);
        here.set_elsewhere(&busiest.into_iter().collect());
        let taken: Vec<_> = (0..9).filter_map(|_| here.take(address("192.0.2.1"))).collect();
        assert_eq!(taken.len(), 5);
        assert!(here.take(address("192.0.2.2")).is_some());
        here.set_elsewhere(&BTreeMap::new());
        assert!(here.take(address("192.0.2.1")).is_some());
        assert!(PerAddress::new(0).busiest(10, 9).is_empty());
    }

    #[test]
    fn a_shorter_prefix_counts_more_addresses_together() {
        let places = PerAddress::new(1).by_prefix(48);
        let _held = places.take("2001:db8::1".parse().unwrap()).unwrap();
        assert!(places.take("2001:db8:0:1::1".parse().unwrap()).is_none());
        assert!(places.take("2001:db8:1::1".parse().unwrap()).is_some());
        let _v4 = places.take("192.0.2.1".parse().unwrap()).unwrap();
        assert!(places.take("192.0.2.2".parse().unwrap()).is_some(), "IPv4 is not meant");
    }

    #[test]
    fn no_bound_is_no_bound() {
        let places = PerAddress::new(0);
        let held: Vec<_> = (0..5_000).map(|_| places.take([127, 0, 0, 1].into())).collect();
        assert!(held.iter().all(Option::is_some));
    }
}
