//! How many requests of one address are answered, over HTTP and UDP together.

use std::hash::{BuildHasher as _, DefaultHasher, Hash as _, Hasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use shared::address::network_of;
use shared::time::Instant;

/// Buckets. An address uses the one that its hash falls upon, so that no number of addresses takes more memory; two that
/// share one are rare, and nobody can choose whom to share with.
const BUCKETS: usize = 1 << 16;

/// How long an address pays for what other nodes let through, in nanoseconds: some nodes' work of a second.
const DEBT_MAX: u64 = 10_000_000_000;

/// A bucket of permissions for each address, filled at a steady rate.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Chooses the bucket of an address. All nodes of a cluster have the same.
    secret: [AtomicU64; 2],
    /// When each bucket would be full again, in nanoseconds of the tracker's clock.
    full_at: Box<[AtomicU64]>,
    per_request: u64,
    burst: u64,
    /// Requests of each bucket that were let through since somebody asked; none if nobody will.
    spent: Box<[AtomicU32]>,
    /// Leading bits of an IPv6 address that count.
    ipv6_prefix: u8,
}

impl Gate {
    /// `per_second` requests in the long run, `burst` at once; 0 a second is no bound.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let second = Duration::from_secs(1).as_nanos() as u64;
        let per_request = second.checked_div(u64::from(per_second)).unwrap_or(0);
        let buckets = if per_request == 0 { 0 } else { BUCKETS };
        Self {
            secret: [0, 1].map(|part: u8| AtomicU64::new(RandomState::new().hash_one(part))),
            full_at: (0..buckets).map(|_| AtomicU64::new(0)).collect(),
            per_request,
            burst: per_request * u64::from(burst.max(1)),
            spent: Box::default(),
            ipv6_prefix: 64,
        }
    }

    /// The same for IPv6 networks of so many bits; 64 otherwise.
    pub(crate) fn by_prefix(self, ipv6_prefix: u8) -> Self {
        Self { ipv6_prefix, ..self }
    }

    /// The same, for a node of a cluster: what is let through is counted for the other nodes.
    pub(crate) fn counted(self, is_counted: bool) -> Self {
        let buckets = if is_counted { self.full_at.len() } else { 0 };
        Self { spent: (0..buckets).map(|_| AtomicU32::new(0)).collect(), ..self }
    }

    /// Chooses the buckets of addresses by this secret from now on, which all nodes of a cluster have in common.
    pub(crate) fn share(&self, secret: [u8; 16]) {
        for (part, bytes) in self.secret.iter().zip(secret.as_chunks::<8>().0) {
            part.store(u64::from_be_bytes(*bytes), Ordering::Relaxed);
        }
    }

    /// The buckets that let at least this part of their rate through since the last call, a second ago, with how many requests it
    /// was; in order. With more than `most` of them those that let most through.
    pub(crate) fn spent(&self, part: usize, most: usize) -> Vec<(u16, u32)> {
        let second = Duration::from_secs(1).as_nanos() as u64;
        let rate = second.checked_div(self.per_request).unwrap_or(0);
        let least = u32::try_from(rate / part as u64).unwrap_or(u32::MAX).max(1);
        let take = |(at, spent): (usize, &AtomicU32)| {
            let count = if spent.load(Ordering::Relaxed) == 0 { 0 } else { spent.swap(0, Ordering::Relaxed) };
            (count >= least).then_some((at as u16, count))
        };
        let mut spent: Vec<_> = self.spent.iter().enumerate().filter_map(take).collect();
        if spent.len() > most {
            spent.sort_unstable_by_key(|(_, count)| u32::MAX - count);
            spent.truncate(most);
            spent.sort_unstable();
        }
        spent
    }

    /// Counts requests that another node let through. They may put an address into debt: nodes that learn of each other's requests a
    /// second late would each let the whole rate through otherwise.
    pub(crate) fn spend_elsewhere(&self, now: Instant, spent: &[(u16, u32)]) {
        let now = now.as_nanos();
        for (at, count) in spent {
            let Some(full_at) = self.full_at.get(usize::from(*at)) else { return };
            let spend = |full_at: u64| {
                let all = full_at.max(now).saturating_add(self.per_request.saturating_mul(u64::from(*count)));
                Some(all.min(now.saturating_add(self.burst.saturating_add(DEBT_MAX))).max(full_at))
            };
            let _ = full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend);
        }
    }

    fn bucket(&self, ip: IpAddr) -> usize {
        let mut hasher = DefaultHasher::new();
        self.secret.iter().for_each(|part| hasher.write_u64(part.load(Ordering::Relaxed)));
        network_of(ip, self.ipv6_prefix).hash(&mut hasher);
        hasher.finish() as usize % BUCKETS
    }

    /// Counts a request of this address; `false` if it is one too many.
    pub(crate) fn admit(&self, now: Instant, ip: IpAddr) -> bool {
        if self.full_at.is_empty() {
            return true;
        }
        let at = self.bucket(ip);
        let Some(full_at) = self.full_at.get(at) else { return true };
        let now = now.as_nanos();
        let spend = |full_at: u64| {
            let spent = full_at.max(now) + self.per_request;
            (spent - now <= self.burst).then_some(spent)
        };
        let admitted = full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok();
        if admitted && let Some(spent) = self.spent.get(at) {
            spent.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(gate: &Gate, millis: u64, ip: &str, requests: usize) -> usize {
        let ip = ip.parse().unwrap();
        (0..requests).filter(|_| gate.admit(Instant::from_millis(millis), ip)).count()
    }

    #[test]
    fn a_burst_is_free_and_then_the_rate_holds_for_each_address() {
        let gate = Gate::new(100, 10);
        assert_eq!(admitted(&gate, 0, "192.0.2.1", 50), 10);
        assert_eq!(admitted(&gate, 1_000, "192.0.2.1", 50), 10);
        assert_eq!(admitted(&gate, 1_050, "192.0.2.1", 50), 5);
        assert_eq!(admitted(&gate, 1_050, "::ffff:192.0.2.1", 50), 0);
        assert_eq!(admitted(&gate, 60_000, "2001:db8::1", 50), 10);
        assert_eq!(admitted(&gate, 60_000, "2001:db8::2", 50), 0, "one network of 64 bits");
    }

    #[test]
    fn nodes_that_tell_each_other_let_one_rate_through_together() {
        let gates: Vec<_> = (0..3).map(|_| Gate::new(100, 10).counted(true)).collect();
        gates.iter().for_each(|gate| gate.share([7; 16]));
        let ip: IpAddr = "192.0.2.1".parse().unwrap();
        let mut admitted = 0;
        for millis in 0..60_000_u64 {
            let now = Instant::from_millis(millis);
            // Two thousand a second at each.
            admitted +=
                gates.iter().map(|gate| (0..2).filter(|_| gate.admit(now, ip)).count()).sum::<usize>();
            if millis % 1_000 == 999 {
                let spent: Vec<_> = gates.iter().map(|gate| gate.spent(10, 9)).collect();
                for (at, gate) in gates.iter().enumerate() {
                    let others = spent.iter().enumerate().filter(|(other, _)| *other != at);
                    others.for_each(|(_, spent)| gate.spend_elsewhere(now, spent));
                }
            }
        }
        // Each in the first second, before it knows of the others; of the next few the debt is a part.
        assert!((6_000..9_000).contains(&admitted), "{admitted}");
        let alone = gates[0].admit(Instant::from_millis(72_000), ip);
        assert!(alone, "it is not for ever");
        assert_eq!(Gate::new(100, 10).spent(10, 9), [], "by itself it counts nothing");
    }

    #[test]
    fn zero_is_no_bound() {
        assert_eq!(admitted(&Gate::new(0, 10), 0, "192.0.2.1", 50), 50);
    }
}
