//! Hosts that dial, alone and beside browsers.

use core::time::Duration;

use shared::engine::Transport;
use sim::{Fault, HostPlan, Plan, World};

const MIB: u64 = 1024 * 1024;
const SECOND: Duration = Duration::from_secs(1);

fn finish(plan: Plan, what: &str) -> World {
    let mut world = World::new(plan);
    let done = world.run_until(300 * SECOND, |world| {
        world.hosts().iter().all(|host| host.running.is_some()) && world.all_complete()
    });
    assert!(done, "{what}: not complete\n{}", world.log().tail(80));
    world
}

fn native(mut plan: Plan, which: impl Fn(usize) -> bool, offers: bool) -> Plan {
    for (number, host) in plan.hosts.iter_mut().enumerate() {
        if which(number) {
            *host = host.clone().native(offers);
        }
    }
    plan
}

#[test]
fn native_hosts_share_among_themselves() {
    for seed in 0..5 {
        let plan = native(Plan::swarm(seed, 4 * MIB, 5), |_| true, false);
        let world = finish(plan, &format!("seed {seed}"));
        let peers = world.torrent(1).expect("runs").peers;
        assert!(peers.iter().all(|peer| peer.transport == Transport::Tcp));
    }
}

#[test]
fn one_that_speaks_both_bridges_to_browsers() {
    for seed in 0..5 {
        // The seed and the bridge speak TCP, the bridge and the rest WebRTC.
        let plan = native(Plan::swarm(seed, 2 * MIB, 4), |host| host == 0, false);
        let plan = native(plan, |host| host == 1, true);
        finish(plan, &format!("seed {seed}"));
    }
}

#[test]
fn a_native_swarm_survives_kills_cuts_and_a_tracker_that_is_away() {
    for seed in 0..5 {
        let mut plan = native(Plan::swarm(seed, 8 * MIB, 4), |_| true, false);
        plan.hosts[0].up = 2_000_000;
        plan.hosts.push(HostPlan { seed: true, corrupts: Some(4), ..HostPlan::default() }.native(false));
        plan.faults = vec![
            (2 * SECOND, Fault::TrackerDown),
            (3 * SECOND, Fault::Kill(1)),
            (4 * SECOND, Fault::LoseConnection),
            (5 * SECOND, Fault::Isolate(2)),
            (9 * SECOND, Fault::Restart(1)),
            (10 * SECOND, Fault::TrackerUp),
            (12 * SECOND, Fault::Rejoin(2)),
        ];
        finish(plan, &format!("seed {seed}"));
    }
}

#[test]
fn the_same_seed_gives_the_same_log() {
    let log = || {
        let plan = native(Plan::swarm(9, 2 * MIB, 4), |host| host != 2, true);
        finish(plan, "seed 9").log().text().to_owned()
    };
    assert!(log() == log());
}
