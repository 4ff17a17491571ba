//! How the tracker ends, as those see it who are connected.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use shared::tracker::udp::{Packet, UdpRequest};
use shared::tracker::ws::reconnect;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tracker::config::{Config, NetLimits};

use crate::support::{PATIENCE, Server, http1, request};

#[tokio::test]
async fn peers_are_told_when_to_come_back() {
    let server = Server::start(Config::default()).await;
    let mut peers = Vec::new();
    for number in 0..450 {
        peers.push(server.peer(&number.to_string()).await);
    }
    peers[0].announce("t", json!(1), "started", &[]).await;
    let stopped = tokio::spawn(server.stop());
    let mut seconds = BTreeSet::new();
    for peer in &mut peers {
        let frame = peer.closed().await.unwrap();
        assert_eq!(frame.code, CloseCode::Away);
        seconds.insert(reconnect::wait(&frame.reason).unwrap());
    }
    assert_eq!(seconds, [1, 2].map(Duration::from_secs).into());
    assert!(stopped.await.unwrap());
}

/// A request for which the tracker waits: its head does not end.
async fn unfinished(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n").await.unwrap();
    // Until it was read.
    sleep(Duration::from_millis(200)).await;
    stream
}

#[tokio::test]
async fn while_others_finish_it_says_that_it_is_not_ready_and_answers_over_udp() {
    let server = Server::start(Config::default()).await;
    let (address, udp) = (server.address, server.udp_address.unwrap());
    assert_eq!(server.get("/readyz", &[]).await.status(), 200);
    let mut slow = unfinished(&server).await;
    let stopped = tokio::spawn(server.stop());
    for path in ["/readyz", "/health"] {
        let asked = async {
            loop {
                let stream = TcpStream::connect(address).await.unwrap();
                let response = http1(stream, request("GET", path, &[])).await;
                if response.status() == 503 {
                    return;
                }
            }
        };
        timeout(PATIENCE, asked).await.unwrap();
    }
    let refused = tokio_tungstenite::connect_async(format!("ws://{address}/")).await.unwrap_err();
    assert!(refused.to_string().contains("503"), "{refused}");
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut connect = Vec::new();
    Packet { transaction: 1, request: UdpRequest::Connect }.encode(&mut connect);
    socket.send_to(&connect, udp).await.unwrap();
    assert_eq!(timeout(PATIENCE, socket.recv(&mut [0; 100])).await.unwrap().unwrap(), 16);
    assert!(!stopped.is_finished(), "a request is under way");
    slow.write_all(b"\r\n").await.unwrap();
    let mut response = String::new();
    timeout(PATIENCE, slow.read_to_string(&mut response)).await.unwrap().unwrap();
    assert!(response.starts_with("HTTP/1.1 503"), "{response}");
    assert!(stopped.await.unwrap());
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn who_does_not_finish_in_time_is_left() {
    let net = NetLimits { drain_timeout: Duration::from_millis(300), ..NetLimits::default() };
    let server = Server::start(Config { net, ..Config::default() }).await;
    let _slow = unfinished(&server).await;
    assert!(!timeout(PATIENCE, server.stop()).await.unwrap());
}

#[tokio::test]
async fn a_load_balancer_has_time_to_notice() {
    let net = NetLimits { drain_delay: Duration::from_secs(2), ..NetLimits::default() };
    let server = Server::start(Config { net, ..Config::default() }).await;
    let address = server.address;
    let mut peer = server.peer("a").await;
    let stopped = tokio::spawn(server.stop());
    let not_ready = async {
        loop {
            let stream = TcpStream::connect(address).await.unwrap();
            if http1(stream, request("GET", "/readyz", &[])).await.status() == 503 {
                return;
            }
        }
    };
    timeout(PATIENCE, not_ready).await.unwrap();
    assert_eq!(peer.announce("t", json!(1), "started", &[]).await["incomplete"], 1, "it goes on meanwhile");
    assert!(peer.closed().await.is_some());
    assert!(stopped.await.unwrap());
}
