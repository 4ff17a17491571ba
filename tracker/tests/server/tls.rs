//! The TLS port.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use data_encoding::HEXUPPER;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tracker::config::{CertificateSource, Config, FurtherPort, TlsConfig};

use crate::support::{Server, header, http1, http2, id, request, tls};

fn config(data: &Path) -> Config {
    let source = CertificateSource::Generated { data: data.to_owned(), names: Vec::new() };
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Config { tls: Some(TlsConfig { listen, http1: FurtherPort::Auto, source }), ..Config::default() }
}

async fn secure() -> (TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("files")).unwrap();
    std::fs::write(directory.path().join("files/x"), vec![b'x'; 300_000]).unwrap();
    let files = Some(directory.path().join("files"));
    let server = Server::start(Config { files, ..config(&directory.path().join("data")) }).await;
    (directory, server)
}

#[tokio::test]
async fn the_version_of_http_is_agreed_on_by_alpn() {
    let (directory, server) = secure().await;
    let certificate = directory.path().join("data/certificate.pem");
    let address = server.tls_address.unwrap();
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
        (&["h2"], Some("h2")),
    ] {
        let stream = tls(address, offered, &certificate).await;
        let alpn = stream.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        assert_eq!(alpn.as_deref(), agreed);
        let mut request = request("GET", "/files/x", &[("range", "bytes=100-")]);
        let response = if agreed == Some("h2") {
            *request.uri_mut() = "https://localhost/files/x".parse().unwrap();
            http2(stream, request).await
        } else {
            http1(stream, request).await
        };
        assert_eq!((response.status().as_u16(), response.body().len()), (206, 299_900));
    }
}

#[tokio::test]
async fn the_fingerprint_is_that_of_the_certificate_that_is_shown() {
    let (directory, server) = secure().await;
    let stream = tls(server.tls_address.unwrap(), &[], &directory.path().join("data/certificate.pem")).await;
    let shown = Sha256::digest(&stream.get_ref().1.peer_certificates().unwrap()[0]);
    let fingerprint = server.fingerprint.clone().unwrap();
    assert_eq!(fingerprint.replace(':', ""), HEXUPPER.encode(&shown));
    let config: Value = serde_json::from_slice(server.get("/config.json", &[]).await.body()).unwrap();
    assert_eq!(config["certificateFingerprint"], fingerprint.as_str());
    assert_eq!(config["tlsPort"], server.tls_address.unwrap().port());
}

#[tokio::test]
async fn peers_meet_over_tls_and_in_clear() {
    let (directory, server) = secure().await;
    let certificate = directory.path().join("data/certificate.pem");
    let mut stream = tls(server.tls_address.unwrap(), &["http/1.1"], &certificate).await;
    // The stream is secured by hand; for the WebSocket it is just a stream.
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move { tokio::io::copy_bidirectional(&mut far, &mut stream).await });
    let (mut secure, _) = tokio_tungstenite::client_async("wss://localhost/x", near).await.unwrap();
    let mut clear = server.peer("clear").await;
    clear.announce("t", json!(1), "started", &[]).await;
    let announce = json!({"action": "announce", "info_hash": id("t"), "peer_id": id("s"),
        "offers": [{"offer": {}, "offer_id": "x"}]});
    secure.send(announce.to_string().into()).await.unwrap();
    let reply = secure.next().await.unwrap().unwrap().into_text().unwrap();
    assert!(reply.contains("\"incomplete\":2"), "{reply}");
    assert_eq!(clear.next().await["offer_id"], "x");
}

#[tokio::test]
async fn a_tracker_that_starts_again_shows_the_same_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let first = Server::start(config(directory.path())).await;
    let fingerprint = first.fingerprint.clone();
    first.stop().await;
    assert_eq!(Server::start(config(directory.path())).await.fingerprint, fingerprint);
    let mut other = config(directory.path());
    if let Some(TlsConfig { source: CertificateSource::Generated { names, .. }, .. }) = &mut other.tls {
        names.push("example.org".to_owned());
    }
    assert_ne!(Server::start(other).await.fingerprint, fingerprint, "another name needs another certificate");
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_used() {
    let (made, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let fingerprint = Server::start(config(made.path())).await.fingerprint;
    let source = CertificateSource::Files {
        certificate: made.path().join("certificate.pem"),
        key: made.path().join("key.pem"),
    };
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let files =
        Config { tls: Some(TlsConfig { listen, http1: FurtherPort::Auto, source }), ..Config::default() };
    assert_eq!(Server::start(files.clone()).await.fingerprint, fingerprint);
    Server::start(config(own.path())).await;
    let mixed = CertificateSource::Files {
        certificate: made.path().join("certificate.pem"),
        key: own.path().join("key.pem"),
    };
    let mixed = Config {
        tls: Some(TlsConfig { listen, http1: FurtherPort::Off, source: mixed }),
        ..Config::default()
    };
    let error = tracker::start(mixed).await.err().unwrap();
    assert!(error.to_string().contains("--key belongs to --cert"), "{error}");
    let shown = Config { files: Some(made.path().to_owned()), ..files };
    let error = tracker::start(shown).await.err().unwrap();
    assert!(error.to_string().contains("must stay private"), "{error}");
}

#[tokio::test]
async fn plain_http_on_the_tls_port_ends_without_harm() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (_directory, server) = secure().await;
    let mut stream = tokio::net::TcpStream::connect(server.tls_address.unwrap()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert_eq!(header(server.get("/health", &[]).await.headers(), "x-content-type-options"), "nosniff");
}

/// A certificate of its own, in files as an ACME client leaves them.
fn foreign(directory: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (directory.join("fullchain.pem"), directory.join("privkey.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_and_open_connections_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = foreign(directory.path());
    let source = CertificateSource::Files { certificate: certificate.clone(), key };
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config =
        Config { tls: Some(TlsConfig { listen, http1: FurtherPort::Auto, source }), ..Config::default() };
    let server = Server::start(config).await;
    let address = server.tls_address.unwrap();
    let stream = tls(address, &["http/1.1"], &certificate).await;
    let (socket, _) = tokio_tungstenite::client_async("wss://localhost/", stream).await.unwrap();
    let mut open = socket;
    let shown = async || -> String {
        let config = server.get("/config.json", &[]).await;
        serde_json::from_slice::<Value>(config.body()).unwrap()["certificateFingerprint"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = shown().await;
    // The chain without its key, as between two writes: nothing changes, and handshakes go on.
    let old = std::fs::read(&certificate).unwrap();
    let other = tempfile::tempdir().unwrap();
    let (others, others_key) = foreign(other.path());
    std::fs::copy(&others, &certificate).unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    assert_eq!(shown().await, first);
    let kept = other.path().join("old.pem");
    std::fs::write(&kept, old).unwrap();
    drop(tls(address, &["h2"], &kept).await);
    // And now the key.
    std::fs::copy(&others_key, directory.path().join("privkey.pem")).unwrap();
    let renewed = async {
        while shown().await == first {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, renewed)
        .await
        .expect("the certificate is never read again");
    for port in [address, server.tls_http1_address.unwrap()] {
        drop(tls(port, &["http/1.1"], &others).await);
    }
    let events = server.get("/api/events", &[]).await;
    let events: Value = serde_json::from_slice(events.body()).unwrap();
    let told: Vec<_> = events.as_array().unwrap().iter().filter(|it| it["kind"] == "certificate").collect();
    assert_eq!(told.len(), 2, "{events}");
    assert!(told[0]["text"].as_str().unwrap().ends_with("the one before stays in use"), "{events}");
    assert!(told[1]["text"].as_str().unwrap().ends_with(&shown().await), "{events}");
    open.send(json!({"action": "scrape", "info_hash": id("t")}).to_string().into()).await.unwrap();
    assert!(open.next().await.unwrap().unwrap().is_text());
}
