//! One transfer as it runs: how far, how fast.

/// Curves have a sample this often, seconds; where a transfer is long, more seldom.
const SAMPLE: f64 = 0.1;
const SAMPLES_MAX: usize = 400;

/// The latest transfer of a way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Live {
    /// Bytes of all receivers that are expected.
    pub expected: u64,
    /// Seconds and bytes so far.
    pub samples: Vec<(f64, u64)>,
    /// How it stands.
    pub state: LiveState,
    /// Seconds between two samples at least.
    pub every: f64,
}

/// How it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum LiveState {
    /// Its turn comes.
    #[default]
    Waiting,
    /// Bytes move.
    Running,
    /// Done in so many seconds.
    Done(f64),
    /// It failed, and why.
    Failed(String),
}

impl Live {
    /// Whether [`Live::note`] would keep this: bytes come by the thousand chunks, what is drawn changes ten times a second.
    pub fn is_due(&self, seconds: f64, bytes: u64) -> bool {
        let last = self.samples.last();
        bytes >= self.expected || last.is_none_or(|(last, _)| seconds - last >= self.every.max(SAMPLE))
    }

    /// Notes a reading.
    pub fn note(&mut self, seconds: f64, bytes: u64) {
        self.every = self.every.max(SAMPLE);
        let due = self.samples.last().is_none_or(|(last, _)| seconds - last >= self.every);
        if !due && bytes < self.expected {
            return;
        }
        self.samples.push((seconds, bytes));
        if self.samples.len() > SAMPLES_MAX {
            let mut odd = false;
            self.samples.retain(|_| {
                odd = !odd;
                odd
            });
            self.every *= 2.0;
        }
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.samples.last().map_or(0, |sample| sample.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_stay_bounded() {
        let mut live = Live { expected: u64::MAX, ..Live::default() };
        for at in 0..100_000_u64 {
            live.note(at as f64 * 0.05, at);
        }
        assert!(live.samples.len() <= SAMPLES_MAX, "{}", live.samples.len());
        assert!(live.samples.is_sorted());
    }
}
