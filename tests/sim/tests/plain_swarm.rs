//! A swarm without faults completes from a seed number, and the same number gives the same log.

use core::time::Duration;

use sim::{HostPlan, NetPlan, Plan, WebPlan, World};

const MIB: u64 = 1024 * 1024;

fn complete(plan: Plan, limit: Duration) -> World {
    let (seed, hosts) = (plan.seed, plan.hosts.len());
    let mut world = World::new(plan);
    let started = |world: &World| world.hosts().iter().all(|host| host.running.is_some());
    let done = world.run_until(limit, |world| started(world) && world.all_complete());
    let states: Vec<_> = (0..hosts)
        .map(|host| world.torrent(host).map(|torrent| (torrent.phase, torrent.verified_bytes)))
        .collect();
    assert!(done, "seed {seed}: not complete after {limit:?}: {states:?}\n{}", world.log().tail(60));
    world
}

#[test]
fn one_seed_and_five_leeches_complete_from_any_seed_number() {
    for seed in 0..20 {
        complete(Plan::swarm(seed, 3 * MIB + 12_345, 5), Duration::from_secs(120));
    }
}

#[test]
fn the_same_seed_gives_the_same_log_byte_for_byte() {
    let log =
        |seed| complete(Plan::swarm(seed, 2 * MIB + 1, 4), Duration::from_secs(120)).log().text().to_owned();
    let first = log(7);
    assert!(first.len() > 10_000, "a whole transfer was logged");
    assert!(first == log(7), "two runs from one seed differ");
    assert!(first != log(8), "two seeds give the same log: nothing is drawn from the seed");
}

#[test]
fn several_files_with_an_empty_one_among_them_arrive() {
    let plan = Plan { files: vec![700_001, 0, 1, 2 * MIB, 0, 33], ..Plan::swarm(3, 0, 3) };
    complete(plan, Duration::from_secs(120));
}

#[test]
fn leeches_help_each_other() {
    // The seed can send 1 MB/s and five leeches want 4 MiB each: alone it would take 20 s.
    let mut plan = Plan::swarm(11, 4 * MIB, 5);
    for host in &mut plan.hosts {
        host.up = 1_000_000;
        host.starts = Duration::ZERO;
    }
    let world = complete(plan, Duration::from_secs(120));
    let taken = world.now().as_millis();
    let given = world.torrent(0).expect("the seed runs").uploaded;
    assert!(taken < 16_000, "took {taken} ms, no better than from one seed alone");
    assert!(
        given < 4 * 4 * MIB,
        "the seed gave {given} bytes, so the leeches gave each other next to nothing"
    );
}

#[test]
fn a_fast_path_is_used() {
    let mut plan = Plan::swarm(5, 64 * MIB, 1);
    plan.net = NetPlan {
        latency_min: Duration::from_millis(10),
        latency_max: Duration::from_millis(10),
        ..plan.net
    };
    for host in &mut plan.hosts {
        *host = HostPlan { up: 50_000_000, down: 50_000_000, starts: Duration::ZERO, ..host.clone() };
    }
    let world = complete(plan, Duration::from_secs(60));
    // 64 MiB at 50 MB/s are 1.34 s; the rest is finding each other and filling the pipe.
    assert!(world.now().as_millis() < 2_600, "took {} ms", world.now().as_millis());
}

#[test]
fn a_web_seed_and_a_swarm_give_together_and_the_server_gives_few_copies() {
    let mut plan = Plan::swarm(11, 12 * MIB, 6);
    for host in &mut plan.hosts {
        (host.up, host.config.web_seeds) = (2_000_000, true);
    }
    plan.web =
        Some(WebPlan { rate: 2_000_000, latency: Duration::from_millis(60), faults: None, lies: false });
    let world = complete(plan, Duration::from_secs(120));
    let torrents = (0..world.hosts().len()).filter_map(|host| world.torrent(host));
    let given: u64 = torrents.flat_map(|torrent| torrent.web_seeds).map(|seed| seed.downloaded).sum();
    assert!(given > 4 * MIB && given < 4 * 12 * MIB, "the server gave {} MiB", given / MIB);
}
