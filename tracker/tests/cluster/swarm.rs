//! Who is in a swarm, and who meets whom.

use serde_json::json;
use shared::tracker::Event;
use tokio::time::{Duration, sleep};

use crate::redis::Redis;
use crate::support::id;
use crate::{announce, node, nodes, ports, request, until_all_know_each_other, until_counts};

#[tokio::test(flavor = "multi_thread")]
async fn offers_and_answers_cross_nodes() {
    let Some(redis) = Redis::start() else { return };
    let nodes = nodes(&redis, 3).await;
    let mut a = nodes[0].peer("a").await;
    a.announce("t", json!(1), "started", &[]).await;
    until_counts(&nodes[1], "t", 0, 1).await;
    let mut b = nodes[1].peer("b").await;
    let counts = b.announce("t", json!(0), "started", &["o"]).await;
    assert_eq!(
        (&counts["complete"], &counts["incomplete"]),
        (&json!(1), &json!(1)),
        "counts are of all nodes"
    );
    let offer = a.next().await;
    let expected = json!({
        "action": "announce", "info_hash": id("t"), "peer_id": id("b"), "offer_id": id("o"),
        "offer": {"type": "offer", "sdp": "sdp of o"},
    });
    assert_eq!(offer, expected);
    a.answer("t", "b", "o").await;
    let answer = b.next().await;
    assert_eq!((&answer["peer_id"], &answer["offer_id"]), (&json!(id("a")), &json!(id("o"))));
    assert_eq!(answer["answer"]["sdp"], "sdp of the answer");
    // It is answered once, and by nobody else.
    a.answer("t", "b", "o").await;
    a.assert_nothing_else().await;
    b.assert_nothing_else().await;
    nodes[0].until_stat("answersUnexpected", 1).await;
    for (node, relayed) in nodes.iter().zip([0, 1, 0]) {
        node.until_stat("peersAll", 2).await;
        let stats = node.stats().await;
        assert_eq!((&stats["offersRelayed"], &stats["answersRelayed"]), (&json!(relayed), &json!(relayed)));
        assert_eq!(stats["pendingOffers"], json!(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_answered_by_its_receiver_only_whichever_node_others_are_at() {
    let Some(redis) = Redis::start() else { return };
    let nodes = nodes(&redis, 2).await;
    let mut a = nodes[0].peer("a").await;
    a.announce("t", json!(1), "started", &[]).await;
    until_counts(&nodes[1], "t", 0, 1).await;
    let mut b = nodes[1].peer("b").await;
    b.announce("t", json!(1), "started", &["o"]).await;
    a.next().await;
    // Everybody in the swarm knows b's peer_id, and may guess the offer_id.
    for node in &nodes {
        let mut thief = node.peer("thief").await;
        thief.announce("t", json!(1), "started", &[]).await;
        thief.answer("t", "b", "o").await;
        thief.assert_nothing_else().await;
    }
    b.assert_nothing_else().await;
    a.answer("t", "b", "o").await;
    assert_eq!(b.next().await["peer_id"], json!(id("a")));
}

#[tokio::test(flavor = "multi_thread")]
async fn members_change_and_leave_everywhere() {
    let Some(redis) = Redis::start() else { return };
    let nodes = nodes(&redis, 3).await;
    let mut a = nodes[0].peer("a").await;
    let mut b = nodes[0].peer("b").await;
    a.announce("t", json!(1), "started", &[]).await;
    b.announce("t", json!(1), "started", &[]).await;
    announce(&nodes[1], &request("t", "c", 1_001, 5, Event::Started)).await;
    for node in &nodes {
        until_counts(node, "t", 0, 3).await;
    }
    a.announce("t", json!(0), "completed", &[]).await;
    announce(&nodes[1], &request("t", "c", 1_001, 0, Event::Completed)).await;
    for node in &nodes {
        until_counts(node, "t", 2, 1).await;
    }
    a.announce("t", json!(0), "stopped", &[]).await;
    b.vanish();
    announce(&nodes[1], &request("t", "c", 1_001, 0, Event::Stopped)).await;
    for node in &nodes {
        until_counts(node, "t", 0, 0).await;
    }
    for node in &nodes {
        node.until_stat("torrents", 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_at_addresses_of_other_nodes_are_named_and_are_one_wherever_they_announce() {
    let Some(redis) = Redis::start() else { return };
    let nodes = nodes(&redis, 3).await;
    for (number, node) in nodes.iter().enumerate() {
        let port = 1_000 + number as u16;
        announce(node, &request("t", &format!("p{number}"), port, 5, Event::Started)).await;
    }
    for node in &nodes {
        until_counts(node, "t", 0, 3).await;
    }
    let response = announce(&nodes[2], &request("t", "p2", 1_002, 5, Event::Update)).await;
    assert_eq!(ports(&response), [1_000, 1_001]);
    // A balancer in front sends it elsewhere each time; it ends at a node that it did not begin at.
    for node in &nodes {
        announce(node, &request("t", "p0", 1_000, 5, Event::Update)).await;
        for node in &nodes {
            until_counts(node, "t", 0, 3).await;
        }
    }
    // Not before they have told each other where it was last.
    sleep(Duration::from_millis(500)).await;
    announce(&nodes[1], &request("t", "p0", 1_000, 5, Event::Stopped)).await;
    for node in &nodes {
        until_counts(node, "t", 0, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_comes_late_learns_everything_and_one_that_ends_is_gone_at_once() {
    let Some(redis) = Redis::start() else { return };
    let mut nodes = nodes(&redis, 2).await;
    let mut a = nodes[0].peer("a").await;
    for number in 0..40 {
        a.announce(&format!("t{number}"), json!(1), "started", &[]).await;
    }
    for number in 0..60 {
        let port = 1_000 + number;
        announce(&nodes[1], &request("t0", &format!("p{number}"), port, 0, Event::Started)).await;
    }
    nodes.push(node(&redis, "late").await);
    until_all_know_each_other(&nodes).await;
    until_counts(&nodes[2], "t0", 60, 1).await;
    until_counts(&nodes[2], "t39", 0, 1).await;
    let ended = nodes.remove(1);
    assert!(ended.stop().await);
    for node in &nodes {
        until_counts(node, "t0", 0, 1).await;
    }
}
