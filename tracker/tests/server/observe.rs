//! What operators see: metrics, dashboard, interface description.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracker::cluster::options::ClusterConfig;
use tracker::config::Config;
use tracker::observe::ObserveArgs;

use crate::support::{PATIENCE, Server, header, id, request};

const BEARER: &str = "Bearer 0123456789abcdef0123456789abcdef";

fn token() -> Option<String> {
    BEARER.strip_prefix("Bearer ").map(str::to_owned)
}

fn with(observe: ObserveArgs) -> Config {
    Config { observe, ..Config::default() }
}

/// Every sample: name with labels, and value.
pub(crate) async fn metrics(server: &Server) -> BTreeMap<String, f64> {
    let response = server.get("/metrics", &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    samples(response.body())
}

fn samples(body: &Bytes) -> BTreeMap<String, f64> {
    let text = std::str::from_utf8(body).unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().unwrap())).unwrap()
        })
        .collect()
}

/// A feed of server-sent events.
struct Feed {
    body: hyper::body::Incoming,
    text: String,
}

impl Feed {
    async fn open(address: SocketAddr, headers: &[(&str, &str)]) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let response = sender.send_request(request("GET", "/api/live", headers)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(response.headers(), "content-type"), "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next message: its name, and what it says.
    async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = message.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
                    line.trim_start().to_owned()
                };
                let (name, data) = (field("event:"), field("data:"));
                self.text = rest.to_owned();
                if !name.is_empty() {
                    return (name, serde_json::from_str(&data).unwrap());
                }
                continue;
            }
            let frame =
                timeout(PATIENCE, self.body.frame()).await.unwrap().expect("the feed goes on").unwrap();
            self.text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
    }
}

#[tokio::test]
async fn metrics_tell_what_happened() {
    let server = Server::start(Config::default()).await;
    let (mut a, mut b) = (server.peer("a").await, server.peer("b").await);
    a.announce("t", json!(7), "started", &[]).await;
    b.announce("t", json!(0), "started", &["b1", "b2"]).await;
    a.next().await;
    a.answer("t", "b", "b1").await;
    b.next().await;
    a.send_text("nonsense").await;
    a.next().await;
    let path = format!("/announce?info_hash={}&peer_id={}&port=6881&left=5", id("t"), id("c"));
    assert_eq!(server.get(&path, &[]).await.status(), StatusCode::OK);
    let metrics = metrics(&server).await;
    for (name, value) in [
        (r#"piecemeal_torrents"#, 1.0),
        (r#"piecemeal_peers{kind="websocket"}"#, 2.0),
        (r#"piecemeal_peers{kind="address"}"#, 1.0),
        (r#"piecemeal_peers_by_role{role="seed"}"#, 1.0),
        (r#"piecemeal_websockets"#, 2.0),
        (r#"piecemeal_announces_total{frontend="websocket",outcome="answered"}"#, 2.0),
        (r#"piecemeal_announces_total{frontend="http",outcome="answered"}"#, 1.0),
        (r#"piecemeal_announces_total{frontend="udp",outcome="answered"}"#, 0.0),
        (r#"piecemeal_announce_duration_seconds_count{frontend="websocket"}"#, 2.0),
        (r#"piecemeal_offers_total{outcome="relayed"}"#, 1.0),
        (r#"piecemeal_offers_total{outcome="unwanted"}"#, 1.0),
        (r#"piecemeal_answers_total{outcome="relayed"}"#, 1.0),
        (r#"piecemeal_offer_answer_seconds_count"#, 1.0),
        (r#"piecemeal_first_peer_seconds_count"#, 1.0),
        (r#"piecemeal_first_peer_seconds_bucket{le="+Inf"}"#, 1.0),
        (r#"piecemeal_offers_pending"#, 0.0),
        (r#"piecemeal_rejections_total{reason="malformed"}"#, 1.0),
        (r#"piecemeal_connections{protocol="websocket",tls="no"}"#, 2.0),
        (r#"piecemeal_requests_total{protocol="http/1.1",tls="no"}"#, 2.0),
        (r#"piecemeal_requests_total{protocol="websocket",tls="no"}"#, 2.0),
    ] {
        assert_eq!(metrics.get(name), Some(&value), "{name}");
    }
    assert!(metrics[r#"piecemeal_bytes_total{protocol="websocket",tls="no",direction="received"}"#] > 500.0);
    assert!(metrics["process_resident_memory_bytes"] > 1e6);
}

#[tokio::test]
async fn refusals_have_reasons() {
    let mut config = Config::default();
    config.swarm.members_per_socket = 1;
    config.swarm.members_per_address = 1;
    let server = Server::start(config).await;
    let mut peer = server.peer("a").await;
    peer.announce("t1", json!(7), "started", &[]).await;
    let refused = peer.announce("t2", json!(7), "started", &[]).await;
    assert!(refused["failure reason"].is_string(), "{refused}");
    for torrent in ["t1", "t2"] {
        let path = format!("/announce?info_hash={}&peer_id={}&port=6881&left=5", id(torrent), id("c"));
        server.get(&path, &[]).await;
    }
    let metrics = metrics(&server).await;
    for (name, value) in [
        (r#"piecemeal_announces_total{frontend="websocket",outcome="refused"}"#, 1.0),
        (r#"piecemeal_announces_total{frontend="http",outcome="refused"}"#, 1.0),
        (r#"piecemeal_rejections_total{reason="torrents_of_socket"}"#, 1.0),
        (r#"piecemeal_rejections_total{reason="members_of_address"}"#, 1.0),
    ] {
        assert_eq!(metrics.get(name), Some(&value), "{name}");
    }
    // Each is counted once, and the same in both places.
    let rejections = metrics.iter().filter(|(name, _)| name.starts_with("piecemeal_rejections_total"));
    assert_eq!(rejections.map(|(_, number)| number).sum::<f64>(), 2.0);
    let stats = &server.stats().await["rejections"];
    assert_eq!((&stats["torrents_of_socket"], &stats["members_of_address"]), (&json!(1), &json!(1)));
    let listed = metrics.keys().filter(|name| name.starts_with("piecemeal_rejections_total")).count();
    assert_eq!(stats.as_object().unwrap().len(), listed);
}

#[tokio::test]
async fn a_token_is_asked_of_everybody_and_opens_only_its_own() {
    let observe = ObserveArgs { metrics_token: token(), ..ObserveArgs::default() };
    let server = Server::start(with(observe)).await;
    let refused = server.get("/metrics", &[]).await;
    assert_eq!(
        (refused.status(), header(refused.headers(), "www-authenticate")),
        (StatusCode::UNAUTHORIZED, "Bearer".to_owned())
    );
    assert_eq!(server.get("/metrics", &[("authorization", "Bearer 0123456789abcdef")]).await.status(), 401);
    assert_eq!(server.get("/metrics", &[("authorization", BEARER)]).await.status(), 200);
    let observe = ObserveArgs { dashboard_token: token(), ..ObserveArgs::default() };
    let server = Server::start(with(observe)).await;
    let swarm = format!("/api/swarms/{}", "a5".repeat(20));
    for path in ["/api/live", "/api/events", swarm.as_str()] {
        assert_eq!(server.get(path, &[]).await.status(), 401, "{path}");
    }
    assert_eq!(server.get(&swarm, &[("authorization", BEARER)]).await.status(), 200);
    assert_eq!(server.get("/metrics", &[]).await.status(), 200, "another's secret");
}

#[tokio::test]
async fn without_a_token_nobody_is_here_who_was_led_here_or_passed_on() {
    let server = Server::start(Config::default()).await;
    for (name, value) in [
        ("host", "evil.example"),
        ("host", "evil.example:8080"),
        ("x-forwarded-for", "203.0.113.5"),
        ("forwarded", "for=203.0.113.5"),
        ("via", "1.1 proxy"),
    ] {
        for path in ["/api/events", "/api/live", "/metrics"] {
            assert_eq!(server.get(path, &[(name, value)]).await.status(), 403, "{path} with {name}: {value}");
        }
    }
    for host in ["localhost", "127.0.0.1:8080", "[::1]:80", "a.localhost"] {
        let response = server.get("/api/events", &[("host", host)]).await;
        assert_eq!(response.status(), 200, "{host}");
        assert_eq!(header(response.headers(), "access-control-allow-origin"), "", "for this origin only");
    }
    assert!(metrics(&server).await[r#"piecemeal_rejections_total{reason="not_allowed"}"#] >= 15.0);
}

#[tokio::test]
async fn metrics_may_have_a_port_of_their_own() {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let observe = ObserveArgs { metrics_listen: Some(listen), ..ObserveArgs::default() };
    let server = Server::start(with(observe)).await;
    assert_eq!(server.get("/metrics", &[]).await.status(), 404);
    let on_port = async |path: &str, headers: &[(&str, &str)]| {
        let stream = TcpStream::connect(server.metrics_address.unwrap()).await.unwrap();
        crate::support::http1(stream, request("GET", path, headers)).await
    };
    let response = on_port("/metrics", &[("host", "any.example")]).await;
    assert_eq!(response.status(), 200);
    assert!(samples(response.body()).contains_key("piecemeal_torrents"));
    for (path, status) in
        [("/healthz", 200), ("/readyz", 200), ("/stats.json", 404), ("/api/events", 404), ("/", 404)]
    {
        assert_eq!(on_port(path, &[]).await.status(), status, "{path}");
    }
}

#[tokio::test]
async fn the_feed_begins_with_what_was_and_goes_on_once_a_second() {
    let server = Server::start(Config::default()).await;
    let mut peer = server.peer("a").await;
    peer.announce("t", json!(7), "started", &[]).await;
    let mut feed = Feed::open(server.address, &[]).await;
    let (name, begin) = feed.next().await;
    assert_eq!((name.as_str(), &begin["history"]), ("begin", &json!([])));
    let hash: String = id("t").bytes().map(|byte| format!("{byte:02x}")).collect();
    let joined = &begin["events"][0];
    assert_eq!((&joined["kind"], &joined["swarm"]), (&json!("joined"), &json!(hash)), "{begin}");
    peer.announce("t", json!(0), "completed", &[]).await;
    let mut announced = 0.0;
    let mut completed = false;
    for _ in 0..3 {
        let (name, tick) = feed.next().await;
        assert_eq!(name, "tick");
        assert_eq!(
            (&tick["peers"], &tick["torrents"], &tick["webSockets"]),
            (&json!(1), &json!(1), &json!(1))
        );
        assert_eq!(tick["swarms"][0]["infoHash"], json!(hash));
        announced += tick["announces"][0]["value"].as_f64().unwrap();
        completed |= tick["events"].to_string().contains("completed");
    }
    assert!(announced > 0.0 && completed, "{announced}");
    let (_, begin) = Feed::open(server.address, &[]).await.next().await;
    assert!(begin["history"].as_array().unwrap().len() >= 3, "{begin}");
    assert!(begin["history"][0].get("events").is_none());
}

#[tokio::test]
async fn numbers_are_made_once_for_all_and_not_for_nobody() {
    let server = Server::start(Config::default()).await;
    for _ in 0..3 {
        // As a page that is reloaded.
        let mut feed = Feed::open(server.address, &[]).await;
        feed.next().await;
    }
    let mut feed = Feed::open(server.address, &[]).await;
    feed.next().await;
    let mut times = Vec::new();
    for _ in 0..4 {
        times.push(feed.next().await.1["at"].as_u64().unwrap());
    }
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 900), "one maker: {times:?}");
    drop(feed);
    let gone = async {
        while metrics(&server).await["piecemeal_dashboards"] > 0.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, gone).await.unwrap();
    assert!(server.stop().await, "an open feed does not keep the tracker from ending");
}

#[tokio::test]
async fn an_open_feed_ends_with_the_tracker() {
    let server = Server::start(Config::default()).await;
    let mut feed = Feed::open(server.address, &[]).await;
    feed.next().await;
    assert!(server.stop().await);
}

/// A report of this peer's, who has `done` of ten pieces.
fn report(torrent: &str, peer: &str, done: u32, exchanges: Value) -> Value {
    json!({
        "action": "report", "info_hash": id(torrent), "peer_id": id(peer), "downloaded": 1_000, "uploaded": 500,
        "pieces_done": done, "pieces": 10, "size": 10_000, "down_rate": 300, "up_rate": 100, "web_rate": 0,
        "dht": "off", "dht_peers": 0, "tracker": "working", "exchanges": exchanges,
    })
}

#[tokio::test]
async fn willing_peers_are_asked_how_far_they_are_and_shown() {
    let server = Server::start(Config::default()).await;
    let (mut own, mut stock) = (server.peer("-PM0100-own").await, server.peer("-WW0300-stock").await);
    stock.announce("t", json!(0), "started", &[]).await;
    stock.assert_nothing_else().await;
    let reply = own.announce("t", json!(7), "started", &[]).await;
    assert_eq!(reply["incomplete"], 1);
    assert_eq!(own.next().await, json!({"action": "piecemeal", "reports": 3}));
    own.announce("t2", json!(7), "started", &[]).await;
    own.assert_nothing_else().await;
    let exchange = json!([{"peer_id": id("-WW0300-stock"), "path": "webrtc", "down": 300, "up": 0}]);
    own.send(report("t", "-PM0100-own", 4, exchange)).await;
    own.assert_nothing_else().await;
    let hash: String = id("t").bytes().map(|byte| format!("{byte:02x}")).collect();
    let response = server.get(&format!("/api/swarms/{hash}"), &[]).await;
    let text = std::str::from_utf8(response.body()).unwrap();
    assert!(!text.contains("own....") && !text.contains("127.0.0.1"), "nobody is named: {text}");
    let swarm: Value = serde_json::from_str(text).unwrap();
    assert_eq!((&swarm["seeds"], &swarm["leeches"]), (&json!(1), &json!(1)));
    let peers = swarm["peers"].as_array().unwrap();
    let own = peers.iter().find(|peer| peer["client"] == "Piecemeal 0100").unwrap();
    let stock = peers.iter().find(|peer| peer["client"] == "WebTorrent 3.0").unwrap();
    assert_eq!((&own["progress"], &own["seed"]), (&json!(0.4), &json!(false)));
    assert_eq!((&own["report"]["ratio"], &own["report"]["dht"]), (&json!(0.5), &json!("off")));
    assert_eq!((&stock["progress"], &stock["report"]), (&json!(1.0), &Value::Null));
    let flow = json!([{"from": stock["id"], "to": own["id"], "rate": 300, "path": "webrtc"}]);
    assert_eq!(swarm["flows"], flow);
    assert_eq!(metrics(&server).await["piecemeal_reporting_torrents"], 1.0);
}

#[tokio::test]
async fn reports_end_with_their_socket_and_lies_are_refused() {
    let server = Server::start(Config::default()).await;
    let mut peer = server.peer("-PM0100-own").await;
    peer.announce("t", json!(7), "started", &[]).await;
    peer.next().await;
    for wrong in [json!({"action": "report"}), report("short", "p", 4, json!([null]))] {
        peer.send(wrong).await;
        assert!(peer.next().await["failure reason"].is_string());
    }
    peer.send(report("t", "-PM0100-own", 4, json!([]))).await;
    peer.assert_nothing_else().await;
    assert_eq!(metrics(&server).await["piecemeal_reporting_torrents"], 1.0);
    peer.vanish();
    server.until_stat("sockets", 0).await;
    assert_eq!(metrics(&server).await["piecemeal_reporting_torrents"], 0.0);
    let hash = "a5".repeat(20);
    let empty: Value =
        serde_json::from_slice(server.get(&format!("/api/swarms/{hash}"), &[]).await.body()).unwrap();
    assert_eq!((&empty["peers"], &empty["flows"]), (&json!([]), &json!([])));
    assert_eq!(server.get("/api/swarms/nonsense", &[]).await.status(), 400);
}

#[tokio::test]
async fn nobody_is_asked_where_reports_are_off() {
    let server = Server::start(with(ObserveArgs { report_interval: 0, ..ObserveArgs::default() })).await;
    let mut peer = server.peer("-PM0100-own").await;
    peer.announce("t", json!(7), "started", &[]).await;
    peer.assert_nothing_else().await;
}

#[tokio::test]
async fn grafana_is_shown_only_what_there_is() {
    let dashboard: Value =
        serde_json::from_str(include_str!("../../../deploy/grafana/tracker.json")).unwrap();
    // A node that does not reach its Redis has all numbers but the time to it.
    let cluster =
        ClusterConfig { url: "redis://127.0.0.1:1".to_owned(), name: "x".to_owned(), node: "x".to_owned() };
    let config = Config { cluster: Some(cluster), turn: Some(crate::turn::relay()), ..Config::default() };
    let server = Server::start(config).await;
    let mut metrics = metrics(&server).await;
    assert_eq!(metrics["piecemeal_cluster_connected"], 0.0);
    assert_eq!(metrics.insert("piecemeal_cluster_round_trip_seconds".to_owned(), 0.0), None);
    let known = |name: &str| metrics.keys().any(|sample| sample.split('{').next() == Some(name));
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut named = 0;
    for expression in targets.map(|target| target["expr"].as_str().unwrap()) {
        let words = expression.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
        for name in words.filter(|word| word.starts_with("piecemeal_") || word.starts_with("process_")) {
            assert!(known(name), "{name} of {expression}");
            named += 1;
        }
        for (label, value) in expression.split(['{', ',']).filter_map(|part| part.split_once("=\"")) {
            let value = value.split('"').next().unwrap();
            let exists = metrics.keys().any(|sample| sample.contains(&format!("{label}=\"{value}\"")));
            assert!(exists, "{label}={value} of {expression}");
        }
    }
    assert!(named > 20, "{named}");
    assert!(!known("piecemeal_nothing"));
}
