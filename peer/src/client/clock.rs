//! Time as the engine is told it.

use std::time::{Duration, Instant as Monotonic, SystemTime, UNIX_EPOCH};

use shared::time::{Instant, UnixTime};

/// Counts from when the client began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    origin: Monotonic,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { origin: Monotonic::now() }
    }

    pub(super) fn now(self) -> Instant {
        Instant::from_nanos(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// When an instant is, for timers.
    pub(super) fn at(self, instant: Instant) -> tokio::time::Instant {
        (self.origin + Duration::from_nanos(instant.as_nanos())).into()
    }

    pub(super) fn unix() -> UnixTime {
        UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
    }
}
