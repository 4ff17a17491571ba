//! What trackers are told of a peer's progress, and which are not.

mod support;

use std::time::Duration;

use shared::engine::{Command, Config, Input};
use shared::tracker::ws::report::{TrackerLink, invitation};
use support::{Net, Share, TRACKER, World, share};

/// The tracker of the swarm asks everybody for reports.
fn invite(world: &mut World, seconds: u64) {
    for host in 0..world.hosts.len() {
        let trackers: Vec<_> = world.hosts[host].sockets.keys().copied().collect();
        for tracker in trackers {
            let text = invitation(Duration::from_secs(seconds));
            world.input(host, Input::TrackerMessage { tracker, text });
        }
    }
}

/// A seed that reports to `report_to`, and a leech that reports to nobody.
fn world(report_to: &str) -> (World, Share, usize, usize) {
    let share = share(20_000_000, 1);
    let mut world = World::new(Net { rate: Some(1_000_000), ..Net::default() });
    world.check = false;
    let seed = world.host_with(Config { report_to: vec![report_to.to_owned()], ..Config::default() });
    let leech = world.host();
    world.seed(seed, &share);
    world.leech(leech, &share);
    world.run(3_000);
    (world, share, seed, leech)
}

#[test]
fn a_tracker_that_is_trusted_and_asks_is_told_every_few_seconds() {
    let (mut world, share, seed, leech) = world("ws://TRACKER.test/another/path");
    assert!(world.tracker.reports.is_empty(), "nobody asked");
    invite(&mut world, 3);
    world.run(10_000);
    let reports = std::mem::take(&mut world.tracker.reports);
    assert_eq!(reports.len(), 4, "at once, and after three, six and nine seconds");
    let (host, url, last) = reports.last().expect("four");
    assert_eq!((*host, url.as_str()), (seed, TRACKER));
    let snapshot = world.snapshot(seed, &share);
    assert_eq!((last.info_hash, last.peer_id), (world.hash(&share), world.hosts[seed].engine.peer_id()));
    assert_eq!((last.pieces_done, last.pieces, last.size), (snapshot.pieces, snapshot.pieces, 20_000_000));
    assert_eq!(last.tracker, TrackerLink::Working);
    assert!(last.uploaded > 0 && last.uploaded <= snapshot.uploaded && last.downloaded == 0);
    let [exchange] = last.exchanges[..] else { panic!("{last:?}") };
    assert_eq!(exchange.peer_id, world.hosts[leech].engine.peer_id());
    assert!(exchange.up > 500_000 && exchange.down == 0, "{exchange:?}");
}

#[test]
fn nobody_is_told_who_is_not_trusted_or_not_any_more() {
    let (mut world, _, seed, _) = world("ws://tracker.test.evil.example/announce");
    invite(&mut world, 3);
    world.run(10_000);
    assert!(world.tracker.reports.is_empty(), "{:?}", world.tracker.reports);
    world.command(seed, Command::ReportTo(vec![TRACKER.to_owned()]));
    world.run(4_000);
    assert!(!world.tracker.reports.is_empty(), "who asked need not ask again");
    world.command(seed, Command::ReportTo(Vec::new()));
    world.tracker.reports.clear();
    world.run(10_000);
    assert!(world.tracker.reports.is_empty());
    world.command(seed, Command::ReportTo(vec![TRACKER.to_owned()]));
    invite(&mut world, 0);
    world.tracker.reports.clear();
    world.run(10_000);
    assert!(world.tracker.reports.is_empty(), "the tracker wants no more");
}
