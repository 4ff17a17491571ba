//! Whole transfers between engines.

mod support;

use std::time::Duration;

use shared::engine::{Config, Event, Phase};
use support::{Net, World, files, share};

#[test]
fn a_file_goes_from_one_engine_to_another() {
    let share = share(3_000_000, 1);
    let mut world = World::new(Net::default());
    let (seed, leech) = (world.host(), world.host());
    world.seed(seed, &share);
    world.leech(leech, &share);
    assert!(
        world.run_until(30, |world| world.is_complete(leech, &share)),
        "{:#?}",
        world.snapshot(leech, &share)
    );
    assert_eq!(world.phase(leech, &share), Phase::Complete);
    assert_eq!(world.phase(seed, &share), Phase::Seeding);
    let verified = |event: &&Event| matches!(event, Event::PieceVerified { .. });
    let pieces = share.meta.layout().pieces() as usize;
    assert_eq!(world.hosts[leech].events.iter().filter(verified).count(), pieces);
    let snapshot = world.snapshot(leech, &share);
    assert_eq!((snapshot.downloaded, snapshot.wasted), (3_000_000, 0));
    assert!(world.hosts[seed].sent < 3_000_000 * 101 / 100, "{} bytes on the wire", world.hosts[seed].sent);
}

#[test]
fn bytes_may_come_in_any_chunks() {
    let share = files(&[("a/one.bin", 100_000), ("b.bin", 1), ("c/two.bin", 250_000), ("empty", 0)], 2);
    for (chunk, max_message) in [(1_000, 256 * 1024), (7, 16 * 1024), (65_537, 1_000), (usize::MAX, 70_000)] {
        let mut world = World::new(Net { chunk, max_message, ..Net::default() });
        world.check = false;
        let (seed, leech) = (world.host(), world.host());
        world.seed(seed, &share);
        world.leech(leech, &share);
        assert!(world.run_until(60, |world| world.is_complete(leech, &share)), "chunks of {chunk}");
        assert!(world.snapshot(leech, &share).files.iter().all(|file| file.verified == file.length));
    }
}

#[test]
fn a_link_leads_to_metadata_and_then_to_the_file() {
    let share = share(40_000_000, 3);
    let mut world = World::new(Net::default());
    world.check = false;
    let (seed, leech) = (world.host(), world.host());
    world.seed(seed, &share);
    world.leech_link(leech, &share, false);
    assert!(world.run_until(30, |world| world.phase(leech, &share) == Phase::Ready));
    let ready = world.snapshot(leech, &share);
    assert_eq!(
        (ready.name.as_deref(), ready.total_bytes, ready.peers.len()),
        (Some("thing.bin"), 40_000_000, 1)
    );
    world.run(5_000);
    assert_eq!(world.snapshot(leech, &share).downloaded, 0, "nothing is fetched before somebody asks for it");
    world.command(leech, shared::engine::Command::Start(share.meta.info_hash()));
    assert!(world.run_until(30, |world| world.is_complete(leech, &share)));
}

#[test]
fn a_swarm_shares_what_it_gets() {
    let share = share(8_000_000, 4);
    let mut world = World::new(Net { rate: Some(4_000_000), ..Net::default() });
    world.check = false;
    let seed = world.host();
    world.seed(seed, &share);
    let leeches: Vec<usize> = (0..4).map(|_| world.host()).collect();
    for leech in &leeches {
        world.leech(*leech, &share);
    }
    let done = |world: &mut World| leeches.iter().all(|leech| world.is_complete(*leech, &share));
    assert!(world.run_until(120, done));
    let seed_sent = world.hosts[seed].sent;
    assert!(seed_sent < 4 * 8_000_000 * 3 / 4, "the seed gave {seed_sent} bytes of {}", 4 * 8_000_000);
}

#[test]
fn a_fast_link_is_filled() {
    // 100 MB/s, 2 ms there and 2 ms back: two seconds' worth.
    let share = share(200_000_000, 5);
    let net = Net { rate: Some(100_000_000), latency: Duration::from_millis(2), ..Net::default() };
    let mut world = World::new(net);
    world.check = false;
    let (seed, leech) = (world.host(), world.host());
    world.seed(seed, &share);
    world.leech(leech, &share);
    let started = |world: &mut World| world.snapshot(leech, &share).downloaded > 0;
    assert!(world.run_until(10, started));
    let begin = world.now;
    assert!(world.run_until(10, |world| world.phase(leech, &share) == Phase::Complete));
    let took = world.now.saturating_since(begin);
    assert!(took < Duration::from_millis(2_300), "{took:?} for two seconds' worth");
    let host = &world.hosts[seed];
    let mean = host.sent / host.sends;
    assert!(mean > 150_000, "{mean} bytes in the mean send");
    let reads = &host.storage.reads;
    let mean_read = reads.iter().map(|(_, length)| u64::from(*length)).sum::<u64>() / reads.len() as u64;
    assert!(mean_read > 150_000, "{mean_read} bytes in the mean read");
}

#[test]
fn a_limited_seed_keeps_its_limit() {
    let share = share(3_000_000, 6);
    let mut world = World::new(Net::default());
    world.check = false;
    let seed = world.host_with(Config { upload_limit: Some(500_000), ..Config::default() });
    let leech = world.host();
    world.seed(seed, &share);
    world.leech(leech, &share);
    let begin = world.now;
    assert!(world.run_until(30, |world| world.is_complete(leech, &share)));
    let took = world.now.saturating_since(begin).as_secs_f64();
    assert!((5.0..7.0).contains(&took), "{took} s for six seconds' worth");
}

#[test]
fn a_limited_leech_keeps_its_limit() {
    let share = share(3_000_000, 7);
    let mut world = World::new(Net::default());
    world.check = false;
    let seed = world.host();
    let leech = world.host_with(Config { download_limit: Some(500_000), ..Config::default() });
    world.seed(seed, &share);
    world.leech(leech, &share);
    let begin = world.now;
    assert!(world.run_until(30, |world| world.is_complete(leech, &share)));
    let took = world.now.saturating_since(begin).as_secs_f64();
    assert!((5.0..7.0).contains(&took), "{took} s for six seconds' worth");
}

#[test]
fn all_of_the_metadata_comes_to_whoever_asks_for_all_at_once() {
    use shared::wire::Message;
    use shared::wire::extension::metadata::MetadataMessage;
    use shared::wire::extension::{ExtendedHandshake, Ids};
    use support::stranger::Stranger;

    let names: Vec<String> = (0..4_000).map(|number| format!("{number:0>200}")).collect();
    let lengths: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 10)).collect();
    let share = files(&lengths, 8);
    let blocks = share.meta.info_bytes().len().div_ceil(16_384) as u32;
    assert!(blocks > 40, "{blocks} blocks");
    let mut world = World::new(Net::default());
    world.check = false;
    let seed = world.host();
    world.seed(seed, &share);
    world.run(500);
    let mut stranger = Stranger::shaken(&mut world, seed, share.meta.info_hash(), 1);
    let mut bytes = Vec::new();
    let mut say =
        |payload: Vec<u8>, id: u8| Message::Extended { id, payload: payload.into() }.encode(&mut bytes);
    let mut payload = Vec::new();
    let ids = Ids { metadata: Some(3), ..Ids::default() };
    ExtendedHandshake { ids, ..ExtendedHandshake::default() }.encode(&mut payload);
    say(payload, 0);
    for piece in 0..blocks {
        let mut payload = Vec::new();
        MetadataMessage::Request { piece }.encode(&mut payload);
        say(payload, Ids::OURS.metadata.expect("we give metadata"));
    }
    stranger.raw(&mut world, &bytes);
    let data = |message: &Message| matches!(message, Message::Extended { id: 3, .. });
    assert_eq!(stranger.heard(&world).iter().filter(|message| data(message)).count() as u32, blocks);
}
