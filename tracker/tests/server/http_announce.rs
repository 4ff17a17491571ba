//! BitTorrent peers over HTTP.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use serde_json::json;
use shared::id::{InfoHash, PeerId};
use shared::tracker::http::{
    ReplyError, Retry, announce_url, parse_announce_reply, parse_scrape_reply, scrape_url,
};
use shared::tracker::{AnnounceRequest, AnnounceResponse, Event};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tracker::config::{Config, NetLimits};
use tracker::swarm::Limits;

use crate::support::{Server, header, id};

fn bytes(name: &str) -> [u8; 20] {
    id(name).as_bytes().try_into().unwrap()
}

pub(crate) fn request(torrent: &str, peer: &str, port: u16, left: u64, event: Event) -> AnnounceRequest {
    AnnounceRequest {
        info_hash: InfoHash(bytes(torrent)),
        peer_id: PeerId(bytes(peer)),
        port,
        uploaded: 0,
        downloaded: 0,
        left: Some(left),
        event,
        wanted: None,
        key: 0x1234_5678,
        tracker_id: None,
    }
}

pub(crate) async fn announce(
    server: &Server,
    request: &AnnounceRequest,
) -> Result<AnnounceResponse, ReplyError> {
    let response = server.get(&announce_url("/announce", request), &[]).await;
    assert_eq!(response.status(), 200);
    parse_announce_reply(response.body())
}

#[tokio::test]
async fn the_reply_is_these_bytes() {
    let server = Server::start(Config::default()).await;
    // As aria2 asks, in bytes that need escaping and with parameters that mean nothing here.
    let seed = "/announce?info_hash=%00%01%02%03%04%05%06%07%08%09%0A%0B%0C%0D%0E%0F%10%11%12%FF&peer_id=A2-1-37-0-%8F%A9%00abcdefg\
                &uploaded=0&downloaded=0&left=0&compact=1&key=a&numwant=50&no_peer_id=1&port=6881&event=started&supportcrypto=1";
    let response = server.get(seed, &[("user-agent", "aria2/1.37.0"), ("want-digest", "SHA-256")]).await;
    assert_eq!(
        (response.status().as_u16(), header(response.headers(), "content-type")),
        (200, "text/plain".to_owned())
    );
    let expected: &[u8] =
        b"d8:completei1e11:external ip4:\x7f\0\0\x0110:incompletei0e8:intervali600e12:min intervali60e5:peers0:e";
    assert_eq!(response.body(), expected);
    let leech = seed.replace("left=0", "left=9").replace("abcdefg", "hijklmn").replace("6881", "256");
    let response = server.get(&leech, &[]).await;
    let expected: &[u8] =
        b"d8:completei1e11:external ip4:\x7f\0\0\x0110:incompletei1e8:intervali600e12:min intervali60e\
        5:peers6:\x7f\0\0\x01\x1a\xe1e";
    assert_eq!(response.body(), expected);
    let response =
        server.get(&leech.replace("compact=1", "compact=0").replace("&no_peer_id=1", ""), &[]).await;
    let expected: &[u8] =
        b"d8:completei1e11:external ip4:\x7f\0\0\x0110:incompletei1e8:intervali600e12:min intervali60e\
        5:peersld2:ip9:127.0.0.17:peer id20:A2-1-37-0-\x8f\xa9\0abcdefg4:porti6881eeee";
    assert_eq!(response.body(), expected);
    let response = server.get(&leech.replace("compact=1", "compact=0"), &[]).await;
    assert!(response.body().ends_with(b"5:peersld2:ip9:127.0.0.14:porti6881eeee"));
    let scrape = server
        .get("/scrape?info_hash=%00%01%02%03%04%05%06%07%08%09%0A%0B%0C%0D%0E%0F%10%11%12%FF", &[])
        .await;
    let expected: &[u8] =
        b"d5:filesd20:\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\xff\
        d8:completei1e10:downloadedi1e11:downloadersi1e10:incompletei1eee5:flagsd20:min_request_intervali600eee";
    assert_eq!(scrape.body(), expected);
}

#[tokio::test]
async fn the_kinds_share_their_counts_and_are_never_introduced_to_each_other() {
    let server = Server::start(Config::default()).await;
    let mut browser = server.peer("browser").await;
    browser.announce("t", json!(0), "started", &[]).await;
    let reply = announce(&server, &request("t", "client", 6881, 5, Event::Started)).await.unwrap();
    assert_eq!((reply.complete, reply.incomplete, reply.peers.len()), (Some(1), Some(1), 0));
    // Its offers have nobody to go to.
    let reply = browser.announce("t", json!(0), "", &["o1", "o2"]).await;
    assert_eq!((&reply["complete"], &reply["incomplete"]), (&json!(1), &json!(1)));
    browser.assert_nothing_else().await;
    let stats = server.stats().await;
    for (name, value) in [
        ("peersAll", 2),
        ("peersByAddress", 1),
        ("torrents", 1),
        ("announces", 3),
        ("announcesHttp", 1),
        ("offersRelayed", 0),
        ("offersUnwanted", 2),
    ] {
        assert_eq!(stats[name], value, "{name}");
    }
    browser.vanish();
    server.until_stat("sockets", 0).await;
    let reply = announce(&server, &request("t", "client", 6881, 5, Event::Stopped)).await.unwrap();
    assert_eq!((reply.complete, reply.incomplete), (Some(0), Some(0)));
    server.until_stat("torrents", 0).await;
}

#[tokio::test]
async fn one_path_is_for_browsers_and_for_clients() {
    let server = Server::start(Config::default()).await;
    let mut browser = server.peer_at("a", "/announce?info_hash=x").await;
    assert_eq!(browser.announce("t", json!(1), "started", &[]).await["incomplete"], 1);
    assert!(announce(&server, &request("t", "b", 1, 1, Event::Started)).await.is_ok());
}

#[tokio::test]
async fn who_may_connect_to_whom() {
    let server = Server::start(Config::default()).await;
    for port in 1..=60 {
        announce(&server, &request("t", "seed", port, 0, Event::Started)).await.unwrap();
    }
    let mut leech = request("t", "leech", 100, 1, Event::Started);
    assert_eq!(announce(&server, &leech).await.unwrap().peers.len(), 50, "as many as are usual");
    leech.wanted = Some(7);
    assert_eq!(announce(&server, &leech).await.unwrap().peers.len(), 7);
    leech.wanted = Some(100_000);
    assert_eq!(announce(&server, &leech).await.unwrap().peers.len(), 60);
    leech.wanted = Some(0);
    assert!(announce(&server, &leech).await.unwrap().peers.is_empty());
    let gave = AnnounceRequest { uploaded: 1, ..request("t", "seed", 1, 0, Event::Update) };
    let seed = announce(&server, &gave).await.unwrap();
    assert_eq!(seed.peers, ["127.0.0.1:100".parse::<SocketAddr>().unwrap()]);
    let reply = announce(&server, &request("t", "shy", 0, 1, Event::Started)).await.unwrap();
    assert_eq!((reply.incomplete, reply.peers.len()), (Some(1), 50), "no member without a port");
    let other = announce(&server, &request("t", "x", 100, 1, Event::Stopped)).await.unwrap();
    assert_eq!(other.incomplete, Some(1), "somebody else's");
    leech.event = Event::Stopped;
    leech.wanted = None;
    let reply = announce(&server, &leech).await.unwrap();
    assert_eq!((reply.incomplete, reply.peers.len()), (Some(0), 0));
}

#[tokio::test]
async fn the_address_is_the_connections_own() {
    let server = Server::start(Config { lan: true, ..Config::default() }).await;
    let port = server.address.port();
    let get = async |host: IpAddr, ip: &str, peer: &str| {
        let url = announce_url("/announce", &request("t", peer, 7, 1, Event::Started));
        let mut stream = TcpStream::connect((host, port)).await.unwrap();
        let head = format!(
            "GET {url}&ip={ip}&ipv4={ip}&ipv6=2001:db8::9 HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {ip}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await.unwrap();
        let body = reply.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        parse_announce_reply(&reply[body..]).unwrap()
    };
    let v4: IpAddr = [127, 0, 0, 1].into();
    let first = get(v4, "203.0.113.7", "a").await;
    assert_eq!((first.external_ip, first.peers.len()), (Some(v4), 0));
    let second = get(Ipv6Addr::LOCALHOST.into(), "203.0.113.8", "b").await;
    assert_eq!(second.external_ip, Some(Ipv6Addr::LOCALHOST.into()));
    assert_eq!(second.peers, ["127.0.0.1:7".parse::<SocketAddr>().unwrap()]);
    let third = get(v4, "203.0.113.7", "a").await;
    assert_eq!(third.peers, ["[::1]:7".parse::<SocketAddr>().unwrap()]);
}

#[tokio::test]
async fn what_is_malformed_is_a_failure_with_status_200() {
    let server = Server::start(Config::default()).await;
    let whole = announce_url("/announce", &request("t", "a", 1, 1, Event::Started));
    for (path, reason) in [
        ("/announce".to_owned(), "invalid info_hash"),
        ("/announce?".to_owned(), "invalid info_hash"),
        (whole.replace("info_hash=", "info_hash=x"), "invalid info_hash"),
        (whole.replace("peer_id=", "peer="), "invalid peer_id"),
        (whole.replace("port=1", "port=70000"), "invalid port"),
        (whole.replace("event=started", "event=born"), "invalid event"),
        (format!("{whole}&x={}", "y".repeat(9_000)), "expected a query of at most 8192 bytes"),
        ("/scrape?info_hash=x".to_owned(), "invalid info_hash"),
    ] {
        let response = server.get(&path, &[]).await;
        assert_eq!(response.status(), 200);
        match parse_announce_reply(response.body()) {
            Err(ReplyError::Failure { reason: said, .. }) => assert!(said.starts_with(reason), "{said}"),
            other => panic!("{path:.60}: {other:?}"),
        }
    }
    assert_eq!(server.request("POST", "/announce", &[]).await.status(), 405);
    assert_eq!(server.stats().await["malformedRequests"], 8);
    assert_eq!(server.stats().await["peersAll"], 0);
}

#[tokio::test]
async fn a_flood_of_one_address_is_refused_and_bounds_hold() {
    let net = NetLimits { request_burst: 20, requests_per_second: 1, ..NetLimits::default() };
    let swarm = Limits { members_per_address: 3, ..Limits::default() };
    let server = Server::start(Config { net, swarm, ..Config::default() }).await;
    let mut refusals = [0, 0];
    for port in 1..=40 {
        match announce(&server, &request("t", "a", port, 1, Event::Started)).await {
            Ok(_) => {}
            Err(ReplyError::Failure { retry: Some(Retry::Minutes(1)), .. }) => refusals[0] += 1,
            Err(ReplyError::Failure { reason, .. }) => {
                assert_eq!(reason, "too many peers of your address in all swarms: at most 3");
                refusals[1] += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!((10..=20).contains(&refusals[0]), "{refusals:?}");
    assert_eq!(refusals[0] + refusals[1], 37);
    let stats = server.stats().await;
    assert_eq!((&stats["peersAll"], &stats["requestsPaced"]), (&json!(3), &json!(refusals[0])));
    assert_eq!(stats["rejections"]["requests_of_address"], refusals[0]);
    assert_eq!(stats["rejections"]["members_of_address"], refusals[1]);
}

#[tokio::test]
async fn scrapes_count_one_several_and_all() {
    let server = Server::start(Config::default()).await;
    announce(&server, &request("t1", "a", 1, 0, Event::Started)).await.unwrap();
    let mut browser = server.peer("b").await;
    browser.announce("t2", json!(1), "started", &[]).await;
    let hash = |name: &str| InfoHash(bytes(name));
    for named in [&["t1"][..], &["t1", "t2", "t3", "t1"], &[]] {
        let hashes: Vec<_> = named.iter().map(|name| hash(name)).collect();
        let response = server.get(&scrape_url("/announce", &hashes).unwrap(), &[]).await;
        let files = parse_scrape_reply(response.body()).unwrap();
        let numbers = |name: &str| {
            let found = files.iter().find(|(found, _)| *found == hash(name));
            found.map(|(_, counts)| (counts.complete, counts.incomplete, counts.downloaded))
        };
        assert_eq!(numbers("t1"), Some((1, 0, 1)));
        assert_eq!(numbers("t2"), (named.len() != 1).then_some((0, 1, 0)));
        assert_eq!(numbers("t3"), (named.len() == 4).then_some((0, 0, 0)));
    }
    assert_eq!(server.stats().await["scrapesHttp"], 3);
}
