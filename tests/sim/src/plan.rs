//! What a world is made of. Everything that a plan leaves to chance follows from its seed.

use core::time::Duration;

use shared::engine::Config;

/// A whole world.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The one number that everything random follows from.
    pub seed: u64,
    /// Lengths of the files of the torrent.
    pub files: Vec<u64>,
    /// The hosts.
    pub hosts: Vec<HostPlan>,
    /// The network between them.
    pub net: NetPlan,
    /// A web server that has the files; hosts whose configuration says so fetch from it.
    pub web: Option<WebPlan>,
    /// Faults, each at its time.
    pub faults: Vec<(Duration, Fault)>,
    /// Keeps no log and checks the hosts at the end only, so that a large swarm can be measured.
    pub unwatched: bool,
}

/// One host: an engine, its disk and its link to the network.
#[derive(Clone, Debug)]
pub struct HostPlan {
    /// Whether it has the file from the start.
    pub seed: bool,
    /// When it starts.
    pub starts: Duration,
    /// Bytes a second that it can send.
    pub up: u64,
    /// Bytes a second that it can receive.
    pub down: u64,
    /// The engine's configuration.
    pub config: Config,
    /// Bytes that its disk can hold; more is [`shared::engine::EffectFailure::NoSpace`].
    pub disk: u64,
    /// Flips one byte in one of this many reads: a peer that gives corrupt pieces.
    pub corrupts: Option<u64>,
}

/// A web server.
#[derive(Clone, Debug)]
pub struct WebPlan {
    /// Bytes a second that it can send.
    pub rate: u64,
    /// From request to first byte.
    pub latency: Duration,
    /// One request in this many fails, in one way or another.
    pub faults: Option<u64>,
    /// Whether some of those are answered with a wrong byte.
    pub lies: bool,
}

/// The network.
#[derive(Clone, Debug)]
pub struct NetPlan {
    /// Shortest one-way delay of a connection.
    pub latency_min: Duration,
    /// Longest one-way delay of a connection; each draws its own, so connections overtake each other.
    pub latency_max: Duration,
    /// One connection in this many never opens.
    pub unreachable: Option<u64>,
    /// Cuts arriving messages into random parts: a connection is a stream of bytes.
    pub cut: bool,
    /// `maxMessageSize` that every host announces.
    pub max_message: usize,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// One open connection, drawn at random, is lost; the two sides learn of it at different times.
    LoseConnection,
    /// A host's process ends without a word; its disk stays.
    Kill(usize),
    /// A killed host starts again on its disk.
    Restart(usize),
    /// The tracker's process ends: sockets close, swarms are forgotten.
    TrackerDown,
    /// The tracker can be reached again.
    TrackerUp,
    /// A host's disk gets this much room.
    Disk(usize, u64),
    /// A host is told to start again what failed.
    Retry(usize),
    /// A host's network is cut off for a while: everything it has open is lost and nothing new opens.
    Isolate(usize),
    /// It is back.
    Rejoin(usize),
}

impl Default for HostPlan {
    fn default() -> Self {
        Self {
            seed: false,
            starts: Duration::ZERO,
            up: 4_000_000,
            down: 16_000_000,
            config: Config::default(),
            disk: u64::MAX,
            corrupts: None,
        }
    }
}

impl HostPlan {
    /// The same as a native host: it dials, listens and asks trackers over HTTP; with `offers`, it speaks to browsers too.
    pub fn native(mut self, offers: bool) -> Self {
        self.config = Config { dials: true, offers, listen_port: Some(crate::tcp::PORT), ..self.config };
        self
    }
}

impl Default for NetPlan {
    fn default() -> Self {
        Self {
            latency_min: Duration::from_millis(2),
            latency_max: Duration::from_millis(80),
            unreachable: None,
            cut: true,
            max_message: 256 * 1024,
        }
    }
}

impl Plan {
    /// One seed and `leeches` others that start within two seconds, sharing one file of `length` bytes.
    pub fn swarm(seed: u64, length: u64, leeches: usize) -> Self {
        let mut hosts = vec![HostPlan { seed: true, ..HostPlan::default() }];
        for number in 0..leeches {
            let starts = Duration::from_millis(200 + 1_800 * number as u64 / leeches.max(1) as u64);
            hosts.push(HostPlan { starts, ..HostPlan::default() });
        }
        Self {
            seed,
            files: vec![length],
            hosts,
            net: NetPlan::default(),
            web: None,
            faults: Vec::new(),
            unwatched: false,
        }
    }
}
