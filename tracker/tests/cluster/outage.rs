//! What happens when something is gone.

use std::process::Command;

use serde_json::json;
use shared::tracker::Event;
use tokio::time::{Duration, sleep};

use crate::program::Program;
use crate::redis::Redis;
use crate::support::Server;
use crate::{announce, nodes, request, until, until_all_know_each_other, until_counts};

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_swarms_are_local_and_with_it_again_they_are_whole() {
    let Some(mut redis) = Redis::start() else { return };
    let nodes = nodes(&redis, 3).await;
    let mut peers = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        let mut peer = node.peer(&format!("p{number}")).await;
        peer.announce("t", json!(1), "started", &[]).await;
        peers.push(peer);
    }
    for node in &nodes {
        until_counts(node, "t", 0, 3).await;
    }
    redis.kill();
    for node in &nodes {
        until(node, "Redis is missed", |cluster| cluster["connected"] == false).await;
        // Who cannot be reached is soon nobody's peer.
        until_counts(node, "t", 0, 1).await;
    }
    // Two of one node meet meanwhile.
    let mut local = nodes[0].peer("local").await;
    local.announce("t", json!(0), "started", &["o"]).await;
    assert_eq!(peers[0].next().await["offer_id"], json!(crate::id("o")));
    peers[0].answer("t", "local", "o").await;
    assert_eq!(local.next().await["answer"]["type"], "answer");
    let gone = peers.remove(2);
    gone.vanish();
    redis.resume();
    until_all_know_each_other(&nodes).await;
    for node in &nodes {
        until_counts(node, "t", 1, 2).await;
    }
    // And meet across nodes.
    let mut other = nodes[2].peer("other").await;
    other.announce("t", json!(0), "started", &["a", "b", "c"]).await;
    assert_eq!(peers[0].next().await["peer_id"], json!(crate::id("other")));
    assert_eq!(peers[1].next().await["peer_id"], json!(crate::id("other")));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_without_redis_find_each_other_once_it_is_there() {
    let Some(mut redis) = Redis::start() else { return };
    redis.kill();
    let nodes = [crate::node(&redis, "a").await, crate::node(&redis, "b").await];
    announce(&nodes[0], &request("t", "a", 1_000, 1, Event::Started)).await;
    announce(&nodes[1], &request("t", "a", 1_000, 1, Event::Started)).await;
    announce(&nodes[1], &request("t", "b", 1_001, 1, Event::Started)).await;
    until_counts(&nodes[0], "t", 0, 1).await;
    redis.resume();
    until_all_know_each_other(&nodes).await;
    for node in &nodes {
        until_counts(node, "t", 0, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_publish_in_the_channel_harms_nobody() {
    let Some(redis) = Redis::start() else { return };
    let nodes = nodes(&redis, 2).await;
    for garbage in ["x", "PMC", "PMC\u{2}", "PMC\u{1}aaaaaaaaa", "PMC\u{2}aaaaaaaa\u{2}\u{7f}\u{7f}"] {
        for channel in ["test:all", "test:all"] {
            let length = garbage.len();
            redis.ask(&format!(
                "*3\r\n$7\r\nPUBLISH\r\n${}\r\n{channel}\r\n${length}\r\n{garbage}\r\n",
                channel.len()
            ));
        }
    }
    announce(&nodes[0], &request("t", "a", 1_000, 1, Event::Started)).await;
    until_counts(&nodes[1], "t", 0, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_members_of_a_killed_node_are_gone_and_come_back_where_they_announce_next() {
    let Some(redis) = Redis::start() else { return };
    let nodes = nodes(&redis, 2).await;
    let program = Program::start(&redis, &[]);
    let mut victim = program.peer("victim").await;
    victim.announce("t", json!(0), "started", &[]).await;
    for node in &nodes {
        until_counts(node, "t", 1, 0).await;
    }
    // Without a word.
    drop(program);
    victim.closed().await;
    for node in &nodes {
        until_counts(node, "t", 0, 0).await;
        until(node, "the node is gone", |cluster| cluster["others"].as_array().unwrap().len() == 1).await;
    }
    let mut again = nodes[0].peer("victim").await;
    again.announce("t", json!(0), "started", &[]).await;
    until_counts(&nodes[1], "t", 1, 0).await;
    let mut other = nodes[1].peer("other").await;
    other.announce("t", json!(1), "started", &["o"]).await;
    assert_eq!(again.next().await["offer_id"], json!(crate::id("o")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_url_or_name_says_what_to_do_and_no_password() {
    for (option, value, words) in [
        ("--cluster", "http://user:secret@host", "expected redis://"),
        ("--cluster-name", "a:b", "expected 1 to 64 letters"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tracker"));
        command.args(["--listen", "127.0.0.1:0", "--no-tls"]).env("PIECEMEAL_CLUSTER", "redis://127.0.0.1:1");
        let output = command.args([option, value]).env_remove("RUST_LOG").output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(log.contains(option) && log.contains(words) && !log.contains("secret"), "{log}");
    }
}

/// A tracker by itself has nothing to do with any of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_tracker_by_itself_is_no_node() {
    let server = Server::start(tracker::config::Config::default()).await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!(server.stats().await["cluster"], json!(null));
}
