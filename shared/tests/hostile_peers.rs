//! What strangers may send: each closes its own connection with a reason, and nothing else happens.

mod support;

use bytes::Bytes;
use shared::engine::{Input, Phase};
use shared::limits;
use shared::peer::CloseReason;
use shared::rng::Rng;
use shared::tracker::ws::Json;
use shared::wire::extension::metadata::MetadataMessage;
use shared::wire::extension::{ExtendedHandshake, Ids};
use shared::wire::{Handshake, Message, Request, WireError};
use support::stranger::Stranger;
use support::{Net, Share, World, share};

fn seeding() -> (World, usize, Share) {
    let share = share(300_000, 1);
    let mut world = World::new(Net::default());
    let host = world.host();
    world.seed(host, &share);
    world.run(1_000);
    assert_eq!(world.phase(host, &share), Phase::Seeding);
    (world, host, share)
}

fn leeching() -> (World, usize, Share) {
    let share = share(300_000, 1);
    let mut world = World::new(Net::default());
    let host = world.host();
    world.leech(host, &share);
    world.run(1_000);
    assert_eq!(world.phase(host, &share), Phase::Downloading);
    (world, host, share)
}

fn request(piece: u32, begin: u32, length: u32) -> Message {
    Message::Request(Request { piece, begin, length })
}

#[test]
fn another_protocol_torrent_or_ourselves_is_sent_away() {
    let (mut world, host, share) = seeding();
    let hash = share.meta.info_hash();
    let stranger = Stranger::connect(&mut world, host, hash, 1);
    stranger.raw(&mut world, b"GET / HTTP/1.1\r\n");
    assert_eq!(stranger.closed(&world), Some(CloseReason::Wire(WireError::Protocol { at: 0, got: b'G' })));

    let stranger = Stranger::connect(&mut world, host, hash, 2);
    let other = shared::id::InfoHash([9; 20]);
    let mut bytes = Vec::new();
    Handshake::new(other, stranger.peer_id).encode(&mut bytes);
    stranger.raw(&mut world, &bytes);
    assert_eq!(stranger.closed(&world), Some(CloseReason::InfoHash { expected: hash, got: other }));

    let stranger = Stranger::connect(&mut world, host, hash, 3);
    let mut bytes = Vec::new();
    Handshake::new(hash, world.hosts[host].engine.peer_id()).encode(&mut bytes);
    stranger.raw(&mut world, &bytes);
    assert_eq!(stranger.closed(&world), Some(CloseReason::SelfConnection));
}

#[test]
fn messages_that_make_no_sense_close_with_their_reason() {
    let pieces = share(300_000, 1).meta.layout().pieces();
    let fast = CloseReason::FastNotNegotiated;
    let out_of_range = |piece, begin, length| CloseReason::RequestOutOfRange { piece, begin, length };
    let cases: Vec<(bool, Vec<Message>, CloseReason)> = vec![
        (true, vec![Message::HaveAll], fast),
        (false, vec![Message::Have(pieces)], CloseReason::PieceOutOfRange { pieces, got: pieces }),
        (false, vec![Message::HaveNone, Message::HaveNone], CloseReason::LateBitfield),
        (false, vec![Message::Have(0), Message::HaveNone], CloseReason::LateBitfield),
        (
            false,
            vec![Message::Bitfield(Bytes::from_static(&[0; 99]))],
            shared::bitfield::BitfieldError::Length { expected: pieces.div_ceil(8) as usize, got: 99 }.into(),
        ),
        (false, vec![request(pieces, 0, 16_384)], out_of_range(pieces, 0, 16_384)),
        (false, vec![request(0, 16_384, 1)], out_of_range(0, 16_384, 1)),
        (false, vec![request(0, u32::MAX, 2)], out_of_range(0, u32::MAX, 2)),
        (false, vec![request(0, 0, 0)], out_of_range(0, 0, 0)),
        (
            false,
            vec![request(0, 0, limits::REQUEST_LENGTH_MAX + 1)],
            out_of_range(0, 0, limits::REQUEST_LENGTH_MAX + 1),
        ),
        (
            false,
            vec![Message::Piece { piece: 0, begin: 0, block: Bytes::from_static(b"unasked") }],
            CloseReason::UnrequestedBlock { piece: 0, begin: 0, length: 7 },
        ),
    ];
    for (plain, messages, expected) in cases {
        let (mut world, host, share) = seeding();
        let connect = if plain { Stranger::plain } else { Stranger::shaken };
        let stranger = connect(&mut world, host, share.meta.info_hash(), 7);
        for message in &messages {
            stranger.say(&mut world, message);
        }
        assert_eq!(stranger.closed(&world), Some(expected), "{messages:?}");
        assert_eq!(world.phase(host, &share), Phase::Seeding);
    }
}

#[test]
fn what_is_merely_unknown_or_harmless_closes_nothing() {
    let (mut world, host, share) = seeding();
    let mut stranger = Stranger::shaken(&mut world, host, share.meta.info_hash(), 1);
    let block = Request { piece: 0, begin: 0, length: 16_384 };
    for message in [
        Message::KeepAlive,
        Message::Port(6_881),
        Message::Suggest(4_000_000),
        Message::AllowedFast(4_000_000),
        Message::Reject(block),
        Message::Cancel(block),
        Message::Unknown { id: 99 },
        Message::Choke,
        Message::Unchoke,
        Message::NotInterested,
        Message::Extended { id: 77, payload: Bytes::from_static(b"anything") },
        Message::Request(block),
    ] {
        stranger.say(&mut world, &message);
    }
    assert_eq!(stranger.closed(&world), None);
    let heard = stranger.heard(&world);
    assert_eq!(heard.last(), Some(&Message::Reject(block)), "asked while choked: {heard:?}");
    assert!(heard.contains(&Message::HaveAll));
}

#[test]
fn one_hostile_peer_harms_neither_other_peers_nor_other_torrents() {
    let (mut world, host, first) = seeding();
    let second = share(500_000, 2);
    world.seed(host, &second);
    let leech = world.host();
    world.leech(leech, &second);
    let stranger = Stranger::shaken(&mut world, host, first.meta.info_hash(), 1);
    stranger.raw(&mut world, &[0xff; 1_000]);
    assert!(matches!(stranger.closed(&world), Some(CloseReason::Wire(WireError::TooLong { .. }))));
    assert!(world.run_until(20, |world| world.is_complete(leech, &second)));
    assert_eq!(world.phase(host, &first), Phase::Seeding);
}

#[test]
fn random_bytes_after_a_handshake_never_panic() {
    let mut rng = Rng::from_seed([42; 32]);
    let (mut world, host, share) = leeching();
    for round in 0..200_u32 {
        let name = (round % 200) as u8 + 1;
        let stranger = Stranger::shaken(&mut world, host, share.meta.info_hash(), name);
        for _ in 0..20 {
            let mut contents = vec![0; rng.below(40) as usize];
            rng.fill(&mut contents);
            let mut bytes = (contents.len() as u32 + 1).to_be_bytes().to_vec();
            bytes.push(rng.below(24) as u8);
            bytes.extend_from_slice(&contents);
            stranger.raw(&mut world, &bytes);
        }
        if stranger.closed(&world).is_none() {
            world.input(
                host,
                Input::ConnectionClosed { conn: stranger.conn, by: shared::engine::ClosedBy::Remote },
            );
        }
    }
    assert_eq!(world.phase(host, &share), Phase::Downloading);
}

#[test]
fn a_flood_of_requests_is_refused_beyond_what_we_queue() {
    let (mut world, host, share) = seeding();
    let mut stranger = Stranger::shaken(&mut world, host, share.meta.info_hash(), 1);
    world.hosts[host].held = Some(Vec::new());
    stranger.say(&mut world, &Message::Interested);
    assert!(stranger.heard(&world).contains(&Message::Unchoke));
    for _ in 0..limits::REQUESTS_QUEUED_MAX + 5 {
        stranger.say(&mut world, &request(0, 0, 16_384));
    }
    let refused =
        stranger.heard(&world).iter().filter(|message| matches!(message, Message::Reject(_))).count();
    assert_eq!(refused, 5);
    assert_eq!(stranger.closed(&world), None);
}

#[test]
fn a_block_is_taken_once_and_only_when_asked_for() {
    let (mut world, host, share) = leeching();
    let mut stranger = Stranger::shaken(&mut world, host, share.meta.info_hash(), 1);
    stranger.say(&mut world, &Message::HaveAll);
    assert!(stranger.heard(&world).contains(&Message::Interested));
    stranger.say(&mut world, &Message::Unchoke);
    let heard = stranger.heard(&world);
    let asked: Vec<Request> =
        heard.iter().filter_map(|m| if let Message::Request(r) = m { Some(*r) } else { None }).collect();
    assert!(asked.len() >= 4, "{heard:?}");
    let layout = share.meta.layout();
    let block = |request: Request| {
        let at = layout.piece_offset(layout.piece(request.piece).expect("in range")) as usize
            + request.begin as usize;
        let block = Bytes::copy_from_slice(&share.bytes[at..at + request.length as usize]);
        Message::Piece { piece: request.piece, begin: request.begin, block }
    };
    stranger.say(&mut world, &block(asked[0]));
    assert_eq!(world.snapshot(host, &share).downloaded, u64::from(asked[0].length));
    stranger.say(&mut world, &block(asked[0]));
    assert!(matches!(stranger.closed(&world), Some(CloseReason::UnrequestedBlock { .. })));
}

#[test]
fn a_choke_gives_blocks_back_and_late_ones_are_still_welcome() {
    let (mut world, host, share) = leeching();
    let mut stranger = Stranger::shaken(&mut world, host, share.meta.info_hash(), 1);
    stranger.say(&mut world, &Message::HaveAll);
    stranger.say(&mut world, &Message::Unchoke);
    let asked = stranger
        .heard(&world)
        .into_iter()
        .find_map(|m| if let Message::Request(r) = m { Some(r) } else { None });
    let asked = asked.expect("a request");
    stranger.say(&mut world, &Message::Choke);
    assert_eq!(world.snapshot(host, &share).peers[0].pending, 0);
    let layout = share.meta.layout();
    let at =
        layout.piece_offset(layout.piece(asked.piece).expect("in range")) as usize + asked.begin as usize;
    let block = Bytes::copy_from_slice(&share.bytes[at..at + asked.length as usize]);
    stranger.say(&mut world, &Message::Piece { piece: asked.piece, begin: asked.begin, block });
    assert_eq!(stranger.closed(&world), None);
    let snapshot = world.snapshot(host, &share);
    assert_eq!((snapshot.downloaded, snapshot.wasted), (u64::from(asked.length), 0));
}

#[test]
fn a_peer_that_refuses_everything_is_not_asked_for_ever() {
    let (mut world, host, share) = leeching();
    let mut stranger = Stranger::shaken(&mut world, host, share.meta.info_hash(), 1);
    stranger.say(&mut world, &Message::HaveAll);
    stranger.say(&mut world, &Message::Unchoke);
    let mut refused = 0;
    for _ in 0..1_000 {
        let heard = stranger.heard(&world);
        for message in heard {
            if let Message::Request(request) = message {
                refused += 1;
                stranger.say(&mut world, &Message::Reject(request));
            }
        }
    }
    let blocks: u32 = share.meta.layout().all_pieces().map(|piece| share.meta.layout().blocks(piece)).sum();
    assert!(refused <= blocks * 2, "{refused} requests for {blocks} blocks");
}

#[test]
fn a_peer_that_refused_everything_is_asked_again_after_a_while() {
    let (mut world, host, share) = leeching();
    let mut stranger = Stranger::shaken(&mut world, host, share.meta.info_hash(), 1);
    stranger.say(&mut world, &Message::HaveAll);
    stranger.say(&mut world, &Message::Unchoke);
    let mut refused = 0;
    let ready = world.now + std::time::Duration::from_secs(30);
    while !world.is_complete(host, &share) && world.now < ready + std::time::Duration::from_secs(60) {
        for message in stranger.heard(&world) {
            let Message::Request(request) = message else { continue };
            if world.now < ready {
                refused += 1;
                stranger.say(&mut world, &Message::Reject(request));
                continue;
            }
            let piece = share.meta.layout().piece(request.piece).expect("in range");
            let at = share.meta.layout().piece_offset(piece) as usize + request.begin as usize;
            let block = Bytes::copy_from_slice(&share.bytes[at..at + request.length as usize]);
            stranger.say(&mut world, &Message::Piece { piece: request.piece, begin: request.begin, block });
        }
        world.run(100);
    }
    assert!(world.is_complete(host, &share), "the peer was not asked again");
    assert!((8..60).contains(&refused), "asked {refused} times in 30 s of a peer that refuses");
}

#[test]
fn lies_about_metadata_are_found_out() {
    let share = share(40_000_000, 3);
    let mut world = World::new(Net::default());
    let (seed, leech) = (world.host(), world.host());
    world.leech_link(leech, &share, true);
    world.run(1_000);
    let hash = share.meta.info_hash();
    let mut liar = Stranger::shaken(&mut world, leech, hash, 1);
    let mut payload = Vec::new();
    let size = share.meta.info_bytes().len() as u64;
    let ids = Ids { metadata: Some(3), ..Ids::default() };
    ExtendedHandshake { ids, metadata_size: Some(size), ..ExtendedHandshake::default() }.encode(&mut payload);
    liar.say(&mut world, &Message::Extended { id: 0, payload: payload.into() });
    for message in liar.heard(&world) {
        let Message::Extended { id: 3, payload } = message else { continue };
        let MetadataMessage::Request { piece } = MetadataMessage::decode(&payload).expect("valid") else {
            continue;
        };
        let length = (size as usize - piece as usize * 16_384).min(16_384);
        let mut payload = Vec::new();
        let block = Bytes::from(vec![7; length]);
        MetadataMessage::Data { piece, total_size: Some(size), block }.encode(&mut payload);
        liar.say(&mut world, &Message::Extended { id: 1, payload: payload.into() });
    }
    assert_eq!(liar.closed(&world), Some(CloseReason::Banned));
    world.check = false;
    world.seed(seed, &share);
    assert!(world.run_until(60, |world| world.is_complete(leech, &share)));
}

#[test]
fn a_silent_peer_is_closed_and_a_quiet_one_kept() {
    let (mut world, host, share) = seeding();
    let silent = Stranger::connect(&mut world, host, share.meta.info_hash(), 1);
    world.run(26_000);
    assert_eq!(silent.closed(&world), Some(CloseReason::HandshakeTimeout));
    let silent = Stranger::shaken(&mut world, host, share.meta.info_hash(), 2);
    let mut quiet = Stranger::shaken(&mut world, host, share.meta.info_hash(), 3);
    for _ in 0..4 {
        world.run(55_000);
        quiet.say(&mut world, &Message::KeepAlive);
    }
    assert_eq!(silent.closed(&world), Some(CloseReason::Silent));
    assert_eq!(quiet.closed(&world), None);
    assert!(quiet.heard(&world).contains(&Message::KeepAlive));
}

#[test]
fn a_peer_that_breaks_off_within_a_message_is_closed_and_a_slow_one_kept() {
    let (mut world, host, share) = seeding();
    let [short, slow] = [1, 2].map(|name| Stranger::shaken(&mut world, host, share.meta.info_hash(), name));
    let mut piece = Vec::new();
    Message::Have(0).encode(&mut piece);
    short.raw(&mut world, &piece[..6]);
    for byte in &piece {
        slow.raw(&mut world, &[*byte]);
        world.run(15_000);
    }
    assert_eq!(short.closed(&world), Some(CloseReason::BrokenOff));
    assert_eq!(slow.closed(&world), None);
}

#[test]
fn a_sleep_of_the_host_is_not_held_against_peers() {
    let (mut world, host, share) = seeding();
    let stranger = Stranger::shaken(&mut world, host, share.meta.info_hash(), 1);
    world.now = world.now + std::time::Duration::from_secs(3_600);
    world.input(host, Input::Timeout);
    assert_eq!(stranger.closed(&world), None);
    world.run(151_000);
    assert_eq!(stranger.closed(&world), Some(CloseReason::Silent));
}

#[test]
fn a_banned_or_known_peer_is_not_answered() {
    let (mut world, host, share) = seeding();
    let hash = share.meta.info_hash();
    let _first = Stranger::shaken(&mut world, host, hash, 1);
    let answers = world.hosts[host].answers.len();
    let offer = Json::parse(r#"{"type":"offer","sdp":"x"}"#).expect("JSON");
    for name in [[1; 20], world.hosts[host].engine.peer_id().0] {
        let peer_id = shared::id::PeerId(name);
        let offer =
            shared::tracker::ws::Response::Offer { info_hash: hash, peer_id, offer_id: "x".into(), offer };
        let tracker = *world.hosts[host].sockets.keys().next().expect("a tracker");
        world.input(host, Input::TrackerMessage { tracker, text: offer.to_json() });
    }
    assert_eq!(world.hosts[host].answers.len(), answers);
}

/// A peer that says it gives metadata of this length, in blocks of extension messages 3.
fn metadata_giver(world: &mut World, host: usize, share: &Share, name: u8) -> Stranger {
    let stranger = Stranger::shaken(world, host, share.meta.info_hash(), name);
    let mut payload = Vec::new();
    let size = share.meta.info_bytes().len() as u64;
    let ids = Ids { metadata: Some(3), ..Ids::default() };
    ExtendedHandshake { ids, metadata_size: Some(size), ..ExtendedHandshake::default() }.encode(&mut payload);
    stranger.say(world, &Message::Extended { id: 0, payload: payload.into() });
    stranger
}

/// Blocks of metadata that it was asked for.
fn metadata_asked(world: &World, stranger: &mut Stranger) -> Vec<u32> {
    let piece = |message| {
        let Message::Extended { id: 3, payload } = message else { return None };
        match MetadataMessage::decode(&payload) {
            Ok(MetadataMessage::Request { piece }) => Some(piece),
            _ => None,
        }
    };
    stranger.heard(world).into_iter().filter_map(piece).collect()
}

fn give_metadata(world: &mut World, stranger: &Stranger, info: &[u8], piece: u32) {
    let from = piece as usize * 16_384;
    let block = Bytes::copy_from_slice(&info[from..info.len().min(from + 16_384)]);
    let mut payload = Vec::new();
    MetadataMessage::Data { piece, total_size: Some(info.len() as u64), block }.encode(&mut payload);
    stranger.say(world, &Message::Extended { id: 1, payload: payload.into() });
}

#[test]
fn a_giver_of_metadata_that_pauses_is_asked_again() {
    let share = share(40_000_000, 3);
    let mut world = World::new(Net::default());
    let leech = world.host();
    world.leech_link(leech, &share, false);
    world.run(1_000);
    let mut giver = metadata_giver(&mut world, leech, &share, 1);
    let blocks = share.meta.info_bytes().len().div_ceil(16_384);
    assert!(blocks >= 2, "{blocks} blocks");
    assert_eq!(metadata_asked(&world, &mut giver).len(), blocks);
    world.run(21_000);
    assert_eq!(metadata_asked(&world, &mut giver).len(), blocks, "one pause excludes nobody");
    world.run(21_000);
    giver.say(&mut world, &Message::KeepAlive);
    assert_eq!(metadata_asked(&world, &mut giver).len(), 0, "two in a row do, for a while");
    assert_eq!(world.snapshot(leech, &share).waiting, Some(shared::engine::Waiting::Pieces));
    world.run(61_000);
    let asked = metadata_asked(&world, &mut giver);
    assert_eq!(asked.len(), blocks, "and are forgotten");
    for piece in asked {
        give_metadata(&mut world, &giver, &share.meta.info_bytes().clone(), piece);
    }
    world.run(100);
    assert_eq!(world.phase(leech, &share), Phase::Ready);
}

#[test]
fn after_a_lie_of_several_the_metadata_is_taken_from_one_alone() {
    let share = share(40_000_000, 3);
    let info = share.meta.info_bytes().to_vec();
    let wrong = vec![7; info.len()];
    let mut world = World::new(Net::default());
    let leech = world.host();
    world.leech_link(leech, &share, false);
    world.run(1_000);
    // Both are asked, one lies: who cannot be told.
    let mut liar = Stranger::shaken(&mut world, leech, share.meta.info_hash(), 9);
    let mut honest = metadata_giver(&mut world, leech, &share, 2);
    let asked = metadata_asked(&world, &mut honest);
    give_metadata(&mut world, &honest, &info, asked[0]);
    let mut payload = Vec::new();
    let ids = Ids { metadata: Some(3), ..Ids::default() };
    let metadata_size = Some(info.len() as u64);
    ExtendedHandshake { ids, metadata_size, ..ExtendedHandshake::default() }.encode(&mut payload);
    liar.say(&mut world, &Message::Extended { id: 0, payload: payload.into() });
    for piece in &asked[1..] {
        give_metadata(&mut world, &liar, &wrong, *piece);
    }
    // The first by number is asked alone, gives one wrong block more, and refuses the rest.
    let asked = metadata_asked(&world, &mut liar);
    assert_eq!(asked.len(), info.len().div_ceil(16_384), "everything is asked of one");
    give_metadata(&mut world, &liar, &wrong, asked[0]);
    for _ in 0..8 {
        let mut payload = Vec::new();
        MetadataMessage::Reject { piece: asked[1] }.encode(&mut payload);
        liar.say(&mut world, &Message::Extended { id: 1, payload: payload.into() });
    }
    // What the liar gave is not mixed with what the other gives.
    for piece in metadata_asked(&world, &mut honest) {
        give_metadata(&mut world, &honest, &info, piece);
    }
    world.run(100);
    assert_eq!(world.phase(leech, &share), Phase::Ready);
    assert_eq!(honest.closed(&world), None);
}

#[test]
fn what_waited_to_be_sent_while_the_host_slept_is_not_held_against_a_peer() {
    let (mut world, host, share) = seeding();
    let stranger = Stranger::shaken(&mut world, host, share.meta.info_hash(), 1);
    let big = support::share(4_000_000, 2);
    world.seed(host, &big);
    world.run(500);
    let slow = Stranger::shaken(&mut world, host, big.meta.info_hash(), 2);
    slow.say(&mut world, &Message::Interested);
    world.run(500);
    // It takes nothing any more.
    world.input(host, Input::ConnectionWritable { conn: slow.conn, buffered: limits::SEND_BUFFER_HIGH });
    let layout = big.meta.layout().clone();
    for piece in layout.all_pieces() {
        for number in 0..layout.blocks(piece) {
            let block = layout.block(piece, number).expect("in range");
            slow.say(&mut world, &request(piece.get(), block.offset, block.length));
        }
    }
    world.run(500);
    world.now = world.now + std::time::Duration::from_secs(3_600);
    world.input(host, Input::Timeout);
    assert_eq!((slow.closed(&world), stranger.closed(&world)), (None, None));
    slow.say(&mut world, &Message::KeepAlive);
    world.run(121_000);
    assert_eq!(slow.closed(&world), Some(CloseReason::Stalled), "but 120 s awake are");
}

#[test]
fn a_connection_that_gave_something_is_not_replaced_by_one_that_takes_its_name() {
    let (mut world, host, share) = leeching();
    let hash = share.meta.info_hash();
    let name = shared::id::PeerId([255; 20]);
    let mut first = Stranger::connect(&mut world, host, hash, 255);
    // An offer of ours is answered under the same name.
    let (_, announce) = world.tracker.announces.last().expect("announced").clone();
    let answer = Json::parse(r#"{"type":"answer","sdp":"answer 0 0"}"#);
    let response = shared::tracker::ws::Response::Answer {
        info_hash: hash,
        peer_id: name,
        offer_id: announce.offers[0].offer_id.clone(),
        answer: answer.expect("JSON"),
    };
    world.unreachable = true;
    world.hosts[host].held = Some(Vec::new());
    let tracker = *world.hosts[host].sockets.keys().next().expect("a tracker");
    world.input(host, Input::TrackerMessage { tracker, text: response.to_json() });
    let held = world.hosts[host].held.take().expect("held");
    let second = held.iter().find_map(|(_, effect)| match effect {
        shared::engine::Effect::Accept { conn, .. } => Some(*conn),
        _ => None,
    });
    let second = second.expect("the answer is taken");
    let mut handshake = Vec::new();
    Handshake::new(hash, name).encode(&mut handshake);
    first.raw(&mut world, &handshake);
    first.say(&mut world, &Message::HaveAll);
    first.say(&mut world, &Message::Unchoke);
    let asked = first.heard(&world).into_iter().find_map(|message| match message {
        Message::Request(request) => Some(request),
        _ => None,
    });
    let asked = asked.expect("a request");
    let layout = share.meta.layout();
    let piece = layout.piece(asked.piece).expect("in range");
    let at = layout.piece_offset(piece) as usize + asked.begin as usize;
    let block = Bytes::copy_from_slice(&share.bytes[at..at + asked.length as usize]);
    first.say(&mut world, &Message::Piece { piece: asked.piece, begin: asked.begin, block });
    world.input(host, Input::ConnectionOpened { conn: second, max_message: 64 * 1024 });
    world.input(host, Input::ConnectionData { conn: second, data: handshake.into() });
    assert_eq!(first.closed(&world), None);
    assert!(world.hosts[host].closed.contains(&(second, CloseReason::Duplicate)));
}
