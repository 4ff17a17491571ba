//! What is due, and when.

use core::time::Duration;

use super::{Context, Torrent};
use crate::id::ConnId;
use crate::peer::{CloseReason, Peer};
use crate::time::{Instant, soonest};
use crate::wire::Message;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The next announce, or the next attempt to reach a tracker.
    Announce,
    /// An offer has waited for its answer for long enough.
    Offer,
    /// A connection has taken too long to open or to shake hands.
    Handshake,
    /// An address may be dialled.
    Dial,
    /// A request has waited for its block for long enough.
    Request,
    /// A keep-alive is due, or the peer's is overdue.
    KeepAlive,
    /// The choker runs.
    Choke,
    /// Tokens of a rate limit come in.
    Rate,
    /// Metadata is asked for again.
    Metadata,
    /// A peer is told whom we are connected to.
    Exchange,
    /// Peers are told which pieces are here now.
    Have,
    /// A peer without work is asked for what others have not given.
    Endgame,
    /// A piece was kept for the first who asked for long enough.
    Spread,
    /// A web seed is silent, or is tried again.
    WebSeed,
    /// Rates that are shown decay.
    Measure,
    /// A tracker is told our progress.
    Report,
}

/// Tokens are waited for no longer than this at once, in case the limit is changed.
const RATE_WAIT_MAX: Duration = Duration::from_secs(1);

impl Torrent {
    /// The soonest deadline of all parts.
    pub(super) fn soonest(&self, ctx: &Context) -> Option<(Instant, Timer)> {
        let announce = self.announcer.deadline(self.phase != super::Phase::Checking);
        let mut next = announce.filter(|_| self.is_active());
        let mut due = |at: Option<Instant>, timer: Timer| next = soonest(next, at.map(|at| (at, timer)));
        due(self.offers.deadline(), Timer::Offer);
        due(self.dials.values().map(super::Dial::deadline).min(), Timer::Handshake);
        due(self.dial_deadline(ctx), Timer::Dial);
        due(self.fetch.deadline(), Timer::Metadata);
        for peer in self.peers.values() {
            due(peer.handshake_deadline(), Timer::Handshake);
            due(peer.keep_alive_at(), Timer::KeepAlive);
            due(peer.silent_at(), Timer::KeepAlive);
            due(peer.stuck_at(), Timer::KeepAlive);
            due(peer.broken_off_at(), Timer::KeepAlive);
            due(peer.pipeline.deadline(), Timer::Request);
            due(peer.ask_again_at(), Timer::Request);
            due(peer.exchange_at(), Timer::Exchange);
        }
        due(self.have_at, Timer::Have);
        due(self.spread.deadline(), Timer::Spread);
        due(self.endgame_at, Timer::Endgame);
        if !self.peers.is_empty() {
            due(Some(self.choke_at), Timer::Choke);
        }
        let endgame = self.picker.as_ref().is_some_and(|picker| picker.is_endgame());
        due(self.web_seeds.deadline(ctx.now, self.phase, endgame), Timer::WebSeed);
        if !self.limited.is_empty() || self.web_seeds.limited {
            let tokens = [ctx.upload.next(), ctx.download.next()].into_iter().flatten().min();
            due(Some(tokens.unwrap_or(ctx.now + RATE_WAIT_MAX)), Timer::Rate);
        }
        next
    }

    /// Does what is due.
    pub fn timeout(&mut self, ctx: &mut Context) {
        let now = ctx.now;
        self.announce_due(ctx);
        self.expire_offers(ctx);
        self.expire_dials(ctx);
        self.dial_due(ctx);
        self.metadata_timeout(ctx);
        let conns: Vec<ConnId> = self.peers.keys().copied().collect();
        for conn in conns {
            self.peer_due(ctx, conn);
        }
        self.web_seeds_due(ctx);
        if self.have_at.is_some_and(|at| at <= now) {
            self.have_at = None;
            self.dirty.extend(self.peers.keys());
        }
        self.dirty.extend(self.spread.due(now));
        if self.endgame_at.is_some_and(|at| at <= now) {
            self.endgame_at = None;
            self.dirty.extend(self.peers.keys());
        }
        if self.choke_at <= now {
            self.choke_round(ctx);
            self.close_seeds(ctx);
        }
        if !self.limited.is_empty() && (ctx.upload.ready(now) || ctx.download.ready(now)) {
            self.dirty.append(&mut self.limited);
        }
    }

    fn peer_due(&mut self, ctx: &mut Context, conn: ConnId) {
        let now = ctx.now;
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if is_due(peer.handshake_deadline()) {
            return self.close_peer(ctx, conn, CloseReason::HandshakeTimeout);
        }
        if is_due(peer.silent_at()) {
            return self.close_peer(ctx, conn, CloseReason::Silent);
        }
        if is_due(peer.broken_off_at()) {
            return self.close_peer(ctx, conn, CloseReason::BrokenOff);
        }
        if is_due(peer.stuck_at()) {
            return self.close_peer(ctx, conn, CloseReason::Stalled);
        }
        if is_due(peer.keep_alive_at()) {
            peer.tell(&Message::KeepAlive);
            self.dirty.insert(conn);
        }
        if is_due(peer.ask_again_at()) {
            peer.ask_again();
            self.dirty.insert(conn);
        }
        if let Some(given_up) = peer.pipeline.time_out(now) {
            given_up.iter().for_each(|block| peer.tell_cancel(*block));
            self.give_back(conn, &given_up);
            self.dirty.insert(conn);
        }
        if self.peers.get(&conn).is_some_and(|peer| is_due(peer.exchange_at())) {
            self.exchange(ctx, conn);
        }
    }

    fn expire_dials(&mut self, ctx: &mut Context) {
        let late = |(conn, dial): (&ConnId, &super::Dial)| (dial.deadline() <= ctx.now).then_some(*conn);
        let conns: Vec<ConnId> = self.dials.iter().filter_map(late).collect();
        for conn in conns {
            self.dial_failed(ctx, conn);
            ctx.close(conn, CloseReason::Unreachable);
        }
    }
}

/// Whether anything is owed by this peer.
pub(super) fn owes(peer: &Peer) -> bool {
    !peer.pipeline.is_empty()
}
