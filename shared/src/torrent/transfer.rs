//! Asking, giving, choking: what keeps bytes moving.

use core::time::Duration;
use std::collections::BTreeSet;

use super::spread::Spread;
use super::{Action, Context, Effect, Job, Phase, Torrent};
use crate::choker::Candidate;
use crate::id::ConnId;
use crate::layout::{BlockRef, PieceIndex};
use crate::limits;
use crate::peer::{CloseReason, Peer};
use crate::picker::View;
use crate::time::Instant;
use crate::wire::extension::metadata::{BLOCK_LENGTH, MetadataMessage};

/// Time between two rounds of the choker, as everywhere in the field.
pub(super) const CHOKE_INTERVAL: Duration = Duration::from_secs(10);

/// Blocks that an idle peer is asked for at once in endgame.
const ENDGAME_BATCH: usize = 16;

/// A peer as the picker sees it.
struct PeerView<'a>(&'a Peer);

impl View for PeerView<'_> {
    fn conn(&self) -> ConnId {
        self.0.conn
    }

    fn offers(&self, piece: PieceIndex) -> bool {
        self.0.offers(piece)
    }

    fn offers_all(&self) -> bool {
        self.0.offers_all()
    }

    fn offers_only(&self) -> Option<&BTreeSet<PieceIndex>> {
        self.0.offers_only()
    }

    fn counted_whole(&self) -> bool {
        self.0.counted_whole
    }
}

impl Torrent {
    /// When something may be picked that could not be before, all peers with room are looked at, not only those that
    /// just spoke.
    pub(super) fn look_for_work(&mut self) {
        let Some(picker) = &self.picker else { return };
        let seen = (picker.version(), picker.is_endgame());
        if seen != self.picker_seen && self.phase == Phase::Downloading {
            self.picker_seen = seen;
            let with_room = |(_, peer): &(&ConnId, &Peer)| peer.may_give() && peer.pipeline.room() > 0;
            self.dirty.extend(self.peers.iter().filter(with_room).map(|(conn, _)| *conn));
        }
    }

    /// Asks a peer for what it may be asked for, reads what it asked for, and sends what waits.
    pub(super) fn serve(&mut self, ctx: &mut Context, conn: ConnId) {
        self.ask(ctx, conn);
        loop {
            self.read_for(ctx, conn);
            let Some(peer) = self.peers.get_mut(&conn) else { return };
            let actions = &mut ctx.actions;
            let flushed = peer
                .outbox
                .flush(ctx.now, &mut ctx.upload, |data| actions.push_back(Action::Send { conn, data }));
            peer.up.add(ctx.now, flushed.payload);
            self.up.add(ctx.now, flushed.payload);
            if flushed.limited {
                self.limited.insert(conn);
            }
            if peer.is_stalled() {
                return self.close_peer(ctx, conn, CloseReason::Stalled);
            }
            if flushed.metered == 0 {
                return;
            }
            if ctx.upload.turn().is_some() {
                // The tokens are everybody's: whoever got some goes to the end of the queue.
                (self.served_last, ctx.served_last) = (Some(conn), Some(self.info_hash));
                self.dirty.insert(conn);
                return;
            }
        }
    }

    /// Fills the pipeline of a peer.
    fn ask(&mut self, ctx: &mut Context, conn: ConnId) {
        let (Some(picker), Some(peer)) = (&mut self.picker, self.peers.get_mut(&conn)) else { return };
        if self.phase != Phase::Downloading || !peer.may_give() || peer.refuses_all() {
            return;
        }
        let room = peer.pipeline.room();
        if room == 0 {
            return;
        }
        let allowance = ctx.download.allowance(ctx.now).div_ceil(u64::from(limits::BLOCK_LENGTH));
        let count = room.min(usize::try_from(allowance).unwrap_or(usize::MAX));
        if count == 0 {
            self.limited.insert(conn);
            return;
        }
        let mut picked = Vec::new();
        if peer.dry_at != picker.version() {
            picker.pick(&PeerView(peer), count, &mut picked);
            if picked.len() < count {
                peer.dry_at = picker.version();
            }
        }
        if picked.is_empty() && peer.pipeline.is_running_dry() && picker.is_endgame() {
            self.pick_again(ctx.now, conn, count.min(ENDGAME_BATCH), &mut picked);
        }
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        for block in picked {
            ctx.download.take(ctx.now, u64::from(block.length));
            peer.ask(block, ctx.now);
        }
    }

    /// Picks, for a peer without work, of what others are asked for and have not given in the time in which it could have.
    fn pick_again(&mut self, now: Instant, conn: ConnId, count: usize, picked: &mut Vec<BlockRef>) {
        let Some(patience) = self.peers.get(&conn).map(|peer| peer.pipeline.patience()) else { return };
        let others = || self.peers.iter().filter(|(other, _)| **other != conn);
        let of_peer = |(other, peer): (&ConnId, &Peer)| {
            let other = *other;
            peer.pipeline.waiting(patience, now).map(move |block| (other, block)).collect::<Vec<_>>()
        };
        let late: BTreeSet<(ConnId, BlockRef)> = others().flat_map(of_peer).collect();
        let next = others().filter_map(|(_, peer)| peer.pipeline.next_waiting(patience, now)).min();
        let (Some(picker), Some(peer)) = (&mut self.picker, self.peers.get(&conn)) else { return };
        // What a server streams comes when it comes.
        let is_late = |owner, block| late.contains(&(owner, block)) || !self.peers.contains_key(&owner);
        picker.pick_again(&PeerView(peer), is_late, count, picked);
        if picked.is_empty() {
            self.endgame_at = [self.endgame_at, next].into_iter().flatten().min();
        }
    }

    /// Starts reads for a peer, and puts metadata that it asked for into its outbox.
    fn read_for(&mut self, ctx: &mut Context, conn: ConnId) {
        let seeding = self.is_complete();
        let (Some(meta), Some(peer)) = (&self.meta, self.peers.get_mut(&conn)) else { return };
        while peer.outbox.block_bytes() < limits::SEND_MESSAGE_MAX
            && let Some(piece) = peer.metadata_wanted.pop_front()
        {
            let info = meta.info_bytes();
            let from = piece as usize * BLOCK_LENGTH;
            let to = info.len().min(from + BLOCK_LENGTH);
            let message = if from < to {
                let total_size = Some(info.len() as u64);
                MetadataMessage::Data { piece, total_size, block: info.slice(from..to) }
            } else {
                MetadataMessage::Reject { piece }
            };
            peer.tell_metadata(&message);
        }
        if !self.storage.is_open() {
            return;
        }
        let (spread, now, layout) = (&mut self.spread, ctx.now, meta.layout());
        let held = |spread: &mut Spread, piece| seeding && spread.holds(conn, piece, now);
        while let Some(read) = peer.upload.next_read(layout, &peer.outbox, |piece| held(spread, piece)) {
            if seeding {
                layout.pieces_in(read.offset, read.length).for_each(|piece| spread.given(conn, piece, now));
            }
            let effect = Effect::Read { torrent: self.info_hash, offset: read.offset, length: read.length };
            ctx.effect(self.info_hash, Job::Read { conn, number: read.number }, effect);
        }
    }

    /// Runs the choker.
    pub(super) fn choke_round(&mut self, ctx: &Context) {
        self.choke_at = ctx.now + CHOKE_INTERVAL;
        self.spread.tidy(ctx.now);
        if !self.gives() {
            return;
        }
        let candidates = self.candidates(ctx);
        let seeding = self.is_complete();
        let chosen = self.choker.round(ctx.now, &candidates, ctx.upload_slots, seeding);
        self.apply_choke(&chosen);
    }

    fn apply_choke(&mut self, chosen: &BTreeSet<ConnId>) {
        for (conn, peer) in &mut self.peers {
            let choked = !chosen.contains(conn);
            if choked != peer.is_choked() {
                peer.set_choked(choked);
                self.dirty.insert(*conn);
                self.dirty.extend(if choked { self.spread.stopped(*conn) } else { Vec::new() });
            }
        }
    }

    /// Gives slots that are free to peers that want something, at once.
    pub(super) fn fill_slots(&mut self, ctx: &Context) {
        if !self.gives() {
            return;
        }
        let candidates = self.candidates(ctx);
        for conn in self.choker.fill(&candidates, ctx.upload_slots) {
            if let Some(peer) = self.peers.get_mut(&conn) {
                peer.set_choked(false);
                self.dirty.insert(conn);
            }
        }
    }

    /// Whether there is anything here to give.
    fn gives(&self) -> bool {
        self.is_active() && self.storage.is_open() && self.have().is_some_and(|have| !have.is_empty())
    }

    fn candidates(&self, ctx: &Context) -> Vec<Candidate> {
        let candidate = |peer: &Peer| Candidate {
            conn: peer.conn,
            wanting: peer.is_wanting(),
            unchoked: !peer.is_choked(),
            down_rate: peer.down.rate(ctx.now),
            up_rate: peer.up.rate(ctx.now),
            uploaded: peer.up.total(),
        };
        self.peers.values().filter(|peer| peer.shaken().is_some()).map(candidate).collect()
    }
}
