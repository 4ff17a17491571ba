//! The network: connections between two hosts, each in order in itself, with delay, shared rates and sudden ends.
//!
//! A host's line serves its connections in turn, a segment of each, as congestion control does on average; what waits on
//! one connection holds up nothing on another.

use std::collections::{BTreeMap, VecDeque};

use core::time::Duration;

use bytes::Bytes;
use shared::id::ConnId;
use shared::rng::Rng;
use shared::time::Instant;

use crate::plan::NetPlan;

/// Number of a link in this world.
pub type LinkId = usize;

/// One side of a link.
#[derive(Clone, Debug)]
pub struct End {
    /// Which host.
    pub host: usize,
    /// Which life of that host.
    pub life: u32,
    /// What its engine calls the connection.
    pub conn: ConnId,
    /// Whether the engine was told that it is open and has not been told, or said, that it is closed.
    pub open: bool,
    /// Bytes in the host's send buffer.
    pub buffered: usize,
    /// Bytes sent since the engine was last told what the buffer holds.
    pub untold: usize,
}

/// A connection between two hosts.
#[derive(Debug)]
pub struct Link {
    /// The side that made the offer, and the other.
    pub ends: [End; 2],
    /// One-way delay.
    pub latency: Duration,
    /// Cut by a fault: nothing that is under way arrives.
    pub lost: bool,
}

/// All links, and what each host's own line is busy with.
#[derive(Debug)]
pub struct Net {
    plan: NetPlan,
    rng: Rng,
    links: Vec<Link>,
    by_conn: BTreeMap<(usize, u32, ConnId), (LinkId, usize)>,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    up: u64,
    down: u64,
    down_free: Instant,
    /// What waits on each connection, by the side it leaves from.
    waiting: BTreeMap<(LinkId, usize), VecDeque<Packet>>,
    /// Connections with something waiting, in the order in which they are served.
    turns: VecDeque<(LinkId, usize)>,
    busy: bool,
}

/// Something on its way.
#[derive(Debug)]
struct Packet {
    left: usize,
    parcel: Parcel,
}

/// What a packet is once all of it has arrived.
#[derive(Clone, Debug)]
pub enum Parcel {
    /// A message.
    Message(Bytes),
    /// The other side has closed.
    Farewell,
}

/// What has left a line, and what it completes.
#[derive(Debug)]
pub struct Segment {
    /// Which link.
    pub link: LinkId,
    /// Which end it leaves from.
    pub from: usize,
    /// Bytes.
    pub length: usize,
    /// The packet of which this was the last.
    pub completes: Option<Parcel>,
}

/// Bytes of one connection that a line takes before it is another's turn.
const SEGMENT: usize = 16 * 1024;

impl Net {
    /// A network for hosts whose lines carry these (up, down) bytes a second.
    pub fn new(plan: NetPlan, rng: Rng, rates: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let lines = rates
            .into_iter()
            .map(|(up, down)| Line {
                up: up.max(1),
                down: down.max(1),
                down_free: Instant::ORIGIN,
                waiting: BTreeMap::new(),
                turns: VecDeque::new(),
                busy: false,
            })
            .collect();
        Self { plan, rng, links: Vec::new(), by_conn: BTreeMap::new(), lines }
    }

    /// A link from `offering` to `answering`, not yet open. `None` where the network lets none through.
    pub fn link(
        &mut self,
        offering: (usize, u32, ConnId),
        answering: (usize, u32, ConnId),
    ) -> Option<LinkId> {
        if self.plan.unreachable.is_some_and(|one_in| self.rng.below(one_in) == 0) {
            return None;
        }
        let spread = self.plan.latency_max.saturating_sub(self.plan.latency_min).as_nanos() as u64;
        let latency = self.plan.latency_min + Duration::from_nanos(self.rng.below(spread + 1));
        let id = self.links.len();
        let ends = [offering, answering].map(|(host, life, conn)| End {
            host,
            life,
            conn,
            open: false,
            buffered: 0,
            untold: 0,
        });
        self.by_conn.insert(offering, (id, 0));
        self.by_conn.insert(answering, (id, 1));
        self.links.push(Link { ends, latency, lost: false });
        Some(id)
    }

    /// The link and the side of a host's connection.
    pub fn find(&self, host: usize, life: u32, conn: ConnId) -> Option<(LinkId, usize)> {
        self.by_conn.get(&(host, life, conn)).copied()
    }

    /// A link by its number.
    pub fn get(&mut self, link: LinkId) -> &mut Link {
        &mut self.links[link]
    }

    /// Number of links ever made.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether no link was ever made.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Puts a message or a farewell from side `from` on the line. Answers the host whose line was idle and has to be
    /// served now.
    pub fn send(&mut self, link: LinkId, from: usize, parcel: Parcel) -> Option<usize> {
        let end = &mut self.links[link].ends[from];
        let left = match &parcel {
            Parcel::Message(data) => data.len(),
            Parcel::Farewell => 0,
        };
        end.buffered += left;
        end.untold += left;
        let host = end.host;
        let line = &mut self.lines[host];
        let waiting = line.waiting.entry((link, from)).or_default();
        if waiting.is_empty() {
            line.turns.push_back((link, from));
        }
        waiting.push_back(Packet { left, parcel });
        (!line.busy).then_some(host)
    }

    /// What a host's line sends next, and how long that takes. The line is busy until it is asked again.
    pub fn serve(&mut self, host: usize) -> Option<(Segment, Duration)> {
        let line = &mut self.lines[host];
        line.busy = false;
        while let Some((link, from)) = line.turns.pop_front() {
            let Some(waiting) = line.waiting.get_mut(&(link, from)) else { continue };
            if self.links[link].lost {
                line.waiting.remove(&(link, from));
                continue;
            }
            let Some(packet) = waiting.front_mut() else { continue };
            let length = packet.left.min(SEGMENT);
            packet.left -= length;
            let completes =
                if packet.left == 0 { waiting.pop_front().map(|packet| packet.parcel) } else { None };
            if waiting.is_empty() {
                line.waiting.remove(&(link, from));
            } else {
                line.turns.push_back((link, from));
            }
            line.busy = true;
            return Some((Segment { link, from, length, completes }, spent(length, line.up)));
        }
        None
    }

    /// When `length` bytes that reach an end's line now have come through it.
    pub fn receive(&mut self, now: Instant, link: LinkId, to: usize, length: usize) -> Instant {
        let line = &mut self.lines[self.links[link].ends[to].host];
        line.down_free = line.down_free.max(now) + spent(length, line.down);
        line.down_free
    }

    /// The parts in which a message of `length` bytes arrives: one, or random cuts.
    pub fn cuts(&mut self, length: usize) -> Vec<usize> {
        if !self.plan.cut || length < 2 || self.rng.below(3) != 0 {
            return vec![length];
        }
        let first = 1 + self.rng.below(length as u64 - 1) as usize;
        vec![first, length - first]
    }

    /// A link with both sides open, drawn at random.
    pub fn any_open(&mut self) -> Option<LinkId> {
        let open: Vec<LinkId> = (0..self.links.len()).filter(|id| self.is_open(*id)).collect();
        self.rng.index(open.len()).map(|index| open[index])
    }

    /// Every link that a host has a side of and that is not lost.
    pub fn of_host(&self, host: usize) -> Vec<LinkId> {
        (0..self.links.len())
            .filter(|id| !self.links[*id].lost && self.links[*id].ends.iter().any(|end| end.host == host))
            .collect()
    }

    /// The `maxMessageSize` of every host.
    pub fn max_message(&self) -> usize {
        self.plan.max_message
    }

    /// A random delay of up to `most`.
    pub fn jitter(&mut self, most: Duration) -> Duration {
        Duration::from_nanos(self.rng.below(most.as_nanos() as u64 + 1))
    }

    fn is_open(&self, link: LinkId) -> bool {
        !self.links[link].lost && self.links[link].ends.iter().all(|end| end.open)
    }
}

fn spent(length: usize, rate: u64) -> Duration {
    Duration::from_nanos((length as u64).saturating_mul(1_000_000_000) / rate)
}
