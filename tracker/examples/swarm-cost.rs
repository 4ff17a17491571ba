//! What an announce costs in swarms of different sizes, and what a member takes: `cargo run --release -p tracker --example
//! swarm-cost`.
//!
//! Peers at addresses announce to one swarm, each once; then random ones of them announce again and are told of 50 others. And the
//! other extreme: as many swarms as peers. There are four of them at each address; with `neighbours` as argument these are introduced
//! to each other first.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use shared::id::{InfoHash, PeerId};
use shared::rng::Rng;
use shared::tracker::announce::{AnnounceRequest, Event};
use tracker::swarm::address::{Found, Reach};
use tracker::swarm::{Limits, Swarms};

/// Announces that are timed.
const TIMED: u32 = 200_000;

fn main() {
    let neighbours = std::env::args().nth(1).as_deref() == Some("neighbours");
    println!("{:>10}  {:>14}  {:>16}  {:>12}", "peers", "ns an announce", "told of", "bytes a peer");
    for peers in [10, 100, 1_000, 10_000, 100_000, 1_000_000] {
        let one_swarm = |_| InfoHash([7; 20]);
        measure(peers, &one_swarm, neighbours, "");
    }
    let each_its_own = |number: u32| {
        let mut hash = [0; 20];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        InfoHash(hash)
    };
    measure(1_000_000, &each_its_own, neighbours, "  (a swarm for each peer)");
}

fn measure(peers: u32, swarm: &dyn Fn(u32) -> InfoHash, neighbours: bool, what: &str) {
    let bound = peers as usize * 4;
    let limits = Limits {
        members: bound,
        members_per_torrent: bound,
        members_per_address: 0,
        neighbours_first: neighbours,
        ..Limits::default()
    };
    let mut rng = Rng::from_seed([1; 32]);
    let before = resident();
    let mut swarms = Swarms::new(limits, rng.fork("swarms"));
    let mut found = Found::default();
    let now = shared::time::Instant::from_millis(1);
    for number in 0..peers {
        announce(&mut swarms, now, swarm(number), number, Some(0), &mut found);
    }
    let bytes = resident().saturating_sub(before) as f64 / f64::from(peers);
    let (started, mut told) = (Instant::now(), 0);
    for _ in 0..TIMED {
        let number = rng.below(u64::from(peers)) as u32;
        told += announce(&mut swarms, now, swarm(number), number, Some(50), &mut found);
    }
    let each = started.elapsed() / TIMED;
    let told = told as f64 / f64::from(TIMED);
    // The tables of fixed size are most of what few peers take.
    let bytes = if peers < 100_000 { "-".to_owned() } else { format!("{bytes:.0}") };
    println!("{peers:>10}  {:>14}  {told:>16.1}  {bytes:>12}{what}", Duration::as_nanos(&each));
}

fn announce(
    swarms: &mut Swarms,
    now: shared::time::Instant,
    info_hash: InfoHash,
    number: u32,
    wanted: Option<u32>,
    found: &mut Found,
) -> usize {
    let ip = IpAddr::from(Ipv4Addr::from_bits(0x0b00_0000 + number / 4));
    let mut peer_id = [b'-'; 20];
    peer_id[8..12].copy_from_slice(&number.to_be_bytes());
    let request = AnnounceRequest {
        info_hash,
        peer_id: PeerId(peer_id),
        port: 6_881 + (number % 4) as u16,
        uploaded: 1,
        downloaded: 1,
        left: Some(u64::from(number % 4)),
        event: Event::Update,
        wanted,
        key: 0,
        tracker_id: None,
    };
    found.clear(false);
    let met = swarms.announce_address(now, ip, &request, Reach::Both, 200, found);
    assert!(met.is_ok(), "{met:?}");
    found.len()
}

/// Bytes that this process has in memory.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * 4_096
}
