//! `--seed`: the published files from the tracker's own peer.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime};

use peer::client::{Add, Client, Options};
use peer::net::rtc::{self, Rtc};
use serde_json::Value;
use shared::engine::{Origin, Phase};
use shared::id::InfoHash;
use shared::metainfo::Metainfo;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use tracker::config::{Config, SeedConfig};

use crate::support::Server;

const WITHIN: Duration = Duration::from_secs(60);

fn noise(length: usize) -> Vec<u8> {
    (0..length as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

async fn seeding(name: &str, contents: &[u8]) -> (TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(name), contents).unwrap();
    let config = Config {
        files: Some(directory.path().to_owned()),
        seed: Some(SeedConfig { look_interval: Duration::from_millis(300), ..SeedConfig::default() }),
        ..Config::default()
    };
    (directory, Server::start(config).await)
}

/// The file's entry in the list, once it is seeded.
async fn seeded(server: &Server, name: &str) -> Value {
    let listed = async {
        loop {
            let host = server.address.to_string();
            let response = server.get("/files/?format=json", &[("host", &host)]).await;
            let list: Vec<Value> = serde_json::from_slice(response.body()).unwrap();
            let found = list.into_iter().find(|entry| entry["name"] == name).unwrap();
            if found["seeded"] == true {
                return found;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(WITHIN, listed).await.unwrap()
}

/// Ways in which a client of these tests meets others.
#[derive(Clone, Copy)]
enum By {
    Tcp,
    Webrtc,
    WebSeed,
}

async fn client(directory: &Path, by: By) -> Client {
    let mut options = Options::new(directory);
    options.engine.private_addresses = true;
    options.listen = matches!(by, By::Tcp).then_some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0));
    options.engine.dials = matches!(by, By::Tcp);
    options.engine.web_seeds = matches!(by, By::WebSeed);
    if let By::Webrtc = by {
        options.webrtc = Some(Rtc::start(rtc::Options { loopback: true, ..rtc::Options::default() }));
    }
    Client::start(options).await.unwrap()
}

async fn until_complete(client: &Client, torrent: InfoHash) {
    let reached = async {
        loop {
            let snapshot = client.snapshot().await.unwrap();
            let now = snapshot.torrents.iter().find(|now| now.info_hash == torrent);
            if now.is_some_and(|now| matches!(now.phase, Phase::Complete | Phase::Seeding)) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(WITHIN, reached).await.is_err() {
        panic!("not reached: {:?}", client.snapshot().await);
    }
}

async fn downloaded(origin: Origin, by: By, name: &str) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let client = client(directory.path(), by).await;
    let torrent = client.add(Add::download(origin)).await.unwrap();
    until_complete(&client, torrent).await;
    client.shutdown().await;
    fs::read(directory.path().join(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_published_file_is_had_over_tcp_over_webrtc_and_from_the_web_seed() {
    let contents = noise(3_000_000);
    let (_directory, server) = seeding("a.bin", &contents).await;
    let entry = seeded(&server, "a.bin").await;
    let magnet = || Origin::Link(entry["magnet"].as_str().unwrap().to_owned());
    assert!(downloaded(magnet(), By::Tcp, "a.bin").await == contents, "over TCP");
    assert!(downloaded(magnet(), By::Webrtc, "a.bin").await == contents, "over WebRTC");
    let torrent = server.get("/torrents/a.bin.torrent", &[("host", &server.address.to_string())]).await;
    let torrent = Origin::Metainfo(torrent.into_body());
    assert!(downloaded(torrent, By::WebSeed, "a.bin").await == contents, "from the web seed");
    assert_eq!(server.stats().await["filesSeeded"], 1);
    assert!(server.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_file_is_seeded_anew_and_one_that_is_gone_no_more() {
    let (directory, server) = seeding("a.bin", &noise(300_000)).await;
    let path = directory.path().join("a.bin");
    let first = seeded(&server, "a.bin").await;
    let contents = noise(200_000);
    fs::write(directory.path().join(".new"), &contents).unwrap();
    fs::rename(directory.path().join(".new"), &path).unwrap();
    let second = seeded(&server, "a.bin").await;
    assert_ne!(first["infoHash"], second["infoHash"]);
    let magnet = second["magnet"].as_str().unwrap().to_owned();
    assert!(downloaded(Origin::Link(magnet), By::Tcp, "a.bin").await == contents);
    server.until_stat("filesSeeded", 1).await;
    fs::remove_file(path).unwrap();
    server.until_stat("filesSeeded", 0).await;
    server.until_stat("peersAll", 0).await;
    assert!(server.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_away_is_seeded_again() {
    let (directory, server) = seeding("a.bin", &noise(100_000)).await;
    let (path, away) = (directory.path().join("a.bin"), directory.path().join(".away"));
    // What was written a moment ago is left alone.
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    let first = seeded(&server, "a.bin").await;
    server.until_stat("filesSeeded", 1).await;
    fs::rename(&path, &away).unwrap();
    server.until_stat("filesSeeded", 0).await;
    fs::rename(&away, &path).unwrap();
    assert_eq!(seeded(&server, "a.bin").await["infoHash"], first["infoHash"]);
    assert!(server.stop().await);
}

#[tokio::test]
async fn without_it_nothing_is_seeded() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a"), "a").unwrap();
    let config = Config { files: Some(directory.path().to_owned()), ..Config::default() };
    let server = Server::start(config).await;
    let torrent = server.get("/torrents/a.torrent", &[("host", "127.0.0.1")]).await;
    assert!(Metainfo::parse(torrent.body()).is_ok());
    let list = server.get("/files/?format=json", &[("host", "127.0.0.1")]).await;
    let list: Vec<Value> = serde_json::from_slice(list.body()).unwrap();
    assert_eq!(list[0]["seeded"], false);
    assert_eq!(server.stats().await["peersAll"], 0);
}
