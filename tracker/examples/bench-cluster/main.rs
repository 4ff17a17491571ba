//! What several trackers cost as one, and how fast they are:
//! `cargo build --release -p tracker && cargo run --release -p tracker --example bench-cluster -- target/release/tracker`.
//!
//! Starts redis-server and trackers of its own on this machine, on which all of them and this program share the processors:
//! what scales is read from the processor time that each takes, not from how much gets done in all.

mod relay;
mod servers;
mod udp;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use self::servers::{Node, Redis};
use self::udp::{Load, Where};

/// How long each load runs.
const RUN: Duration = Duration::from_secs(4);

/// Swarms, and members of each, over UDP.
const TORRENTS: u32 = 10_000;
const MEMBERS: u16 = 10;

/// Members for memory and snapshots: 40 to a swarm.
const MANY_TORRENTS: u32 = 10_000;
const MANY_MEMBERS: u16 = 40;

fn main() -> Result<()> {
    let tracker = std::env::args_os().nth(1).map(PathBuf::from).context("which tracker? name the program")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!(
        "## Announces over UDP, {} members in {TORRENTS} swarms, {} s each",
        TORRENTS * u32::from(MEMBERS),
        RUN.as_secs()
    );
    println!(
        "nodes  load               responses/s  peers each  node CPU us each  Redis CPU us each  bytes published each"
    );
    for count in 1..=3 {
        throughput(&tracker, count)?;
    }
    println!("\n## Offers over WebSocket, from one peer to another, ms");
    runtime.block_on(relay::latency(&tracker))?;
    println!("\n## A node is killed");
    runtime.block_on(relay::kill(&tracker))?;
    println!("\n## {} members over UDP at one node", MANY_TORRENTS * u32::from(MANY_MEMBERS));
    memory(&tracker)
}

fn throughput(tracker: &std::path::Path, count: usize) -> Result<()> {
    let redis = Redis::start()?;
    let nodes = start(tracker, &redis, count)?;
    let targets: Vec<_> = nodes.iter().map(|node| node.udp).collect();
    let mut load = Load::new(&targets, TORRENTS, MEMBERS)?;
    load.fill()?;
    std::thread::sleep(Duration::from_secs(1));
    for (name, which) in
        [("renew, same node", Where::Same), ("renew, any node", Where::Any), ("join", Where::New)]
    {
        if count == 1 && which == Where::Any {
            continue;
        }
        let cpu = || -> Result<f64> { nodes.iter().map(Node::cpu).sum() };
        let published = || -> Result<f64> { nodes.iter().map(|node| node.number("bytesPublished")).sum() };
        let before = (cpu()?, redis.cpu()?, published()?);
        let done = load.run(which, RUN)?;
        // What is to be told to others is a part of it.
        std::thread::sleep(Duration::from_millis(300));
        let each = |now: f64, before: f64| (now - before) / done.responses as f64;
        println!(
            "{count}      {name:<17}  {:>11.0}  {:>10.1}  {:>16.2}  {:>17.2}  {:>20.1}",
            done.responses as f64 / RUN.as_secs_f64(),
            done.peers as f64 / done.responses as f64,
            each(cpu()?, before.0) * 1e6,
            each(redis.cpu()?, before.1) * 1e6,
            each(published()?, before.2),
        );
    }
    Ok(())
}

fn memory(tracker: &std::path::Path) -> Result<()> {
    let redis = Redis::start()?;
    let mut nodes = start(tracker, &redis, 2)?;
    let members = f64::from(MANY_TORRENTS) * f64::from(MANY_MEMBERS);
    let empty: Vec<_> = nodes.iter().map(Node::memory).collect::<Result<_>>()?;
    let load = Load::new(&[nodes[0].udp], MANY_TORRENTS, MANY_MEMBERS)?;
    load.fill()?;
    nodes[1].until(|node| node.other_members().is_ok_and(|known| known as f64 >= members))?;
    for (node, empty) in nodes.iter().zip(&empty) {
        let bytes = node.memory()? as f64 - *empty as f64;
        println!("memory of {}: {:.0} bytes a member", node.name, bytes / members);
    }
    println!("published: {:.1} bytes a member", nodes[0].number("bytesPublished")? / members);
    let before = (nodes[0].number("bytesPublished")?, Instant::now());
    let late = Node::start(tracker, &redis, "late")?;
    late.until(|node| node.other_members().is_ok_and(|known| known as f64 >= members))?;
    println!(
        "a late node knows all of them after {:.2} s (its start included), {:.1} bytes a member",
        before.1.elapsed().as_secs_f64(),
        (nodes[0].number("bytesPublished")? - before.0) / members,
    );
    nodes.push(late);
    Ok(())
}

fn start(tracker: &std::path::Path, redis: &Redis, count: usize) -> Result<Vec<Node>> {
    let names = ["a", "b", "c"];
    let nodes: Vec<_> =
        names[..count].iter().map(|name| Node::start(tracker, redis, name)).collect::<Result<_>>()?;
    for node in &nodes {
        node.until(|node| node.others().is_ok_and(|others| others == count - 1))?;
    }
    Ok(nodes)
}
