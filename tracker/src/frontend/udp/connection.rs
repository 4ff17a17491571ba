//! Connection ids (BEP 15), without memory of who has one.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;

use shared::time::Instant;

/// Seconds of one time slot. An id holds until the slot after its own ends: a client may use it for a minute, and a packet
/// may be a minute under way.
const SLOT: u64 = 60;

/// Makes and checks ids: a keyed hash (SipHash with a key drawn at the start) of the address and the time slot. Whoever
/// shows one has received it at that address. A clone has the same key.
#[derive(Clone, Debug, Default)]
pub(super) struct Connections {
    key: RandomState,
}

impl Connections {
    /// The id for this address now.
    pub(super) fn issue(&self, now: Instant, ip: IpAddr) -> u64 {
        self.id(ip, slot(now))
    }

    /// Whether this is an id of this address, of this slot or the one before.
    pub(super) fn holds(&self, now: Instant, ip: IpAddr, id: u64) -> bool {
        let slot = slot(now);
        id == self.id(ip, slot) || slot.checked_sub(1).is_some_and(|before| id == self.id(ip, before))
    }

    fn id(&self, ip: IpAddr, slot: u64) -> u64 {
        self.key.hash_one((ip.to_canonical(), slot))
    }
}

const fn slot(now: Instant) -> u64 {
    now.as_millis() / 1_000 / SLOT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_holds_for_its_address_for_one_to_two_minutes() {
        let connections = Connections::default();
        let at = |seconds: u64| Instant::from_millis(seconds * 1_000);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let id = connections.issue(at(59), ip("192.0.2.1"));
        assert!(connections.holds(at(59), ip("::ffff:192.0.2.1"), id));
        assert!(connections.holds(at(119), ip("192.0.2.1"), id));
        assert!(!connections.holds(at(120), ip("192.0.2.1"), id));
        assert!(!connections.holds(at(59), ip("192.0.2.2"), id));
        assert!(!connections.holds(at(59), ip("192.0.2.1"), id ^ 1));
        assert!(!connections.holds(at(0), ip("192.0.2.1"), 0));
        assert!(!Connections::default().holds(at(59), ip("192.0.2.1"), id), "each run has its own key");
    }
}
