//! What is lost, and for how long, when a node or Redis is killed.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::crowd::{ADDRESSES, Crowd, SOCKETS, Tries, Watcher, try_all_the_time};
use super::report::quantile;
use super::servers::{Node, Redis};

/// Nodes of both.
const NODES: usize = 3;

/// Before anything happens.
const QUIET: Duration = Duration::from_secs(3);

/// An offer that is not answered in this time is lost.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Longest wait for anything.
const WITHIN: Duration = Duration::from_secs(90);

/// Offers of who tries to reach the others all the time, in one phase.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) offers: usize,
    pub(crate) unanswered: usize,
    /// Milliseconds from an announce to its response.
    pub(crate) response_p50: f64,
    pub(crate) response_p99: f64,
}

/// A node was killed, with a third of the peers. Seconds are since then.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Kill {
    pub(crate) round: u32,
    pub(crate) peers: usize,
    pub(crate) interval: f64,
    /// Its peers over WebSocket were answered by another node: half of them, and the last.
    pub(crate) sockets_back_p50: f64,
    pub(crate) sockets_back: f64,
    /// The others have forgotten the node, and its memberships with it.
    pub(crate) forgotten: f64,
    /// All peers over WebSocket are known at all nodes, each once.
    pub(crate) sockets_whole: f64,
    /// The same at addresses: the last was answered; fewest that were known; all are.
    pub(crate) addresses_back: f64,
    pub(crate) addresses_fewest: u32,
    pub(crate) addresses_whole: f64,
    pub(crate) phases: Vec<Phase>,
}

/// Redis was killed, and was back later. Seconds are since the one or the other.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outage {
    pub(crate) round: u32,
    pub(crate) peers: usize,
    pub(crate) lasted: f64,
    /// Each node knows its own peers only.
    pub(crate) local: f64,
    /// All are known at all nodes again, counted from when Redis listened.
    pub(crate) healed: f64,
    pub(crate) phases: Vec<Phase>,
}

/// Nodes, peers, and those who look.
struct Scene {
    redis: Redis,
    nodes: Vec<Node>,
    crowd: Crowd,
    all: u32,
    watchers: Vec<Watcher>,
    tries: Arc<Mutex<Tries>>,
    prober: AbortHandle,
}

impl Scene {
    async fn open(tracker: &Path, each: usize, interval: Duration, settle: Duration) -> Result<Self> {
        let redis = Redis::start()?;
        let nodes = Node::several(tracker, &redis, NODES)?;
        let of = |at: fn(&Node) -> SocketAddr| nodes.iter().map(at).collect::<Vec<_>>();
        let (http, udp) = (of(|node| node.http), of(|node| node.udp));
        let crowd = Crowd::open(&http, &udp, each, interval);
        let mut watchers = Vec::new();
        for node in &http {
            watchers.push(Watcher::open(*node).await?);
        }
        let tries = Arc::<Mutex<Tries>>::default();
        // The last node stays.
        let probing = try_all_the_time(http[NODES - 1], tries.clone());
        let prober = tokio::spawn(async move {
            if let Err(error) = probing.await {
                eprintln!("who makes offers ended: {error:#}");
            }
        });
        let (all, prober) = ((each * NODES) as u32, prober.abort_handle());
        let mut scene = Self { redis, nodes, crowd, all, watchers, tries, prober };
        scene
            .until("all peers are known", |sockets, addresses, all| sockets == all + 1 && addresses == all)
            .await?;
        sleep(settle).await;
        Ok(scene)
    }

    /// Waits until this holds for the members of both swarms at all nodes that are looked at; when it did.
    async fn until(&mut self, what: &str, holds: impl Fn(u32, u32, u32) -> bool) -> Result<Instant> {
        let begun = Instant::now();
        loop {
            let mut hold = true;
            let mut seen = Vec::new();
            for watcher in &mut self.watchers {
                let (sockets, addresses) = (watcher.count(SOCKETS).await?, watcher.count(ADDRESSES).await?);
                seen.push((sockets, addresses));
                hold &= holds(sockets, addresses, self.all);
            }
            if hold {
                return Ok(Instant::now());
            }
            ensure!(begun.elapsed() < WITHIN, "not so in time: {what}; of {} there are {seen:?}", self.all);
            sleep(LOOK_EVERY).await;
        }
    }

    /// What came of offers between moments that have names.
    async fn phases(&self, moments: &[(&'static str, Instant)], end: Instant) -> Vec<Phase> {
        let tries = self.tries.lock().await;
        let ends = moments.iter().skip(1).map(|(_, begin)| *begin).chain([end]);
        let phase = |((name, begin), end): (&(&'static str, Instant), Instant)| {
            let within = |at: Instant| *begin <= at && at < end;
            let offers: Vec<_> = tries.offers.iter().filter(|offer| within(offer.made)).collect();
            let unanswered = offers.iter().filter(|offer| offer.answered.is_none()).count();
            let announces = tries.announces.iter().filter(|announce| within(announce.made));
            let mut times: Vec<_> =
                announces.filter_map(|it| Some((it.answered? - it.made).as_secs_f64() * 1e3)).collect();
            times.sort_by(f64::total_cmp);
            Phase {
                name,
                offers: offers.len(),
                unanswered,
                response_p50: quantile(&times, 0.5),
                response_p99: quantile(&times, 0.99),
            }
        };
        moments.iter().zip(ends).map(phase).collect()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.prober.abort();
    }
}

/// Kills the first of three nodes.
pub(crate) async fn kill(tracker: &Path, round: u32, each: usize, interval: Duration) -> Result<Kill> {
    let mut scene = Scene::open(tracker, each, interval, interval).await?;
    let quiet = Instant::now();
    sleep(QUIET).await;
    scene.watchers.remove(0);
    let mut node = scene.nodes.remove(0);
    let killed = Instant::now();
    node.kill();
    let since = |at: Instant| (at - killed).as_secs_f64();
    let others = scene.nodes.len() as u64;
    let (mut forgotten, mut sockets_whole, mut addresses_whole) = (None, None, None);
    let mut fewest = scene.all;
    while forgotten.is_none() || sockets_whole.is_none() || addresses_whole.is_none() {
        ensure!(killed.elapsed() < WITHIN, "the peers of a killed node do not come back");
        let (mut sockets, mut addresses) = (Vec::new(), Vec::new());
        for watcher in &mut scene.watchers {
            sockets.push(watcher.count(SOCKETS).await?);
            addresses.push(watcher.count(ADDRESSES).await?);
        }
        let now = Instant::now();
        fewest = addresses.iter().copied().fold(fewest, u32::min);
        if forgotten.is_none() {
            let gone = |node: &Node| node.others().is_ok_and(|known| known as u64 == others - 1);
            // Until then as many are known as before, and some of them are gone.
            forgotten = scene.nodes.iter().all(gone).then_some(now);
        } else {
            let whole = |counts: &[u32], all| counts.iter().all(|count| *count == all);
            sockets_whole = sockets_whole.or(whole(&sockets, scene.all + 1).then_some(now));
            addresses_whole = addresses_whole.or(whole(&addresses, scene.all).then_some(now));
        }
        sleep(LOOK_EVERY).await;
    }
    let (forgotten, whole) = (forgotten.unwrap_or(killed), sockets_whole.unwrap_or(killed));
    sleep(QUIET).await;
    let end = Instant::now();
    sleep(ANSWER_WITHIN).await;
    let back = async |back: &Mutex<Vec<Instant>>| -> Vec<f64> {
        let mut times: Vec<_> = back.lock().await.iter().map(|at| since(*at)).collect();
        times.sort_by(f64::total_cmp);
        times
    };
    let sockets_back = back(&scene.crowd.sockets_back).await;
    let addresses_back = back(&scene.crowd.addresses_back).await;
    let moments = [
        ("before", quiet),
        ("in the last 0.1 s before", killed - Duration::from_millis(100)),
        ("until the node is forgotten", killed),
        ("after that", forgotten.max(whole)),
    ];
    Ok(Kill {
        round,
        peers: scene.all as usize,
        interval: interval.as_secs_f64(),
        sockets_back_p50: quantile(&sockets_back, 0.5),
        sockets_back: quantile(&sockets_back, 1.0),
        forgotten: since(forgotten),
        sockets_whole: since(whole),
        addresses_back: quantile(&addresses_back, 1.0),
        addresses_fewest: fewest,
        addresses_whole: since(addresses_whole.unwrap_or(killed)),
        phases: scene.phases(&moments, end).await,
    })
}

/// Kills Redis, and starts it again.
pub(crate) async fn redis(tracker: &Path, round: u32, each: usize, lasts: Duration) -> Result<Outage> {
    // Nobody at an address announces again meanwhile: what is known again, nodes told each other.
    let interval = Duration::from_secs(3_600);
    let mut scene = Scene::open(tracker, each, interval, QUIET).await?;
    let quiet = Instant::now();
    sleep(QUIET).await;
    let killed = Instant::now();
    scene.redis.kill();
    let own = each as u32;
    let local = scene
        .until("each node has its own peers only", |sockets, addresses, _| {
            (own..=own + 1).contains(&sockets) && addresses == own
        })
        .await?;
    sleep((killed + lasts).saturating_duration_since(Instant::now())).await;
    scene.redis.resume()?;
    let back = Instant::now();
    let healed = scene
        .until("all peers are known again", |sockets, addresses, all| sockets == all + 1 && addresses == all)
        .await?;
    sleep(QUIET).await;
    let end = Instant::now();
    sleep(ANSWER_WITHIN).await;
    let moments = [
        ("before", quiet),
        ("until swarms are local", killed),
        ("while they are local", local),
        ("until they are whole", back),
        ("after that", healed),
    ];
    Ok(Outage {
        round,
        peers: scene.all as usize,
        lasted: (back - killed).as_secs_f64(),
        local: (local - killed).as_secs_f64(),
        healed: (healed - back).as_secs_f64(),
        phases: scene.phases(&moments, end).await,
    })
}
