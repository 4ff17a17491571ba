//! What peers say, carried out.

use super::{Context, Phase, Torrent};
use crate::bitfield::Bitfield;
use crate::id::ConnId;
use crate::layout::PieceIndex;
use crate::peer::{CloseReason, Heard};

impl Torrent {
    pub(super) fn heard(&mut self, ctx: &mut Context, conn: ConnId, heard: Heard) {
        match heard {
            Heard::Shaken(peer_id) => self.shaken(ctx, conn, peer_id),
            Heard::Extended { port } => {
                self.port_told(ctx, conn, port);
                self.fetch.heard_anew(conn);
                self.fetch_metadata(ctx);
            }
            Heard::Pieces => self.pieces_told(ctx, conn),
            Heard::Gained(pieces) => self.gained(ctx, conn, &pieces),
            Heard::Lost(piece) => self.lost(ctx, conn, piece),
            Heard::Choked(given_up) => self.give_back(conn, &given_up),
            Heard::Unchoked | Heard::AllowedFast => self.look_again(conn),
            Heard::Wanting => self.fill_slots(ctx),
            Heard::Rejected(block) => self.give_back(conn, &[block]),
            Heard::Block { block, bytes } => self.block_came(ctx, conn, block, bytes),
            Heard::Request => {}
            Heard::Exchanged(message) => self.exchanged(ctx, &message),
            Heard::Metadata(message) => self.metadata_came(ctx, conn, message),
        }
    }

    /// A peer said which pieces it has, for the first time.
    fn pieces_told(&mut self, ctx: &mut Context, conn: ConnId) {
        let (Some(store), Some(peer)) = (&self.store, self.peers.get_mut(&conn)) else { return };
        let Some(has) = peer.pieces().known() else { return };
        let missing = has.count_beyond(store.have());
        peer.counted_whole = self.picker.as_mut().is_some_and(|picker| picker.joined(has));
        peer.missing = missing;
        peer.set_interested(ctx.now, self.phase == Phase::Downloading && peer.missing > 0);
        self.close_if_useless(ctx, conn);
    }

    fn gained(&mut self, ctx: &mut Context, conn: ConnId, pieces: &[PieceIndex]) {
        let (Some(store), Some(peer)) = (&self.store, self.peers.get_mut(&conn)) else { return };
        for piece in pieces {
            self.spread.passed(piece.get(), ctx.now);
            if let Some(picker) = &mut self.picker {
                picker.gained(*piece);
            }
            if !store.have().has(*piece) {
                peer.missing += 1;
                peer.set_interested(ctx.now, self.phase == Phase::Downloading);
            }
        }
        let spared =
            |piece: &&PieceIndex| self.picker.as_ref().is_some_and(|picker| picker.spares_seeds(**piece));
        let spared: Vec<_> = pieces.iter().filter(spared).copied().collect();
        spared.into_iter().for_each(|piece| self.spare_seeds(piece));
        let Some(peer) = self.peers.get(&conn) else { return };
        if !pieces.is_empty() && has_all(peer.pieces().known()) {
            if peer.up.total() > 0 {
                self.fulfilled += 1;
            }
            self.close_if_useless(ctx, conn);
        }
    }

    /// Takes back what those with everything are asked for of a piece: somebody else can give it from now on.
    fn spare_seeds(&mut self, piece: PieceIndex) {
        let seeds: Vec<ConnId> =
            self.peers.values().filter(|peer| peer.counted_whole).map(|peer| peer.conn).collect();
        for conn in seeds {
            self.take_back(conn, piece);
            self.dirty.insert(conn);
        }
    }

    /// Takes back what a peer is asked for of a piece: it is for others.
    fn take_back(&mut self, conn: ConnId, piece: PieceIndex) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let asked: Vec<_> = peer.pipeline.of_piece(piece).collect();
        asked.iter().for_each(|block| peer.take_back(*block));
        self.give_back(conn, &asked);
    }

    fn lost(&mut self, ctx: &Context, conn: ConnId, piece: PieceIndex) {
        let (Some(store), Some(peer)) = (&self.store, self.peers.get_mut(&conn)) else { return };
        let Some(has) = peer.pieces().known() else { return };
        if let Some(picker) = &mut self.picker {
            picker.lost(piece, has, peer.counted_whole);
            peer.counted_whole = false;
        }
        if !store.have().has(piece) {
            peer.missing = peer.missing.saturating_sub(1);
            peer.set_interested(ctx.now, self.phase == Phase::Downloading && peer.missing > 0);
        }
        self.take_back(conn, piece);
    }

    /// Both sides have everything: the connection is of no use.
    fn close_if_useless(&mut self, ctx: &mut Context, conn: ConnId) {
        let complete = self.peers.get(&conn).is_some_and(|peer| peer.pieces().is_complete());
        if complete && self.is_complete() {
            self.close_peer(ctx, conn, CloseReason::NothingToExchange);
        }
    }

    /// Something may be picked for a peer for which there was nothing.
    fn look_again(&mut self, conn: ConnId) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.dry_at = 0;
        }
    }
}

fn has_all(has: Option<&Bitfield>) -> bool {
    has.is_some_and(Bitfield::is_full)
}
