//! Several trackers that work as one, through a real Redis.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod limits;
mod metrics;
mod outage;
mod program;
mod redis;
mod restart;
#[path = "../server/support.rs"]
#[expect(dead_code, reason = "shared with the tests of a tracker by itself, which use all of it")]
mod support;
mod swarm;

use serde_json::Value;
use shared::id::{InfoHash, PeerId};
use shared::tracker::http::{announce_url, parse_announce_reply};
use shared::tracker::{AnnounceRequest, AnnounceResponse, Event};
use tokio::time::{Duration, sleep, timeout};
use tracker::config::Config;

use self::redis::Redis;
use self::support::{PATIENCE, Server, id};

/// One more tracker of the cluster.
async fn node(redis: &Redis, name: &str) -> Server {
    Server::start(Config { cluster: Some(redis.config(name)), ..Config::default() }).await
}

/// So many of them, each of which knows all others.
async fn nodes(redis: &Redis, count: usize) -> Vec<Server> {
    let mut nodes = Vec::new();
    for number in 0..count {
        nodes.push(node(redis, &format!("n{number}")).await);
    }
    until_all_know_each_other(&nodes).await;
    nodes
}

async fn until_all_know_each_other(nodes: &[Server]) {
    for node in nodes {
        until(node, &format!("{} others are known", nodes.len() - 1), |cluster| {
            let others = cluster["others"].as_array().unwrap();
            others.len() == nodes.len() - 1 && others.iter().all(|other| other["synced"] == true)
        })
        .await;
    }
}

/// Waits until the part of `/stats.json` about the cluster is as it should be.
async fn until(node: &Server, what: &str, holds: impl Fn(&Value) -> bool) {
    let reached = async {
        while !holds(&node.stats().await["cluster"]) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(PATIENCE, reached).await.is_err() {
        panic!("not so: {what}; {}", node.stats().await["cluster"]);
    }
}

fn bytes(name: &str) -> [u8; 20] {
    id(name).as_bytes().try_into().unwrap()
}

fn request(torrent: &str, peer: &str, port: u16, left: u64, event: Event) -> AnnounceRequest {
    AnnounceRequest {
        info_hash: InfoHash(bytes(torrent)),
        peer_id: PeerId(bytes(peer)),
        port,
        uploaded: 0,
        downloaded: 0,
        left: Some(left),
        event,
        wanted: None,
        key: 0x1234_5678,
        tracker_id: None,
    }
}

async fn announce(node: &Server, request: &AnnounceRequest) -> AnnounceResponse {
    let response = node.get(&announce_url("/announce", request), &[]).await;
    parse_announce_reply(response.body()).unwrap()
}

fn ports(response: &AnnounceResponse) -> Vec<u16> {
    let mut ports: Vec<_> = response.peers.iter().map(|peer| peer.port()).collect();
    ports.sort_unstable();
    ports
}

/// Waits until a node counts so many members of a swarm: seeds and others.
async fn until_counts(node: &Server, torrent: &str, complete: u32, incomplete: u32) {
    // A port of 0 asks without joining.
    let asker = request(torrent, "asker", 0, 1, Event::Update);
    let mut last = None;
    let reached = async {
        loop {
            let response = announce(node, &asker).await;
            last = Some((response.complete, response.incomplete));
            if last == Some((Some(complete), Some(incomplete))) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(PATIENCE, reached).await.is_err() {
        panic!("{torrent} is counted as {last:?} and not ({complete}, {incomplete})");
    }
}
