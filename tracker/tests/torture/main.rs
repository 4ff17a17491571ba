//! A real tracker is treated as badly as a stranger can, in every way at once, and meanwhile serves who behaves well.
//!
//! `PIECEMEAL_TORTURE_SECONDS=60 cargo test -p tracker --test torture -- --nocapture` runs longer than the few seconds of an
//! ordinary test, lets nobody rest, and prints what was measured; `PIECEMEAL_TORTURE_TRACKER` names another build of the tracker, and
//! `PIECEMEAL_TORTURE_ONLY` a part of an attack's name, to find out what it does alone. Every address of 127/8 is this machine's, so each attack comes from its own,
//! and the bounds that hold for an address are those of the attackers.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod attacks;
mod behaved;
mod process;
mod socket;

use std::time::{Duration, Instant};

use tokio::time::sleep;

use self::attacks::Target;
use self::behaved::{Behaved, Served};
use self::process::Tracker;

/// Long enough for every attack to have happened.
const SHORT: Duration = Duration::from_secs(5);

/// What each of some fifty attackers rests after each thing that it does, unless a time is set.
const REST: Duration = Duration::from_millis(50);

/// Who behaves well waits no longer than this for nearly everything, on a machine that runs all attackers too. Alone they are served in
/// a millisecond or two; this only tells whether they are served at all.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the tracker may take beside what it began with, MiB: each of some two thousand hostile connections may hold what a
/// connection is allowed to.
const MEMORY: u64 = 256;

#[test]
fn who_behaves_well_is_served_while_everybody_else_does_not() {
    // The attackers must not slow down the clock of those who are measured more than needed.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let set = std::env::var("PIECEMEAL_TORTURE_SECONDS")
        .ok()
        .map(|text| Duration::from_secs(text.parse().unwrap()));
    // As an ordinary test the tracker is not optimised and the machine does other things: all attacks, none of them in full force.
    runtime.block_on(torture(set.unwrap_or(SHORT), if set.is_some() { Duration::ZERO } else { REST }));
}

async fn torture(long: Duration, rest: Duration) {
    let tracker = Tracker::start(&["--interval", "5"]);
    let target = Target { clear: tracker.clear, tls: tracker.tls, udp: tracker.udp, rest };
    let quiet = Behaved::serve_for(&target, "quiet", long.min(Duration::from_secs(10))).await;
    let begun_with = tracker.memory();
    let attackers = attacks::begin(&target);
    sleep(Duration::from_millis(500)).await;
    let (meanwhile, peak) = {
        let watched = tracker.watch_memory();
        let served = Behaved::serve_for(&target, "meanwhile", long).await;
        (served, watched.peak().await)
    };
    let stats = tracker.stats().await;
    let tallies = attackers.end().await;
    report(&quiet, &meanwhile, &tallies, begun_with, peak);
    println!("while it went on: {stats}");
    judge(&quiet, &meanwhile);
    assert!(peak < begun_with + MEMORY, "{begun_with} MiB became {peak} MiB");
    for (name, tally) in &tallies {
        assert!(*tally > 0, "the attack `{name}` did nothing");
    }
    vanished(&tracker, long).await;
    println!("afterwards: {} MiB", tracker.memory());
    let log = tracker.end();
    assert!(!log.contains("panicked"), "{log}");
}

fn report(quiet: &Served, meanwhile: &Served, tallies: &[(&str, u64)], begun_with: u64, peak: u64) {
    println!("{:28}{:>12}{:>12}", "", "quiet", "meanwhile");
    for ((what, before), (_, during)) in quiet.latencies().into_iter().zip(meanwhile.latencies()) {
        for (name, part) in [("p50", 0.5), ("p99", 0.99)] {
            let ms = |served: &[Duration]| {
                behaved::quantile(served, part)
                    .map_or_else(|| "none".to_owned(), |it| format!("{:.2}", it.as_secs_f64() * 1e3))
            };
            println!("{:28}{:>12}{:>12}", format!("{what}, {name}, ms"), ms(before), ms(during));
        }
        println!("{:28}{:>12}{:>12}", format!("{what}, served"), before.len(), during.len());
    }
    println!("{:28}{:>12}{:>12}", "datagrams lost", quiet.lost, meanwhile.lost);
    println!("memory, MiB: {begun_with} before, {peak} at most");
    for (name, tally) in tallies {
        println!("{tally:>12} × {name}");
    }
}

fn judge(quiet: &Served, meanwhile: &Served) {
    for ((what, before), (_, during)) in quiet.latencies().into_iter().zip(meanwhile.latencies()) {
        assert!(before.len() > 20 && during.len() > 20, "{what}: hardly anything was asked");
        let slow = behaved::quantile(during, 0.99).unwrap();
        assert!(slow < PATIENCE, "{what}: one of a hundred took {slow:?}");
    }
    // What the system's buffer has no room for is lost before the tracker could read it.
    assert!(meanwhile.lost * 20 <= meanwhile.udp.len() as u64, "{} datagrams were lost", meanwhile.lost);
    assert_eq!(meanwhile.stolen, 0, "answers that were not of the peer that was offered the connection");
    assert_eq!(meanwhile.missed, 0, "offers that did not reach the one who was there all the time");
}

/// Once the attackers are gone, so is all that they were.
async fn vanished(tracker: &Tracker, long: Duration) {
    // Members that are reached at an address stay until they are due: 62 s at this interval.
    let patience =
        if long >= Duration::from_secs(30) { Duration::from_secs(120) } else { Duration::from_secs(30) };
    let deadline = Instant::now() + patience;
    loop {
        let stats = tracker.stats().await;
        let by_address = stats["peersByAddress"].as_u64().unwrap();
        let others = stats["peersAll"].as_u64().unwrap() - by_address;
        let left = (stats["sockets"].as_u64().unwrap(), others);
        if left == (0, 0) && (by_address == 0 || long < Duration::from_secs(30)) {
            return;
        }
        assert!(Instant::now() < deadline, "they are still there: {stats}");
        sleep(Duration::from_millis(200)).await;
    }
}
