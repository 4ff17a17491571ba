//! What is verified is kept: reloads, damaged records, full disks, pauses with work under way.

mod support;

use shared::engine::{Command, Config, Effect, EffectFailure, EffectResult, Event, Input, Origin, Phase};
use shared::peer::CloseReason;
use support::{Net, Share, TRACKER, World, share};

/// A seed and a leech that has verified about half.
fn half_way() -> (World, usize, usize, Share) {
    let share = share(4_000_000, 1);
    let mut world = World::new(Net { rate: Some(2_000_000), ..Net::default() });
    let (seed, leech) = (world.host(), world.host());
    world.seed(seed, &share);
    world.leech(leech, &share);
    assert!(world.run_until(30, |world| world.snapshot(leech, &share).verified_bytes >= 2_000_000));
    (world, seed, leech, share)
}

/// A new engine with the storage of another, as after a reload.
fn reload(world: &mut World, old: usize) -> usize {
    world.kill(old);
    let new = world.host();
    let mut storage = std::mem::take(&mut world.hosts[old].storage);
    storage.open.clear();
    (storage.checks, storage.writes) = (0, 0);
    world.hosts[new].storage = storage;
    new
}

#[test]
fn a_reload_fetches_no_verified_piece_again() {
    let (mut world, _, leech, share) = half_way();
    let before = world.snapshot(leech, &share);
    let new = reload(&mut world, leech);
    world.leech(new, &share);
    assert!(world.run_until(60, |world| world.is_complete(new, &share)));
    let after = world.snapshot(new, &share);
    assert_eq!(world.hosts[new].storage.checks, 0, "the record is trusted");
    // Writes acknowledged while the last record was on its way are not in it.
    let unrecorded = 10 * u64::from(share.meta.layout().piece_length());
    let most = 4_000_000 - before.verified_bytes + unrecorded;
    assert!(after.downloaded <= most, "{} bytes, at most {most}", after.downloaded);
}

#[test]
fn a_damaged_record_means_a_check() {
    let (mut world, _, leech, share) = half_way();
    let before = world.snapshot(leech, &share).verified_pieces;
    let new = reload(&mut world, leech);
    let hash = share.meta.info_hash();
    world.hosts[new].storage.records.insert(hash, bytes::Bytes::from_static(b"damaged"));
    world.leech(new, &share);
    world.run(1_000);
    let snapshot = world.snapshot(new, &share);
    assert_eq!(world.hosts[new].storage.checks, share.meta.layout().pieces());
    assert!(snapshot.verified_pieces >= before);
    assert!(world.run_until(60, |world| world.is_complete(new, &share)));
}

#[test]
fn bytes_without_a_record_are_checked_a_few_pieces_at_a_time() {
    let share = share(4_000_000, 1);
    let mut world = World::new(Net::default());
    let host = world.host();
    let mut bytes = share.bytes.clone();
    bytes[1_000_000] ^= 1;
    world.hosts[host].storage.put(share.meta.info_hash(), bytes);
    world.hosts[host].held = Some(Vec::new());
    let torrent = share.meta.to_torrent(&[]).into();
    world.command(
        host,
        Command::Add { origin: Origin::Metainfo(torrent), trackers: Vec::new(), start: false },
    );
    assert_eq!(world.phase(host, &share), Phase::Checking);
    loop {
        let held = world.hosts[host].held.replace(Vec::new()).expect("held");
        if held.is_empty() && world.phase(host, &share) != Phase::Checking {
            break;
        }
        let checks = held.iter().filter(|(_, effect)| matches!(effect, Effect::Check { .. })).count();
        assert!(checks <= shared::limits::CHECKS_IN_FLIGHT);
        held.into_iter().for_each(|(id, effect)| world.effect(host, id, effect));
        world.run(10);
    }
    let snapshot = world.snapshot(host, &share);
    assert_eq!((snapshot.phase, snapshot.pieces - snapshot.verified_pieces), (Phase::Ready, 1));
}

#[test]
fn a_complete_record_completes_at_once() {
    let (mut world, _, leech, share) = half_way();
    assert!(world.run_until(60, |world| world.is_complete(leech, &share)));
    world.run(100);
    let new = reload(&mut world, leech);
    let torrent = share.meta.to_torrent(&[TRACKER.to_owned()]).into();
    world
        .command(new, Command::Add { origin: Origin::Metainfo(torrent), trackers: Vec::new(), start: false });
    world.run(100);
    assert_eq!(world.phase(new, &share), Phase::Complete);
    assert_eq!(world.hosts[new].storage.checks, 0);
}

#[test]
fn a_full_disk_stops_keeps_what_is_verified_and_can_be_retried() {
    let share = share(4_000_000, 1);
    let mut world = World::new(Net { rate: Some(2_000_000), ..Net::default() });
    let (seed, leech) = (world.host(), world.host());
    world.seed(seed, &share);
    world.hosts[leech].storage.writes_left = Some(20);
    world.leech(leech, &share);
    assert!(world.run_until(30, |world| world.phase(leech, &share) == Phase::Error));
    world.run(5_000);
    let stopped = world.snapshot(leech, &share);
    assert_eq!(stopped.verified_pieces, 20);
    assert!(stopped.error.as_deref().is_some_and(|error| error.contains("space")), "{:?}", stopped.error);
    assert!(stopped.peers.is_empty());
    let failed =
        |event: &&Event| matches!(event, Event::Failed { failure: EffectFailure::NoSpace { .. }, .. });
    assert_eq!(world.hosts[leech].events.iter().filter(failed).count(), 1);
    world.hosts[leech].storage.writes_left = None;
    world.command(leech, Command::Start(share.meta.info_hash()));
    assert!(
        world.run_until(30, |world| world.is_complete(leech, &share)),
        "{:#?}",
        world.snapshot(leech, &share)
    );
    assert_eq!(world.snapshot(leech, &share).error, None);
}

#[test]
fn a_source_that_changed_ends_the_seeding_and_says_so() {
    let share = share(4_000_000, 1);
    let mut world = World::new(Net::default());
    let (seed, leech) = (world.host(), world.host());
    world.seed(seed, &share);
    world.hosts[seed].storage.read_failure = Some(EffectFailure::Changed("thing.bin".to_owned()));
    world.leech(leech, &share);
    world.run(2_000);
    let snapshot = world.snapshot(seed, &share);
    assert_eq!((snapshot.phase, snapshot.verified_pieces), (Phase::Error, 0));
    assert!(snapshot.error.is_some_and(|error| error.contains("thing.bin")));
    assert!(world.reasons(seed).contains(&CloseReason::Stopped));
    world.hosts[seed].storage.read_failure = None;
    world.command(seed, Command::Start(share.meta.info_hash()));
    assert!(
        world.run_until(90, |world| world.is_complete(leech, &share)),
        "{:#?}",
        world.snapshot(leech, &share)
    );
}

#[test]
fn what_is_under_way_at_a_pause_still_counts() {
    let (mut world, _, leech, share) = half_way();
    let hash = share.meta.info_hash();
    world.hosts[leech].held = Some(Vec::new());
    let held = |world: &World| {
        world.hosts[leech]
            .held
            .as_ref()
            .map_or(0, |held| held.iter().filter(|(_, effect)| matches!(effect, Effect::Hash { .. })).count())
    };
    assert!(world.run_until(10, |world| held(world) >= 3));
    let before = world.snapshot(leech, &share).verified_pieces;
    world.command(leech, Command::Pause(hash));
    assert_eq!(world.phase(leech, &share), Phase::Paused);
    assert!(world.hosts[leech].ends.is_empty());
    let mut hashed = 0;
    while let Some(held) = world.hosts[leech].held.replace(Vec::new()).filter(|held| !held.is_empty()) {
        hashed += held.iter().filter(|(_, effect)| matches!(effect, Effect::Hash { .. })).count() as u32;
        held.into_iter().for_each(|(id, effect)| world.effect(leech, id, effect));
        world.run(10);
    }
    assert_eq!(world.snapshot(leech, &share).verified_pieces, before + hashed);
    world.hosts[leech].held = None;
    world.run(3_000);
    assert_eq!(world.phase(leech, &share), Phase::Paused);
    world.command(leech, Command::Start(hash));
    assert!(world.run_until(60, |world| world.is_complete(leech, &share)));
    assert!(world.snapshot(leech, &share).wasted < 1_500_000);
}

#[test]
fn a_removed_torrent_leaves_nothing_behind_and_can_come_back() {
    for erase in [false, true] {
        let (mut world, _, leech, share) = half_way();
        let hash = share.meta.info_hash();
        world.hosts[leech].held = Some(Vec::new());
        world.run(500);
        world.command(leech, Command::Remove { torrent: hash, erase });
        let held = world.hosts[leech].held.take().expect("held");
        for (id, effect) in held {
            world.effect(leech, id, effect);
        }
        world.run(2_000);
        assert!(world.hosts[leech].engine.snapshot(world.now).torrents.is_empty());
        assert!(world.hosts[leech].ends.is_empty());
        assert_eq!(world.hosts[leech].storage.stored.contains_key(&hash), !erase);
        world.leech(leech, &share);
        assert!(world.run_until(90, |world| world.is_complete(leech, &share)));
    }
}

#[test]
fn a_resume_record_follows_every_acknowledged_write_one_at_a_time() {
    let share = share(2_000_000, 1);
    let mut world = World::new(Net { storage_delay: std::time::Duration::from_millis(3), ..Net::default() });
    let (seed, leech) = (world.host(), world.host());
    world.seed(seed, &share);
    world.leech(leech, &share);
    let hash = share.meta.info_hash();
    assert!(world.run_until(60, |world| world.phase(leech, &share) == Phase::Complete));
    world.run(100);
    let record = world.hosts[leech].storage.records.get(&hash).cloned().expect("a record");
    assert_eq!(shared::engine::verified_bytes(&record, &share.meta), Some(2_000_000));
    let persists = world.hosts[leech].storage.persists;
    assert!(persists <= share.meta.layout().pieces() + 1);
    // Whoever finds that record finds everything.
    let new = reload(&mut world, leech);
    world.hosts[new].storage.records.insert(hash, record);
    world.leech(new, &share);
    world.run(1_000);
    assert_eq!(world.phase(new, &share), Phase::Complete);
}

#[test]
fn storage_that_cannot_be_opened_is_an_error_that_can_be_retried() {
    let share = share(100_000, 1);
    let mut world = World::new(Net::default());
    let (seed, leech) = (world.host(), world.host());
    world.seed(seed, &share);
    world.hosts[leech].held = Some(Vec::new());
    world.leech(leech, &share);
    let (id, _) = world.hosts[leech].held.take().expect("held").remove(0);
    let failure = EffectFailure::Failed("locked by another tab".to_owned());
    world.input(leech, Input::EffectDone { id, result: EffectResult::Failed(failure) });
    assert_eq!(world.phase(leech, &share), Phase::Error);
    world.command(leech, Command::Start(share.meta.info_hash()));
    assert!(world.run_until(60, |world| world.is_complete(leech, &share)));
}

#[test]
fn the_file_of_a_link_that_is_dropped_here_is_shared() {
    for held in [false, true] {
        let (mut world, seed, leech, share) = half_way();
        let hash = share.meta.info_hash();
        if held {
            world.hosts[leech].held = Some(Vec::new());
            world.run(300);
        }
        let late = world.hosts[leech].held.take().unwrap_or_default();
        assert_eq!(late.iter().any(|(_, effect)| matches!(effect, Effect::Hash { .. })), held);
        world.hosts[leech].storage.put(hash, share.bytes.clone());
        let torrent: bytes::Bytes = share.meta.to_torrent(&[TRACKER.to_owned()]).into();
        let add =
            || Command::Add { origin: Origin::Complete(torrent.clone()), trackers: Vec::new(), start: true };
        world.command(leech, add());
        // What the closed storage was to do ends after it was opened again.
        world.run(50);
        for (id, effect) in late {
            let result = match effect {
                Effect::Hash { blocks } => {
                    use sha1::Digest as _;
                    EffectResult::Digest(sha1::Sha1::digest(blocks.concat()).into())
                }
                _ => EffectResult::Failed(EffectFailure::Failed("closed".to_owned())),
            };
            world.input(leech, Input::EffectDone { id, result });
        }
        world.run(200);
        let snapshot = world.snapshot(leech, &share);
        assert_eq!((snapshot.phase, snapshot.verified_bytes), (Phase::Seeding, 4_000_000));
        world.command(leech, add());
        assert_eq!(world.phase(leech, &share), Phase::Seeding, "a second time changes nothing");
        world.kill(seed);
        let other = world.host();
        world.leech(other, &share);
        assert!(world.run_until(60, |world| world.is_complete(other, &share)));
    }
}

#[test]
fn a_link_without_metadata_a_stopped_and_a_failed_one_are_shared_as_well() {
    let share = share(1_000_000, 1);
    let torrent: bytes::Bytes = share.meta.to_torrent(&[TRACKER.to_owned()]).into();
    let hash = share.meta.info_hash();
    for state in 0..3 {
        let mut world = World::new(Net::default());
        let host = world.host();
        world.hosts[host].storage.put(hash, vec![0; share.bytes.len()]);
        match state {
            0 => world.leech_link(host, &share, true),
            1 => {
                world.leech(host, &share);
                world.run(500);
                world.command(host, Command::Pause(hash));
            }
            _ => {
                world.hosts[host].held = Some(Vec::new());
                world.leech(host, &share);
                let (id, _) = world.hosts[host].held.take().expect("held").remove(0);
                let failure = EffectFailure::Failed("locked by another tab".to_owned());
                world.input(host, Input::EffectDone { id, result: EffectResult::Failed(failure) });
            }
        }
        world.run(100);
        world.hosts[host].storage.put(hash, share.bytes.clone());
        let origin = Origin::Complete(torrent.clone());
        world.command(host, Command::Add { origin, trackers: Vec::new(), start: true });
        world.run(500);
        assert_eq!((world.phase(host, &share), state), (Phase::Seeding, state));
        let leech = world.host();
        world.leech(leech, &share);
        assert!(world.run_until(60, |world| world.is_complete(leech, &share)));
    }
}

#[test]
fn what_was_written_after_the_last_record_is_not_fetched_again_from_sparse_files() {
    let share = share(3_000_000, 40);
    let mut world = World::new(Net::default());
    let (seed, leech) = (world.host(), world.host());
    world.seed(seed, &share);
    world.leech(leech, &share);
    let hash = share.meta.info_hash();
    assert!(world.run_until(30, |world| world.hosts[leech].storage.records.contains_key(&hash)));
    let old = world.hosts[leech].storage.records[&hash].clone();
    assert!(world.run_until(30, |world| world.is_complete(leech, &share)));
    for sparse in [true, false] {
        let mut world = World::new(Net::default());
        let (seed, leech) = (world.host(), world.host_with(Config { sparse, ..Config::default() }));
        world.seed(seed, &share);
        world.hosts[leech].storage.put(hash, share.bytes.clone());
        world.hosts[leech].storage.records.insert(hash, old.clone());
        world.leech(leech, &share);
        assert!(world.run_until(30, |world| world.phase(leech, &share) == Phase::Complete));
        let downloaded = world.snapshot(leech, &share).downloaded;
        assert_eq!(downloaded == 0, sparse, "fetched {downloaded} bytes");
        let checks = world.hosts[leech].storage.checks;
        assert!(checks < share.meta.layout().pieces(), "what the record says is not checked: {checks}");
    }
}
