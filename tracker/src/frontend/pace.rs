//! How fast one socket's messages are read.

use std::time::Duration;

use tokio::time::Instant;

use super::{Rejected, Rejections};
use crate::config::NetLimits;

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
        self.spend_many(now, 1)
    }

    /// The same for so many messages at once, or for the bytes of one.
    pub(super) fn spend_many(&mut self, now: Instant, messages: u32) -> Instant {
        self.full_at = self.full_at.max(now) + self.per_message * messages;
        self.next(now)
    }

    fn next(&self, now: Instant) -> Instant {
        // Empty is `burst` before full; one message must be left.
        (self.full_at + self.per_message).checked_sub(self.burst).map_or(now, |at| at.max(now))
    }
}

/// How fast the messages of one socket are read, by number and by bytes.
#[derive(Debug)]
pub(super) struct Budget {
    messages: Pace,
    bytes: Pace,
}

impl Budget {
    pub(super) fn new(now: Instant, limits: &NetLimits) -> Self {
        let whole = |bytes| u32::try_from(bytes).unwrap_or(u32::MAX);
        Self {
            messages: Pace::new(now, limits.message_burst, limits.messages_per_second),
            bytes: Pace::new(now, whole(limits.message_bytes_burst), whole(limits.message_bytes_per_second)),
        }
    }

    /// Counts a message of so many bytes, and tells from when on the next may be read.
    pub(super) fn spend(&mut self, now: Instant, bytes: usize, rejections: &Rejections) -> Instant {
        let by_number = self.messages.spend(now);
        let by_bytes = self.bytes.spend_many(now, u32::try_from(bytes).unwrap_or(u32::MAX));
        if by_number > now {
            rejections.add(Rejected::MessagesPaced);
        }
        if by_bytes > now {
            rejections.add(Rejected::BytesPaced);
        }
        by_number.max(by_bytes)
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

    #[test]
    fn many_at_once_may_go_below_nothing_and_are_waited_for() {
        let start = Instant::now();
        let mut pace = Pace::new(start, 10, 100);
        assert_eq!(pace.spend_many(start, 9), start);
        assert_eq!(pace.spend_many(start, 21), start + Duration::from_millis(210));
    }
}
