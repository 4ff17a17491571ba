//! A node that ends and comes back with the swarms of its last run.

use std::path::Path;

use shared::tracker::Event;
use tokio::time::{Duration, sleep, timeout};
use tracker::config::Config;
use tracker::snapshot::SnapshotConfig;
use tracker::swarm::Limits;

use crate::program::Program;
use crate::redis::Redis;
use crate::support::{PATIENCE, Server};
use crate::{announce, node, request, until, until_all_know_each_other, until_counts};

const HOUR: Duration = Duration::from_secs(3_600);

/// A node that keeps its swarms in a file, and its members for so long.
async fn keeper(redis: &Redis, path: &Path, address_timeout: Duration) -> Server {
    let snapshot = Some(SnapshotConfig { path: path.to_owned(), interval: HOUR });
    let swarm = Limits { address_timeout, ..Limits::default() };
    Server::start(Config { cluster: Some(redis.config("keeper")), snapshot, swarm, ..Config::default() })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_the_last_run_are_known_once_at_all_nodes_and_expire_there() {
    let Some(redis) = Redis::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("swarms");
    let mut nodes = vec![node(&redis, "a").await, node(&redis, "b").await, keeper(&redis, &path, HOUR).await];
    until_all_know_each_other(&nodes).await;
    announce(&nodes[0], &request("t", "stays", 1_000, 1, Event::Started)).await;
    for port in 1_001..1_004 {
        announce(&nodes[2], &request("t", "p", port, 0, Event::Started)).await;
    }
    until_counts(&nodes[0], "t", 3, 1).await;
    assert!(nodes.pop().unwrap().stop().await);
    for node in &nodes {
        until_counts(node, "t", 0, 1).await;
    }
    // They have that long to be told of, and then nobody has heard of them.
    nodes.push(keeper(&redis, &path, Duration::from_secs(8)).await);
    for node in &nodes {
        until_counts(node, "t", 3, 1).await;
    }
    // What it counts as its own is what the others compare theirs with.
    until(&nodes[2], "it has three members", |cluster| cluster["members"] == 3).await;
    for node in &nodes[..2] {
        until(node, "the three are its", |cluster| {
            let others = cluster["others"].as_array().unwrap();
            others.iter().any(|other| other["name"] == "keeper" && other["members"] == 3)
        })
        .await;
    }
    for node in &nodes {
        until_counts(node, "t", 0, 1).await;
    }
    until(&nodes[2], "it has no members", |cluster| cluster["members"] == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_announced_elsewhere_while_its_node_was_away_stays_there() {
    let Some(redis) = Redis::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("swarms");
    let away = keeper(&redis, &path, HOUR).await;
    announce(&away, &request("t", "p", 1_000, 1, Event::Started)).await;
    // More apart than what counts as the same moment, twice.
    sleep(Duration::from_secs(4)).await;
    assert!(away.stop().await);
    let other = node(&redis, "other").await;
    announce(&other, &request("t", "p", 1_000, 1, Event::Update)).await;
    sleep(Duration::from_secs(4)).await;
    let nodes = [other, keeper(&redis, &path, HOUR).await];
    until_all_know_each_other(&nodes).await;
    for (node, members) in nodes.iter().zip([1, 0]) {
        until(node, "the member is where it announced last", |cluster| cluster["members"] == members).await;
        until_counts(node, "t", 0, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_killed_node_are_not_known_twice_when_it_comes_back() {
    let Some(redis) = Redis::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let options = ["--data", directory.path().to_str().unwrap(), "--snapshot-interval", "1"];
    let node = node(&redis, "other").await;
    let program = Program::start(&redis, &options);
    program.announce(&request("t", "p", 1_000, 1, Event::Started)).await;
    until_counts(&node, "t", 0, 1).await;
    // One snapshot at least that was begun after that.
    let snapshot = directory.path().join("swarms-0.snapshot");
    let written = || std::fs::metadata(&snapshot).and_then(|file| file.modified()).ok();
    for _ in 0..2 {
        let last = written();
        let renewed = async {
            while written() == last {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, renewed).await.expect("a snapshot each second");
    }
    drop(program);
    let _program = Program::start(&redis, &options);
    // For some seconds both runs of it are nodes, and the member is one of them's.
    let asker = request("t", "asker", 0, 1, Event::Update);
    let one_is_left = async {
        loop {
            let others = node.stats().await["cluster"]["others"].clone();
            let counted = announce(&node, &asker).await.incomplete.unwrap();
            assert!(counted <= 1, "{counted} members; {others}");
            let [other] = others.as_array().unwrap().as_slice() else { continue };
            if other["synced"] == true && other["members"] == 1 && counted == 1 {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(2 * PATIENCE, one_is_left).await.expect("the dead run is forgotten, and its member is not");
}
