//! What several trackers cost as one, how fast they are, and what is lost when one of them, or Redis, is killed. `cargo xtask
//! bench cluster` builds and runs it.
//!
//! Starts redis-server and trackers of its own on this machine, on which all of them and this program share the processors: what
//! scales is read from the processor time that each takes.

mod crowd;
mod http;
mod memory;
mod outage;
mod relay;
mod report;
mod servers;
mod throughput;
mod udp;
mod ws;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use serde::Serialize;
use tokio::runtime::Runtime;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Announces over UDP.
    Udp,
    /// Announces over HTTP.
    Http,
    /// Announces over WebSocket, with offers that are answered.
    Ws,
    /// The way of an offer from peer to peer.
    Latency,
    /// A node is killed.
    Kill,
    /// Redis is killed, and comes back.
    Redis,
    /// Members in memory, and a node that comes late.
    Memory,
}

/// Several trackers as one: what they cost, how fast they are, and what is lost when one is killed.
#[derive(Debug, Parser)]
struct Args {
    /// The program under test.
    #[arg(long, default_value = "target/release/tracker")]
    tracker: PathBuf,
    /// How many nodes share the announces.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 3], value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=8))]
    nodes: Vec<usize>,
    /// Times that each is measured, in turn.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of each load.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Peers of each kind at each of three nodes, when one or Redis is killed.
    #[arg(long, default_value_t = 100, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=5_000))]
    peers: usize,
    /// Seconds between two announces of a peer over UDP, when a node is killed.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=60))]
    interval: u64,
    /// Seconds for which Redis is gone; a node waits for another's word for 4.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=60))]
    outage: u64,
    /// Members at addresses, for memory; a tenth as many over WebSocket.
    #[arg(long, default_value_t = 400_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1_000..=2_000_000))]
    members: usize,
    /// Write all figures here.
    #[arg(long)]
    json: Option<PathBuf>,
}

impl Args {
    fn has(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

/// All that was measured.
#[derive(Debug, Serialize)]
struct Report {
    cores: usize,
    rounds: u32,
    seconds: u64,
    throughput: Vec<throughput::Sample>,
    latency: Vec<relay::Latency>,
    round_trip: Vec<relay::RoundTrip>,
    kill: Vec<outage::Kill>,
    redis: Vec<outage::Outage>,
    memory: Vec<memory::Memory>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut report = Report {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        rounds: args.rounds,
        seconds: args.seconds,
        throughput: Vec::new(),
        latency: Vec::new(),
        round_trip: Vec::new(),
        kill: Vec::new(),
        redis: Vec::new(),
        memory: Vec::new(),
    };
    for round in 1..=args.rounds {
        measure(&args, &runtime, round, &mut report).with_context(|| format!("round {round}"))?;
    }
    println!("{}", report::text(&args, &report));
    if let Some(path) = &args.json {
        let json = serde_json::to_vec_pretty(&report)?;
        std::fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn measure(args: &Args, runtime: &Runtime, round: u32, report: &mut Report) -> Result<()> {
    let say = |what: &str| eprintln!("round {round} of {}: {what}", args.rounds);
    let tracker = &args.tracker;
    for count in &args.nodes {
        throughput::measure(args, *count, round, &mut |sample| {
            let (rate, cost) = (sample.messages() / sample.seconds, sample.nodes_cpu() / sample.messages());
            let name = sample.load.name();
            say(&format!("{name}, {count} nodes: {rate:.0} messages/s, {:.2} CPU us each", cost * 1e6));
            report.throughput.push(sample);
        })?;
    }
    if args.has(Part::Latency) {
        say("offers from peer to peer");
        let (latencies, round_trip) = runtime.block_on(relay::measure(tracker, round))?;
        report.latency.extend(latencies);
        report.round_trip.push(round_trip);
    }
    if args.has(Part::Kill) {
        say("a node is killed");
        let interval = Duration::from_secs(args.interval);
        report.kill.push(runtime.block_on(outage::kill(tracker, round, args.peers, interval))?);
    }
    if args.has(Part::Redis) {
        say("Redis is killed");
        let lasts = Duration::from_secs(args.outage);
        report.redis.push(runtime.block_on(outage::redis(tracker, round, args.peers, lasts))?);
    }
    // Memory is the same each time.
    if args.has(Part::Memory) && round == 1 {
        say("members in memory");
        report.memory.push(memory::at_addresses(tracker, args.members)?);
        report.memory.push(runtime.block_on(memory::on_sockets(tracker, args.members / 10))?);
    }
    Ok(())
}
