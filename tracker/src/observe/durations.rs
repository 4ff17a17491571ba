//! How long things take, counted in buckets: exact in number and sum, within a quarter in any quantile.

use core::time::Duration;
use std::sync::atomic::{AtomicU64, Ordering};

/// Octaves of microseconds: the last bound is 1.5 times 2^26 µs, about 100 s.
const OCTAVES: usize = 27;

/// Buckets with a bound, two for each octave, and one for all that is longer.
pub(crate) const BUCKETS: usize = 2 * OCTAVES + 1;

/// The upper bound of a bucket, `None` of the last.
pub(crate) const fn bound(bucket: usize) -> Option<Duration> {
    if bucket >= BUCKETS - 1 {
        return None;
    }
    let octave = 1_000_u64 << (bucket / 2);
    Some(Duration::from_nanos(if bucket.is_multiple_of(2) { octave } else { octave / 2 * 3 }))
}

/// The bucket of a duration: the first whose bound it does not exceed.
const fn bucket(nanos: u64) -> usize {
    // 1 µs and all below it is the first.
    let above = nanos.saturating_sub(1) / 1_000;
    if above == 0 {
        return 0;
    }
    let octave = above.ilog2() as usize;
    let half = 1_500_u64 << octave;
    let bucket = if nanos <= half { 2 * octave + 1 } else { 2 * octave + 2 };
    if bucket < BUCKETS { bucket } else { BUCKETS - 1 }
}

/// Durations so far, as plain numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Histogram {
    counts: [u64; BUCKETS],
    nanos: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], nanos: 0 }
    }
}

impl Histogram {
    #[cfg(test)]
    const fn record(&mut self, duration: Duration) {
        let nanos = nanos(duration);
        self.counts[bucket(nanos)] += 1;
        self.nanos = self.nanos.saturating_add(nanos);
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together.
    pub(crate) const fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanos)
    }

    /// Numbers in each bucket, in the order of their [`bound`]s.
    pub(crate) const fn counts(&self) -> &[u64; BUCKETS] {
        &self.counts
    }

    /// What came after `earlier`, which is an earlier state of the same.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut counts = self.counts;
        for (count, before) in counts.iter_mut().zip(earlier.counts) {
            *count = count.saturating_sub(before);
        }
        Self { counts, nanos: self.nanos.saturating_sub(earlier.nanos) }
    }

    /// Adds what another counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.nanos = self.nanos.saturating_add(other.nanos);
    }

    /// The duration that `share` (0 to 1) of them do not exceed, between the bounds of its bucket; `None` of none.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        let rank = share * self.count() as f64;
        let mut below = 0_u64;
        for (bucket, &count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            if (below + count) as f64 >= rank {
                let lower = bucket.checked_sub(1).and_then(bound).unwrap_or_default();
                let upper = bound(bucket).unwrap_or(lower);
                let part = ((rank - below as f64) / count as f64).clamp(0.0, 1.0);
                return Some(lower + (upper - lower).mul_f64(part));
            }
            below += count;
        }
        None
    }
}

/// A [`Histogram`] that several threads record in: two additions, no lock.
#[derive(Debug)]
pub(crate) struct Recorder {
    counts: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; BUCKETS], nanos: AtomicU64::new(0) }
    }
}

impl Recorder {
    /// Counts one.
    pub(crate) fn record(&self, duration: Duration) {
        let nanos = nanos(duration);
        self.counts[bucket(nanos)].fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// The numbers of now. What is being recorded meanwhile may be missing in one of them.
    pub(crate) fn now(&self) -> Histogram {
        let mut counts = [0; BUCKETS];
        for (count, atomic) in counts.iter_mut().zip(&self.counts) {
            *count = atomic.load(Ordering::Relaxed);
        }
        Histogram { counts, nanos: self.nanos.load(Ordering::Relaxed) }
    }
}

const fn nanos(duration: Duration) -> u64 {
    let nanos = duration.as_nanos();
    if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_duration_is_in_the_first_bucket_that_holds_it(nanos in any::<u64>(), shift in 0..64_u32) {
            let nanos = nanos >> shift;
            let place = bucket(nanos);
            prop_assert!(bound(place).is_none_or(|bound| u128::from(nanos) <= bound.as_nanos()));
            let below = place.checked_sub(1).and_then(bound);
            prop_assert!(below.is_none_or(|bound| u128::from(nanos) > bound.as_nanos()));
        }

        #[test]
        fn a_quantile_is_near_and_recorders_count_alike(mut micros in prop::collection::vec(2..10_000_000_u64, 1..200)) {
            let (mut plain, recorder) = (Histogram::default(), Recorder::default());
            for &micros in &micros {
                plain.record(Duration::from_micros(micros));
                recorder.record(Duration::from_micros(micros));
            }
            prop_assert_eq!(recorder.now(), plain);
            micros.sort_unstable();
            for share in [0.5, 0.9, 0.99, 1.0] {
                let rank = ((share * micros.len() as f64).ceil() as usize).max(1);
                let exact = micros[rank - 1] as f64;
                let found = plain.quantile(share).unwrap_or_default().as_secs_f64() * 1e6;
                prop_assert!((exact / 1.5..=exact * 1.5).contains(&found), "{share}: {found} for {exact}");
            }
        }
    }

    #[test]
    fn bounds_grow_and_differences_are_what_came_after() {
        let bounds: Vec<_> = (0..BUCKETS).map_while(bound).collect();
        assert_eq!(bounds.len(), BUCKETS - 1);
        assert!(bounds.is_sorted() && bounds[0] == Duration::from_micros(1));
        let mut histogram = Histogram::default();
        histogram.record(Duration::from_secs(3_600));
        let earlier = histogram;
        histogram.record(Duration::from_millis(5));
        let mut only = Histogram::default();
        only.record(Duration::from_millis(5));
        assert_eq!(histogram.since(&earlier), only);
        only.merge(&earlier);
        assert_eq!(only, histogram);
        assert_eq!((histogram.count(), histogram.sum()), (2, Duration::from_millis(3_600_005)));
        assert_eq!(Histogram::default().quantile(0.5), None);
    }
}
