//! What the parts of a running tracker share.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use shared::rng::Rng;
use shared::tracker::announce::AnnounceRequest;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::Access;
use crate::account::Accounts;
use crate::cluster::Cluster;
use crate::compare::Transfers;
use crate::config::{Config, FurtherPort};
use crate::drain::Drain;
use crate::files::Files;
use crate::frontend::ws::outbox::Outboxes;
use crate::frontend::{Gate, Messages, Traffic};
use crate::listener::address::PerAddress;
use crate::observe::Observe;
use crate::observe::counts::Frontend;
use crate::page::Page;
use crate::publication::Publication;
use crate::seed::Seeder;
use crate::store::Store;
use crate::stun::Stun;
use crate::swarm::address::{Found, Met, Reach};
use crate::swarm::{Refusal, SocketId, Stats};
use crate::tls::Certificates;
use crate::turn::Turn;

/// State of a running tracker.
#[derive(Debug)]
pub(crate) struct AppState {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    /// Texts are read and written outside of its locks.
    pub(crate) swarms: Store,
    pub(crate) outboxes: Outboxes,
    pub(crate) sockets: PerAddress,
    /// How much each address may ask over HTTP and UDP.
    pub(crate) gate: Gate,
    /// How much the WebSockets of each address may.
    pub(crate) messages: Messages,
    pub(crate) traffic: Traffic,
    pub(crate) stun: Stun,
    /// This tracker's part in a cluster.
    pub(crate) cluster: Option<Cluster>,
    /// The relay, if there is one.
    pub(crate) turn: Option<Turn>,
    /// What operators see.
    pub(crate) observe: Arc<Observe>,
    pub(crate) page: Page,
    pub(crate) files: Option<Files>,
    /// Private mode: who may what.
    pub(crate) accounts: Accounts,
    /// The same files as torrents.
    pub(crate) publication: Publication,
    /// The peer that shares them.
    pub(crate) seeder: Option<Seeder>,
    /// Where it really listens.
    pub(crate) ports: Ports,
    /// Transfers that are measured.
    pub(crate) transfers: Transfers,
    /// What the TLS ports show.
    pub(crate) certificates: Option<Arc<Certificates>>,
    /// Who and what is served.
    pub(crate) access: Access,
    /// Cancelled when the tracker is to end.
    pub(crate) shutdown: CancellationToken,
    /// What comes before and after that.
    pub(crate) drain: Drain,
    /// Connections and sockets; all are waited for at the end.
    pub(crate) tasks: TaskTracker,
    socket_number: AtomicU64,
    stats: Mutex<Option<Counted>>,
}

/// Where the tracker listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) clear: SocketAddr,
    pub(crate) tls: Option<SocketAddr>,
    /// TLS without HTTP/2.
    pub(crate) tls_http1: Option<SocketAddr>,
    pub(crate) udp: Option<SocketAddr>,
    /// STUN's own port.
    pub(crate) stun: Option<SocketAddr>,
    /// Where peers are relayed.
    pub(crate) turn: Option<SocketAddr>,
    /// For metrics alone.
    pub(crate) metrics: Option<SocketAddr>,
}

/// Numbers, when they were counted, and how long that took.
#[derive(Debug)]
struct Counted {
    stats: Arc<Stats>,
    at: Instant,
    took: Duration,
}

/// Counting everything keeps the swarms locked: at most this part of the time, however often somebody asks.
const COUNTING_SHARE: u32 = 50;

/// What [`AppState::new`] is made of, besides the configuration.
pub(crate) struct Parts {
    pub(crate) page: Page,
    pub(crate) files: Option<Files>,
    pub(crate) accounts: Accounts,
    pub(crate) seeder: Option<Seeder>,
    pub(crate) ports: Ports,
    pub(crate) certificates: Option<Arc<Certificates>>,
    pub(crate) access: Access,
    pub(crate) seed: [u8; 32],
    pub(crate) cluster: Option<Cluster>,
    /// Signs the passwords of those who are relayed.
    pub(crate) secret: [u8; 32],
    pub(crate) shutdown: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl AppState {
    pub(crate) fn new(config: Config, parts: Parts) -> Self {
        let Parts {
            page,
            files,
            accounts,
            seeder,
            ports,
            certificates,
            access,
            seed,
            cluster,
            secret,
            shutdown,
            tasks,
        } = parts;
        let swarms = Store::new(&config.swarm, &Rng::from_seed(seed));
        if cluster.is_some() {
            // From the first member on, one of the last run's snapshot too.
            swarms.record_changes();
        }
        Self {
            clock: Clock(Instant::now()),
            swarms,
            outboxes: Outboxes::default(),
            sockets: PerAddress::new(config.net.sockets_per_address).by_prefix(config.net.ipv6_prefix),
            gate: Gate::new(config.net.requests_per_second, config.net.request_burst)
                .by_prefix(config.net.ipv6_prefix)
                .counted(cluster.is_some()),
            messages: Messages::new(config.strictness, config.net.ipv6_prefix).counted(cluster.is_some()),
            traffic: Traffic::default(),
            stun: Stun::new(config.stun, &config.net),
            cluster,
            turn: config
                .turn
                .as_ref()
                .zip(ports.turn)
                .map(|(turn, listen)| Turn::new(turn, listen, &secret, &config.net)),
            observe: Arc::new(Observe::new(&config.observe)),
            page,
            files,
            accounts,
            publication: Publication::default(),
            seeder,
            ports,
            transfers: Transfers::default(),
            certificates,
            access,
            shutdown,
            drain: Drain::default(),
            tasks,
            socket_number: AtomicU64::new(1),
            stats: Mutex::new(None),
            config,
        }
    }

    /// The origins of this tracker's ports under this name. As browsers write them, a scheme's usual port is left out.
    pub(crate) fn origins(&self, host: &str) -> Vec<String> {
        let Ports { clear, tls, tls_http1, .. } = self.ports;
        let ports = [("http", 80, Some(clear)), ("https", 443, tls), ("https", 443, tls_http1)];
        let origin = |(scheme, usual, address): (&str, u16, Option<SocketAddr>)| {
            let port = address?.port();
            Some(match port == usual {
                true => format!("{scheme}://{host}"),
                false => format!("{scheme}://{host}:{port}"),
            })
        };
        ports.into_iter().filter_map(origin).collect()
    }

    /// An announce over HTTP or UDP, see [`crate::swarm::Swarms::announce_address`]; the tracker's own peer is introduced as well.
    pub(crate) fn announced(
        &self,
        now: shared::time::Instant,
        ip: IpAddr,
        request: &AnnounceRequest,
        (reach, most): (Reach, usize),
        found: &mut Found,
    ) -> Result<Met, Refusal> {
        let begun = Instant::now();
        let frontend = if reach == Reach::Both { Frontend::Http } else { Frontend::Udp };
        let met = self.swarms.announce_address(now, ip, request, (reach, most), found);
        let refusal = met.as_ref().err().map(ToString::to_string);
        let who = (&request.info_hash, &request.peer_id);
        self.observe.announced(frontend, begun, who, request.event, refusal.as_deref());
        let met = met?;
        if let Some(seeder) = &self.seeder {
            seeder.introduce(ip, request, most, found);
        }
        Ok(met)
    }

    /// Where STUN is answered: on a port of its own, or on that of announces.
    pub(crate) fn stun_address(&self) -> Option<SocketAddr> {
        match self.config.stun {
            FurtherPort::Off => None,
            _ => self.ports.stun.or(self.ports.udp),
        }
    }

    pub(crate) fn next_socket(&self) -> SocketId {
        SocketId(self.socket_number.fetch_add(1, Ordering::Relaxed))
    }

    /// Numbers of now, or of a moment ago where counting takes long.
    pub(crate) fn stats(&self) -> Arc<Stats> {
        let mut counted = self.stats.lock();
        let at = Instant::now();
        if let Some(recent) = counted.as_ref().filter(|last| at - last.at < last.took * COUNTING_SHARE) {
            return recent.stats.clone();
        }
        let stats = Arc::new(self.swarms.stats());
        *counted = Some(Counted { stats: stats.clone(), at, took: at.elapsed() });
        stats
    }
}

/// The monotonic clock, as the pure parts want it: since the tracker started.
#[derive(Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn now(&self) -> shared::time::Instant {
        let nanos = u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX);
        shared::time::Instant::from_nanos(nanos)
    }
}
