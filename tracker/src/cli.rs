//! The command line.

mod limits;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Parser, Subcommand};
use peer::quantity;

pub use self::limits::{ConnectionLimits, SwarmLimits};
use crate::access::AccessArgs;
use crate::account::AccountOptions;
use crate::account::command::AccountCommand;
use crate::cluster::options::{ClusterArgs, ClusterError};
use crate::config::{CertificateSource, Config, FurtherPort, NetLimits, SeedConfig, TlsConfig};
use crate::drain::DrainArgs;
use crate::frontend::Strictness;
use crate::lan;
use crate::observe::ObserveArgs;
use crate::proxy::ProxyArgs;
use crate::snapshot::SnapshotArgs;
use crate::stun::StunArgs;
use crate::swarm::Limits;
use crate::turn::TurnArgs;

/// The WebRTC library tells of every socket and candidate. Targets are prefixes: `rtc` is all of its crates, `rtc_ice` too.
const LOG: &str = "info,webrtc=error,rtc=error";

/// Introduces peers to each other and serves the page that makes them; files too, over HTTP/1.1 and HTTP/2.
#[derive(Clone, Debug, Parser)]
#[command(name = "tracker", version, max_term_width = 100)]
pub struct Args {
    /// Read options from this TOML file too. What is typed or in the environment comes before what is in it.
    #[arg(long, value_name = "FILE", env = "PIECEMEAL_CONFIG")]
    pub config: Option<PathBuf>,

    /// Print such a file with every option, its documentation and the value in force, and end.
    #[arg(long)]
    pub print_config: bool,

    /// Address of the clear port: page, tracker over WebSocket (any path) and HTTP (/announce, /scrape), /files/, /health,
    /// /stats.json. Port 0: any.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", env = "PIECEMEAL_LISTEN")]
    pub listen: SocketAddr,

    /// Address of the TLS port: the same, over HTTP/1.1 and HTTP/2.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443", env = "PIECEMEAL_LISTEN_TLS")]
    pub listen_tls: SocketAddr,

    /// A second TLS port, for HTTP/1.1 only, so that a browser can compare both: an address, `off`, or `auto` for the port
    /// after --listen-tls if it is free.
    #[arg(long, value_name = "ADDRESS", default_value = "auto", env = "PIECEMEAL_LISTEN_TLS_HTTP1")]
    pub listen_tls_http1: FurtherPort,

    /// Address for announces over UDP (BEP 15): an address, `off`, or `auto` for the number of --listen if it is free.
    #[arg(long, value_name = "ADDRESS", default_value = "auto", env = "PIECEMEAL_LISTEN_UDP")]
    pub listen_udp: FurtherPort,

    #[command(flatten)]
    pub stun: StunArgs,

    #[command(flatten)]
    pub strictness: Strictness,

    #[command(flatten)]
    pub cluster: ClusterArgs,

    #[command(flatten)]
    pub turn: TurnArgs,

    #[command(flatten)]
    pub drain: DrainArgs,

    #[command(flatten)]
    pub snapshot: SnapshotArgs,

    /// Open no TLS port.
    #[arg(long, conflicts_with_all = ["listen_tls", "listen_tls_http1", "cert"], env = "PIECEMEAL_NO_TLS", value_parser = BoolishValueParser::new())]
    pub no_tls: bool,

    /// Certificate chain for the TLS port, PEM, the server's own first. Without it the tracker makes one.
    #[arg(long, value_name = "FILE", requires = "key", env = "PIECEMEAL_CERT")]
    pub cert: Option<PathBuf>,

    /// Private key of --cert, PEM.
    #[arg(long, value_name = "FILE", requires = "cert", env = "PIECEMEAL_KEY")]
    pub key: Option<PathBuf>,

    /// Name for which the tracker's own certificate is to be good, besides this host's. May be repeated.
    #[arg(
        long = "name",
        value_name = "NAME",
        value_delimiter = ',',
        conflicts_with = "cert",
        env = "PIECEMEAL_NAME"
    )]
    pub names: Vec<String>,

    /// Directory of the tracker's own, where it keeps its certificate and its accounts [default: ~/.local/share/piecemeal].
    #[arg(long, value_name = "DIR", env = "PIECEMEAL_DATA", global = true)]
    pub data: Option<PathBuf>,

    /// Serve this directory under /files/.
    #[arg(long, value_name = "DIR", env = "PIECEMEAL_FILES")]
    pub files: Option<PathBuf>,

    /// Seed the files of --files too, over WebRTC and TCP, where they lie: at most 200 at once, those that were asked for
    /// last, then the newest. They are hashed from the start on, and again when they change.
    #[arg(long, env = "PIECEMEAL_SEED", value_parser = BoolishValueParser::new())]
    pub seed: bool,

    /// Where --seed takes TCP connections of peers [default: where --listen or --lan does, on any port].
    #[arg(long, value_name = "ADDRESS", env = "PIECEMEAL_LISTEN_PEERS")]
    pub listen_peers: Option<SocketAddr>,

    /// Address of --listen-peers as peers beyond this host are told it, for forwarded ports and containers [default: the one
    /// from which this host would answer them].
    #[arg(long, value_name = "IP", env = "PIECEMEAL_SEED_ADDRESS")]
    pub seed_address: Option<IpAddr>,

    /// Most bytes a second that --seed gives to all peers together: 500k, 10M.
    #[arg(long, value_name = "RATE", env = "PIECEMEAL_SEED_UPLOAD_LIMIT", value_parser = quantity::rate)]
    pub seed_upload_limit: Option<u64>,

    /// Serve the page from this directory rather than the one built in.
    #[arg(long, value_name = "DIR", env = "PIECEMEAL_PAGE")]
    pub page: Option<PathBuf>,

    /// Listen on all addresses, and print the one for neighbours with its QR code.
    #[arg(long, env = "PIECEMEAL_LAN", value_parser = BoolishValueParser::new())]
    pub lan: bool,

    /// A further STUN or TURN server for the page: a URL (stun:host:3478) or an RTCIceServer object as JSON. May be repeated;
    /// a JSON array holds several.
    #[arg(long = "ice-servers", value_name = "URL|JSON", value_parser = ice_server, env = "PIECEMEAL_ICE_SERVERS")]
    pub ice_servers: Vec<serde_json::Value>,

    /// What is logged, as a filter of tracing's: `warn`, `debug`, `tracker=trace`.
    #[arg(long, value_name = "FILTER", default_value = LOG, env = "PIECEMEAL_LOG")]
    pub log: String,

    /// Log one JSON object a line.
    #[arg(long, env = "PIECEMEAL_LOG_JSON", value_parser = BoolishValueParser::new())]
    pub log_json: bool,

    #[command(flatten)]
    pub proxies: ProxyArgs,

    #[command(flatten)]
    pub access: AccessArgs,

    #[command(flatten)]
    pub connections: ConnectionLimits,

    #[command(flatten)]
    pub swarms: SwarmLimits,

    #[command(flatten)]
    pub private_mode: AccountOptions,

    /// Metrics and dashboard.
    #[command(flatten)]
    pub observe: ObserveArgs,

    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the program does besides serving.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Make, change and list accounts.
    #[command(subcommand)]
    Account(AccountCommand),
}

/// What is missing on the command line or in the environment.
#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    /// There is no place for the tracker's data.
    #[error(
        "no place to keep the certificate: HOME is not set. Name a directory with --data, or switch TLS off with --no-tls"
    )]
    NoData,
    /// There is no place for accounts.
    #[error("no place to keep accounts: HOME is not set. Name a directory with --data")]
    NoAccountData,
    /// There is nothing to seed.
    #[error("--seed seeds what is served under /files/: name a directory with --files")]
    SeedWithoutFiles,
    /// What is said of the cluster is wrong.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl Args {
    /// The directory of the tracker's own.
    ///
    /// # Errors
    ///
    /// [`ArgsError::NoAccountData`] if none is named and HOME is not set.
    pub fn data_directory(&self) -> Result<PathBuf, ArgsError> {
        self.data.clone().or_else(default_data).ok_or(ArgsError::NoAccountData)
    }

    /// What was typed, with what follows from it.
    ///
    /// # Errors
    ///
    /// [`ArgsError`], whose text says what to do.
    pub fn into_config(self) -> Result<Config, ArgsError> {
        if self.seed && self.files.is_none() {
            return Err(ArgsError::SeedWithoutFiles);
        }
        let seed = self.seed.then_some(SeedConfig {
            listen: self.listen_peers,
            address: self.seed_address,
            upload_limit: self.seed_upload_limit,
            ..SeedConfig::default()
        });
        let data = self.data.or_else(default_data);
        let accounts = match self.private_mode.are_wanted() {
            true => Some(self.private_mode.into_config(data.clone().ok_or(ArgsError::NoAccountData)?)),
            false => None,
        };
        let names = self.names.clone();
        let snapshot = self.snapshot.config(data.as_deref(), self.listen.port());
        let private = data.iter().chain(&self.key).cloned().collect();
        let source = match (self.cert, self.key) {
            (Some(certificate), Some(key)) => Some(CertificateSource::Files { certificate, key }),
            _ if self.no_tls => None,
            _ => {
                let data = data.ok_or(ArgsError::NoData)?;
                Some(CertificateSource::Generated { data, names: self.names })
            }
        };
        Ok(Config {
            listen: self.listen,
            tls: source.map(|source| TlsConfig {
                listen: self.listen_tls,
                http1: self.listen_tls_http1,
                source,
            }),
            udp: self.listen_udp,
            stun: self.stun.listen_stun,
            strictness: self.strictness,
            cluster: self.cluster.into_config()?,
            snapshot,
            turn: self.turn.config(|| lan::addresses().into_iter().find(IpAddr::is_ipv4)),
            lan: self.lan,
            files: self.files,
            seed,
            accounts,
            names,
            private,
            page: self.page,
            ice_servers: flat(self.ice_servers),
            access: self.access,
            proxies: self.proxies.into(),
            net: NetLimits {
                drain_timeout: Duration::from_secs(self.drain.drain_timeout),
                drain_delay: Duration::from_secs(self.drain.drain_delay),
                ..self.connections.limits(self.swarms.interval())
            },
            observe: self.observe,
            swarm: Limits { ipv6_prefix: self.connections.ipv6_prefix, ..self.swarms.limits() },
        })
    }
}

fn default_data() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let shared = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    shared.map(|shared| shared.join("piecemeal"))
}

fn ice_server(text: &str) -> Result<serde_json::Value, String> {
    if is_ice_url(text) {
        return Ok(serde_json::json!({ "urls": text }));
    }
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|_| "expected a URL like stun:host:3478, or a JSON object with `urls`".to_owned())?;
    let known = match value.as_array() {
        Some(servers) => servers.iter().all(is_ice_server),
        None => is_ice_server(&value),
    };
    if known {
        Ok(value)
    } else {
        Err("expected `urls` with stun:, stuns:, turn: or turns: addresses".to_owned())
    }
}

fn is_ice_url(url: &str) -> bool {
    ["stun:", "stuns:", "turn:", "turns:"].iter().any(|scheme| url.starts_with(scheme))
}

fn is_ice_server(value: &serde_json::Value) -> bool {
    let urls = &value["urls"];
    match urls.as_array() {
        Some(list) => !list.is_empty() && list.iter().all(|url| url.as_str().is_some_and(is_ice_url)),
        None => urls.as_str().is_some_and(is_ice_url),
    }
}

/// One list, where an array that came as one value counts as its parts.
fn flat(values: Vec<serde_json::Value>) -> Vec<serde_json::Value> {
    let parts = |value| match value {
        serde_json::Value::Array(parts) => parts,
        one => vec![one],
    };
    values.into_iter().flat_map(parts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }

    #[test]
    fn ice_servers_are_urls_or_objects() {
        assert_eq!(ice_server("stun:a:1").unwrap(), serde_json::json!({"urls": "stun:a:1"}));
        let turn = r#"{"urls": ["turn:a:1", "turns:b"], "username": "u", "credential": "c"}"#;
        assert_eq!(ice_server(turn).unwrap()["username"], "u");
        let several = format!(r#"[{turn}, {{"urls": "stun:c"}}]"#);
        let arguments = ["tracker", "--no-tls", "--ice-servers", &several, "--ice-servers", "stun:d"];
        let config = Args::try_parse_from(arguments).unwrap().into_config().unwrap();
        assert_eq!(config.ice_servers.len(), 3);
        assert_eq!(config.ice_servers[1]["urls"], "stun:c");
        for wrong in ["http://a", "{}", r#"{"urls": []}"#, r#"{"urls": "http://a"}"#, "[7]", "7"] {
            assert!(ice_server(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn seeding_is_asked_for_and_needs_files() {
        let config = |args: &[&str]| Args::try_parse_from(args).unwrap().into_config();
        assert!(config(&["tracker", "--no-tls", "--files", "/f"]).unwrap().seed.is_none());
        assert!(matches!(config(&["tracker", "--no-tls", "--seed"]), Err(ArgsError::SeedWithoutFiles)));
        let seed = ["tracker", "--no-tls", "--files", "/f", "--seed", "--seed-upload-limit", "10M"];
        let expected = SeedConfig { upload_limit: Some(10_000_000), ..SeedConfig::default() };
        assert_eq!(config(&seed).unwrap().seed, Some(expected));
    }

    #[test]
    fn tls_can_be_switched_off() {
        let config = |args: &[&str]| Args::try_parse_from(args).unwrap().into_config().unwrap();
        let without = config(&["tracker", "--no-tls", "--data", "/y"]);
        assert!(without.tls.is_none());
        assert_eq!(without.private, [PathBuf::from("/y")], "what an earlier run kept there stays private");
        let tls = config(&["tracker", "--data", "/x", "--name", "example.org"]).tls.unwrap();
        let CertificateSource::Generated { data, names } = tls.source else { panic!("{tls:?}") };
        assert_eq!((data, names), (PathBuf::from("/x"), vec!["example.org".to_owned()]));
        assert!(Args::try_parse_from(["tracker", "--cert", "x"]).is_err());
    }
}
