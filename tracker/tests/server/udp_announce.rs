//! BitTorrent peers over UDP.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::json;
use shared::id::InfoHash;
use shared::rng::Rng;
use shared::tracker::compact::Family;
use shared::tracker::udp::client::{Ask, Reply, UdpClient, UdpClientError, UdpOutput};
use shared::tracker::udp::{Packet, UdpRequest, UdpResponse};
use shared::tracker::{AnnounceRequest, AnnounceResponse, Event};
use tokio::net::UdpSocket;
use tokio::time::timeout;
use tracker::config::{Config, FurtherPort, NetLimits};
use tracker::swarm::Limits;

use crate::http_announce::request;
use crate::support::{PATIENCE, Server};

/// Long enough for an answer over loopback that should not come.
const SILENCE: Duration = Duration::from_millis(200);

/// A client's socket.
pub(crate) struct Client {
    socket: UdpSocket,
}

impl Client {
    pub(crate) async fn new(server: &Server) -> Self {
        Self::to(server.udp_address.unwrap()).await
    }

    async fn to(tracker: SocketAddr) -> Self {
        let local = if tracker.is_ipv4() {
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
        } else {
            SocketAddr::from((Ipv6Addr::LOCALHOST, 0))
        };
        Self::from(local, tracker).await
    }

    pub(crate) async fn from(local: SocketAddr, tracker: SocketAddr) -> Self {
        let socket = UdpSocket::bind(local).await.unwrap();
        socket.connect(tracker).await.unwrap();
        Self { socket }
    }

    async fn raw(&self, datagram: &[u8]) -> Vec<u8> {
        self.socket.send(datagram).await.unwrap();
        self.heard(PATIENCE).await.expect("no reply")
    }

    async fn heard(&self, patience: Duration) -> Option<Vec<u8>> {
        let mut buffer = [0; 4_096];
        let length = timeout(patience, self.socket.recv(&mut buffer)).await.ok()?.unwrap();
        Some(buffer[..length].to_vec())
    }

    async fn connection(&self) -> u64 {
        let reply = self.raw(b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0\0\0\0\x01").await;
        match UdpResponse::parse(&reply, Family::V4) {
            Ok((1, UdpResponse::Connect { connection })) => connection,
            other => panic!("{other:?}"),
        }
    }

    /// One exchange as the native peer's host makes it.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Reply, UdpClientError> {
        let remote = self.socket.peer_addr().unwrap();
        let start = Instant::now();
        let now = || shared::time::Instant::from_millis(start.elapsed().as_millis() as u64);
        let url = format!("udp://{remote}/announce");
        let family = Family::of(remote.ip());
        let mut client = UdpClient::new(now(), ask, &url, family, None, 0, Rng::from_seed([1; 32]));
        loop {
            match client.poll_output() {
                UdpOutput::Send(datagram) => {
                    self.socket.send(&datagram).await.unwrap();
                }
                UdpOutput::Timeout(_) => {
                    let datagram = self.heard(PATIENCE).await.expect("no reply");
                    client.handle_datagram(now(), &datagram);
                }
                UdpOutput::Done(result) => return result,
            }
        }
    }

    pub(crate) async fn announce(&self, request: AnnounceRequest) -> AnnounceResponse {
        match self.ask(Ask::Announce(Box::new(request))).await {
            Ok(Reply::Announce(response)) => *response,
            other => panic!("{other:?}"),
        }
    }
}

fn datagram(connection: u64, request: AnnounceRequest) -> Vec<u8> {
    let request = UdpRequest::Announce { connection, request: Box::new(request), url_data: Vec::new() };
    let mut out = Vec::new();
    Packet { transaction: 5, request }.encode(&mut out);
    out
}

#[tokio::test]
async fn the_replies_are_these_bytes() {
    let server = Server::start(Config::default()).await;
    assert_eq!(server.udp_address, Some(server.address), "the same number");
    let client = Client::new(&server).await;
    let reply = client.raw(b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0\x01\x02\x03\x04").await;
    assert_eq!((&reply[..8], reply.len()), (&b"\0\0\0\0\x01\x02\x03\x04"[..], 16));
    let connection = u64::from_be_bytes(reply[8..].try_into().unwrap());
    let seed = datagram(connection, request("t", "a", 6881, 0, Event::Started));
    assert_eq!(client.raw(&seed).await, b"\0\0\0\x01\0\0\0\x05\0\0\x02\x58\0\0\0\0\0\0\0\x01");
    let leech = datagram(connection, request("t", "b", 256, 1, Event::Started));
    assert_eq!(
        client.raw(&leech).await,
        b"\0\0\0\x01\0\0\0\x05\0\0\x02\x58\0\0\0\x01\0\0\0\x01\x7f\0\0\x01\x1a\xe1"
    );
    let hashes = vec![InfoHash([1; 20]), request("t", "a", 1, 1, Event::Update).info_hash];
    let mut scrape = Vec::new();
    Packet { transaction: 6, request: UdpRequest::Scrape { connection, hashes } }.encode(&mut scrape);
    let expected = [&b"\0\0\0\x02\0\0\0\x06"[..], &[0; 12], b"\0\0\0\x01\0\0\0\x01\0\0\0\x01"].concat();
    assert_eq!(client.raw(&scrape).await, expected);
}

#[tokio::test]
async fn peers_over_udp_http_and_websocket_are_one_swarm_of_two_kinds() {
    let server = Server::start(Config::default()).await;
    let mut browser = server.peer("browser").await;
    browser.announce("t", json!(1), "started", &[]).await;
    let http = shared::tracker::http::announce_url("/announce", &request("t", "http", 10, 0, Event::Started));
    server.get(&http, &[]).await;
    let client = Client::new(&server).await;
    let reply = client.announce(request("t", "udp", 20, 1, Event::Started)).await;
    assert_eq!((reply.complete, reply.incomplete), (Some(1), Some(2)));
    assert_eq!(reply.peers, ["127.0.0.1:10".parse::<SocketAddr>().unwrap()]);
    let reply = browser.announce("t", json!(1), "", &["x"]).await;
    assert_eq!((&reply["complete"], &reply["incomplete"]), (&json!(1), &json!(2)));
    browser.assert_nothing_else().await;
    let reply = server.get(&http, &[]).await;
    let reply = shared::tracker::http::parse_announce_reply(reply.body()).unwrap();
    assert_eq!(reply.peers, ["127.0.0.1:20".parse::<SocketAddr>().unwrap()]);
    client.announce(request("t", "udp", 20, 1, Event::Stopped)).await;
    let Ok(Reply::Scrape(counts)) =
        client.ask(Ask::Scrape(vec![request("t", "x", 1, 1, Event::Update).info_hash])).await
    else {
        panic!("no scrape")
    };
    assert_eq!((counts[0].complete, counts[0].incomplete), (1, 1));
    let stats = server.stats().await;
    for (name, value) in [("announcesUdp", 2), ("announcesHttp", 2), ("scrapesUdp", 1), ("connectsUdp", 3)] {
        assert_eq!(stats[name], value, "{name}");
    }
}

#[tokio::test]
async fn ipv6_peers_are_told_of_ipv6_peers() {
    let server = Server::start(Config { lan: true, ..Config::default() }).await;
    let port = server.udp_address.unwrap().port();
    let v6 = Client::to((Ipv6Addr::LOCALHOST, port).into()).await;
    let v4 = Client::to((Ipv4Addr::LOCALHOST, port).into()).await;
    assert!(v6.announce(request("t", "a", 10, 1, Event::Started)).await.peers.is_empty());
    let reply = v4.announce(request("t", "b", 20, 1, Event::Started)).await;
    assert_eq!((reply.incomplete, reply.peers.len()), (Some(2), 0), "there is no room for other families");
    assert_eq!(
        v4.announce(request("t", "c", 30, 1, Event::Started)).await.peers,
        ["127.0.0.1:20".parse::<SocketAddr>().unwrap()]
    );
    let reply = v6.announce(request("t", "d", 40, 1, Event::Started)).await;
    assert_eq!(reply.peers, ["[::1]:10".parse::<SocketAddr>().unwrap()]);
}

#[tokio::test]
async fn a_connection_id_of_somebody_else_is_met_with_silence() {
    let server = Server::start(Config::default()).await;
    let tracker = server.udp_address.unwrap();
    let honest = Client::new(&server).await;
    let connection = honest.connection().await;
    // All of 127/8 is this host: another address, with the other's id.
    let thief = Client::from((Ipv4Addr::new(127, 0, 0, 2), 0).into(), tracker).await;
    let announce = request("t", "a", 6881, 0, Event::Started);
    for (client, connection) in
        [(&thief, connection), (&honest, connection ^ 1), (&honest, 0), (&honest, u64::MAX)]
    {
        client.socket.send(&datagram(connection, announce.clone())).await.unwrap();
        assert_eq!(client.heard(SILENCE).await, None);
    }
    // From another port of the same address it holds, as BEP 15 leaves open.
    let moved = Client::new(&server).await;
    assert_eq!(moved.raw(&datagram(connection, announce)).await.len(), 20);
    let stats = server.stats().await;
    assert_eq!((&stats["unprovenUdp"], &stats["peersAll"]), (&json!(4), &json!(1)));
}

#[tokio::test]
async fn garbage_is_met_with_silence_and_does_no_harm() {
    let server = Server::start(Config::default()).await;
    let client = Client::new(&server).await;
    let connection = client.connection().await;
    let whole = datagram(connection, request("t", "a", 1, 1, Event::Started));
    let mut rng = Rng::from_seed([2; 32]);
    let mut sent = 0;
    for length in 0..whole.len() {
        // Cut, and random of that length.
        client.socket.send(&whole[..length]).await.unwrap();
        let mut random = vec![0; length];
        rng.fill(&mut random);
        client.socket.send(&random).await.unwrap();
        sent += 2;
    }
    let mut wrong_event = whole.clone();
    wrong_event[83] = 9;
    client.socket.send(&wrong_event).await.unwrap();
    client.socket.send(&vec![0xff; 60_000]).await.unwrap();
    sent += 2;
    assert_eq!(client.heard(SILENCE).await, None);
    server.until_stat("garbageUdp", sent).await;
    assert_eq!(client.raw(&whole).await.len(), 20);
}

#[tokio::test]
async fn a_reply_stays_in_one_packet() {
    let swarm = Limits { members_per_address: 0, ..Limits::default() };
    let net = NetLimits { requests_per_second: 0, ..NetLimits::default() };
    let server = Server::start(Config { lan: true, swarm, net, ..Config::default() }).await;
    let port = server.udp_address.unwrap().port();
    for (host, most) in [(Ipv6Addr::LOCALHOST.into(), 67), (std::net::IpAddr::from(Ipv4Addr::LOCALHOST), 202)]
    {
        let client = Client::to((host, port).into()).await;
        let connection = client.connection().await;
        for port in 1..=300 {
            client.raw(&datagram(connection, request("t", "a", port, 0, Event::Started))).await;
        }
        let mut greedy = request("t", "b", 400, 1, Event::Started);
        greedy.wanted = Some(i32::MAX as u32);
        let reply = client.raw(&datagram(connection, greedy)).await;
        assert!(reply.len() <= 1_232, "{}", reply.len());
        let Ok((5, UdpResponse::Announce(response))) = UdpResponse::parse(&reply, Family::of(host)) else {
            panic!("{reply:?}")
        };
        assert_eq!(response.peers.len(), most);
    }
}

#[tokio::test]
async fn a_flood_of_one_address_is_not_answered() {
    let net = NetLimits { request_burst: 10, requests_per_second: 1, ..NetLimits::default() };
    let server = Server::start(Config { net, ..Config::default() }).await;
    let client = Client::new(&server).await;
    let connection = client.connection().await;
    for port in 1..=200 {
        client.socket.send(&datagram(connection, request("t", "a", port, 1, Event::Started))).await.unwrap();
    }
    let mut replies = 0;
    while client.heard(SILENCE).await.is_some() {
        replies += 1;
    }
    assert!((10..=13).contains(&replies), "{replies}");
    // Somebody else is not held up by it, nor is a connect request.
    client.connection().await;
    let other = Client::from((Ipv4Addr::new(127, 0, 0, 9), 0).into(), server.udp_address.unwrap()).await;
    other.announce(request("t", "b", 1, 1, Event::Started)).await;
    assert_eq!(server.stats().await["requestsPaced"], 200 - replies);
}

#[tokio::test]
async fn a_full_swarm_refuses_in_words() {
    let swarm = Limits { members_per_address: 1, ..Limits::default() };
    let server = Server::start(Config { swarm, ..Config::default() }).await;
    let client = Client::new(&server).await;
    client.announce(request("t", "a", 1, 1, Event::Started)).await;
    let refused = client.ask(Ask::Announce(Box::new(request("t", "b", 2, 1, Event::Started)))).await;
    let reason = "too many peers of your address in all swarms: at most 1".to_owned();
    assert_eq!(refused, Err(UdpClientError::Refused(reason)));
}

#[tokio::test]
async fn it_can_be_switched_off_and_ends_with_the_tracker() {
    let server = Server::start(Config { udp: FurtherPort::Off, ..Config::default() }).await;
    assert_eq!(server.udp_address, None);
    let at = FurtherPort::At((Ipv4Addr::LOCALHOST, 0).into());
    let server = Server::start(Config { udp: at, ..Config::default() }).await;
    let address = server.udp_address.unwrap();
    Client::new(&server).await.connection().await;
    assert!(server.stop().await);
    UdpSocket::bind(address).await.unwrap();
}
