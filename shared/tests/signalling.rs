//! Trackers, offers and answers.

mod support;

use std::time::Duration;

use shared::engine::{
    Command, Effect, EffectFailure, EffectResult, Event, Input, Origin, Phase, TrackerState, Waiting,
};
use shared::peer::CloseReason;
use shared::time::Instant;
use shared::tracker::ws;
use support::{Net, Share, TRACKER, World, share};

fn events(world: &World, host: usize) -> Vec<(Instant, ws::Event)> {
    let of = |(at, text): &(Instant, String)| match ws::Request::parse(text) {
        Ok(ws::Request::Announce(announce)) => Some((*at, announce.event)),
        _ => None,
    };
    world.hosts[host].told.iter().filter_map(of).collect()
}

fn names(world: &World, host: usize) -> Vec<ws::Event> {
    events(world, host).into_iter().map(|(_, event)| event).collect()
}

#[test]
fn started_completed_and_stopped_are_told_once_each() {
    let share = share(200_000, 1);
    let mut world = World::new(Net::default());
    let (seed, leech) = (world.host(), world.host());
    world.seed(seed, &share);
    world.leech(leech, &share);
    assert!(world.run_until(30, |world| world.phase(leech, &share) == Phase::Complete));
    world.run(1_000);
    world.command(leech, Command::Pause(share.meta.info_hash()));
    world.run(1_000);
    let told = names(&world, leech);
    let count = |event: ws::Event| told.iter().filter(|told| **told == event).count();
    assert_eq!(told.first(), Some(&ws::Event::Started));
    assert_eq!(told.last(), Some(&ws::Event::Stopped));
    assert_eq!(
        (count(ws::Event::Started), count(ws::Event::Completed), count(ws::Event::Stopped)),
        (1, 1, 1)
    );
    assert!(!names(&world, seed).contains(&ws::Event::Completed), "a seed never completed");
    assert!(world.hosts[leech].sockets.is_empty(), "nobody needs the tracker");
}

#[test]
fn two_peers_whose_offers_cross_end_up_with_one_connection() {
    for order in 0..2 {
        let share = share(3_000_000, 2);
        let mut world = World::new(Net { rate: Some(1_000_000), ..Net::default() });
        let (seed, leech) = (world.host(), world.host());
        let (first, second) = if order == 0 { (seed, leech) } else { (leech, seed) };
        for host in [first, second] {
            if host == seed { world.seed(seed, &share) } else { world.leech(leech, &share) }
        }
        world.run(2_000);
        assert!(world.tracker.relayed >= 1);
        // Both announce at the same moment again, each with an offer for the other.
        for host in [seed, leech] {
            world.command(host, Command::Reannounce(share.meta.info_hash()));
        }
        world.run(1_000);
        assert_eq!(world.snapshot(leech, &share).peers.len(), 1);
        assert!(world.run_until(30, |world| world.is_complete(leech, &share)));
    }
}

#[test]
fn crossing_offers_that_both_open_leave_the_same_one_on_both_sides() {
    let share = share(3_000_000, 2);
    let mut world = World::new(Net { rate: Some(500_000), ..Net::default() });
    world.tracker.eager = true;
    let (seed, leech) = (world.host(), world.host());
    world.seed(seed, &share);
    world.leech(leech, &share);
    world.run(3_000);
    let opened = |host: usize| {
        world.hosts[host].closed.iter().filter(|(_, reason)| *reason == CloseReason::Duplicate).count()
    };
    assert!(opened(seed) + opened(leech) >= 1, "both connections opened, and one was closed");
    assert_eq!(world.snapshot(leech, &share).peers.len(), 1);
    assert_eq!(world.snapshot(seed, &share).peers.len(), 1);
    assert!(world.run_until(30, |world| world.is_complete(leech, &share)));
}

#[test]
fn a_tracker_that_is_down_is_tried_again_with_growing_waits() {
    let share = share(200_000, 3);
    let mut world = World::new(Net::default());
    let (seed, leech) = (world.host(), world.host());
    world.tracker_down(true);
    world.seed(seed, &share);
    world.leech(leech, &share);
    world.run(200_000);
    let attempts: Vec<Instant> = world.hosts[leech].connects.iter().map(|(at, _)| *at).collect();
    assert!((6..=12).contains(&attempts.len()), "{} attempts in 200 s", attempts.len());
    let waits: Vec<u64> =
        attempts.windows(2).map(|two| two[1].saturating_since(two[0]).as_millis() as u64).collect();
    assert!((700..1_400).contains(&waits[0]) && waits.iter().all(|wait| *wait <= 76_000), "{waits:?}");
    let snapshot = world.snapshot(leech, &share);
    assert_eq!(snapshot.trackers[0].state, TrackerState::Unreachable);
    assert!(matches!(snapshot.waiting, Some(Waiting::Tracker { retry_ms: 1.. })), "{:?}", snapshot.waiting);
    assert_ne!(world.hosts[seed].connects, world.hosts[leech].connects, "waits differ between peers");
    world.tracker_down(false);
    assert!(world.run_until(120, |world| world.is_complete(leech, &share)));
}

#[test]
fn a_tracker_that_ends_says_when_to_come_back() {
    let share = share(200_000, 3);
    for (seconds, reason) in [(0, "reconnect in 0 s"), (7, "reconnect in 7 s"), (300, "reconnect in 4000 s")]
    {
        let mut world = World::new(Net::default());
        let host = world.host();
        world.leech(host, &share);
        world.run(2_000);
        let ended = world.now;
        world.tracker_ends(true, reason);
        world.run(200);
        world.tracker_down(false);
        world.run(310_000);
        let &[(_, _), (again, _)] = &world.hosts[host].connects[..] else {
            panic!("{:?}", world.hosts[host].connects);
        };
        let waited = again.saturating_since(ended).as_millis() as u64;
        assert!((seconds * 1_000..=seconds * 1_000 + 1_010).contains(&waited), "{reason}: {waited} ms");
    }
}

#[test]
fn a_tracker_that_is_not_back_when_it_said_is_tried_again_soon() {
    let share = share(200_000, 3);
    let mut world = World::new(Net::default());
    let host = world.host();
    world.leech(host, &share);
    world.run(2_000);
    world.tracker_ends(true, "reconnect in 5 s");
    world.run(11_000);
    // After five or six seconds, one more, and two more.
    assert!((3..=4).contains(&world.hosts[host].connects.len()), "{:?}", world.hosts[host].connects);
}

#[test]
fn all_torrents_announce_again_after_a_reconnect() {
    let shares: Vec<Share> = (0..3).map(|seed| share(100_000, 10 + seed)).collect();
    let mut world = World::new(Net::default());
    let host = world.host();
    shares.iter().for_each(|share| world.leech(host, share));
    world.run(2_000);
    assert_eq!(world.hosts[host].connects.len(), 1, "one socket for all");
    world.tracker_down(true);
    world.run(500);
    world.tracker_down(false);
    let before = world.tracker.announces.len();
    world.run(5_000);
    assert_eq!(world.hosts[host].connects.len(), 2);
    for share in &shares {
        let again = &world.tracker.announces[before..];
        let started = |(_, announce): &&(usize, ws::Announce<'_>)| {
            announce.info_hash == share.meta.info_hash() && announce.event == ws::Event::Started
        };
        assert_eq!(again.iter().filter(started).count(), 1);
    }
}

#[test]
fn transfers_go_on_while_the_tracker_is_away() {
    let share = share(3_000_000, 4);
    let mut world = World::new(Net { rate: Some(500_000), ..Net::default() });
    let (seed, leech) = (world.host(), world.host());
    world.seed(seed, &share);
    world.leech(leech, &share);
    world.run(2_000);
    world.tracker_down(true);
    assert!(world.run_until(30, |world| world.is_complete(leech, &share)));
}

#[test]
fn a_lonely_download_announces_often_and_a_lonely_seed_does_not() {
    let share = share(200_000, 5);
    let mut world = World::new(Net::default());
    let (leech, seed) = (world.host(), world.host());
    world.leech(leech, &share);
    world.run(60_000);
    let lonely = events(&world, leech);
    assert!((4..=7).contains(&lonely.len()), "{} announces in a minute", lonely.len());
    world.kill(leech);
    world.seed(seed, &share);
    world.run(600_000);
    let calm = events(&world, seed).len();
    assert!((5..=6).contains(&calm), "{calm} announces in ten minutes");
}

#[test]
fn offers_that_reached_nobody_are_used_again() {
    let share = share(200_000, 6);
    let mut world = World::new(Net::default());
    let leech = world.host();
    world.leech(leech, &share);
    world.run(36_000);
    let made = world.hosts[leech].offers_made;
    assert!(names(&world, leech).len() >= 4);
    assert!(made <= 5, "{made} connections were made for offers");
    world.run(60_000);
    let expired = world.reasons(leech).iter().filter(|reason| **reason == CloseReason::OfferExpired).count();
    assert_eq!(expired, made, "what was not answered is closed");
}

#[test]
fn an_interval_out_of_bounds_is_brought_within() {
    for (said, least, most) in [(1, 28, 31), (1_000_000, 1, 1)] {
        let share = share(200_000, 7);
        let mut world = World::new(Net::default());
        world.tracker.interval = Some(said);
        let seed = world.host();
        world.seed(seed, &share);
        world.run(600_000);
        let count = events(&world, seed).len();
        assert!((least..=most).contains(&count), "{count} announces in ten minutes at {said} s");
    }
}

#[test]
fn a_refusal_is_shown_and_retried_later() {
    for named in [true, false] {
        let share = share(200_000, 8);
        let mut world = World::new(Net::default());
        world.tracker.refuse = Some(("not on the list".to_owned(), named));
        let leech = world.host();
        world.leech(leech, &share);
        world.run(50_000);
        let tracker = world.snapshot(leech, &share).trackers.remove(0);
        assert_eq!(
            (tracker.state, tracker.message.as_deref()),
            (TrackerState::Refused, Some("not on the list"))
        );
        assert_eq!(events(&world, leech).len(), 1);
        assert!(world.hosts[leech].events.iter().any(|event| matches!(event, Event::TrackerWarning { .. })));
        world.tracker.refuse = None;
        world.run(30_000);
        assert_eq!(world.snapshot(leech, &share).trackers[0].state, TrackerState::Working);
    }
}

#[test]
fn a_host_without_webrtc_still_announces() {
    let share = share(200_000, 9);
    let mut world = World::new(Net::default());
    let leech = world.host();
    world.hosts[leech].held = Some(Vec::new());
    world.leech(leech, &share);
    let refuse = |world: &mut World| {
        for (id, effect) in world.hosts[leech].held.replace(Vec::new()).expect("held") {
            if matches!(effect, Effect::Offer { .. }) {
                let failure = EffectFailure::Unsupported("no WebRTC".to_owned());
                world.input(leech, Input::EffectDone { id, result: EffectResult::Failed(failure) });
            } else {
                world.effect(leech, id, effect);
            }
        }
    };
    for _ in 0..20 {
        refuse(&mut world);
        world.run(20);
    }
    let told = events(&world, leech);
    assert_eq!(told.len(), 1);
    let (_, announce) = &world.tracker.announces[0];
    assert!(announce.offers.is_empty());
}

#[test]
fn offers_that_take_too_long_are_not_waited_for() {
    let share = share(200_000, 9);
    let mut world = World::new(Net::default());
    let leech = world.host();
    world.leech(leech, &share);
    // Everything but offers goes on.
    world.hosts[leech].held = Some(Vec::new());
    for _ in 0..50 {
        for (id, effect) in world.hosts[leech].held.replace(Vec::new()).expect("held") {
            if !matches!(effect, Effect::Offer { .. }) {
                world.effect(leech, id, effect);
            }
        }
        world.run(100);
    }
    let told = events(&world, leech);
    assert!(!told.is_empty() && told[0].0 < Instant::from_millis(5_000), "{told:?}");
}

#[test]
fn trackers_of_other_kinds_are_left_alone_and_equal_ones_are_one() {
    let share = share(200_000, 9);
    let mut world = World::new(Net::default());
    let host = world.host();
    let torrent = share.meta.to_torrent(&["udp://other.test:1".to_owned(), TRACKER.to_owned()]).into();
    let trackers =
        vec![TRACKER.to_uppercase().replace("/ANNOUNCE", "/announce"), "javascript:alert(1)".to_owned()];
    world.command(host, Command::Add { origin: Origin::Metainfo(torrent), trackers, start: false });
    world.run(1_000);
    let shown = world.snapshot(host, &share).trackers;
    let states: Vec<_> = shown.iter().map(|tracker| (tracker.url.as_str(), tracker.state)).collect();
    assert_eq!(states, [(TRACKER, TrackerState::Working), ("udp://other.test:1", TrackerState::Unsupported)]);
    assert_eq!(world.hosts[host].connects.len(), 1);
}

#[test]
fn an_attempt_that_leads_nowhere_is_given_up() {
    let share = share(200_000, 9);
    let mut world = World::new(Net::default());
    let (seed, leech) = (world.host(), world.host());
    world.unreachable = true;
    world.seed(seed, &share);
    world.leech(leech, &share);
    world.run(10_000);
    let waiting = world.snapshot(leech, &share).waiting;
    assert!(matches!(waiting, Some(Waiting::Connection { since_ms: 5_000.., failed: 0 })), "{waiting:?}");
    world.run(25_000);
    assert!(world.reasons(leech).contains(&CloseReason::Unreachable));
    world.unreachable = false;
    assert!(world.run_until(90, |world| world.is_complete(leech, &share)));
}

#[test]
fn a_shutdown_says_goodbye_everywhere() {
    let shares: Vec<Share> = (0..3).map(|seed| share(100_000, 20 + seed)).collect();
    let mut world = World::new(Net::default());
    let host = world.host();
    shares.iter().for_each(|share| world.seed(host, share));
    world.run(2_000);
    world.command(host, Command::Shutdown);
    let stopped = names(&world, host).into_iter().filter(|event| *event == ws::Event::Stopped).count();
    assert_eq!(stopped, 3);
    assert!(world.hosts[host].sockets.is_empty());
    world.run(300_000);
    assert!(world.hosts[host].ends.is_empty() && world.hosts[host].connects.len() == 1);
}

#[test]
fn pausing_one_torrent_keeps_the_socket_that_others_need() {
    let (one, two) = (share(100_000, 30), share(100_000, 31));
    let mut world = World::new(Net::default());
    let host = world.host();
    world.seed(host, &one);
    world.seed(host, &two);
    world.run(2_000);
    world.command(host, Command::Pause(one.meta.info_hash()));
    world.run(2_000);
    assert_eq!(world.hosts[host].sockets.len(), 1);
    world.command(host, Command::Start(one.meta.info_hash()));
    world.run(2_000);
    assert_eq!(names(&world, host).last(), Some(&ws::Event::Started));
    assert_eq!(world.phase(host, &one), Phase::Seeding);
    for share in [&one, &two] {
        world.command(host, Command::Pause(share.meta.info_hash()));
    }
    world.run(2_000);
    assert!(world.hosts[host].sockets.is_empty());
    world.command(host, Command::Start(two.meta.info_hash()));
    world.run(Duration::from_secs(2).as_millis() as u64);
    assert_eq!(world.hosts[host].sockets.len(), 1);
    assert_eq!(names(&world, host).last(), Some(&ws::Event::Started));
}

#[test]
fn what_a_tracker_says_wrongly_is_only_shown() {
    let share = share(100_000, 32);
    let mut world = World::new(Net::default());
    let host = world.host();
    world.seed(host, &share);
    world.run(2_000);
    let tracker = *world.hosts[host].sockets.keys().next().expect("a tracker");
    for text in ["", "{}", "[]", "nonsense", r#"{"action":"announce"}"#, r#"{"action":"scrape","files":{}}"#]
    {
        world.input(host, Input::TrackerMessage { tracker, text: text.to_owned() });
    }
    world.input(
        host,
        Input::TrackerMessage { tracker, text: "x".repeat(shared::limits::TRACKER_MESSAGE_MAX + 1) },
    );
    assert_eq!(world.phase(host, &share), Phase::Seeding);
    let warnings =
        world.hosts[host].events.iter().filter(|event| matches!(event, Event::TrackerWarning { .. }));
    assert!(warnings.count() >= 5);
}

#[test]
fn a_tracker_that_says_nothing_more_is_connected_anew() {
    let share = share(200_000, 40);
    let mut world = World::new(Net::default());
    let (seed, leech) = (world.host(), world.host());
    world.seed(seed, &share);
    world.tracker.mute = true;
    world.leech(leech, &share);
    world.run(25_000);
    assert_eq!(world.hosts[leech].connects.len(), 1);
    world.run(10_000);
    assert_eq!(world.hosts[leech].connects.len(), 2, "30 s without a reply");
    world.tracker.mute = false;
    assert!(world.run_until(40, |world| world.is_complete(leech, &share)));
    let connects = world.hosts[leech].connects.len();
    world.run(300_000);
    assert_eq!(world.hosts[leech].connects.len(), connects, "one that replies is kept");
}

#[test]
fn a_tracker_that_speaks_of_other_things_is_kept() {
    let share = share(200_000, 40);
    let mut world = World::new(Net::default());
    let leech = world.host();
    world.tracker.mute = true;
    world.leech(leech, &share);
    for _ in 0..10 {
        world.run(9_000);
        let tracker = *world.hosts[leech].sockets.keys().next().expect("a tracker");
        world.input(leech, Input::TrackerMessage { tracker, text: "{}".to_owned() });
    }
    assert_eq!(world.hosts[leech].connects.len(), 1);
}

#[test]
fn the_same_words_of_a_tracker_are_an_event_once() {
    let share = share(100_000, 41);
    let mut world = World::new(Net::default());
    let host = world.host();
    world.seed(host, &share);
    world.run(2_000);
    let tracker = *world.hosts[host].sockets.keys().next().expect("a tracker");
    for text in ["{}", "{}", "{}", "nonsense", "{}"] {
        world.input(host, Input::TrackerMessage { tracker, text: text.to_owned() });
    }
    let warning = |event: &&Event| matches!(event, Event::TrackerWarning { .. });
    assert_eq!(world.hosts[host].events.iter().filter(warning).count(), 3);
}

#[test]
fn a_command_to_announce_does_not_wait_for_the_next_attempt() {
    let share = share(200_000, 42);
    let mut world = World::new(Net::default());
    let (seed, leech) = (world.host(), world.host());
    world.tracker_down(true);
    world.leech(leech, &share);
    world.run(100_000);
    world.tracker_down(false);
    world.seed(seed, &share);
    let before = world.hosts[leech].connects.len();
    world.command(leech, Command::Reannounce(share.meta.info_hash()));
    assert_eq!(world.hosts[leech].connects.len(), before + 1);
    assert!(world.run_until(5, |world| world.is_complete(leech, &share)));
}

#[test]
fn what_is_waited_for_is_what_has_not_come_yet() {
    let share = share(200_000, 43);
    let mut world = World::new(Net { latency: Duration::from_millis(400), ..Net::default() });
    let leech = world.host();
    world.tracker.mute = true;
    world.leech(leech, &share);
    world.run(100);
    assert_eq!(world.snapshot(leech, &share).waiting, None, "the first socket is being opened");
    world.run(8_000);
    assert_eq!(world.snapshot(leech, &share).waiting, None, "no tracker has replied");
    world.tracker.mute = false;
    assert!(world.run_until(60, |world| world.snapshot(leech, &share).waiting.is_some()));
    let waiting = world.snapshot(leech, &share).waiting;
    assert!(matches!(waiting, Some(Waiting::Peers { since_ms: 0..10 })), "{waiting:?}");

    world.unreachable = true;
    let seed = world.host();
    world.seed(seed, &share);
    let failed = |world: &mut World| {
        matches!(world.snapshot(leech, &share).waiting, Some(Waiting::Connection { failed: 1.., .. }))
    };
    assert!(world.run_until(90, failed));
    for _ in 0..60 {
        world.run(500);
        assert!(failed(&mut world), "{:?}", world.snapshot(leech, &share).waiting);
    }
}
