//! What goes wrong, goes wrong here first: everything that was verified stays, and the swarm completes all the same.

use core::time::Duration;

use sim::{Fault, HostPlan, NetPlan, Plan, World};

const MIB: u64 = 1024 * 1024;
const SECOND: Duration = Duration::from_secs(1);

fn finish(world: &mut World, limit: Duration, what: &str) {
    let done = world.run_until(limit, |world| {
        let gone = |host: usize| host == 0 && world.hosts().len() > 1;
        (0..world.hosts().len()).all(|host| world.hosts()[host].running.is_some() || gone(host))
            && world.all_complete()
    });
    let states: Vec<_> = (0..world.hosts().len())
        .map(|host| {
            world.torrent(host).map(|torrent| (torrent.phase, torrent.verified_bytes, torrent.waiting))
        })
        .collect();
    assert!(done, "{what}: not complete after {limit:?}: {states:?}\n{}", world.log().tail(80));
}

#[test]
fn lost_connections_are_made_again() {
    for seed in 0..10 {
        let mut plan = Plan::swarm(seed, 6 * MIB, 4);
        plan.faults = (2..14).map(|half| (half * SECOND / 2, Fault::LoseConnection)).collect();
        let mut world = World::new(plan);
        finish(&mut world, 300 * SECOND, &format!("seed {seed}"));
    }
}

#[test]
fn the_seed_goes_and_another_takes_over() {
    let mut plan = Plan::swarm(1, 8 * MIB, 2);
    plan.hosts.push(HostPlan { seed: true, starts: 20 * SECOND, ..HostPlan::default() });
    plan.hosts[0].up = 2_000_000;
    plan.faults = vec![(3 * SECOND, Fault::Kill(0))];
    let mut world = World::new(plan);
    finish(&mut world, 300 * SECOND, "the second seed");
}

#[test]
fn a_killed_leech_goes_on_where_it_was() {
    let mut plan = Plan::swarm(2, 16 * MIB, 1);
    plan.hosts[0].up = 2_000_000;
    plan.faults = vec![(5 * SECOND, Fault::Kill(1)), (6 * SECOND, Fault::Restart(1))];
    let mut world = World::new(plan);
    world.run_until(5 * SECOND - Duration::from_millis(1), |_| false);
    let before = world.torrent(1).expect("runs").verified_bytes;
    assert!(before > 2 * MIB, "it had {before} bytes when it was killed");
    finish(&mut world, 120 * SECOND, "after the restart");
    let again = world.torrent(1).expect("runs").downloaded;
    assert!(again <= 16 * MIB - before + 2 * MIB, "fetched {again} bytes although {before} were verified");
}

#[test]
fn the_tracker_goes_and_comes_back() {
    let mut plan = Plan::swarm(3, 4 * MIB, 3);
    plan.hosts[3].starts = 10 * SECOND;
    plan.faults = vec![(SECOND, Fault::TrackerDown), (30 * SECOND, Fault::TrackerUp)];
    let mut world = World::new(plan);
    finish(&mut world, 300 * SECOND, "after the tracker came back");
}

#[test]
fn a_full_disk_keeps_what_is_verified_and_goes_on_when_there_is_room() {
    let mut plan = Plan::swarm(4, 8 * MIB, 1);
    plan.hosts[1].disk = 3 * MIB;
    plan.faults = vec![(30 * SECOND, Fault::Disk(1, u64::MAX)), (31 * SECOND, Fault::Retry(1))];
    let mut world = World::new(plan);
    world.run_until(29 * SECOND, |_| false);
    let full = world.torrent(1).expect("runs");
    assert_eq!(full.phase, shared::engine::Phase::Error, "{:?}", full.error);
    assert!(full.verified_bytes > 2 * MIB, "kept {} bytes", full.verified_bytes);
    finish(&mut world, 120 * SECOND, "after there was room");
}

#[test]
fn a_peer_that_gives_corrupt_pieces_is_banned_and_the_file_is_right() {
    for seed in 0..5 {
        let mut plan = Plan::swarm(seed, 4 * MIB, 2);
        plan.hosts.push(HostPlan { seed: true, corrupts: Some(3), ..HostPlan::default() });
        let mut world = World::new(plan);
        finish(&mut world, 300 * SECOND, &format!("seed {seed}"));
        let bans: u32 = (1..3).map(|host| world.torrent(host).expect("runs").banned).sum();
        let failed: u32 = (1..3).map(|host| world.torrent(host).expect("runs").failed_pieces).sum();
        assert!(failed > 0, "seed {seed}: no corrupt piece came");
        assert!(bans > 0, "seed {seed}: nobody was banned for {failed} corrupt pieces");
    }
}

#[test]
fn a_network_that_lets_half_of_the_connections_through_is_enough() {
    for seed in 0..5 {
        let mut plan = Plan::swarm(seed, 2 * MIB, 4);
        plan.net = NetPlan { unreachable: Some(2), ..plan.net };
        let mut world = World::new(plan);
        finish(&mut world, 900 * SECOND, &format!("seed {seed}"));
    }
}

#[test]
fn a_host_that_was_cut_off_comes_back() {
    let mut plan = Plan::swarm(6, 8 * MIB, 2);
    plan.hosts[0].up = 1_000_000;
    plan.faults = vec![(3 * SECOND, Fault::Isolate(1)), (40 * SECOND, Fault::Rejoin(1))];
    let mut world = World::new(plan);
    finish(&mut world, 300 * SECOND, "after it came back");
}

#[test]
fn small_messages_do_as_well_as_large_ones() {
    for max_message in [1_200, 16 * 1024, 65_535, 256 * 1024] {
        let mut plan = Plan::swarm(7, 2 * MIB, 2);
        plan.net.max_message = max_message;
        let mut world = World::new(plan);
        finish(&mut world, 120 * SECOND, &format!("messages of {max_message}"));
    }
}
