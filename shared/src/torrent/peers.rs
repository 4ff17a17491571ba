//! Who is connected, and how connections come and go.

use core::net::{IpAddr, SocketAddr};
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

/// Longest wait for a TCP connection: two lost SYN packets, or a host that is not there.
const TCP_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a HAVE waits for company: at ten pieces a second and more, each alone would be a send of its own to every
/// peer.
const HAVE_WAIT: Duration = Duration::from_millis(100);

/// A connection on its way: both descriptions are there, or the answer is being made.
#[derive(Debug)]
pub(super) struct Dial {
    pub(super) since: Instant,
    /// Who it leads to, as the tracker says.
    pub(super) remote: Option<PeerId>,
    /// We made the offer, or dialled.
    pub(super) initiated: bool,
    /// What was dialled.
    pub(super) address: Option<SocketAddr>,
    /// Where our answer goes, and the id of the offer it answers.
    pub(super) answer_to: Option<(TrackerId, String)>,
}

impl Dial {
    /// When it has taken too long.
    pub(super) fn deadline(&self) -> Instant {
        self.since + if self.address.is_some() { TCP_TIMEOUT } else { DIAL_TIMEOUT }
    }
}

impl Torrent {
    /// A connection to somebody is on its way.
    pub(super) fn dial(&mut self, conn: ConnId, dial: Dial) {
        if self.dials.is_empty() && self.failed_dials == 0 {
            self.dialling_since = dial.since;
        }
        self.dials.insert(conn, dial);
    }

    /// Takes a connection from among those that are on their way.
    pub(super) fn take_dial(&mut self, ctx: &mut Context, conn: ConnId) -> Option<Dial> {
        let dial = self.dials.remove(&conn)?;
        ctx.dials_open -= usize::from(dial.address.is_some());
        Some(dial)
    }

    /// A connection on its way leads to nobody. Answers whether it was on its way.
    pub(super) fn dial_failed(&mut self, ctx: &mut Context, conn: ConnId) -> bool {
        let Some(dial) = self.take_dial(ctx, conn) else { return false };
        self.failed_dials += 1;
        if let Some(address) = dial.address {
            self.addresses.failed(address, Some(conn), ctx.now);
        }
        true
    }

    /// The data channel of a connection is open, or what was dialled is.
    pub fn connection_opened(&mut self, ctx: &mut Context, conn: ConnId, max_message: usize) {
        let Some(dial) = self.take_dial(ctx, conn) else { return };
        let peer = self.open_peer(ctx, conn, dial.initiated, max_message);
        (peer.address, peer.listens) = (dial.address, dial.address);
        if let Some(address) = dial.address {
            self.addresses.opened(address, conn);
        }
    }

    /// A connection is open: our handshake goes out.
    pub(super) fn open_peer(
        &mut self,
        ctx: &Context,
        conn: ConnId,
        initiated: bool,
        max_message: usize,
    ) -> &mut Peer {
        let ours = Handshake::new(self.info_hash, ctx.peer_id);
        self.dirty.insert(conn);
        self.peers.entry(conn).or_insert_with(|| Peer::new(conn, initiated, ours, max_message, ctx.now))
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
        if self.dial_failed(ctx, conn) {
            // Its address is tried again later.
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
        self.dirty.extend(self.spread.left(conn));
        self.slots.extend((peer.slot != 0).then_some(peer.slot));
        self.fetch.left(conn);
        let owned = peer.pipeline.cancel_all();
        self.give_back(conn, &owned);
        if let (Some(picker), Some(has)) = (&mut self.picker, peer.pieces().known()) {
            picker.left(has, peer.counted_whole);
        }
        if let Some(address) = peer.listens {
            self.leave_address(ctx, address, &peer, &reason);
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

    /// A peer that listens at this address has left.
    fn leave_address(&mut self, ctx: &Context, address: SocketAddr, peer: &Peer, reason: &CloseReason) {
        if *reason == CloseReason::SelfConnection {
            return self.addresses.is_ours(address);
        }
        if *reason == CloseReason::Stopped {
            return self.addresses.given_up(address, peer.conn, ctx.now);
        }
        if peer.shaken().is_none() {
            return self.addresses.failed(address, Some(peer.conn), ctx.now);
        }
        let seed = peer.pieces().is_complete();
        let useless =
            matches!(reason, CloseReason::NothingToExchange | CloseReason::Banned | CloseReason::Duplicate);
        self.addresses.ended(address, peer.conn, seed, useless, ctx.now);
    }

    /// A peer shook hands: keeps it or not, and introduces ourselves.
    pub(super) fn shaken(&mut self, ctx: &mut Context, conn: ConnId, peer_id: PeerId) {
        if peer_id == ctx.peer_id {
            return self.close_peer(ctx, conn, CloseReason::SelfConnection);
        }
        if self.is_banned(ctx, conn, &peer_id) {
            return self.close_peer(ctx, conn, CloseReason::Banned);
        }
        let same = |peer: &&Peer| peer.conn != conn && peer.peer_id() == Some(peer_id);
        if let Some(other) = self.peers.values().find(same).map(|peer| (peer.conn, peer.initiated)) {
            let close = self.which_of_two(ctx.peer_id, peer_id, conn, other);
            self.hand_over_address(close, if close == conn { other.0 } else { conn });
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
        let ours = self.introduction(ctx, self.peers.get(&conn).and_then(|peer| peer.address));
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if let Some(address) = peer.listens {
            self.addresses.connected(address, conn);
        }
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

    fn is_banned(&self, ctx: &Context, conn: ConnId, peer_id: &PeerId) -> bool {
        let ip = self.peers.get(&conn).and_then(|peer| peer.address).map(|address| address.ip());
        self.blame.is_banned(peer_id, ctx.now) || ip.is_some_and(|ip| self.blame.is_ip_banned(ip, ctx.now))
    }

    /// Of two connections to the same peer one is about to be closed: where it listens, the other's peer does.
    fn hand_over_address(&mut self, from: ConnId, to: ConnId) {
        let Some(address) = self.peers.get(&from).and_then(|peer| peer.listens) else { return };
        if let Some(kept) = self.peers.get_mut(&to).filter(|kept| kept.listens.is_none()) {
            kept.listens = Some(address);
            self.addresses.connected(address, to);
        }
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

    /// What we say in the extension handshake to a peer, whose address is known where it is one over TCP. To browsers
    /// nothing is said of ports and addresses: they could do nothing with them.
    pub(super) fn introduction(&self, ctx: &Context, to: Option<SocketAddr>) -> ExtendedHandshake {
        ExtendedHandshake {
            ids: if to.is_some() && self.exchanges(ctx) { Ids::WITH_PEX } else { Ids::OURS },
            metadata_size: self.meta.as_ref().map(|meta| meta.info_bytes().len() as u64),
            reqq: Some(limits::REQUESTS_QUEUED_MAX as u32),
            version: Some(ctx.version.clone()),
            port: ctx.listen_port.filter(|_| to.is_some()),
            your_ip: to.map(|address| address.ip()),
            ..ExtendedHandshake::default()
        }
    }

    /// The number of pieces is known: reads what peers said before, and tells them that we have the metadata.
    pub(super) fn settle_peers(&mut self, ctx: &mut Context) {
        let Some(meta) = self.meta.clone() else { return };
        let conns: Vec<ConnId> = self.peers.keys().copied().collect();
        for conn in conns {
            let ours = self.introduction(ctx, self.peers.get(&conn).and_then(|peer| peer.address));
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
    pub(super) fn ban(&mut self, ctx: &mut Context, peer_id: PeerId, ip: Option<IpAddr>) {
        if self.blame.is_banned(&peer_id, ctx.now) || self.convict_web_seed(ctx, peer_id) {
            return;
        }
        self.blame.ban(peer_id, ip, ctx.now);
        self.bans += 1;
        ctx.event(Event::PeerBanned { torrent: self.info_hash, peer: peer_id });
        let of_peer = |peer: &&Peer| {
            let ip = peer.address.map(|address| address.ip());
            peer.peer_id() == Some(peer_id) || ip.is_some_and(|ip| self.blame.is_ip_banned(ip, ctx.now))
        };
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
