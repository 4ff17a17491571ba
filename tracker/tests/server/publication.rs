//! The files as torrents.

use std::fs;
use std::path::Path;

use serde_json::Value;
use shared::magnet::Link;
use shared::metainfo::Metainfo;
use shared::metainfo::builder::Builder;
use tempfile::TempDir;
use tracker::config::Config;

use crate::support::{PATIENCE, Server, header};

async fn serving(files: &[(&str, &[u8])]) -> (TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    for (name, contents) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
    let config = Config { files: Some(directory.path().to_owned()), ..Config::default() };
    (directory, Server::start(config).await)
}

async fn torrent(server: &Server, path: &str) -> Metainfo {
    let response = server.get(path, &[("host", &server.address.to_string())]).await;
    assert_eq!(response.status(), 200, "{}", String::from_utf8_lossy(response.body()));
    assert_eq!(header(response.headers(), "content-type"), "application/x-bittorrent");
    Metainfo::parse(response.body()).unwrap()
}

/// The entry of this name, once it is hashed.
async fn entry(server: &Server, directory: &str, name: &str) -> Value {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let address = server.address.to_string();
        let response = server.get(&format!("/files/{directory}?format=json"), &[("host", &address)]).await;
        let list: Vec<Value> = serde_json::from_slice(response.body()).unwrap();
        let found = list.into_iter().find(|entry| entry["name"] == name).unwrap();
        if found["hashed"].is_null() {
            return found;
        }
        assert!(
            found["hashed"].as_u64().unwrap() <= 100 && tokio::time::Instant::now() < deadline,
            "{found}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_file_has_a_torrent_that_leads_back_here() {
    let contents: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
    let (_directory, server) = serving(&[("sub/ü 1.bin", &contents)]).await;
    let metainfo = torrent(&server, "/torrents/sub/%C3%BC%201.bin.torrent").await;
    assert_eq!((metainfo.name(), metainfo.layout().total()), ("ü 1.bin", 300_000));
    assert_eq!(metainfo.layout().piece_length(), shared::metainfo::builder::piece_length(300_000));
    let at = server.address;
    assert_eq!(metainfo.web_seeds(), [format!("http://{at}/files/sub/%C3%BC%201.bin")]);
    let trackers = ["ws", "http", "udp"].map(|scheme| format!("{scheme}://{at}/announce"));
    assert_eq!(metainfo.trackers(), trackers);
    let fetched = server.get("/files/sub/%C3%BC%201.bin", &[]).await;
    assert_eq!(fetched.body()[..], contents[..]);
    // The info-hash is the one that the same file has on the page.
    let mut builder = Builder::new(None, &[(vec!["ü 1.bin".to_owned()], 300_000)]).unwrap();
    for piece in builder.layout().all_pieces() {
        builder.set_hash(piece, *metainfo.piece_hash(piece));
    }
    assert_eq!(builder.finish().unwrap().info_hash(), metainfo.info_hash());

    let entry = entry(&server, "sub/", "ü 1.bin").await;
    assert_eq!(entry["infoHash"], metainfo.info_hash().to_string());
    assert_eq!(entry["torrent"], "/torrents/sub/%C3%BC%201.bin.torrent");
    let link = Link::parse(entry["magnet"].as_str().unwrap()).unwrap();
    assert_eq!((link.info_hash, link.length), (metainfo.info_hash(), Some(300_000)));
    assert_eq!((&link.trackers[..], &link.web_seeds[..]), (&trackers[..], metainfo.web_seeds()));
    assert_eq!(link.sources, [format!("http://{at}/torrents/sub/%C3%BC%201.bin.torrent")]);
    assert_eq!(Link::parse(entry["share"].as_str().unwrap()), Ok(link));
    assert!(entry["share"].as_str().unwrap().starts_with(&format!("http://{at}/#magnet:")));
    let page = server.get("/files/sub/", &[]).await;
    let page = String::from_utf8_lossy(page.body()).into_owned();
    assert!(
        page.contains("href=\"/torrents/sub/%C3%BC%201.bin.torrent\"") && page.contains("href=\"magnet:?"),
        "{page}"
    );
}

#[tokio::test]
async fn a_changed_file_is_another_torrent() {
    let (directory, server) = serving(&[("a", b"one")]).await;
    let path = "/torrents/a.torrent";
    let first = torrent(&server, path).await;
    assert_eq!(torrent(&server, path).await, first);
    replace(&directory.path().join("a"), b"two!");
    let second = torrent(&server, path).await;
    assert_ne!(second.info_hash(), first.info_hash());
    assert_eq!(second.layout().total(), 4);
    fs::remove_file(directory.path().join("a")).unwrap();
    assert_eq!(server.get(path, &[]).await.status(), 404);
}

fn replace(path: &Path, contents: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, contents).unwrap();
    fs::rename(new, path).unwrap();
}

#[tokio::test]
async fn what_is_not_served_has_no_torrent() {
    let (_directory, server) = serving(&[("empty", b""), (".hidden", b"x"), ("sub/x.torrent", b"y")]).await;
    for path in [
        "/torrents/none.torrent",
        "/torrents/.hidden.torrent",
        "/torrents/sub.torrent",
        "/torrents/sub/x",
        "/torrents/sub/x.torrent",
        "/torrents/../Cargo.toml.torrent",
        "/torrents/%2e%2e/Cargo.toml.torrent",
        "/torrents/sub%2Fx.torrent.torrent",
    ] {
        assert_eq!(server.get(path, &[]).await.status(), 404, "{path}");
    }
    let empty = server.get("/torrents/empty.torrent", &[]).await;
    assert_eq!(empty.status(), 422);
    assert_eq!(entry(&server, "", "empty").await["failed"], "it is empty");
    assert_eq!(torrent(&server, "/torrents/sub/x.torrent.torrent").await.name(), "x.torrent");
    let misled = server.get("/torrents/sub/x.torrent.torrent", &[("host", "evil.example")]).await;
    assert_eq!(misled.status(), 421);
    let without = Server::start(Config::default()).await;
    assert_eq!(without.get("/torrents/a.torrent", &[]).await.status(), 404);
}
