use core::time::Duration;
use std::collections::BTreeMap;

use proptest::prelude::*;
use shared::rng::Rng;
use shared::tracker::ws;

use super::super::{Limits, SocketId, SocketTally};
use super::*;

const TORRENT: InfoHash = InfoHash([1; 20]);

fn swarms(limits: Limits) -> Swarms {
    Swarms::new(limits, Rng::from_seed([9; 32]))
}

fn request(number: u8, port: u16, left: u64, event: Event) -> AnnounceRequest {
    AnnounceRequest {
        info_hash: TORRENT,
        peer_id: PeerId([number; 20]),
        port,
        uploaded: 0,
        downloaded: 1,
        left: Some(left),
        event,
        wanted: None,
        key: 7,
        tracker_id: None,
    }
}

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1_000)
}

/// A reply with its peers.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    counts: Counts,
    interval: u32,
    peers: Vec<(SocketAddr, PeerId)>,
}

fn ask_for(
    swarms: &mut Swarms,
    now: Instant,
    ip: IpAddr,
    request: &AnnounceRequest,
    (reach, most): (Reach, usize),
) -> Result<Told, Refusal> {
    let mut found = Found::default();
    found.clear(true);
    let met = swarms.announce_address(now, ip, request, reach, most, &mut found);
    check(swarms);
    let Met { counts, interval } = met?;
    assert_eq!(found.len(), found.addresses().count());
    Ok(Told { counts, interval, peers: found.addresses().zip(found.ids()).collect() })
}

fn ask(swarms: &mut Swarms, seconds: u64, ip: &str, request: &AnnounceRequest) -> Result<Told, Refusal> {
    ask_for(swarms, at(seconds), ip.parse().unwrap(), request, (Reach::Both, 100))
}

/// The peers told, as text, in order.
fn peers(met: &Told) -> Vec<String> {
    let mut peers: Vec<_> = met.peers.iter().map(|(address, _)| address.to_string()).collect();
    peers.sort();
    peers
}

fn counts(complete: u32, incomplete: u32) -> Counts {
    Counts { complete, incomplete, partial: 0 }
}

/// Every count agrees with every other.
fn check(swarms: &Swarms) {
    let mut members = 0;
    for torrent in swarms.torrents.iter() {
        let v4 = torrent.v4.entries().iter().map(At::ip);
        let v6 = torrent.v6.iter().flat_map(|peers| peers.entries()).map(At::ip);
        for ip in v4.chain(v6) {
            members += 1;
            assert!(swarms.totals.networks.within(ip, &torrent.info_hash) > 0);
        }
        assert!(torrent.v6.as_ref().is_none_or(|peers| peers.len() > 0));
    }
    super::neighbours::tests::check(swarms);
    assert_eq!(members, swarms.addresses);
    assert_eq!(
        (swarms.totals.addresses(), swarms.totals.members()),
        (members, members + swarms.members.len())
    );
    let listed: usize = swarms.torrents.iter().map(Torrent::len).sum();
    assert_eq!(listed, members + swarms.members.len());
    assert!(swarms.torrents.iter().all(|torrent| torrent.len() > 0));
}

#[test]
fn two_peers_are_told_of_each_other_and_not_of_themselves() {
    let mut swarms = swarms(Limits::default());
    let met = ask(&mut swarms, 0, "192.0.2.1", &request(1, 10, 0, Event::Started)).unwrap();
    assert_eq!(met, Told { counts: counts(1, 0), interval: 600, peers: Vec::new() });
    let met = ask(&mut swarms, 0, "192.0.2.2", &request(2, 20, 5, Event::Started)).unwrap();
    assert_eq!(met.peers, [("192.0.2.1:10".parse().unwrap(), PeerId([1; 20]))]);
    let met = ask(&mut swarms, 0, "::ffff:192.0.2.1", &request(1, 10, 0, Event::Update)).unwrap();
    assert_eq!((met.counts, peers(&met)), (counts(1, 1), vec!["192.0.2.2:20".to_owned()]));
}

#[test]
fn seeds_are_not_told_of_seeds() {
    let mut swarms = swarms(Limits::default());
    ask(&mut swarms, 0, "192.0.2.1", &request(1, 10, 0, Event::Started)).unwrap();
    let met = ask(&mut swarms, 0, "192.0.2.2", &request(2, 20, 0, Event::Started)).unwrap();
    assert_eq!((met.counts, met.peers.len()), (counts(2, 0), 0));
    let met = ask(&mut swarms, 0, "192.0.2.2", &request(2, 20, 1, Event::Update)).unwrap();
    assert_eq!((met.counts, met.peers.len()), (counts(1, 1), 1));
}

#[test]
fn who_has_moved_nothing_is_told_of_some_seeds_though_it_says_that_it_lacks_nothing() {
    let mut swarms = swarms(Limits::default());
    for number in 1..=20 {
        ask(&mut swarms, 0, &format!("192.0.2.{number}"), &request(number, 7, 0, Event::Started)).unwrap();
    }
    let fresh = AnnounceRequest { downloaded: 0, ..request(30, 7, 0, Event::Started) };
    assert_eq!(ask(&mut swarms, 1, "192.0.2.30", &fresh).unwrap().peers.len(), WANTED_UNPROVEN);
    ask(&mut swarms, 2, "192.0.2.40", &request(40, 7, 9, Event::Started)).unwrap();
    let met = peers(&ask(&mut swarms, 3, "192.0.2.30", &fresh).unwrap());
    assert!(met.len() == WANTED_UNPROVEN && met.contains(&"192.0.2.40:7".to_owned()), "{met:?}");
    let gave = AnnounceRequest { uploaded: 1, ..fresh };
    assert_eq!(peers(&ask(&mut swarms, 4, "192.0.2.30", &gave).unwrap()), ["192.0.2.40:7"]);
}

#[test]
fn the_kinds_are_counted_together_and_never_introduced_to_each_other() {
    let mut swarms = swarms(Limits::default());
    swarms.open(SocketId(1), Ipv4Addr::LOCALHOST.into(), &SocketTally::default());
    let offers = vec![ws::Offer { offer_id: "x".into(), offer: ws::Json::parse("{}").unwrap() }];
    let announce = ws::Announce {
        info_hash: TORRENT,
        peer_id: PeerId([9; 20]),
        left: Some(1),
        event: Event::Started,
        offers,
    };
    ask(&mut swarms, 0, "192.0.2.1", &request(1, 10, 0, Event::Started)).unwrap();
    let mut replies = Vec::new();
    swarms.handle(at(0), SocketId(1), ws::Request::Announce(announce), &mut replies);
    let [reply] = replies.as_slice() else { panic!("an offer went out: {replies:?}") };
    assert!(matches!(reply.response, ws::Response::Announced { complete: 1, incomplete: 1, .. }));
    let met = ask(&mut swarms, 0, "192.0.2.1", &request(1, 10, 0, Event::Update)).unwrap();
    assert_eq!((met.counts, met.peers.len()), (counts(1, 1), 0));
    let stats = swarms.stats();
    assert_eq!((stats.peers, stats.addresses, stats.ipv4, stats.torrents), (2, 1, 2, 1));
    swarms.close(SocketId(1));
    check(&swarms);
    assert_eq!(swarms.counts(&TORRENT), counts(1, 0));
    ask(&mut swarms, 0, "192.0.2.1", &request(1, 10, 0, Event::Stopped)).unwrap();
    assert_eq!(swarms.stats().torrents, 0);
}

#[test]
fn a_reply_names_the_families_that_it_can() {
    let mut swarms = swarms(Limits::default());
    ask(&mut swarms, 0, "192.0.2.1", &request(1, 10, 1, Event::Started)).unwrap();
    ask(&mut swarms, 0, "2001:db8::1", &request(2, 20, 1, Event::Started)).unwrap();
    let mut met = |ip: &str, reach, most| {
        let asking = request(3, 30, 1, Event::Update);
        peers(&ask_for(&mut swarms, at(0), ip.parse().unwrap(), &asking, (reach, most)).unwrap())
    };
    assert_eq!(met("192.0.2.3", Reach::OwnFamily, 9), ["192.0.2.1:10"]);
    assert_eq!(met("2001:db8::3", Reach::OwnFamily, 9), ["[2001:db8::1]:20"]);
    // The asker at the other family's address is a peer like any other.
    assert_eq!(met("192.0.2.3", Reach::Both, 9), ["192.0.2.1:10", "[2001:db8::1]:20", "[2001:db8::3]:30"]);
    assert_eq!(met("192.0.2.3", Reach::Both, 1), ["192.0.2.1:10"]);
    assert!(met("192.0.2.3", Reach::Both, 0).is_empty());
}

#[test]
fn who_takes_no_connections_is_told_of_others_only() {
    let mut swarms = swarms(Limits::default());
    ask(&mut swarms, 0, "192.0.2.1", &request(1, 10, 0, Event::Started)).unwrap();
    let met = ask(&mut swarms, 0, "192.0.2.2", &request(2, 0, 1, Event::Started)).unwrap();
    assert_eq!((met.counts, met.peers.len()), (counts(1, 0), 1));
}

#[test]
fn who_is_on_this_host_is_told_only_to_who_is_too() {
    let mut swarms = swarms(Limits::default());
    ask(&mut swarms, 0, "127.0.0.1", &request(1, 10, 0, Event::Started)).unwrap();
    assert!(ask(&mut swarms, 0, "192.0.2.1", &request(2, 20, 1, Event::Started)).unwrap().peers.is_empty());
    let met = ask(&mut swarms, 0, "127.0.0.1", &request(3, 30, 1, Event::Started)).unwrap();
    assert_eq!(peers(&met), ["127.0.0.1:10", "192.0.2.1:20"]);
}

#[test]
fn a_membership_ends_by_its_own_word_or_by_silence() {
    let mut swarms = swarms(Limits::default());
    ask(&mut swarms, 0, "192.0.2.1", &request(1, 10, 1, Event::Started)).unwrap();
    // Another peer_id, another address, another port: not its own word.
    for (ip, stop) in [
        ("192.0.2.1", request(2, 10, 1, Event::Stopped)),
        ("192.0.2.1", request(1, 11, 1, Event::Stopped)),
        ("192.0.2.2", request(1, 10, 1, Event::Stopped)),
    ] {
        let met = ask(&mut swarms, 1, ip, &stop).unwrap();
        assert_eq!((met.counts, met.peers.len()), (counts(0, 1), 0));
    }
    // A client that starts anew at the same port is one member.
    ask(&mut swarms, 2, "192.0.2.1", &request(5, 10, 1, Event::Started)).unwrap();
    let mut stop = request(5, 10, 1, Event::Stopped);
    stop.key = 8;
    let met = ask(&mut swarms, 3, "192.0.2.1", &stop).unwrap();
    assert_eq!(met.counts, counts(0, 0));
    ask(&mut swarms, 10, "192.0.2.1", &request(1, 10, 1, Event::Started)).unwrap();
    swarms.expire(at(1_509));
    assert_eq!(swarms.counts(&TORRENT), counts(0, 1));
    swarms.expire(at(1_510));
    check(&swarms);
    assert_eq!((swarms.counts(&TORRENT), swarms.stats().counters.members_expired), (counts(0, 0), 1));
}

#[test]
fn bounds_refuse_with_a_reason_and_spare_those_who_are_in() {
    let limits = Limits { members_per_address: 2, members_per_torrent: 4, members: 10, ..Limits::default() };
    let mut swarms = swarms(limits);
    let other =
        |port| AnnounceRequest { info_hash: InfoHash([2; 20]), ..request(1, port, 1, Event::Started) };
    assert!(ask(&mut swarms, 0, "2001:db8::1", &request(1, 1, 1, Event::Started)).is_ok());
    assert!(ask(&mut swarms, 0, "2001:db8::2", &request(1, 2, 1, Event::Started)).is_ok());
    let refused = ask(&mut swarms, 0, "2001:db8::3", &request(1, 3, 1, Event::Started));
    assert_eq!(refused, Err(Refusal::Address(2)), "one network of 64 bits");
    assert!(ask(&mut swarms, 0, "2001:db8::1", &request(1, 1, 0, Event::Completed)).is_ok());
    assert!(ask(&mut swarms, 0, "192.0.2.1", &request(1, 1, 1, Event::Started)).is_ok());
    assert!(ask(&mut swarms, 0, "192.0.2.2", &request(1, 1, 1, Event::Started)).is_ok());
    let refused = ask(&mut swarms, 0, "192.0.2.3", &request(1, 1, 1, Event::Started));
    assert_eq!(refused, Err(Refusal::Swarm(4)));
    assert!(ask(&mut swarms, 0, "192.0.2.3", &other(1)).is_ok());
    assert_eq!(ask(&mut swarms, 0, "192.0.2.4", &other(1)), Err(Refusal::Addresses(5)));
    let counters = swarms.stats().counters;
    assert_eq!((counters.refusals, counters.announces_refused()), ([0, 0, 1, 0, 1, 0, 1], 3));
    ask(&mut swarms, 0, "2001:db8::2", &request(1, 2, 1, Event::Stopped)).unwrap();
    assert!(ask(&mut swarms, 0, "2001:db8::3", &request(1, 3, 1, Event::Started)).is_ok());
}

#[test]
fn one_subscriber_is_not_a_whole_swarm() {
    let mut swarms = swarms(Limits { peers_per_swarm: 3, ..Limits::default() });
    let other =
        |port| AnnounceRequest { info_hash: InfoHash([2; 20]), ..request(1, port, 1, Event::Started) };
    for ip in ["192.0.2.1", "2001:db8::1"] {
        for port in [1, 2, u16::MAX] {
            assert!(ask(&mut swarms, 0, ip, &request(1, port, 1, Event::Started)).is_ok(), "{ip}");
        }
        let refused = ask(&mut swarms, 0, ip, &request(1, 4, 1, Event::Started));
        assert_eq!(refused, Err(Refusal::AddressInSwarm(3)), "{ip}");
        assert!(
            ask(&mut swarms, 0, ip, &request(1, 1, 0, Event::Completed)).is_ok(),
            "who is in stays: {ip}"
        );
        assert!(ask(&mut swarms, 0, ip, &other(4)).is_ok(), "another swarm: {ip}");
    }
    let neighbour = ask(&mut swarms, 0, "2001:db8::ffff:0:0:1", &request(1, 1, 1, Event::Started));
    assert_eq!(neighbour, Err(Refusal::AddressInSwarm(3)), "one network of 64 bits");
    for ip in ["192.0.2.2", "192.0.2.0", "2001:db8:0:1::1"] {
        assert!(ask(&mut swarms, 0, ip, &request(1, 1, 1, Event::Started)).is_ok(), "{ip}");
    }
    for port in 1..10 {
        for ip in ["127.0.0.1", "::1"] {
            assert!(ask(&mut swarms, 0, ip, &request(1, port, 1, Event::Started)).is_ok(), "this machine");
        }
    }
}

#[test]
fn the_choice_is_uniform_and_costs_what_is_told() {
    let mut swarms = swarms(Limits { members_per_address: 0, ..Limits::default() });
    for port in 1..=40 {
        ask(&mut swarms, 0, "192.0.2.1", &request(1, port, u64::from(port % 3), Event::Started)).unwrap();
    }
    let mut told: BTreeMap<u16, u32> = BTreeMap::new();
    let mut asking = request(2, 20, 9, Event::Update);
    asking.wanted = Some(10);
    for _ in 0..8_000 {
        let ip = "192.0.2.2".parse().unwrap();
        let met = ask_for(&mut swarms, at(0), ip, &asking, (Reach::Both, 100)).unwrap();
        assert_eq!(met.peers.len(), 10);
        for (address, _) in met.peers {
            *told.entry(address.port()).or_default() += 1;
        }
    }
    // 2000 each, standard deviation about 39.
    assert!(told.len() == 40 && told.values().all(|times| (1_800..2_200).contains(times)), "{told:?}");
}

proptest! {
    /// Whatever happens in whatever order: the lists agree, and nobody is told of itself, of anybody twice, or as a seed of
    /// a seed.
    #[test]
    fn the_rules_hold_in_every_order(
        steps in prop::collection::vec((0_u8..6, 0_u16..4, 0_u8..2, 0_u64..2, 0_usize..4, 0_u64..400, 0_u32..8), 1..200),
        neighbours_first: bool,
    ) {
        let mut swarms = swarms(Limits { members_per_address: 5, members: 30, neighbours_first, ..Limits::default() });
        let events = [Event::Update, Event::Started, Event::Completed, Event::Stopped];
        let mut now = 0;
        for (host, port, torrent, left, event, wait, wanted) in steps {
            now += wait;
            let ip: IpAddr = if host < 3 { [192, 0, 2, host].into() } else { [0, 0, 0, 0, 0, 0, 0, u16::from(host)].into() };
            let mut announce = request(host, port, left, events[event]);
            announce.info_hash = InfoHash([torrent; 20]);
            announce.wanted = Some(wanted);
            let met = ask_for(&mut swarms, at(now), ip, &announce, (Reach::Both, 6));
            let Ok(met) = met else { continue };
            prop_assert!(met.peers.len() <= wanted.min(6) as usize);
            let mut told: Vec<_> = met.peers.iter().map(|(address, _)| *address).collect();
            prop_assert!(!told.contains(&SocketAddr::new(ip, port)));
            told.sort_unstable();
            told.dedup();
            prop_assert_eq!(told.len(), met.peers.len());
            for (address, peer_id) in met.peers {
                let mut all = swarms.addresses(at(now));
                let member = all.find(|(hash, at, ..)| (*hash, *at) == (announce.info_hash, address));
                let (_, _, known, seed, seconds) = member.unwrap();
                prop_assert_eq!(known, peer_id);
                prop_assert!(!(seed.is_seed() && left == 0));
                prop_assert!(seconds > 0);
            }
        }
        swarms.expire(at(now) + Duration::from_secs(1_500));
        prop_assert_eq!(swarms.torrents.len(), 0);
    }
}
