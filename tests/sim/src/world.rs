//! The clock and everything that happens at its hands.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use core::time::Duration;

use bytes::Bytes;
use shared::engine::{
    ClosedBy, Command, Effect, EffectFailure, EffectResult, Engine, Input, Origin, Output, Phase,
    TorrentSnapshot,
};
use shared::id::{ConnId, EffectId, TrackerId};
use shared::limits;
use shared::rng::Rng;
use shared::time::{Instant, UnixTime};

use crate::check;
use crate::content::Content;
use crate::host::{Host, Running};
use crate::log::Log;
use crate::net::{LinkId, Net, Parcel, Segment};
use crate::plan::{Fault, Plan};
use crate::tcp::{HTTP_URL, HttpTracker};
use crate::tracker::Tracker;
use crate::web::{WEB_SEED_URL, Web};

/// The announce URL of the simulated tracker.
pub const TRACKER_URL: &str = "ws://tracker.sim/announce";

/// Where the event of a draining send buffer fires.
const BUFFER_LOW: usize = limits::SEND_BUFFER_HIGH / 2;

/// A world made from a plan, running.
#[derive(Debug)]
pub struct World {
    pub(crate) now: Instant,
    rng: Rng,
    pub(crate) content: Content,
    pub(crate) hosts: Vec<Host>,
    pub(crate) net: Net,
    pub(crate) tracker: Tracker,
    pub(crate) web: Option<Web>,
    pub(crate) http: HttpTracker,
    queue: BinaryHeap<Reverse<(Instant, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    next: u64,
    pub(crate) log: Log,
    steps: u64,
    unwatched: bool,
}

#[derive(Debug)]
pub(crate) enum Happening {
    Start(usize),
    Wake(usize, u32),
    Input(usize, u32, Input),
    Perform(usize, u32, EffectId, Effect),
    Done(usize, u32, EffectId, EffectResult),
    LinkOpens(LinkId),
    TcpOpens(LinkId),
    /// A segment has left the line of its sender.
    Sent(usize, Segment),
    /// A segment is at the line of its receiver.
    Reaches(Segment),
    Arrives(LinkId, usize, Bytes),
    Closes(LinkId, usize, ClosedBy),
    TrackerHears(u64, String),
    TrackerLoses(u64),
    TrackerTick,
    Fault(Fault),
}

impl World {
    /// A world at its beginning.
    pub fn new(plan: Plan) -> Self {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&plan.seed.to_le_bytes());
        let rng = Rng::from_seed(seed);
        let rates: Vec<_> = plan.hosts.iter().map(|host| (host.up, host.down)).collect();
        let mut world = Self {
            now: Instant::ORIGIN,
            content: Content::new(plan.seed, &plan.files, &[TRACKER_URL.to_owned()]),
            hosts: plan.hosts.iter().cloned().map(Host::new).collect(),
            net: Net::new(plan.net, rng.fork("net"), rates),
            tracker: Tracker::new(rng.fork("tracker")),
            web: plan.web.map(|web| Web::new(web, rng.fork("web"))),
            http: HttpTracker::default(),
            rng: rng.fork("world"),
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            next: 0,
            log: if plan.unwatched { Log::off() } else { Log::default() },
            unwatched: plan.unwatched,
            steps: 0,
        };
        for (number, host) in plan.hosts.iter().enumerate() {
            if host.seed {
                let info_hash = world.content.metainfo.info_hash();
                world.hosts[number].disk.put(info_hash, world.content.bytes.clone());
            }
            world.at(Instant::ORIGIN + host.starts, Happening::Start(number));
        }
        for (when, fault) in plan.faults {
            world.at(Instant::ORIGIN + when, Happening::Fault(fault));
        }
        world.at(Instant::ORIGIN + Duration::from_secs(1), Happening::TrackerTick);
        world
    }

    /// The time now.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Everything that went in and out of every engine.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The torrent that is shared.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The hosts.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Steps so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// What a host shows of the torrent, if it runs and has it.
    pub fn torrent(&self, host: usize) -> Option<TorrentSnapshot> {
        self.hosts[host].snapshot(self.now)?.torrents.into_iter().next()
    }

    /// Whether every host that runs has the whole torrent.
    pub fn all_complete(&self) -> bool {
        (0..self.hosts.len()).filter(|host| self.hosts[*host].running.is_some()).all(|host| {
            self.torrent(host)
                .is_some_and(|torrent| matches!(torrent.phase, Phase::Complete | Phase::Seeding))
        })
    }

    /// Gives a command to a host now.
    pub fn command(&mut self, host: usize, command: Command) {
        self.input(host, Input::Command(command));
    }

    /// Gives bytes to a host's connection as if its peer had sent them, for tests that play a hostile peer.
    pub fn inject(&mut self, host: usize, conn: ConnId, data: Bytes) {
        self.input(host, Input::ConnectionData { conn, data });
    }

    /// Runs until `done` or until `limit` has passed; says whether it was done. `done` is asked once a simulated 10 ms.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + limit;
        let mut asked = self.now;
        while let Some(Reverse((at, number))) = self.queue.peek().copied() {
            if at > end {
                break;
            }
            self.queue.pop();
            self.now = at;
            self.steps += 1;
            let Some(happening) = self.happenings.remove(&number) else { continue };
            self.happen(happening);
            if self.now.saturating_since(asked) >= Duration::from_millis(10) {
                asked = self.now;
                if !self.unwatched {
                    self.check();
                }
                if done(self) {
                    return true;
                }
            }
        }
        self.now = end;
        self.check();
        done(self)
    }

    /// Checks every host against what must hold.
    pub fn check(&self) {
        for host in &self.hosts {
            for torrent in host.snapshot(self.now).iter().flat_map(|snapshot| &snapshot.torrents) {
                check::host(host, torrent, &self.content);
            }
        }
    }

    pub(crate) fn at(&mut self, when: Instant, happening: Happening) {
        let number = self.next;
        self.next += 1;
        self.queue.push(Reverse((when.max(self.now), number)));
        self.happenings.insert(number, happening);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Start(host) => self.start(host),
            Happening::Wake(host, life) => {
                let due = |running: &Running| running.deadline.is_some_and(|(at, _)| at <= self.now);
                let host_now = &self.hosts[host];
                if host_now.life == life && host_now.running.as_ref().is_some_and(due) {
                    self.input(host, Input::Timeout);
                }
            }
            Happening::Input(host, life, input) => {
                if self.hosts[host].life == life {
                    self.input(host, input);
                }
            }
            Happening::Perform(host, life, id, effect) => {
                if self.hosts[host].life == life {
                    let result = self.hosts[host].disk.perform(&effect).unwrap_or(EffectResult::Done);
                    self.done(host, id, result);
                }
            }
            Happening::Done(host, life, id, result) => {
                if self.hosts[host].life == life {
                    self.done(host, id, result);
                }
            }
            Happening::LinkOpens(link) => self.link_opens(link),
            Happening::TcpOpens(link) => self.tcp_opens(link),
            Happening::Sent(host, segment) => self.sent(host, segment),
            Happening::Reaches(segment) => self.reaches(segment),
            Happening::Arrives(link, to, data) => self.arrives(link, to, data),
            Happening::Closes(link, to, by) => self.closes(link, to, by),
            Happening::TrackerHears(socket, text) => {
                let replies = self.tracker.hear(self.now, socket, &text);
                self.tracker_says(replies);
            }
            Happening::TrackerLoses(socket) => self.tracker.lose(socket),
            Happening::TrackerTick => {
                self.tracker.tick(self.now);
                self.at(self.now + Duration::from_secs(1), Happening::TrackerTick);
            }
            Happening::Fault(fault) => self.fault(fault),
        }
    }

    pub(crate) fn start(&mut self, host: usize) {
        let mut seed = [0; 32];
        self.rng.fill(&mut seed);
        self.log.note(self.now, &format!("host {host} starts"));
        let unix = UnixTime(1_800_000_000 + self.now.as_millis() / 1_000);
        let state = &mut self.hosts[host];
        state.life += 1;
        state.running = Some(Running {
            engine: Engine::new(state.plan.config.clone(), seed, self.now, unix),
            effects: BTreeSet::new(),
            open: BTreeMap::new(),
            trackers: BTreeMap::new(),
            begun: BTreeMap::new(),
            incoming: 0,
            deadline: None,
        });
        let web_seed = self.web.as_ref().map_or_else(String::new, |_| format!("&ws={WEB_SEED_URL}"));
        let origin = if state.plan.seed {
            Origin::Complete(self.content.torrent.clone().into())
        } else {
            let link = format!("magnet:?xt=urn:btih:{}&tr={TRACKER_URL}", self.content.metainfo.info_hash());
            Origin::Link(link + &web_seed)
        };
        let http = state.plan.config.dials.then(|| HTTP_URL.to_owned());
        let trackers = http.into_iter().collect();
        self.input(host, Input::Command(Command::Add { origin, trackers, start: true }));
    }

    /// The one place where an engine is told something, and all that it answers is carried out.
    pub(crate) fn input(&mut self, host: usize, input: Input) {
        let Host { running: Some(running), downloaded, .. } = &mut self.hosts[host] else { return };
        self.log.input(self.now, host, &input);
        if let Input::ConnectionData { data, .. } = &input {
            *downloaded += data.len() as u64;
        }
        running.engine.handle_input(self.now, input);
        for output in running.drain() {
            self.output(host, output);
        }
    }

    fn output(&mut self, host: usize, output: Output) {
        self.log.output(self.now, host, &output);
        let life = self.hosts[host].life;
        let Some(running) = &mut self.hosts[host].running else { return };
        check::output(self.now, running, &output);
        match output {
            Output::Timeout(Some((at, _))) => self.at(at, Happening::Wake(host, life)),
            Output::Timeout(None) | Output::Event(_) => {}
            Output::Send { conn, data } => self.send(host, conn, data),
            Output::Close { conn, .. } => {
                running.open.remove(&conn);
                self.close(host, conn);
            }
            Output::Dial { conn, address } => self.dial(host, conn, &address),
            Output::TrackerConnect { tracker, .. } => self.tracker_connect(host, tracker),
            Output::TrackerSend { tracker, text } => {
                if let Some(socket) = running.trackers.get(&tracker).copied() {
                    let when = self.now + Duration::from_millis(10);
                    self.at(when, Happening::TrackerHears(socket, text));
                }
            }
            Output::TrackerClose(tracker) => {
                if let Some(socket) = running.trackers.remove(&tracker) {
                    let when = self.now + Duration::from_millis(10);
                    self.at(when, Happening::TrackerLoses(socket));
                }
            }
            Output::Effect { id, effect } => {
                running.effects.insert(id);
                self.effect(host, life, id, effect);
            }
        }
    }

    fn effect(&mut self, host: usize, life: u32, id: EffectId, effect: Effect) {
        match effect {
            Effect::Offer { conn } => {
                let sdp = format!("offer {host} {life} {}", conn.0);
                self.gathered(host, life, id, EffectResult::Sdp(sdp));
            }
            Effect::Answer { conn, sdp } => {
                let result = match remote(&sdp, "offer") {
                    Some(offering) => {
                        self.link(offering, (host, life, conn));
                        EffectResult::Sdp(format!("answer {host} {life} {}", conn.0))
                    }
                    None => {
                        EffectResult::Failed(EffectFailure::Failed(format!("expected an offer, got {sdp}")))
                    }
                };
                self.gathered(host, life, id, result);
            }
            Effect::Accept { conn, sdp } => {
                self.gathered(host, life, id, EffectResult::Done);
                let known = self.net.find(host, life, conn).filter(|_| remote(&sdp, "answer").is_some());
                if let Some((link, _)) = known {
                    let when = self.now + self.net.get(link).latency * 3;
                    self.at(when, Happening::LinkOpens(link));
                } else {
                    let input = Input::ConnectionClosed { conn, by: ClosedBy::Unreachable };
                    self.at(self.now + Duration::from_secs(15), Happening::Input(host, life, input));
                }
            }
            Effect::Fetch { .. } => self.web_fetch(host, life, id, &effect),
            Effect::Announce { request, .. } => self.announce(host, life, id, &request),
            storage => {
                let busy = Duration::from_micros(200 + self.rng.below(800));
                let free = &mut self.hosts[host].disk_free;
                *free = (*free).max(self.now) + busy;
                let when = *free;
                self.at(when, Happening::Perform(host, life, id, storage));
            }
        }
    }

    fn gathered(&mut self, host: usize, life: u32, id: EffectId, result: EffectResult) {
        let when = self.now + Duration::from_millis(5) + self.net.jitter(Duration::from_millis(50));
        self.at(when, Happening::Done(host, life, id, result));
    }

    fn done(&mut self, host: usize, id: EffectId, result: EffectResult) {
        if let Some(running) = &mut self.hosts[host].running {
            running.effects.remove(&id);
        }
        self.input(host, Input::EffectDone { id, result });
    }

    fn link(&mut self, offering: (usize, u32, ConnId), answering: (usize, u32, ConnId)) {
        let cut_off = self.hosts[offering.0].isolated || self.hosts[answering.0].isolated;
        if cut_off || self.net.link(offering, answering).is_none() {
            let when = self.now + Duration::from_secs(15);
            for (host, life, conn) in [offering, answering] {
                let input = Input::ConnectionClosed { conn, by: ClosedBy::Unreachable };
                self.at(when, Happening::Input(host, life, input));
            }
        }
    }

    fn link_opens(&mut self, link: LinkId) {
        let ends = self.net.get(link).ends.clone();
        let alive = ends.iter().all(|end| {
            let host = &self.hosts[end.host];
            host.life == end.life && host.running.is_some() && !host.isolated
        });
        if !alive || self.net.get(link).lost {
            let closed =
                |end: &crate::net::End| Input::ConnectionClosed { conn: end.conn, by: ClosedBy::Unreachable };
            for end in &ends {
                self.at(
                    self.now + Duration::from_secs(10),
                    Happening::Input(end.host, end.life, closed(end)),
                );
            }
            return;
        }
        let max_message = self.net.max_message();
        // Both sides are open before either may send: what one sends at once finds the other listening.
        for (side, end) in ends.iter().enumerate() {
            self.net.get(link).ends[side].open = true;
            if let Some(running) = &mut self.hosts[end.host].running {
                running.open.insert(end.conn, max_message);
            }
        }
        for end in ends {
            self.input(end.host, Input::ConnectionOpened { conn: end.conn, max_message });
        }
    }

    fn send(&mut self, host: usize, conn: ConnId, data: Bytes) {
        let life = self.hosts[host].life;
        let Some((link, side)) = self.net.find(host, life, conn) else { return };
        if self.net.get(link).lost || !self.net.get(link).ends[side].open {
            return;
        }
        if let Some(idle) = self.net.send(link, side, Parcel::Message(data)) {
            self.serve(idle);
        }
        let end = &self.net.get(link).ends[side];
        if end.untold >= BUFFER_LOW && end.buffered <= BUFFER_LOW {
            self.writable(link, side);
        }
    }

    fn serve(&mut self, host: usize) {
        if let Some((segment, busy)) = self.net.serve(host) {
            self.at(self.now + busy, Happening::Sent(host, segment));
        }
    }

    fn sent(&mut self, host: usize, segment: Segment) {
        let state = self.net.get(segment.link);
        let (lost, latency) = (state.lost, state.latency);
        let end = &mut state.ends[segment.from];
        let before = end.buffered;
        end.buffered = before.saturating_sub(segment.length);
        if !lost && end.open && before > BUFFER_LOW && end.buffered <= BUFFER_LOW {
            self.writable(segment.link, segment.from);
        }
        self.at(self.now + latency, Happening::Reaches(segment));
        self.serve(host);
    }

    fn reaches(&mut self, segment: Segment) {
        let Segment { link, from, length, completes } = segment;
        let when = self.net.receive(self.now, link, 1 - from, length);
        match completes {
            Some(Parcel::Message(data)) => {
                let mut begin = 0;
                for length in self.net.cuts(data.len()) {
                    let part = data.slice(begin..begin + length);
                    self.at(when, Happening::Arrives(link, 1 - from, part));
                    begin += length;
                }
            }
            Some(Parcel::Farewell) => {
                self.at(when, Happening::Closes(link, 1 - from, ClosedBy::Remote));
            }
            None => {}
        }
    }

    /// Tells a host what its send buffer holds.
    fn writable(&mut self, link: LinkId, side: usize) {
        let end = &mut self.net.get(link).ends[side];
        end.untold = 0;
        let (host, life) = (end.host, end.life);
        let input = Input::ConnectionWritable { conn: end.conn, buffered: end.buffered };
        self.at(self.now, Happening::Input(host, life, input));
    }

    fn arrives(&mut self, link: LinkId, to: usize, data: Bytes) {
        let state = self.net.get(link);
        let end = state.ends[to].clone();
        let from = state.ends[1 - to].host;
        if !state.lost
            && end.open
            && self.hosts[end.host].life == end.life
            && let Some(data) = self.read_handshake(end.host, from, end.conn, data)
        {
            self.input(end.host, Input::ConnectionData { conn: end.conn, data });
        }
    }

    fn close(&mut self, host: usize, conn: ConnId) {
        let life = self.hosts[host].life;
        let Some((link, side)) = self.net.find(host, life, conn) else { return };
        let was_open = std::mem::replace(&mut self.net.get(link).ends[side].open, false);
        if was_open {
            if let Some(idle) = self.net.send(link, side, Parcel::Farewell) {
                self.serve(idle);
            }
        } else {
            self.net.get(link).lost = true;
        }
    }

    fn closes(&mut self, link: LinkId, to: usize, by: ClosedBy) {
        let end = self.net.get(link).ends[to].clone();
        if !end.open || self.hosts[end.host].life != end.life {
            return;
        }
        self.net.get(link).ends[to].open = false;
        if let Some(running) = &mut self.hosts[end.host].running {
            running.open.remove(&end.conn);
            if running.begun.remove(&end.conn).is_some() {
                return;
            }
        }
        self.input(end.host, Input::ConnectionClosed { conn: end.conn, by });
    }

    fn tracker_connect(&mut self, host: usize, tracker: TrackerId) {
        let life = self.hosts[host].life;
        let when = self.now + Duration::from_millis(20);
        if !self.tracker.is_up() || self.hosts[host].isolated {
            let input = Input::TrackerClosed { tracker, reason: "connection refused".to_owned() };
            self.at(when, Happening::Input(host, life, input));
            return;
        }
        let socket = self.tracker.open(host, life, tracker);
        if let Some(running) = &mut self.hosts[host].running {
            running.trackers.insert(tracker, socket);
        }
        self.at(when, Happening::Input(host, life, Input::TrackerOpened(tracker)));
    }

    fn tracker_says(&mut self, replies: Vec<(u64, String)>) {
        for (socket, text) in replies {
            let Some((host, life, tracker)) = self.tracker.owner(socket) else { continue };
            let when = self.now + Duration::from_millis(10);
            self.at(when, Happening::Input(host, life, Input::TrackerMessage { tracker, text }));
        }
    }
}

/// The (host, life, connection) that a simulated session description names.
fn remote(sdp: &str, kind: &str) -> Option<(usize, u32, ConnId)> {
    let mut words = sdp.split(' ');
    (words.next() == Some(kind)).then_some(())?;
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?, ConnId(words.next()?.parse().ok()?)))
}
