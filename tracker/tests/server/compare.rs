//! What the page needs to compare transfers: a TLS port without HTTP/2, all ports open to it, and what each transfer cost.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tracker::config::{CertificateSource, Config, FurtherPort, TlsConfig};

use crate::support::{Server, header, request, tls};

const SIZE: u64 = 3_000_000;

async fn serving() -> (TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let files = directory.path().join("files");
    std::fs::create_dir(&files).unwrap();
    std::fs::write(files.join("x"), vec![b'x'; SIZE as usize]).unwrap();
    let source = CertificateSource::Generated { data: directory.path().join("data"), names: Vec::new() };
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let tls = Some(TlsConfig { listen, http1: FurtherPort::Auto, source });
    let server = Server::start(Config { files: Some(files), tls, ..Config::default() }).await;
    (directory, server)
}

#[tokio::test]
async fn one_tls_port_never_agrees_on_http2() {
    let (directory, server) = serving().await;
    let certificate = directory.path().join("data/certificate.pem");
    let address = server.tls_http1_address.unwrap();
    let stream = tls(address, &["h2", "http/1.1"], &certificate).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let config: Value = serde_json::from_slice(server.get("/config.json", &[]).await.body()).unwrap();
    assert_eq!(config["ports"]["clear"], server.address.port());
    assert_eq!(config["ports"]["tls"], server.tls_address.unwrap().port());
    assert_eq!(config["ports"]["tlsHttp1"], address.port());
    assert_eq!(config["certificateGenerated"], true);
}

#[tokio::test]
async fn the_page_of_each_port_may_fetch_from_the_others_and_nobody_else_may() {
    let (_directory, server) = serving().await;
    let ports = [server.address, server.tls_address.unwrap(), server.tls_http1_address.unwrap()];
    let [clear, tls, http1] = ports.map(|address| address.port());
    let allowed = |response: &Response<Bytes>| {
        let [allowed, timing] = ["access-control-allow-origin", "timing-allow-origin"]
            .map(|name| header(response.headers(), name));
        assert_eq!(allowed, timing);
        assert!(header(response.headers(), "vary").contains("origin"));
        allowed
    };
    for path in ["/files/x", "/files/missing", "/compare/0123456789abcdef.json"] {
        for own in [
            format!("http://localhost:{clear}"),
            format!("https://localhost:{tls}"),
            format!("https://localhost:{http1}"),
        ] {
            let response = server.get(path, &[("origin", &own)]).await;
            assert_eq!(allowed(&response), own, "{path}");
        }
        for strange in [
            "null".to_owned(),
            "http://localhost".to_owned(),
            format!("https://localhost:{clear}"),
            format!("http://localhost:{tls}"),
            format!("http://127.0.0.1:{clear}"),
            format!("http://localhost.evil.example:{clear}"),
            format!("http://evil.example:{clear}"),
        ] {
            let response = server.get(path, &[("origin", &strange)]).await;
            assert_eq!(allowed(&response), "", "{path} for {strange}");
        }
        let misled = [("host", "evil.example"), ("origin", &format!("http://evil.example:{clear}"))];
        assert_eq!(server.get(path, &misled).await.status(), 421, "rebinding opens nothing");
    }
    let origin = format!("https://localhost:{tls}");
    let asks = [("origin", origin.as_str()), ("access-control-request-method", "GET")];
    let response = server.request("OPTIONS", "/files/x", &asks).await;
    assert_eq!(response.status(), 204);
    assert!(header(response.headers(), "access-control-allow-headers").contains("Range"));
    let asks = [("origin", "http://evil.example"), ("access-control-request-method", "GET")];
    assert_eq!(server.request("OPTIONS", "/files/x", &asks).await.status(), 405);
}

/// One connection, on which request follows request.
enum Client {
    Http1(hyper::client::conn::http1::SendRequest<Empty<Bytes>>),
    Http2(hyper::client::conn::http2::SendRequest<Empty<Bytes>>),
}

impl Client {
    async fn new<IO>(stream: IO, http2: bool) -> Self
    where
        IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let stream = TokioIo::new(stream);
        if http2 {
            let executor = TokioExecutor::new();
            let (client, connection) = hyper::client::conn::http2::handshake(executor, stream).await.unwrap();
            tokio::spawn(connection);
            return Self::Http2(client);
        }
        let (client, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self::Http1(client)
    }

    async fn get(&mut self, path: &str) -> Bytes {
        let request: Request<_> = request("GET", path, &[]);
        let response = match self {
            Self::Http1(client) => client.send_request(request).await.unwrap(),
            Self::Http2(client) => {
                let mut request = request;
                *request.uri_mut() = format!("http://localhost{path}").parse().unwrap();
                client.send_request(request).await.unwrap()
            }
        };
        response.into_body().collect().await.unwrap().to_bytes()
    }

    async fn measured(&mut self, path: &str, id: &str) -> Value {
        self.get(&format!("{path}?lane={id}")).await;
        serde_json::from_slice(&self.get(&format!("/compare/{id}.json")).await).unwrap()
    }
}

fn number(report: &Value, pointer: &str) -> u64 {
    report.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer} in {report}"))
}

#[tokio::test]
async fn a_transfer_that_asks_for_it_is_measured_layer_by_layer() {
    let (directory, server) = serving().await;
    let certificate = directory.path().join("data/certificate.pem");
    let clear = TcpStream::connect(server.address).await.unwrap();
    let h2c = TcpStream::connect(server.address).await.unwrap();
    let tls1 = tls(server.tls_http1_address.unwrap(), &["http/1.1"], &certificate).await;
    let tls2 = tls(server.tls_address.unwrap(), &["h2"], &certificate).await;
    let clients = [
        ("http/1.1", false, Client::new(clear, false).await),
        ("h2", false, Client::new(h2c, true).await),
        ("http/1.1", true, Client::new(tls1, false).await),
        ("h2", true, Client::new(tls2, true).await),
    ];
    for (at, (protocol, secure, mut client)) in clients.into_iter().enumerate() {
        for round in 0..2 {
            let report = client.measured("/files/x", &format!("0123456789abcdef-{at}-{round}")).await;
            let case = format!("{protocol}, TLS {secure}, round {round}: {report}");
            assert_eq!(report["protocol"], protocol, "{case}");
            assert_eq!((number(&report, "/body"), &report["alone"]), (SIZE, &true.into()), "{case}");
            assert_eq!(report["firstOnConnection"], round == 0, "{case}");
            let (http, stream) = (number(&report, "/http/sent"), number(&report, "/stream/sent"));
            // A head of some hundred bytes, or of frames of 16 KiB with 9 bytes each.
            let framing = if protocol == "h2" { SIZE / 16_384 * 9 } else { 0 };
            assert!((SIZE + framing + 20..SIZE + framing + 1_500).contains(&http), "{case}");
            let received = number(&report, "/http/received");
            assert!((20..3_000).contains(&received), "{case}");
            if secure {
                assert_eq!(report["tls"]["version"], "TLSv1_3", "{case}");
                // 22 bytes for each record of 16 KiB.
                let records = http / 16_384 * 22;
                assert!((http + records..http + records + 9_000).contains(&stream), "{case}");
                let handshake = number(&report, "/tls/handshake/received");
                assert!(handshake > 200, "{case}");
                assert_eq!(number(&report, "/stream/received") > received + handshake, round == 0, "{case}");
            } else {
                assert_eq!((http, &report["http"]), (stream, &report["stream"]), "{case}");
                assert!(report["tls"].is_null());
            }
            if cfg!(target_os = "linux") {
                let (segments, mss) = (number(&report, "/tcp/segmentsSent"), number(&report, "/tcp/mss"));
                assert!(segments * mss >= stream, "{case}");
                assert!(number(&report, "/tcp/segmentsReceived") > 0, "{case}");
            }
        }
    }
    let (status, _) = server.get("/compare/0123456789abcdef-9-9.json", &[]).await.into_parts();
    assert_eq!(status.status, 404);
}

#[tokio::test]
async fn what_shares_a_connection_is_said_to() {
    let (directory, server) = serving().await;
    let stream =
        tls(server.tls_address.unwrap(), &["h2"], &directory.path().join("data/certificate.pem")).await;
    let Client::Http2(client) = Client::new(stream, true).await else { panic!() };
    let [mut one, mut two, mut asks] = [client.clone(), client.clone(), client].map(Client::Http2);
    let (first, second) = (format!("/files/x?lane={:016}", 1), format!("/files/x?lane={:016}", 2));
    tokio::join!(one.get(&first), two.get(&second));
    for id in [1, 2] {
        let report: Value =
            serde_json::from_slice(&asks.get(&format!("/compare/{id:016}.json")).await).unwrap();
        assert_eq!((&report["alone"], number(&report, "/body")), (&false.into(), SIZE), "{report}");
    }
    let short = server.get("/files/x?lane=1", &[]).await;
    assert_eq!(short.status(), 200);
    assert_eq!(
        server.get("/compare/1.json", &[]).await.status(),
        404,
        "a name that is easy to guess is none"
    );
}
