//! How long an offer is on its way from peer to peer.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use load::client::peer::{Peer, Route};
use serde::Serialize;
use tokio::time::sleep;

use super::servers::{Node, Redis};
use super::ws::{announce, answer};

/// Offers in a row that go one way; the ways take turns.
const IN_TURN: usize = 100;

/// Turns of each way.
const TURNS: usize = 8;

/// Times of offers from an announce that is sent to the offer that is received, and of answers on the way back.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) way: &'static str,
    pub(crate) round: u32,
    /// Milliseconds, in ascending order.
    pub(crate) offers: Vec<f64>,
    pub(crate) answers: Vec<f64>,
}

/// From Redis and back, as a node measures it, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct RoundTrip(pub(crate) f64);

pub(crate) async fn measure(tracker: &Path, round: u32) -> Result<(Vec<Latency>, RoundTrip)> {
    let redis = Redis::start()?;
    let nodes = Node::several(tracker, &redis, 3)?;
    let mut ways = Vec::new();
    for (way, to) in [("within a node", 0), ("from node to node", 1)] {
        let pair = Pair::open(&nodes[0], &nodes[to], format!("latency{to}")).await?;
        ways.push((pair, Latency { way, round, offers: Vec::new(), answers: Vec::new() }));
    }
    for _ in 0..TURNS {
        for (pair, latency) in &mut ways {
            for _ in 0..IN_TURN {
                let (offer, answer) = pair.meet().await?;
                latency.offers.push(offer.as_secs_f64() * 1e3);
                latency.answers.push(answer.as_secs_f64() * 1e3);
            }
        }
    }
    let mut latencies: Vec<_> = ways.into_iter().map(|(_, latency)| latency).collect();
    for latency in &mut latencies {
        latency.offers.sort_by(f64::total_cmp);
        latency.answers.sort_by(f64::total_cmp);
    }
    Ok((latencies, RoundTrip(nodes[0].number("roundTripMicroseconds")?)))
}

/// Two peers that are alone in their swarm.
struct Pair {
    torrent: String,
    sender: Peer,
    receiver: Peer,
    number: u64,
}

impl Pair {
    async fn open(from: &Node, to: &Node, torrent: String) -> Result<Self> {
        let peer =
            async |node: &Node| Peer::open(&Route::clear(node.http), Ipv4Addr::LOCALHOST.into(), None).await;
        let mut receiver = peer(to).await?;
        receiver.send_text(announce(&torrent, "receiver", 0, 0)).await?;
        receiver.with("interval").await?;
        let mut sender = peer(from).await?;
        loop {
            sender.send_text(announce(&torrent, "sender", 0, 0)).await?;
            if sender.with("interval").await?["incomplete"] == 2 {
                return Ok(Self { torrent, sender, receiver, number: 0 });
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// An offer and its answer.
    async fn meet(&mut self) -> Result<(Duration, Duration)> {
        self.number += 1;
        let message = announce(&self.torrent, "sender", 1, self.number);
        let sent = Instant::now();
        self.sender.send_text(message).await?;
        let offer = self.receiver.heard().await?;
        let offered = sent.elapsed();
        ensure!(offer.get("offer").is_some(), "expected an offer, got {offer}");
        let message = answer("receiver", &offer);
        let sent = Instant::now();
        self.receiver.send_text(message).await?;
        self.sender.with("answer").await?;
        Ok((offered, sent.elapsed()))
    }
}
