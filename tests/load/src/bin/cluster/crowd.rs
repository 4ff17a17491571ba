//! Peers that behave as programs do when their tracker is gone, somebody who tries to reach them all the time, and somebody who
//! counts them.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use load::client::http::Connection;
use load::client::peer::{Peer, Route, id};
use load::client::udp::Udp;
use shared::id::{InfoHash, PeerId};
use shared::rng::Rng;
use shared::tracker::AnnounceRequest;
use shared::tracker::announce::Event;
use shared::tracker::http::{announce_url, parse_announce_reply};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::ws::{announce, answer};

/// Swarms of those who are reached over WebSocket, and at an address.
pub(crate) const SOCKETS: &str = "sockets";
pub(crate) const ADDRESSES: &str = "addresses";

/// As a page: between three quarters and five quarters of a second after its socket broke it connects anew.
const RECONNECT_MS: (u64, u64) = (750, 500);

/// As clients over UDP that have several trackers: who gets no reply in this time asks the next.
const UDP_WITHIN: Duration = Duration::from_secs(2);

/// Offers of one announce of who tries to reach the others, and the time between two.
const OFFERS: usize = 10;
const TRY_EVERY: Duration = Duration::from_millis(50);

/// When each peer was answered at another node after its own was gone.
pub(crate) type Back = Arc<Mutex<Vec<Instant>>>;

/// One that is reached over WebSocket: it answers offers, and goes to the next node when its own is gone.
pub(crate) async fn over_socket(nodes: Arc<Vec<SocketAddr>>, home: usize, name: String, back: Back) {
    let mut rng = Rng::from_seed([home as u8; 32]).fork(&name);
    let mut at = home;
    loop {
        // Whatever the reason is that it ends: the next node.
        let _ = stay(nodes[at], &name, (at != home).then_some(&back)).await;
        at = (at + 1) % nodes.len();
        sleep(Duration::from_millis(RECONNECT_MS.0 + rng.below(RECONNECT_MS.1))).await;
    }
}

async fn stay(node: SocketAddr, name: &str, back: Option<&Back>) -> Result<()> {
    let mut peer = Peer::open(&Route::clear(node), Ipv4Addr::LOCALHOST.into(), None).await?;
    peer.announce(SOCKETS, name, "started", &[]).await?;
    peer.with("interval").await?;
    if let Some(back) = back {
        back.lock().await.push(Instant::now());
    }
    loop {
        let heard = peer.heard().await?;
        if heard.get("offer").is_some() {
            peer.send_text(answer(name, &heard)).await?;
        }
    }
}

/// One that is reached at an address: it announces at its interval, to the next node if there is no reply.
pub(crate) async fn at_address(
    nodes: Arc<Vec<SocketAddr>>,
    home: usize,
    port: u16,
    interval: Duration,
    back: Back,
) {
    let mut rng = Rng::from_seed([9; 32]).fork(&port.to_string());
    // The first interval is a part of one, so that all are spread over it from then on.
    let mut wait = interval.mul_f64(rng.below(1_000) as f64 / 1e3);
    let (mut at, mut moved) = (home, false);
    loop {
        let told = async {
            let client = Udp::connect(Ipv4Addr::LOCALHOST.into(), nodes[at]).await?;
            client.announce(member(port)).await
        };
        if matches!(timeout(UDP_WITHIN, told).await, Ok(Ok(_))) {
            if at != home && !std::mem::replace(&mut moved, true) {
                back.lock().await.push(Instant::now());
            }
            sleep(wait).await;
            wait = interval;
        } else {
            at = (at + 1) % nodes.len();
            sleep(Duration::from_millis(20)).await;
        }
    }
}

fn member(port: u16) -> AnnounceRequest {
    let twenty = |text: &str| -> [u8; 20] { id(text).as_bytes().try_into().unwrap_or([0; 20]) };
    AnnounceRequest {
        info_hash: InfoHash(twenty(ADDRESSES)),
        peer_id: PeerId(twenty(&port.to_string())),
        port,
        uploaded: 0,
        downloaded: 0,
        left: Some(1),
        event: Event::Update,
        wanted: None,
        key: 0,
        tracker_id: None,
    }
}

/// Peers of both kinds, as many at each node.
pub(crate) struct Crowd {
    _tasks: JoinSet<()>,
    pub(crate) sockets_back: Back,
    pub(crate) addresses_back: Back,
}

impl Crowd {
    pub(crate) fn open(http: &[SocketAddr], udp: &[SocketAddr], each: usize, interval: Duration) -> Self {
        let (sockets_back, addresses_back) = (Back::default(), Back::default());
        let mut tasks = JoinSet::new();
        let (http, udp) = (Arc::new(http.to_vec()), Arc::new(udp.to_vec()));
        for number in 0..each * http.len() {
            let home = number % http.len();
            tasks.spawn(over_socket(http.clone(), home, format!("peer{number}"), sockets_back.clone()));
            let port = 2_000 + number as u16;
            tasks.spawn(at_address(udp.clone(), home, port, interval, addresses_back.clone()));
        }
        Self { _tasks: tasks, sockets_back, addresses_back }
    }
}

/// Somebody who asks one node how many it knows, without joining.
pub(crate) struct Watcher(Connection);

impl Watcher {
    pub(crate) async fn open(node: SocketAddr) -> Result<Self> {
        Ok(Self(Connection::open(node).await?))
    }

    /// Members of a swarm.
    pub(crate) async fn count(&mut self, torrent: &str) -> Result<u32> {
        let mut request = member(0);
        request.info_hash = InfoHash(id(torrent).as_bytes().try_into().context("an id has 20 bytes")?);
        let reply = parse_announce_reply(&self.0.get(&announce_url("/announce", &request)).await?)?;
        Ok(reply.complete.unwrap_or(0) + reply.incomplete.unwrap_or(0))
    }
}

/// When an offer was made, and when it was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Try {
    pub(crate) made: Instant,
    pub(crate) answered: Option<Instant>,
}

/// What somebody saw who made offers all the time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tries {
    pub(crate) offers: Vec<Try>,
    /// Announces: when they were sent, and when the response came.
    pub(crate) announces: Vec<Try>,
}

/// Makes offers to the swarm from a node that stays, for ever; what came of them is in `tries`.
pub(crate) async fn try_all_the_time(node: SocketAddr, tries: Arc<Mutex<Tries>>) -> Result<()> {
    let mut peer = Peer::open(&Route::clear(node), Ipv4Addr::LOCALHOST.into(), None).await?;
    let mut waiting: HashMap<String, usize> = HashMap::new();
    let (mut number, mut next) = (0, Instant::now());
    loop {
        if next <= Instant::now() {
            next = Instant::now() + TRY_EVERY;
            number += 1;
            let message = announce(SOCKETS, "prober", OFFERS, number);
            {
                let mut tries = tries.lock().await;
                let made = Instant::now();
                for at in 0..OFFERS {
                    waiting.insert(id(&format!("{number}.{at}")), tries.offers.len());
                    tries.offers.push(Try { made, answered: None });
                }
                tries.announces.push(Try { made, answered: None });
            }
            peer.send_text(message).await?;
        }
        let Ok(heard) = timeout(next.saturating_duration_since(Instant::now()), peer.heard()).await else {
            continue;
        };
        let heard = heard?;
        let mut tries = tries.lock().await;
        if heard.get("answer").is_some() {
            let at = heard["offer_id"].as_str().and_then(|name| waiting.remove(name));
            if let Some(offer) = at.and_then(|at| tries.offers.get_mut(at)) {
                offer.answered = Some(Instant::now());
            }
        } else if heard.get("interval").is_some()
            && let Some(first) = tries.announces.iter_mut().find(|announce| announce.answered.is_none())
        {
            first.answered = Some(Instant::now());
        }
    }
}
