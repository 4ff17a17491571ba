//! Who is seen in the same network comes first, if that is asked for. Loopback has many: 127.0.1.0/24 is a house here.

use std::net::{Ipv4Addr, SocketAddr};

use http::header::HOST;
use serde_json::json;
use shared::tracker::http::{announce_url, parse_announce_reply};
use shared::tracker::{AnnounceRequest, Event};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::MaybeTlsStream;
use tracker::config::Config;
use tracker::swarm::Limits;

use crate::http_announce::request;
use crate::support::{Peer, Server, http1, id};
use crate::udp_announce::Client;

/// Neighbours besides the one who asks, and others, each in a network of its own.
const NEIGHBOURS: u8 = 5;
const OTHERS: u8 = 30;
const WANTED: u8 = 8;

async fn server(neighbours_first: bool) -> Server {
    let swarm = Limits { neighbours_first, ..Limits::default() };
    Server::start(Config { swarm, ..Config::default() }).await
}

/// Where everybody but the asker is, neighbours and others in turn.
fn hosts() -> Vec<Ipv4Addr> {
    let others = (2..OTHERS + 2).map(|network| Ipv4Addr::new(127, 0, network, 1));
    let mut hosts: Vec<_> = others.collect();
    (2..NEIGHBOURS + 2).for_each(|host| hosts.insert(usize::from(host) * 3, house(host)));
    hosts
}

const fn house(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, host)
}

fn is_neighbour(address: &SocketAddr) -> bool {
    matches!(address, SocketAddr::V4(address) if address.ip().octets()[..3] == [127, 0, 1])
}

async fn connected(server: &Server, from: Ipv4Addr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(server.address).await.unwrap()
}

async fn over_http(server: &Server, from: Ipv4Addr, wanted: u8) -> Vec<SocketAddr> {
    let request = AnnounceRequest { wanted: Some(wanted.into()), ..request("t", "a", 1, 1, Event::Started) };
    let asked = http::Request::get(announce_url("/announce", &request)).header(HOST, "localhost");
    let asked = asked.body(http_body_util::Empty::new()).unwrap();
    let reply = http1(connected(server, from).await, asked).await;
    parse_announce_reply(reply.body()).unwrap().peers
}

async fn over_udp(server: &Server, from: Ipv4Addr, wanted: u8) -> Vec<SocketAddr> {
    let client = Client::from((from, 0).into(), server.udp_address.unwrap()).await;
    let request = AnnounceRequest { wanted: Some(wanted.into()), ..request("t", "a", 1, 1, Event::Started) };
    client.announce(request).await.peers
}

/// Over UDP a peer has to announce its port, and a socket is one that is there: both kinds meet in one swarm.
#[tokio::test]
async fn over_http_and_udp_all_neighbours_are_told_before_others() {
    for neighbours_first in [true, false] {
        let server = server(neighbours_first).await;
        for (number, host) in hosts().into_iter().enumerate() {
            match number % 2 {
                0 => drop(over_http(&server, host, 0).await),
                _ => drop(over_udp(&server, host, 0).await),
            }
        }
        let mut always = true;
        for _ in 0..10 {
            for told in
                [over_http(&server, house(1), WANTED).await, over_udp(&server, house(1), WANTED).await]
            {
                assert_eq!(told.len(), usize::from(WANTED));
                let (first, rest) = told.split_at(NEIGHBOURS.into());
                always &= first.iter().all(is_neighbour) && !rest.iter().any(is_neighbour);
            }
        }
        assert_eq!(always, neighbours_first);
    }
}

#[tokio::test]
async fn over_websocket_all_neighbours_get_an_offer_before_others_and_each_one() {
    let server = server(true).await;
    let url = format!("ws://{}/", server.address);
    let mut peers = Vec::new();
    for host in hosts().into_iter().chain([house(1)]) {
        let stream = MaybeTlsStream::Plain(connected(&server, host).await);
        let (socket, _) = tokio_tungstenite::client_async(&url, stream).await.unwrap();
        let mut peer = Peer::over(&host.to_string(), socket);
        peer.announce("t", json!(1), "started", &[]).await;
        peers.push((host, peer));
    }
    let (_, mut asker) = peers.pop().unwrap();
    let offers: Vec<String> = (0..WANTED).map(|number| format!("o{number}")).collect();
    let offers: Vec<&str> = offers.iter().map(String::as_str).collect();
    asker.announce("t", json!(1), "", &offers).await;
    let (mut got, mut others) = (Vec::new(), 0);
    for (host, peer) in &mut peers {
        peer.send(json!({"action": "scrape", "info_hash": id("t")})).await;
        let message = peer.next().await;
        let is_neighbour = is_neighbour(&SocketAddr::from((*host, 0)));
        let Some(offer) = message["offer_id"].as_str() else {
            assert!(!is_neighbour, "{host} got {message}");
            continue;
        };
        others += u8::from(!is_neighbour);
        got.push(offer.to_owned());
        assert_eq!(peer.next().await["action"], "scrape", "one offer to each");
    }
    got.sort();
    assert_eq!(got, offers.iter().map(|offer| id(offer)).collect::<Vec<_>>(), "each offer once");
    assert_eq!(others, WANTED - NEIGHBOURS);
}
