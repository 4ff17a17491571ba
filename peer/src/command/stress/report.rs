//! How a stress run went.

use std::time::Duration;

use serde::Serialize;

use super::Args;
use super::actor::{Outcome, Scene};
use super::plan::{Plan, Role};
use super::probe::Latency;
use crate::ending;
use crate::output::{line, units};

/// Reasons that are named when peers did not get everything.
const REASONS_NAMED: usize = 3;

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    trackers: Vec<String>,
    seed: u64,
    bytes: u64,
    peers: usize,
    seeds: usize,
    corrupting: usize,
    completed: usize,
    failed: usize,
    vanished: usize,
    wrong: usize,
    seconds: f64,
    bytes_per_second: Rates,
    wasted: u64,
    pieces_failed: u64,
    banned: u64,
    tracker: TrackerReport,
    memory_bytes: Option<u64>,
    #[serde(skip)]
    reasons: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Rates {
    together: u64,
    fastest: Option<u64>,
    median: Option<u64>,
    slowest: Option<u64>,
}

#[derive(Debug, Serialize)]
struct TrackerReport {
    replies: usize,
    failures: u64,
    median_seconds: Option<f64>,
    p99_seconds: Option<f64>,
}

impl Report {
    pub(super) fn new(
        args: &Args,
        plan: &Plan,
        scene: &Scene,
        outcomes: &[Outcome],
        took: Duration,
        latency: &Latency,
    ) -> Self {
        let (bytes, sum) = (scene.bytes(), |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum());
        let mut rates: Vec<u64> = outcomes
            .iter()
            .filter_map(|outcome| outcome.completed.map(|time| units::average(bytes, time)))
            .collect();
        rates.sort_unstable();
        let count = |is: fn(&&Outcome) -> bool| outcomes.iter().filter(is).count();
        let (completed, vanished) = (rates.len(), count(|outcome| outcome.vanished));
        let seeds = plan.count(|role| *role == Role::Seed);
        let corrupting = plan.count(|role| *role == Role::Liar);
        Self {
            trackers: scene.trackers().to_vec(),
            seed: args.seed,
            bytes,
            peers: plan.roles.len(),
            seeds,
            corrupting,
            completed,
            // Also those of which nothing was heard before it ended.
            failed: plan.roles.len() - seeds - corrupting - completed - vanished,
            vanished,
            wrong: count(|outcome| outcome.wrong),
            seconds: took.as_secs_f64(),
            bytes_per_second: Rates {
                together: units::average(scene.verified(), took),
                fastest: rates.last().copied(),
                median: rates.get(rates.len() / 2).copied(),
                slowest: rates.first().copied(),
            },
            wasted: sum(|outcome| outcome.wasted),
            pieces_failed: sum(|outcome| outcome.pieces_failed),
            banned: sum(|outcome| outcome.banned),
            tracker: TrackerReport {
                replies: latency.replies.len(),
                failures: latency.failures,
                median_seconds: latency.percentile(50).map(|time| time.as_secs_f64()),
                p99_seconds: latency.percentile(99).map(|time| time.as_secs_f64()),
            },
            memory_bytes: peak_memory(),
            reasons: outcomes.iter().filter_map(|outcome| outcome.failure.clone()).collect(),
        }
    }

    pub(super) fn text(&self) -> String {
        let rate = |rate: Option<u64>| rate.map_or_else(|| "none".to_owned(), units::rate);
        let ms = |seconds: Option<f64>| {
            seconds.map_or_else(|| "none".to_owned(), |seconds| format!("{:.1} ms", seconds * 1e3))
        };
        let took = Duration::from_secs_f64(self.seconds);
        let mut text = format!("{} peers, {} each\n", self.peers, units::bytes(self.bytes));
        text += &line("completed", &format!("{}, in {}", self.completed, units::elapsed(took)));
        text += &line("failed", &self.failed.to_string());
        for reason in self.reasons.iter().take(REASONS_NAMED) {
            text += &line("", reason);
        }
        text += &line("vanished", &format!("{}, as they were meant to", self.vanished));
        text += &line("wrong copies", &self.wrong.to_string());
        let rates = &self.bytes_per_second;
        let each = format!("{} / {} / {}", rate(rates.slowest), rate(rates.median), rate(rates.fastest));
        text += &line(
            "rates",
            &format!("{} together; slowest / median / fastest {each}", units::rate(rates.together)),
        );
        let corrupting = units::plural(self.corrupting as u64, "peer", "peers");
        text += &line(
            "wrong bytes",
            &format!(
                "from {corrupting}: {} thrown away, {} given out, {} in all wasted",
                units::plural(self.pieces_failed, "piece", "pieces"),
                units::plural(self.banned, "ban", "bans"),
                units::bytes(self.wasted)
            ),
        );
        let tracker = &self.tracker;
        text += &line(
            "tracker",
            &format!(
                "median {}, 99 % within {} ({}, {} without)",
                ms(tracker.median_seconds),
                ms(tracker.p99_seconds),
                units::plural(tracker.replies as u64, "reply", "replies"),
                tracker.failures
            ),
        );
        if let Some(bytes) = self.memory_bytes {
            let each = bytes / (self.peers as u64).max(1);
            text +=
                &line("memory", &format!("{} at most, {} a peer", units::bytes(bytes), units::bytes(each)));
        }
        text
    }

    /// What the exit code is to say.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        if self.wrong > 0 {
            return Err(ending::integrity(format!(
                "{} with a wrong byte",
                units::plural(self.wrong as u64, "copy", "copies")
            )));
        }
        anyhow::ensure!(
            self.failed == 0,
            "{} did not get everything",
            units::plural(self.failed as u64, "peer", "peers")
        );
        Ok(())
    }
}

/// The most memory that this process had at once, in bytes, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}
