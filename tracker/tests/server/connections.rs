//! What connections may not do.

use std::time::Duration;

use serde_json::json;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tracker::config::{Config, NetLimits, Strictness};
use tracker::swarm::Limits;

use crate::support::{PATIENCE, Peer, Server, header, id};

async fn with(net: NetLimits) -> Server {
    Server::start(Config { net, ..Config::default() }).await
}

#[tokio::test]
async fn a_message_that_is_too_long_closes_its_socket() {
    let server = with(NetLimits { message_bytes: 10_000, ..NetLimits::default() }).await;
    let mut peer = server.peer("a").await;
    peer.announce("t", json!(1), "started", &[]).await;
    peer.send_text(&"x".repeat(9_000)).await;
    assert!(peer.next().await["failure reason"].is_string());
    peer.try_send(json!("x".repeat(20_000))).await;
    assert_eq!(peer.closed().await.map(|frame| frame.code), Some(CloseCode::Size));
    server.until_stat("peersAll", 0).await;
    server.until_rejected("message_too_long", 1).await;
    server.until_rejected("malformed", 1).await;
}

#[tokio::test]
async fn ten_large_offers_fit_one_message() {
    let server = with(NetLimits::default()).await;
    let (mut a, mut b) = (server.peer("a").await, server.peer("b").await);
    b.announce("t", json!(1), "started", &[]).await;
    let sdp = "candidate ".repeat(1_000);
    let offers: Vec<_> =
        (0..10).map(|number| json!({"offer": {"sdp": sdp}, "offer_id": id(&number.to_string())})).collect();
    a.send(json!({"action": "announce", "info_hash": id("t"), "peer_id": id("a"), "offers": offers})).await;
    a.next().await;
    assert_eq!(b.next().await["offer"]["sdp"], sdp.as_str());
}

#[tokio::test]
async fn an_address_has_a_bounded_number_of_sockets() {
    let server = with(NetLimits { sockets_per_address: 2, ..NetLimits::default() }).await;
    let first = server.peer("a").await;
    let _second = server.peer("b").await;
    let refused = tokio_tungstenite::connect_async(format!("ws://{}/", server.address)).await.unwrap_err();
    assert!(refused.to_string().contains("429"), "{refused}");
    server.until_rejected("sockets_of_address", 1).await;
    first.vanish();
    server.until_stat("sockets", 1).await;
    server.until_rejected("not_websocket", 0).await;
    server.peer("c").await.announce("t", json!(1), "started", &[]).await;
}

#[tokio::test]
async fn a_socket_has_a_bounded_number_of_swarms() {
    let swarm = Limits { members_per_socket: 3, ..Limits::default() };
    let server = Server::start(Config { swarm, ..Config::default() }).await;
    let mut peer = server.peer("a").await;
    for torrent in ["t1", "t2", "t3"] {
        assert_eq!(peer.announce(torrent, json!(1), "started", &[]).await["incomplete"], 1);
    }
    let refused = peer.announce("t4", json!(1), "started", &[]).await;
    assert_eq!((&refused["action"], &refused["info_hash"]), (&json!("announce"), &json!(id("t4"))));
    assert!(refused["failure reason"].as_str().unwrap().contains("too many swarms"), "{refused}");
    assert_eq!(peer.announce("t1", json!(1), "stopped", &[]).await["incomplete"], 0);
    assert_eq!(peer.announce("t4", json!(1), "started", &[]).await["incomplete"], 1);
}

#[tokio::test]
async fn offers_beyond_the_bound_are_dropped() {
    let swarm = Limits { offers_per_announce: 1, ..Limits::default() };
    let server = Server::start(Config { swarm, ..Config::default() }).await;
    let (mut a, mut b, mut c) = (server.peer("a").await, server.peer("b").await, server.peer("c").await);
    a.announce("t", json!(1), "started", &[]).await;
    b.announce("t", json!(1), "started", &[]).await;
    c.announce("t", json!(1), "started", &["c1", "c2"]).await;
    server.until_stat("offersRelayed", 1).await;
    assert_eq!(server.stats().await["offersUnwanted"], 1);
}

/// A peer whose operating system takes little before it asks the server to wait.
async fn deaf_peer(server: &Server, name: &str) -> Peer {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(&server.address.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let stream = MaybeTlsStream::Plain(TcpStream::from_std(socket.into()).unwrap());
    let url = format!("ws://{}/", server.address);
    let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    Peer::over(name, socket)
}

#[tokio::test]
async fn who_does_not_read_is_closed_and_harms_nobody() {
    let write_timeout = Duration::from_millis(500);
    let net =
        NetLimits { queue_bytes: 300_000, message_burst: 100_000, write_timeout, ..NetLimits::default() };
    let swarm = Limits { pending_per_socket: 100_000, offer_bytes: 100_000, ..Limits::default() };
    let server = Server::start(Config { net, swarm, ..Config::default() }).await;
    let mut deaf = deaf_peer(&server, "deaf").await;
    deaf.announce("t", json!(1), "started", &[]).await;
    let mut loud = server.peer("loud").await;
    let sdp = "x".repeat(60_000);
    let mut sent = 0;
    // What the two kernels buffer comes first. Then half the queue fills, further offers are dropped, and the write that
    // makes no progress closes the socket.
    while server.stats().await["sockets"] == 2 {
        for _ in 0..20 {
            sent += 1;
            let offers = json!([{"offer": {"sdp": sdp}, "offer_id": sent.to_string()}]);
            loud.send(
                json!({"action": "announce", "info_hash": id("t"), "peer_id": id("loud"), "offers": offers}),
            )
            .await;
            loud.next().await;
        }
        assert!(sent < 2_000, "120 MB were taken for a peer that does not read");
    }
    assert_eq!(loud.announce("t", json!(1), "", &[]).await["incomplete"], 1);
    server.until_rejected("slow_reader_closed", 1).await;
    assert!(server.stats().await["rejections"]["dropped_for_slow_reader"].as_u64() > Some(0));
}

#[tokio::test]
async fn a_socket_that_answers_no_ping_is_closed() {
    let (ping_interval, idle_timeout) = (Duration::from_millis(100), Duration::from_secs(2));
    let server = with(NetLimits { ping_interval, idle_timeout, ..NetLimits::default() }).await;
    let mut alive = server.peer("alive").await;
    alive.announce("t", json!(1), "started", &[]).await;
    // Pongs are sent when a socket is read: this one never is.
    let mut mute = server.peer("mute").await;
    mute.announce("t", json!(1), "started", &[]).await;
    let one_is_left = async {
        while server.stats().await["sockets"] != 1 {
            alive.assert_nothing_else().await;
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, one_is_left).await.expect("both are still open");
    server.until_rejected("idle", 1).await;
    assert_eq!(alive.announce("t", json!(1), "", &[]).await["incomplete"], 1);
}

#[tokio::test]
async fn a_socket_that_asks_nothing_is_closed() {
    let (ping_interval, silent_timeout) = (Duration::from_millis(50), Duration::from_millis(300));
    let server = with(NetLimits { ping_interval, silent_timeout, ..NetLimits::default() }).await;
    let mut peer = server.peer("a").await;
    let frame = peer.closed().await.unwrap();
    assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Away, "silent for too long"));
    server.until_rejected("silent", 1).await;
}

#[tokio::test]
async fn reading_slows_down_for_who_asks_too_much() {
    let server = with(NetLimits { message_burst: 10, messages_per_second: 50, ..NetLimits::default() }).await;
    let mut peer = server.peer("a").await;
    let start = std::time::Instant::now();
    for _ in 0..30 {
        peer.announce("t", json!(1), "", &[]).await;
    }
    let took = start.elapsed();
    assert!(took > Duration::from_millis(350), "20 messages beyond the burst at 50 a second took {took:?}");
    assert!(server.stats().await["rejections"]["messages_paced"].as_u64() >= Some(20));
    assert_eq!(server.stats().await["rejections"]["bytes_paced"], 0);
}

#[tokio::test]
async fn reading_slows_down_for_who_sends_too_much() {
    let net =
        NetLimits { message_bytes_burst: 50_000, message_bytes_per_second: 100_000, ..NetLimits::default() };
    let server = with(net).await;
    let mut peer = server.peer("a").await;
    let start = std::time::Instant::now();
    for _ in 0..10 {
        peer.send_text(&"x".repeat(10_000)).await;
        assert!(peer.next().await["failure reason"].is_string());
    }
    let took = start.elapsed();
    assert!(took > Duration::from_millis(350), "50 kB beyond the burst at 100 kB a second took {took:?}");
    assert!(server.stats().await["rejections"]["bytes_paced"].as_u64() >= Some(4));
}

#[tokio::test]
async fn an_address_has_a_bounded_number_of_connections() {
    let server = with(NetLimits { connections_per_address: 2, ..NetLimits::default() }).await;
    let first = server.peer("a").await;
    let mut second = server.peer("b").await;
    let mut third = TcpStream::connect(server.address).await.unwrap();
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, third.read_to_end(&mut rest)).await.unwrap();
    assert!(!matches!(ended, Ok(1..)), "a third connection was served");
    first.vanish();
    server.until_rejected("connections_of_address", 1).await;
    second.announce("t", json!(1), "started", &[]).await;
}

#[tokio::test]
async fn a_new_socket_has_no_new_burst() {
    // Twenty messages at once, one a second after them.
    let strictness = Strictness { messages_per_address: 1, ..Strictness::default() };
    let server = Server::start(Config { strictness, ..Config::default() }).await;
    let mut answered = 0;
    for _ in 0..8 {
        let mut peer = server.peer("a").await;
        let asked = async {
            for _ in 0..5 {
                peer.announce("t", json!(1), "", &[]).await;
                answered += 1;
            }
        };
        if timeout(Duration::from_millis(200), asked).await.is_err() {
            // The message that is one too many is still answered, and then its socket waits.
            assert!((20..30).contains(&answered), "{answered}");
            return;
        }
    }
    panic!("{answered} messages were read");
}

#[tokio::test]
async fn a_head_that_never_ends_is_not_waited_for() {
    let header_timeout = Duration::from_millis(300);
    let server = with(NetLimits { header_timeout, ..NetLimits::default() }).await;
    for beginning in ["", "GET / HTTP/1.1\r\nhost: x\r\n", "PRI * HT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "{beginning:?} keeps its connection");
    }
    server.until_rejected("header_timeout", 4).await;
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_for_a_place() {
    let server = with(NetLimits { connections: 2, ..NetLimits::default() }).await;
    let first = server.peer("a").await;
    let mut second = server.peer("b").await;
    // A WebSocket holds its place as long as it lives.
    let third = tokio::time::timeout(Duration::from_millis(300), server.get("/health", &[])).await;
    assert!(third.is_err(), "a third connection was served");
    first.vanish();
    assert_eq!(server.get("/health", &[]).await.status(), 200);
    second.announce("t", json!(1), "started", &[]).await;
}

#[tokio::test]
async fn who_stops_reading_a_download_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("large"), vec![7; 64 * 1024 * 1024]).unwrap();
    let net = NetLimits { write_timeout: Duration::from_millis(500), connections: 1, ..NetLimits::default() };
    let files = Some(directory.path().to_owned());
    let server = Server::start(Config { net, files, ..Config::default() }).await;
    let mut stalled = TcpStream::connect(server.address).await.unwrap();
    stalled.write_all(b"GET /files/large HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    stalled.readable().await.unwrap();
    // The only place is free again after the server's patience has ended.
    assert_eq!(server.get("/health", &[]).await.status(), 200);
}

#[tokio::test]
async fn the_end_is_announced_and_waited_for() {
    let server = with(NetLimits::default()).await;
    let mut peers = Vec::new();
    for number in 0..20 {
        let mut peer = server.peer(&number.to_string()).await;
        peer.announce("t", json!(1), "started", &[]).await;
        peers.push(peer);
    }
    let closed = tokio::spawn(async move {
        for peer in &mut peers {
            assert_eq!(peer.closed().await.map(|frame| frame.code), Some(CloseCode::Away));
        }
    });
    let start = std::time::Instant::now();
    assert!(server.stop().await, "connections were left open");
    assert!(start.elapsed() < Duration::from_secs(5));
    closed.await.unwrap();
}

#[tokio::test]
async fn a_download_that_is_under_way_is_finished_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let size = 32 * 1024 * 1024;
    std::fs::write(directory.path().join("large"), vec![7; size]).unwrap();
    let server =
        Server::start(Config { files: Some(directory.path().to_owned()), ..Config::default() }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /files/large HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut first = [0; 1_000];
    stream.read_exact(&mut first).await.unwrap();
    let stopping = tokio::spawn(server.stop());
    sleep(Duration::from_millis(100)).await;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() + first.len() > size);
    assert!(stopping.await.unwrap());
}

#[tokio::test]
async fn shutting_down_shows_in_the_health_of_open_connections() {
    let server = with(NetLimits::default()).await;
    let healthy = server.get("/health", &[]).await;
    assert_eq!((healthy.status().as_u16(), &healthy.body()[..]), (200, &b"ok\n"[..]));
    assert_eq!(header(healthy.headers(), "cache-control"), "no-store");
}
