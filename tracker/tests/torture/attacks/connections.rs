//! Connections that are held, halted, fed slowly or with nonsense.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::Attacker;
use crate::socket::{Socket, UPGRADE, connect, head};

/// Connections that each attacker holds open.
const HELD: usize = 60;

/// A pause after what did not work, so that an attack is no busy loop on its own account.
const PAUSE: Duration = Duration::from_millis(20);

/// Keeps so many open, each after these bytes; who is thrown out comes again.
async fn hold(attacker: &Attacker, to: SocketAddr, beginnings: &[&[u8]]) {
    let mut held: Vec<TcpStream> = Vec::new();
    loop {
        held.retain(|stream| {
            !matches!(stream.try_read(&mut [0; 512]), Ok(0))
                && stream.take_error().is_ok_and(|it| it.is_none())
        });
        if held.len() < HELD
            && let Ok(mut stream) = connect(to, attacker.from).await
            && stream.write_all(beginnings[held.len() % beginnings.len()]).await.is_ok()
        {
            attacker.did_it().await;
            held.push(stream);
        } else {
            sleep(PAUSE).await;
        }
    }
}

pub(super) async fn silent(attacker: Attacker) {
    let to = if attacker.seed.is_multiple_of(2) { attacker.target.clear } else { attacker.target.tls };
    hold(&attacker, to, &[b""]).await;
}

pub(super) async fn half_handshakes(attacker: Attacker) {
    // A record of a ClientHello that announces 512 bytes, cut at several places; and records of other kinds.
    let mut hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
    hello.extend([7; 200]);
    let cuts: [&[u8]; 6] =
        [&hello[..1], &hello[..5], &hello[..9], &hello, b"\x15\x03\x03\x00\x02", b"\x17\x03\x03\x40\x00"];
    hold(&attacker, attacker.target.tls, &cuts).await;
}

pub(super) async fn half_requests(attacker: Attacker) {
    let upgrade = UPGRADE.as_bytes();
    let cuts: [&[u8]; 6] = [
        b"G",
        b"GET /announce?info_hash=",
        &upgrade[..40],
        &upgrade[..upgrade.len() - 2],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0",
        b"POST /announce HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\nx",
    ];
    hold(&attacker, attacker.target.clear, &cuts).await;
}

pub(super) async fn half_frames(attacker: Attacker) {
    let mut held: Vec<Socket> = Vec::new();
    let heads = [vec![0x81], head(1, 60_000), head(1, 100), head(2, 70_000), vec![0x01, 0x80, 0, 0, 0, 0]];
    loop {
        if held.len() == HELD {
            held.clear();
        }
        match Socket::open(attacker.target.clear, attacker.from).await {
            Ok(mut socket) => {
                let mut bytes = heads[held.len() % heads.len()].clone();
                bytes.extend([b'x'; 50]);
                let _ = socket.stream.write_all(&bytes).await;
                attacker.did_it().await;
                held.push(socket);
            }
            Err(_) => sleep(PAUSE).await,
        }
        sleep(Duration::from_millis(5)).await;
    }
}

pub(super) async fn churn(attacker: Attacker) {
    for number in 0_u64.. {
        let gone: io::Result<()> = async {
            if number % 3 == 0 {
                let mut socket = Socket::open(attacker.target.clear, attacker.from).await?;
                let announce = format!(
                    r#"{{"action":"announce","info_hash":"{number:020}","peer_id":"{number:020}","left":1,"offers":[]}}"#
                );
                socket.frame(1, announce.as_bytes()).await?;
                socket.next().await?;
            } else {
                connect(attacker.target.clear, attacker.from).await?.write_all(b"GET / HTTP/1.1\r\n\r\n").await?;
            }
            Ok(())
        }
        .await;
        if gone.is_ok() {
            attacker.did_it().await;
        }
        sleep(Duration::from_millis(2)).await;
    }
}

pub(super) async fn garbage(attacker: Attacker) {
    let mut rng = attacker.rng();
    loop {
        let to = if attacker.seed.is_multiple_of(2) { attacker.target.clear } else { attacker.target.tls };
        let mut bytes = vec![0; rng.below(20_000) as usize + 1];
        rng.fill(&mut bytes);
        // Half of it as the contents of a WebSocket's stream, the rest as the first bytes of a connection.
        if rng.below(2) == 0 && to == attacker.target.clear {
            if let Ok(mut socket) = Socket::open(to, attacker.from).await {
                let _ = socket.stream.write_all(&bytes).await;
                let _ = timeout(PAUSE, socket.drain()).await;
                attacker.did_it().await;
            }
        } else if let Ok(mut stream) = connect(to, attacker.from).await {
            let _ = stream.write_all(&bytes).await;
            let _ = timeout(PAUSE, stream.read_to_end(&mut Vec::new())).await;
            attacker.did_it().await;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// Heads and frames that grow by a byte now and then, and never end.
pub(super) async fn dribble(attacker: Attacker) {
    let mut held: Vec<TcpStream> = Vec::new();
    loop {
        if held.len() < HELD
            && let Ok(mut stream) = connect(attacker.target.clear, attacker.from).await
        {
            let _ = stream.write_all(b"GET /stats HTTP/1.1\r\nhost: x\r\nx: ").await;
            held.push(stream);
        }
        let mut alive = Vec::new();
        for mut stream in held {
            if stream.write_all(b"y").await.is_ok() {
                attacker.did_it().await;
                alive.push(stream);
            }
        }
        held = alive;
        sleep(PAUSE).await;
    }
}
