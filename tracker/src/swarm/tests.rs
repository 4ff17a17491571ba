use core::time::Duration;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use shared::rng::Rng;
use shared::tracker::ws::{Answer, Json, Offer};

use super::*;

const TORRENT: InfoHash = InfoHash([1; 20]);

fn swarms() -> Swarms {
    Swarms::new(Limits::default(), Rng::from_seed([9; 32]))
}

fn open(swarms: &mut Swarms, socket: u64) {
    swarms.open(SocketId(socket), Ipv4Addr::LOCALHOST.into(), &SocketTally::default());
}

fn opened(sockets: u64) -> Swarms {
    let mut swarms = swarms();
    (1..=sockets).for_each(|socket| open(&mut swarms, socket));
    swarms
}

fn peer(number: u8) -> PeerId {
    PeerId([number; 20])
}

fn raw(text: &str) -> Json<'_> {
    Json::parse(text).unwrap()
}

fn announce(peer_id: PeerId, left: Option<u64>, event: Event, offers: &[&'static str]) -> Request<'static> {
    let offers = offers.iter().map(|id| Offer { offer_id: (*id).into(), offer: raw("{}") }).collect();
    Request::Announce(Announce { info_hash: TORRENT, peer_id, left, event, offers })
}

fn answer(peer_id: PeerId, to_peer_id: PeerId, offer_id: &'static str) -> Request<'static> {
    let offer_id = offer_id.into();
    Request::Answer(Answer { info_hash: TORRENT, peer_id, to_peer_id, offer_id, answer: raw("{}") })
}

/// What came of a request: to whom, and a word about what.
fn ask(swarms: &mut Swarms, seconds: u64, socket: u64, request: Request<'_>) -> Vec<(u64, String)> {
    let mut replies = Vec::new();
    swarms.handle(Instant::from_millis(seconds * 1_000), SocketId(socket), request, &mut replies);
    check(swarms);
    let word = |response: Response<'_>| match response {
        Response::Announced { complete, incomplete, .. } => format!("announced {complete} {incomplete}"),
        Response::Offer { peer_id, offer_id, .. } => format!("offer {offer_id} of {}", peer_id.0[0]),
        Response::Answer { peer_id, offer_id, .. } => format!("answer {offer_id} of {}", peer_id.0[0]),
        Response::Scraped { files, .. } => format!("scraped {}", files.len()),
        Response::Failure(failure) | Response::Refused { failure, .. } => failure.reason,
    };
    replies.into_iter().map(|reply| (reply.to.0, word(reply.response))).collect()
}

fn join(swarms: &mut Swarms, socket: u64, number: u8, left: u64) {
    ask(swarms, 0, socket, announce(peer(number), Some(left), Event::Started, &[]));
}

fn said(to: u64, text: &str) -> (u64, String) {
    (to, text.to_owned())
}

/// Every list agrees with every other.
fn check(swarms: &Swarms) {
    let mut by_socket: BTreeMap<SocketId, usize> = BTreeMap::new();
    for member in swarms.members.iter() {
        let slot = swarms.find(&member.key).unwrap();
        let torrent = swarms.torrents.get(member.key.torrent).unwrap();
        assert_eq!(torrent.sockets.as_ref().unwrap().list(member.role)[member.place as usize], slot);
        let socket = &swarms.sockets[&member.key.socket];
        assert_eq!(socket.members[member.socket_place as usize], slot);
        *by_socket.entry(member.key.socket).or_default() += 1;
    }
    for torrent in swarms.torrents.iter() {
        let slot = swarms.torrents.find(&swarms.keys, &torrent.info_hash).unwrap();
        let of = |role| {
            let all = swarms.members.iter().filter(|member| member.key.torrent == slot);
            all.filter(|member| member.role == role).count() as u32
        };
        let Counts { complete, incomplete, partial } = torrent.counts();
        assert_eq!(
            [complete, incomplete - partial, partial],
            [Role::Seed, Role::Leech, Role::PartialSeed].map(of)
        );
    }
    super::neighbours::tests::check(swarms);
    assert_eq!(swarms.index.len(), swarms.members.len());
    let members = swarms.members.len() + swarms.addresses;
    assert_eq!(swarms.torrents.iter().map(Torrent::len).sum::<usize>(), members);
    assert_eq!((swarms.totals.members(), swarms.totals.addresses()), (members, swarms.addresses));
    assert_eq!(swarms.totals.pending(), swarms.offers.len());
    assert!(swarms.torrents.iter().all(|torrent| torrent.len() > 0), "an empty swarm is deleted");
    for (id, socket) in &swarms.sockets {
        assert_eq!(socket.members.len(), by_socket.get(id).copied().unwrap_or_default());
        let pending = swarms.offers.iter().filter(|pending| pending.owner == *id).count();
        assert_eq!(socket.tally.pending() as usize, pending);
        assert_eq!(socket.tally.members(), socket.members.len());
    }
}

#[test]
fn an_offer_reaches_another_member_and_its_answer_comes_back() {
    let mut swarms = opened(2);
    join(&mut swarms, 1, 1, 0);
    let replies = ask(&mut swarms, 1, 2, announce(peer(2), Some(9), Event::Started, &["x", "y"]));
    assert_eq!(replies, [said(2, "announced 1 1"), said(1, "offer x of 2")]);
    assert_eq!(ask(&mut swarms, 2, 1, answer(peer(1), peer(2), "x")), [said(2, "answer x of 1")]);
    assert!(ask(&mut swarms, 3, 1, answer(peer(1), peer(2), "x")).is_empty(), "an offer is answered once");
    assert!(ask(&mut swarms, 3, 1, answer(peer(1), peer(2), "y")).is_empty(), "this one was never relayed");
}

#[test]
fn how_long_answers_and_first_peers_take_is_counted() {
    let mut swarms = opened(3);
    join(&mut swarms, 1, 1, 0);
    ask(&mut swarms, 10, 2, announce(peer(2), Some(9), Event::Started, &["x", "y"]));
    ask(&mut swarms, 13, 1, answer(peer(1), peer(2), "x"));
    let counters = swarms.counters();
    assert_eq!((counters.answer_delay.count(), counters.answer_delay.sum_micros), (1, 3_000_000));
    let first = counters.first_peer_delay;
    assert_eq!(
        (first.count(), first.sum_micros),
        (1, 3_000_000),
        "the first was alone, nobody could have met it sooner"
    );
    ask(&mut swarms, 20, 2, announce(peer(2), Some(9), Event::Update, &["z"]));
    ask(&mut swarms, 20, 1, answer(peer(1), peer(2), "z"));
    assert_eq!(swarms.counters().answer_delay.count(), 2);
    assert_eq!(swarms.counters().first_peer_delay.count(), 1, "there is one first peer");
}

#[test]
fn who_got_everything_while_it_was_here_is_counted() {
    let mut swarms = opened(2);
    join(&mut swarms, 1, 1, 0);
    join(&mut swarms, 2, 2, 9);
    let downloaded = |swarms: &mut Swarms| swarms.scraped(&[TORRENT])[0].1.downloaded;
    assert_eq!(downloaded(&mut swarms), 1, "at least those who have it");
    for _ in 0..2 {
        ask(&mut swarms, 1, 2, announce(peer(2), Some(0), Event::Completed, &[]));
    }
    assert_eq!(downloaded(&mut swarms), 2);
    swarms.close(SocketId(2));
    assert_eq!(downloaded(&mut swarms), 1);
}

#[test]
fn only_the_socket_that_got_the_offer_may_answer_it() {
    let mut swarms = opened(3);
    join(&mut swarms, 1, 1, 9);
    ask(&mut swarms, 1, 2, announce(peer(2), Some(9), Event::Started, &["x"]));
    join(&mut swarms, 3, 3, 9);
    assert!(ask(&mut swarms, 2, 3, answer(peer(1), peer(2), "x")).is_empty());
    assert!(ask(&mut swarms, 2, 2, answer(peer(1), peer(2), "x")).is_empty());
    assert_eq!(ask(&mut swarms, 2, 1, answer(peer(1), peer(2), "x")).len(), 1);
    assert_eq!(swarms.stats().counters.answers_unexpected, 2);
}

#[test]
fn an_answer_after_the_deadline_goes_nowhere() {
    let mut swarms = opened(2);
    join(&mut swarms, 1, 1, 9);
    ask(&mut swarms, 0, 2, announce(peer(2), Some(9), Event::Started, &["x"]));
    assert!(ask(&mut swarms, 120, 1, answer(peer(1), peer(2), "x")).is_empty());
    assert_eq!((swarms.stats().counters.offers_expired, swarms.stats().pending_offers), (1, 0));
}

#[test]
fn an_answer_to_a_peer_whose_socket_closed_goes_nowhere() {
    let mut swarms = opened(3);
    join(&mut swarms, 1, 1, 9);
    ask(&mut swarms, 0, 2, announce(peer(2), Some(9), Event::Started, &["x"]));
    swarms.close(SocketId(2));
    join(&mut swarms, 3, 2, 9);
    assert!(ask(&mut swarms, 1, 1, answer(peer(1), peer(2), "x")).is_empty(), "not even to its new socket");
}

#[test]
fn a_stranger_with_somebodys_peer_id_neither_evicts_it_nor_gets_its_offers() {
    let mut swarms = opened(3);
    join(&mut swarms, 1, 1, 0);
    join(&mut swarms, 2, 1, 9);
    let replies = ask(&mut swarms, 1, 1, announce(peer(1), Some(0), Event::Update, &["x", "y"]));
    assert_eq!(replies, [said(1, "announced 1 1")]);
    ask(&mut swarms, 1, 2, announce(peer(1), Some(9), Event::Stopped, &[]));
    assert_eq!(swarms.counts(&TORRENT), Counts { complete: 1, ..Counts::default() });
    join(&mut swarms, 2, 1, 9);
    swarms.close(SocketId(2));
    check(&swarms);
    assert_eq!(swarms.counts(&TORRENT), Counts { complete: 1, ..Counts::default() });
    let replies = ask(&mut swarms, 2, 3, announce(peer(3), Some(9), Event::Started, &["z"]));
    assert_eq!(replies[1], said(1, "offer z of 3"));
}

#[test]
fn a_peer_that_reconnects_is_a_member_again_before_its_old_socket_closes() {
    let mut swarms = opened(3);
    join(&mut swarms, 1, 1, 9);
    join(&mut swarms, 2, 1, 9);
    assert_eq!(swarms.counts(&TORRENT).incomplete, 2);
    swarms.close(SocketId(1));
    check(&swarms);
    assert_eq!(swarms.counts(&TORRENT).incomplete, 1);
    let replies = ask(&mut swarms, 1, 3, announce(peer(3), Some(9), Event::Started, &["x"]));
    assert_eq!(replies[1], said(2, "offer x of 3"));
    assert_eq!(ask(&mut swarms, 1, 2, answer(peer(1), peer(3), "x")), [said(3, "answer x of 1")]);
}

#[test]
fn seeds_are_not_introduced_to_seeds() {
    let mut swarms = opened(3);
    join(&mut swarms, 1, 1, 0);
    let replies = ask(&mut swarms, 0, 2, announce(peer(2), Some(0), Event::Started, &["x"]));
    assert_eq!(replies, [said(2, "announced 2 0")]);
    join(&mut swarms, 3, 3, 9);
    let replies = ask(&mut swarms, 0, 2, announce(peer(2), Some(0), Event::Update, &["x", "y"]));
    assert_eq!(replies, [said(2, "announced 2 1"), said(3, "offer x of 2")]);
}

#[test]
fn a_peer_is_a_leecher_until_it_says_that_nothing_is_left() {
    let mut swarms = opened(1);
    for (left, event, expected) in [
        (None, Event::Started, "announced 0 1"),
        (Some(5), Event::Update, "announced 0 1"),
        (Some(0), Event::Completed, "announced 1 0"),
        (Some(0), Event::Completed, "announced 1 0"),
        (Some(5), Event::Update, "announced 0 1"),
        (None, Event::Completed, "announced 1 0"),
        (None, Event::Update, "announced 0 1"),
        (Some(0), Event::Stopped, "announced 0 0"),
        (Some(0), Event::Stopped, "announced 0 0"),
    ] {
        let replies = ask(&mut swarms, 0, 1, announce(peer(1), left, event, &[]));
        assert_eq!(replies, [said(1, expected)], "{left:?} {event:?}");
    }
    assert_eq!(swarms.stats().torrents, 0);
}

#[test]
fn members_that_fall_silent_are_forgotten_even_if_their_socket_lives() {
    let mut swarms = opened(2);
    join(&mut swarms, 1, 1, 9);
    ask(&mut swarms, 200, 2, announce(peer(2), Some(9), Event::Started, &["x"]));
    assert_eq!(swarms.next_deadline(), Some(Instant::from_millis(320_000)), "the offer's");
    ask(&mut swarms, 300, 1, answer(peer(1), peer(2), "none"));
    swarms.expire(Instant::from_millis(560_000));
    check(&swarms);
    assert_eq!(
        swarms.counts(&TORRENT).incomplete,
        1,
        "an answer is a sign of life, and 2 gave its last at 200 s"
    );
    swarms.expire(Instant::from_millis(660_000));
    check(&swarms);
    assert_eq!((swarms.stats().torrents, swarms.stats().sockets), (0, 2));
    assert_eq!(swarms.next_deadline(), None);
}

#[test]
fn scrapes_are_bounded_and_unknown_torrents_have_zeros() {
    let limits = Limits { scrape: 3, ..Limits::default() };
    let mut swarms = Swarms::new(limits, Rng::from_seed([0; 32]));
    open(&mut swarms, 1);
    for number in 0..5 {
        let joining = Announce {
            info_hash: InfoHash([number; 20]),
            peer_id: peer(1),
            left: None,
            event: Event::Started,
            offers: Vec::new(),
        };
        ask(&mut swarms, 0, 1, Request::Announce(joining));
    }
    assert_eq!(ask(&mut swarms, 0, 1, Request::Scrape(Vec::new())), [said(1, "scraped 3")]);
    let named = vec![TORRENT, TORRENT, InfoHash([77; 20])];
    assert_eq!(ask(&mut swarms, 0, 1, Request::Scrape(named)), [said(1, "scraped 2")]);
    assert_eq!(swarms.counts(&InfoHash([77; 20])), Counts::default());
}

#[test]
fn bounds_refuse_with_a_reason_and_spare_those_who_are_in() {
    let limits = Limits {
        members_per_socket: 3,
        peer_ids_per_swarm: 2,
        members_per_torrent: 3,
        members: 4,
        pending_per_socket: 1,
        ..Limits::default()
    };
    let mut swarms = Swarms::new(limits, Rng::from_seed([0; 32]));
    (1..=3).for_each(|socket| {
        swarms.open(SocketId(socket), Ipv6Addr::LOCALHOST.into(), &SocketTally::default())
    });
    let refusal = |swarms: &mut Swarms, socket, number| {
        let replies = ask(swarms, 0, socket, announce(peer(number), Some(1), Event::Started, &["x"]));
        (replies[0].1.clone(), replies.len())
    };
    assert_eq!(refusal(&mut swarms, 1, 1).0, "announced 0 1");
    assert_eq!(refusal(&mut swarms, 1, 2).1, 2);
    assert!(refusal(&mut swarms, 1, 3).0.contains("too many peer_ids"));
    assert_eq!(refusal(&mut swarms, 2, 4).1, 2);
    assert!(refusal(&mut swarms, 3, 5).0.contains("swarm is full"));
    let (reply, replies) = refusal(&mut swarms, 1, 1);
    assert_eq!(reply, "announced 0 3", "a member may always announce again");
    assert_eq!(replies, 1, "but no more offers while one of this socket waits for its answer");
    assert!(swarms.stats().counters.offers_unwanted > 0);
}

#[test]
fn offers_and_answers_that_are_too_long_are_not_relayed() {
    let limits = Limits { offer_bytes: 20, ..Limits::default() };
    let mut swarms = Swarms::new(limits, Rng::from_seed([0; 32]));
    (1..=2).for_each(|socket| open(&mut swarms, socket));
    join(&mut swarms, 1, 1, 9);
    let text = format!("{{\"sdp\":\"{}\"}}", "x".repeat(20));
    let long = raw(&text);
    let mut request = announce(peer(2), Some(9), Event::Started, &["long", "short"]);
    if let Request::Announce(announce) = &mut request {
        announce.offers[0].offer = long;
    }
    assert_eq!(ask(&mut swarms, 0, 2, request)[1..], [said(1, "offer short of 2")]);
    let mut request = answer(peer(1), peer(2), "short");
    if let Request::Answer(answer) = &mut request {
        answer.answer = long;
    }
    assert!(ask(&mut swarms, 0, 1, request).is_empty());
    assert_eq!(ask(&mut swarms, 0, 1, answer(peer(1), peer(2), "short")).len(), 1);
}

#[test]
fn several_peers_of_one_socket_meet_each_other_and_leave_together() {
    let mut swarms = opened(1);
    join(&mut swarms, 1, 1, 9);
    let replies = ask(&mut swarms, 0, 1, announce(peer(2), Some(9), Event::Started, &["x"]));
    assert_eq!(replies, [said(1, "announced 0 2"), said(1, "offer x of 2")]);
    assert_eq!(ask(&mut swarms, 0, 1, answer(peer(1), peer(2), "x")), [said(1, "answer x of 1")]);
    swarms.close(SocketId(1));
    check(&swarms);
    assert_eq!(swarms.stats(), Stats { counters: swarms.stats().counters, ..Stats::default() });
    assert!(ask(&mut swarms, 0, 1, announce(peer(1), None, Event::Started, &[])).is_empty(), "closed");
}

#[derive(Clone, Debug)]
enum Step {
    Open(usize),
    Close(usize),
    Announce { socket: usize, torrent: u8, peer: u8, left: Option<u64>, event: Event, offers: usize },
    Answer { socket: usize, offer: usize },
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let events = [Event::Update, Event::Started, Event::Completed, Event::Stopped, Event::Paused];
    let event = prop::sample::select(events.to_vec());
    let left = prop::option::of(0_u64..2);
    prop_oneof![
        1 => (0_usize..5).prop_map(Step::Open),
        1 => (0_usize..5).prop_map(Step::Close),
        8 => (0_usize..5, 0_u8..3, 0_u8..5, left, event, 0_usize..6).prop_map(
            |(socket, torrent, peer, left, event, offers)| Step::Announce { socket, torrent, peer, left, event, offers }
        ),
        4 => (0_usize..5, 0_usize..64).prop_map(|(socket, offer)| Step::Answer { socket, offer }),
        1 => (1_u64..200).prop_map(Step::Wait),
    ]
}

/// An offer: receiver, owner, (swarm, offerer, offer_id), when it was relayed, and whether it was answered.
type Relayed = (SocketId, SocketId, (InfoHash, PeerId, String), Instant, bool);

proptest! {
    /// Whatever happens in whatever order: the lists agree; offers go to other peers of the same swarm, never from
    /// seed to seed; and an answer goes to the socket whose offer it answers, once, from the receiver, in time.
    #[test]
    fn the_rules_hold_in_every_order(steps in prop::collection::vec(step(), 1..150), neighbours_first: bool) {
        let limits = Limits { pending: 20, pending_per_socket: 8, neighbours_first, ..Limits::default() };
        let mut swarms = Swarms::new(limits, Rng::from_seed([4; 32]));
        let mut now = Instant::ORIGIN;
        // Five connections; each gets a new id when it is opened again.
        let mut ids: Vec<SocketId> = (0..5).map(SocketId).collect();
        // In the order in which they were relayed.
        let mut relayed: Vec<Relayed> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            let mut replies = Vec::new();
            match step {
                Step::Open(at) => {
                    if !swarms.sockets.contains_key(&ids[at]) {
                        ids[at] = SocketId(100 + number as u64);
                        open(&mut swarms, ids[at].0);
                    }
                }
                Step::Close(at) => swarms.close(ids[at]),
                Step::Wait(seconds) => now = now + Duration::from_secs(seconds),
                Step::Announce { socket, torrent, peer: name, left, event, offers } => {
                    let (info_hash, socket) = (InfoHash([torrent; 20]), ids[socket]);
                    let offers: Vec<_> = (0..offers)
                        .map(|at| Offer { offer_id: format!("{number}-{at}").into(), offer: raw("{}") })
                        .collect();
                    let request = Announce { info_hash, peer_id: peer(name), left, event, offers };
                    swarms.handle(now, socket, Request::Announce(request), &mut replies);
                    for reply in &replies {
                        let Response::Offer { peer_id, offer_id, .. } = &reply.response else {
                            prop_assert_eq!(reply.to, socket);
                            continue;
                        };
                        let member = |peer_id, socket| {
                            let torrent = swarms.torrents.find(&swarms.keys, &info_hash)?;
                            swarms.members.get(swarms.find(&MemberKey { torrent, peer_id, socket })?)
                        };
                        let seeding = member(peer(name), socket).unwrap().role.is_seed();
                        let receivers: Vec<_> = (0..5)
                            .filter(|other| *other != name)
                            .filter_map(|other| member(peer(other), reply.to))
                            .collect();
                        prop_assert!(receivers.iter().any(|receiver| !(seeding && receiver.role.is_seed())));
                        let key = (info_hash, *peer_id, offer_id.clone().into_owned());
                        relayed.push((reply.to, socket, key, now, false));
                    }
                }
                Step::Answer { socket, offer } => {
                    let Some(at) = relayed.len().checked_sub(1).map(|last| offer.min(last)) else { continue };
                    let (receiver, owner, key, when, answered) = &mut relayed[at];
                    let request = Answer {
                        info_hash: key.0,
                        peer_id: peer(0),
                        to_peer_id: key.1,
                        offer_id: key.2.as_str().into(),
                        answer: raw("{}"),
                    };
                    swarms.handle(now, ids[socket], Request::Answer(request), &mut replies);
                    if let Some(reply) = replies.first() {
                        prop_assert_eq!(ids[socket], *receiver);
                        prop_assert_eq!(reply.to, *owner);
                        prop_assert!(!core::mem::replace(answered, true));
                        prop_assert!(now.saturating_since(*when) < Duration::from_secs(120));
                    }
                    prop_assert!(replies.len() <= 1);
                }
            }
            for reply in &replies {
                prop_assert!(swarms.sockets.contains_key(&reply.to));
            }
            prop_assert!(swarms.offers.len() <= 20 + 6);
            check(&swarms);
        }
    }
}
