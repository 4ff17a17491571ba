//! Offers from peer to peer, and what happens to peers when a node is killed.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::servers::{Node, Redis};
use super::start;

/// Offers that are timed: within what a socket may send at once.
const OFFERS: usize = 800;

/// Peers at each node that are there when one is killed.
const PEERS: usize = 100;

/// A session description of usual length.
const SDP: usize = 1_500;

struct Peer {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    id: String,
}

impl Peer {
    async fn at(node: &Node, name: &str) -> Result<Self> {
        let (socket, _) = tokio_tungstenite::connect_async(format!("ws://{}/", node.http)).await?;
        Ok(Self { socket, id: format!("{name:.<20}") })
    }

    async fn announce(&mut self, torrent: &str, offers: usize) -> Result<()> {
        let offer = json!({
            "offer": {"type": "offer", "sdp": "x".repeat(SDP)}, "offer_id": format!("{:.<20}", "o"),
        });
        let message = json!({
            "action": "announce", "info_hash": format!("{torrent:.<20}"), "peer_id": self.id, "left": 1,
            "event": "started", "numwant": offers, "offers": vec![offer; offers], "uploaded": 0, "downloaded": 0,
        });
        self.socket.send(Message::text(message.to_string())).await?;
        Ok(())
    }

    async fn next(&mut self) -> Result<Value> {
        loop {
            let message =
                timeout(Duration::from_secs(10), self.socket.next()).await.context("nothing came")?;
            if let Message::Text(text) = message.context("the connection ended")?? {
                return Ok(serde_json::from_str(&text)?);
            }
        }
    }

    /// How many members it is told that a swarm has.
    async fn count(&mut self, torrent: &str) -> Result<u64> {
        self.announce(torrent, 0).await?;
        let reply = self.next().await?;
        Ok(reply["incomplete"].as_u64().unwrap_or(0) + reply["complete"].as_u64().unwrap_or(0))
    }
}

pub(crate) async fn latency(tracker: &Path) -> Result<()> {
    let redis = Redis::start()?;
    let nodes = start(tracker, &redis, 3)?;
    for (name, to) in [("within one node", 0), ("from node to node", 1)] {
        let torrent = format!("latency{to}");
        let mut receiver = Peer::at(&nodes[to], "receiver").await?;
        receiver.announce(&torrent, 0).await?;
        receiver.next().await?;
        let mut sender = Peer::at(&nodes[0], "sender").await?;
        while sender.count(&torrent).await? < 2 {
            sleep(Duration::from_millis(50)).await;
        }
        let mut times = Vec::with_capacity(OFFERS);
        for _ in 0..OFFERS {
            let sent = Instant::now();
            sender.announce(&torrent, 1).await?;
            let offer = receiver.next().await?;
            times.push(sent.elapsed());
            if offer["offer"].is_null() {
                bail!("no offer: {offer}");
            }
            sender.next().await?;
        }
        times.sort_unstable();
        let at = |permille: usize| times[(times.len() - 1) * permille / 1_000].as_secs_f64() * 1e3;
        println!(
            "{name:<18} p50 {:.3}  p90 {:.3}  p99 {:.3}  most {:.3}",
            at(500),
            at(900),
            at(990),
            at(1_000)
        );
    }
    println!("to Redis and back, one of these nodes: {} us", nodes[0].number("roundTripMicroseconds")?);
    Ok(())
}

pub(crate) async fn kill(tracker: &Path) -> Result<()> {
    let redis = Redis::start()?;
    let mut nodes = start(tracker, &redis, 3)?;
    let mut peers = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        for peer in 0..PEERS {
            let mut peer = Peer::at(node, &format!("n{number}p{peer}")).await?;
            peer.announce("kill", 0).await?;
            peer.next().await?;
            peers.push(peer);
        }
    }
    let all = (PEERS * nodes.len()) as u64;
    let mut watcher = Peer::at(&nodes[1], "watcher").await?;
    until(&mut watcher, all + 1).await?;
    let mut killed = nodes.remove(0);
    killed.kill();
    let start = Instant::now();
    // As a page does: its socket breaks, and it connects to the next tracker of its list.
    for (number, peer) in peers[..PEERS].iter_mut().enumerate() {
        let id = peer.id.clone();
        *peer = Peer::at(&nodes[number % nodes.len()], id.trim_end_matches('.')).await?;
        peer.announce("kill", 0).await?;
        peer.next().await?;
    }
    println!("{PEERS} peers are at other nodes after {:.2} s", start.elapsed().as_secs_f64());
    until(&mut watcher, all + 1).await?;
    println!(
        "the dead node's {PEERS} are gone after {:.2} s; of {all} peers {all} are known, none is known twice",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

async fn until(watcher: &mut Peer, members: u64) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let count = watcher.count("watch").await.and(watcher.count("kill").await)?;
        if count == members {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{count} members are known, not {members}");
        }
        sleep(Duration::from_millis(50)).await;
    }
}
