//! Memory of a process, as the kernel counts it.

use anyhow::{Context as _, Result};

/// Resident memory of a process, in bytes (`VmRSS` of `/proc/PID/status`).
pub fn resident(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    parse(&status).with_context(|| format!("{path} has no VmRSS in kB"))
}

fn parse(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// What a long run did to the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Median after the warm-up, in bytes.
    pub early: u64,
    /// Median at the end, in bytes.
    pub late: u64,
    /// Most that the late one may be.
    pub bound: u64,
}

/// Memory that a run may gain unnoticed: an allocator's arenas fill at different times.
const SLACK_BYTES: u64 = 4 << 20;

impl Verdict {
    /// Compares the second fifth of the samples with the last. `None` for fewer than ten.
    pub fn of(samples: &[u64]) -> Option<Self> {
        let fifth = samples.len() / 5;
        let part = |from: usize| median(samples.get(from..from + fifth)?);
        if samples.len() < 10 {
            return None;
        }
        let (early, late) = (part(fifth)?, part(samples.len() - fifth)?);
        Some(Self { early, late, bound: early + early / 20 + SLACK_BYTES })
    }

    /// Whether memory is stable: at the end at most a twentieth and 4 MiB above what it was after the warm-up.
    pub const fn is_stable(&self) -> bool {
        self.late <= self.bound
    }
}

fn median(samples: &[u64]) -> Option<u64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        assert_eq!(parse("Name:\tx\nVmRSS:\t   12 kB\n"), Some(12 * 1024));
        assert_eq!(parse("Name:\tx\n"), None);
        assert!(resident(std::process::id()).is_ok_and(|bytes| bytes > 100_000));
    }

    #[test]
    fn what_grows_is_not_stable() {
        let megabytes = |values: [u64; 10]| values.map(|value| value << 20);
        let verdict = |values| Verdict::of(&megabytes(values)).map(|verdict| verdict.is_stable());
        assert_eq!(verdict([10, 90, 100, 100, 100, 100, 100, 100, 100, 100]), Some(true));
        assert_eq!(verdict([100, 100, 100, 100, 110, 120, 125, 130, 135, 140]), Some(false));
        assert_eq!(Verdict::of(&[1; 9]), None);
    }
}
