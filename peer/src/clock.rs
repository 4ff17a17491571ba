//! Time as the engine is told it.

use std::time::{Duration, Instant as Monotonic, SystemTime, UNIX_EPOCH};

use shared::time::{Instant, UnixTime};

/// Counts from when the client began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Monotonic,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: Monotonic::now() }
    }

    pub(crate) fn now(self) -> Instant {
        Instant::from_nanos(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// When an instant is, for timers.
    pub(crate) fn at(self, instant: Instant) -> tokio::time::Instant {
        (self.origin + Duration::from_nanos(instant.as_nanos())).into()
    }

    pub(crate) fn unix() -> UnixTime {
        UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
    }
}
