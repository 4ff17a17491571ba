//! How near a swarm comes to what its lines could carry, in simulated time: the bound is D_p2p = max(F/u_s, F/d,
//! N·F / (u_s + N·u)) for a file of F bytes, a seed's uplink u_s and N receivers with uplinks u and downlinks d. The
//! measured picture, over real sockets, is `peer compare --receivers`.

use core::time::Duration;

use sim::{HostPlan, NetPlan, Plan, World};

const FILE: u64 = 32 * 1024 * 1024;
const UPLINK: u64 = 2_500_000;
const RECEIVERS: usize = 16;

struct Outcome {
    /// When the last receiver had everything, over the bound.
    last: f64,
    /// Copies of the file that the seed sent.
    copies: f64,
}

fn swarm(seed: u64, seed_uplink: u64, native: bool) -> Outcome {
    let mut plan = Plan::swarm(seed, FILE, RECEIVERS);
    plan.unwatched = true;
    plan.net =
        NetPlan { latency_min: Duration::from_millis(1), latency_max: Duration::from_millis(2), ..plan.net };
    for host in &mut plan.hosts {
        *host = HostPlan { up: UPLINK, down: 4 * seed_uplink, starts: Duration::ZERO, ..host.clone() };
        if native {
            *host = host.clone().native(false);
        }
    }
    plan.hosts[0].up = seed_uplink;
    let mut world = World::new(plan);
    let done = world.run_until(Duration::from_secs(300), |world| {
        world.hosts().iter().all(|host| host.running.is_some()) && world.all_complete()
    });
    assert!(done, "seed {seed}: not complete");
    let (file, receivers) = (FILE as f64, RECEIVERS as f64);
    let from_all = receivers * file / (seed_uplink as f64 + receivers * UPLINK as f64);
    let bound = (file / seed_uplink as f64).max(from_all);
    let given = world.torrent(0).expect("the seed runs").uploaded;
    Outcome { last: world.now().as_millis() as f64 / 1_000.0 / bound, copies: given as f64 / file }
}

#[test]
fn sixteen_receivers_finish_not_long_after_the_seed_has_sent_one_copy() {
    for (native, most) in [(true, 1.3), (false, 1.45)] {
        let Outcome { last, copies } = swarm(1, UPLINK, native);
        println!("native {native}: {last:.3} times the bound, {copies:.3} copies");
        assert!(last < most, "native {native}: {last:.3} times the bound");
        assert!(copies < 1.4, "native {native}: the seed sent {copies:.3} copies");
    }
}

#[test]
fn a_fast_seed_is_used_and_the_receivers_help_it() {
    let Outcome { last, copies } = swarm(1, 10 * UPLINK, true);
    println!("{last:.3} times the bound, {copies:.3} copies");
    assert!(last < 1.35, "{last:.3} times the bound");
    assert!(copies < 8.0, "the seed sent {copies:.3} copies");
}
