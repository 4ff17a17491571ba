//! How fast one socket's messages are read.

use std::time::Duration;

use tokio::time::Instant;

/// A bucket of permissions to read one message, filled at a steady rate.
#[derive(Debug)]
pub(super) struct Pace {
    /// When the bucket would be full again. Everything is said by this one instant.
    full_at: Instant,
    per_message: Duration,
    burst: Duration,
}

impl Pace {
    pub(super) fn new(now: Instant, burst: u32, per_second: u32) -> Self {
        let per_message = Duration::from_secs(1) / per_second.max(1);
        Self { full_at: now, per_message, burst: per_message * burst.max(1) }
    }

    /// Counts a message, and tells from when on the next may be read.
    pub(super) fn spend(&mut self, now: Instant) -> Instant {
        self.full_at = self.full_at.max(now) + self.per_message;
        self.next(now)
    }

    fn next(&self, now: Instant) -> Instant {
        // Empty is `burst` before full; one message must be left.
        (self.full_at + self.per_message).checked_sub(self.burst).map_or(now, |at| at.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut pace = Pace::new(start, 10, 100);
        for message in 1..10 {
            assert_eq!(pace.spend(start), start, "message {message}");
        }
        assert_eq!(pace.spend(start), start + Duration::from_millis(10));
        let later = start + Duration::from_secs(60);
        for _ in 1..10 {
            assert_eq!(pace.spend(later), later);
        }
        assert_eq!(pace.spend(later), later + Duration::from_millis(10));
    }
}
