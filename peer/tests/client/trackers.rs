//! Peers found through trackers, and files fetched from web servers.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use peer::client::{Add, Client};
use peer::net::rtc::{self, Rtc};
use shared::engine::{Origin, Phase, TrackerState};
use shared::id::InfoHash;
use shared::metainfo::Metainfo;
use tokio::net::TcpListener;

use super::servers::{compact, http, response, udp_tracker};
use super::support::{assert_same, client, files, options, reach, seed, torrent, wait};

async fn fetch(from: &Path, to: &Path, metainfo: &Bytes, hash: InfoHash, tracker: String) -> Client {
    let fetching = client(to).await;
    let add = Add { trackers: vec![tracker], ..Add::download(Origin::Metainfo(metainfo.clone())) };
    fetching.add(add).await.unwrap();
    assert_eq!(reach(&fetching, hash, &[Phase::Complete, Phase::Error]).await.error, None);
    assert_same(&from.join("x.bin"), &to.join("x.bin"));
    fetching
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_found_over_http_and_the_tracker_hears_of_the_end() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    files(from.path(), &[("x.bin", 500_000)]);
    let (metainfo, hash, place) = torrent(from.path(), &["x.bin"]);
    let seeding = seed(from.path(), &metainfo, place).await;
    let peer = compact(seeding.local_address().unwrap());
    let (address, asked) = http(move |_| {
        let reply = [&b"d8:intervali900e5:peers6:"[..], &peer, b"e"].concat();
        response("200 OK", "", &reply)
    })
    .await;
    let tracker = format!("http://{address}/announce?key=secret");
    let fetching = fetch(from.path(), to.path(), &metainfo, hash, tracker).await;
    let port = fetching.local_address().unwrap().port();
    fetching.shutdown().await;
    let asked = asked.lock().clone();
    assert!(asked[0].starts_with("GET /announce?key=secret&"), "{}", asked[0]);
    assert!(asked[0].contains(&format!("port={port}")) && asked[0].contains("event=started"), "{}", asked[0]);
    assert!(asked.iter().any(|ask| ask.contains("event=completed")), "{asked:?}");
    assert!(asked.last().unwrap().contains("event=stopped"), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_found_over_udp() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    files(from.path(), &[("x.bin", 500_000)]);
    let (metainfo, hash, place) = torrent(from.path(), &["x.bin"]);
    let seeding = seed(from.path(), &metainfo, place).await;
    let (address, asked) = udp_tracker(seeding.local_address().unwrap()).await;
    let tracker = format!("udp://{address}/announce");
    let fetching = fetch(from.path(), to.path(), &metainfo, hash, tracker).await;
    fetching.shutdown().await;
    assert!(asked.lock().last().unwrap().ends_with("event 3"), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tracker_in_a_private_network_is_left_alone_unless_allowed() {
    let to = tempfile::tempdir().unwrap();
    let (address, asked) = http(|_| response("200 OK", "", b"d8:intervali900e5:peers0:e")).await;
    let mut options = options(to.path());
    options.engine.private_addresses = false;
    let client = Client::start(options).await.unwrap();
    let trackers = vec![format!("http://localhost:{}/announce", address.port())];
    let add = Add { trackers, ..Add::download(Origin::Link("00".repeat(20))) };
    let hash = client.add(add).await.unwrap();
    wait(&client, hash, |found| {
        found.trackers.iter().any(|tracker| tracker.state == TrackerState::Unreachable)
    })
    .await;
    assert!(asked.lock().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_seed_gives_all_and_a_redirect_is_not_followed() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    files(from.path(), &[("x.bin", 3_000_000)]);
    let (plain, hash, _) = torrent(from.path(), &["x.bin"]);
    let contents = fs::read(from.path().join("x.bin")).unwrap();
    let (elsewhere, never) = http(|_| response("200 OK", "", b"")).await;
    let (redirecting, redirected) =
        http(move |_| response("302 Found", &format!("location: http://{elsewhere}/x.bin\r\n"), b"")).await;
    let (giving, asked) = http(move |head| {
        let range = head.split("bytes=").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap();
        let (first, last) = range.split_once('-').unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        let range = format!("content-range: bytes {first}-{last}/{}\r\n", contents.len());
        response("206 Partial Content", &range, &contents[first..=last])
    })
    .await;
    let metainfo = with_web_seeds(&plain, &[redirecting, giving].map(|at| format!("http://{at}/x.bin")));
    let fetching = client(to.path()).await;
    fetching.add(Add::download(Origin::Metainfo(metainfo))).await.unwrap();
    assert_eq!(reach(&fetching, hash, &[Phase::Complete, Phase::Error]).await.error, None);
    assert_same(&from.path().join("x.bin"), &to.path().join("x.bin"));
    assert_eq!(fetching.counters().web_seed_body, 3_000_000);
    assert!(never.lock().is_empty());
    assert!(!redirected.lock().is_empty() && !asked.lock().is_empty());
}

/// The torrent with `url-list`, which sorts after `info`.
fn with_web_seeds(torrent: &Bytes, urls: &[String]) -> Bytes {
    assert!(Metainfo::parse(torrent).unwrap().web_seeds().is_empty());
    let list: String = urls.iter().map(|url| format!("{}:{url}", url.len())).collect();
    let head = &torrent[..torrent.len() - 1];
    [head, format!("8:url-listl{list}ee").as_bytes()].concat().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_does_not_wait_for_a_tracker_that_does_not_answer() {
    let to = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = options(to.path());
    // Those who make no offers have no use for such a tracker.
    options.webrtc = Some(Rtc::start(rtc::Options { loopback: true, ..rtc::Options::default() }));
    let client = Client::start(options).await.unwrap();
    let trackers = vec![format!("ws://{}/announce", silent.local_addr().unwrap())];
    let add = Add { trackers, ..Add::download(Origin::Link("00".repeat(20))) };
    client.add(add).await.unwrap();
    let _held = silent.accept().await.unwrap();
    let begun = Instant::now();
    tokio::join!(client.shutdown(), client.shutdown());
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}
