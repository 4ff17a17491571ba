//! Rates of the last two minutes, one sample a second, kept while views come and go.

use std::collections::{BTreeMap, VecDeque};

use leptos::prelude::*;
use shared::id::InfoHash;

/// Seconds that the chart shows.
pub const WINDOW: usize = 120;

/// Rates to and from all peers of one torrent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    samples: VecDeque<(u64, u64)>,
    last_second: Option<u64>,
}

impl History {
    /// Notes the rates at a time in milliseconds. At most one sample a second; seconds without one keep the last.
    /// Returns whether anything changed.
    pub fn note(&mut self, now_ms: u64, down: u64, up: u64) -> bool {
        let second = now_ms / 1_000;
        let passed = match self.last_second {
            Some(last) if second <= last => return false,
            Some(last) => (second - last).min(WINDOW as u64),
            None => 1,
        };
        let held = self.samples.back().copied().unwrap_or((down, up));
        for _ in 1..passed {
            self.push(held);
        }
        self.push((down, up));
        self.last_second = Some(second);
        true
    }

    fn push(&mut self, sample: (u64, u64)) {
        if self.samples.len() == WINDOW {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// `(down, up)` in bytes a second, oldest first, at most [`WINDOW`].
    pub fn samples(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> + ExactSizeIterator + '_ {
        self.samples.iter().copied()
    }

    /// The largest rate in the window.
    pub fn peak(&self) -> u64 {
        self.samples.iter().map(|(down, up)| *down.max(up)).max().unwrap_or(0)
    }
}

/// The histories of all torrents of this tab.
#[derive(Clone, Copy)]
pub struct Histories(StoredValue<BTreeMap<InfoHash, ArcRwSignal<History>>>);

impl Default for Histories {
    fn default() -> Self {
        Self(StoredValue::new(BTreeMap::new()))
    }
}

impl Histories {
    /// The history of one torrent, empty if it is new.
    pub fn of(&self, info_hash: InfoHash) -> ArcRwSignal<History> {
        let mut found = None;
        self.0.update_value(|all| found = Some(all.entry(info_hash).or_default().clone()));
        found.unwrap_or_default()
    }

    /// Forgets a torrent.
    pub fn forget(&self, info_hash: InfoHash) {
        self.0.update_value(|all| {
            all.remove(&info_hash);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sample_a_second_and_silence_keeps_the_last() {
        let mut history = History::default();
        assert!(history.note(10_000, 5, 1));
        assert!(!history.note(10_900, 9, 9));
        assert!(history.note(13_000, 7, 0));
        assert_eq!(history.samples().collect::<Vec<_>>(), [(5, 1), (5, 1), (5, 1), (7, 0)]);
        assert_eq!(history.peak(), 7);
    }

    #[test]
    fn the_window_is_bounded_even_after_a_long_sleep() {
        let mut history = History::default();
        history.note(0, 1, 1);
        history.note(u64::MAX, 2, 2);
        assert_eq!(history.samples().len(), WINDOW);
    }
}
