//! Who and what may use the tracker, over each of its protocols.

use std::path::{Path, PathBuf};

use serde_json::json;
use shared::id::InfoHash;
use shared::tracker::Event;
use shared::tracker::http::{ReplyError, parse_scrape_reply, scrape_url};
use shared::tracker::udp::client::{Ask, Reply, UdpClientError};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tracker::access::AccessArgs;
use tracker::config::Config;

use crate::http_announce::{announce, request};
use crate::support::{Server, id};
use crate::udp_announce::Client;

fn hash(torrent: &str) -> InfoHash {
    InfoHash(id(torrent).as_bytes().try_into().unwrap())
}

fn list(directory: &Path, name: &str, lines: &[String]) -> Option<PathBuf> {
    let path = directory.join(name);
    // As editors do: a new file takes the place of the old one.
    std::fs::write(directory.join("new"), lines.join("\n")).unwrap();
    std::fs::rename(directory.join("new"), &path).unwrap();
    Some(path)
}

async fn with(access: AccessArgs) -> Server {
    Server::start(Config { access, ..Config::default() }).await
}

#[tokio::test]
async fn a_torrent_that_is_not_served_is_refused_with_the_reason_over_every_protocol() {
    let directory = tempfile::tempdir().unwrap();
    let deny_list = list(directory.path(), "deny", &[format!("{} # on request", hash("bad"))]);
    let server = with(AccessArgs { deny_list, ..AccessArgs::default() }).await;
    let reason = "this torrent is blocked on this tracker";

    let mut peer = server.peer("a").await;
    let refused = peer.announce("bad", json!(1), "started", &[]).await;
    assert_eq!((&refused["failure reason"], &refused["info_hash"]), (&json!(reason), &json!(id("bad"))));
    assert_eq!(peer.announce("good", json!(1), "started", &[]).await["incomplete"], 1);
    peer.send(json!({"action": "scrape", "info_hash": id("bad")})).await;
    assert_eq!(peer.next().await["failure reason"], reason);
    peer.send(json!({"action": "scrape", "info_hash": [id("bad"), id("good")]})).await;
    let scraped = peer.next().await;
    assert_eq!(scraped["files"].as_object().unwrap().len(), 1, "{scraped}");

    let failed = announce(&server, &request("bad", "b", 1, 1, Event::Started)).await;
    assert!(matches!(&failed, Err(ReplyError::Failure { reason: said, .. }) if said == reason), "{failed:?}");
    announce(&server, &request("good", "b", 1, 1, Event::Started)).await.unwrap();
    let scrape = async |torrents: &[&str]| {
        let hashes: Vec<_> = torrents.iter().map(|torrent| hash(torrent)).collect();
        let reply = server.get(&scrape_url("/announce", &hashes).unwrap(), &[]).await;
        parse_scrape_reply(reply.body()).map(|reply| reply.len())
    };
    assert!(matches!(scrape(&["bad"]).await, Err(ReplyError::Failure { .. })));
    assert_eq!(scrape(&["bad", "good"]).await.unwrap(), 1);

    let client = Client::new(&server).await;
    let failed = client.ask(Ask::Announce(Box::new(request("bad", "c", 2, 1, Event::Started)))).await;
    assert!(matches!(&failed, Err(UdpClientError::Refused(said)) if said == reason), "{failed:?}");
    let failed = client.ask(Ask::Scrape(vec![hash("bad")])).await;
    assert!(matches!(&failed, Err(UdpClientError::Refused(said)) if said == reason), "{failed:?}");
    let Ok(Reply::Scrape(counts)) = client.ask(Ask::Scrape(vec![hash("bad"), hash("good")])).await else {
        panic!("no scrape");
    };
    assert_eq!((counts[0].incomplete, counts[1].incomplete), (0, 2));

    server.until_rejected("torrent_denied", 6).await;
}

#[tokio::test]
async fn a_list_that_changes_is_in_force_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let allow_list = list(directory.path(), "allow", &[hash("one").to_string()]);
    let server = with(AccessArgs { allow_list, ..AccessArgs::default() }).await;
    let mut peer = server.peer("a").await;
    assert_eq!(peer.announce("one", json!(1), "started", &[]).await["incomplete"], 1);
    let refused = peer.announce("two", json!(1), "started", &[]).await;
    assert_eq!(
        refused["failure reason"],
        "this torrent is not on the list of those that this tracker serves"
    );
    list(directory.path(), "allow", &["nonsense".to_owned()]);
    list(directory.path(), "allow", &[hash("two").to_string()]);
    let served = async {
        while peer.announce("two", json!(1), "started", &[]).await["incomplete"] != 1 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, served).await.expect("the list is never read again");
    assert!(peer.announce("one", json!(1), "", &[]).await["failure reason"].is_string());
}

/// Who is in a swarm when its torrent is denied stays a member until its time is over.
#[tokio::test]
async fn a_scrape_of_all_leaves_out_what_is_denied_since() {
    let directory = tempfile::tempdir().unwrap();
    let deny_list = list(directory.path(), "deny", &[]);
    let server = with(AccessArgs { deny_list, ..AccessArgs::default() }).await;
    let mut peer = server.peer("a").await;
    peer.announce("one", json!(1), "started", &[]).await;
    peer.announce("two", json!(1), "started", &[]).await;
    let mut scraped = async || {
        peer.send(json!({"action": "scrape"})).await;
        let reply = peer.next().await;
        let over_http = server.get("/scrape", &[]).await;
        (reply["files"].as_object().unwrap().len(), parse_scrape_reply(over_http.body()).unwrap().len())
    };
    assert_eq!(scraped().await, (2, 2));
    list(directory.path(), "deny", &[hash("one").to_string()]);
    let denied = async {
        loop {
            match scraped().await {
                (1, 1) => return,
                counts => assert!(counts.0 == 2 || counts.1 == 1, "{counts:?}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, denied).await.expect("it is still told of");
}

#[tokio::test]
async fn an_address_that_is_denied_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let deny_addresses = list(directory.path(), "deny", &["127.0.0.0/8".to_owned()]);
    let server = with(AccessArgs { deny_addresses, ..AccessArgs::default() }).await;
    let reason = "your address is blocked on this tracker";
    let failed = announce(&server, &request("t", "b", 1, 1, Event::Started)).await;
    assert!(matches!(&failed, Err(ReplyError::Failure { reason: said, .. }) if said == reason), "{failed:?}");
    let client = Client::new(&server).await;
    let failed = client.ask(Ask::Announce(Box::new(request("t", "c", 2, 1, Event::Started)))).await;
    assert!(matches!(&failed, Err(UdpClientError::Refused(said)) if said == reason), "{failed:?}");
    let refused = tokio_tungstenite::connect_async(format!("ws://{}/", server.address)).await.unwrap_err();
    assert!(refused.to_string().contains("403"), "{refused}");
    let page = server.get("/health", &[]).await;
    assert_eq!((page.status().as_u16(), &page.body()[..]), (403, format!("{reason}\n").as_bytes()));
}

#[tokio::test]
async fn a_page_of_another_origin_opens_no_socket() {
    let allow_origins = vec!["https://example.org".to_owned()];
    let server = with(AccessArgs { allow_origins, ..AccessArgs::default() }).await;
    let open = async |origin: &str| {
        let mut request = format!("ws://{}/", server.address).into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        tokio_tungstenite::connect_async(request).await.map(drop)
    };
    let refused = open("https://evil.example").await.unwrap_err();
    assert!(refused.to_string().contains("403"), "{refused}");
    open("https://example.org").await.unwrap();
    open(&format!("http://{}", server.address)).await.unwrap();
    drop(server.peer("no browser").await);
    server.until_rejected("origin_denied", 1).await;
}
