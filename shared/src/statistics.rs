//! Medians and their intervals, as the command line and the page show them.

/// The middle of a sample, and where the middle of what it was drawn from lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Values.
    pub n: usize,
    /// Median of the sample.
    pub median: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Probability that the interval covers the true median, 0 to 1; at least 0.95 from six values on.
    pub coverage: f64,
}

impl Summary {
    /// Summary of a sample; `None` if it is empty or holds what is no number.
    ///
    /// The interval runs between two values of the sample (order statistics) and supposes nothing of how they are
    /// distributed: among n independent values, the number below the true median is binomial(n, 1/2). With fewer than
    /// six values no such interval reaches 95 %; it is then the range, with the coverage that the range has.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        if sorted.is_empty() || sorted.iter().any(|value| value.is_nan()) {
            return None;
        }
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let (skip, coverage) = order_statistics(n);
        Some(Self { n, median: middle(&sorted), low: sorted[skip], high: sorted[n - 1 - skip], coverage })
    }

    /// Whether the interval is one of 95 %; if not, it is only the range.
    pub fn is_interval(&self) -> bool {
        self.coverage >= COVERAGE
    }

    /// Whether two samples may be told apart: their intervals do not overlap, and each has [`FEWEST`] values.
    pub fn differs(&self, other: &Self) -> bool {
        let apart = self.high < other.low || other.high < self.low;
        apart && self.n.min(other.n) >= FEWEST
    }
}

/// What an interval is to cover.
const COVERAGE: f64 = 0.95;

/// Ranges of four values each lie apart by chance once in 35 (2 / C(8, 4)); of three, once in ten, which says nothing.
pub const FEWEST: usize = 4;

/// Median; `None` if there is no value.
pub fn median(values: &[f64]) -> Option<f64> {
    Summary::of(values.iter().copied()).map(|summary| summary.median)
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { f64::midpoint(sorted[half - 1], sorted[half]) }
}

/// How many values to leave out at each end of `n` sorted ones so that the rest covers the median with 95 %, and with
/// which probability it does.
fn order_statistics(n: usize) -> (usize, f64) {
    const TAIL: f64 = (1.0 - COVERAGE) / 2.0;
    // Probability of `k` successes, and of at most `k`, by recurrence in logarithms: 0.5^n underflows from 1075 on.
    let mut log_term = -(n as f64) * std::f64::consts::LN_2;
    let mut tail = log_term.exp();
    let mut covered = (0, 1.0 - 2.0 * tail);
    for k in 1..n / 2 {
        log_term += ((n + 1 - k) as f64 / k as f64).ln();
        tail += log_term.exp();
        if tail > TAIL {
            break;
        }
        covered = (k, 1.0 - 2.0 * tail);
    }
    (covered.0, covered.1.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[1.0, f64::NAN]), None);
    }

    #[test]
    fn few_values_have_their_range_and_say_what_it_covers() {
        let one = Summary::of([5.0]).unwrap();
        assert_eq!((one.low, one.high, one.coverage), (5.0, 5.0, 0.0));
        let five = Summary::of([5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!((five.low, five.high), (1.0, 5.0));
        assert!((five.coverage - 0.9375).abs() < 1e-9);
    }

    #[test]
    fn few_values_tell_nothing_apart() {
        let of = |from: u32, n: u32| {
            let values: Vec<f64> = (from..from + n).map(f64::from).collect();
            Summary::of(values).unwrap()
        };
        assert!(of(1, 4).differs(&of(5, 4)) && of(5, 4).differs(&of(1, 4)));
        assert!(!of(1, 4).differs(&of(4, 4)), "they share a value");
        assert!(!of(1, 3).differs(&of(10, 4)), "three are too few");
        assert_eq!([5, 6, 100].map(|n| of(1, n).is_interval()), [false, true, true]);
    }

    #[test]
    fn intervals_are_those_of_the_tables() {
        // Ranks of the 95 % interval of a median, as in tables of the sign test.
        for (n, rank) in [(6, 1), (8, 1), (9, 2), (10, 2), (20, 6), (33, 11), (50, 18), (100, 40)] {
            let (skip, coverage) = order_statistics(n);
            assert_eq!(skip + 1, rank, "n = {n}");
            assert!((0.95..1.0).contains(&coverage), "n = {n}: {coverage}");
        }
        let (skip, _) = order_statistics(10_000);
        assert!((4_899..=4_905).contains(&skip), "{skip}");
    }
}
