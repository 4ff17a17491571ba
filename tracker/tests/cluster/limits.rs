//! Bounds that hold for all nodes together.

use serde_json::json;
use shared::tracker::Event;
use shared::tracker::http::announce_url;
use tokio::time::{Duration, sleep, timeout};
use tracker::config::{Config, NetLimits, Strictness};
use tracker::swarm::Limits;

use crate::redis::Redis;
use crate::support::{PATIENCE, Peer, Server, id};
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

/// Time for what a machine that builds something else meanwhile does slowly.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_an_address_are_counted_over_all_nodes() {
    const BURST: u32 = 200;
    let Some(redis) = Redis::start() else { return };
    let net = NetLimits { requests_per_second: 1, request_burst: BURST, ..NetLimits::default() };
    let nodes = two(&redis, net, Limits::default()).await;
    let url = announce_url("/announce", &request("t", "a", 1_000, 1, Event::Update));
    // Whether one of so many is one too many.
    let refused = async |node: &Server, requests: u32| {
        for _ in 0..requests {
            if String::from_utf8_lossy(node.get(&url, &[]).await.body()).contains("too many requests") {
                return true;
            }
        }
        false
    };
    // By how many it exceeds its burst depends on how long that takes.
    let first = timeout(LONG, refused(&nodes[0], 2 * BURST)).await;
    assert_eq!(first, Ok(true), "the first lets its burst through");
    // The second would let as many through by itself. What is known there a second later takes them away.
    let mut asked = 0;
    let second = async {
        while asked < BURST / 2 {
            sleep(Duration::from_millis(300)).await;
            asked += 4;
            if refused(&nodes[1], 4).await {
                return true;
            }
        }
        false
    };
    let second = timeout(LONG, second).await;
    assert_eq!(second, Ok(true), "what the first let through counts at the second: {asked} were asked there");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_an_address_are_counted_over_all_nodes() {
    // Twenty at once.
    const BURST: u32 = 20;
    let Some(redis) = Redis::start() else { return };
    let strictness = Strictness { messages_per_address: 1, ..Strictness::default() };
    let config = |name: &str| Config { cluster: Some(redis.config(name)), strictness, ..Config::default() };
    let nodes = [
        Server::start(config("a")).await,
        Server::start(config("b")).await,
        Server::start(config("c")).await,
    ];
    until_all_know_each_other(&nodes).await;
    let paced = async |node: &Server| node.stats().await["rejections"]["messages_paced"] != 0;
    let scrape = json!({"action": "scrape", "info_hash": id("t")});
    let mut first = nodes[0].peer("first").await;
    // The message that is one too many is answered, and makes its socket wait; the others are not waited for.
    for _ in 0..2 * BURST {
        first.send(scrape.clone()).await;
    }
    let waits = async {
        while !paced(&nodes[0]).await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waits).await.expect("the first reads no more than its burst at once");
    // The others would read as many by themselves. Six at a time, while the first's are told of.
    let waits = async |node: &Server| {
        let mut peer = node.peer("other").await;
        for _ in 0..3 {
            sleep(Duration::from_secs(2)).await;
            for _ in 0..BURST / 3 {
                peer.send(scrape.clone()).await;
                peer.next().await;
            }
            if paced(node).await {
                return true;
            }
        }
        false
    };
    let waited = tokio::join!(waits(&nodes[1]), waits(&nodes[2]));
    assert_eq!(waited, (true, true), "eighteen messages are within the bound of a tracker by itself");
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
