//! Behind a proxy: whose request it is, and that nobody else can say.

use std::net::SocketAddr;

use http::Request;
use serde_json::json;
use shared::tracker::Event;
use shared::tracker::http::{announce_url, parse_announce_reply};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tracker::config::{Config, NetLimits};
use tracker::proxy::{Proxies, ProxyHeader};

use crate::http_announce::request;
use crate::support::{PATIENCE, Peer, Server};

/// Networks of proxies that do not include this machine, and those that do.
const ELSEWHERE: &[&str] = &["192.0.2.0/24"];
const HERE: &[&str] = &["127.0.0.0/8", "::1", "10.0.0.0/8"];

fn proxies(trusted: &[&str]) -> Proxies {
    let trusted = trusted.iter().map(|network| network.parse().unwrap()).collect();
    Proxies { trusted, ..Proxies::default() }
}

async fn behind(proxies: Proxies, net: NetLimits) -> Server {
    Server::start(Config { proxies, net, ..Config::default() }).await
}

/// Where others are told that the announcer is, over HTTP.
async fn seen(server: &Server, headers: &[(&str, &str)]) -> String {
    let announced =
        server.get(&announce_url("/announce", &request("t", "a", 1, 1, Event::Started)), headers).await;
    let reply = parse_announce_reply(announced.body()).unwrap();
    reply.external_ip.unwrap().to_string()
}

#[tokio::test]
async fn only_a_trusted_proxy_says_whose_request_it_is() {
    let spoof = [("x-forwarded-for", "203.0.113.66")];
    for untrusting in [Proxies::default(), proxies(ELSEWHERE)] {
        let server = behind(untrusting, NetLimits::default()).await;
        assert_eq!(seen(&server, &spoof).await, "127.0.0.1");
    }
    let server = behind(proxies(HERE), NetLimits::default()).await;
    assert_eq!(seen(&server, &spoof).await, "203.0.113.66");
    assert_eq!(seen(&server, &[]).await, "127.0.0.1");
}

#[tokio::test]
async fn what_the_client_wrote_further_left_does_not_count() {
    let server = behind(proxies(HERE), NetLimits::default()).await;
    for (value, expected) in [
        ("203.0.113.66, 198.51.100.7", "198.51.100.7"),
        ("203.0.113.66, 198.51.100.7, 10.0.0.5", "198.51.100.7"),
        ("203.0.113.66, nonsense", "127.0.0.1"),
        ("10.0.0.5, 198.51.100.7", "198.51.100.7"),
        ("203.0.113.66, 2001:db8::7", "2001:db8::7"),
    ] {
        assert_eq!(seen(&server, &[("x-forwarded-for", value)]).await, expected, "{value}");
    }
    // A header that the proxy does not write reaches the tracker as the client wrote it.
    let both = [("forwarded", "for=203.0.113.66"), ("x-forwarded-for", "198.51.100.7")];
    assert_eq!(seen(&server, &both).await, "198.51.100.7");
    let standard = Proxies { header: ProxyHeader::Forwarded, ..proxies(HERE) };
    let server = behind(standard, NetLimits::default()).await;
    let both =
        [("forwarded", "for=203.0.113.66, for=\"[2001:db8::7]:1\""), ("x-forwarded-for", "198.51.100.7")];
    assert_eq!(seen(&server, &both).await, "2001:db8::7");
}

async fn socket(server: &Server, client: &str) -> Result<Peer, String> {
    let mut request: Request<()> = format!("ws://{}/", server.address).into_client_request().unwrap();
    request.headers_mut().insert("x-forwarded-for", client.parse().unwrap());
    let opened = tokio_tungstenite::connect_async(request).await;
    opened.map(|(socket, _)| Peer::over("a", socket)).map_err(|error| error.to_string())
}

#[tokio::test]
async fn bounds_by_address_hold_for_each_client_of_a_proxy() {
    let net = NetLimits { sockets_per_address: 1, connections_per_address: 1, ..NetLimits::default() };
    let server = behind(proxies(HERE), net).await;
    let mut one = socket(&server, "198.51.100.1").await.unwrap();
    let mut other = socket(&server, "198.51.100.2").await.unwrap();
    let again = socket(&server, "203.0.113.66, 198.51.100.1").await.err().unwrap();
    assert!(again.contains("429"), "{again}");
    one.announce("t", json!(1), "started", &[]).await;
    other.announce("t", json!(1), "started", &[]).await;
    server.until_rejected("connections_of_address", 0).await;

    let net = NetLimits { request_burst: 2, requests_per_second: 1, ..NetLimits::default() };
    let server = behind(proxies(HERE), net).await;
    let refused = async |client: &str| {
        let url = announce_url("/announce", &request("t", "a", 1, 1, Event::Started));
        let reply = server.get(&url, &[("x-forwarded-for", client)]).await;
        String::from_utf8_lossy(reply.body()).contains("too many requests")
    };
    let mut refusals = Vec::new();
    for client in
        ["198.51.100.1", "198.51.100.1", "1.1.1.1, 198.51.100.1", "2.2.2.2, 198.51.100.1", "198.51.100.2"]
    {
        refusals.push(refused(client).await);
    }
    assert!(refusals[2] || refusals[3], "{refusals:?}");
    assert!(!refusals[0] && !refusals[1] && !refusals[4], "{refusals:?}");
}

/// A connection that begins with `header`.
async fn connected(server: &Server, header: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(header).await.unwrap();
    stream
}

/// What is answered to a request for where the asker is.
async fn asked(mut stream: TcpStream) -> Option<String> {
    let url = announce_url("/announce", &request("t", "a", 1, 1, Event::Started));
    let head = format!("GET {url} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    // A connection that is refused may be gone already.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut reply = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut reply)).await.unwrap();
    let body = reply.windows(4).position(|four| four == b"\r\n\r\n").map(|at| &reply[at + 4..])?;
    Some(parse_announce_reply(body).ok()?.external_ip?.to_string())
}

fn version_2(source: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend(source);
    header.extend([127, 0, 0, 1, 0xc0, 0, 0, 80]);
    header
}

#[tokio::test]
async fn the_proxy_protocol_names_the_source_of_a_connection() {
    let server = behind(Proxies { protocol: true, ..proxies(HERE) }, NetLimits::default()).await;
    let line = b"PROXY TCP4 198.51.100.7 127.0.0.1 49152 80\r\n";
    assert_eq!(asked(connected(&server, line).await).await.as_deref(), Some("198.51.100.7"));
    let header = version_2([198, 51, 100, 8]);
    assert_eq!(asked(connected(&server, &header).await).await.as_deref(), Some("198.51.100.8"));
    let own = b"PROXY UNKNOWN\r\n";
    assert_eq!(asked(connected(&server, own).await).await.as_deref(), Some("127.0.0.1"));
    for wrong in [&b""[..], b"PROXY TCP4 nonsense\r\n", b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c"] {
        assert_eq!(asked(connected(&server, wrong).await).await, None);
    }
    let stream = connected(&server, &version_2([198, 51, 100, 9])).await;
    let url = format!("ws://{}/", server.address);
    let (socket, _) = tokio_tungstenite::client_async(url, MaybeTlsStream::Plain(stream)).await.unwrap();
    let mut peer = Peer::over("a", socket);
    assert_eq!(peer.announce("u", json!(1), "started", &[]).await["incomplete"], 1);
}

#[tokio::test]
async fn a_stranger_with_a_proxy_header_is_no_proxy() {
    let server = behind(Proxies { protocol: true, ..proxies(ELSEWHERE) }, NetLimits::default()).await;
    let address: SocketAddr = server.address;
    assert_eq!(seen(&server, &[]).await, address.ip().to_string(), "it needs no header");
    for header in [b"PROXY TCP4 203.0.113.66 127.0.0.1 49152 80\r\n".to_vec(), version_2([203, 0, 113, 66])] {
        assert_eq!(asked(connected(&server, &header).await).await, None, "that is no HTTP");
    }
}

#[tokio::test]
async fn a_proxy_that_says_nothing_is_not_waited_for() {
    let header_timeout = std::time::Duration::from_millis(300);
    let net = NetLimits { header_timeout, ..NetLimits::default() };
    let server = behind(Proxies { protocol: true, ..proxies(HERE) }, net).await;
    for beginning in [&b""[..], b"PROXY TCP4 198.51", &version_2([1, 1, 1, 1])[..20]] {
        let mut stream = connected(&server, beginning).await;
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok(), "{beginning:?} keeps its connection");
    }
}
