//! A relay for peers that cannot meet otherwise (TURN, RFC 8656), off unless asked for: it carries the bytes of others.
//!
//! UDP over IPv4. `table` knows the protocol and does no IO; `port` has the sockets. Who may use it is whoever the page was
//! given to: `/config.json` has a name and password in it that are good for some hours. Nobody is relayed to private networks
//! or to this machine, unless that is asked for too.

mod allocation;
mod counts;
mod credentials;
mod port;
mod table;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use clap::builder::BoolishValueParser;
use parking_lot::Mutex;
use peer::quantity;
use serde_json::{Value, json};

pub(crate) use self::counts::Counts;
use self::credentials::{Credential, Credentials};
pub(crate) use self::port::{open, serve};
use self::table::{Rules, Table};
use crate::config::NetLimits;
use crate::frontend::Gate;
use crate::stun;

/// Options of the relay.
#[derive(Clone, Debug, Args)]
pub struct TurnArgs {
    /// Relay between peers that cannot meet otherwise (TURN over UDP and IPv4): address of its port, usually 3478. It costs what
    /// they transfer, twice. /config.json gives the page a name and a password for it, good for some hours.
    #[arg(long, value_name = "ADDRESS", env = "PIECEMEAL_TURN")]
    pub turn: Option<SocketAddr>,

    /// Address that is relayed from, as peers are told it [default: that of --turn, or else this host's first].
    #[arg(long, value_name = "IP", env = "PIECEMEAL_TURN_ADDRESS")]
    pub turn_address: Option<IpAddr>,

    /// Ports that are relayed from, for a firewall: 50000-50999 [default: any].
    #[arg(long, value_name = "FROM-TO", env = "PIECEMEAL_TURN_PORTS", value_parser = ports)]
    pub turn_ports: Option<RangeInclusive<u16>>,

    /// Relayed connections at once; each is an open file.
    #[arg(long, value_name = "N", default_value_t = 1_000, env = "PIECEMEAL_TURN_ALLOCATIONS")]
    pub turn_allocations: usize,

    /// Of those, most of one client address. A tab with ten offers out has ten.
    #[arg(long, value_name = "N", default_value_t = 100, env = "PIECEMEAL_TURN_PER_ADDRESS")]
    pub turn_per_address: usize,

    /// Most bytes a second of each, both ways together; what is beyond is lost, as on any line.
    #[arg(long, value_name = "RATE", default_value = "2M", env = "PIECEMEAL_TURN_RATE", value_parser = quantity::rate)]
    pub turn_rate: u64,

    /// Seconds for which a name and password are good.
    #[arg(long, value_name = "SECONDS", default_value_t = 21_600, env = "PIECEMEAL_TURN_LIFETIME")]
    pub turn_lifetime: u64,

    /// Relay to private networks and to this machine too. Whoever opens the page can then send UDP to whatever the tracker
    /// reaches.
    #[arg(long, env = "PIECEMEAL_TURN_PRIVATE_PEERS", value_parser = BoolishValueParser::new())]
    pub turn_private_peers: bool,
}

/// What a relay is started with.
#[derive(Clone, Debug)]
pub struct TurnConfig {
    /// Where it listens; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// What is relayed from, as peers are told it.
    pub address: IpAddr,
    /// Ports that are relayed from.
    pub ports: Option<RangeInclusive<u16>>,
    /// Relayed connections at once.
    pub allocations: usize,
    /// Of one client address.
    pub per_address: usize,
    /// Bytes a second of each.
    pub per_second: u64,
    /// How long a name is good.
    pub lifetime: Duration,
    /// Relay to private networks too.
    pub private_peers: bool,
}

impl TurnArgs {
    /// What follows from it. `first` is this host's address on its network.
    pub fn config(&self, first: impl FnOnce() -> Option<IpAddr>) -> Option<TurnConfig> {
        let listen = self.turn?;
        let own = Some(listen.ip()).filter(|ip| ip.is_ipv4() && !ip.is_unspecified());
        Some(TurnConfig {
            listen,
            address: self.turn_address.or(own).or_else(first).unwrap_or(listen.ip()),
            ports: self.turn_ports.clone(),
            allocations: self.turn_allocations,
            per_address: self.turn_per_address,
            per_second: self.turn_rate,
            lifetime: Duration::from_secs(self.turn_lifetime),
            private_peers: self.turn_private_peers,
        })
    }
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, &'static str> {
    let range =
        text.split_once('-').and_then(|(from, to)| Some(from.trim().parse().ok()?..=to.trim().parse().ok()?));
    range
        .filter(|range: &RangeInclusive<u16>| *range.start() > 0 && !range.is_empty())
        .ok_or("expected two ports, FROM-TO")
}

/// The relay, as the rest of the tracker knows it.
#[derive(Debug)]
pub(crate) struct Turn {
    config: TurnConfig,
    /// Where it really listens.
    pub(crate) listen: SocketAddr,
    table: Mutex<Table<port::Socket>>,
    gate: Gate,
    issued: AtomicU64,
    /// Requests that nobody answered, since their address had made too many.
    paced: AtomicU64,
}

impl Turn {
    pub(crate) fn new(config: &TurnConfig, listen: SocketAddr, secret: &[u8], limits: &NetLimits) -> Self {
        let rules = Rules {
            allocations: config.allocations,
            per_address: config.per_address,
            per_second: config.per_second,
            private_peers: config.private_peers,
        };
        Self {
            config: config.clone(),
            listen,
            table: Mutex::new(Table::new(rules, Credentials::new(secret))),
            gate: Gate::new(limits.requests_per_second, limits.request_burst),
            issued: AtomicU64::new(0),
            paced: AtomicU64::new(0),
        }
    }

    /// Relayed connections now.
    pub(crate) fn len(&self) -> usize {
        self.table.lock().len()
    }

    /// Since the start; requests that were not answered for the rate of their address besides.
    pub(crate) fn counts(&self) -> (Counts, u64) {
        (self.table.lock().counts, self.paced.load(Ordering::Relaxed))
    }

    /// An `RTCIceServer` for the page that was called by `host`, with a name and password of its own.
    pub(crate) fn ice_server(&self, host: &str) -> Option<Value> {
        let place = stun::place(host, self.listen)?;
        let until = unix_seconds() + self.config.lifetime.as_secs();
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let Credential { username, password } = self.table.lock().credentials.issue(until, number);
        Some(json!({
            "urls": format!("turn:{place}?transport=udp"), "username": username, "credential": password,
        }))
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_a_range() {
        assert_eq!(ports("50000-50999"), Ok(50_000..=50_999));
        for wrong in ["", "5", "2-1", "0-5", "1-70000", "a-b"] {
            assert!(ports(wrong).is_err(), "{wrong}");
        }
    }
}
