//! The tracker's own swarm code behind simulated sockets.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use shared::id::TrackerId;
use shared::rng::Rng;
use shared::time::Instant;
use shared::tracker::ws::Request;
use tracker::swarm::{Limits, Reply, SocketId, SocketTally, Swarms};

/// One tracker and the sockets that are open to it.
#[derive(Debug)]
pub struct Tracker {
    rng: Rng,
    swarms: Option<Swarms>,
    sockets: BTreeMap<u64, (usize, u32, TrackerId)>,
    next: u64,
    lives: u64,
}

impl Tracker {
    /// A tracker that runs.
    pub fn new(rng: Rng) -> Self {
        let mut tracker = Self { rng, swarms: None, sockets: BTreeMap::new(), next: 0, lives: 0 };
        tracker.up();
        tracker
    }

    /// Whether it can be reached.
    pub fn is_up(&self) -> bool {
        self.swarms.is_some()
    }

    /// Starts it, with no memory of what was before.
    pub fn up(&mut self) {
        self.lives += 1;
        let rng = self.rng.fork(&format!("life {}", self.lives));
        self.swarms.get_or_insert_with(|| Swarms::new(Limits::default(), rng));
    }

    /// Ends it; gives the sockets that close with it.
    pub fn down(&mut self) -> Vec<(u64, (usize, u32, TrackerId))> {
        self.swarms = None;
        std::mem::take(&mut self.sockets).into_iter().collect()
    }

    /// A host opens a socket.
    pub fn open(&mut self, host: usize, life: u32, tracker: TrackerId) -> u64 {
        let socket = self.next;
        self.next += 1;
        self.sockets.insert(socket, (host, life, tracker));
        if let Some(swarms) = &mut self.swarms {
            swarms.open(SocketId(socket), Ipv4Addr::LOCALHOST.into(), &SocketTally::default());
        }
        socket
    }

    /// Whose socket it is, while it is open.
    pub fn owner(&self, socket: u64) -> Option<(usize, u32, TrackerId)> {
        self.sockets.get(&socket).copied()
    }

    /// The sockets of a host, with the life and the number that its engine knows them by.
    pub fn of_host(&self, host: usize) -> Vec<(u64, u32, TrackerId)> {
        let own = self.sockets.iter().filter(|(_, (owner, _, _))| *owner == host);
        own.map(|(socket, (_, life, tracker))| (*socket, *life, *tracker)).collect()
    }

    /// A message arrives; gives what is to be sent, in order.
    pub fn hear(&mut self, now: Instant, socket: u64, text: &str) -> Vec<(u64, String)> {
        let Some(swarms) = self.swarms.as_mut().filter(|_| self.sockets.contains_key(&socket)) else {
            return Vec::new();
        };
        match Request::parse(text) {
            Ok(request) => {
                let mut replies = Vec::new();
                swarms.handle(now, SocketId(socket), request, &mut replies);
                replies.into_iter().map(|Reply { to, response }| (to.0, response.to_json())).collect()
            }
            Err(failure) => panic!("our own engine sent what our own tracker refuses: {failure:?}\n{text}"),
        }
    }

    /// A socket closes.
    pub fn lose(&mut self, socket: u64) {
        self.sockets.remove(&socket);
        if let Some(swarms) = &mut self.swarms {
            swarms.close(SocketId(socket));
        }
    }

    /// Forgets what is overdue.
    pub fn tick(&mut self, now: Instant) {
        if let Some(swarms) = &mut self.swarms {
            swarms.expire(now);
        }
    }
}
