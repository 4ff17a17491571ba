//! How many WebSockets each address has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use shared::address::network;

/// Counts what each address holds, up to a bound.
#[derive(Clone, Debug)]
pub(crate) struct PerAddress {
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
    bound: usize,
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
        Self { held: Arc::default(), bound: if bound == 0 { usize::MAX } else { bound } }
    }

    /// A place for `address`; `None` if it has all it may have.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut held = self.held.lock();
        let count = held.entry(address).or_default();
        if *count >= self.bound {
            return None;
        }
        *count += 1;
        Some(Place { held: self.held.clone(), address })
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
    fn no_bound_is_no_bound() {
        let places = PerAddress::new(0);
        let held: Vec<_> = (0..5_000).map(|_| places.take([127, 0, 0, 1].into())).collect();
        assert!(held.iter().all(Option::is_some));
    }
}
