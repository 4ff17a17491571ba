//! How many memberships each subscriber has, in a table of fixed size.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use shared::address::network_of;
use shared::id::InfoHash;
use shared::rng::Rng;

use super::index::Keys;

/// Memberships to a counter, at most, when as many members are there as may be. Those of others who fall upon the same
/// counter are counted with an address; with so few of them a bound of 64 is not reached by chance.
const SHARED_BY: usize = 4;

/// Fewest counters, and most: 256 kB and 16 MB.
const COUNTERS: (usize, usize) = (1 << 16, 1 << 22);

/// Counters by address (IPv6: by network of 64 bits), alone and together with a swarm. Which counter somebody has follows
/// from a key drawn at the start, so that nobody can choose whom to share with. May be used from several threads.
#[derive(Debug)]
pub(super) struct Networks {
    keys: Keys,
    held: Box<[AtomicU32]>,
    /// Leading bits of an IPv6 address that count.
    ipv6_prefix: u8,
}

impl Networks {
    /// For so many `members` of all swarms.
    pub(super) fn new(members: usize, ipv6_prefix: u8, rng: &mut Rng) -> Self {
        let counters = (members / SHARED_BY).clamp(COUNTERS.0, COUNTERS.1).next_power_of_two();
        Self { keys: Keys::new(rng), held: (0..counters).map(|_| AtomicU32::new(0)).collect(), ipv6_prefix }
    }

    /// Memberships of this address in all swarms.
    pub(super) fn everywhere(&self, ip: IpAddr) -> u32 {
        self.of_everywhere(ip).load(Ordering::Relaxed)
    }

    /// Those in one swarm.
    pub(super) fn within(&self, ip: IpAddr, swarm: &InfoHash) -> u32 {
        self.of_swarm(ip, swarm).load(Ordering::Relaxed)
    }

    pub(super) fn joined(&self, ip: IpAddr, swarm: &InfoHash) {
        self.of_everywhere(ip).fetch_add(1, Ordering::Relaxed);
        self.of_swarm(ip, swarm).fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn left(&self, ip: IpAddr, swarm: &InfoHash) {
        self.of_everywhere(ip).fetch_sub(1, Ordering::Relaxed);
        self.of_swarm(ip, swarm).fetch_sub(1, Ordering::Relaxed);
    }

    fn of_everywhere(&self, ip: IpAddr) -> &AtomicU32 {
        self.counter(self.keys.hash(&network_of(ip, self.ipv6_prefix)))
    }

    fn of_swarm(&self, ip: IpAddr, swarm: &InfoHash) -> &AtomicU32 {
        self.counter(self.keys.hash(&(network_of(ip, self.ipv6_prefix), swarm)))
    }

    fn counter(&self, hash: u64) -> &AtomicU32 {
        &self.held[hash as usize & (self.held.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memberships_are_counted_by_network_and_swarm() {
        let networks = Networks::new(1_000_000, 64, &mut Rng::from_seed([1; 32]));
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let (one, other) = (InfoHash([1; 20]), InfoHash([2; 20]));
        (0..5).for_each(|_| networks.joined(ip("2001:db8::1"), &one));
        (0..2).for_each(|_| networks.joined(ip("2001:db8::2"), &other));
        assert_eq!(networks.everywhere(ip("2001:db8::3")), 7);
        assert_eq!(networks.within(ip("2001:db8::3"), &one), 5);
        assert_eq!(networks.within(ip("2001:db8::3"), &other), 2);
        assert_eq!(networks.everywhere(ip("192.0.2.1")), 0);
        networks.left(ip("2001:db8::9"), &one);
        assert_eq!(
            (networks.everywhere(ip("2001:db8::1")), networks.within(ip("2001:db8::1"), &one)),
            (6, 4)
        );
    }
}
