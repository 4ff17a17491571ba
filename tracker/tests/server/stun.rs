//! Browsers that ask for their public address.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use shared::stun::{BINDING, Class, Message, TransactionId, Writer, attribute};
use shared::tracker::udp::{Packet, UdpRequest};
use tokio::net::UdpSocket;
use tokio::time::timeout;
use tracker::config::{Config, FurtherPort, NetLimits};

use crate::support::{PATIENCE, Server};

/// Long enough for an answer over loopback that should not come.
const SILENCE: Duration = Duration::from_millis(200);

fn any_port() -> FurtherPort {
    FurtherPort::At("127.0.0.1:0".parse().unwrap())
}

fn binding() -> Vec<u8> {
    let mut request = Vec::new();
    Writer::new(&mut request, Class::Request, BINDING, TransactionId([7; 12]));
    request
}

/// The address that `server` sees, and the one that is so.
async fn asked(server: SocketAddr) -> Option<(SocketAddr, SocketAddr)> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&binding(), server).await.unwrap();
    let mut reply = [0; 100];
    let (length, from) = timeout(SILENCE * 10, socket.recv_from(&mut reply)).await.ok()?.unwrap();
    assert_eq!(from, server);
    let reply = Message::parse(&reply[..length]).unwrap();
    assert_eq!((reply.class, reply.transaction), (Class::Success, TransactionId([7; 12])));
    Some((reply.address(attribute::XOR_MAPPED_ADDRESS)?, socket.local_addr().unwrap()))
}

async fn ice_servers(server: &Server, host: &str) -> Value {
    let response = server.get("/config.json", &[("host", host)]).await;
    serde_json::from_slice::<Value>(response.body()).unwrap()["iceServers"].take()
}

#[tokio::test]
async fn the_port_of_announces_tells_an_address_too() {
    let server = Server::start(Config::default()).await;
    let udp = server.udp_address.unwrap();
    let (seen, own) = asked(udp).await.unwrap();
    assert_eq!(seen, own);
    // And announces go on beside.
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut connect = Vec::new();
    Packet { transaction: 1, request: UdpRequest::Connect }.encode(&mut connect);
    socket.send_to(&connect, udp).await.unwrap();
    assert_eq!(timeout(PATIENCE, socket.recv(&mut [0; 100])).await.unwrap().unwrap(), 16);
    let stats = server.stats().await;
    assert_eq!((&stats["stunAnswered"], &stats["garbageUdp"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn it_has_a_port_of_its_own_if_asked_to() {
    let server = Server::start(Config { stun: any_port(), udp: FurtherPort::Off, ..Config::default() }).await;
    let stun = server.stun_address.unwrap();
    let (seen, own) = asked(stun).await.unwrap();
    assert_eq!(seen, own);
    assert_eq!(ice_servers(&server, "localhost").await[0]["urls"], format!("stun:localhost:{}", stun.port()));
}

#[tokio::test]
async fn the_page_is_told_by_the_name_it_called() {
    let server = Server::start(Config::default()).await;
    let port = server.udp_address.unwrap().port();
    for (host, named) in [("localhost:8080", "localhost"), ("127.0.0.1", "127.0.0.1"), ("[::1]:1", "[::1]")] {
        let expected = json!([{"urls": format!("stun:{named}:{port}")}]);
        assert_eq!(ice_servers(&server, host).await, expected);
    }
    // It listens on loopback: who calls it by another name comes through a proxy.
    assert_eq!(ice_servers(&server, "tracker.example").await, json!([]));
    let everywhere = FurtherPort::At("0.0.0.0:0".parse().unwrap());
    let server = Server::start(Config { udp: everywhere, ..Config::default() }).await;
    let port = server.udp_address.unwrap().port();
    let expected = json!([{"urls": format!("stun:tracker.example:{port}")}]);
    assert_eq!(ice_servers(&server, "tracker.example:443").await, expected);
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let server = Server::start(Config { stun: FurtherPort::Off, ..Config::default() }).await;
    assert_eq!(ice_servers(&server, "localhost").await, json!([]));
    assert_eq!(asked(server.udp_address.unwrap()).await, None);
}

#[tokio::test]
async fn an_address_is_told_a_bounded_number_of_times() {
    let net = NetLimits { requests_per_second: 1, request_burst: 3, ..NetLimits::default() };
    let server = Server::start(Config { net, ..Config::default() }).await;
    let udp = server.udp_address.unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..50 {
        socket.send_to(&binding(), udp).await.unwrap();
    }
    let mut answers = 0;
    while timeout(SILENCE, socket.recv(&mut [0; 100])).await.is_ok() {
        answers += 1;
    }
    // One more a second, and this machine may be slow.
    assert!((3..10).contains(&answers), "{answers} answers");
    // Announces have a budget of their own.
    let scraped = server.get("/scrape", &[]).await;
    assert!(scraped.body().starts_with(b"d5:files"), "{scraped:?}");
}
