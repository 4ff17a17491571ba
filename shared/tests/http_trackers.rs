//! Trackers over HTTP and UDP.

mod support;

use std::time::Duration;

use shared::engine::{Command, Config, EffectFailure, Event, Phase, TrackerState};
use shared::time::Instant;
use shared::tracker::Event as Told;
use support::{HTTP, Net, Share, TRACKER, World, share};

const UDP: &str = "udp://tracker.test:6969/announce";

fn times(world: &World, host: usize) -> Vec<Instant> {
    world.tcp.tracker.requests.iter().filter(|(_, of, _, _)| *of == host).map(|(at, _, _, _)| *at).collect()
}

fn gaps(world: &World, host: usize) -> Vec<u64> {
    times(world, host).windows(2).map(|pair| pair[1].saturating_since(pair[0]).as_secs()).collect()
}

fn tracker(world: &World, host: usize, share: &Share) -> (TrackerState, Option<String>) {
    let tracker = world.snapshot(host, share).trackers.into_iter().next().expect("a tracker");
    (tracker.state, tracker.message)
}

#[test]
fn started_completed_and_stopped_are_told_once_each() {
    let share = share(1_000_000, 1);
    let mut world = World::new(Net::default());
    let (seed, leech) = (world.native(), world.native());
    world.add(seed, &share, &[UDP], true);
    world.run(100);
    world.add(leech, &share, &[UDP], false);
    assert!(world.run_until(30, |world| world.phase(leech, &share) == Phase::Complete));
    world.run(1_000);
    world.command(leech, Command::Shutdown);
    world.run(1_000);
    assert_eq!(world.tcp.tracker.events(leech), [Told::Started, Told::Completed, Told::Stopped]);
    assert_eq!(world.tcp.tracker.events(seed), [Told::Started]);
    let requests = &world.tcp.tracker.requests;
    let of_leech: Vec<_> =
        requests.iter().filter(|(_, of, _, _)| *of == leech).map(|(_, _, _, told)| told).collect();
    assert_eq!(
        of_leech.iter().map(|told| told.left).collect::<Vec<_>>(),
        [Some(1_000_000), Some(0), Some(0)]
    );
    assert!(of_leech.iter().all(|told| told.port == 6_881 && told.key == of_leech[0].key));
    assert_eq!(of_leech[1].downloaded, 1_000_000);
    assert!(of_leech[0].wanted > Some(0) && of_leech[2].wanted == Some(0));
    let of_seed = requests.iter().find(|(_, of, _, _)| *of == seed).expect("announced");
    assert_ne!(of_seed.3.key, of_leech[0].key);
}

#[test]
fn a_tracker_is_not_asked_before_it_wants_to_be() {
    let share = share(100_000, 2);
    for (interval, least, expected) in
        [(1_800, Some(300), 300), (1_800, None, 60), (100, Some(900), 100), (1, None, 20)]
    {
        let mut world = World::new(Net::default());
        world.tcp.tracker.interval = Some(interval);
        world.tcp.tracker.min_interval = least;
        let leech = world.native();
        world.add(leech, &share, &[HTTP], false);
        world.run(3_000_000);
        let gaps = gaps(&world, leech);
        let shortest = gaps.iter().copied().min().expect("asked more than once");
        assert!(
            gaps.len() > 3 && shortest >= expected.min(u64::from(least.unwrap_or(30)).max(20)),
            "{interval} {least:?}: {gaps:?}"
        );
        assert!(
            gaps.last().is_some_and(|gap| (expected..=expected + 1).contains(gap)),
            "{interval} {least:?}: {gaps:?}"
        );
        world.command(leech, Command::Reannounce(share.meta.info_hash()));
        world.command(leech, Command::Reannounce(share.meta.info_hash()));
        let before = times(&world, leech).len();
        world.run(1_000);
        assert!(times(&world, leech).len() <= before + 1, "who asks for it twice has it once");
    }
}

#[test]
fn a_refusal_is_told_once_and_waited_out_ever_longer() {
    let share = share(100_000, 3);
    let mut world = World::new(Net::default());
    world.tcp.tracker.fail = Some(EffectFailure::Refused("not registered here".to_owned()));
    let leech = world.native();
    world.add(leech, &share, &[HTTP], false);
    world.run(1_000_000);
    assert_eq!(
        tracker(&world, leech, &share),
        (TrackerState::Refused, Some("not registered here".to_owned()))
    );
    assert_eq!(gaps(&world, leech), [60, 120, 240, 480]);
    let warned =
        |event: &&Event| matches!(event, Event::TrackerWarning { text, .. } if text == "not registered here");
    assert_eq!(world.hosts[leech].events.iter().filter(warned).count(), 1);
    assert!(world.tcp.tracker.events(leech).iter().all(|event| *event == Told::Started), "it never began");
    world.tcp.tracker.fail = None;
    world.command(leech, Command::Reannounce(share.meta.info_hash()));
    world.run(1_000);
    assert_eq!(tracker(&world, leech, &share), (TrackerState::Working, None));
}

#[test]
fn a_tracker_that_is_down_or_silent_is_tried_again() {
    let share = share(100_000, 4);
    for mute in [false, true] {
        let mut world = World::new(Net::default());
        world.tcp.tracker.mute = mute;
        world.tcp.tracker.fail = Some(EffectFailure::Failed("connection refused".to_owned()));
        let leech = world.native();
        world.add(leech, &share, &[HTTP], false);
        world.run(600_000);
        let expected: &[u64] = if mute { &[135, 150, 180] } else { &[15, 30, 60, 120, 240] };
        assert_eq!(gaps(&world, leech), expected);
        assert_eq!(tracker(&world, leech, &share).0, TrackerState::Unreachable);
        (world.tcp.tracker.mute, world.tcp.tracker.fail) = (false, None);
        assert!(world.run_until(900, |world| tracker(world, leech, &share).0 == TrackerState::Working));
        assert!(world.tcp.tracker.events(leech).iter().all(|event| *event == Told::Started));
    }
}

#[test]
fn completed_is_told_when_what_is_under_way_has_ended() {
    let share = share(100_000, 5);
    let mut world = World::new(Net { latency: Duration::from_millis(50), ..Net::default() });
    let (seed, leech) = (world.native(), world.native());
    world.add(seed, &share, &[], true);
    world.add(leech, &share, &[HTTP], false);
    world.tcp.tracker.mute = true;
    world.run(1);
    let torrent = share.meta.info_hash();
    world.command(leech, Command::AddPeers { torrent, addresses: vec![support::tcp::address(seed)] });
    assert!(world.run_until(10, |world| world.phase(leech, &share) == Phase::Complete));
    world.tcp.tracker.mute = false;
    world.run(200_000);
    assert_eq!(world.tcp.tracker.events(leech).last(), Some(&Told::Started), "the first was lost");
    assert_eq!(world.tcp.tracker.requests.last().map(|(_, _, _, told)| told.left), Some(Some(0)));
}

#[test]
fn trackers_that_the_host_cannot_ask_are_left_alone() {
    let share = share(100_000, 6);
    let mut world = World::new(Net::default());
    let (native, browser) = (world.native(), world.host_with(Config::default()));
    for host in [native, browser] {
        world.add(host, &share, &[HTTP, UDP, TRACKER], false);
    }
    world.run(1_000);
    let states = |host| world.snapshot(host, &share).trackers.iter().map(|it| it.state).collect::<Vec<_>>();
    use TrackerState::{Unsupported, Working};
    assert_eq!(states(native), [Working, Working, Unsupported]);
    assert_eq!(states(browser), [Unsupported, Unsupported, Working]);
    assert!(world.hosts[native].connects.is_empty(), "no socket for what is asked over HTTP");
}
