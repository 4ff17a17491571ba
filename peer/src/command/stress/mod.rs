//! `peer stress`: many real peers against one tracker.

mod actor;
mod plan;
mod probe;
mod report;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use peer::client::Client;
use peer::create::Created;
use tokio::task::JoinSet;

use super::signals::Signals;
use crate::cli::network::{DEFAULT_TRACKER, NetworkArgs, authority, is_private};
use crate::cli::values;
use crate::ending::{self, EXIT_CODES};
use crate::output::{JSON_ENDED, Output, units};
use crate::progress::{Meter, RecentRate, TOLD_EVERY};
use actor::{Outcome, Scene};
use plan::{Plan, Role};
use probe::Probe;
use report::Report;

/// Between two peers that come in.
const ARRIVALS_EVERY: Duration = Duration::from_millis(10);

/// Starts many real peers against a tracker and says how it went.
///
/// All are in this process, each with its own sockets and its own directory: seeds, leeches, some that vanish half way
/// without a word, some that give wrong bytes. Ends when every leech that stayed has everything, and compares each copy
/// with the original. Over TCP with an http or udp tracker, over WebRTC with a ws one. A tracker of ours takes so many
/// WebSockets from one address only with --sockets-per-address 0.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = stress_help())]
pub(crate) struct Args {
    /// Peers in all.
    #[arg(long, value_name = "N", default_value_t = 200, env = "PIECEMEAL_STRESS_PEERS", value_parser = clap::value_parser!(u32).range(2..=10_000))]
    peers: u32,

    /// Of those, seeds that give what they should.
    #[arg(long, value_name = "N", default_value_t = 4, env = "PIECEMEAL_STRESS_SEEDS", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    seeds: u32,

    /// Leeches that vanish half way.
    #[arg(long, value_name = "N", default_value_t = 20, env = "PIECEMEAL_STRESS_VANISH")]
    vanish: u32,

    /// Further seeds that give wrong bytes in one piece of four.
    #[arg(long, value_name = "N", default_value_t = 4, env = "PIECEMEAL_STRESS_CORRUPT")]
    corrupt: u32,

    /// Size of the file.
    #[arg(long, value_name = "SIZE", default_value = "4M", env = "PIECEMEAL_STRESS_SIZE", value_parser = values::size)]
    size: u64,

    /// What is drawn (contents, roles, when who vanishes) follows from this number.
    #[arg(long, value_name = "N", default_value_t = 1, env = "PIECEMEAL_STRESS_SEED")]
    seed: u64,

    /// Connections of one peer.
    #[arg(long, value_name = "N", default_value_t = 20, env = "PIECEMEAL_STRESS_CONNECTIONS")]
    connections: usize,

    /// Give up after so long.
    #[arg(long, value_name = "DURATION", default_value = "5m", env = "PIECEMEAL_STRESS_TIMEOUT", value_parser = values::duration)]
    timeout: Duration,

    /// Where the peers' files go while it runs [default: a directory of the system's for such].
    #[arg(long, value_name = "DIR", env = "PIECEMEAL_STRESS_DIR")]
    dir: Option<PathBuf>,

    #[command(flatten)]
    network: NetworkArgs,
}

fn stress_help() -> String {
    format!(
        "JSON: {{\"ok\", \"trackers\", \"seed\", \"bytes\" (of the file), \"peers\", \"seeds\", \"corrupting\", \"completed\", \
         \"failed\", \"vanished\", \"wrong\" (copies with a wrong byte), \"seconds\", \"bytes_per_second\": {{\"together\", \
         \"fastest\", \"median\", \"slowest\"}}, \"wasted\", \"pieces_failed\", \"banned\", \"tracker\": {{\"replies\", \
         \"failures\", \"median_seconds\", \"p99_seconds\"}}, \"memory_bytes\" (peak)}}. A wrong byte is exit code 4, a peer \
         that did not get everything 1. {JSON_ENDED}\n\n\
         {EXIT_CODES}\n\n\
         Example:\n  peer stress --peers 200 --tracker http://localhost:8080/announce"
    )
}

pub(crate) fn run(args: &Args, output: &Output) -> anyhow::Result<()> {
    let plan = Plan::new(args.peers, args.seeds, args.corrupt, args.vanish, args.seed)
        .map_err(|error| ending::usage(error.to_string()))?;
    raise_open_files();
    let directory = Directory::make(args.dir.as_deref())?;
    let created = plan::make_file(&directory.0, args.size, args.seed)?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start threads")?;
    runtime.block_on(stress(args, &plan, created, &directory.0, output))
}

async fn stress(
    args: &Args,
    plan: &Plan,
    created: Created,
    directory: &Path,
    output: &Output,
) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("cannot listen to signals")?;
    let mut trackers = args.network.trackers.clone();
    if trackers.is_empty() {
        trackers.push(DEFAULT_TRACKER.to_owned());
    }
    let mut private = false;
    for tracker in &trackers {
        private |= is_private(authority(tracker).unwrap_or_default()).await;
    }
    let liars = plan::lying_copy(directory, &created, args.seed)?;
    let scene = Arc::new(Scene::new(args, directory, private, trackers, created, liars));
    let probe = Probe::start(scene.trackers(), scene.info_hash());
    let begun = Instant::now();
    let mut crowd = Crowd { givers: Vec::new(), stayed: Vec::new(), outcomes: Vec::new() };
    let ended = tokio::select! {
        () = signals.asked() => Err(ending::interrupted("interrupted")),
        ended = crowd.run(args, plan, &scene, output) => ended,
    };
    let seconds = begun.elapsed();
    let report = Report::new(args, plan, &scene, &crowd.outcomes, seconds, &probe.stop());
    output.text(&report.text());
    signals.patiently(crowd.shut_down()).await;
    match ended.and_then(|()| report.verdict()) {
        Ok(()) => {
            output.end(&report);
            Ok(())
        }
        Err(error) => Err(ending::with_report(error, &report)),
    }
}

/// All peers.
struct Crowd {
    /// Seeds, and those that give wrong bytes.
    givers: Vec<Client>,
    /// Leeches that have everything and go on giving.
    stayed: Vec<Client>,
    outcomes: Vec<Outcome>,
}

impl Crowd {
    /// Brings in all peers and waits until every leech has come to its end, or the time is over.
    async fn run(
        &mut self,
        args: &Args,
        plan: &Plan,
        scene: &Arc<Scene>,
        output: &Output,
    ) -> anyhow::Result<()> {
        let mut meter = Meter::new(output, 0);
        let deadline = tokio::time::Instant::now() + args.timeout;
        let mut leeches = JoinSet::new();
        for (number, role) in plan.roles.iter().enumerate() {
            match role {
                Role::Seed => self.givers.push(scene.give(number, false).await?),
                Role::Liar => self.givers.push(scene.give(number, true).await?),
                Role::Leech { vanish_at } => {
                    leeches.spawn(actor::leech(Arc::clone(scene), number, *vanish_at, deadline));
                }
            }
            tokio::time::sleep(ARRIVALS_EVERY).await;
        }
        let total = scene.bytes() * leeches.len() as u64;
        let mut rate = RecentRate::new();
        let mut ticks = tokio::time::interval(TOLD_EVERY);
        loop {
            tokio::select! {
                ended = leeches.join_next() => match ended {
                    Some(Ok((outcome, client))) => {
                        self.outcomes.push(outcome);
                        self.stayed.extend(client);
                    }
                    Some(Err(error)) => self.outcomes.push(Outcome::failed(error.to_string())),
                    None => return Ok(()),
                },
                _ = ticks.tick() => {
                    let verified = scene.verified();
                    let rate = rate.at(verified);
                    meter.set(verified, total, || self.said(plan, rate));
                }
            }
        }
    }

    fn said(&self, plan: &Plan, rate: u64) -> String {
        let completed = self.outcomes.iter().filter(|outcome| outcome.completed.is_some()).count();
        let leeches = plan.roles.len() - self.givers.len();
        format!("{completed} of {leeches} have everything · {} together", units::rate(rate))
    }

    /// Has everybody say goodbye.
    async fn shut_down(self) {
        let mut goodbyes = JoinSet::new();
        for client in self.givers.into_iter().chain(self.stayed) {
            goodbyes.spawn(async move { client.shutdown().await });
        }
        while goodbyes.join_next().await.is_some() {}
    }
}

/// A directory of our own that goes with us.
struct Directory(PathBuf);

impl Directory {
    fn make(within: Option<&Path>) -> anyhow::Result<Self> {
        let within = within.map_or_else(std::env::temp_dir, Path::to_owned);
        let path = within.join(format!("piecemeal-stress-{}", std::process::id()));
        std::fs::create_dir_all(&within).with_context(|| within.display().to_string())?;
        std::fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!("{}: {error}", self.0.display());
        }
    }
}

/// Lets this process have as many sockets as it may.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, all) {
        tracing::warn!("the limit of open files stays: {error}");
    }
}
