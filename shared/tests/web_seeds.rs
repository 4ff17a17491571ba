//! Web seeds beside peers: an engine, and servers that give, fail, lie.

mod support;

use std::time::Duration;

use shared::engine::{Command, Config, Event, Origin, Phase, WebSeedState};
use shared::limits;
use support::web::{Fault, Server};
use support::{Net, Share, TRACKER, World, files, share};

const MB: usize = 1_000_000;
const WEB: &str = "http://web.test/d/";

fn config() -> Config {
    Config { web_seeds: true, ..Config::default() }
}

/// A world where a server has a file, and a host that fetches it from there, with no peers.
fn world(share: &Share, server: Server) -> (World, usize) {
    let mut world = World::new(Net::default());
    world.web.servers.insert(WEB.to_owned(), server);
    let host = world.host_with(config());
    leech(&mut world, host, share, &[WEB]);
    (world, host)
}

fn leech(world: &mut World, host: usize, share: &Share, web_seeds: &[&str]) {
    let web_seeds: Vec<String> = web_seeds.iter().map(|url| (*url).to_owned()).collect();
    let meta = share.meta.clone().with_web_seeds(&web_seeds).expect("valid URLs");
    let origin = Origin::Metainfo(meta.to_torrent(&[TRACKER.to_owned()]).into());
    world.command(host, Command::Add { origin, trackers: Vec::new(), start: true });
}

fn server(share: &Share, rate: u64) -> Server {
    Server::new(rate, 20).with("thing.bin", &share.bytes)
}

fn web(world: &World) -> &Server {
    &world.web.servers[WEB]
}

#[test]
fn a_file_comes_from_a_web_seed_alone_at_the_rate_of_its_line() {
    let share = share(40 * MB, 1);
    let mut server = server(&share, 10_000_000);
    server.latency = Duration::from_millis(100);
    let (mut world, host) = world(&share, server);
    let from = world.now;
    assert!(world.run_until(60, |world| world.is_complete(host, &share)));
    let took = world.now.saturating_since(from);
    assert!(took < Duration::from_millis(4_500), "40 MB at 10 MB/s took {took:?}");
    assert_eq!(web(&world).served, share.bytes.len() as u64, "nothing is fetched twice");
    let requests = web(&world).requests.len();
    assert!(requests < 12, "{requests} requests");
    let snapshot = world.snapshot(host, &share);
    assert_eq!((snapshot.wasted, snapshot.phase), (0, Phase::Complete));
    assert_eq!(snapshot.web_seeds[0].given, snapshot.pieces);
    assert!(snapshot.magnet.contains("ws=http"), "{}", snapshot.magnet);
}

#[test]
fn several_files_are_fetched_each_from_its_own_place() {
    let paths = ["a/one.bin", "a/two b.bin", "empty", "three.bin"];
    let lengths = [700_001, 5, 0, 1_300_000];
    let list: Vec<(&str, usize)> = paths
        .iter()
        .map(|path| ["t/", path].concat())
        .zip(lengths)
        .map(|(path, length)| (&*path.leak(), length))
        .collect();
    let share = files(&list, 2);
    let mut server = Server::new(5_000_000, 10);
    let layout = share.meta.layout().clone();
    for (file, span) in share.meta.files().iter().zip(layout.files()) {
        let bytes = &share.bytes[span.offset as usize..(span.offset + span.length) as usize];
        let path = file.path.join("/").replace(' ', "%20");
        server = server.with(&format!("{}/{path}", share.meta.name()), bytes);
    }
    let (mut world, host) = world(&share, server);
    assert!(
        world.run_until(60, |world| world.is_complete(host, &share)),
        "{:?}",
        world.snapshot(host, &share).web_seeds
    );
    assert_eq!(web(&world).served, share.bytes.len() as u64);
    assert!(web(&world).requests.iter().all(|(_, path, ..)| !path.contains("empty")));
}

#[test]
fn a_link_names_web_seeds_and_peers_give_the_metadata() {
    let share = share(8 * MB, 3);
    let mut world = World::new(Net { rate: Some(200_000), ..Net::default() });
    world.web.servers.insert(WEB.to_owned(), server(&share, 5_000_000));
    let (seed, host) = (world.host(), world.host_with(config()));
    world.seed(seed, &share);
    let link = format!("magnet:?xt=urn:btih:{}&ws=http%3A%2F%2Fweb.test%2Fd%2F", share.meta.info_hash());
    let trackers = vec![TRACKER.to_owned()];
    world.command(host, Command::Add { origin: Origin::Link(link), trackers, start: true });
    assert!(world.run_until(10, |world| world.is_complete(host, &share)), "the web seed gives most of it");
    let known = world.hosts[host].engine.metainfo(&share.meta.info_hash()).expect("known");
    assert_eq!(known.web_seeds(), [WEB], "kept with the metadata");
}

#[test]
fn web_seed_and_swarm_give_together_and_little_is_fetched_twice() {
    let share = share(40 * MB, 4);
    let mut world = World::new(Net { rate: Some(2_000_000), ..Net::default() });
    world.web.servers.insert(WEB.to_owned(), server(&share, 2_000_000));
    let host = {
        for _ in 0..2 {
            let seed = world.host();
            world.seed(seed, &share);
        }
        world.host_with(config())
    };
    leech(&mut world, host, &share, &[WEB]);
    let from = world.now;
    assert!(world.run_until(60, |world| world.is_complete(host, &share)));
    let took = world.now.saturating_since(from).as_secs_f64();
    let snapshot = world.snapshot(host, &share);
    // 6 MB/s together.
    assert!(took < 8.5, "40 MB at 6 MB/s took {took} s");
    let twice = snapshot.wasted as f64 / share.bytes.len() as f64;
    assert!(twice < 0.03, "{:.1} % came twice", twice * 100.0);
    let served = web(&world).served as f64 / share.bytes.len() as f64;
    assert!((0.2..0.5).contains(&served), "the server gave {served}");
}

#[test]
fn several_receivers_take_different_pieces_of_a_web_seed_and_give_them_to_each_other() {
    let share = share(20 * MB, 5);
    let mut world = World::new(Net { rate: Some(2_000_000), ..Net::default() });
    world.web.servers.insert(WEB.to_owned(), server(&share, 2_000_000));
    world.check = false;
    let hosts: Vec<usize> = (0..4).map(|_| world.host_with(config())).collect();
    for host in &hosts {
        leech(&mut world, *host, &share, &[WEB]);
    }
    assert!(world.run_until(120, |world| hosts.iter().all(|host| world.is_complete(*host, &share))));
    let copies = web(&world).served as f64 / share.bytes.len() as f64;
    assert!(copies < 2.5, "the server gave {copies} copies to 4 receivers");
}

#[test]
fn a_slow_web_seed_does_not_hold_up_the_end_nor_does_a_slow_peer() {
    let share = share(6 * MB, 6);
    for (peer_rate, web_rate) in [(2_000_000, 40_000), (40_000, 2_000_000)] {
        let mut world = World::new(Net { rate: Some(peer_rate), ..Net::default() });
        world.web.servers.insert(WEB.to_owned(), server(&share, web_rate));
        let (seed, host) = (world.host(), world.host_with(config()));
        world.seed(seed, &share);
        leech(&mut world, host, &share, &[WEB]);
        let from = world.now;
        assert!(world.run_until(60, |world| world.is_complete(host, &share)));
        let took = world.now.saturating_since(from);
        assert!(took < Duration::from_secs(7), "peer {peer_rate}, web seed {web_rate}: {took:?}");
    }
}

#[test]
fn wrong_bytes_convict_the_web_seed_and_nobody_else() {
    let share = share(10 * MB, 7);
    let mut world = World::new(Net { rate: Some(1_000_000), ..Net::default() });
    world.web.servers.insert(WEB.to_owned(), server(&share, 1_000_000));
    if let Some(server) = world.web.servers.get_mut(WEB) {
        server.fault = Fault::Lies;
    }
    let (seed, host) = (world.host(), world.host_with(config()));
    world.seed(seed, &share);
    leech(&mut world, host, &share, &[WEB]);
    assert!(world.run_until(60, |world| world.is_complete(host, &share)));
    let convicted = |event: &&Event| matches!(event, Event::WebSeedConvicted { .. });
    assert_eq!(world.hosts[host].events.iter().filter(convicted).count(), 1);
    let banned = |event: &Event| matches!(event, Event::PeerBanned { .. });
    assert!(!world.hosts[host].events.iter().any(banned), "the honest peer is not blamed");
    assert_eq!(world.snapshot(host, &share).web_seeds[0].state, WebSeedState::Convicted);
    let asked = web(&world).requests.len();
    world.run(5_000);
    assert_eq!(web(&world).requests.len(), asked, "it is not asked again");
}

#[test]
fn of_web_seed_and_peer_that_gave_one_piece_together_the_liar_is_found() {
    // The peer lies, and gives parts of pieces that the web seed finishes.
    let share = share(6 * MB, 8);
    let mut world = World::new(Net { rate: Some(300_000), ..Net::default() });
    world.web.servers.insert(WEB.to_owned(), server(&share, 300_000));
    let (seed, host) = (world.host(), world.host_with(config()));
    world.hosts[seed].corrupt = Some(|data| {
        if data.len() > 10_000 {
            data.iter_mut().skip(100).step_by(9_000).for_each(|byte| *byte ^= 1);
        }
    });
    world.seed(seed, &share);
    leech(&mut world, host, &share, &[WEB]);
    assert!(world.run_until(120, |world| world.is_complete(host, &share)));
    let convicted = |event: &Event| matches!(event, Event::WebSeedConvicted { .. });
    assert!(!world.hosts[host].events.iter().any(convicted), "the honest web seed is not blamed");
}

#[test]
fn what_fails_is_tried_again_less_and_less_often() {
    let share = share(2 * MB, 9);
    for (fault, most) in [
        (Fault::Unreachable, 11),
        (Fault::Short(10), 11),
        (Fault::Long, 11),
        (Fault::Refuses, 4),
        (Fault::Silent(1_000), 9),
    ] {
        let (mut world, host) = world(&share, server(&share, 1_000_000));
        if let Some(server) = world.web.servers.get_mut(WEB) {
            server.fault = fault.clone();
        }
        world.run(600_000);
        let asked = web(&world).requests.len();
        assert!((3..=most).contains(&asked), "{fault:?}: asked {asked} times in 10 minutes");
        let seed = world.snapshot(host, &share).web_seeds.remove(0);
        assert!(seed.message.is_some(), "{fault:?}: {seed:?}");
        if let Some(server) = world.web.servers.get_mut(WEB) {
            server.fault = Fault::None;
        }
        assert!(world.run_until(3_600, |world| world.is_complete(host, &share)), "{fault:?}");
        assert!(world.snapshot(host, &share).web_seeds[0].message.is_none(), "{fault:?}");
    }
}

#[test]
fn an_answer_that_ends_early_loses_only_what_is_missing() {
    let share = share(4 * MB, 10);
    let (mut world, host) = world(&share, server(&share, 1_000_000));
    if let Some(server) = world.web.servers.get_mut(WEB) {
        server.fault = Fault::Short(300_000);
    }
    assert!(world.run_until(10, |world| web(world).requests.len() == 3));
    let asked = |at: usize| web(&world).requests[at].2;
    let goes_on = asked(0) + (300_000 / 16_384) * 16_384;
    assert_eq!(asked(2), goes_on, "it goes on where the blocks end");
    if let Some(server) = world.web.servers.get_mut(WEB) {
        server.fault = Fault::None;
    }
    assert!(world.run_until(60, |world| world.is_complete(host, &share)));
    assert!(web(&world).served < share.bytes.len() as u64 + 2 * 16_384 + 300_000);
}

#[test]
fn a_file_that_the_server_lacks_does_not_keep_the_others_from_coming() {
    let share = files(&[("t/a.bin", MB), ("t/lost.bin", MB), ("t/z.bin", 3 * MB)], 11);
    let mut server = Server::new(2_000_000, 10);
    let layout = share.meta.layout().clone();
    for (file, span) in share.meta.files().iter().zip(layout.files()) {
        let bytes = &share.bytes[span.offset as usize..(span.offset + span.length) as usize];
        if file.path[0] != "lost.bin" {
            server = server.with(&format!("{}/{}", share.meta.name(), file.path.join("/")), bytes);
        }
    }
    let (mut world, host) = world(&share, server);
    let pieces = (3 * MB) as u64;
    assert!(world.run_until(60, |world| world.snapshot(host, &share).verified_bytes > pieces));
}

#[test]
fn pausing_breaks_requests_off_and_starting_asks_again() {
    let share = share(8 * MB, 12);
    let (mut world, host) = world(&share, server(&share, 500_000));
    world.run(3_000);
    let torrent = share.meta.info_hash();
    world.command(host, Command::Pause(torrent));
    let served = web(&world).served;
    world.run(10_000);
    assert!(web(&world).served <= served + 2 * 65_536, "nothing more is sent");
    assert!(web(&world).aborted > 0);
    world.command(host, Command::Start(torrent));
    assert!(world.run_until(60, |world| world.is_complete(host, &share)));
}

#[test]
fn the_download_limit_holds() {
    let share = share(4 * MB, 13);
    let mut world = World::new(Net::default());
    world.web.servers.insert(WEB.to_owned(), server(&share, 50_000_000));
    let host = world.host_with(Config { download_limit: Some(400_000), ..config() });
    leech(&mut world, host, &share, &[WEB]);
    let from = world.now;
    assert!(world.run_until(60, |world| world.is_complete(host, &share)));
    let took = world.now.saturating_since(from).as_secs_f64();
    assert!((8.0..11.5).contains(&took), "4 MB at 400 kB/s took {took} s");
}

#[test]
fn private_addresses_and_hosts_without_web_seeds_ask_nobody() {
    let share = share(MB, 14);
    let mut world = World::new(Net::default());
    let (cautious, without) = (world.host_with(config()), world.host());
    leech(&mut world, cautious, &share, &["http://127.0.0.1:9/x", "http://localhost/x"]);
    leech(&mut world, without, &share, &[WEB]);
    world.run(60_000);
    let seeds = world.snapshot(cautious, &share).web_seeds;
    assert!(seeds.iter().all(|seed| seed.state == WebSeedState::Private), "{seeds:?}");
    assert!(world.snapshot(without, &share).magnet.contains("ws="), "a link names it all the same");

    let url = "http://127.0.0.1:9/";
    world.web.servers.insert(url.to_owned(), server(&share, 1_000_000));
    let trusting = world.host_with(Config { private_addresses: true, ..config() });
    leech(&mut world, trusting, &share, &[url]);
    assert!(world.run_until(10, |world| world.is_complete(trusting, &share)));
}

#[test]
fn memory_stays_bounded_with_many_fast_web_seeds_and_a_slow_disk() {
    let share = share(160 * MB, 15);
    let mut world = World::new(Net { storage_delay: Duration::from_secs(5), ..Net::default() });
    world.check = false;
    let urls: Vec<String> =
        (0..limits::WEB_SEEDS_PER_TORRENT).map(|n| format!("http://w{n}.test/")).collect();
    for url in &urls {
        world.web.servers.insert(url.clone(), server(&share, 100_000_000));
    }
    let host = world.host_with(config());
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    leech(&mut world, host, &share, &urls);
    let asked = |world: &World| world.web.servers.values().map(|server| server.served).sum::<u64>();
    while !world.is_complete(host, &share) {
        world.run(500);
        let held = asked(&world) - world.snapshot(host, &share).verified_bytes;
        assert!(held <= limits::PIECES_IN_MEMORY_MAX as u64, "{held} bytes wait for the disk");
        assert!(world.now.as_nanos() < 200_000_000_000, "it ends");
    }
}
