//! Peers over TCP: addresses, dials, connections that come in.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use shared::engine::{ClosedBy, Command, Config, Event, Input, Origin, Phase, TrackerState, Transport};
use shared::limits;
use shared::peer::CloseReason;
use shared::wire::Message;
use shared::wire::extension::pex::{Contact, PexMessage};
use shared::wire::extension::{ExtendedHandshake, Ids};
use support::stranger::Stranger;
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

#[test]
fn ten_thousand_addresses_are_too_many() {
    let share = share(100_000, 4);
    let mut world = World::new(Net::default());
    let host = world.native();
    world.add(host, &share, &[], false);
    let addresses = (0..10_000).map(nobody).collect();
    world.command(host, Command::AddPeers { torrent: share.meta.info_hash(), addresses });
    assert_eq!(world.snapshot(host, &share).known_addresses as usize, limits::ADDRESSES_PER_TORRENT);
    world.tcp.tracker.others = (20_000..30_000).map(nobody).collect();
    world.run(100_000);
    assert!(world.snapshot(host, &share).known_addresses as usize <= limits::ADDRESSES_PER_TORRENT);
}

#[test]
fn private_addresses_that_strangers_name_lead_nowhere() {
    let share = share(100_000, 5);
    let private =
        ["192.168.1.1:80", "127.0.0.1:22", "169.254.169.254:80", "[fd00::1]:1", "100.64.0.1:1", "8.8.8.8:0"]
            .map(|text| text.parse::<SocketAddr>().expect("valid"));
    for allowed in [false, true] {
        let mut world = World::new(Net::default());
        let listen_port = Some(6_881);
        let host = world.host_with(Config {
            dials: true,
            private_addresses: allowed,
            listen_port,
            ..Config::default()
        });
        world.tcp.tracker.others = private.to_vec();
        world.add(host, &share, &[HTTP], false);
        let link =
            format!("magnet:?xt=urn:btih:{}&x.pe=10.0.0.1:80&x.pe=peer.example:80", share.meta.info_hash());
        world.command(host, Command::Add { origin: Origin::Link(link), trackers: Vec::new(), start: true });
        world.run(5_000);
        let refused =
            world.hosts[host].events.iter().filter(|event| matches!(event, Event::Refused { .. })).count();
        assert_eq!(refused, if allowed { 1 } else { 2 }, "a name is the host's to look up");
        assert_eq!(world.tcp.dials.len(), if allowed { 6 } else { 0 }, "{:?}", world.tcp.dials);
        assert_eq!(world.snapshot(host, &share).refused_addresses, if allowed { 1 } else { 7 });
    }
}

#[test]
fn whoever_names_an_unknown_or_inactive_torrent_is_sent_away() {
    let (share, other) = (share(100_000, 6), support::share(100_000, 7));
    let mut world = World::new(Net::default());
    let host = world.native();
    world.add(host, &share, &[], true);
    world.run(100);
    let stranger = Stranger::dials(&mut world, host, other.meta.info_hash(), 1, address(7));
    assert_eq!(stranger.closed(&world), Some(CloseReason::UnknownTorrent(other.meta.info_hash())));
    world.command(host, Command::Pause(share.meta.info_hash()));
    let stranger = Stranger::dials(&mut world, host, share.meta.info_hash(), 2, address(7));
    assert_eq!(stranger.closed(&world), Some(CloseReason::Stopped));
    world.command(host, Command::Start(share.meta.info_hash()));
    world.run(100);
    let stranger = Stranger::dials(&mut world, host, share.meta.info_hash(), 3, address(7));
    assert_eq!(stranger.closed(&world), None);
    let peers = |world: &World| world.snapshot(host, &share).peers.len();
    assert_eq!(peers(&world), 1);
    for name in 10..250 {
        Stranger::dials(&mut world, host, share.meta.info_hash(), name, address(8));
    }
    assert_eq!(peers(&world), 1 + limits::PEERS_PER_TORRENT / 2, "one address does not take all the room");
}

/// Has every piece and gives them with a wrong byte.
fn give_wrong_blocks(world: &mut World, stranger: &mut Stranger) {
    stranger.say(world, &Message::HaveAll);
    stranger.say(world, &Message::Unchoke);
    for _ in 0..50 {
        for message in stranger.heard(world) {
            let Message::Request(request) = message else { continue };
            let block = Bytes::from(vec![7; request.length as usize]);
            stranger.say(world, &Message::Piece { piece: request.piece, begin: request.begin, block });
        }
        world.run(10);
    }
}

#[test]
fn who_is_banned_does_not_come_back_under_another_name_from_the_same_address() {
    let share = share(100_000, 8);
    let torrent = share.meta.info_hash();
    let mut world = World::new(Net::default());
    let host = world.native();
    world.add(host, &share, &[], false);
    world.run(100);
    let mut liar = Stranger::dials(&mut world, host, torrent, 1, address(20));
    give_wrong_blocks(&mut world, &mut liar);
    assert_eq!(liar.closed(&world), Some(CloseReason::Banned));
    let again = Stranger::dials(&mut world, host, torrent, 2, address(20));
    assert_eq!(again.closed(&world), Some(CloseReason::Banned));
    let other = Stranger::dials(&mut world, host, torrent, 3, address(21));
    assert_eq!(other.closed(&world), None);
    let dials = world.tcp.dials.len();
    world.command(host, Command::AddPeers { torrent, addresses: vec![address(20)] });
    world.run(1_000);
    assert_eq!(world.tcp.dials.len(), dials, "nor is it dialled");
    world.run(60_000);
    let later = Stranger::dials(&mut world, host, torrent, 4, address(20));
    assert_eq!(later.closed(&world), None, "a ban ends");
}

#[test]
fn what_leads_to_ourselves_is_dialled_once() {
    let share = share(100_000, 9);
    let mut world = World::new(Net::default());
    let host = world.native();
    world.add(host, &share, &[], false);
    world
        .command(host, Command::AddPeers { torrent: share.meta.info_hash(), addresses: vec![address(host)] });
    world.run(7_200_000);
    assert_eq!(world.tcp.dials.len(), 1);
    assert!(world.reasons(host).contains(&CloseReason::SelfConnection));
}

#[test]
fn peers_over_tcp_learn_of_each_other_by_exchange() {
    let share = share(20_000_000, 10);
    let mut world = World::new(Net { rate: Some(200_000), ..Net::default() });
    let (seed, first, second) = (world.native(), world.native(), world.native());
    world.add(seed, &share, &[], true);
    for host in [first, second] {
        world.add(host, &share, &[], false);
        let torrent = share.meta.info_hash();
        world.command(host, Command::AddPeers { torrent, addresses: vec![address(seed)] });
    }
    assert!(world.run_until(70, |world| world.snapshot(first, &share).peers.len() == 2));
    assert_eq!(world.snapshot(second, &share).peers.len(), 2);
}

/// A peer over TCP that takes part in peer exchange.
fn exchanger(world: &mut World, host: usize, torrent: shared::id::InfoHash, name: u8) -> Stranger {
    let stranger = Stranger::dials(world, host, torrent, name, address(usize::from(name)));
    let ours = ExtendedHandshake { ids: Ids::WITH_PEX, port: Some(1), ..ExtendedHandshake::default() };
    let mut payload = Vec::new();
    ours.encode(&mut payload);
    stranger.say(world, &Message::Extended { id: 0, payload: payload.into() });
    stranger
}

#[test]
fn a_flood_of_exchanged_addresses_is_read_once_in_a_while() {
    let share = share(100_000, 11);
    let mut world = World::new(Net::default());
    let host = world.native();
    world.add(host, &share, &[], false);
    world.run(100);
    let stranger = exchanger(&mut world, host, share.meta.info_hash(), 30);
    for round in 0..100 {
        let contact = |number| Contact { address: nobody(number), seed: false, reachable: false };
        let message = PexMessage {
            added: (round * 100..round * 100 + 100).map(contact).collect(),
            dropped: Vec::new(),
        };
        let mut payload = Vec::new();
        message.encode(&mut payload);
        stranger.say(&mut world, &Message::Extended { id: 3, payload: payload.into() });
    }
    assert_eq!(stranger.closed(&world), None);
    let known = world.snapshot(host, &share).known_addresses as usize;
    assert_eq!(known, 1 + limits::PEX_ADDRESSES_MAX, "of the first message, and where it listens itself");
}

#[test]
fn browsers_hear_nothing_of_addresses_and_peers_over_tcp_nothing_of_browsers() {
    let share = share(100_000, 12);
    let torrent = share.meta.info_hash();
    let mut world = World::new(Net::default());
    let listen_port = Some(6_881);
    let bridge = world.host_with(Config { dials: true, listen_port, ..Config::default() });
    world.add(bridge, &share, &[support::TRACKER], true);
    world.run(100);
    let mut browser = Stranger::shaken(&mut world, bridge, torrent, 1);
    let told = browser.introduction(&world);
    assert_eq!((told.port, told.your_ip, told.ids.pex), (None, None, None));
    let mut first = exchanger(&mut world, bridge, torrent, 40);
    let told = first.introduction(&world);
    assert_eq!((told.port, told.ids.pex), (listen_port, Ids::WITH_PEX.pex));
    assert_eq!(told.your_ip, Some(address(40).ip()));
    let ours = ExtendedHandshake { ids: Ids::WITH_PEX, ..ExtendedHandshake::default() };
    let mut payload = Vec::new();
    ours.encode(&mut payload);
    browser.say(&mut world, &Message::Extended { id: 0, payload: payload.into() });
    let _second = exchanger(&mut world, bridge, torrent, 41);
    world.run(70_000);
    let exchanged = |stranger: &mut Stranger, world: &World| -> Vec<SocketAddr> {
        let read = |message| match message {
            Message::Extended { id: 3, payload } => PexMessage::decode(&payload).ok(),
            _ => None,
        };
        let messages = stranger.heard(world).into_iter().filter_map(read);
        messages.flat_map(|message| message.added).map(|contact| contact.address).collect()
    };
    assert_eq!(exchanged(&mut browser, &world), []);
    let second = SocketAddr::new(address(41).ip(), 1);
    assert_eq!(exchanged(&mut first, &world), [second], "neither itself nor the browser");
}

#[test]
fn a_host_that_speaks_both_bridges() {
    let share = share(1_000_000, 13);
    let mut world = World::new(Net::default());
    let (seed, browser) = (world.native(), world.host());
    let bridge = world.host_with(Config { dials: true, listen_port: Some(6_881), ..Config::default() });
    world.add(seed, &share, &[HTTP], true);
    world.add(bridge, &share, &[HTTP, support::TRACKER], false);
    world.leech(browser, &share);
    assert!(world.run_until(60, |world| world.is_complete(browser, &share)));
    assert!(world.snapshot(browser, &share).peers.iter().all(|peer| peer.address.is_none()));
}

#[test]
fn a_dial_that_nothing_comes_of_is_given_up() {
    let share = share(100_000, 14);
    let mut world = World::new(Net::default());
    let host = world.native();
    world.add(host, &share, &[], false);
    world.net.latency = Duration::from_secs(60);
    world.command(host, Command::AddPeers { torrent: share.meta.info_hash(), addresses: vec![nobody(1)] });
    world.run(16_000);
    let (_, _, conn, _) = world.tcp.dials[0];
    assert_eq!(world.hosts[host].closed, [(conn, CloseReason::Unreachable)]);
    world.input(host, Input::ConnectionClosed { conn, by: ClosedBy::Unreachable });
}
