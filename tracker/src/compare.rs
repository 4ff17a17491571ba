//! What single transfers cost this server, for whoever measures them.
//!
//! A request for a file that names itself, `/files/…?lane=ID`, is measured; `/compare/ID.json` then tells what passed on its
//! connection from the read that brought the request to the one that brought the next: body, HTTP, TLS and TCP each by
//! the counters of its own layer. Nothing else is measured, and nothing is kept for long.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{StatusCode, Uri, Version};
use parking_lot::Mutex;
use serde::Serialize;

use crate::listener::connection::{Measured, Use};
use crate::listener::counted::Bytes;
use crate::listener::tcp::TcpCounters;

/// Transfers that are remembered; with one more, the oldest is forgotten. Each takes about a kilobyte.
const TRANSFERS_MAX: usize = 1_024;

/// A transfer is asked about as soon as it has ended, and the longest take minutes.
const TRANSFER_KEPT: Duration = Duration::from_secs(3_600);

/// Letters, digits and dashes of a transfer's name: at least as many as make it hard to guess somebody else's.
const ID_LENGTH: std::ops::RangeInclusive<usize> = 16..=64;

/// The transfers that are measured.
#[derive(Debug, Default)]
pub(crate) struct Transfers(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    by_id: BTreeMap<String, Arc<Transfer>>,
    oldest_first: VecDeque<(Instant, String)>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Transfer {
    measured: Measured,
    version: Version,
    status: StatusCode,
    /// Bytes of the file that HTTP has been given.
    body: AtomicU64,
}

impl Transfers {
    /// Measures this request if it asks for it under a name that is not taken.
    pub(crate) fn begin(
        &self,
        uri: &Uri,
        version: Version,
        status: StatusCode,
        request: &Use,
    ) -> Option<Arc<Transfer>> {
        let id = uri.query()?.split('&').find_map(|pair| pair.strip_prefix("lane="))?;
        if !is_id(id) {
            return None;
        }
        let mut table = self.0.lock();
        if table.by_id.contains_key(id) {
            return None;
        }
        let (measured, body) = (request.measure(), AtomicU64::new(0));
        let transfer = Arc::new(Transfer { measured, version, status, body });
        table.insert(id.to_owned(), transfer.clone(), Instant::now());
        Some(transfer)
    }

    /// What is known of the transfer with this name.
    pub(crate) fn report(&self, id: &str) -> Option<Report> {
        let transfer = self.0.lock().by_id.get(id).cloned();
        Some(transfer?.report())
    }
}

impl Table {
    fn insert(&mut self, id: String, transfer: Arc<Transfer>, now: Instant) {
        while let Some((since, _)) = self.oldest_first.front() {
            if self.by_id.len() < TRANSFERS_MAX && now.saturating_duration_since(*since) < TRANSFER_KEPT {
                break;
            }
            if let Some((_, id)) = self.oldest_first.pop_front() {
                self.by_id.remove(&id);
            }
        }
        self.oldest_first.push_back((now, id.clone()));
        self.by_id.insert(id, transfer);
    }
}

fn is_id(id: &str) -> bool {
    ID_LENGTH.contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// `/compare/ID.json`. All numbers are bytes, as the server sees them, unless they say otherwise.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// `http/1.1` or `h2`.
    protocol: &'static str,
    /// Of the response.
    status: u16,
    /// Of the file.
    body: u64,
    /// Above TLS: heads, framing and the body.
    http: Bytes,
    /// What TCP was given: the same, in records if there is TLS.
    stream: Bytes,
    tls: Option<crate::listener::connection::TlsFacts>,
    /// What the kernel counted; null where it does not tell.
    tcp: Option<TcpReport>,
    ip_version: u8,
    /// The first request of its connection: the handshakes are counted with it.
    first_on_connection: bool,
    /// No other request shared the connection meanwhile. If one did, its bytes are in the numbers too.
    alone: bool,
}

/// Segments are counted as they are on the wire. The SYNs are among those of a connection's first request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TcpReport {
    segments_sent: u32,
    segments_received: u32,
    segments_sent_again: u32,
    bytes_sent_again: u64,
    /// Largest payload of a segment.
    mss: u32,
    /// Each segment carries 12 bytes of options.
    timestamps: bool,
    round_trip_seconds: f64,
}

impl Transfer {
    /// Another part of the body has been given to HTTP.
    pub(crate) fn count(&self, bytes: usize) {
        self.body.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn report(&self) -> Report {
        let Self { measured, version, status, body } = self;
        let (start, end) = (&measured.start, measured.end());
        Report {
            protocol: if *version == Version::HTTP_2 { "h2" } else { "http/1.1" },
            status: status.as_u16(),
            body: body.load(Ordering::Relaxed),
            http: end.http.since(start.http),
            stream: end.stream.since(start.stream),
            tls: measured.connection.tls.clone(),
            tcp: start.tcp.zip(end.tcp).map(|(start, end)| TcpReport::between(start, end)),
            ip_version: if measured.connection.is_ipv6() { 6 } else { 4 },
            first_on_connection: measured.is_first,
            alone: measured.is_alone(),
        }
    }
}

impl TcpReport {
    fn between(start: TcpCounters, end: TcpCounters) -> Self {
        Self {
            segments_sent: end.segments_sent.wrapping_sub(start.segments_sent),
            segments_received: end.segments_received.wrapping_sub(start.segments_received),
            segments_sent_again: end.segments_again.wrapping_sub(start.segments_again),
            bytes_sent_again: end.bytes_again.saturating_sub(start.bytes_again),
            mss: end.mss,
            timestamps: end.timestamps,
            round_trip_seconds: f64::from(end.rtt) / 1e6,
        }
    }
}
