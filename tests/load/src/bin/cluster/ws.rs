//! Peers over WebSocket that announce with offers, and answer those that they get.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use load::client::peer::{Peer, Route, id};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep, timeout};

use super::servers::Node;
use super::throughput::{Done, Mix};

/// Peers, in swarms of 20.
const PEERS: usize = 120;
const PER_SWARM: usize = 20;

/// Offers of each announce.
pub(crate) const OFFERS: usize = 10;

/// Bytes of a session description as browsers write it with some candidates.
pub(crate) const SDP: usize = 1_500;

/// Who has not all answers by then announces again.
const ROUND_WITHIN: Duration = Duration::from_millis(500);

/// Until all are connected, and the first answers have come.
const RAMP: Duration = Duration::from_secs(1);

/// Messages of a node's peers.
#[derive(Debug, Default)]
struct Counts {
    announces: AtomicU64,
    offers: AtomicU64,
    answers: AtomicU64,
    others: AtomicU64,
}

impl Counts {
    fn now(&self) -> Mix {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Mix {
            announces: of(&self.announces),
            offers: of(&self.offers),
            answers: of(&self.answers),
            others: of(&self.others),
        }
    }
}

/// Peers that are busy whenever [`Self::run`] is.
pub(crate) struct Crowd {
    runtime: Runtime,
    counts: Vec<Arc<Counts>>,
}

impl Crowd {
    pub(crate) fn open(nodes: &[Node]) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let counts: Vec<Arc<Counts>> = nodes.iter().map(|_| Arc::default()).collect();
        for number in 0..PEERS {
            // Each swarm is spread over all nodes.
            let at = number % nodes.len();
            let swarm = format!("offers{}", number / PER_SWARM);
            let busy = busy(nodes[at].http, swarm, format!("peer{number}"), counts[at].clone());
            runtime.spawn(async move {
                if let Err(error) = busy.await {
                    eprintln!("a peer ended: {error:#}");
                }
            });
        }
        let crowd = Self { runtime, counts };
        crowd.run(RAMP);
        Ok(crowd)
    }

    pub(crate) fn run(&self, time: Duration) {
        self.runtime.block_on(async { sleep(time).await });
    }

    /// Messages of each node so far.
    pub(crate) fn done(&self) -> Vec<Mix> {
        self.counts.iter().map(|counts| counts.now()).collect()
    }
}

/// What came between two moments.
pub(crate) fn between(before: &[Mix], after: &[Mix]) -> Done {
    let mut done = Done::new(before.len());
    for (at, (before, after)) in before.iter().zip(after).enumerate() {
        done.responses[at] = after.all() - before.all();
        done.mix.announces += after.announces - before.announces;
        done.mix.offers += after.offers - before.offers;
        done.mix.answers += after.answers - before.answers;
        done.mix.others += after.others - before.others;
    }
    done
}

/// Announces, waits for the response and all answers, and so on; answers whatever offers come meanwhile.
async fn busy(node: SocketAddr, swarm: String, name: String, counts: Arc<Counts>) -> Result<()> {
    let mut peer = Peer::open(&Route::clear(node), Ipv4Addr::LOCALHOST.into(), None).await?;
    let (mut number, mut waits, mut replied) = (0, 0, true);
    let mut deadline = Instant::now();
    loop {
        if (replied && waits == 0) || deadline <= Instant::now() {
            number += 1;
            peer.send_text(announce(&swarm, &name, OFFERS, number)).await?;
            // The first ones come before there is anybody to answer them.
            (waits, replied) = (OFFERS, false);
            deadline = Instant::now() + ROUND_WITHIN;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(heard) = timeout(left, peer.heard()).await else { continue };
        let heard = heard?;
        let count = if heard.get("offer").is_some() {
            peer.send_text(answer(&name, &heard)).await?;
            &counts.offers
        } else if heard.get("answer").is_some() {
            waits = waits.saturating_sub(1);
            &counts.answers
        } else if heard.get("interval").is_some() {
            replied = true;
            &counts.announces
        } else {
            &counts.others
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// An announce with so many offers, whose names hold a number.
pub(crate) fn announce(swarm: &str, name: &str, offers: usize, number: u64) -> String {
    let sdp = "x".repeat(SDP);
    let offer = |at: usize| {
        let offer_id = id(&format!("{number}.{at}"));
        json!({"offer": {"type": "offer", "sdp": sdp}, "offer_id": offer_id})
    };
    json!({
        "action": "announce", "info_hash": id(swarm), "peer_id": id(name), "left": 1, "uploaded": 0, "downloaded": 0,
        "numwant": offers, "offers": (0..offers).map(offer).collect::<Vec<_>>(),
    })
    .to_string()
}

/// The answer to an offer.
pub(crate) fn answer(name: &str, offer: &Value) -> String {
    json!({
        "action": "announce", "info_hash": offer["info_hash"], "peer_id": id(name), "to_peer_id": offer["peer_id"],
        "offer_id": offer["offer_id"], "answer": {"type": "answer", "sdp": "x".repeat(SDP)},
    })
    .to_string()
}
