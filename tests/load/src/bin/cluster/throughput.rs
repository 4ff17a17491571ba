//! How many announces nodes answer, and what each costs them and Redis.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use super::servers::{Node, Redis, cpu};
use super::udp::Where;
use super::{Args, Part, http, udp, ws};

/// Swarms, and members of each, over UDP and HTTP.
pub(crate) const TORRENTS: u32 = 10_000;
pub(crate) const MEMBERS: u16 = 10;

/// What is to be told to the other nodes is on its way so long, and a part of the cost.
const TELL: Duration = Duration::from_millis(300);

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Load {
    UdpRenew,
    UdpMove,
    UdpJoin,
    HttpRenew,
    WsOffers,
}

impl Load {
    /// In the order of measuring: renewals first, while the members are where they announced.
    pub(crate) const ALL: [Self; 5] =
        [Self::UdpRenew, Self::HttpRenew, Self::UdpMove, Self::UdpJoin, Self::WsOffers];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::UdpRenew => "UDP, renewals where the member is",
            Self::UdpMove => "UDP, renewals at any node",
            Self::UdpJoin => "UDP, everybody is new",
            Self::HttpRenew => "HTTP, renewals where the member is",
            Self::WsOffers => "WebSocket, 10 offers each",
        }
    }

    const fn part(self) -> Part {
        match self {
            Self::UdpRenew | Self::UdpMove | Self::UdpJoin => Part::Udp,
            Self::HttpRenew => Part::Http,
            Self::WsOffers => Part::Ws,
        }
    }
}

/// Messages that nodes sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Mix {
    /// Responses to announces.
    pub(crate) announces: u64,
    pub(crate) offers: u64,
    pub(crate) answers: u64,
    /// Refusals, and whatever else.
    pub(crate) others: u64,
}

impl Mix {
    pub(crate) const fn all(&self) -> u64 {
        self.announces + self.offers + self.answers + self.others
    }
}

/// What clients got in one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    /// Messages of each node.
    pub(crate) responses: Vec<u64>,
    pub(crate) mix: Mix,
    /// Peers in responses to announces.
    pub(crate) peers: u64,
    /// Responses that did not come.
    pub(crate) missed: u64,
}

impl Done {
    pub(crate) fn new(nodes: usize) -> Self {
        Self { responses: vec![0; nodes], ..Self::default() }
    }
}

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) load: Load,
    pub(crate) nodes: usize,
    pub(crate) round: u32,
    pub(crate) seconds: f64,
    /// Messages of each node, and the seconds of processor time that it took for them.
    pub(crate) responses: Vec<u64>,
    pub(crate) node_cpu: Vec<f64>,
    /// Seconds of processor time of Redis, and of the tester.
    pub(crate) redis_cpu: f64,
    pub(crate) tester_cpu: f64,
    pub(crate) mix: Mix,
    pub(crate) peers: u64,
    pub(crate) missed: u64,
    /// Bytes that nodes published.
    pub(crate) published: f64,
    /// Bytes that Redis received, and sent.
    pub(crate) redis_in: f64,
    pub(crate) redis_out: f64,
    /// Offers and answers that crossed from one node to another, and those that were dropped on the way.
    pub(crate) relayed: f64,
    pub(crate) dropped: f64,
}

impl Sample {
    pub(crate) fn messages(&self) -> f64 {
        self.mix.all() as f64
    }

    pub(crate) fn nodes_cpu(&self) -> f64 {
        self.node_cpu.iter().sum()
    }
}

/// What is read before and after.
struct Reading {
    at: Instant,
    nodes: Vec<f64>,
    redis: f64,
    tester: f64,
    sums: [f64; 4],
    bytes: (f64, f64),
}

impl Reading {
    fn now(nodes: &[Node], redis: &Redis) -> Result<Self> {
        let mut sums = [0.0; 4];
        for node in nodes {
            let cluster = node.cluster()?;
            let names = ["bytesPublished", "relaysSent", "relaysDropped", "messagesDropped"];
            for (sum, name) in sums.iter_mut().zip(names) {
                *sum += cluster[name].as_f64().unwrap_or_default();
            }
        }
        Ok(Self {
            at: Instant::now(),
            nodes: nodes.iter().map(Node::cpu).collect::<Result<_>>()?,
            redis: redis.cpu()?,
            tester: cpu(std::process::id())?,
            sums,
            bytes: redis.bytes()?,
        })
    }

    /// What happened between this and a later one, in which the clients got `done`.
    fn until(&self, later: &Self, (load, round): (Load, u32), seconds: f64, done: Done) -> Sample {
        let [published, relayed, dropped, messages_dropped] =
            [0, 1, 2, 3].map(|at| later.sums[at] - self.sums[at]);
        Sample {
            load,
            nodes: self.nodes.len(),
            round,
            seconds,
            responses: done.responses,
            node_cpu: later.nodes.iter().zip(&self.nodes).map(|(now, then)| now - then).collect(),
            redis_cpu: later.redis - self.redis,
            tester_cpu: later.tester - self.tester,
            mix: done.mix,
            peers: done.peers,
            missed: done.missed,
            published,
            redis_in: later.bytes.0 - self.bytes.0,
            redis_out: later.bytes.1 - self.bytes.1,
            relayed,
            dropped: dropped + messages_dropped,
        }
    }
}

/// All loads that are asked for, over so many nodes.
pub(crate) fn measure(args: &Args, count: usize, round: u32, each: &mut dyn FnMut(Sample)) -> Result<()> {
    let asked = |load: &Load| args.has(load.part()) && (count > 1 || *load != Load::UdpMove);
    let loads: Vec<_> = Load::ALL.into_iter().filter(asked).collect();
    let time = Duration::from_secs(args.seconds);
    if loads.iter().any(|load| *load != Load::WsOffers) {
        let redis = Redis::start()?;
        let nodes = Node::several(&args.tracker, &redis, count)?;
        let targets: Vec<_> = nodes.iter().map(|node| node.udp).collect();
        let mut members = udp::Load::new(&targets, TORRENTS, MEMBERS)?;
        members.fill()?;
        sleep(Duration::from_secs(1));
        for load in loads.iter().copied().filter(|load| *load != Load::WsOffers) {
            let begin = Reading::now(&nodes, &redis)?;
            let done = match load {
                Load::UdpRenew => members.run(Where::Same, time)?,
                Load::UdpMove => members.run(Where::Any, time)?,
                Load::UdpJoin => members.run(Where::New, time)?,
                Load::HttpRenew | Load::WsOffers => http::run(&nodes, time)?,
            };
            let seconds = begin.at.elapsed().as_secs_f64();
            sleep(TELL);
            each(begin.until(&Reading::now(&nodes, &redis)?, (load, round), seconds, done));
        }
    }
    if loads.contains(&Load::WsOffers) {
        each(with_offers(&args.tracker, count, round, time)?);
    }
    Ok(())
}

fn with_offers(tracker: &Path, count: usize, round: u32, time: Duration) -> Result<Sample> {
    let redis = Redis::start()?;
    let nodes = Node::several(tracker, &redis, count)?;
    let crowd = ws::Crowd::open(&nodes)?;
    let (begin, before) = (Reading::now(&nodes, &redis)?, crowd.done());
    crowd.run(time);
    let (end, after) = (Reading::now(&nodes, &redis)?, crowd.done());
    let seconds = (end.at - begin.at).as_secs_f64();
    Ok(begin.until(&end, (Load::WsOffers, round), seconds, ws::between(&before, &after)))
}
