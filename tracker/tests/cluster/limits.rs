//! Bounds that hold for all nodes together.

use serde_json::json;
use shared::tracker::Event;
use shared::tracker::http::announce_url;
use tokio::time::{Duration, sleep, timeout};
use tracker::config::{Config, NetLimits};
use tracker::swarm::Limits;

use crate::redis::Redis;
use crate::support::{PATIENCE, Peer, Server};
use crate::{announce, request, until_all_know_each_other, until_counts};

async fn two(redis: &Redis, net: NetLimits, swarm: Limits) -> [Server; 2] {
    let config = |name: &str| Config {
        cluster: Some(redis.config(name)),
        net: net.clone(),
        swarm: swarm.clone(),
        ..Config::default()
    };
    let nodes = [Server::start(config("a")).await, Server::start(config("b")).await];
    until_all_know_each_other(&nodes).await;
    nodes
}

async fn connect(node: &Server) -> Option<Peer> {
    let connected = tokio_tungstenite::connect_async(format!("ws://{}/", node.address)).await;
    connected.ok().map(|(socket, _)| Peer::over("x", socket))
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_of_an_address_are_counted_over_all_nodes() {
    let Some(redis) = Redis::start() else { return };
    let net = NetLimits { sockets_per_address: 10, ..NetLimits::default() };
    let nodes = two(&redis, net, Limits::default()).await;
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(connect(&nodes[0]).await.unwrap());
    }
    // Known elsewhere a second later.
    let refused = async {
        loop {
            let mut more = Vec::new();
            while let Some(peer) = connect(&nodes[1]).await {
                more.push(peer);
                if more.len() == 10 {
                    break;
                }
            }
            if more.len() == 2 {
                return more;
            }
            drop(more);
            sleep(Duration::from_millis(100)).await;
        }
    };
    let _more = timeout(PATIENCE, refused).await.expect("two of ten are left");
    held.clear();
    let free = async {
        while connect(&nodes[1]).await.is_none() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, free).await.expect("what was given back is free everywhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_an_address_are_counted_over_all_nodes() {
    let Some(redis) = Redis::start() else { return };
    let net = NetLimits { requests_per_second: 1, request_burst: 60, ..NetLimits::default() };
    let nodes = two(&redis, net, Limits::default()).await;
    let url = announce_url("/announce", &request("t", "a", 1_000, 1, Event::Update));
    // How many are let through until one is not.
    let admitted = async |node: &Server| {
        let mut count = 0;
        while !String::from_utf8_lossy(node.get(&url, &[]).await.body()).contains("too many requests") {
            count += 1;
        }
        count
    };
    let first = timeout(PATIENCE, admitted(&nodes[0])).await.expect("its burst ends");
    // Two tallies.
    sleep(Duration::from_millis(2_500)).await;
    let second =
        timeout(PATIENCE, admitted(&nodes[1])).await.expect("what one let through counts at the other");
    assert!(first >= 60 && second < 30, "{first} and {second}: not one had come to the second node before");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_bound_over_all_nodes() {
    let Some(redis) = Redis::start() else { return };
    let swarm = Limits { members_per_torrent: 5, members_per_address: 7, ..Limits::default() };
    let nodes = two(&redis, NetLimits::default(), swarm).await;
    for port in 1_000..1_005 {
        announce(&nodes[0], &request("t", "a", port, 1, Event::Started)).await;
    }
    until_counts(&nodes[1], "t", 0, 5).await;
    let mut peer = nodes[1].peer("late").await;
    let refused = peer.announce("t", json!(1), "started", &[]).await;
    assert!(refused["failure reason"].as_str().unwrap().contains("full"), "{refused}");
    for port in 1_000..1_002 {
        announce(&nodes[1], &request("u", "a", port, 1, Event::Started)).await;
    }
    let url = announce_url("/announce", &request("u", "a", 1_002, 1, Event::Started));
    let refused = nodes[1].get(&url, &[]).await;
    let text = String::from_utf8_lossy(refused.body());
    assert!(text.contains("too many peers of your address in all swarms: at most 7"), "{text}");
}
