//! Medians and their intervals.

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
    /// Probability that the interval covers the true median; at least 0.95 from six values on.
    pub coverage: f64,
}

impl Summary {
    /// Summary of a sample; `None` if it is empty or holds what is no number.
    ///
    /// The interval runs between two of the values, and supposes nothing of how they are distributed: of n independent
    /// values, the number below the true median is binomial(n, 1/2). Fewer than six reach no 95 %: it is their range then.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        if sorted.is_empty() || sorted.iter().any(|value| value.is_nan()) {
            return None;
        }
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let (left_out, coverage) = left_out(n);
        let median = f64::midpoint(sorted[(n - 1) / 2], sorted[n / 2]);
        Some(Self { n, median, low: sorted[left_out], high: sorted[n - 1 - left_out], coverage })
    }

    /// Whether the two intervals have a value in common: then the samples show no difference.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

/// How many of `n` sorted values are left out at each end, and how likely the rest covers the median.
fn left_out(n: usize) -> (usize, f64) {
    // Probability of exactly k values below the median, from k to k + 1; a page repeats a few dozen times, far from where
    // the first would be too small to be told from zero.
    let mut exactly = 0.5_f64.powi(n.min(1_000) as i32);
    let mut below = exactly;
    let mut best = (0, 1.0 - 2.0 * below);
    for k in 1..n.div_ceil(2) {
        exactly *= (n + 1 - k) as f64 / k as f64;
        below += exactly;
        if below > 0.025 {
            break;
        }
        best = (k, 1.0 - 2.0 * below);
    }
    (best.0, best.1.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let median = |values: &[f64]| Summary::of(values.iter().copied()).map(|summary| summary.median);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[1.0, f64::NAN]), None);
    }

    #[test]
    fn intervals_are_those_of_the_sign_test() {
        for (n, rank) in [(6, 1), (8, 1), (9, 2), (10, 2), (20, 6), (33, 11), (50, 18), (100, 40)] {
            let (out, coverage) = left_out(n);
            assert_eq!(out + 1, rank, "n = {n}");
            assert!((0.95..1.0).contains(&coverage), "n = {n}: {coverage}");
        }
        let five = Summary::of([5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!((five.low, five.high), (1.0, 5.0));
        assert!((five.coverage - 0.9375).abs() < 1e-9, "the range of five values");
        assert_eq!(Summary::of([7.0]).unwrap().coverage, 0.0);
    }

    #[test]
    fn samples_that_cannot_be_told_apart_overlap() {
        let (a, b, c) = ([1.0, 2.0, 3.0], [2.5, 3.5], [4.0, 5.0]);
        let [a, b, c] = [Summary::of(a), Summary::of(b), Summary::of(c)].map(Option::unwrap);
        assert!(a.overlaps(&b) && b.overlaps(&a) && !a.overlaps(&c));
    }
}
