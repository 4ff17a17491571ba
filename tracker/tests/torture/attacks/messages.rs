//! WebSockets that ask too much, too oddly, or do not listen.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{sleep, timeout};

use super::Attacker;
use crate::behaved::SWARM;
use crate::socket::{Socket, head};

const PAUSE: Duration = Duration::from_millis(20);

/// Asks for replies and never reads one, until it is closed.
pub(super) async fn deaf(attacker: Attacker) {
    loop {
        let Ok(mut socket) = Socket::open(attacker.target.clear, attacker.from).await else {
            sleep(PAUSE).await;
            continue;
        };
        let scrape = json!({"action": "scrape"}).to_string();
        for _ in 0..2_000 {
            match timeout(Duration::from_secs(1), socket.frame(1, scrape.as_bytes())).await {
                Ok(Ok(())) => attacker.did_it().await,
                // It is held back, or closed.
                _ => break,
            }
        }
        sleep(PAUSE).await;
    }
}

/// As many swarms, members and offers as it can, each with the most that is taken.
pub(super) async fn flood(attacker: Attacker) {
    let sdp = "v".repeat(1_000);
    for round in 0_u64.. {
        let Ok(mut socket) = Socket::open(attacker.target.clear, attacker.from).await else {
            sleep(PAUSE).await;
            continue;
        };
        for number in 0_u64..3_000 {
            let offers: Vec<_> = (0..20)
                .map(|offer| json!({"offer": {"sdp": sdp}, "offer_id": format!("{round}-{number}-{offer}")}))
                .collect();
            let swarm = if number % 2 == 0 {
                "flooded-by-all-of-us".to_owned()
            } else {
                format!("{round:010}{number:010}")
            };
            let announce = json!({"action": "announce", "info_hash": swarm, "peer_id": format!("{:020}", number % 8),
                                  "left": number % 3, "offers": offers});
            if timeout(Duration::from_secs(1), socket.send(&announce)).await.is_ok_and(|sent| sent.is_ok()) {
                attacker.did_it().await;
            } else {
                break;
            }
            // Reads what it is told, or it would be one of the deaf.
            while timeout(Duration::from_micros(200), socket.next()).await.is_ok_and(|next| next.is_ok()) {}
        }
    }
}

/// Texts at and beyond every bound.
pub(super) async fn odd(attacker: Attacker) {
    let long = "x".repeat(60_000);
    let whole = |rest: &str| {
        format!(r#"{{"action":"announce","info_hash":"{SWARM}","peer_id":"odd-odd-odd-odd-odd-"{rest}}}"#)
    };
    let nested = |open: &str, times: usize| open.repeat(times);
    let texts = [
        nested("[", 60_000),
        nested(r#"{"a":"#, 10_000),
        format!("{}{}", nested("[", 30_000), nested("]", 30_000)),
        whole(&format!(r#","offers":{}{}"#, nested("[", 20_000), nested("]", 20_000))),
        whole(&format!(
            r#","offers":[{{"offer":{}{},"offer_id":"x"}}]"#,
            nested("[", 20_000),
            nested("]", 20_000)
        )),
        whole(&format!(r#","event":"{long}""#)),
        whole(&format!(r#","left":{}"#, "9".repeat(50_000))),
        whole(r#","left":1e999999"#),
        whole(&format!(r#","offers":[{}]"#, vec!["null"; 10_000].join(","))),
        whole(&format!(r#","offers":[{}]"#, vec![r#"{"offer":{},"offer_id":"x"}"#; 2_000].join(","))),
        whole(&r#","info_hash":"other""#.repeat(2_000)),
        whole(&format!(r#","{long}":1"#)),
        whole(r#","event":"\ud800","offers":"\uDC00""#),
        format!(
            r#"{{"action":"scrape","info_hash":[{}]}}"#,
            vec![r#""aaaaaaaaaaaaaaaaaaaa""#; 2_500].join(",")
        ),
        format!(r#"{{"action":"{long}"}}"#),
        format!("\"{long}\""),
        " ".repeat(60_000),
        "\u{0}".repeat(60_000),
    ];
    loop {
        let Ok(mut socket) = Socket::open(attacker.target.clear, attacker.from).await else {
            sleep(PAUSE).await;
            continue;
        };
        for text in &texts {
            if socket.frame(1, text.as_bytes()).await.is_ok()
                && timeout(Duration::from_secs(5), socket.next()).await.is_ok()
            {
                attacker.did_it().await;
            }
        }
        // Longer than any message may be.
        let _ = timeout(Duration::from_secs(1), socket.frame(1, &vec![b'x'; 3_000_000])).await;
        let _ = timeout(Duration::from_secs(1), socket.drain()).await;
        sleep(PAUSE).await;
    }
}

/// Frames that RFC 6455 forbids, and some that it allows and nobody sends.
pub(super) async fn wrong_frames(attacker: Attacker) {
    let masked = [0; 4];
    let frames = [
        // Not masked; reserved bits; reserved opcodes; a long and a cut control frame; a continuation of nothing.
        b"\x81\x02{}".to_vec(),
        [&[0xf1, 0x80][..], &masked].concat(),
        [&[0x83, 0x80][..], &masked].concat(),
        [&[0x8b, 0x80][..], &masked].concat(),
        head(9, 1_000),
        [&[0x09, 0x80][..], &masked].concat(),
        [&[0x80, 0x80][..], &masked].concat(),
        // A length beyond everything, and one in more bytes than it needs.
        [&[0x81, 0xff][..], &[0xff; 8], &masked].concat(),
        [&[0x81, 0xff][..], &[0, 0, 0, 0, 0, 0, 0, 2], &masked, b"{}"].concat(),
        // Text that is not UTF-8, a close with half a code, one with a forbidden code.
        [&head(1, 3)[..], &[0xff, 0xfe, 0xfd]].concat(),
        [&head(8, 1)[..], b"x"].concat(),
        [&head(8, 2)[..], &[0, 1]].concat(),
        // Fragments without an end.
        [
            &[0x01, 0x81][..],
            &masked,
            b"x",
            &[[0x00, 0x80][..].to_vec(), masked.to_vec()].concat().repeat(2_000),
        ]
        .concat(),
        // Pings, many.
        [head(9, 100), vec![b'p'; 100]].concat().repeat(500),
    ];
    loop {
        for frame in &frames {
            if let Ok(mut socket) = Socket::open(attacker.target.clear, attacker.from).await
                && socket.stream.write_all(frame).await.is_ok()
            {
                let _ = timeout(PAUSE, socket.drain()).await;
                attacker.did_it().await;
            }
        }
    }
}

/// One message each that ends, or ended, the process of another tracker, in a swarm that has other members.
pub(super) async fn fatal_elsewhere(attacker: Attacker) {
    let whole = |rest: &str| {
        format!(r#"{{"action":"announce","info_hash":"{SWARM}","peer_id":"fatal-fatal-fatal-fa"{rest}}}"#)
    };
    let texts = [
        whole(r#","offers":[null]"#),
        whole(r#","offers":[{}]"#),
        whole(r#","event":"stopped""#),
        "null".to_owned(),
        r#"{"action":1}"#.to_owned(),
        r#"{"action":null,"info_hash":{}}"#.to_owned(),
        whole(r#","answer":{},"to_peer_id":1,"offer_id":{}"#),
        whole(r#","numwant":-1,"offers":[1,2,3],"event":null"#),
    ];
    loop {
        if let Ok(mut socket) = Socket::open(attacker.target.clear, attacker.from).await {
            for text in &texts {
                let _ = socket.frame(1, text.as_bytes()).await;
                if timeout(Duration::from_secs(5), socket.next()).await.is_ok() {
                    attacker.did_it().await;
                }
            }
            // Leaves the swarm before the next comes: the offers of who behaves well are counted.
            let _ = socket.frame(1, whole(r#","event":"stopped""#).as_bytes()).await;
            let _ = timeout(PAUSE, socket.next()).await;
        }
        sleep(PAUSE).await;
    }
}
