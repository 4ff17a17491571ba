//! The page and what comes with it.

use std::path::Path;

use data_encoding::BASE64;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tracker::config::{Config, FurtherPort};

use crate::support::{Server, header};

const SCRIPT: &str = "\nimport init from '/app-0123456789abcdef.js';\ninit('<é>');\n";

async fn built() -> (TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    let index = format!(
        "<!doctype html><script type=\"module\">{SCRIPT}</script><script src=\"/theme.js\"></script>"
    );
    for (name, text) in [
        ("index.html", index.as_str()),
        ("app-0123456789abcdef.js", "plain"),
        ("app-0123456789abcdef.js.br", "brotli"),
        ("app-0123456789abcdef.js.gz", "gzip"),
        ("app-0123456789abcdef_bg.wasm", "wasm"),
        ("engine_loader.js", "worker"),
        ("sw.js", "service worker"),
        (".secret", "secret"),
    ] {
        write(name, text);
    }
    std::fs::create_dir(directory.path().join("icons")).unwrap();
    write("icons/0.svg", "<svg/>");
    let server = Server::start(Config { page: Some(directory.path().to_owned()), ..Config::default() }).await;
    (directory, server)
}

#[tokio::test]
async fn the_policy_names_the_inline_script_by_hash() {
    let (_directory, server) = built().await;
    let hash = format!("'sha256-{}'", BASE64.encode(&Sha256::digest(SCRIPT)));
    for path in ["/", "/index.html", "/engine_loader.js", "/sw.js", "/icons/0.svg"] {
        let response = server.get(path, &[]).await;
        assert_eq!(response.status(), 200, "{path}");
        let policy = header(response.headers(), "content-security-policy");
        let scripts = policy.split("; ").find(|directive| directive.starts_with("script-src ")).unwrap();
        assert_eq!(scripts, format!("script-src 'self' 'wasm-unsafe-eval' {hash}"), "{path}");
        assert!(!policy.contains("'unsafe-inline'") && policy.contains("worker-src 'self'"), "{policy}");
        assert_eq!(header(response.headers(), "x-content-type-options"), "nosniff");
        assert_eq!(header(response.headers(), "referrer-policy"), "no-referrer");
    }
}

#[tokio::test]
async fn hashed_names_are_kept_and_others_are_asked_for_again() {
    let (directory, server) = built().await;
    for path in ["/app-0123456789abcdef.js", "/app-0123456789abcdef_bg.wasm"] {
        let response = server.get(path, &[]).await;
        assert!(header(response.headers(), "cache-control").contains("immutable"), "{path}");
    }
    for path in ["/", "/engine_loader.js", "/sw.js"] {
        let response = server.get(path, &[]).await;
        assert_eq!(header(response.headers(), "cache-control"), "no-cache", "{path}");
        let etag = header(response.headers(), "etag");
        let again = server.get(path, &[("if-none-match", &etag)]).await;
        assert_eq!((again.status().as_u16(), again.body().len()), (304, 0), "{path}");
    }
    let etag = header(server.get("/sw.js", &[]).await.headers(), "etag");
    std::fs::write(directory.path().join("sw.js"), "another").unwrap();
    assert_eq!(server.get("/sw.js", &[("if-none-match", &etag)]).await.status(), 200);
}

#[tokio::test]
async fn what_was_compressed_is_sent_to_who_takes_it() {
    let (_directory, server) = built().await;
    let mut tags = Vec::new();
    for (accepted, coding, body) in [
        ("gzip, deflate, br, zstd", "br", "brotli"),
        ("gzip, br;q=0", "gzip", "gzip"),
        ("identity", "", "plain"),
        ("", "", "plain"),
    ] {
        let response = server.get("/app-0123456789abcdef.js", &[("accept-encoding", accepted)]).await;
        assert_eq!(header(response.headers(), "content-encoding"), coding, "{accepted}");
        assert_eq!(&response.body()[..], body.as_bytes());
        assert_eq!(header(response.headers(), "content-type"), "text/javascript; charset=utf-8");
        assert_eq!(header(response.headers(), "vary"), "accept-encoding");
        tags.push(header(response.headers(), "etag"));
    }
    tags.dedup();
    assert_eq!(tags.len(), 3, "each encoding has a tag of its own: {tags:?}");
    let wasm = server.get("/app-0123456789abcdef_bg.wasm", &[("accept-encoding", "br")]).await;
    assert_eq!(
        (header(wasm.headers(), "content-type").as_str(), &wasm.body()[..]),
        ("application/wasm", &b"wasm"[..])
    );
}

#[tokio::test]
async fn unknown_paths_get_a_page_that_says_so() {
    let (_directory, server) = built().await;
    for path in [
        "/missing",
        "/.secret",
        "/%2esecret",
        "/../Cargo.toml",
        "/icons",
        "/icons/",
        "/icons/../sw.js",
        "/a/b/c",
    ] {
        let response = server.get(path, &[]).await;
        assert_eq!(response.status(), 404, "{path}");
        assert!(String::from_utf8_lossy(response.body()).contains("<h1>Nothing here</h1>"), "{path}");
    }
    assert_eq!(server.request("POST", "/", &[]).await.status(), 405);
}

#[tokio::test]
async fn a_page_that_was_not_built_says_how_to() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(Config { page: Some(directory.path().to_owned()), ..Config::default() }).await;
    let response = server.get("/", &[]).await;
    assert_eq!(response.status(), 503);
    assert!(String::from_utf8_lossy(response.body()).contains("cargo xtask build"));
    let missing = Config { page: Some(Path::new("/nowhere/at/all").to_owned()), ..Config::default() };
    let error = tracker::start(missing).await.err().unwrap();
    assert!(error.to_string().starts_with("--page /nowhere/at/all:"), "{error}");
}

#[tokio::test]
async fn the_page_is_told_what_it_must_know() {
    let server = Server::start(Config::default()).await;
    let config: Value = serde_json::from_slice(server.get("/config.json", &[]).await.body()).unwrap();
    let own = json!({"urls": format!("stun:localhost:{}", server.udp_address.unwrap().port())});
    assert_eq!(config["iceServers"], json!([own]));
    assert_eq!(config["announcePath"], "/announce");
    assert_eq!(config["tlsPort"], Value::Null);
    let ice_servers = vec![json!({"urls": "stun:192.0.2.1:3478"})];
    let stun = FurtherPort::Off;
    let server = Server::start(Config { ice_servers: ice_servers.clone(), stun, ..Config::default() }).await;
    let config: Value = serde_json::from_slice(server.get("/config.json", &[]).await.body()).unwrap();
    assert_eq!(config["iceServers"], json!(ice_servers));
}
