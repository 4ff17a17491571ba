//! The Piecemeal tracker: introduces peers to each other, serves the page to them, and the same files over HTTP/1.1 and
//! HTTP/2. One port for everything in clear, one for everything over TLS, and one for HTTP/1.1 over TLS.
//!
//! [`start`] binds the ports and says where it listens; [`Running::until`] serves until asked to end. The [`swarm`] store
//! is pure and may be driven without any of the rest. For Unix: files are opened part by part below an open directory.

pub mod access;
pub mod account;
mod app;
pub mod cli;
mod client_name;
pub mod cluster;
mod compare;
pub mod config;
pub mod drain;
pub mod error;
mod files;
mod frontend;
#[doc(hidden)]
pub mod fuzz;
mod host;
mod html;
pub mod lan;
mod listener;
mod media_type;
pub mod observe;
mod open_files;
mod page;
mod policy;
pub mod proxy;
mod publication;
mod reload;
mod routes;
mod seed;
pub mod settings;
pub mod shutdown;
pub mod snapshot;
mod stamp;
mod state;
mod store;
pub mod stun;
pub mod swarm;
pub mod tls;
pub mod turn;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use self::access::Access;
use self::account::Accounts;
use self::cluster::Cluster;
use self::config::{CertificateSource, Config, FurtherPort, TlsConfig};
use self::error::StartError;
use self::files::Files;
use self::listener::Shared;
use self::page::Page;
use self::seed::Seeder;
use self::state::{AppState, Parts, Ports};
use self::tls::Tls;

/// How often swarms are looked through for silent members, a part of them each time.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(1);

/// A tracker whose ports are open.
pub struct Running {
    address: SocketAddr,
    clear: TcpListener,
    udp: Option<UdpSocket>,
    stun: Option<UdpSocket>,
    turn: Option<UdpSocket>,
    tls: Option<(TcpListener, Tls)>,
    tls_http1: Option<TcpListener>,
    metrics: Option<TcpListener>,
    state: Arc<AppState>,
}

/// Opens the ports and loads everything that is needed. Connections that come now are served by [`Running::until`].
///
/// # Errors
///
/// [`StartError`], whose text says what to do.
pub async fn start(mut config: Config) -> Result<Running, StartError> {
    config.net.connections =
        open_files::fit(config.net.connections, config.turn.as_ref().map_or(0, |turn| turn.allocations));
    let access = Access::new(&config.access)?;
    let files = config.files.as_deref();
    let files = files.map(|directory| Files::new(directory, &private_paths(&config))).transpose()?;
    if let Some(path) = config.page.clone() {
        let listed = std::fs::read_dir(&path);
        listed.map_err(|error| StartError::Directory { option: "--page", path, error })?;
    }
    let page = Page::new(config.page.clone());
    if !page.is_built() {
        warn!("the page has not been built, only the tracker runs; `cargo xtask build` makes both");
    }
    let clear = open(config.listen, config.lan, "--listen")?;
    let address = local(&clear, config.listen, "--listen")?;
    let udp = open_udp(&config, address)?;
    let udp_address = udp.as_ref().and_then(|socket| socket.local_addr().ok());
    let stun = stun::open(&config)?;
    let turn = turn::open(&config)?;
    let turn_address = turn.as_ref().and_then(|socket| socket.local_addr().ok());
    let stun_address = stun.as_ref().and_then(|socket| socket.local_addr().ok());
    let mut ports = Ports {
        clear: address,
        tls: None,
        tls_http1: None,
        udp: udp_address,
        stun: stun_address,
        turn: turn_address,
        metrics: None,
    };
    let (mut tls, mut tls_http1) = (None, None);
    if let Some(TlsConfig { listen, http1, source }) = &config.tls {
        let listener = open(*listen, config.lan, "--listen-tls")?;
        let local = local(&listener, *listen, "--listen-tls")?;
        tls = Some((listener, Tls::new(source, own_names(&config))?));
        tls_http1 = open_http1(*http1, (*listen, local), config.lan)?;
        ports.tls = Some(local);
        ports.tls_http1 = tls_http1.as_ref().and_then(|listener| listener.local_addr().ok());
    }
    let accounts = Accounts::open(config.accounts.as_ref())?;
    let metrics = config.observe.metrics_listen;
    let metrics = metrics.map(|address| listener::bind(address, "--metrics-listen")).transpose()?;
    ports.metrics = metrics.as_ref().and_then(|listener| listener.local_addr().ok());
    let seeder = match &config.seed {
        Some(seed) if files.is_some() => {
            Some(Seeder::start(&config, seed, address, &accounts.house_path()).await?)
        }
        _ => None,
    };
    let (mut seed, mut secret) = ([0; 32], [0; 32]);
    for bytes in [&mut seed, &mut secret] {
        aws_lc_rs::default_provider().secure_random.fill(bytes).map_err(|_| StartError::Random)?;
    }
    let parts = Parts {
        page,
        files,
        accounts,
        seeder,
        ports,
        access,
        certificates: tls.as_ref().map(|(_, tls)| tls.certificates.clone()),
        seed,
        cluster: config.cluster.clone().map(Cluster::new).transpose()?,
        secret,
        shutdown: CancellationToken::new(),
        tasks: TaskTracker::new(),
    };
    let state = Arc::new(AppState::new(config, parts));
    snapshot::restore(&state);
    Ok(Running { address, clear, udp, stun, turn, tls, tls_http1, metrics, state })
}

impl Running {
    /// Where the clear port listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the TLS port listens.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.state.ports.tls
    }

    /// Where the TLS port for HTTP/1.1 only listens.
    pub fn tls_http1_address(&self) -> Option<SocketAddr> {
        self.state.ports.tls_http1
    }

    /// Where announces over UDP are taken.
    pub fn udp_address(&self) -> Option<SocketAddr> {
        self.state.ports.udp
    }

    /// Where browsers learn their public address, unless that is switched off.
    pub fn stun_address(&self) -> Option<SocketAddr> {
        self.state.stun_address()
    }

    /// Where peers that cannot meet otherwise are relayed, if they are.
    pub fn turn_address(&self) -> Option<SocketAddr> {
        self.state.ports.turn
    }

    /// Where metrics have a port of their own.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.state.ports.metrics
    }

    /// Where the tracker's own peer takes TCP connections.
    pub fn peers_address(&self) -> Option<SocketAddr> {
        self.state.seeder.as_ref().map(Seeder::listen)
    }

    /// The code that makes the first account, while there is none. For the operator's eyes.
    pub fn setup_code(&self) -> Option<String> {
        self.state.accounts.setup_code()
    }

    /// SHA-256 fingerprint of the certificate.
    pub fn fingerprint(&self) -> Option<String> {
        self.state.certificates.as_ref().map(|certificates| certificates.fingerprint())
    }

    /// Whether browsers will warn about the certificate, because the tracker made it itself.
    pub fn certificate_is_generated(&self) -> bool {
        self.state.certificates.as_ref().is_some_and(|certificates| certificates.are_generated())
    }

    /// Serves until `ended` is ready, then lets connections finish: WebSockets get a close frame, requests their
    /// response. Returns whether all of them finished in time.
    pub async fn until(self, ended: impl Future<Output = ()>) -> bool {
        let Self { clear, udp, stun, turn, tls, tls_http1, metrics, state, .. } = self;
        let (tasks, loops) = (state.tasks.clone(), TaskTracker::new());
        let shared = Arc::new(Shared::new(app::app(state.clone()), state.clone()));
        loops.spawn(snapshot::keep(state.clone()));
        loops.spawn(listener::accept(clear, None, shared.clone()));
        if let Some((listener, tls)) = tls {
            loops.spawn(listener::accept(listener, Some(tls.acceptor), shared.clone()));
            if let Some(listener) = tls_http1 {
                loops.spawn(listener::accept(listener, Some(tls.http1), shared.clone()));
            }
        }
        if let Some(socket) = udp {
            let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
            let sockets = frontend::udp::socket::share(socket, cores);
            loops.spawn(frontend::udp::serve(sockets, state.clone()));
        }
        tasks.spawn(cluster::serve(state.clone()));
        if let Some(socket) = stun {
            loops.spawn(stun::serve(socket, state.clone()));
        }
        if let Some(socket) = turn {
            loops.spawn(turn::serve(socket, state.clone()));
        }
        if let Some(listener) = metrics {
            loops.spawn(listener::accept(
                listener,
                None,
                Arc::new(shared.with_app(routes::metrics::port(state.clone()))),
            ));
        }
        tasks.spawn(expire(state.clone()));
        tasks.spawn(reload::keep(state.clone()));
        tasks.spawn(seed::keep(state.clone()));
        tasks.spawn(account::watch(state.clone()));
        ended.await;
        let drained = drain::run(&state, &loops).await;
        snapshot::save(&state).await;
        drained
    }
}

async fn expire(state: Arc<AppState>) {
    let mut ticks = tokio::time::interval(EXPIRY_INTERVAL);
    loop {
        tokio::select! {
            () = state.shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let now = state.clock.now();
        state.swarms.expire(now);
    }
}

fn open(address: SocketAddr, lan: bool, option: &'static str) -> Result<TcpListener, StartError> {
    if lan { listener::bind_all(address.port(), option) } else { listener::bind(address, option) }
}

/// Opens the TLS port for HTTP/1.1. Where nobody asked for it, one that cannot be had is done without. `tls` is where the
/// other was asked to listen, and where it does.
fn open_http1(
    http1: FurtherPort,
    (asked, tls): (SocketAddr, SocketAddr),
    lan: bool,
) -> Result<Option<TcpListener>, StartError> {
    const OPTION: &str = "--listen-tls-http1";
    let next = match http1 {
        FurtherPort::Off => return Ok(None),
        FurtherPort::At(address) => return open(address, lan, OPTION).map(Some),
        FurtherPort::Auto if asked.port() == 0 => SocketAddr::new(tls.ip(), 0),
        FurtherPort::Auto => SocketAddr::new(asked.ip(), tls.port().checked_add(1).unwrap_or_default()),
    };
    let opened = open(next, lan, OPTION);
    if let Err(error) = &opened {
        info!("no TLS port for HTTP/1.1 only, so a browser cannot compare that over TLS: {error}");
    }
    Ok(opened.ok())
}

/// Opens the UDP port. Where nobody asked for it, one that cannot be had is done without. `clear` is where the clear port
/// listens.
fn open_udp(config: &Config, clear: SocketAddr) -> Result<Option<UdpSocket>, StartError> {
    const OPTION: &str = "--listen-udp";
    let open = |address: SocketAddr| match config.lan {
        true => frontend::udp::socket::bind_all(address.port(), OPTION),
        false => frontend::udp::socket::bind(address, OPTION),
    };
    match config.udp {
        FurtherPort::Off => Ok(None),
        FurtherPort::At(address) => open(address).map(Some),
        FurtherPort::Auto => {
            let opened = open(clear);
            if let Err(error) = &opened {
                warn!("no announces over UDP: {error}");
            }
            Ok(opened.ok())
        }
    }
}

fn local(listener: &TcpListener, asked: SocketAddr, option: &'static str) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|error| StartError::Listen { address: asked, option, error })
}

/// What must not be shown: what the configuration names, and what the certificate is kept in.
fn private_paths(config: &Config) -> Vec<PathBuf> {
    let of_tls = config.tls.as_ref().map(|tls| match &tls.source {
        CertificateSource::Generated { data, .. } => data.clone(),
        CertificateSource::Files { key, .. } => key.clone(),
    });
    let of_accounts = config.accounts.as_ref().map(|accounts| accounts.data.clone());
    config.private.iter().cloned().chain(of_tls).chain(of_accounts).collect()
}

/// The names and addresses under which this tracker may be called, for its certificate.
fn own_names(config: &Config) -> Vec<String> {
    let mut names: BTreeSet<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let listen = config.tls.as_ref().map(|tls| tls.listen.ip());
    let everywhere = config.lan || listen.is_some_and(|ip| ip.is_unspecified());
    names.extend(listen.filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string()));
    if everywhere {
        names.extend(lan::addresses().iter().map(ToString::to_string));
        if let Some(name) = lan::host_name() {
            // The name by which mDNS knows it.
            names.extend((!name.contains('.')).then(|| format!("{name}.local")));
            names.insert(name);
        }
    }
    names.into_iter().collect()
}
