//! Rates: how fast something went, and how fast it may go. No clock inside.

use core::time::Duration;

use crate::time::Instant;

/// Length of one slot of a [`RateMeter`].
const SLOT: Duration = Duration::from_millis(250);

/// Slots that a rate looks back over: five seconds, long enough to be calm and short enough to show a stall.
const SLOTS: usize = 20;

/// Shortest time that a rate is taken over, so that a first burst is not shown as a gigabyte a second.
const SPAN_MIN: Duration = Duration::from_millis(1_000);

/// Bytes a second over the last five seconds, and bytes in all.
#[derive(Clone, Debug, Default)]
pub struct RateMeter {
    slots: [u64; SLOTS],
    /// Number of the newest slot, counted from the clock's origin.
    newest: u64,
    /// When the present run of activity began.
    since: Option<Instant>,
    total: u64,
}

impl RateMeter {
    /// Counts `bytes` that went by at `now`.
    pub fn add(&mut self, now: Instant, bytes: u64) {
        if self.sum(now) == 0 {
            self.since = Some(now);
        }
        self.advance(slot(now));
        self.slots[(self.newest % SLOTS as u64) as usize] += bytes;
        self.total += bytes;
    }

    /// Bytes a second, over the last five seconds or since the activity began.
    pub fn rate(&self, now: Instant) -> u64 {
        let sum = self.sum(now);
        let Some(since) = self.since.filter(|_| sum > 0) else { return 0 };
        let span = now.saturating_since(since).clamp(SPAN_MIN, SLOT * SLOTS as u32);
        (u128::from(sum) * 1_000_000_000 / span.as_nanos().max(1)) as u64
    }

    /// Bytes in all.
    pub const fn total(&self) -> u64 {
        self.total
    }

    fn sum(&self, now: Instant) -> u64 {
        let now = slot(now).max(self.newest);
        let oldest = (now + 1).saturating_sub(SLOTS as u64);
        (oldest..=self.newest).map(|number| self.slots[(number % SLOTS as u64) as usize]).sum()
    }

    fn advance(&mut self, to: u64) {
        let steps = to.saturating_sub(self.newest).min(SLOTS as u64);
        for step in 0..steps {
            self.slots[((to - step) % SLOTS as u64) as usize] = 0;
        }
        self.newest = self.newest.max(to);
    }
}

fn slot(now: Instant) -> u64 {
    now.as_nanos() / SLOT.as_nanos() as u64
}

/// Longest run that an idle bucket saves up for.
const BURST: Duration = Duration::from_millis(250);

/// What one taker may take in its turn, as a part of a second: short, so that nobody waits long for theirs.
const TURNS_A_SECOND: u64 = 50;

/// Tokens, one a byte, that come in at a steady rate.
///
/// Whoever may go takes all that one message needs, also beyond what is there: the debt is waited for afterwards.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    /// Tokens a second; `None` is no limit.
    rate: Option<u64>,
    /// Tokens there, in billionths, so that slow rates lose nothing to rounding.
    nanos: i128,
    last: Instant,
}

/// Billionths of a token in a token.
const NANOS: i128 = 1_000_000_000;

impl TokenBucket {
    /// A full bucket.
    pub fn new(rate: Option<u64>, now: Instant) -> Self {
        let mut bucket = Self { rate, nanos: 0, last: now };
        bucket.nanos = bucket.capacity();
        bucket
    }

    /// Changes the rate; what was saved up or owed under the old one is forgotten.
    pub fn set_rate(&mut self, rate: Option<u64>, now: Instant) {
        *self = Self::new(rate, now);
    }

    /// Tokens a second; `None` is no limit.
    pub const fn rate(&self) -> Option<u64> {
        self.rate
    }

    /// Whether something may go now.
    pub fn ready(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.rate.is_none() || self.nanos > 0
    }

    /// Bytes that may go now; the largest number without a limit.
    pub fn allowance(&mut self, now: Instant) -> u64 {
        self.refill(now);
        if self.rate.is_none() {
            return u64::MAX;
        }
        u64::try_from((self.nanos + NANOS - 1).max(0) / NANOS).unwrap_or(u64::MAX)
    }

    /// Bytes after which a taker lets others have their turn; `None` where there is enough for everybody.
    pub fn turn(&self) -> Option<u64> {
        self.rate.map(|rate| (rate / TURNS_A_SECOND).max(1))
    }

    /// Takes tokens for something that goes now.
    pub fn take(&mut self, now: Instant, bytes: u64) {
        self.refill(now);
        if self.rate.is_some() {
            self.nanos -= i128::from(bytes) * NANOS;
        }
    }

    /// When something may go again; `None` if it may now, or if the rate is 0 and it never may.
    pub fn next(&self) -> Option<Instant> {
        let rate = i128::from(self.rate?);
        if self.nanos > 0 || rate == 0 {
            return None;
        }
        let wait = (-self.nanos) / rate + 1;
        // At least a few milliseconds, so that a limited transfer goes in worthwhile batches.
        Some(
            self.last
                + Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX)).max(Duration::from_millis(5)),
        )
    }

    fn refill(&mut self, now: Instant) {
        let Some(rate) = self.rate else { return };
        let elapsed = now.saturating_since(self.last).as_nanos() as i128;
        self.last = self.last.max(now);
        self.nanos = (self.nanos + elapsed * i128::from(rate)).min(self.capacity());
    }

    fn capacity(&self) -> i128 {
        i128::from(self.rate.unwrap_or(0)) * BURST.as_nanos() as i128
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn a_steady_flow_shows_its_rate_and_a_stall_shows_zero() {
        let mut meter = RateMeter::default();
        for tick in 0..200 {
            meter.add(at(tick * 50), 5_000);
        }
        let rate = meter.rate(at(9_990));
        assert!((95_000..=105_000).contains(&rate), "{rate}");
        assert_eq!(meter.rate(at(15_100)), 0);
        assert_eq!(meter.total(), 1_000_000);
    }

    #[test]
    fn a_meter_survives_a_jump_of_the_clock() {
        let mut meter = RateMeter::default();
        meter.add(at(0), 1_000);
        meter.add(at(3_600_000), 500);
        assert_eq!(meter.rate(at(3_600_000)), 500);
    }

    #[test]
    fn a_bucket_lets_through_its_rate() {
        let mut bucket = TokenBucket::new(Some(100_000), at(0));
        let mut sent: u64 = 0;
        for tick in 0..10_000 {
            while bucket.ready(at(tick)) {
                bucket.take(at(tick), 16_384);
                sent += 16_384;
            }
            assert!(bucket.next().is_some_and(|next| next > at(tick)));
        }
        assert!((1_000_000..=1_060_000).contains(&sent), "{sent}");
    }

    #[test]
    fn a_bucket_without_a_limit_is_always_ready_and_one_of_zero_never() {
        let mut free = TokenBucket::new(None, at(0));
        free.take(at(0), u64::MAX);
        assert!(free.ready(at(0)));
        assert_eq!(free.next(), None);
        let mut shut = TokenBucket::new(Some(0), at(0));
        assert!(!shut.ready(at(1_000_000)));
        assert_eq!(shut.next(), None);
    }
}
