//! Several peers: bad ones, slow ones, too many.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use shared::engine::{Config, Event, Phase};
use shared::id::PeerId;
use shared::peer::CloseReason;
use shared::wire::{Message, Request};
use support::stranger::Stranger;
use support::{Net, World, share};

/// Changes a byte in every block that is sent.
fn spoil(data: &mut [u8]) {
    if data.len() > 1_000 {
        let middle = data.len() / 2;
        data[middle] ^= 0x55;
    }
}

fn banned(world: &World, host: usize) -> Vec<PeerId> {
    let of = |event: &Event| if let Event::PeerBanned { peer, .. } = event { Some(*peer) } else { None };
    world.hosts[host].events.iter().filter_map(of).collect()
}

#[test]
fn a_peer_that_gives_bad_pieces_is_banned_and_the_file_is_right() {
    let share = share(3_000_000, 1);
    let mut world = World::new(Net { rate: Some(5_000_000), ..Net::default() });
    let (bad, good, leech) = (world.host(), world.host(), world.host());
    world.seed(bad, &share);
    world.seed(good, &share);
    world.hosts[bad].corrupt = Some(spoil);
    world.leech(leech, &share);
    assert!(
        world.run_until(60, |world| world.is_complete(leech, &share)),
        "{:#?}",
        world.snapshot(leech, &share)
    );
    assert_eq!(banned(&world, leech), [world.hosts[bad].engine.peer_id()]);
    assert!(world.reasons(leech).contains(&CloseReason::Banned));
    let snapshot = world.snapshot(leech, &share);
    assert!(snapshot.banned == 1 && snapshot.failed_pieces >= 1 && snapshot.wasted > 0);
}

#[test]
fn of_several_givers_of_a_bad_piece_only_the_liar_is_banned() {
    // Pieces of many blocks and slow links: every piece has several authors.
    let share = share(20_000_000, 2);
    for seed in 0..3 {
        let mut world = World::new(Net { rate: Some(300_000 + seed * 50_000), ..Net::default() });
        world.check = false;
        let hosts: Vec<usize> = (0..5).map(|_| world.host()).collect();
        hosts.iter().for_each(|host| world.seed(*host, &share));
        world.hosts[hosts[2]].corrupt = Some(spoil);
        let leech = world.host();
        world.leech(leech, &share);
        assert!(world.run_until(200, |world| world.is_complete(leech, &share)));
        assert_eq!(banned(&world, leech), [world.hosts[hosts[2]].engine.peer_id()]);
    }
}

#[test]
fn only_as_many_are_served_at_once_as_there_are_slots_and_everybody_gets_a_turn() {
    let share = share(6_000_000, 3);
    let mut world = World::new(Net { rate: Some(500_000), ..Net::default() });
    world.check = false;
    let seed = world.host_with(Config { upload_slots: 2, ..Config::default() });
    world.seed(seed, &share);
    world.run(500);
    let mut leeches: Vec<Stranger> =
        (1..=6).map(|name| Stranger::shaken(&mut world, seed, share.meta.info_hash(), name)).collect();
    leeches[0].say(&mut world, &Message::Interested);
    assert!(leeches[0].heard(&world).contains(&Message::Unchoke), "the first is unchoked at once");
    leeches[1..].iter().for_each(|leech| leech.say(&mut world, &Message::Interested));
    let mut served = BTreeSet::new();
    for _ in 0..60 {
        world.run(10_000);
        let peers = world.snapshot(seed, &share).peers;
        let unchoked: Vec<_> = peers.iter().filter(|peer| !peer.choked).map(|peer| peer.conn).collect();
        assert_eq!(unchoked.len(), 2);
        served.extend(unchoked);
        leeches.iter().for_each(|leech| leech.say(&mut world, &Message::KeepAlive));
    }
    assert_eq!(served.len(), 6);
}

#[test]
fn a_slot_that_becomes_free_is_given_at_once() {
    let share = share(600_000, 3);
    let mut world = World::new(Net::default());
    let seed = world.host_with(Config { upload_slots: 1, ..Config::default() });
    world.seed(seed, &share);
    world.run(500);
    let hash = share.meta.info_hash();
    let first = Stranger::shaken(&mut world, seed, hash, 1);
    let mut second = Stranger::shaken(&mut world, seed, hash, 2);
    first.say(&mut world, &Message::Interested);
    second.say(&mut world, &Message::Interested);
    assert!(!second.heard(&world).contains(&Message::Unchoke));
    let by = shared::engine::ClosedBy::Remote;
    world.input(seed, shared::engine::Input::ConnectionClosed { conn: first.conn, by });
    assert!(second.heard(&world).contains(&Message::Unchoke));
}

#[test]
fn at_the_end_idle_peers_are_asked_as_well_and_told_when_it_came() {
    let share = share(64 * 1024, 4);
    let mut world = World::new(Net::default());
    let leech = world.host();
    world.leech(leech, &share);
    world.run(500);
    let hash = share.meta.info_hash();
    let mut slow = Stranger::shaken(&mut world, leech, hash, 1);
    slow.say(&mut world, &Message::HaveAll);
    slow.say(&mut world, &Message::Unchoke);
    let asked_of = |stranger: &mut Stranger, world: &mut World| -> BTreeSet<Request> {
        let heard = stranger.heard(world);
        heard.into_iter().filter_map(|m| if let Message::Request(r) = m { Some(r) } else { None }).collect()
    };
    let first = asked_of(&mut slow, &mut world);
    assert_eq!(first.len(), 4, "every block is asked of the first peer");
    let mut fast = Stranger::shaken(&mut world, leech, hash, 2);
    fast.say(&mut world, &Message::HaveAll);
    fast.say(&mut world, &Message::Unchoke);
    assert!(asked_of(&mut fast, &mut world).is_empty(), "the first may answer yet");
    world.run(100);
    assert_eq!(asked_of(&mut fast, &mut world), first, "and again of the idle second one");
    let request = *first.first().expect("four");
    let at = request.piece as usize * share.meta.layout().piece_length() as usize + request.begin as usize;
    let block = bytes::Bytes::copy_from_slice(&share.bytes[at..at + request.length as usize]);
    fast.say(&mut world, &Message::Piece { piece: request.piece, begin: request.begin, block });
    assert!(slow.heard(&world).contains(&Message::Cancel(request)));
}

#[test]
fn what_one_peer_gives_up_an_idle_one_is_asked_for_at_once() {
    let share = share(4_000_000, 5);
    let mut world = World::new(Net::default());
    let leech = world.host();
    world.leech(leech, &share);
    world.run(500);
    let hash = share.meta.info_hash();
    let mut first = Stranger::shaken(&mut world, leech, hash, 1);
    let mut lacks_one = vec![0xff; share.meta.layout().pieces().div_ceil(8) as usize];
    lacks_one[0] = 0x7f;
    let spare = share.meta.layout().pieces() % 8;
    if spare > 0 {
        *lacks_one.last_mut().expect("a byte") = !(0xff >> spare);
    }
    first.say(&mut world, &Message::Bitfield(lacks_one.into()));
    first.say(&mut world, &Message::Unchoke);
    let asked = first
        .heard(&world)
        .into_iter()
        .find_map(|m| if let Message::Request(r) = m { Some(r) } else { None });
    let asked = asked.expect("a request");
    let mut second = Stranger::shaken(&mut world, leech, hash, 2);
    second.say(&mut world, &Message::HaveNone);
    second.say(&mut world, &Message::Have(asked.piece));
    second.say(&mut world, &Message::Unchoke);
    assert!(!second.heard(&world).iter().any(|message| matches!(message, Message::Request(_))));
    first.say(&mut world, &Message::Choke);
    assert!(second.heard(&world).contains(&Message::Request(asked)));
}

#[test]
fn a_block_has_one_owner_as_long_as_others_are_free() {
    let share = share(4_000_000, 5);
    let mut world = World::new(Net::default());
    let leech = world.host();
    world.leech(leech, &share);
    world.run(500);
    let mut all = BTreeSet::new();
    for name in 1..=5 {
        let mut stranger = Stranger::shaken(&mut world, leech, share.meta.info_hash(), name);
        stranger.say(&mut world, &Message::HaveAll);
        stranger.say(&mut world, &Message::Unchoke);
        for message in stranger.heard(&world) {
            if let Message::Request(request) = message {
                assert!(all.insert(request), "{request:?} was asked for twice");
            }
        }
    }
    assert!(all.len() >= 20);
}

#[test]
fn a_peer_that_stops_giving_does_not_stop_the_download() {
    let share = share(3_000_000, 6);
    let mut world = World::new(Net { rate: Some(1_000_000), ..Net::default() });
    world.check = false;
    let leech = world.host();
    world.leech(leech, &share);
    world.run(500);
    let stuck = Stranger::shaken(&mut world, leech, share.meta.info_hash(), 1);
    stuck.say(&mut world, &Message::HaveAll);
    stuck.say(&mut world, &Message::Unchoke);
    let seed = world.host();
    world.seed(seed, &share);
    assert!(
        world.run_until(15, |world| world.is_complete(leech, &share)),
        "endgame goes around the stuck peer"
    );
    assert_ne!(stuck.closed(&world), Some(CloseReason::Banned));
}

#[test]
fn a_seed_that_leaves_is_replaced_by_another() {
    let share = share(4_000_000, 7);
    let mut world = World::new(Net { rate: Some(1_000_000), ..Net::default() });
    let (seed, leech) = (world.host(), world.host());
    world.seed(seed, &share);
    world.leech(leech, &share);
    assert!(world.run_until(30, |world| world.snapshot(leech, &share).verified_bytes > 2_000_000));
    world.kill(seed);
    world.run(30_000);
    let waiting = world.snapshot(leech, &share).waiting;
    assert!(matches!(waiting, Some(shared::engine::Waiting::Peers { since_ms: 25_000.. })), "{waiting:?}");
    let other = world.host();
    world.seed(other, &share);
    assert!(world.run_until(30, |world| world.is_complete(leech, &share)));
    let snapshot = world.snapshot(leech, &share);
    assert!(snapshot.downloaded < 4_600_000, "{} bytes for 4000000", snapshot.downloaded);
}

#[test]
fn peers_that_have_no_more_than_each_other_look_for_others() {
    let share = share(4_000_000, 7);
    let mut world = World::new(Net { rate: Some(1_000_000), ..Net::default() });
    world.check = false;
    let (seed, one, two) = (world.host(), world.host(), world.host());
    world.seed(seed, &share);
    world.leech(one, &share);
    world.leech(two, &share);
    assert!(world.run_until(30, |world| world.snapshot(one, &share).verified_bytes > 2_000_000));
    world.kill(seed);
    world.run(60_000);
    assert_eq!(world.snapshot(one, &share).waiting, Some(shared::engine::Waiting::Pieces));
    let before = world.tracker.announces.len();
    world.run(60_000);
    assert!(world.tracker.announces.len() >= before + 2, "each asks at least once a minute");
}

#[test]
fn a_peer_is_told_of_many_pieces_at_once() {
    let share = share(4_000_000, 7);
    let mut world = World::new(Net::default());
    let (seed, leech) = (world.host(), world.host());
    world.leech(leech, &share);
    world.run(500);
    let mut idle = Stranger::shaken(&mut world, leech, share.meta.info_hash(), 1);
    idle.say(&mut world, &Message::HaveNone);
    idle.heard(&world);
    let sent = |world: &World| world.hosts[leech].sends_to.get(&idle.conn).copied().unwrap_or(0);
    let before = sent(&world);
    world.seed(seed, &share);
    assert!(world.run_until(30, |world| world.is_complete(leech, &share)));
    let sends = sent(&world) - before;
    world.run(200);
    let haves =
        idle.heard(&world).into_iter().filter(|message| matches!(message, Message::Have(_))).count() as u64;
    assert_eq!(haves, u64::from(share.meta.layout().pieces()));
    assert!(sends < haves / 4, "{sends} sends for {haves} pieces");
}

#[test]
fn seeds_do_not_keep_each_other() {
    let share = share(100_000, 8);
    let mut world = World::new(Net::default());
    let (one, two) = (world.host(), world.host());
    world.seed(one, &share);
    world.run(1_000);
    world.seed(two, &share);
    world.run(5_000);
    assert!(world.hosts[one].ends.is_empty() && world.hosts[two].ends.is_empty());
    assert_eq!(world.phase(one, &share), Phase::Seeding);
}

#[test]
fn a_large_swarm_stays_within_its_bounds() {
    let share = share(2_000_000, 9);
    let mut world =
        World::new(Net { rate: Some(2_000_000), latency: Duration::from_millis(20), ..Net::default() });
    world.check = false;
    let seed = world.host_with(Config { peers_per_torrent: 8, ..Config::default() });
    world.seed(seed, &share);
    let leeches: Vec<usize> =
        (0..20).map(|_| world.host_with(Config { peers_per_torrent: 8, ..Config::default() })).collect();
    for leech in &leeches {
        world.leech(*leech, &share);
        world.run(50);
    }
    let done = |world: &mut World| {
        assert!(world.hosts.iter().all(|host| host.ends.len() <= 8));
        leeches.iter().all(|leech| world.phase(*leech, &share) == Phase::Complete)
    };
    assert!(world.run_until(300, done));
}

/// Payload that a seed has sent to each peer, in the order of connections.
fn given(world: &World, seed: usize, share: &support::Share) -> Vec<u64> {
    world.snapshot(seed, share).peers.iter().map(|peer| peer.uploaded).collect()
}

fn first_blocks(share: &support::Share, count: usize) -> Vec<Request> {
    let layout = share.meta.layout();
    let blocks = layout
        .all_pieces()
        .flat_map(|piece| (0..layout.blocks(piece)).filter_map(move |n| layout.block(piece, n)));
    let request = |block: shared::layout::BlockRef| Request {
        piece: block.piece.get(),
        begin: block.offset,
        length: block.length,
    };
    blocks.map(request).take(count).collect()
}

#[test]
fn an_upload_limit_is_shared_by_all_receivers() {
    let share = share(3_000_000, 10);
    let mut world = World::new(Net::default());
    world.check = false;
    let seed = world.host_with(Config { upload_limit: Some(100_000), ..Config::default() });
    world.seed(seed, &share);
    world.run(500);
    let leeches: Vec<Stranger> =
        (1..=3).map(|name| Stranger::shaken(&mut world, seed, share.meta.info_hash(), name)).collect();
    // Of different pieces each: what one is being given would be held back from the others.
    for (leech, requests) in leeches.iter().zip(first_blocks(&share, 160).chunks(48)) {
        leech.say(&mut world, &Message::Interested);
        for request in &requests[..40] {
            leech.say(&mut world, &Message::Request(*request));
        }
    }
    world.run(9_000);
    let given = given(&world, seed, &share);
    let (least, most) = (given.iter().min().expect("three"), given.iter().max().expect("three"));
    assert!(*least > 0 && most - least <= 2 * 16_384, "{given:?}");
    assert!((800_000..=1_000_000).contains(&given.iter().sum::<u64>()), "{given:?}");
}

#[test]
fn an_upload_limit_is_shared_by_all_torrents() {
    let shares = [share(2_000_000, 11), share(2_000_000, 12)];
    let mut world = World::new(Net::default());
    world.check = false;
    let seed = world.host_with(Config { upload_limit: Some(100_000), ..Config::default() });
    shares.iter().for_each(|share| world.seed(seed, share));
    world.run(500);
    for share in &shares {
        let leech = Stranger::shaken(&mut world, seed, share.meta.info_hash(), 1);
        leech.say(&mut world, &Message::Interested);
        for request in first_blocks(share, 60) {
            leech.say(&mut world, &Message::Request(request));
        }
    }
    world.run(9_000);
    let given = shares.each_ref().map(|share| given(&world, seed, share)[0]);
    assert!(given[0].abs_diff(given[1]) <= 2 * 16_384 && given[0] > 300_000, "{given:?}");
}

fn requests(stranger: &mut Stranger, world: &World) -> Vec<Request> {
    let heard = stranger.heard(world);
    heard.into_iter().filter_map(|m| if let Message::Request(r) = m { Some(r) } else { None }).collect()
}

fn block(share: &support::Share, request: Request) -> Message {
    let at = request.piece as usize * share.meta.layout().piece_length() as usize + request.begin as usize;
    let block = bytes::Bytes::copy_from_slice(&share.bytes[at..at + request.length as usize]);
    Message::Piece { piece: request.piece, begin: request.begin, block }
}

#[test]
fn a_seed_that_refuses_one_block_is_asked_for_other_pieces_at_once() {
    let share = share(2_000_000, 5);
    let mut world = World::new(Net::default());
    let leech = world.host();
    world.leech(leech, &share);
    world.run(500);
    let mut seed = Stranger::shaken(&mut world, leech, share.meta.info_hash(), 1);
    seed.say(&mut world, &Message::HaveAll);
    seed.say(&mut world, &Message::Unchoke);
    let mut refused = None;
    let started = world.now;
    loop {
        let asked = requests(&mut seed, &world);
        if asked.is_empty() {
            break;
        }
        for request in asked {
            let piece = *refused.get_or_insert(request.piece);
            if request.piece == piece {
                seed.say(&mut world, &Message::Reject(request));
            } else {
                seed.say(&mut world, &block(&share, request));
            }
        }
        world.run(10);
    }
    assert!(world.now.saturating_since(started) < Duration::from_secs(2));
    let snapshot = world.snapshot(leech, &share);
    assert_eq!(snapshot.verified_pieces + 1, snapshot.pieces);
}

#[test]
fn a_choking_seed_is_asked_for_what_it_allows() {
    let share = share(2_000_000, 5);
    let mut world = World::new(Net::default());
    let leech = world.host();
    world.leech(leech, &share);
    world.run(500);
    let mut seed = Stranger::shaken(&mut world, leech, share.meta.info_hash(), 1);
    seed.say(&mut world, &Message::HaveAll);
    seed.say(&mut world, &Message::AllowedFast(3));
    seed.say(&mut world, &Message::AllowedFast(5));
    let asked: BTreeSet<u32> = requests(&mut seed, &world).iter().map(|request| request.piece).collect();
    assert_eq!(asked, BTreeSet::from([3, 5]));
}

#[test]
fn a_newcomer_does_not_take_the_colour_of_whoever_left() {
    let share = share(2_000_000, 5);
    let mut world = World::new(Net::default());
    let leech = world.host();
    world.leech(leech, &share);
    world.run(500);
    let colours = |world: &World| {
        let field = world.snapshot(leech, &share).field;
        field.into_iter().map(|piece| piece >> 3).filter(|slot| *slot > 0).collect::<BTreeSet<u8>>()
    };
    let mut slots = Vec::new();
    for name in 1..=33 {
        let mut seed = Stranger::shaken(&mut world, leech, share.meta.info_hash(), name);
        let slot = world.snapshot(leech, &share).peers[0].slot;
        assert!(!colours(&world).contains(&slot), "nothing that is here came from the newcomer");
        slots.push(slot);
        seed.say(&mut world, &Message::HaveAll);
        seed.say(&mut world, &Message::Unchoke);
        for request in requests(&mut seed, &world) {
            seed.say(&mut world, &block(&share, request));
        }
        world.run(10);
        let by = shared::engine::ClosedBy::Remote;
        world.input(leech, shared::engine::Input::ConnectionClosed { conn: seed.conn, by });
    }
    assert_eq!(slots[..31].iter().collect::<BTreeSet<_>>().len(), 31, "{slots:?}");
    assert_eq!(slots[31..], slots[..2]);
}
