//! What a tracker is started with.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::access::AccessArgs;
use crate::account::AccountsConfig;
use crate::cluster::options::ClusterConfig;
pub use crate::frontend::{Strictness, Unproven};
use crate::observe::ObserveArgs;
use crate::proxy::Proxies;
use crate::snapshot::SnapshotConfig;
use crate::swarm::Limits;
use crate::turn::TurnConfig;

/// Everything that a tracker needs to know at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the clear port listens; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The TLS port, if there is one.
    pub tls: Option<TlsConfig>,
    /// Where peers announce over UDP.
    pub udp: FurtherPort,
    /// Where browsers learn their public address: by itself where peers announce over UDP.
    pub stun: FurtherPort,
    /// Patience with strangers.
    pub strictness: Strictness,
    /// The cluster of trackers that it is one of.
    pub cluster: Option<ClusterConfig>,
    /// A relay for peers that cannot meet otherwise.
    pub turn: Option<TurnConfig>,
    /// Where swarms are kept over a restart.
    pub snapshot: Option<SnapshotConfig>,
    /// Listen on all addresses, whatever `listen` names; the ports stay.
    pub lan: bool,
    /// Directory that is served under `/files/`.
    pub files: Option<PathBuf>,
    /// Seed what is served.
    pub seed: Option<SeedConfig>,
    /// Accounts, if there are any.
    pub accounts: Option<AccountsConfig>,
    /// Names by which it is known, besides its addresses and those of this host.
    pub names: Vec<String>,
    /// The tracker's own data, used by this run or not, and its private key: never shown under `/files/`.
    pub private: Vec<PathBuf>,
    /// Serve the page from this directory rather than the one built into the program.
    pub page: Option<PathBuf>,
    /// Further STUN and TURN servers that the page may use, as `RTCIceServer` objects. None unless configured: a third
    /// party must not learn who transfers what.
    pub ice_servers: Vec<serde_json::Value>,
    /// Who and what is served.
    pub access: AccessArgs,
    /// Proxies in front of it.
    pub proxies: Proxies,
    /// Bounds of the swarm store.
    pub swarm: Limits,
    /// Bounds of connections.
    pub net: NetLimits,
    /// Metrics and dashboard.
    pub observe: ObserveArgs,
}

/// The tracker's own peer, which seeds the files under `/files/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedConfig {
    /// Where it takes TCP connections; port 0 lets the system choose. `None`: where the clear port listens, on any port.
    pub listen: Option<SocketAddr>,
    /// What peers beyond this host are told that its address is. `None`: the one from which this host would answer them.
    pub address: Option<IpAddr>,
    /// Most bytes a second to all peers together.
    pub upload_limit: Option<u64>,
    /// How often the directory is looked through for files that are new, changed or gone.
    pub look_interval: Duration,
}

impl Default for SeedConfig {
    fn default() -> Self {
        Self { listen: None, address: None, upload_limit: None, look_interval: Duration::from_secs(30) }
    }
}

/// The TLS port.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// Where it listens; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The second port, which agrees on nothing but HTTP/1.1; by itself next to the first. Browsers take HTTP/2 wherever it is
    /// offered, so without such a port the two cannot be compared over the same TLS.
    pub http1: FurtherPort,
    /// Where the certificate comes from.
    pub source: CertificateSource,
}

/// A port that stands beside another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FurtherPort {
    /// None.
    Off,
    /// The number that goes with the other port, if it is free.
    Auto,
    /// Here.
    At(SocketAddr),
}

impl std::str::FromStr for FurtherPort {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            "auto" => Ok(Self::Auto),
            address => {
                address.parse().map(Self::At).map_err(|_| "expected an address and port, `auto` or `off`")
            }
        }
    }
}

/// Where a certificate comes from.
#[derive(Clone, Debug)]
pub enum CertificateSource {
    /// PEM files of somebody else's making: the chain, and the private key.
    Files {
        /// Certificate chain, the server's own certificate first.
        certificate: PathBuf,
        /// Private key.
        key: PathBuf,
    },
    /// One that the tracker makes and keeps in `data`.
    Generated {
        /// Directory of the tracker's own; made if it is missing.
        data: PathBuf,
        /// Names that it is good for, besides this host's own names and addresses.
        names: Vec<String>,
    },
}

/// Bounds and times of connections; each default says why.
#[derive(Clone, Debug)]
pub struct NetLimits {
    /// Connections at once, of all kinds. Lowered to what the limit on open files allows.
    pub connections: usize,
    /// Connections of one address at once, of all kinds. A browser has up to seven. 0 is no bound.
    pub connections_per_address: usize,
    /// WebSockets of one address at once. Classrooms and offices share an address. 0 is no bound.
    pub sockets_per_address: usize,
    /// Leading bits of an IPv6 address that make one subscriber: wherever bounds speak of an address, this is meant.
    pub ipv6_prefix: u8,
    /// A connection must have sent its first whole request, TLS handshake included, after this long.
    pub header_timeout: Duration,
    /// A write that makes no progress for this long closes its connection: slow readers hold memory.
    pub write_timeout: Duration,
    /// Longest message of a peer: ten offers of 6 kB fit several times.
    pub message_bytes: usize,
    /// Buffer for reading of each WebSocket; longer messages grow it for a while. The default of the library is 128 KiB,
    /// most of the memory of an idle socket.
    pub read_buffer_bytes: usize,
    /// Messages that wait for a slow reader; with one more it is closed.
    pub queue_messages: usize,
    /// Bytes that wait for a slow reader; with more it is closed.
    pub queue_bytes: usize,
    /// Messages of one socket that are read at once, if it was quiet before: an announce for each of 200 torrents, and
    /// answers to what comes back.
    pub message_burst: u32,
    /// Messages a second of one socket that are read in the long run; beyond it reading waits, nothing is dropped.
    pub messages_per_second: u32,
    /// Bytes of messages of one socket that are read at once, if it was quiet before: 200 announces with ten offers of 6 kB.
    pub message_bytes_burst: usize,
    /// Bytes of messages a second of one socket in the long run: twice what those 200 come to every two minutes.
    pub message_bytes_per_second: usize,
    /// Announces and scrapes of one address over HTTP and UDP that are answered at once, if it was quiet before: a client
    /// that starts with a thousand torrents, twice.
    pub request_burst: u32,
    /// Announces and scrapes a second of one address over HTTP and UDP in the long run; 0 is no bound. Above any client,
    /// below the thousand a second that floods of single addresses have been seen to bring.
    pub requests_per_second: u32,
    /// Time between two pings.
    pub ping_interval: Duration,
    /// A WebSocket that did not even send a pong for this long is gone.
    pub idle_timeout: Duration,
    /// A WebSocket that did not ask anything for this long is closed: peers announce every two minutes.
    pub silent_timeout: Duration,
    /// On shutdown, connections get this long to finish.
    pub drain_timeout: Duration,
    /// Before that, everything goes on for this long, but for `/health`.
    pub drain_delay: Duration,
}

impl Default for NetLimits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_address: 4_096,
            sockets_per_address: 1_024,
            ipv6_prefix: 64,
            header_timeout: Duration::from_secs(15),
            write_timeout: Duration::from_secs(30),
            message_bytes: shared::limits::TRACKER_MESSAGE_MAX,
            read_buffer_bytes: 1_024,
            queue_messages: 512,
            queue_bytes: 2 * 1024 * 1024,
            message_burst: 1_000,
            messages_per_second: 50,
            message_bytes_burst: 12_000_000,
            message_bytes_per_second: 200_000,
            request_burst: 2_000,
            requests_per_second: 100,
            ping_interval: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(90),
            silent_timeout: Duration::from_secs(600),
            drain_timeout: Duration::from_secs(10),
            drain_delay: Duration::ZERO,
        }
    }
}

impl Default for Config {
    /// The clear port only, on loopback, on a port that the system chooses: what tests want.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            udp: FurtherPort::Auto,
            stun: FurtherPort::Auto,
            strictness: Strictness::default(),
            cluster: None,
            turn: None,
            snapshot: None,
            lan: false,
            files: None,
            seed: None,
            accounts: None,
            names: Vec::new(),
            private: Vec::new(),
            page: None,
            ice_servers: Vec::new(),
            access: AccessArgs::default(),
            proxies: Proxies::default(),
            swarm: Limits::default(),
            net: NetLimits::default(),
            observe: ObserveArgs::default(),
        }
    }
}
