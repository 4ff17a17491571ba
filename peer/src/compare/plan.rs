//! Which transfers are made, in which order. Pure: the order is a function of the seed.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use shared::rng::Rng;

use super::model::{Lane, Site};

/// A size of file, as typed: `10k`, `1M`, `1GB`, `1MiB`, `123456`. Between 1 byte and 64 GB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// The largest file that is worth comparing.
const LARGEST: u64 = 64_000_000_000;

/// What is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a size of 1 byte to 64 GB like 10k, 1M, 1GB or 1MiB, got {0:?}")]
pub struct WrongSize(String);

impl FromStr for Size {
    type Err = WrongSize;

    fn from_str(text: &str) -> Result<Self, WrongSize> {
        let wrong = || WrongSize(text.to_owned());
        let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(at);
        let unit = unit.trim().to_ascii_lowercase();
        let factor: u64 = match unit.strip_suffix('b').unwrap_or(&unit) {
            "" => 1,
            "k" => 1_000,
            "m" => 1_000_000,
            "g" => 1_000_000_000,
            "ki" => 1 << 10,
            "mi" => 1 << 20,
            "gi" => 1 << 30,
            _ => return Err(wrong()),
        };
        let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        bytes.filter(|bytes| (1..=LARGEST).contains(bytes)).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (factor, unit) in [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")] {
            if self.0 >= factor {
                let value = self.0 as f64 / factor as f64;
                let decimals = if self.0.is_multiple_of(factor) { 0 } else { 1 };
                return write!(f, "{value:.decimals$} {unit}");
            }
        }
        write!(f, "{} B", self.0)
    }
}

/// How often a size is repeated unless somebody says: small ones often, because they vary more and cost little.
pub const fn repeats(size: u64) -> u32 {
    match size {
        0..=10_000 => 333,
        10_001..=100_000 => 100,
        100_001..=1_000_000 => 33,
        1_000_001..=10_000_000 => 10,
        _ => 5,
    }
}

/// One transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// From whom.
    pub site: Site,
    /// Which way.
    pub lane: Lane,
    /// Size of the file, bytes.
    pub size: u64,
    /// Number among those of its lane and size, from 1; 0 is the warm-up, which is not counted.
    pub run: u32,
}

/// All transfers: size after size; of each size one warm-up a lane, then the rest in an order drawn from the seed, so
/// that whatever changes on the machine meanwhile falls on all lanes alike.
pub fn steps(ways: &[(Site, Lane)], sizes: &[u64], asked: Option<u32>, seed: u64) -> Vec<Step> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = Rng::from_seed(bytes).fork("order");
    let mut steps = Vec::new();
    for &size in sizes {
        let step = |(site, lane), run| Step { site, lane, size, run };
        steps.extend(ways.iter().map(|&way| step(way, 0)));
        let count = asked.unwrap_or_else(|| repeats(size));
        let mut order: Vec<_> = ways.iter().flat_map(|&way| (0..count).map(move |_| way)).collect();
        rng.shuffle(&mut order);
        let mut made = BTreeMap::new();
        for way in order {
            let run: &mut u32 = made.entry(way).or_default();
            *run += 1;
            steps.push(step(way, *run));
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways(lanes: &[Lane]) -> Vec<(Site, Lane)> {
        lanes.iter().map(|&lane| (Site::Tracker, lane)).collect()
    }

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes, shown) in [
            ("10k", 10_000, "10 kB"),
            ("1M", 1_000_000, "1 MB"),
            ("1GB", 1_000_000_000, "1 GB"),
            ("1MiB", 1 << 20, "1.0 MB"),
            ("17", 17, "17 B"),
            ("25 MB", 25_000_000, "25 MB"),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, shown), "{text}");
        }
        for wrong in ["", "0", "k", "-1", "1T", "1.5M", "65GB", "99999999999999999999", "1 k k", "1é"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_lane_is_warmed_up_and_run_as_often() {
        let steps = steps(&ways(&[Lane::Http1, Lane::Http2]), &[1_000, 2_000_000], Some(3), 7);
        assert_eq!(steps.len(), 2 * 2 * (1 + 3));
        for size in [1_000, 2_000_000] {
            for lane in [Lane::Http1, Lane::Http2] {
                let runs: Vec<_> = steps
                    .iter()
                    .filter(|step| (step.lane, step.size) == (lane, size))
                    .map(|step| step.run)
                    .collect();
                assert_eq!(runs, [0, 1, 2, 3], "{lane} {size}");
            }
        }
    }

    #[test]
    fn the_order_is_drawn_from_the_seed() {
        let plan = |seed| steps(&ways(&Lane::ALL), &[10_000], Some(20), seed);
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
        let lanes: Vec<_> = plan(1).iter().skip(7).take(40).map(|step| step.lane).collect();
        assert!(lanes.windows(2).any(|pair| pair[0] > pair[1]), "not lane by lane");
    }

    #[test]
    fn small_files_are_repeated_often() {
        assert_eq!((repeats(10_000), repeats(1_000_000_000)), (333, 5));
    }
}
