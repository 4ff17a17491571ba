//! What `/metrics` tells of a cluster.

use std::collections::BTreeMap;

use serde_json::json;
use shared::tracker::Event;
use tokio::time::{Duration, sleep, timeout};

use crate::redis::Redis;
use crate::support::{PATIENCE, Server};
use crate::{announce, nodes, request, until_all_know_each_other, until_counts};

type Numbers = BTreeMap<String, f64>;

/// The numbers about the cluster, under the rest of their names.
async fn numbers(node: &Server) -> Numbers {
    let response = node.get("/metrics", &[]).await;
    let text = String::from_utf8_lossy(response.body()).into_owned();
    let number = |line: &str| {
        let (name, value) = line.strip_prefix("piecemeal_cluster_")?.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().unwrap()))
    };
    text.lines().filter_map(number).collect()
}

/// They are noted once a second.
async fn until(node: &Server, holds: impl Fn(&Numbers) -> bool) -> Numbers {
    let reached = async {
        loop {
            let numbers = numbers(node).await;
            if holds(&numbers) {
                return numbers;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    match timeout(PATIENCE, reached).await {
        Ok(numbers) => numbers,
        Err(_) => panic!("not so: {:?}", numbers(node).await),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nodes_have_of_each_other_and_what_passes_between_them_is_told() {
    let Some(mut redis) = Redis::start() else { return };
    let nodes = nodes(&redis, 3).await;
    let mut a = nodes[0].peer("a").await;
    a.announce("t", json!(1), "started", &[]).await;
    announce(&nodes[2], &request("t", "c", 1_000, 0, Event::Started)).await;
    until_counts(&nodes[1], "t", 1, 1).await;
    let mut b = nodes[1].peer("b").await;
    b.announce("t", json!(1), "started", &["o"]).await;
    a.next().await;
    a.answer("t", "b", "o").await;
    b.next().await;
    let told = until(&nodes[1], |numbers| {
        numbers[r#"members{of="others"}"#] == 2.0 && numbers[r#"members{of="own"}"#] == 1.0
    })
    .await;
    for (name, value) in [
        ("connected", 1.0),
        ("connects_total", 1.0),
        (r#"nodes{state="synced"}"#, 2.0),
        (r#"nodes{state="partial"}"#, 0.0),
        (r#"changes_total{direction="sent"}"#, 1.0),
        (r#"relays_total{outcome="sent"}"#, 1.0),
        (r#"relays_total{outcome="received"}"#, 1.0),
        (r#"relays_total{outcome="dropped"}"#, 0.0),
        (r#"dropped_messages_total{direction="received"}"#, 0.0),
        ("refused_members_total", 0.0),
        ("unreadable_messages_total", 0.0),
    ] {
        assert_eq!(told.get(name), Some(&value), "{name} of {told:?}");
    }
    let taken_in = told[r#"changes_total{direction="received"}"#] + told["snapshot_members_total"];
    assert!(taken_in >= 2.0, "{told:?}");
    for direction in ["sent", "received"] {
        let of = |name: &str| told[&format!("{name}_total{{direction=\"{direction}\"}}")];
        assert!(of("messages") >= 3.0 && of("bytes") > 20.0 * of("messages"), "{told:?}");
    }
    assert!((0.0..5.0).contains(&told["round_trip_seconds"]), "{told:?}");
    assert!(told.contains_key("resyncs_total"));

    redis.kill();
    let told =
        until(&nodes[1], |numbers| numbers["connected"] == 0.0 && numbers[r#"nodes{state="synced"}"#] == 0.0)
            .await;
    assert_eq!(told.get("round_trip_seconds"), None, "nobody knows it now");
    assert_eq!(told[r#"members{of="others"}"#], 0.0);
    until(&nodes[1], |numbers| numbers[r#"dropped_messages_total{direction="sent"}"#] > 0.0).await;

    redis.resume();
    until_all_know_each_other(&nodes).await;
    redis.ask("*3\r\n$7\r\nPUBLISH\r\n$8\r\ntest:all\r\n$1\r\nx\r\n");
    until(&nodes[1], |numbers| {
        numbers["connects_total"] == 2.0
            && numbers["unreadable_messages_total"] == 1.0
            && numbers.contains_key("round_trip_seconds")
    })
    .await;
}
