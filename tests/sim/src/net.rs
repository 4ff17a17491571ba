//! The network: connections between two hosts, each in order in itself, with delay, shared rates and sudden ends.

use std::collections::BTreeMap;

use core::time::Duration;

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
    /// When the last byte sent to this side so far arrives: what comes later arrives later.
    arrival: Instant,
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
    up_free: Instant,
    down_free: Instant,
}

/// When something sent leaves the sender's buffer, and when it arrives.
#[derive(Clone, Copy, Debug)]
pub struct Passage {
    /// Which link.
    pub link: LinkId,
    /// Which end it goes to.
    pub to: usize,
    /// It has left the buffer.
    pub sent: Instant,
    /// It is there.
    pub arrives: Instant,
}

impl Net {
    /// A network for hosts whose lines carry these (up, down) bytes a second.
    pub fn new(plan: NetPlan, rng: Rng, rates: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let lines = rates
            .into_iter()
            .map(|(up, down)| Line {
                up: up.max(1),
                down: down.max(1),
                up_free: Instant::ORIGIN,
                down_free: Instant::ORIGIN,
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
            arrival: Instant::ORIGIN,
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

    /// Puts `length` bytes from side `from` on the line.
    pub fn send(&mut self, now: Instant, link: LinkId, from: usize, length: usize) -> Passage {
        let latency = self.links[link].latency;
        let (sender, receiver) = (self.links[link].ends[from].host, self.links[link].ends[1 - from].host);
        let up = &mut self.lines[sender];
        up.up_free = up.up_free.max(now) + spent(length, up.up);
        let sent = up.up_free;
        let down = &mut self.lines[receiver];
        down.down_free = down.down_free.max(sent + latency) + spent(length, down.down);
        let end = &mut self.links[link].ends[1 - from];
        end.arrival = end.arrival.max(down.down_free);
        let arrives = end.arrival;
        self.links[link].ends[from].buffered += length;
        self.links[link].ends[from].untold += length;
        Passage { link, to: 1 - from, sent, arrives }
    }

    /// When a side learns that the other closed: after all that was sent before.
    pub fn farewell(&self, now: Instant, link: LinkId, to: usize) -> Instant {
        self.links[link].ends[to].arrival.max(now) + self.links[link].latency
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
