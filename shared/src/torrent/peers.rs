//! Who is connected, and how connections come and go.

use core::time::Duration;

use super::pieces::Store;
use super::{Context, Event, Phase, Torrent, known};
use crate::id::{ConnId, PeerId, TrackerId};
use crate::layout::PieceIndex;
use crate::limits;
use crate::peer::{CloseReason, Peer};
use crate::time::Instant;
use crate::wire::extension::{ExtendedHandshake, Ids};
use crate::wire::{Handshake, Message};

/// Longest wait for a connection whose descriptions were exchanged; stock WebTorrent waits 25 s.
pub(super) const DIAL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a HAVE waits for company: at ten pieces a second and more, each alone would be a send of its own to every
/// peer.
const HAVE_WAIT: Duration = Duration::from_millis(100);

/// A connection on its way: both descriptions are there, or the answer is being made.
#[derive(Debug)]
pub(super) struct Dial {
    pub(super) since: Instant,
    /// Who it leads to, as the tracker says.
    pub(super) remote: PeerId,
    /// We made the offer.
    pub(super) initiated: bool,
    /// Where our answer goes, and the id of the offer it answers.
    pub(super) answer_to: Option<(TrackerId, String)>,
}

impl Torrent {
    /// A connection to somebody is on its way.
    pub(super) fn dial(&mut self, conn: ConnId, dial: Dial) {
        if self.dials.is_empty() && self.failed_dials == 0 {
            self.dialling_since = dial.since;
        }
        self.dials.insert(conn, dial);
    }

    /// The data channel of a connection is open.
    pub fn connection_opened(&mut self, ctx: &mut Context, conn: ConnId, max_message: usize) {
        let dial = self.dials.remove(&conn);
        let Some(initiated) = dial.map(|dial| dial.initiated) else { return };
        let ours = Handshake::new(self.info_hash, ctx.peer_id);
        self.peers.insert(conn, Peer::new(conn, initiated, ours, max_message, ctx.now));
        self.dirty.insert(conn);
    }

    /// Bytes came from a peer.
    pub fn connection_data(&mut self, ctx: &mut Context, conn: ConnId, data: bytes::Bytes) {
        let Some(peer) = self.peers.get_mut(&conn) else { return self.web_seed_data(ctx, conn, data) };
        peer.push(ctx.now, data);
        self.dirty.insert(conn);
        while let Some(peer) = self.peers.get_mut(&conn) {
            match peer.hear(ctx.now, known(&self.meta, &self.store)) {
                Ok(Some(heard)) => self.heard(ctx, conn, heard),
                Ok(None) => return,
                Err(reason) => self.close_peer(ctx, conn, reason),
            }
        }
    }

    /// The host's buffer for a connection drained.
    pub fn connection_writable(&mut self, conn: ConnId, buffered: usize) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.outbox.writable(buffered);
            self.dirty.insert(conn);
        }
    }

    /// A connection ended, or could not be made, without our doing.
    pub fn connection_closed(&mut self, ctx: &mut Context, conn: ConnId, reason: CloseReason) {
        self.web_seed_failed(ctx, conn, reason.to_string(), false);
        ctx.conns.remove(&conn);
        if self.dials.remove(&conn).is_some() {
            self.failed_dials += 1;
        } else if self.offers.remove(conn) {
            ctx.offers_open -= 1;
        } else {
            self.drop_peer(ctx, conn, reason);
        }
    }

    /// Ends the connection to a peer.
    pub(super) fn close_peer(&mut self, ctx: &mut Context, conn: ConnId, reason: CloseReason) {
        ctx.close(conn, reason.clone());
        self.drop_peer(ctx, conn, reason);
    }

    fn drop_peer(&mut self, ctx: &mut Context, conn: ConnId, reason: CloseReason) {
        let Some(mut peer) = self.peers.remove(&conn) else { return };
        self.dirty.remove(&conn);
        self.limited.remove(&conn);
        self.slots.extend((peer.slot != 0).then_some(peer.slot));
        self.fetch.left(conn);
        let owned = peer.pipeline.cancel_all();
        self.give_back(conn, &owned);
        if let (Some(picker), Some(has)) = (&mut self.picker, peer.pieces().known()) {
            picker.left(has, peer.counted_whole);
        }
        ctx.event(Event::PeerClosed { torrent: self.info_hash, conn, reason });
        if peer.shaken().is_some() {
            self.fill_slots(ctx);
            self.fetch_metadata(ctx);
        }
        if !self.peers.values().any(|peer| peer.shaken().is_some()) {
            self.alone_since = Some(ctx.now);
            if self.phase == Phase::Metadata {
                self.set_phase(ctx, Phase::Connecting);
            }
        }
    }

    /// A peer shook hands: keeps it or not, and introduces ourselves.
    pub(super) fn shaken(&mut self, ctx: &mut Context, conn: ConnId, peer_id: PeerId) {
        if peer_id == ctx.peer_id {
            return self.close_peer(ctx, conn, CloseReason::SelfConnection);
        }
        if self.blame.is_banned(&peer_id, ctx.now) {
            return self.close_peer(ctx, conn, CloseReason::Banned);
        }
        let same = |peer: &&Peer| peer.conn != conn && peer.peer_id() == Some(peer_id);
        if let Some(other) = self.peers.values().find(same).map(|peer| (peer.conn, peer.initiated)) {
            let close = self.which_of_two(ctx.peer_id, peer_id, conn, other);
            self.close_peer(ctx, close, CloseReason::Duplicate);
            if close == conn {
                return;
            }
        }
        // The slot longest unused, so that the colours of whoever left stay theirs for as long as possible.
        let slot = self.slots.pop_front().unwrap_or(0);
        if let Some(store) = &mut self.store {
            store.forget_slot(slot);
        }
        let ours = self.introduction(ctx);
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        peer.slot = slot;
        let have = self.store.as_ref().map(Store::have).filter(|have| !have.is_empty());
        let complete = have.is_some_and(|have| have.is_full());
        peer.introduce(&ours, complete, have.map(|have| have.to_wire()));
        self.failed_dials = 0;
        if self.phase == Phase::Connecting {
            self.set_phase(ctx, Phase::Metadata);
        }
        ctx.event(Event::PeerConnected { torrent: self.info_hash, conn, peer: peer_id });
    }

    /// Of two connections to the same peer, the one to close. Both sides come to the same answer: the connection that
    /// the smaller peer id offered is kept, and of two offered by the same side the older. One that has carried payload
    /// is kept in any case: peer ids are public, and nobody is to end an honest peer's connection by taking its name.
    fn which_of_two(&self, us: PeerId, them: PeerId, new: ConnId, old: (ConnId, bool)) -> ConnId {
        let (old, old_initiated) = old;
        let new_initiated = self.peers.get(&new).is_some_and(|peer| peer.initiated);
        let keep_ours = us < them;
        let proven = |peer: &Peer| peer.down.total() + peer.up.total() > 0;
        if self.peers.get(&old).is_some_and(proven) {
            return new;
        }
        if new_initiated != old_initiated && new_initiated == keep_ours { old } else { new }
    }

    /// What we say in the extension handshake.
    pub(super) fn introduction(&self, ctx: &Context) -> ExtendedHandshake {
        ExtendedHandshake {
            ids: Ids::OURS,
            metadata_size: self.meta.as_ref().map(|meta| meta.info_bytes().len() as u64),
            reqq: Some(limits::REQUESTS_QUEUED_MAX as u32),
            version: Some(ctx.version.clone()),
            ..ExtendedHandshake::default()
        }
    }

    /// The number of pieces is known: reads what peers said before, and tells them that we have the metadata.
    pub(super) fn settle_peers(&mut self, ctx: &mut Context) {
        let ours = self.introduction(ctx);
        let Some(meta) = self.meta.clone() else { return };
        let conns: Vec<ConnId> = self.peers.keys().copied().collect();
        for conn in conns {
            let Some(peer) = self.peers.get_mut(&conn).filter(|peer| peer.shaken().is_some()) else {
                continue;
            };
            match peer.pieces_mut().settle(meta.layout()) {
                Ok(()) => {
                    peer.tell_extended(&ours);
                    self.dirty.insert(conn);
                }
                Err(reason) => self.close_peer(ctx, conn, reason),
            }
        }
        self.count_missing();
    }

    /// Tells peers that we have these pieces, with whatever else is sent to them, or in a moment: those that have them
    /// too, so that a sender sees how far its receivers are.
    pub(super) fn tell_have(&mut self, now: Instant, pieces: &[u32]) {
        for peer in self.peers.values_mut().filter(|peer| peer.shaken().is_some()) {
            for number in pieces {
                peer.tell(&Message::Have(*number));
                self.have_at = self.have_at.or(Some(now + HAVE_WAIT));
            }
        }
    }

    /// Counts for each peer what it has and we lack.
    pub(super) fn count_missing(&mut self) {
        let Some(store) = &self.store else { return };
        for peer in self.peers.values_mut() {
            peer.missing = peer.pieces().known().map_or(0, |has| has.count_beyond(store.have()));
        }
    }

    /// Tells every peer whether we want something of it.
    pub(super) fn update_interest(&mut self, ctx: &Context) {
        let fetching = self.phase == Phase::Downloading;
        for (conn, peer) in &mut self.peers {
            peer.set_interested(ctx.now, fetching && peer.missing > 0);
            self.dirty.insert(*conn);
        }
    }

    /// We have a piece now: what peers have beyond us changes.
    pub(super) fn no_longer_missing(&mut self, ctx: &Context, piece: PieceIndex) {
        let fetching = self.phase == Phase::Downloading;
        for (conn, peer) in &mut self.peers {
            if peer.pieces().has(piece) {
                peer.missing = peer.missing.saturating_sub(1);
                if peer.missing == 0 {
                    peer.set_interested(ctx.now, fetching && peer.missing > 0);
                    self.dirty.insert(*conn);
                }
            }
        }
    }

    /// Closes peers with which there is nothing to exchange: both sides have everything. Not at the very moment of
    /// completion: whoever gave the last piece is to hear of it first.
    pub(super) fn close_seeds(&mut self, ctx: &mut Context) {
        if !self.is_complete() {
            return;
        }
        let complete = |peer: &&Peer| peer.shaken().is_some() && peer.pieces().is_complete();
        let seeds: Vec<ConnId> = self.peers.values().filter(complete).map(|peer| peer.conn).collect();
        for conn in seeds {
            self.close_peer(ctx, conn, CloseReason::NothingToExchange);
        }
    }

    /// A peer gave bad pieces: not again for a while.
    pub(super) fn ban(&mut self, ctx: &mut Context, peer_id: PeerId) {
        if self.blame.is_banned(&peer_id, ctx.now) || self.convict_web_seed(ctx, peer_id) {
            return;
        }
        self.blame.ban(peer_id, ctx.now);
        self.bans += 1;
        ctx.event(Event::PeerBanned { torrent: self.info_hash, peer: peer_id });
        let of_peer = |peer: &&Peer| peer.peer_id() == Some(peer_id);
        let conns: Vec<ConnId> = self.peers.values().filter(of_peer).map(|peer| peer.conn).collect();
        for conn in conns {
            self.close_peer(ctx, conn, CloseReason::Banned);
        }
    }

    /// The host slept: what did not come meanwhile is not held against anybody.
    pub fn woke(&mut self, now: Instant) {
        self.peers.values_mut().for_each(|peer| peer.woke(now));
        self.dials.values_mut().for_each(|dial| dial.since = now);
        self.announcer.woke(now);
        self.fetch.woke(now);
        self.web_seeds.woke(now);
    }

    /// Number of connections that are open or on their way to somebody.
    pub(super) fn connections(&self) -> usize {
        self.peers.len() + self.dials.len()
    }
}
