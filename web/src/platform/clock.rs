//! The browser's clocks as the engine's time.

use std::cell::Cell;

use shared::time::{Instant, UnixTime};
use wasm_bindgen::JsCast as _;
use web_sys::Performance;

use super::{JsError, scope};

/// A difference between the two clocks that no adjustment of the wall clock explains: the machine slept.
const SLEPT_MS: f64 = 5_000.0;

/// A monotonic clock that also advances over the machine's sleep, where `performance.now()` stands still.
pub struct Clock {
    performance: Performance,
    /// `Date.now() - performance.now()` when last read.
    offset_ms: Cell<f64>,
    slept_ms: Cell<f64>,
    last: Cell<Instant>,
}

impl Clock {
    /// A clock whose origin is the start of this page or worker.
    pub fn new() -> Result<Self, JsError> {
        let performance = scope::property(&js_sys::global(), "performance")
            .dyn_into::<Performance>()
            .map_err(|_| JsError::unexpected("expected performance.now"))?;
        let offset_ms = js_sys::Date::now() - performance.now();
        Ok(Self {
            performance,
            offset_ms: Cell::new(offset_ms),
            slept_ms: Cell::new(0.0),
            last: Cell::new(Instant::ORIGIN),
        })
    }

    /// Now; never before what was answered last.
    pub fn now(&self) -> Instant {
        let ms = self.performance.now() + self.slept_ms.get();
        let now = Instant::from_nanos((ms * 1e6) as u64).max(self.last.get());
        self.last.set(now);
        now
    }

    /// Looks whether the machine slept since the last look. To be called before whatever happened is taken in.
    pub fn notice_sleep(&self) {
        let offset = js_sys::Date::now() - self.performance.now();
        let jump = offset - self.offset_ms.replace(offset);
        self.slept_ms.set(self.slept_ms.get() + slept(jump));
    }

    /// Milliseconds of `performance.now()`, for short measurements.
    pub fn millis(&self) -> f64 {
        self.performance.now()
    }
}

/// Of a difference that came up between the two clocks, what was sleep.
fn slept(jump_ms: f64) -> f64 {
    if jump_ms > SLEPT_MS { jump_ms } else { 0.0 }
}

/// Seconds since 1970 by the wall clock.
pub fn unix_time() -> UnixTime {
    UnixTime((js_sys::Date::now() / 1e3) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_jump_ahead_that_no_adjustment_makes_is_sleep() {
        for (jump, expected) in [(0.4, 0.0), (-3_600_000.0, 0.0), (5_000.0, 0.0), (600_000.0, 600_000.0)] {
            assert!((slept(jump) - expected).abs() < f64::EPSILON, "{jump}");
        }
    }
}
