use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use shared::engine::{EffectFailure, EffectResult, Input};
use shared::id::{ConnId, EffectId};
use shared::time::Instant;

/// Bytes that a server sends at once.
const CHUNK: u64 = 64 * 1024 - 300;

/// HTTP servers, by what their URLs begin with.
#[derive(Default)]
pub struct Web {
    pub servers: BTreeMap<String, Server>,
    fetches: BTreeMap<u64, Fetch>,
    next: u64,
}

/// A server with one uplink.
pub struct Server {
    /// By the rest of the URL.
    pub files: BTreeMap<String, Vec<u8>>,
    /// From request to first byte.
    pub latency: Duration,
    /// Bytes a second to all together.
    pub rate: u64,
    pub fault: Fault,
    pub served: u64,
    pub requests: Vec<(Instant, String, u64, u64)>,
    pub aborted: u32,
    free_at: Instant,
}

/// What a server does wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// Each request is refused.
    Refuses,
    /// The connection fails.
    Unreachable,
    /// The answer ends after this many bytes, as if it were whole.
    Short(u64),
    /// More comes than was asked for.
    Long,
    /// Nothing comes after this many bytes.
    Silent(u64),
    /// Bytes are wrong.
    Lies,
}

struct Fetch {
    host: usize,
    conn: ConnId,
    id: EffectId,
    server: String,
    rest: Bytes,
    sent: u64,
}

/// What a step of a fetch gives its host, and when the next comes.
pub struct Step {
    pub host: usize,
    pub conn: ConnId,
    pub inputs: Vec<Input>,
    pub next: Option<Instant>,
}

impl Server {
    pub fn new(rate: u64, latency_ms: u64) -> Self {
        Self {
            files: BTreeMap::new(),
            latency: Duration::from_millis(latency_ms),
            rate,
            fault: Fault::None,
            served: 0,
            requests: Vec::new(),
            aborted: 0,
            free_at: Instant::ORIGIN,
        }
    }

    pub fn with(mut self, path: &str, bytes: &[u8]) -> Self {
        self.files.insert(path.to_owned(), bytes.to_vec());
        self
    }
}

impl Web {
    /// Begins a fetch; answers its number and when its first step is.
    pub fn fetch(
        &mut self,
        now: Instant,
        (host, conn, id): (usize, ConnId, EffectId),
        (url, offset, length): (String, u64, u64),
    ) -> (u64, Instant) {
        let (name, server) =
            self.servers.iter_mut().find(|(name, _)| url.starts_with(name.as_str())).expect("a known server");
        server.requests.push((now, url[name.len()..].to_owned(), offset, length));
        let file = server.files.get(&url[name.len()..]);
        let range = file.and_then(|file| file.get(offset as usize..(offset + length) as usize));
        let mut bytes = range.unwrap_or_default().to_vec();
        match server.fault {
            Fault::Short(at) => bytes.truncate(at as usize),
            Fault::Long => bytes.extend([0; 1_000]),
            Fault::Lies => bytes.iter_mut().step_by(5_000).for_each(|byte| *byte ^= 1),
            _ => {}
        }
        let fetch = Fetch { host, conn, id, server: name.clone(), rest: bytes.into(), sent: 0 };
        self.next += 1;
        self.fetches.insert(self.next, fetch);
        (self.next, now + server.latency)
    }

    /// Sends the next bytes of a fetch, or its end; `closed` is whether its host broke it off.
    pub fn step(
        &mut self,
        now: Instant,
        number: u64,
        closed: impl Fn(usize, ConnId) -> bool,
    ) -> Option<Step> {
        let fetch = self.fetches.get_mut(&number)?;
        let server = self.servers.get_mut(&fetch.server)?;
        let (host, conn, id) = (fetch.host, fetch.conn, fetch.id);
        let done = |result| Input::EffectDone { id, result };
        let failed = |failure| done(EffectResult::Failed(failure));
        let ended = if closed(host, conn) {
            server.aborted += 1;
            Some(failed(EffectFailure::Failed("broken off".to_owned())))
        } else if server.fault == Fault::Unreachable {
            Some(failed(EffectFailure::Failed("no connection".to_owned())))
        } else if server.fault == Fault::Refuses || (fetch.rest.is_empty() && fetch.sent == 0) {
            Some(failed(EffectFailure::Refused("404 Not Found".to_owned())))
        } else if fetch.rest.is_empty() {
            Some(done(EffectResult::Done))
        } else {
            None
        };
        if let Some(input) = ended {
            self.fetches.remove(&number);
            return Some(Step { host, conn, inputs: vec![input], next: None });
        }
        if matches!(server.fault, Fault::Silent(after) if fetch.sent >= after) {
            let next = Some(now + Duration::from_secs(1));
            return Some(Step { host, conn, inputs: Vec::new(), next });
        }
        let data = fetch.rest.split_to(fetch.rest.len().min(CHUNK as usize));
        fetch.sent += data.len() as u64;
        server.served += data.len() as u64;
        let pace = Duration::from_nanos(data.len() as u64 * 1_000_000_000 / server.rate);
        server.free_at = server.free_at.max(now) + pace;
        let inputs = vec![Input::ConnectionData { conn, data }];
        Some(Step { host, conn, inputs, next: Some(server.free_at) })
    }
}
