//! How long things took, in few numbers.

use core::time::Duration;

/// Upper bounds in milliseconds; one more class takes what lies above.
pub const BOUNDS: [u64; 16] =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 120_000];

/// Times by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How many were at most as long as the bound of the same place in [`BOUNDS`] and longer than the one before; at the last place
    /// those above all.
    pub counts: [u64; BOUNDS.len() + 1],
    /// All of them together, in microseconds.
    pub sum_micros: u64,
}

impl Histogram {
    pub(super) fn add(&mut self, took: Duration) {
        let class = BOUNDS.iter().position(|bound| took <= Duration::from_millis(*bound));
        self.counts[class.unwrap_or(BOUNDS.len())] += 1;
        self.sum_micros += u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    }

    /// Adds what another counted.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(own, more)| *own += more);
        self.sum_micros = self.sum_micros.saturating_add(other.sum_micros);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The bound in milliseconds below which at least this `part` (0 to 1) of all lies; `None` if there were none. What lies above
    /// all bounds is given the last one.
    pub fn quantile(&self, part: f64) -> Option<u64> {
        let rank = (self.count() as f64 * part).ceil().max(1.0) as u64;
        let mut seen = 0;
        let class = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(BOUNDS[class.min(BOUNDS.len() - 1)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_classes() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for micros in [0, 999, 1_000, 1_001, 49_000, 999_000_000] {
            histogram.add(Duration::from_micros(micros));
        }
        assert_eq!(histogram.counts[..2], [3, 1]);
        assert_eq!((histogram.counts[5], histogram.counts[BOUNDS.len()], histogram.count()), (1, 1, 6));
        assert_eq!(
            (histogram.quantile(0.5), histogram.quantile(0.8), histogram.quantile(1.0)),
            (Some(1), Some(50), Some(120_000))
        );
        let mut twice = histogram;
        twice.merge(&histogram);
        assert_eq!((twice.count(), twice.sum_micros), (12, 2 * histogram.sum_micros));
    }
}
