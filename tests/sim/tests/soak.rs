//! Many worlds, each with faults of every kind drawn from its seed. `SIM_SEED=n` runs one, `SIM_SEEDS=n` that many.

use core::time::Duration;

use shared::rng::Rng;
use sim::{Fault, HostPlan, Plan, WebPlan, World};

const SECOND: Duration = Duration::from_secs(1);

fn drawn(seed: u64) -> Plan {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = Rng::from_seed(bytes).fork("plan");
    let leeches = 2 + rng.below(7) as usize;
    let mut plan = Plan::swarm(seed, 1 + rng.below(6 << 20), leeches);
    if rng.below(3) == 0 {
        plan.files = (0..1 + rng.below(6)).map(|_| rng.below(1 << 20)).chain([1]).collect();
    }
    for host in &mut plan.hosts {
        host.up = 200_000 + rng.below(8_000_000);
        host.down = 1_000_000 + rng.below(30_000_000);
    }
    if rng.below(2) == 0 {
        // The first speaks both; the others one or the other.
        plan.hosts[0] = plan.hosts[0].clone().native(true);
        for host in plan.hosts.iter_mut().skip(1) {
            if rng.below(2) == 0 {
                *host = host.clone().native(rng.below(3) == 0);
            }
        }
    }
    if rng.below(2) == 0 {
        plan.hosts.push(HostPlan { seed: true, corrupts: Some(1 + rng.below(6)), ..HostPlan::default() });
    }
    plan.net.latency_max = Duration::from_millis(2 + rng.below(300));
    plan.net.unreachable = (rng.below(3) == 0).then(|| 3 + rng.below(5));
    for _ in 0..rng.below(12) {
        let when = Duration::from_millis(500 + rng.below(20_000));
        let host = 1 + rng.below(leeches as u64) as usize;
        let (fault, remedy) = match rng.below(5) {
            0 => (Fault::TrackerDown, Some(Fault::TrackerUp)),
            1 => (Fault::Kill(host), Some(Fault::Restart(host))),
            2 => (Fault::Isolate(host), Some(Fault::Rejoin(host))),
            _ => (Fault::LoseConnection, None),
        };
        plan.faults.push((when, fault));
        plan.faults.extend(remedy.map(|remedy| (when + Duration::from_millis(rng.below(30_000)), remedy)));
    }
    if rng.below(3) == 0 {
        let (rate, latency) = (100_000 + rng.below(6_000_000), Duration::from_millis(5 + rng.below(400)));
        let (faults, lies) = ((rng.below(2) == 0).then(|| 1 + rng.below(8)), rng.below(4) == 0);
        plan.web = Some(WebPlan { rate, latency, faults, lies });
        for host in plan.hosts.iter_mut().filter(|_| rng.below(2) == 0) {
            host.config.web_seeds = true;
        }
    }
    plan
}

#[test]
fn every_world_completes() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1_000..1_000 + number("SIM_SEEDS").unwrap_or(40),
    };
    for seed in seeds {
        let mut world = World::new(drawn(seed));
        let done = world.run_until(1_200 * SECOND, |world| {
            let started = world.hosts().iter().all(|host| host.life > 0);
            started && world.now().as_millis() > 52_000 && world.all_complete()
        });
        let states: Vec<_> = (0..world.hosts().len())
            .map(|host| {
                world.torrent(host).map(|torrent| (torrent.phase, torrent.verified_bytes, torrent.waiting))
            })
            .collect();
        assert!(done, "SIM_SEED={seed} does not complete: {states:?}\n{}", world.log().tail(80));
    }
}
