//! How many requests of one address are answered, over HTTP and UDP together.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shared::address::network;
use shared::time::Instant;

/// Buckets. An address uses the one that its hash falls upon, so that no number of addresses takes more memory; two that
/// share one are rare, and nobody can choose whom to share with.
const BUCKETS: usize = 1 << 16;

/// A bucket of permissions for each address, filled at a steady rate.
#[derive(Debug)]
pub(crate) struct Gate {
    hasher: RandomState,
    /// When each bucket would be full again, in nanoseconds of the tracker's clock.
    full_at: Box<[AtomicU64]>,
    per_request: u64,
    burst: u64,
}

impl Gate {
    /// `per_second` requests in the long run, `burst` at once; 0 a second is no bound.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let second = Duration::from_secs(1).as_nanos() as u64;
        let per_request = second.checked_div(u64::from(per_second)).unwrap_or(0);
        let buckets = if per_request == 0 { 0 } else { BUCKETS };
        Self {
            hasher: RandomState::new(),
            full_at: (0..buckets).map(|_| AtomicU64::new(0)).collect(),
            per_request,
            burst: per_request * u64::from(burst.max(1)),
        }
    }

    /// Counts a request of this address; `false` if it is one too many.
    pub(crate) fn admit(&self, now: Instant, ip: IpAddr) -> bool {
        let at = self.hasher.hash_one(network(ip)) as usize % BUCKETS;
        let Some(full_at) = self.full_at.get(at) else { return true };
        let now = now.as_nanos();
        let spend = |full_at: u64| {
            let spent = full_at.max(now) + self.per_request;
            (spent - now <= self.burst).then_some(spent)
        };
        full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok()
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
    fn zero_is_no_bound() {
        assert_eq!(admitted(&Gate::new(0, 10), 0, "192.0.2.1", 50), 50);
    }
}
