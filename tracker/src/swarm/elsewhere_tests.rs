use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use proptest::prelude::{prop, prop_assert_eq, proptest};
use shared::tracker::announce::{AnnounceRequest, Event, Role};
use shared::tracker::ws::{Announce, Json, Request};

use super::super::address::{Found, Reach};
use super::super::{Limits, SocketTally};
use super::*;

const NODES: usize = 3;

/// Swarms of several nodes, each of which is told at once what changes at the others.
struct Cluster {
    nodes: Vec<Swarms>,
    now: Instant,
}

impl Cluster {
    fn new() -> Self {
        let node = |seed| {
            let limits = Limits { neighbours_first: true, ..Limits::default() };
            let mut swarms = Swarms::new(limits, Rng::from_seed([seed; 32]));
            swarms.record_changes();
            (0..4).for_each(|socket| {
                swarms.open(SocketId(socket), Ipv4Addr::LOCALHOST.into(), &SocketTally::default());
            });
            swarms
        };
        Self { nodes: (0..NODES as u8).map(node).collect(), now: Instant::ORIGIN }
    }

    /// As node `at` numbers them: the others from 1 on, in order.
    fn number(at: usize, other: usize) -> Node {
        if other < at { other as Node + 1 } else { other as Node }
    }

    fn tell(&mut self) {
        for _ in 0..3 {
            for from in 0..NODES {
                let mut changes = Vec::new();
                assert!(!self.nodes[from].take_changes(&mut changes));
                for Change { key, was, now, age, .. } in changes.into_iter().filter(|change| !change.quiet) {
                    for to in (0..NODES).filter(|to| *to != from) {
                        let anywhere = now.is_none() && was.is_some_and(|(node, _)| node != 0);
                        let node = Self::number(to, from);
                        let claim = Claim { node, key, now, age, anywhere, wins_ties: from > to };
                        self.nodes[to].apply(self.now, &claim);
                    }
                }
            }
        }
    }

    fn address(&mut self, node: usize, torrent: u8, port: u16, left: u64, event: Event) {
        let request = AnnounceRequest {
            info_hash: InfoHash([torrent; 20]),
            peer_id: PeerId([port as u8; 20]),
            port,
            uploaded: 0,
            downloaded: 0,
            left: Some(left),
            event,
            wanted: None,
            key: 0,
            tracker_id: None,
        };
        let ip: IpAddr = if port.is_multiple_of(2) {
            [192, 0, 2, 1].into()
        } else {
            [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()
        };
        let mut found = Found::default();
        let _ = self.nodes[node].announce_address(self.now, ip, &request, Reach::Both, 50, &mut found);
    }

    fn socket(&mut self, node: usize, torrent: u8, socket: u64, left: u64, event: Event) {
        let (info_hash, peer_id) = (InfoHash([torrent; 20]), PeerId([socket as u8; 20]));
        let announce = Announce { info_hash, peer_id, left: Some(left), event, offers: Vec::new() };
        let request = Request::Announce(announce);
        self.nodes[node].handle(self.now, SocketId(socket), request, &mut Vec::new());
    }

    /// All members, of each of which one node says that it is its own.
    fn all(&self) -> BTreeMap<(usize, Key), Held> {
        let mut all = BTreeMap::new();
        for (number, node) in self.nodes.iter().enumerate() {
            for info_hash in node.torrents().copied().collect::<Vec<_>>() {
                node.own(self.now, &info_hash, |key, held, _| {
                    // That of a socket is the node's own.
                    let of = if matches!(key, Key::Socket { .. }) { number } else { NODES };
                    assert_eq!(all.insert((of, key), held), None, "{key:?} is at two nodes");
                });
            }
        }
        all
    }

    fn assert_agreed(&self) {
        let all = self.all();
        for node in &self.nodes {
            super::super::neighbours::tests::check(node);
            for torrent in 0..4 {
                let info_hash = InfoHash([torrent; 20]);
                let counts = node.counts(&info_hash);
                let of = |role| {
                    all.iter()
                        .filter(|((_, key), held)| *key.info_hash() == info_hash && held.role == role)
                        .count()
                };
                let (leeches, partial, seeds) = (of(Role::Leech), of(Role::PartialSeed), of(Role::Seed));
                let told = [counts.complete, counts.incomplete, counts.downloaders()];
                assert_eq!(told.map(|count| count as usize), [seeds, leeches + partial, leeches]);
            }
            assert_eq!(node.totals.members(), all.len());
            let everywhere = node.totals.networks.everywhere([192, 0, 2, 1].into()) as usize;
            let v4 =
                all.keys().filter(|(_, key)| matches!(key, Key::Address { ip: IpAddr::V4(_), .. })).count();
            assert_eq!(everywhere, v4);
            assert_eq!(
                node.addresses,
                all.keys().filter(|(_, key)| matches!(key, Key::Address { .. })).count()
            );
        }
    }
}

proptest! {
    #[test]
    fn all_nodes_count_the_same_members(steps in prop::collection::vec((0_u8..8, 0..NODES, 0_u8..4, 0_u8..4, 0_u64..3), 1..120)) {
        let mut cluster = Cluster::new();
        for (what, node, torrent, who, left) in steps {
            let port = 1_000 + u16::from(who);
            let event = if left == 2 { Event::Paused } else { Event::Update };
            match what {
                0 | 1 => cluster.socket(node, torrent, who.into(), left, event),
                2 => cluster.socket(node, torrent, who.into(), left, Event::Stopped),
                3 | 4 => cluster.address(node, torrent, port, left, event),
                5 => cluster.address(node, torrent, port, left, Event::Stopped),
                6 => {
                    cluster.nodes[node].close(SocketId(who.into()));
                    cluster.nodes[node].open(SocketId(who.into()), Ipv4Addr::LOCALHOST.into(), &SocketTally::default());
                }
                _ => {
                    cluster.now = cluster.now + core::time::Duration::from_secs(90);
                    cluster.nodes.iter_mut().for_each(|node| node.expire(cluster.now));
                }
            }
            cluster.tell();
        }
        // What is overdue is found by and by.
        for _ in 0..3 {
            cluster.now = cluster.now + core::time::Duration::from_secs(1);
            cluster.nodes.iter_mut().for_each(|node| node.expire(cluster.now));
            cluster.tell();
        }
        cluster.assert_agreed();
        // A node is gone: what it had is nobody's, and the others' is as it was.
        let all = cluster.all().len();
        let own = {
            let mut own = 0;
            let last = &cluster.nodes[NODES - 1];
            last.torrents().for_each(|info_hash| last.own(cluster.now, info_hash, |_, _, _| own += 1));
            own
        };
        for at in 0..NODES - 1 {
            cluster.nodes[at].retain(Cluster::number(at, NODES - 1), |_| true, |_, _| false);
            prop_assert_eq!(cluster.nodes[at].totals.members(), all - own);
            super::super::neighbours::tests::check(&cluster.nodes[at]);
        }
    }
}

#[test]
fn members_of_others_do_not_grow_old_and_keep_nobody_else_from_it() {
    let mut cluster = Cluster::new();
    cluster.socket(0, 1, 1, 1, Event::Started);
    cluster.address(0, 1, 1_000, 1, Event::Started);
    cluster.tell();
    cluster.socket(1, 1, 2, 1, Event::Started);
    let (info_hash, start) = (InfoHash([1; 20]), cluster.now);
    let limits = Limits::default();
    assert_eq!(cluster.nodes[1].counts(&info_hash).incomplete, 3);
    cluster.nodes[1].expire(start + limits.member_timeout);
    assert_eq!(cluster.nodes[1].counts(&info_hash).incomplete, 2, "its own did not announce again");
    for hour in 1..5 {
        cluster.nodes[1].expire(start + core::time::Duration::from_secs(hour * 3_600));
    }
    assert_eq!(cluster.nodes[1].counts(&info_hash).incomplete, 2);
    cluster.now = start + core::time::Duration::from_secs(5 * 3_600);
    cluster.nodes[0].expire(cluster.now);
    cluster.tell();
    cluster.nodes.iter().for_each(|node| assert_eq!(node.counts(&info_hash).incomplete, 0));
}

#[test]
fn beyond_twice_the_bound_there_is_no_room() {
    let mut node = Swarms::new(Limits { members: 10, ..Limits::default() }, Rng::from_seed([1; 32]));
    let claim = |number: u8| Claim {
        node: 1,
        key: Key::Address { info_hash: InfoHash([number; 20]), ip: [192, 0, 2, number].into(), port: 1 },
        now: Some(Held { peer_id: PeerId([1; 20]), role: Role::Leech }),
        age: 0,
        anywhere: false,
        wins_ties: true,
    };
    let applied: Vec<_> = (0..25).map(|number| node.apply(Instant::ORIGIN, &claim(number))).collect();
    assert_eq!(applied.iter().filter(|applied| **applied == Applied::New).count(), 20);
    assert_eq!(applied[24], Applied::Full);
    assert_eq!(node.torrents().count(), 20, "none is begun in vain");
    assert!(
        matches!(node.apply(Instant::ORIGIN, &claim(3)), Applied::Replaced(1, _)),
        "who is in may change"
    );
    let socket = Key::Socket { info_hash: InfoHash([99; 20]), peer_id: PeerId([1; 20]), socket: 1 };
    assert_eq!(node.apply(Instant::ORIGIN, &Claim { key: socket, ..claim(0) }), Applied::Full);
}

#[test]
fn an_offer_of_another_node_reaches_a_member_only_and_is_answered_once() {
    let mut cluster = Cluster::new();
    cluster.socket(0, 1, 1, 1, Event::Started);
    let node = &mut cluster.nodes[0];
    let (from, now) = (SocketId::of(1, 7), Instant::ORIGIN);
    let sdp = Json::parse("{\"sdp\":1}").unwrap();
    let (info_hash, offerer) = (InfoHash([1; 20]), PeerId([9; 20]));
    let offer = || Offer { offer_id: "x".into(), offer: sdp };
    for (to, torrent) in [(SocketId(2), 1), (SocketId(9), 1), (SocketId(1), 2)] {
        assert!(node.offered(now, (from, to), (InfoHash([torrent; 20]), offerer), offer()).is_none());
    }
    let to = SocketId(1);
    let reply = node.offered(now, (from, to), (info_hash, offerer), offer()).unwrap();
    assert_eq!(reply.to, to);
    // Another's that could not be told from it.
    assert!(node.offered(now, (SocketId::of(2, 7), to), (info_hash, offerer), offer()).is_none());
    let answer = || Answer {
        info_hash,
        peer_id: PeerId([1; 20]),
        to_peer_id: offerer,
        offer_id: "x".into(),
        answer: sdp,
    };
    let mut replies = Vec::new();
    node.handle(now, SocketId(2), Request::Answer(answer()), &mut replies);
    assert!(replies.is_empty(), "nobody else's to answer");
    node.handle(now, to, Request::Answer(answer()), &mut replies);
    node.handle(now, to, Request::Answer(answer()), &mut replies);
    assert_eq!(replies.iter().map(|reply| reply.to).collect::<Vec<_>>(), [from]);
    assert_eq!(node.totals.pending(), 0);
    assert_eq!((from.node(), from.number()), (1, 7));
}
