//! Connections: accepted, bounded, and served with HTTP/1.1 or HTTP/2.

pub(crate) mod address;
pub(crate) mod connection;
pub(crate) mod counted;
mod stall;
pub(crate) mod tcp;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tracing::{debug, info, warn};

use self::address::PerAddress;
use self::connection::{Connection, TlsFacts};
use self::counted::{Counted, Tallied};
use self::stall::Stall;
use crate::config::NetLimits;
use crate::error::StartError;
use crate::frontend::Rejected;
use crate::frontend::plain::{self, Rewound};
use crate::observe::Observe;
use crate::observe::egress;
use crate::observe::egress::{Ledger, spoken};
use crate::proxy::UnknownProxy;
use crate::state::AppState;

/// After the system refused to accept (no more open files), wait before asking again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who connects while others are finishing has this long for a first request, most likely about `/health`.
const LATE_WITHIN: Duration = Duration::from_secs(2);

/// Connections that the system may hold until they are accepted. A classroom opens the page at the same moment.
const BACKLOG: i32 = 1_024;

/// Bytes of one HTTP/2 stream that may wait to be written: a chunk of a file, and the next while it is sent.
const H2_SEND_BUFFER: usize = 1024 * 1024;

/// Bytes of requests that are read ahead, and with it the longest head. Without a bound of ours it is 400 kB, a few thousand
/// requests of a flood.
const H1_BUFFER: usize = 64 * 1024;

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) app: Router,
    pub(crate) limits: NetLimits,
    pub(crate) places: Arc<Semaphore>,
    /// How many connections each address has.
    pub(crate) addresses: PerAddress,
    pub(crate) state: Arc<AppState>,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
    /// Nothing is accepted any more.
    pub(crate) ended: CancellationToken,
    pub(crate) observe: Arc<Observe>,
    unknown_proxy: Arc<UnknownProxy>,
    /// Announces are answered here.
    announces: bool,
    builder: Builder<TokioExecutor>,
}

impl Shared {
    pub(crate) fn new(app: Router, state: Arc<AppState>) -> Self {
        let limits = state.config.net.clone();
        let (tasks, shutdown) = (state.tasks.clone(), state.shutdown.clone());
        let ended = state.drain.ended().clone();
        let observe = state.observe.clone();
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(Some(limits.header_timeout))
            .max_buf_size(H1_BUFFER);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(128)
            .max_send_buf_size(H2_SEND_BUFFER)
            .keep_alive_interval(Some(limits.ping_interval))
            .keep_alive_timeout(limits.idle_timeout);
        let places = Arc::new(Semaphore::new(limits.connections));
        let addresses = PerAddress::new(limits.connections_per_address).by_prefix(limits.ipv6_prefix);
        Self {
            app,
            limits,
            places,
            addresses,
            state,
            tasks,
            shutdown,
            ended,
            observe,
            unknown_proxy: Arc::default(),
            announces: true,
            builder,
        }
    }

    /// Whether a connection comes while others are finishing, and how long it has for its first request.
    fn patience(&self) -> (bool, Duration) {
        let late = self.shutdown.is_cancelled();
        (late, if late { LATE_WITHIN } else { self.limits.header_timeout })
    }

    /// The same for another service: connections to it count among the others.
    pub(crate) fn with_app(&self, app: Router) -> Self {
        Self {
            addresses: self.addresses.clone(),
            state: self.state.clone(),
            unknown_proxy: self.unknown_proxy.clone(),
            announces: false,
            app,
            limits: self.limits.clone(),
            places: self.places.clone(),
            tasks: self.tasks.clone(),
            shutdown: self.shutdown.clone(),
            ended: self.ended.clone(),
            observe: self.observe.clone(),
            builder: self.builder.clone(),
        }
    }
}

/// One of the bounded number of connections. Also in each request's extensions, for what outlives the connection's HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Place(
    #[expect(dead_code, reason = "held, not read")] Arc<(OwnedSemaphorePermit, Option<address::Place>)>,
);

/// Opens a listening socket. An unspecified IPv6 address takes IPv4 too.
pub(crate) fn bind(address: SocketAddr, option: &'static str) -> Result<TcpListener, StartError> {
    let open = || -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    open().map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => StartError::InUse { address, option },
        io::ErrorKind::PermissionDenied => StartError::Privileged { address, option },
        _ => StartError::Listen { address, option, error },
    })
}

/// [`bind`] on all addresses of both families, or of IPv4 where the system has no IPv6.
pub(crate) fn bind_all(port: u16, option: &'static str) -> Result<TcpListener, StartError> {
    match bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), option) {
        Err(StartError::Listen { .. }) => bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), option),
        bound => bound,
    }
}

/// Accepts connections until the end: while others finish, who asks is told that the tracker is not ready.
pub(crate) async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    loop {
        let place = tokio::select! {
            () = shared.ended.cancelled() => return,
            place = shared.places.clone().acquire_owned() => place,
        };
        let Ok(place) = place else { return };
        let accepted = tokio::select! {
            () = shared.ended.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, remote)) => {
                let (tls, connection) = (tls.clone(), shared.clone());
                shared.tasks.spawn(async move {
                    serve_stream(stream, remote, tls, connection, place).await;
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                warn!(%error, "cannot accept connections; if too many files are open, raise the limit (ulimit -n)");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionRefused | ConnectionAborted | ConnectionReset)
}

/// Whose connection it is, with its place among those of its address; `None` if it is to be closed.
async fn admit(
    stream: &mut TcpStream,
    remote: SocketAddr,
    shared: &Shared,
) -> Option<(SocketAddr, Option<address::Place>)> {
    let (rejections, proxies) = (&shared.state.traffic.rejections, &shared.state.config.proxies);
    let (late, patience) = shared.patience();
    let source = tokio::select! {
        () = shared.shutdown.cancelled(), if !late => return None,
        source = timeout(patience, proxies.source(stream, remote)) => source,
    };
    let source = match source {
        Ok(Ok(source)) => source,
        Ok(Err(error)) => {
            rejections.add(Rejected::ProxyHeader);
            info!(%remote, %error, "a trusted proxy's connection was closed");
            return None;
        }
        Err(_) => {
            rejections.add(Rejected::HeaderTimeout);
            debug!(%remote, "the PROXY header took too long");
            return None;
        }
    };
    // Behind a trusted proxy's address is everybody.
    if proxies.trusts(source.ip()) {
        return Some((source, None));
    }
    let of_address = shared.addresses.take(source.ip());
    if of_address.is_none() {
        rejections.add(Rejected::ConnectionsOfAddress);
        debug!(%source, "too many connections of this address; --connections-per-address bounds them");
    }
    Some((source, Some(of_address?)))
}

async fn serve_stream(
    mut stream: TcpStream,
    remote: SocketAddr,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    permit: OwnedSemaphorePermit,
) {
    let rejections = &shared.state.traffic.rejections;
    let Some((source, of_address)) = admit(&mut stream, remote, &shared).await else { return };
    let place = Place(Arc::new((permit, of_address)));
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%remote, %error, "cannot switch off Nagle's algorithm");
    }
    let ends = (stream.local_addr().ok(), remote);
    let ledger = Ledger::open(shared.observe.egress.clone(), tls.is_some());
    let stream = Counted::new(stream, Tallied::accepted(ledger));
    let below = stream.tally().counters();
    let stream = Stall::new(stream, shared.limits.write_timeout);
    let Some(tls) = tls else {
        let connection = Connection::new(ends, None, below.clone(), below);
        return serve(stream, source, Arc::new(connection), &shared, place).await;
    };
    let (late, patience) = shared.patience();
    let shaken = tokio::select! {
        () = shared.shutdown.cancelled(), if !late => return,
        shaken = timeout(patience, tls.accept(stream)) => shaken,
    };
    match shaken {
        Ok(Ok(stream)) => {
            let facts = facts(&stream, below.now());
            let stream = Counted::new(stream, Tallied::default());
            let connection = Connection::new(ends, facts, below, stream.tally().counters());
            serve(stream, source, Arc::new(connection), &shared, place).await;
        }
        Ok(Err(error)) => {
            rejections.add(Rejected::TlsHandshake);
            debug!(%remote, %error, "TLS handshake failed");
        }
        Err(_) => {
            rejections.add(Rejected::HeaderTimeout);
            debug!(%remote, "TLS handshake took too long");
        }
    }
}

/// What was agreed on, once the handshake is over.
fn facts<S>(stream: &TlsStream<S>, handshake: counted::Bytes) -> Option<TlsFacts> {
    let session = stream.get_ref().1;
    let (version, suite) = (session.protocol_version()?, session.negotiated_cipher_suite()?);
    Some(TlsFacts { version: format!("{version:?}"), cipher: format!("{:?}", suite.suite()), handshake })
}

/// Whether a connection failed because a head did not come in time.
fn is_late(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout)
}

/// Speaks HTTP/1.1 or HTTP/2, whichever the client begins with: by ALPN it is told what it may begin with.
async fn serve<IO>(stream: IO, source: SocketAddr, facts: Arc<Connection>, shared: &Shared, place: Place)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let remote = facts.remote;
    let (late, patience) = shared.patience();
    let stream = if late || !shared.announces || shared.state.config.proxies.trusts(source.ip()) {
        Rewound::new(stream)
    } else {
        let answering = || facts.asked(egress::Protocol::Http1);
        match plain::serve(stream, source, &shared.state, patience, answering).await {
            Some(stream) => stream,
            None => return,
        }
    };
    let asked = Arc::new((AtomicBool::new(false), Notify::new()));
    let service = {
        let (app, state, asked) = (shared.app.clone(), shared.state.clone(), asked.clone());
        let unknown_proxy = shared.unknown_proxy.clone();
        hyper::service::service_fn(move |request: Request<Incoming>| {
            asked.0.store(true, Ordering::Relaxed);
            asked.1.notify_one();
            let mut request = request.map(Body::new);
            let proxies = &state.config.proxies;
            let client = proxies.client(source, request.headers());
            if client == source {
                unknown_proxy.tell(proxies, source.ip(), request.headers());
            }
            request.extensions_mut().insert(ConnectInfo(client));
            request.extensions_mut().insert(place.clone());
            facts.asked(spoken(&request));
            request.extensions_mut().insert(facts.begin());
            crate::account::strip(&mut request);
            let app = app.clone();
            app.oneshot(request)
        })
    };
    let mut connection = pin!(shared.builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let mut first_request = pin!(sleep(patience));
    let (mut waiting, mut draining) = (true, false);
    loop {
        tokio::select! {
            served = connection.as_mut() => {
                if let Err(error) = served {
                    if is_late(&*error) && !asked.0.load(Ordering::Relaxed) {
                        shared.state.traffic.rejections.add(Rejected::HeaderTimeout);
                    }
                    debug!(%remote, %error, "connection failed");
                }
                return;
            }
            // hyper bounds the time for each head, but not for the choice between the two versions.
            () = &mut first_request, if waiting => {
                waiting = false;
                if !asked.0.load(Ordering::Relaxed) {
                    shared.state.traffic.rejections.add(Rejected::HeaderTimeout);
                    debug!(%remote, "no request in time");
                    return;
                }
            }
            () = shared.shutdown.cancelled(), if !draining && !late => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            // It has one request.
            () = asked.1.notified(), if !draining && late => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
