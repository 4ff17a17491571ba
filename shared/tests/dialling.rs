//! Peers over TCP: addresses, dials, connections that come in.

mod support;

use std::time::Duration;

use shared::engine::{Command, Phase, TrackerState, Transport};
use shared::peer::CloseReason;
use support::tcp::{address, nobody};
use support::{HTTP, Net, World, share};

#[test]
fn two_native_peers_meet_through_an_http_tracker() {
    let share = share(3_000_000, 1);
    let mut world = World::new(Net::default());
    let (seed, leech) = (world.native(), world.native());
    world.add(seed, &share, &[HTTP], true);
    world.run(100);
    world.add(leech, &share, &[HTTP], false);
    assert!(world.run_until(30, |world| world.is_complete(leech, &share)));
    let peer = world.snapshot(seed, &share).peers.into_iter().next().expect("connected");
    assert_eq!((peer.transport, peer.address.map(|at| at.ip())), (Transport::Tcp, Some(address(leech).ip())));
    let tracker = world.snapshot(leech, &share).trackers.into_iter().next().expect("a tracker");
    assert_eq!((tracker.state, tracker.seeds), (TrackerState::Working, Some(1)));
}

#[test]
fn two_peers_that_dial_each_other_end_up_with_one_connection() {
    let share = share(3_000_000, 2);
    let mut world = World::new(Net { rate: Some(500_000), ..Net::default() });
    let (seed, leech) = (world.native(), world.native());
    world.add(seed, &share, &[], true);
    world.add(leech, &share, &[], false);
    for (host, other) in [(seed, leech), (leech, seed)] {
        let torrent = share.meta.info_hash();
        world.command(host, Command::AddPeers { torrent, addresses: vec![address(other)] });
    }
    world.run(2_000);
    assert_eq!(world.tcp.dials.len(), 2, "both dialled");
    for host in [seed, leech] {
        assert_eq!(world.snapshot(host, &share).peers.len(), 1);
    }
    let closed = world.reasons(seed).into_iter().chain(world.reasons(leech));
    assert!(closed.into_iter().any(|reason| reason == CloseReason::Duplicate));
    assert!(world.run_until(30, |world| world.phase(leech, &share) == Phase::Complete));
    assert_eq!(world.tcp.dials.len(), 2, "who is connected is not dialled again");
}

#[test]
fn dials_that_fail_are_paced_and_back_off() {
    let share = share(100_000, 3);
    let mut world = World::new(Net::default());
    let host = world.native();
    world.add(host, &share, &[], false);
    let addresses = (0..500).map(nobody).collect();
    world.command(host, Command::AddPeers { torrent: share.meta.info_hash(), addresses });
    world.run(1_000);
    assert!((10..=40).contains(&world.tcp.dials.len()), "{} dials in a second", world.tcp.dials.len());
    world.run(60_000);
    let mut times: Vec<_> =
        world.tcp.dials.iter().filter(|dial| dial.3 == nobody(7)).map(|dial| dial.0).collect();
    times.dedup();
    for pair in times.windows(2) {
        assert!(pair[1].saturating_since(pair[0]) >= Duration::from_secs(22), "{times:?}");
    }
    assert!(!times.is_empty());
}
