//! Requests as well-known clients really send them.

use serde_json::json;
use tracker::config::Config;

use super::{Udp, word};
use crate::support::{Server, id};

/// Recorded from, or read in the source of: qBittorrent 4.6 (libtorrent 2), Transmission 4, aria2 1.37, Deluge 2, uTorrent 3.5,
/// rTorrent 0.9, bittorrent-tracker 11.
#[tokio::test]
async fn queries_of_clients_are_understood() {
    let server = Server::start(Config::default()).await;
    let hash = "%01%02%03%04%05%06%07%08%09%0a%0b%0c%0d%0e%0f%10%11%12%13%fe";
    for (number, query) in [
        "peer_id=-qB4650-w5s%28Lk%7eGzC0R&port=46881&uploaded=0&downloaded=0&left=9&corrupt=0&key=5A1B2C3D&event=started&numwant=200&compact=1&no_peer_id=1&supportcrypto=1&redundant=0",
        "peer_id=-TR4050-abcdefghijkl&port=51413&uploaded=0&downloaded=0&left=9&numwant=80&key=71AB90F1&compact=1&supportcrypto=1&event=started",
        "peer_id=A2-1-37-0-%8F%A9%00abcdefg&uploaded=0&downloaded=0&left=9&compact=1&key=%8F%A9%00abcde&numwant=50&no_peer_id=1&port=6883&event=started&supportcrypto=1",
        "peer_id=-DE211s-%7E%21xHuXkL.9Yq&port=6884&uploaded=0&downloaded=0&left=9&corrupt=0&key=1A2B3C4D&event=started&numwant=200&compact=1&no_peer_id=1&ipv6=2001%3Adb8%3A%3A1",
        "peer_id=-UT355W-%B3%B1%04abcdefghi&port=6885&uploaded=0&downloaded=0&left=9&corrupt=0&key=E5D1A6E3&event=started&numwant=200&compact=1&no_peer_id=1&ipv6=fe80%3A%3A1",
        "peer_id=-lt0D80-%00%ff%10abcdefghi&key=1f2e3d4c&compact=1&port=6886&uploaded=0&downloaded=0&left=9&event=started",
        "peer_id=-WW0300-abcdefghijkl&port=6887&uploaded=0&downloaded=0&left=9&event=started&compact=1&numwant=50&customParam=1",
    ]
    .into_iter()
    .enumerate()
    {
        let reply = server.get(&format!("/announce?info_hash={hash}&{query}"), &[]).await;
        let expected = format!("10:incompletei{}e", number + 1);
        let said = String::from_utf8_lossy(reply.body());
        assert!(said.contains(&expected), "{query}: {said}");
    }
    // Hashes in capitals, in small letters, and bare where that is allowed, are one swarm.
    let upper = hash.to_uppercase();
    let reply = server.get(&format!("/scrape?info_hash={upper}"), &[]).await;
    assert!(String::from_utf8_lossy(reply.body()).contains("10:incompletei7e"));
    // Leaving: numwant 0, and peers for nobody.
    let reply = server
        .get(&format!("/announce?info_hash={hash}&peer_id=-TR4050-abcdefghijkl&port=51413&uploaded=0&downloaded=0&left=9&numwant=0&key=71AB90F1&compact=1&supportcrypto=1&event=stopped"), &[])
        .await;
    let said = String::from_utf8_lossy(reply.body());
    assert!(said.contains("10:incompletei6e") && said.ends_with("5:peers0:e"), "{said}");
}

#[tokio::test]
async fn libtorrent_says_over_udp_that_it_paused() {
    let server = Server::start(Config::default()).await;
    let udp = Udp::connect(&server).await;
    let reply = udp.ask(&udp.announce(id("t").as_bytes(), &id("-LT20B0-"), 6881, Some(1), "paused")).await;
    assert_eq!((word(&reply, 0), word(&reply, 12)), (1, 1));
}

#[tokio::test]
async fn libtorrent_over_websocket() {
    let server = Server::start(Config::default()).await;
    let (mut other, mut peer) = (server.peer("other").await, server.peer("-LT2100-").await);
    other.announce("t", json!(1), "started", &[]).await;
    let message = |event: &str, offers: serde_json::Value| {
        json!({"action": "announce", "info_hash": id("t"), "uploaded": 0, "downloaded": 0, "left": 16_384, "corrupt": 0,
               "numwant": 5, "key": "1A2B3C4D", "peer_id": id("-LT2100-"), "event": event, "offers": offers})
    };
    // It keeps exactly these: an interval that is a whole number, hashes, ids and offer_ids of 20, sdp as text.
    for event in ["started", "paused", "completed", "none"] {
        let offers = json!([{"offer": {"type": "offer", "sdp": "v=0"}, "offer_id": id(event)}]);
        peer.send(message(event, offers)).await;
        let reply = peer.next().await;
        if event == "none" {
            // An event that nobody has is refused with what it takes to know whose it is.
            assert_eq!(
                (&reply["failure reason"], &reply["info_hash"]),
                (&json!("invalid event"), &json!(id("t")))
            );
            continue;
        }
        assert!(reply["interval"].is_u64() && reply["info_hash"] == id("t"), "{reply}");
        assert_eq!(other.next().await["offer_id"], id(event).as_str());
    }
    peer.send(message("stopped", json!([]))).await;
    assert_eq!(peer.next().await["incomplete"], 1);
}

#[tokio::test]
async fn anacrolix_over_websocket() {
    let server = Server::start(Config::default()).await;
    let (mut other, mut peer) = (server.peer("other").await, server.peer("-GT0003-").await);
    other.announce("t", json!(1), "started", &[]).await;
    let announce = |event: &str, offers: serde_json::Value| {
        json!({"numwant": 1, "uploaded": 0, "downloaded": 0, "left": -1, "event": event, "action": "announce",
               "info_hash": id("t"), "peer_id": id("-GT0003-"), "offers": offers})
    };
    // What is left is -1 while there is no metadata; one offer an announce; each answer brings the next.
    for number in 0..3 {
        let offer = format!("o{number}");
        peer.send(announce(
            "started",
            json!([{"offer_id": id(&offer), "offer": {"type": "offer", "sdp": "v=0"}}]),
        ))
        .await;
        let reply = peer.next().await;
        assert_eq!((&reply["complete"], &reply["incomplete"]), (&json!(0), &json!(2)));
        assert_eq!(other.next().await["offer_id"], id(&offer).as_str());
        other.answer("t", "-GT0003-", &offer).await;
        assert_eq!(peer.next().await["offer_id"], id(&offer).as_str());
    }
    peer.send(announce("stopped", json!(null))).await;
    assert_eq!(peer.next().await["incomplete"], 1);
}

/// bittorrent-tracker's own tests offer things that are no offers, and expect a plain reply.
#[tokio::test]
async fn offers_of_any_shape_are_no_failure() {
    let server = Server::start(Config::default()).await;
    let (mut other, mut peer) = (server.peer("other").await, server.peer("a").await);
    other.announce("t", json!(1), "started", &[]).await;
    for offers in
        [json!([null]), json!([{"fake_offer": "fake_offer_0"}]), json!(null), json!("x"), json!([[], {}, 7])]
    {
        peer.send(json!({"numwant": 5, "uploaded": 0, "downloaded": 0, "left": null, "event": "started", "action": "announce",
                         "info_hash": id("t"), "peer_id": id("a"), "offers": offers})).await;
        assert_eq!(peer.next().await["incomplete"], 2, "{offers}");
    }
    other.assert_nothing_else().await;
}
