//! A tracker that is restarted: who was there is met by those who come after.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use shared::tracker::Event;
use tracker::config::Config;
use tracker::snapshot::SnapshotConfig;

use crate::http_announce::{announce, request};
use crate::support::Server;

async fn start(path: &Path, interval: Duration) -> Server {
    let snapshot = Some(SnapshotConfig { path: path.to_owned(), interval });
    Server::start(Config { snapshot, ..Config::default() }).await
}

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_restart_loses_no_swarm() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("swarms");
    let server = start(&path, HOUR).await;
    announce(&server, &request("t", "seed", 6881, 0, Event::Started)).await.unwrap();
    announce(&server, &request("u", "leech", 6882, 5, Event::Started)).await.unwrap();
    server.peer("browser").await.announce("t", json!(0), "started", &[]).await;
    assert!(server.stop().await);
    let server = start(&path, HOUR).await;
    let stats = server.stats().await;
    assert_eq!((&stats["peersByAddress"], &stats["torrents"]), (&json!(2), &json!(2)), "{stats}");
    let reply = announce(&server, &request("t", "late", 6883, 5, Event::Started)).await.unwrap();
    assert_eq!((reply.complete, reply.incomplete), (Some(1), Some(1)));
    assert_eq!(reply.peers, [std::net::SocketAddr::from(([127, 0, 0, 1], 6_881))]);
}

#[tokio::test]
async fn one_that_is_killed_has_what_was_written_last() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("swarms");
    let server = start(&path, Duration::from_millis(50)).await;
    announce(&server, &request("t", "seed", 6881, 0, Event::Started)).await.unwrap();
    let copy = directory.path().join("copy");
    // As if it ended at this moment, at some moment after the announce.
    let written = async {
        loop {
            tokio::time::sleep(Duration::from_millis(60)).await;
            if std::fs::copy(&path, &copy).is_ok_and(|bytes| bytes > 100) {
                return;
            }
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, written).await.unwrap();
    let server = start(&copy, HOUR).await;
    assert_eq!(server.stats().await["peersByAddress"], 1);
}

#[tokio::test]
async fn one_that_is_damaged_costs_what_it_held_and_never_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("swarms");
    for damaged in [&b""[..], b"nonsense", &[0xFF; 4_096]] {
        std::fs::write(&path, damaged).unwrap();
        let server = start(&path, HOUR).await;
        assert_eq!(server.stats().await["peersAll"], 0);
        assert_eq!(server.get("/health", &[]).await.status(), 200);
        assert!(server.stop().await);
    }
    // And it was replaced by a good one.
    announce(&start(&path, HOUR).await, &request("t", "seed", 6881, 0, Event::Started)).await.unwrap();
}

#[tokio::test]
async fn where_nothing_can_be_written_the_tracker_runs_all_the_same() {
    let server = start(Path::new("/proc/nowhere/swarms"), Duration::from_millis(20)).await;
    announce(&server, &request("t", "seed", 6881, 0, Event::Started)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(server.stop().await);
}
