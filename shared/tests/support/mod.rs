//! A small world for engines: a virtual clock, pipes, a tracker, storage in memory. Everything happens in an order that
//! follows from what is put in.

#![expect(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses a part of this"
)]

pub mod storage;
pub mod stranger;
pub mod tcp;
pub mod tracker;
pub mod web;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use bytes::Bytes;
use sha1::{Digest as _, Sha1};
use shared::engine::{
    ClosedBy, Command, Config, Effect, EffectResult, Engine, Event, Input, Origin, Output, Phase,
    TorrentSnapshot,
};
use shared::id::{ConnId, InfoHash, TrackerId};
use shared::metainfo::Metainfo;
use shared::metainfo::builder::Builder;
use shared::peer::CloseReason;
use shared::rng::Rng;
use shared::time::{Instant, UnixTime};

use storage::Storage;
use tracker::Tracker;
use web::Web;

pub const HTTP: &str = "http://tracker.test/announce";
pub const TRACKER: &str = "ws://tracker.test/announce";

/// How the pipes between engines behave.
#[derive(Clone, Debug)]
pub struct Net {
    pub latency: Duration,
    /// Bytes a second of each engine towards all others; `None` is no limit.
    pub rate: Option<u64>,
    /// Messages are cut into chunks of at most this many bytes.
    pub chunk: usize,
    pub max_message: usize,
    /// How long an effect on storage takes.
    pub storage_delay: Duration,
}

impl Default for Net {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(5),
            rate: None,
            chunk: usize::MAX,
            max_message: 256 * 1024,
            storage_delay: Duration::ZERO,
        }
    }
}

/// One engine and what its host has.
pub struct Host {
    pub engine: Engine,
    pub storage: Storage,
    pub events: Vec<Event>,
    pub closed: Vec<(ConnId, CloseReason)>,
    /// The other end of each open connection.
    pub ends: BTreeMap<ConnId, (usize, ConnId)>,
    pub sockets: BTreeMap<TrackerId, String>,
    pub connects: Vec<(Instant, String)>,
    pub told: Vec<(Instant, String)>,
    /// Effects are kept back instead of done.
    pub held: Option<Vec<(shared::id::EffectId, Effect)>>,
    pub sent: u64,
    pub sends: u64,
    /// Sends on connections that no engine is at the other end of.
    pub sends_to: BTreeMap<ConnId, u64>,
    pub offers_made: usize,
    /// Connections whose answer was made.
    pub answers: Vec<ConnId>,
    /// What was sent on connections that no engine is at the other end of.
    pub outgoing: BTreeMap<ConnId, Vec<u8>>,
    /// Changes bytes on their way to this host's peers.
    pub corrupt: Option<fn(&mut [u8])>,
    buffered: BTreeMap<ConnId, usize>,
    free_at: Instant,
    pub timeout: Option<Instant>,
    alive: bool,
}

enum Happening {
    Input(Input),
    /// Bytes have left the buffer of a connection.
    Drained(ConnId, usize),
    /// A server goes on with an answer.
    Web(u64),
}

pub struct World {
    pub now: Instant,
    pub net: Net,
    pub hosts: Vec<Host>,
    pub tracker: Tracker,
    pub web: Web,
    pub tcp: tcp::Tcp,
    queue: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    happenings: BTreeMap<u64, Happening>,
    next: u64,
    pub check: bool,
    pub steps: u64,
    /// Connections do not open.
    pub unreachable: bool,
}

impl World {
    pub fn new(net: Net) -> Self {
        Self {
            now: Instant::from_millis(1_000),
            net,
            hosts: Vec::new(),
            tracker: Tracker::default(),
            web: Web::default(),
            tcp: tcp::Tcp::default(),
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            next: 0,
            check: true,
            steps: 0,
            unreachable: false,
        }
    }

    pub fn host(&mut self) -> usize {
        self.host_with(Config::default())
    }

    /// A host that dials and takes connections, and knows nothing of browsers.
    pub fn native(&mut self) -> usize {
        let listen_port = Some(tcp::address(self.hosts.len()).port());
        self.host_with(Config { dials: true, offers: false, listen_port, ..Config::default() })
    }

    /// Lets a host have the torrent from a `.torrent` that names these trackers.
    pub fn add(&mut self, host: usize, share: &Share, trackers: &[&str], complete: bool) {
        if complete {
            self.hosts[host].storage.put(share.meta.info_hash(), share.bytes.clone());
        }
        let trackers: Vec<String> = trackers.iter().map(|url| (*url).to_owned()).collect();
        let torrent = share.meta.to_torrent(&trackers).into();
        let origin = if complete { Origin::Complete(torrent) } else { Origin::Metainfo(torrent) };
        self.command(host, Command::Add { origin, trackers: Vec::new(), start: true });
    }

    pub fn host_with(&mut self, config: Config) -> usize {
        let number = self.hosts.len();
        let engine = Engine::new(config, [number as u8 + 1; 32], self.now, UnixTime(1_700_000_000));
        self.hosts.push(Host {
            engine,
            storage: Storage::default(),
            events: Vec::new(),
            closed: Vec::new(),
            ends: BTreeMap::new(),
            sockets: BTreeMap::new(),
            connects: Vec::new(),
            told: Vec::new(),
            held: None,
            sent: 0,
            sends: 0,
            sends_to: BTreeMap::new(),
            offers_made: 0,
            answers: Vec::new(),
            outgoing: BTreeMap::new(),
            corrupt: None,
            buffered: BTreeMap::new(),
            free_at: self.now,
            timeout: None,
            alive: true,
        });
        number
    }

    /// Gives a host the whole torrent and lets it seed.
    pub fn seed(&mut self, host: usize, share: &Share) {
        self.hosts[host].storage.put(share.meta.info_hash(), share.bytes.clone());
        let torrent = share.meta.to_torrent(&[TRACKER.to_owned()]).into();
        self.command(
            host,
            Command::Add { origin: Origin::Complete(torrent), trackers: Vec::new(), start: true },
        );
    }

    /// Lets a host download from a `.torrent`.
    pub fn leech(&mut self, host: usize, share: &Share) {
        let torrent = share.meta.to_torrent(&[TRACKER.to_owned()]).into();
        self.command(
            host,
            Command::Add { origin: Origin::Metainfo(torrent), trackers: Vec::new(), start: true },
        );
    }

    /// Lets a host download from a link.
    pub fn leech_link(&mut self, host: usize, share: &Share, start: bool) {
        let link = format!("magnet:?xt=urn:btih:{}&dn=thing", share.meta.info_hash());
        let trackers = vec![TRACKER.to_owned()];
        self.command(host, Command::Add { origin: Origin::Link(link), trackers, start });
    }

    pub fn command(&mut self, host: usize, command: Command) {
        self.input(host, Input::Command(command));
    }

    /// Gives an input at once and does what comes of it.
    pub fn input(&mut self, host: usize, input: Input) {
        let now = self.now;
        self.steps += 1;
        self.hosts[host].engine.handle_input(now, input);
        self.drain(host);
    }

    pub fn later(&mut self, host: usize, after: Duration, input: Input) {
        self.push(host, self.now + after, Happening::Input(input));
    }

    fn push(&mut self, host: usize, at: Instant, happening: Happening) {
        self.happenings.insert(self.next, happening);
        self.queue.push(Reverse((at, self.next, host)));
        self.next += 1;
    }

    fn drain(&mut self, host: usize) {
        let mut sent_to = BTreeSet::new();
        loop {
            let output = self.hosts[host].engine.poll_output();
            match output {
                Output::Timeout(next) => {
                    self.hosts[host].timeout = next.map(|(at, _)| at);
                    break;
                }
                Output::Send { conn, data } => {
                    sent_to.insert(conn);
                    self.send(host, conn, data);
                }
                Output::Close { conn, reason } => {
                    self.hosts[host].closed.push((conn, reason));
                    self.close(host, conn, ClosedBy::Remote);
                }
                Output::Dial { conn, address } => self.dial(host, conn, address),
                Output::TrackerConnect { tracker, url } => self.connect(host, tracker, url),
                Output::TrackerSend { tracker, text } => self.tell(host, tracker, text),
                Output::TrackerClose(tracker) => {
                    if let Some(url) = self.hosts[host].sockets.remove(&tracker) {
                        self.tracker.gone(host, &url);
                    }
                }
                Output::Effect { id, effect } => match &mut self.hosts[host].held {
                    Some(held) => held.push((id, effect)),
                    None => self.effect(host, id, effect),
                },
                Output::Event(event) => self.hosts[host].events.push(event),
            }
        }
        if self.check {
            self.hosts[host].engine.check();
        }
        for conn in sent_to {
            let buffered = self.hosts[host].buffered.get(&conn).copied().unwrap_or(0);
            if buffered <= shared::limits::SEND_BUFFER_HIGH / 2 {
                self.push(host, self.now, Happening::Input(Input::ConnectionWritable { conn, buffered }));
            }
        }
    }

    fn send(&mut self, host: usize, conn: ConnId, data: Bytes) {
        assert!(data.len() <= self.net.max_message, "a send is at most what the remote takes");
        let from = &mut self.hosts[host];
        let Some((to, remote)) = from.ends.get(&conn).copied() else {
            from.outgoing.entry(conn).or_default().extend_from_slice(&data);
            *from.sends_to.entry(conn).or_default() += 1;
            return;
        };
        from.sent += data.len() as u64;
        from.sends += 1;
        let mut data = data.to_vec();
        if let Some(corrupt) = from.corrupt {
            corrupt(&mut data);
        }
        let length = data.len();
        let pace = self
            .net
            .rate
            .map_or(Duration::ZERO, |rate| Duration::from_nanos(length as u64 * 1_000_000_000 / rate));
        from.free_at = from.free_at.max(self.now) + pace;
        *from.buffered.entry(conn).or_default() += length;
        let left = from.free_at;
        let arrives = left + self.net.latency;
        self.push(host, left, Happening::Drained(conn, length));
        let data = Bytes::from(data);
        for start in (0..length).step_by(self.net.chunk.min(length)) {
            let chunk = data.slice(start..length.min(start.saturating_add(self.net.chunk)));
            self.push(to, arrives, Happening::Input(Input::ConnectionData { conn: remote, data: chunk }));
        }
    }

    pub fn close(&mut self, host: usize, conn: ConnId, by: ClosedBy) {
        if let Some((to, remote)) = self.hosts[host].ends.remove(&conn) {
            self.hosts[to].ends.remove(&remote);
            let at = self.hosts[host].free_at.max(self.now) + self.net.latency;
            self.push(to, at, Happening::Input(Input::ConnectionClosed { conn: remote, by }));
        }
    }

    fn connect(&mut self, host: usize, tracker: TrackerId, url: String) {
        self.hosts[host].connects.push((self.now, url.clone()));
        let input = if self.tracker.down {
            Input::TrackerClosed { tracker, reason: "refused".to_owned() }
        } else {
            self.hosts[host].sockets.insert(tracker, url);
            Input::TrackerOpened(tracker)
        };
        self.later(host, self.net.latency, input);
    }

    fn tell(&mut self, host: usize, tracker: TrackerId, text: String) {
        self.hosts[host].told.push((self.now, text.clone()));
        let url = self.hosts[host].sockets.get(&tracker).cloned();
        let url = url.expect("only a tracker whose socket is open is told anything");
        for (to, text) in self.tracker.message(host, &url, &text) {
            let Some((tracker, _)) = self.hosts[to].sockets.iter().find(|(_, socket)| **socket == url) else {
                continue;
            };
            let tracker = *tracker;
            self.later(to, self.net.latency * 2, Input::TrackerMessage { tracker, text });
        }
    }

    /// The tracker goes away: every socket closes.
    pub fn tracker_down(&mut self, down: bool) {
        self.tracker_ends(down, "");
    }

    /// The tracker goes away, or comes back; its close frames have this reason.
    pub fn tracker_ends(&mut self, down: bool, reason: &str) {
        self.tracker.down = down;
        if down {
            self.tracker.swarms.clear();
            for host in 0..self.hosts.len() {
                for tracker in std::mem::take(&mut self.hosts[host].sockets).into_keys() {
                    let input = Input::TrackerClosed { tracker, reason: reason.to_owned() };
                    self.later(host, Duration::ZERO, input);
                }
            }
        }
    }

    /// Does an effect; its result comes at once, or after the storage's delay.
    pub fn effect(&mut self, host: usize, id: shared::id::EffectId, effect: Effect) {
        if let Effect::Fetch { conn, url, offset, length } = effect {
            let (number, at) = self.web.fetch(self.now, (host, conn, id), (url, offset, length));
            return self.push(host, at, Happening::Web(number));
        }
        let delay = match &effect {
            Effect::Offer { .. }
            | Effect::Answer { .. }
            | Effect::Accept { .. }
            | Effect::Announce { .. } => self.net.latency,
            _ => self.net.storage_delay,
        };
        let result = match effect {
            Effect::Offer { conn } => {
                self.hosts[host].offers_made += 1;
                EffectResult::Sdp(format!("offer {host} {}", conn.0))
            }
            Effect::Answer { conn, sdp } => {
                self.hosts[host].answers.push(conn);
                EffectResult::Sdp(format!("answer {host} {} {sdp}", conn.0))
            }
            Effect::Accept { conn, sdp } => {
                self.link(host, conn, &sdp);
                EffectResult::Done
            }
            Effect::Announce { url, request } => {
                match self.tcp.tracker.announce(self.now, host, url, *request) {
                    Some(result) => result,
                    None => return,
                }
            }
            Effect::Hash { blocks } => {
                let mut sha1 = Sha1::new();
                blocks.iter().for_each(|block| sha1.update(block));
                EffectResult::Digest(sha1.finalize().into())
            }
            stored => self.hosts[host].storage.effect(stored),
        };
        self.later(host, delay, Input::EffectDone { id, result });
    }

    fn web_step(&mut self, number: u64) {
        let hosts = &self.hosts;
        let closed = |host: usize, conn| hosts[host].closed.iter().any(|(closed, _)| *closed == conn);
        let Some(step) = self.web.step(self.now, number, closed) else { return };
        for input in step.inputs {
            self.input(step.host, input);
        }
        if let Some(next) = step.next {
            self.push(step.host, next, Happening::Web(number));
        }
    }

    /// Opens a connection between whoever offered and whoever answered.
    fn link(&mut self, host: usize, conn: ConnId, answer: &str) {
        let mut words = answer.split(' ').skip(1).map(|word| word.parse::<u32>().ok());
        let (Some(Some(to)), Some(Some(remote))) = (words.next(), words.next()) else {
            panic!("answer: {answer}")
        };
        let (to, remote) = (to as usize, ConnId(remote));
        if !self.hosts[to].alive || self.hosts[to].closed.iter().any(|(closed, _)| *closed == remote) {
            return;
        }
        if self.unreachable {
            return;
        }
        self.hosts[host].ends.insert(conn, (to, remote));
        self.hosts[to].ends.insert(remote, (host, conn));
        let max_message = self.net.max_message;
        self.later(host, self.net.latency, Input::ConnectionOpened { conn, max_message });
        self.later(to, self.net.latency, Input::ConnectionOpened { conn: remote, max_message });
    }

    /// Ends a host as a closed tab does: without a word, seen by others as closed connections.
    pub fn kill(&mut self, host: usize) {
        self.hosts[host].alive = false;
        for conn in self.hosts[host].ends.keys().copied().collect::<Vec<_>>() {
            self.close(host, conn, ClosedBy::Remote);
        }
        for url in std::mem::take(&mut self.hosts[host].sockets).into_values() {
            self.tracker.gone(host, &url);
        }
    }

    /// Lets the next thing happen; answers `false` if nothing is left before `until`.
    pub fn step(&mut self, until: Instant) -> bool {
        let alive = self.hosts.iter().enumerate().filter(|(_, host)| host.alive);
        let timer = alive.filter_map(|(number, host)| Some((host.timeout?, number))).min();
        let queued = self.queue.peek().map(|Reverse((at, _, _))| *at);
        let next = [timer.map(|(at, _)| at), queued].into_iter().flatten().min();
        let Some(next) = next.filter(|next| *next <= until) else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = self.now.max(next);
        if queued.is_some_and(|at| at <= next) {
            let Some(Reverse((_, key, host))) = self.queue.pop() else { return false };
            let Some(happening) = self.happenings.remove(&key) else { return true };
            if !self.hosts[host].alive {
                return true;
            }
            match happening {
                Happening::Input(input) => {
                    for input in self.accept(host, input) {
                        self.input(host, input);
                    }
                }
                Happening::Web(number) => self.web_step(number),
                Happening::Drained(conn, bytes) => {
                    let Some(buffered) = self.hosts[host].buffered.get_mut(&conn) else { return true };
                    let before = *buffered;
                    *buffered -= bytes;
                    let (low, buffered) = (shared::limits::SEND_BUFFER_HIGH / 2, *buffered);
                    if before > low && buffered <= low {
                        self.input(host, Input::ConnectionWritable { conn, buffered });
                    }
                }
            }
        } else if let Some((at, host)) = timer {
            self.input(host, Input::Timeout);
            assert!(
                self.hosts[host].timeout.is_none_or(|next| next > at),
                "a timer that came is not due any more"
            );
        }
        true
    }

    /// Runs until the condition holds; answers whether it did within `seconds`.
    pub fn run_until(&mut self, seconds: u64, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let until = self.now + Duration::from_secs(seconds);
        loop {
            if done(self) {
                return true;
            }
            if !self.step(until) {
                return done(self);
            }
        }
    }

    pub fn run(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        while self.step(until) {}
    }

    pub fn snapshot(&self, host: usize, share: &Share) -> TorrentSnapshot {
        let all = self.hosts[host].engine.snapshot(self.now).torrents;
        let found = all.into_iter().find(|torrent| torrent.info_hash == share.meta.info_hash());
        found.expect("the torrent is there")
    }

    pub fn phase(&self, host: usize, share: &Share) -> Phase {
        self.snapshot(host, share).phase
    }

    pub fn is_complete(&self, host: usize, share: &Share) -> bool {
        let have = self.hosts[host].engine.have(&share.meta.info_hash());
        have.is_some_and(|have| have.is_full())
            && self.hosts[host].storage.get(share.meta.info_hash()) == share.bytes
    }

    pub fn reasons(&self, host: usize) -> Vec<CloseReason> {
        self.hosts[host].closed.iter().map(|(_, reason)| reason.clone()).collect()
    }

    pub fn hash(&self, share: &Share) -> InfoHash {
        share.meta.info_hash()
    }
}

/// A torrent with its bytes.
pub struct Share {
    pub meta: Metainfo,
    pub bytes: Vec<u8>,
}

/// Random bytes as a torrent of one file.
pub fn share(length: usize, seed: u8) -> Share {
    files(&[("thing.bin", length)], seed)
}

/// Random bytes as a torrent of several files.
pub fn files(lengths: &[(&str, usize)], seed: u8) -> Share {
    let mut bytes = vec![0; lengths.iter().map(|(_, length)| length).sum()];
    Rng::from_seed([seed; 32]).fill(&mut bytes);
    let paths: Vec<_> = lengths
        .iter()
        .map(|(path, length)| (path.split('/').map(ToOwned::to_owned).collect(), *length as u64))
        .collect();
    let mut builder = Builder::new(None, &paths).expect("valid files");
    let layout = builder.layout().clone();
    for piece in layout.all_pieces() {
        let start = layout.piece_offset(piece) as usize;
        let end = start + layout.piece_size(piece) as usize;
        builder.set_hash(piece, Sha1::digest(&bytes[start..end]).into());
    }
    Share { meta: builder.finish().expect("every piece hashed"), bytes }
}
