//! The engine: one way in, one way out.
//!
//! [`Engine::handle_input`] takes what happened; [`Engine::poll_output`] answers what to do, and is called until it
//! returns [`Output::Timeout`] before the next input goes in. Reading, writing, hashing, dialling and persisting are
//! [`Effect`]s with an id, whose results come back as [`Input::EffectDone`].

mod command;
mod commands;
mod config;
mod input;
mod messages;
mod output;
mod reports;
mod trackers;

pub use crate::torrent::{
    Effect, EffectFailure, EffectResult, Event, FileSnapshot, Opened, PeerSnapshot, Phase, PieceState,
    Snapshot, Timer, TorrentSnapshot, TrackerSnapshot, TrackerState, Waiting, WebSeedSnapshot, WebSeedState,
    verified_bytes,
};
pub use command::{Command, Origin};
pub use config::Config;
pub use input::{ClosedBy, Input};
pub use output::Output;

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use trackers::Trackers;

use crate::bitfield::Bitfield;
use crate::id::{ConnId, InfoHash, PeerId, TrackerId};
use crate::limits;
use crate::metainfo::Metainfo;
use crate::peer::CloseReason;
pub use crate::peer::Transport;
use crate::rate::TokenBucket;
use crate::rng::Rng;
use crate::time::{Instant, UnixTime, soonest};
use crate::torrent::{Action, Context, Torrent};

/// A deadline that is missed by this much means that the host slept: a laptop lid, a frozen tab.
const SLEPT: Duration = Duration::from_secs(20);

/// All torrents of one host.
///
/// After each [`Engine::handle_input`] the host calls [`Engine::poll_output`] until it answers [`Output::Timeout`];
/// only then comes the next input.
#[derive(Debug)]
pub struct Engine {
    rng: Rng,
    ctx: Context,
    torrents: BTreeMap<InfoHash, Torrent>,
    /// In the order in which they were added.
    order: Vec<InfoHash>,
    trackers: Trackers,
    /// Torrents to which something happened in this round.
    touched: BTreeSet<InfoHash>,
    /// Torrents that take part in their swarms, as of the last round.
    active: BTreeSet<InfoHash>,
    drained: bool,
}

impl Engine {
    /// An engine without torrents. All that it draws at random follows from `seed`, which is therefore secret and
    /// different for every run outside of tests.
    pub fn new(config: Config, seed: [u8; 32], now: Instant, _unix: UnixTime) -> Self {
        let rng = Rng::from_seed(seed);
        let mut ctx =
            Context::new(now, peer_id(&config.client, &mut rng.fork("peer id")), config.version, &rng);
        ctx.upload_slots = config.upload_slots;
        ctx.peers_max = config.peers_per_torrent.min(limits::PEERS_PER_TORRENT);
        ctx.web_seeds = config.web_seeds;
        ctx.upload = TokenBucket::new(config.upload_limit, now);
        ctx.download = TokenBucket::new(config.download_limit, now);
        ctx.dials = config.dials;
        ctx.sparse = config.sparse;
        ctx.private_addresses = config.private_addresses;
        ctx.listen_port = config.listen_port;
        Self {
            ctx,
            torrents: BTreeMap::new(),
            order: Vec::new(),
            trackers: Trackers::new(config.offers, config.dials, config.report_to, rng.fork("trackers")),
            touched: BTreeSet::new(),
            active: BTreeSet::new(),
            drained: true,
            rng,
        }
    }

    /// What we call ourselves.
    pub const fn peer_id(&self) -> PeerId {
        self.ctx.peer_id
    }

    /// Metadata of a torrent, once that is known.
    pub fn metainfo(&self, torrent: &InfoHash) -> Option<Arc<Metainfo>> {
        self.torrents.get(torrent).and_then(Torrent::metainfo).cloned()
    }

    /// Pieces of a torrent that are verified and written, once that is known.
    pub fn have(&self, torrent: &InfoHash) -> Option<&Bitfield> {
        self.torrents.get(torrent).and_then(Torrent::have)
    }

    /// Everything at one moment.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let retry = |tracker: TrackerId| self.trackers.retry_at(tracker);
        let torrents = self.order.iter().filter_map(|info_hash| self.torrents.get(info_hash));
        Snapshot { torrents: torrents.map(|torrent| torrent.snapshot(now, retry)).collect() }
    }

    /// Takes what happened at `now`. A clock that goes back is taken to stand still.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        debug_assert!(self.drained, "poll_output is called until it answers Timeout before the next input");
        self.drained = false;
        self.advance(now);
        match input {
            Input::Timeout => {}
            Input::Command(command) => self.command(command),
            Input::ConnectionOpened { conn, max_message } => {
                self.with_conn(conn, |torrent, ctx| torrent.connection_opened(ctx, conn, max_message));
            }
            Input::ConnectionIncoming { conn, address, info_hash } => {
                self.connection_incoming(conn, address, info_hash);
            }
            Input::ConnectionData { conn, data } => {
                self.with_conn(conn, |torrent, ctx| torrent.connection_data(ctx, conn, data));
            }
            Input::ConnectionWritable { conn, buffered } => {
                self.with_conn(conn, |torrent, _| torrent.connection_writable(conn, buffered));
            }
            Input::ConnectionClosed { conn, by } => {
                let reason = match by {
                    ClosedBy::Remote => CloseReason::Remote,
                    ClosedBy::Unreachable => CloseReason::Unreachable,
                    ClosedBy::Transport(words) => CloseReason::Transport(words),
                };
                self.with_conn(conn, |torrent, ctx| torrent.connection_closed(ctx, conn, reason));
            }
            Input::TrackerOpened(tracker) => self.tracker_opened(tracker),
            Input::TrackerMessage { tracker, text } => self.tracker_message(tracker, &text),
            Input::TrackerClosed { tracker, reason } => self.tracker_closed(tracker, &reason),
            Input::EffectDone { id, result } => {
                if let Some((info_hash, job)) = self.ctx.take_job(id) {
                    self.hear_tracker(job, &result);
                    self.with(info_hash, |torrent, ctx| torrent.effect_done(ctx, job, result));
                }
            }
        }
        self.run_due();
        self.settle();
    }

    /// What to do next; [`Output::Timeout`] when there is nothing more for now.
    pub fn poll_output(&mut self) -> Output {
        let Some(action) = self.ctx.actions.pop_front() else {
            self.drained = true;
            return Output::Timeout(self.deadline());
        };
        match action {
            Action::Send { conn, data } => Output::Send { conn, data },
            Action::Close { conn, reason } => Output::Close { conn, reason },
            Action::Dial { conn, address } => Output::Dial { conn, address },
            Action::Effect { id, effect } => Output::Effect { id, effect },
            Action::Tell { tracker, message } => Output::TrackerSend { tracker, text: message.to_json() },
            Action::Connect { tracker, url } => Output::TrackerConnect { tracker, url },
            Action::Disconnect(tracker) => Output::TrackerClose(tracker),
            Action::Event(event) => Output::Event(event),
        }
    }

    /// Asserts what holds between inputs; for tests and the simulator, since it looks at every piece.
    pub fn check(&self) {
        self.torrents.values().for_each(Torrent::check);
        for (conn, info_hash) in &self.ctx.conns {
            assert!(self.torrents.contains_key(info_hash), "{conn} belongs to a torrent");
        }
    }

    fn advance(&mut self, now: Instant) {
        let slept = self.deadline().is_some_and(|(due, _)| now.saturating_since(due) > SLEPT);
        self.ctx.now = self.ctx.now.max(now);
        if slept {
            let now = self.ctx.now;
            self.torrents.values_mut().for_each(|torrent| torrent.woke(now));
        }
    }

    /// Lets a torrent hear of something.
    fn with(&mut self, info_hash: InfoHash, hear: impl FnOnce(&mut Torrent, &mut Context)) {
        if let Some(torrent) = self.torrents.get_mut(&info_hash) {
            self.touched.insert(info_hash);
            hear(torrent, &mut self.ctx);
        }
    }

    fn with_conn(&mut self, conn: ConnId, hear: impl FnOnce(&mut Torrent, &mut Context)) {
        if let Some(info_hash) = self.ctx.conns.get(&conn).copied() {
            self.with(info_hash, hear);
        }
    }

    /// Somebody connected: to a torrent that takes part, or for nothing.
    fn connection_incoming(&mut self, conn: ConnId, address: SocketAddr, info_hash: InfoHash) {
        if self.ctx.conns.contains_key(&conn) {
            return debug_assert!(false, "{conn} is taken");
        }
        match self.torrents.get_mut(&info_hash) {
            Some(torrent) => {
                self.touched.insert(info_hash);
                torrent.connection_incoming(&mut self.ctx, conn, address);
            }
            None => {
                let reason = CloseReason::UnknownTorrent(info_hash);
                self.ctx.actions.push_back(Action::Close { conn, reason });
            }
        }
    }

    fn run_due(&mut self) {
        let now = self.ctx.now;
        let mut unanswered = Vec::new();
        for (info_hash, torrent) in &mut self.torrents {
            let due = torrent.deadline().is_some_and(|(due, _)| due <= now);
            // One to which something happened may have something due as well that its deadline does not show yet.
            if due || self.touched.contains(info_hash) {
                self.touched.insert(*info_hash);
                torrent.timeout(&mut self.ctx);
                unanswered.append(&mut torrent.unanswered(now));
            }
        }
        for (tracker, since) in unanswered {
            self.tracker_silent(tracker, since);
        }
        self.trackers.connect_due(&mut self.ctx);
        self.report_due();
    }

    fn settle(&mut self) {
        let mut changed = false;
        let mut touched = core::mem::take(&mut self.touched);
        // In turn: always beginning with the first, its peers would get all tokens of the upload limit.
        let after = self.ctx.served_last.map(|last| touched.split_off(&last)).unwrap_or_default();
        let (last, after) = after.into_iter().partition::<Vec<_>, _>(|of| Some(*of) == self.ctx.served_last);
        for info_hash in after.into_iter().chain(touched).chain(last) {
            let torrent = self.torrents.get_mut(&info_hash);
            let active = torrent.is_some_and(|torrent| {
                torrent.settle(&mut self.ctx);
                torrent.is_active()
            });
            changed |= if active { self.active.insert(info_hash) } else { self.active.remove(&info_hash) };
        }
        if changed {
            self.sync_trackers();
        }
    }

    /// Opens sockets to trackers that torrents need, closes those that none needs.
    fn sync_trackers(&mut self) {
        let needed = self.torrents.values().filter(|torrent| torrent.is_active());
        let needed: BTreeSet<TrackerId> = needed.flat_map(Torrent::trackers).collect();
        for closed in self.trackers.sync(&mut self.ctx, &needed) {
            for info_hash in self.torrents_of(closed) {
                if let Some(torrent) = self.torrents.get_mut(&info_hash) {
                    torrent.tracker_left(closed);
                }
            }
        }
    }

    fn deadline(&self) -> Option<(Instant, Timer)> {
        self.torrents.values().map(Torrent::deadline).fold(self.trackers.deadline(), soonest)
    }
}

/// A peer id in Azureus style (BEP 20): eight bytes that name the program, twelve that name the run.
fn peer_id(client: &str, rng: &mut Rng) -> PeerId {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut id = [b'-'; 20];
    for (byte, letter) in id.iter_mut().zip(client.bytes().take(8)) {
        *byte = letter;
    }
    for byte in &mut id[8..] {
        *byte = LETTERS[rng.below(62) as usize];
    }
    PeerId(id)
}
