//! The WebSocket tracker.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tracker::config::Config;

use crate::support::{Server, id};

async fn server() -> Server {
    Server::start(Config::default()).await
}

#[tokio::test]
async fn two_peers_are_introduced() {
    let server = server().await;
    let (mut a, mut b) = (server.peer("a").await, server.peer_at("b", "/any/path?at=all").await);
    let reply = a.announce("t", json!(100), "started", &["a1", "a2"]).await;
    let expected =
        json!({"action": "announce", "info_hash": id("t"), "interval": 120, "complete": 0, "incomplete": 1});
    assert_eq!(reply, expected);
    let reply = b.announce("t", json!(0), "started", &["b1", "b2"]).await;
    assert_eq!((&reply["complete"], &reply["incomplete"]), (&json!(1), &json!(1)));
    let offer = a.next().await;
    let expected = json!({
        "action": "announce", "info_hash": id("t"), "peer_id": id("b"), "offer_id": id("b1"),
        "offer": {"type": "offer", "sdp": "sdp of b1"},
    });
    assert_eq!(offer, expected);
    a.answer("t", "b", "b1").await;
    let expected = json!({
        "action": "announce", "info_hash": id("t"), "peer_id": id("a"), "offer_id": id("b1"),
        "answer": {"type": "answer", "sdp": "sdp of the answer"},
    });
    assert_eq!(b.next().await, expected);
    a.assert_nothing_else().await;
    b.assert_nothing_else().await;
}

#[tokio::test]
async fn an_answer_to_somebody_elses_offer_goes_nowhere() {
    let server = server().await;
    let (mut a, mut b, mut stranger) =
        (server.peer("a").await, server.peer("b").await, server.peer("s").await);
    a.announce("t", json!(1), "started", &[]).await;
    b.announce("t", json!(1), "started", &["b1"]).await;
    a.next().await;
    stranger.announce("t", json!(1), "started", &[]).await;
    stranger.answer("t", "b", "b1").await;
    stranger.name = id("a");
    stranger.answer("t", "b", "b1").await;
    stranger.assert_nothing_else().await;
    b.assert_nothing_else().await;
    a.answer("other", "b", "b1").await;
    a.answer("t", "b", "b1").await;
    assert_eq!(b.next().await["peer_id"], id("a").as_str());
    a.answer("t", "b", "b1").await;
    a.assert_nothing_else().await;
    b.assert_nothing_else().await;
    assert_eq!(server.stats().await["answersUnexpected"], 4);
}

#[tokio::test]
async fn a_strangers_use_of_a_peer_id_changes_nothing_for_its_owner() {
    let server = server().await;
    let (mut owner, mut stranger) = (server.peer("owner").await, server.peer("owner").await);
    owner.announce("t", json!(1), "started", &[]).await;
    let reply = stranger.announce("t", json!(1), "started", &["x"]).await;
    assert_eq!(reply["incomplete"], 2);
    owner.assert_nothing_else().await;
    let reply = stranger.announce("t", json!(1), "stopped", &[]).await;
    assert_eq!(reply["incomplete"], 1);
    stranger.announce("t", json!(1), "started", &[]).await;
    stranger.vanish();
    server.until_stat("sockets", 1).await;
    let mut other = server.peer("other").await;
    assert_eq!(other.announce("t", json!(1), "started", &["o1"]).await["incomplete"], 2);
    assert_eq!(owner.next().await["offer_id"], id("o1").as_str());
}

#[tokio::test]
async fn a_peer_that_reconnects_is_found_under_its_new_socket() {
    let server = server().await;
    let mut old = server.peer("a").await;
    old.announce("t", json!(1), "started", &[]).await;
    let mut new = server.peer("a").await;
    new.announce("t", json!(1), "", &[]).await;
    old.vanish();
    server.until_stat("peersAll", 1).await;
    let mut other = server.peer("b").await;
    other.announce("t", json!(1), "started", &["b1"]).await;
    assert_eq!(new.next().await["offer_id"], id("b1").as_str());
    new.answer("t", "b", "b1").await;
    assert_eq!(other.next().await["peer_id"], id("a").as_str());
}

#[tokio::test]
async fn who_vanishes_leaves_all_swarms() {
    let server = server().await;
    let mut peer = server.peer("a").await;
    for (torrent, name) in [("t1", "a"), ("t2", "a"), ("t2", "b")] {
        peer.name = id(name);
        peer.announce(torrent, json!(0), "started", &[]).await;
    }
    assert_eq!(server.stats().await["torrents"], 2);
    peer.vanish();
    server.until_stat("torrents", 0).await;
    assert_eq!(server.stats().await["peersAll"], 0);
}

#[tokio::test]
async fn events_move_a_peer_between_roles() {
    let server = server().await;
    let mut peer = server.peer("a").await;
    for (left, event, complete, incomplete) in [
        (json!(null), "started", 0, 1),
        (json!(7), "", 0, 1),
        (json!(0), "completed", 1, 0),
        (json!(0), "update", 1, 0),
        (json!("0"), "empty", 1, 0),
        (json!(0), "paused", 1, 0),
        (json!(0), "stopped", 0, 0),
        (json!(0), "stopped", 0, 0),
    ] {
        let reply = peer.announce("t", left.clone(), event, &[]).await;
        assert_eq!(
            (&reply["complete"], &reply["incomplete"]),
            (&json!(complete), &json!(incomplete)),
            "{left} {event}"
        );
    }
}

#[tokio::test]
async fn offers_are_opaque() {
    let server = server().await;
    let (mut a, mut b) = (server.peer("a").await, server.peer("b").await);
    a.announce("t", json!(1), "started", &[]).await;
    let odd = r#"{"sdp" : "é\u0000\ud83d\ude00", "n": 1.50e3, "deep": [[{}]], "": null}"#;
    let announce = format!(
        r#"{{"action":"announce","info_hash":"{}","peer_id":"{}","left":null,"offers":[null,{{}},7,{{"offer":{odd},"offer_id":"\u00ff"}}]}}"#,
        id("t"),
        id("b")
    );
    b.send_text(&announce).await;
    assert_eq!(b.next().await["incomplete"], 2);
    let offer = a.next().await;
    assert_eq!(offer["offer"], serde_json::from_str::<Value>(odd).unwrap());
    assert_eq!(offer["offer_id"], "\u{ff}");
    a.assert_nothing_else().await;
}

#[tokio::test]
async fn every_byte_may_stand_in_an_identity() {
    let server = server().await;
    let (mut a, mut b) = (server.peer("a").await, server.peer("b").await);
    let bytes = |from: u32| (from..from + 20).map(|code| char::from_u32(code).unwrap()).collect::<String>();
    for from in [0, 20, 80, 120, 236] {
        let (info_hash, to_a, to_b) = (bytes(from), bytes((from + 1) % 236), bytes((from + 2) % 236));
        let announce = |peer_id: &str, offers: Value| json!({"action": "announce", "info_hash": info_hash, "peer_id": peer_id, "offers": offers});
        a.send(announce(&to_a, json!([]))).await;
        assert_eq!(a.next().await["info_hash"], info_hash.as_str());
        b.send(announce(&to_b, json!([{"offer": {}, "offer_id": info_hash}]))).await;
        b.next().await;
        let offer = a.next().await;
        let known = [&offer["info_hash"], &offer["peer_id"], &offer["offer_id"]];
        assert_eq!(known, [&json!(info_hash), &json!(to_b), &json!(info_hash)]);
    }
}

#[tokio::test]
async fn scrapes_count_one_several_and_all() {
    let server = server().await;
    let mut peer = server.peer("a").await;
    peer.announce("t1", json!(0), "started", &[]).await;
    peer.announce("t2", json!(5), "started", &[]).await;
    let (one, two) = (
        json!({"complete": 1, "incomplete": 0, "downloaded": 1, "downloaders": 0}),
        json!({"complete": 0, "incomplete": 1, "downloaded": 0, "downloaders": 1}),
    );
    let none = json!({"complete": 0, "incomplete": 0, "downloaded": 0, "downloaders": 0});
    let (t1, t2, t3) = (id("t1"), id("t2"), id("t3"));
    for (named, files) in [
        (json!(t1), json!({ &t1: one })),
        (json!([t1, t2, t3]), json!({ &t1: one, &t2: two, &t3: none })),
        (json!(null), json!({ &t1: one, &t2: two })),
    ] {
        peer.send(json!({"action": "scrape", "info_hash": named})).await;
        let reply = peer.next().await;
        assert_eq!((&reply["action"], &reply["files"]), (&json!("scrape"), &files), "{named}");
        assert!(reply["flags"]["min_request_interval"].is_u64());
    }
    peer.send(json!({"action": "scrape"})).await;
    assert_eq!(peer.next().await["files"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_malformed_is_answered_and_the_socket_lives_on() {
    let server = server().await;
    let mut peer = server.peer("a").await;
    let hash = id("t");
    for (text, has_action, has_hash) in [
        ("".to_owned(), false, false),
        ("{".to_owned(), false, false),
        ("null".to_owned(), false, false),
        ("[]".to_owned(), false, false),
        (r#"{"action":1}"#.to_owned(), false, false),
        (r#"{"action":"announce"}"#.to_owned(), false, false),
        (r#"{"action":"announce","info_hash":"short"}"#.to_owned(), false, false),
        (format!(r#"{{"action":"announce","info_hash":"{hash}"}}"#), true, true),
        (format!(r#"{{"action":"announce","info_hash":"{hash}","peer_id":"{hash}x"}}"#), true, true),
        (
            format!(r#"{{"action":"announce","info_hash":"{hash}","peer_id":"{hash}","event":"x"}}"#),
            true,
            true,
        ),
        (
            format!(r#"{{"action":"announce","info_hash":"{hash}","peer_id":"{hash}","answer":{{}}}}"#),
            true,
            true,
        ),
        (format!(r#"{{"action":"dance","info_hash":"{hash}"}}"#), false, true),
        (r#"{"action":"scrape","info_hash":7}"#.to_owned(), true, false),
        ("[".repeat(50_000), false, false),
    ] {
        peer.send_text(&text).await;
        let reply = peer.next().await;
        assert!(reply["failure reason"].is_string(), "{text:.80}: {reply}");
        assert_eq!(reply["action"].is_string(), has_action, "{text:.80}: {reply}");
        assert_eq!(reply["info_hash"] == hash.as_str(), has_hash, "{text:.80}: {reply}");
    }
    let announce = json!({"action": "announce", "info_hash": hash, "peer_id": hash, "offers": [null]});
    peer.send_message(Message::binary(announce.to_string())).await;
    assert_eq!(peer.next().await["incomplete"], 1);
    peer.send_message(Message::binary(vec![0xff])).await;
    assert!(peer.next().await["failure reason"].is_string());
    assert_eq!(server.stats().await["malformedRequests"], 15);
}

#[tokio::test]
async fn stats_have_the_field_names_of_the_reference() {
    let server = server().await;
    let mut peer = server.peer("-WW0300-").await;
    peer.announce("t1", json!(0), "started", &[]).await;
    peer.announce("t2", json!(1), "started", &[]).await;
    let mut seed = server.peer("-WW0300-").await;
    seed.announce("t1", json!(0), "started", &[]).await;
    let stats = server.stats().await;
    for (name, value) in [
        ("torrents", json!(2)),
        ("activeTorrents", json!(2)),
        ("peersAll", json!(2)),
        ("peersSeederOnly", json!(1)),
        ("peersLeecherOnly", json!(0)),
        ("peersSeederAndLeecher", json!(1)),
        ("peersIPv4", json!(2)),
        ("peersIPv6", json!(0)),
        ("clients", json!({"WebTorrent": {"3.0": 2}})),
    ] {
        assert_eq!(stats[name], value, "{name}");
    }
    let page = server.get("/stats", &[]).await;
    let page = String::from_utf8_lossy(page.body());
    assert!(page.contains("<td>peersAll</td><td>2</td>"));
    // Who reads the reference's page line by line finds the numbers where they are there.
    let described = page.split_once("content=\"").unwrap().1.split_once('"').unwrap().0;
    assert!(page.find(described) < page.find('\n'), "the first line is of this");
    let numbers: Vec<_> = described.lines().skip(1).map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(
        (described.lines().next(), numbers),
        (Some("2 torrents (2 active)"), vec!["2", "1", "0", "1", "2", "0"])
    );
    let json = server.get("/stats", &[("accept", "application/json")]).await;
    assert_eq!(serde_json::from_slice::<Value>(json.body()).unwrap()["peersAll"], 2);
}
