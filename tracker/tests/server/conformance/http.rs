//! BEP 3, 7, 23, 24, 31, 48 and 52 over HTTP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tracker::config::{Config, NetLimits};
use tracker::swarm::Limits;

use crate::support::{Server, header, id};

async fn body(server: &Server, path: &str) -> Vec<u8> {
    let response = server.get(path, &[]).await;
    assert_eq!(response.status(), 200);
    response.body().to_vec()
}

/// What the server says to whoever comes from this address of its own host.
async fn body_for(host: IpAddr, port: u16, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(SocketAddr::new(host, port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    let head = reply.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    reply.split_off(head)
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

fn announce(peer: &str, port: u16, rest: &str) -> String {
    format!("/announce?info_hash={}&peer_id={}&port={port}&left=1{rest}", id("t"), id(peer))
}

#[tokio::test]
async fn both_families_hear_of_both_and_of_their_own_address() {
    let server = Server::start(Config { lan: true, ..Config::default() }).await;
    let port = server.address.port();
    let (v4, v6): (IpAddr, IpAddr) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
    let first = body_for(v4, port, &announce("a", 10, "&compact=1")).await;
    assert!(contains(&first, b"11:external ip4:\x7f\0\0\x01"), "BEP 24");
    assert!(contains(&first, b"5:peers0:e"), "no peers6 where there are none");
    let loopback6 = [&[0; 15][..], &[1]].concat();
    let second = body_for(v6, port, &announce("b", 20, "&compact=1")).await;
    assert!(contains(&second, &[b"11:external ip16:", &loopback6[..]].concat()), "BEP 24");
    assert!(contains(&second, b"5:peers6:\x7f\0\0\x01\0\x0ae"), "BEP 23");
    for host in [v4, v6] {
        let third = body_for(host, port, &announce("c", 30, "&compact=1")).await;
        assert!(contains(&third, b"5:peers6:\x7f\0\0\x01\0\x0a"), "BEP 23");
        assert!(contains(&third, &[b"6:peers618:", &loopback6[..], b"\0\x14e"].concat()), "BEP 7");
        // So that it is not in the next reply.
        body_for(host, port, &announce("c", 30, "&event=stopped")).await;
    }
    let list = body_for(v4, port, &announce("d", 40, "&compact=0")).await;
    for peer in [&b"d2:ip9:127.0.0.17:peer id20:a..................."[..], b"d2:ip3:::17:peer id20:b"] {
        assert!(contains(&list, peer), "BEP 3: {}", String::from_utf8_lossy(&list));
    }
}

#[tokio::test]
async fn nobody_is_told_of_oneself_or_of_anybody_twice() {
    let server = Server::start(Config::default()).await;
    for port in 1..=9 {
        body(&server, &announce("peer", port, "&event=started")).await;
    }
    for port in 1..=9 {
        let reply = body(&server, &announce("peer", port, "&compact=1")).await;
        let at = reply.windows(10).position(|window| window == b"5:peers48:").unwrap() + 10;
        let mut ports: Vec<_> = reply[at..at + 48].chunks(6).map(|peer| u16::from(peer[5])).collect();
        ports.sort_unstable();
        assert_eq!(ports, (1..=9).filter(|other| *other != port).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_ask_again() {
    let net = NetLimits { request_burst: 1, requests_per_second: 1, ..NetLimits::default() };
    let server = Server::start(Config { net, ..Config::default() }).await;
    body(&server, &announce("a", 1, "")).await;
    let mut refused = 0;
    for _ in 0..20 {
        let response = server.get(&announce("a", 1, ""), &[]).await;
        let reply = response.body();
        if contains(reply, b"14:failure reason") {
            assert_eq!(header(response.headers(), "connection"), "close");
            assert!(contains(reply, b"8:retry ini1ee"), "BEP 31: {}", String::from_utf8_lossy(reply));
            refused += 1;
        }
    }
    assert!(refused > 10, "{refused}");
}

#[tokio::test]
async fn scrapes_of_all_and_of_many_are_bounded() {
    let swarm = Limits { scrape: 3, ..Limits::default() };
    let server = Server::start(Config { swarm, ..Config::default() }).await;
    for number in 0..9 {
        let url = announce("a", 1, "").replace(&id("t"), &id(&format!("t{number}")));
        body(&server, &url).await;
    }
    let all = body(&server, "/scrape").await;
    assert_eq!(all.windows(8).filter(|window| window == b"8:comple").count(), 3);
    assert!(all.starts_with(b"d5:filesd20:t"), "{}", String::from_utf8_lossy(&all));
    let most: String = (0..75).map(|_| format!("info_hash={}&", id("t"))).collect();
    let refused = body(&server, &format!("/scrape?{most}")).await;
    assert!(contains(&refused, b"14:failure reason"), "{}", String::from_utf8_lossy(&refused));
}

#[tokio::test]
async fn a_v2_info_hash_is_the_same_swarm_whole_or_cut() {
    let server = Server::start(Config::default()).await;
    let cut = announce("a", 1, "&event=started");
    let whole = announce("b", 2, "&compact=1")
        .replace(&id("t"), &format!("{}%00%01%02%03%04%05%06%07%08%09%0a%0b", id("t")));
    body(&server, &cut).await;
    assert!(contains(&body(&server, &whole).await, b"5:peers6:\x7f\0\0\x01\0\x01e"), "BEP 52");
    let scrape =
        body(&server, &format!("/scrape?info_hash={}%00%01%02%03%04%05%06%07%08%09%0a%0b", id("t"))).await;
    assert!(contains(&scrape, b"10:incompletei2e"), "{}", String::from_utf8_lossy(&scrape));
}
