//! What is known about one connection, and how its bytes are shared out among its requests.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use serde::Serialize;

use super::counted::{Bytes, Counters};
use super::tcp::{self, TcpCounters};
use crate::observe::egress::Protocol;

/// One accepted connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) remote: SocketAddr,
    local: Option<SocketAddr>,
    pub(crate) tls: Option<TlsFacts>,
    /// What TCP was given and gave.
    stream: Arc<Counters>,
    /// What HTTP was given and gave: above TLS, or the same.
    http: Arc<Counters>,
    requests: Mutex<Requests>,
}

/// What both sides agreed on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TlsFacts {
    /// Like `TLSv1_3`.
    pub(crate) version: String,
    /// Like `TLS13_AES_256_GCM_SHA384`.
    pub(crate) cipher: String,
    /// Bytes of the handshake; what follows it, like session tickets, counts with the first request.
    pub(crate) handshake: Bytes,
}

#[derive(Debug, Default)]
struct Requests {
    /// Under way: until their response's body is given away.
    active: usize,
    /// Begun so far.
    begun: u64,
    /// Begun while another was under way.
    overlapping: u64,
    /// Where the one that is measured ends, as soon as the next begins.
    awaited: Option<Arc<OnceLock<End>>>,
}

/// Where a measured request ends.
#[derive(Clone, Copy, Debug)]
struct End {
    reading: Reading,
    /// [`Requests::overlapping`] until then: what overlaps later says nothing of this one.
    overlapping: u64,
}

/// All counters of a connection at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) stream: Bytes,
    pub(crate) http: Bytes,
    pub(crate) tcp: Option<TcpCounters>,
}

impl Connection {
    pub(super) fn new(
        (local, remote): (Option<SocketAddr>, SocketAddr),
        tls: Option<TlsFacts>,
        stream: Arc<Counters>,
        http: Arc<Counters>,
    ) -> Self {
        Self { remote, local, tls, stream, http, requests: Mutex::default() }
    }

    /// A request came in this protocol: what follows is counted as that.
    pub(super) fn asked(&self, protocol: Protocol) {
        self.stream.asked(protocol);
    }

    /// A request has come. Its bytes begin where the read began that brought it.
    pub(super) fn begin(self: &Arc<Self>) -> Use {
        let mut requests = self.requests.lock();
        let is_alone = requests.active == 0;
        let is_first = requests.begun == 0;
        let start = match (is_first, is_alone) {
            // All that came before is for its sake.
            (true, _) => Reading::default(),
            (false, true) => {
                let stream = self.stream.before_last_read();
                Reading { stream, http: self.http.before_last_read(), tcp: None }
            }
            (false, false) => self.reading(),
        };
        if is_alone && let Some(awaited) = requests.awaited.take() {
            let reading = Reading { tcp: self.tcp(), ..start };
            let _ = awaited.set(End { reading, overlapping: requests.overlapping });
        }
        requests.active += 1;
        requests.begun += 1;
        requests.overlapping += u64::from(!is_alone);
        let overlapping = requests.overlapping - u64::from(!is_alone);
        Use(Arc::new(UseInner { connection: self.clone(), start, is_first, is_alone, overlapping }))
    }

    pub(crate) fn is_ipv6(&self) -> bool {
        self.remote.ip().to_canonical().is_ipv6()
    }

    fn reading(&self) -> Reading {
        Reading { stream: self.stream.now(), http: self.http.now(), tcp: None }
    }

    fn tcp(&self) -> Option<TcpCounters> {
        tcp::counters(self.local?, self.remote)
    }
}

/// One request and what its response's body holds; while it exists, the request is under way.
#[derive(Clone, Debug)]
pub(crate) struct Use(Arc<UseInner>);

#[derive(Debug)]
struct UseInner {
    connection: Arc<Connection>,
    start: Reading,
    is_first: bool,
    is_alone: bool,
    overlapping: u64,
}

impl Drop for UseInner {
    fn drop(&mut self) {
        self.connection.requests.lock().active -= 1;
    }
}

impl Use {
    /// Whether it came over TLS that this tracker speaks itself.
    pub(crate) fn is_tls(&self) -> bool {
        self.0.connection.tls.is_some()
    }

    /// Measures this request: everything that passes until the next begins. One at a time of each connection.
    pub(crate) fn measure(&self) -> Measured {
        let UseInner { connection, start, is_first, is_alone, overlapping } = &*self.0;
        let end = Arc::new(OnceLock::new());
        connection.requests.lock().awaited = Some(end.clone());
        let tcp = match is_first {
            true => connection.tcp().map(|_| TcpCounters::default()),
            false => connection.tcp(),
        };
        Measured {
            connection: connection.clone(),
            start: Reading { tcp, ..*start },
            end,
            is_first: *is_first,
            is_alone: *is_alone,
            overlapping: *overlapping,
        }
    }
}

/// The bytes of one request.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) connection: Arc<Connection>,
    pub(crate) start: Reading,
    end: Arc<OnceLock<End>>,
    /// What the connection cost to set up is counted with it.
    pub(crate) is_first: bool,
    is_alone: bool,
    overlapping: u64,
}

impl Measured {
    /// The counters at its end, or now if nothing came after it.
    pub(crate) fn end(&self) -> Reading {
        let now = || Reading { tcp: self.connection.tcp(), ..self.connection.reading() };
        self.end.get().map_or_else(now, |end| end.reading)
    }

    /// Whether no other request was under way on the connection meanwhile, whose bytes would be counted with it.
    pub(crate) fn is_alone(&self) -> bool {
        let now = || self.connection.requests.lock().overlapping;
        self.is_alone && self.end.get().map_or_else(now, |end| end.overlapping) == self.overlapping
    }
}
