//! Peers that meet through the tracker's relay, as browsers would.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use aws_lc_rs::hmac;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use shared::stun::{
    Class, Message, TransactionId, Writer, attribute, channel_data, method, put_channel_data,
};
use tokio::net::UdpSocket;
use tokio::time::timeout;
use tracker::config::Config;
use tracker::turn::TurnConfig;

use crate::support::{PATIENCE, Server};

pub(crate) fn relay() -> TurnConfig {
    TurnConfig {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        ports: None,
        allocations: 10,
        per_address: 10,
        per_second: 1_000_000,
        lifetime: Duration::from_secs(60),
        private_peers: false,
    }
}

async fn start() -> Server {
    Server::start(Config { turn: Some(relay()), ..Config::default() }).await
}

/// A client with the name and password of `/config.json`.
struct Client {
    socket: UdpSocket,
    username: String,
    key: hmac::Key,
    realm: Vec<u8>,
    nonce: Vec<u8>,
    transaction: u8,
}

impl Client {
    async fn new(server: &Server) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(server.turn_address.unwrap()).await.unwrap();
        let config: Value = serde_json::from_slice(server.get("/config.json", &[]).await.body()).unwrap();
        let server = &config["iceServers"][1];
        assert!(server["urls"].as_str().unwrap().starts_with("turn:localhost:"), "{server}");
        let username = server["username"].as_str().unwrap().to_owned();
        let mut hash = Md5::new();
        hash.update(format!("{username}:piecemeal:{}", server["credential"].as_str().unwrap()));
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &hash.finalize());
        Self { socket, username, key, realm: Vec::new(), nonce: Vec::new(), transaction: 0 }
    }

    /// Asks, and again with what the refusal says it takes.
    async fn ask(&mut self, method: u16, with: impl Fn(&mut Writer<'_>)) -> Result<Vec<u8>, u16> {
        for _ in 0..2 {
            self.transaction += 1;
            let mut request = Vec::new();
            let transaction = TransactionId([self.transaction; 12]);
            let mut writer = Writer::new(&mut request, Class::Request, method, transaction);
            with(&mut writer);
            if !self.nonce.is_empty() {
                writer.attribute(attribute::USERNAME, |v| v.extend_from_slice(self.username.as_bytes()));
                writer.attribute(attribute::REALM, |v| v.extend_from_slice(&self.realm));
                writer.attribute(attribute::NONCE, |v| v.extend_from_slice(&self.nonce));
                writer.integrity(|covered| hmac::sign(&self.key, covered).as_ref().try_into().unwrap());
            }
            self.socket.send(&request).await.unwrap();
            let reply = self.heard().await;
            let message = Message::parse(&reply).unwrap();
            assert_eq!(message.transaction, transaction);
            if message.class == Class::Success {
                return Ok(reply);
            }
            let code = message.attribute(attribute::ERROR_CODE).unwrap().value;
            let code = u16::from(code[2]) * 100 + u16::from(code[3]);
            if code != 401 {
                return Err(code);
            }
            self.realm = message.attribute(attribute::REALM).unwrap().value.to_vec();
            self.nonce = message.attribute(attribute::NONCE).unwrap().value.to_vec();
        }
        Err(401)
    }

    async fn heard(&self) -> Vec<u8> {
        let mut datagram = vec![0; 2_000];
        let length = timeout(PATIENCE, self.socket.recv(&mut datagram)).await.unwrap().unwrap();
        datagram.truncate(length);
        datagram
    }

    async fn allocate(&mut self) -> SocketAddr {
        let udp = |writer: &mut Writer<'_>| {
            writer.attribute(attribute::REQUESTED_TRANSPORT, |value| value.extend([17, 0, 0, 0]));
        };
        let reply = self.ask(method::ALLOCATE, udp).await.unwrap();
        let reply = Message::parse(&reply).unwrap();
        let seen = reply.address(attribute::XOR_MAPPED_ADDRESS);
        assert_eq!(seen, Some(self.socket.local_addr().unwrap()));
        reply.address(attribute::XOR_RELAYED_ADDRESS).unwrap()
    }

    async fn bind(&mut self, peer: SocketAddr) -> Result<Vec<u8>, u16> {
        self.ask(method::CHANNEL_BIND, |writer| {
            writer.attribute(attribute::CHANNEL_NUMBER, |value| value.extend([0x40, 0, 0, 0]));
            writer.address(attribute::XOR_PEER_ADDRESS, peer);
        })
        .await
    }
}

#[tokio::test]
async fn two_clients_meet_through_it() {
    let server = start().await;
    let (mut one, mut two) = (Client::new(&server).await, Client::new(&server).await);
    assert_ne!(one.username, two.username, "each has a name of its own");
    let (at_one, at_two) = (one.allocate().await, two.allocate().await);
    assert_eq!(server.stats().await["relayed"], json!(2));
    one.bind(at_two).await.unwrap();
    two.bind(at_one).await.unwrap();
    for (from, to, bytes) in [(&one, &two, &b"there"[..]), (&two, &one, b"and back")] {
        let mut datagram = Vec::new();
        put_channel_data(0x4000, bytes, &mut datagram);
        from.socket.send(&datagram).await.unwrap();
        assert_eq!(channel_data(&to.heard().await), Some((0x4000, bytes)));
    }
    let numbers = crate::observe::metrics(&server).await;
    for (name, value) in [
        ("piecemeal_turn_allocations", 2.0),
        ("piecemeal_turn_allocated_total", 2.0),
        // From one to the other is to a peer and from a peer, both of them here.
        (r#"piecemeal_turn_bytes_total{direction="to_peer"}"#, 13.0),
        (r#"piecemeal_turn_bytes_total{direction="to_client"}"#, 13.0),
        (r#"piecemeal_turn_refused_total{reason="credentials"}"#, 0.0),
        (r#"piecemeal_turn_lost_total{reason="not_permitted"}"#, 0.0),
    ] {
        assert_eq!(numbers.get(name), Some(&value), "{name}");
    }
    let give_back = |writer: &mut Writer<'_>| writer.attribute(attribute::LIFETIME, |v| v.extend([0; 4]));
    one.ask(method::REFRESH, give_back).await.unwrap();
    server.until_stat("relayed", 1).await;
    // The port is closed with it.
    UdpSocket::bind(at_one).await.unwrap();
}

#[tokio::test]
async fn the_machine_behind_it_is_not_reached() {
    let server = start().await;
    let mut client = Client::new(&server).await;
    client.allocate().await;
    assert_eq!(client.bind("10.0.0.1:80".parse().unwrap()).await, Err(403));
    // The address that is relayed from is this machine's: its other ports are let in, and get nothing.
    let service = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.bind(service.local_addr().unwrap()).await.unwrap();
    let mut datagram = Vec::new();
    put_channel_data(0x4000, b"a request that nobody should make", &mut datagram);
    client.socket.send(&datagram).await.unwrap();
    let silence = Duration::from_millis(300);
    assert!(timeout(silence, service.recv(&mut [0; 100])).await.is_err());
    let numbers = crate::observe::metrics(&server).await;
    for (name, value) in [
        (r#"piecemeal_turn_refused_total{reason="peer_address"}"#, 1.0),
        (r#"piecemeal_turn_lost_total{reason="not_permitted"}"#, 1.0),
        (r#"piecemeal_turn_bytes_total{direction="to_peer"}"#, 0.0),
    ] {
        assert_eq!(numbers.get(name), Some(&value), "{name}");
    }
}

#[tokio::test]
async fn it_is_off_unless_asked_for() {
    let server = Server::start(Config::default()).await;
    assert_eq!(server.turn_address, None);
    assert!(crate::observe::metrics(&server).await.keys().all(|name| !name.contains("_turn_")));
    let config: Value = serde_json::from_slice(server.get("/config.json", &[]).await.body()).unwrap();
    assert_eq!(config["iceServers"].as_array().unwrap().len(), 1);
}
