//! How connections are made: offers and answers through trackers.

use super::addresses::Source;
use core::net::SocketAddr;

use super::announce::{GATHER_MAX, Need, Stats};
use super::peers::Dial;
use super::{Action, Context, Effect, EffectFailure, EffectResult, Job, Phase, Torrent};
use crate::id::{ConnId, OfferId, PeerId, TrackerId};
use crate::limits;
use crate::peer::CloseReason;
use crate::time::Instant;
use crate::tracker::ws::{AnnounceReply, ClientMessage};

/// Connections with which we look for no more.
const ENOUGH: usize = 30;

/// Connections with which a download asks sooner than its tracker says whether there are more.
const FEW: usize = 10;

/// Addresses asked of a tracker over HTTP or UDP: some are gone, and some cannot be dialled.
const PEERS_WANTED: u32 = 80;

/// Offers of a complete torrent that does not know its swarm: those who want something make offers themselves.
const OFFERS_OF_SEED: usize = 2;

impl Torrent {
    /// Adds a tracker. `None` is one that we cannot speak to; `open` whether its socket is.
    pub fn add_tracker(&mut self, ctx: &Context, url: &str, tracker: Option<TrackerId>, open: bool) {
        self.announcer.add(url, tracker, open, ctx.now);
    }

    /// Trackers of this torrent.
    pub fn trackers(&self) -> impl Iterator<Item = TrackerId> + '_ {
        self.announcer.trackers()
    }

    /// The socket of a tracker is open.
    pub fn tracker_opened(&mut self, ctx: &Context, tracker: TrackerId) {
        if self.trackers().any(|own| own == tracker) {
            self.announcer.opened(tracker, ctx.now);
        }
    }

    /// The socket of a tracker was closed here, since no torrent needed it.
    pub fn tracker_left(&mut self, tracker: TrackerId) {
        self.announcer.left(tracker);
    }

    /// The socket of a tracker closed.
    pub fn tracker_closed(&mut self, tracker: TrackerId) {
        self.announcer.closed(tracker);
    }

    /// Announces at once.
    pub fn reannounce(&mut self, ctx: &Context) {
        if self.is_active() {
            self.announcer.hurry(ctx.now);
        }
    }

    /// Trackers that have not replied in time, and since when each was waited for.
    pub fn unanswered(&mut self, now: Instant) -> Vec<(TrackerId, Instant)> {
        self.announcer.unanswered(now)
    }

    /// The tracker replied to an announce.
    pub fn announced(&mut self, ctx: &Context, tracker: TrackerId, reply: &AnnounceReply) {
        self.alone_since.get_or_insert(ctx.now);
        let need = self.need();
        if self.announcer.replied(tracker, reply, need) {
            self.offers.undelivered(tracker);
        }
    }

    /// The tracker refuses. Answers whether that concerns this torrent.
    pub fn refused(&mut self, ctx: &Context, tracker: TrackerId, reason: &str, about_this: bool) -> bool {
        let concerned = self.announcer.refused(tracker, reason, about_this, ctx.now);
        if concerned {
            self.alone_since.get_or_insert(ctx.now);
        }
        concerned
    }

    /// An announce over HTTP or UDP ended.
    pub(super) fn announce_done(
        &mut self,
        ctx: &Context,
        tracker: TrackerId,
        number: u32,
        result: EffectResult,
    ) {
        let last = match &result {
            EffectResult::Announced(response) => {
                self.announcer.responded(tracker, number, response, self.need())
            }
            EffectResult::Failed(failure) => {
                self.announcer.request_failed(tracker, number, failure, ctx.now)
                    && matches!(failure, EffectFailure::Refused(_))
            }
            other => return debug_assert!(false, "an announce ended with {other:?}"),
        };
        if last && self.is_active() {
            self.alone_since.get_or_insert(ctx.now);
        }
        if let EffectResult::Announced(response) = result {
            for address in response.peers {
                self.add_address(ctx, address, Source::Tracker);
            }
            if let (Some(ip), Some(port)) = (response.external_ip, ctx.listen_port) {
                self.addresses.is_ours(SocketAddr::new(ip.to_canonical(), port));
            }
        }
    }

    /// How much we want to meet others.
    fn need(&self) -> Need {
        let connections = self.connections();
        if self.needs_peers() {
            Need::Any
        } else if self.phase == Phase::Downloading
            && connections < FEW
            && connections < self.announcer.members(false)
        {
            Need::More
        } else {
            Need::Nobody
        }
    }

    /// Whether pieces or metadata are missing and nobody is there to give them.
    pub(super) fn needs_peers(&self) -> bool {
        let mut shaken = self.peers.values().filter(|peer| peer.shaken().is_some());
        match self.phase {
            Phase::Connecting | Phase::Metadata => shaken.next().is_none(),
            Phase::Downloading => !shaken.any(|peer| peer.missing > 0),
            _ => false,
        }
    }

    pub(super) fn stats(&self) -> Stats {
        let left = self
            .meta
            .as_ref()
            .zip(self.store.as_ref())
            .map(|(meta, store)| meta.layout().total() - store.bytes());
        // Before the storage is looked at nothing is known to be here, but nothing is known to be missing either.
        let left = if self.shared_here { Some(0) } else { left };
        let wanted = if self.connections() < ENOUGH { PEERS_WANTED } else { 0 };
        Stats { uploaded: self.up.total(), downloaded: self.down.total(), left, wanted }
    }

    /// Makes offers for announces that are due, and sends those whose offers are there.
    pub(super) fn announce_due(&mut self, ctx: &mut Context) {
        if !self.is_active() {
            return;
        }
        self.announcer.expire_requests(ctx.now);
        for number in 0..self.announcer.entries.len() {
            let entry = &self.announcer.entries[number];
            if !entry.is_due(ctx.now, self.phase != Phase::Checking) {
                continue;
            }
            let Some(tracker) = entry.tracker else { continue };
            if entry.requested {
                let (stats, need) = (self.stats(), self.need());
                self.announcer.send(ctx, number, self.info_hash, None, stats, Vec::new(), need);
                continue;
            }
            let begun = entry.gather_until;
            if begun.is_none() {
                let wanted = self.offers_wanted(number);
                self.announcer.entries[number].wanted = wanted;
                self.make_offers(ctx, tracker, wanted);
            }
            let until = begun.unwrap_or(ctx.now + GATHER_MAX);
            if self.offers.is_gathering(tracker) && ctx.now < until {
                self.announcer.entries[number].gather_until = Some(until);
                continue;
            }
            let wanted = self.announcer.entries[number].wanted;
            let offers = self.offers.take(tracker, wanted, ctx.now);
            let (stats, need) = (self.stats(), self.need());
            self.announcer.send(ctx, number, self.info_hash, None, stats, offers, need);
        }
    }

    /// How many offers an announce should carry: as many as there are members whom we do not know.
    fn offers_wanted(&self, number: usize) -> usize {
        let connections = self.connections();
        if connections >= ENOUGH {
            return 0;
        }
        let wanted = match self.announcer.entries[number].others(self.is_complete()) {
            None if self.is_complete() => OFFERS_OF_SEED,
            None => limits::OFFERS_PER_ANNOUNCE,
            // Two seeds have nothing to exchange.
            Some((_, leechers)) if self.is_complete() => leechers.saturating_sub(connections),
            Some((seeds, leechers)) => {
                (seeds + leechers).saturating_sub(connections).max(usize::from(connections == 0))
            }
        };
        wanted.min(limits::OFFERS_PER_ANNOUNCE)
    }

    fn make_offers(&mut self, ctx: &mut Context, tracker: TrackerId, wanted: usize) {
        let missing = wanted.saturating_sub(self.offers.spare(tracker, ctx.now));
        let room = ctx.peers_max.saturating_sub(self.connections());
        for _ in 0..missing.min(room) {
            if ctx.offers_open >= limits::OFFERS_OPEN_MAX {
                return;
            }
            let conn = ctx.new_conn(self.info_hash);
            let mut offer_id = [0; 20];
            ctx.offer_ids.fill(&mut offer_id);
            self.offers.insert(conn, tracker, OfferId(offer_id), ctx.now);
            ctx.offers_open += 1;
            ctx.effect(self.info_hash, Job::Offer(conn), Effect::Offer { conn });
        }
    }

    pub(super) fn expire_offers(&mut self, ctx: &mut Context) {
        for conn in self.offers.expire(ctx.now) {
            ctx.offers_open -= 1;
            ctx.close(conn, CloseReason::OfferExpired);
        }
    }

    pub(super) fn close_offers(&mut self, ctx: &mut Context, reason: &CloseReason) {
        for conn in self.offers.take_all() {
            ctx.offers_open -= 1;
            ctx.close(conn, reason.clone());
        }
    }

    /// The host made an offer, or could not.
    pub(super) fn offer_made(&mut self, ctx: &mut Context, conn: ConnId, result: EffectResult) {
        match result {
            EffectResult::Sdp(sdp) => self.offers.gathered(conn, sdp),
            result => {
                if self.offers.remove(conn) {
                    ctx.offers_open -= 1;
                    ctx.close(conn, failed(result));
                }
            }
        }
        self.announce_due(ctx);
    }

    /// Somebody's offer came through a tracker.
    pub fn offered(
        &mut self,
        ctx: &mut Context,
        tracker: TrackerId,
        peer: PeerId,
        offer_id: String,
        sdp: String,
    ) {
        let answering = self.dials.values().filter(|dial| !dial.initiated).count();
        let room = self.connections() < ctx.peers_max && answering < limits::ANSWERS_PENDING_MAX;
        let known = self.peers.values().any(|known| known.peer_id() == Some(peer))
            || self.dials.values().any(|dial| dial.remote == Some(peer));
        if !self.is_active() || peer == ctx.peer_id || self.blame.is_banned(&peer, ctx.now) || known || !room
        {
            return;
        }
        let conn = ctx.new_conn(self.info_hash);
        let answer_to = Some((tracker, offer_id));
        self.dial(
            conn,
            Dial { since: ctx.now, remote: Some(peer), initiated: false, answer_to, address: None },
        );
        ctx.effect(self.info_hash, Job::Answer(conn), Effect::Answer { conn, sdp });
    }

    /// The host made an answer, or could not.
    pub(super) fn answer_made(&mut self, ctx: &mut Context, conn: ConnId, result: EffectResult) {
        let Some(dial) = self.dials.get_mut(&conn) else { return };
        let EffectResult::Sdp(sdp) = result else {
            self.dials.remove(&conn);
            self.failed_dials += 1;
            return ctx.close(conn, failed(result));
        };
        let (Some((tracker, offer_id)), Some(to_peer_id)) = (dial.answer_to.take(), dial.remote) else {
            return;
        };
        let of_tracker = self.announcer.entries.iter().find(|entry| entry.tracker == Some(tracker));
        if !of_tracker.is_some_and(|entry| entry.is_connected()) {
            // The answer cannot be given any more.
            self.dials.remove(&conn);
            return ctx.close(conn, CloseReason::OfferExpired);
        }
        let message = ClientMessage::Answer {
            info_hash: self.info_hash,
            peer_id: ctx.peer_id,
            to_peer_id,
            offer_id,
            sdp,
            tracker_id: of_tracker.and_then(|entry| entry.tracker_id().cloned()),
        };
        ctx.actions.push_back(Action::Tell { tracker, message: Box::new(message) });
    }

    /// Somebody answered an offer of ours.
    pub fn answered(&mut self, ctx: &mut Context, peer: PeerId, offer_id: OfferId, sdp: String) {
        let Some(conn) = self.offers.answered(offer_id) else { return };
        ctx.offers_open -= 1;
        let connected = self.peers.values().any(|known| known.peer_id() == Some(peer));
        let reason = if peer == ctx.peer_id {
            CloseReason::SelfConnection
        } else if self.blame.is_banned(&peer, ctx.now) {
            CloseReason::Banned
        } else if connected {
            CloseReason::Duplicate
        } else if self.connections() >= ctx.peers_max {
            CloseReason::TooManyPeers
        } else {
            self.dial(
                conn,
                Dial { since: ctx.now, remote: Some(peer), initiated: true, answer_to: None, address: None },
            );
            return ctx.effect(self.info_hash, Job::Accept(conn), Effect::Accept { conn, sdp });
        };
        ctx.close(conn, reason);
    }

    /// The host took an answer, or could not.
    pub(super) fn accepted(&mut self, ctx: &mut Context, conn: ConnId, result: EffectResult) {
        if matches!(result, EffectResult::Failed(_)) && self.dials.remove(&conn).is_some() {
            self.failed_dials += 1;
            ctx.close(conn, failed(result));
        }
    }

    /// An effect ended.
    pub fn effect_done(&mut self, ctx: &mut Context, job: Job, result: EffectResult) {
        match job {
            Job::Offer(conn) => self.offer_made(ctx, conn, result),
            Job::Answer(conn) => self.answer_made(ctx, conn, result),
            Job::Accept(conn) => self.accepted(ctx, conn, result),
            Job::Fetch(conn) => self.web_seed_done(ctx, conn, result),
            Job::Announce { tracker, number } => self.announce_done(ctx, tracker, number, result),
            Job::Hash(piece) => self.hashed(ctx, piece, result),
            Job::Write(piece) => self.written(ctx, piece, result),
            Job::Read { conn, number } => self.read_done(ctx, conn, number, result),
            Job::Open | Job::Check(_) | Job::Persist | Job::Close => self.storage_done(ctx, job, result),
        }
    }
}

fn failed(result: EffectResult) -> CloseReason {
    match result {
        EffectResult::Failed(failure) => CloseReason::Signalling(failure.to_string()),
        _ => CloseReason::Signalling("no session description came".to_owned()),
    }
}
