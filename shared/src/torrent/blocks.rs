//! The way of a block: kept until its piece is whole, hashed, written, had.

use bytes::Bytes;

use super::pieces::Author;
use super::{Context, Effect, EffectFailure, EffectResult, Event, Job, Phase, Torrent};
use crate::id::ConnId;
use crate::layout::{BlockRef, PieceIndex};
use crate::picker::Taken;

impl Torrent {
    pub(super) fn block_came(&mut self, ctx: &mut Context, conn: ConnId, block: BlockRef, bytes: Bytes) {
        self.down.add(ctx.now, bytes.len() as u64);
        self.last_block = ctx.now;
        let of_peer = self.peers.get(&conn).and_then(|peer| {
            let ip = peer.address.map(|address| address.ip());
            Some(Author { conn, peer: peer.peer_id()?, ip })
        });
        let of_web_seed = || Some(Author { conn, peer: self.web_seeds.author(conn)?, ip: None });
        let author = of_peer.or_else(of_web_seed);
        let (Some(meta), Some(store), Some(picker), Some(author)) =
            (&self.meta, &mut self.store, &mut self.picker, author)
        else {
            return;
        };
        let Taken::New { others, whole } = picker.received(block, conn) else {
            self.wasted += bytes.len() as u64;
            return;
        };
        store.keep(meta.layout(), block, bytes, author);
        if whole && let Some(blocks) = store.assemble(block.piece) {
            ctx.effect(self.info_hash, Job::Hash(block.piece), Effect::Hash { blocks });
        }
        for other in others {
            if let Some(peer) = self.peers.get_mut(&other) {
                peer.take_back(block);
                self.dirty.insert(other);
            } else {
                self.web_seed_spared(ctx, other, block);
            }
        }
    }

    /// A peer will not give these blocks: they are for others.
    pub(super) fn give_back(&mut self, conn: ConnId, blocks: &[BlockRef]) {
        let Some(picker) = &mut self.picker else { return };
        for block in blocks {
            picker.unasked(*block, conn);
        }
        for piece in picker.abandon(conn) {
            if let Some(store) = &mut self.store {
                self.wasted += store.discard(piece);
            }
            // What it was still asked for of that piece is for somebody else as well.
            if let Some(peer) = self.peers.get_mut(&conn) {
                let asked: Vec<BlockRef> = peer.pipeline.of_piece(piece).collect();
                asked.into_iter().for_each(|block| peer.take_back(block));
            }
        }
    }

    /// A whole piece was hashed.
    pub(super) fn hashed(&mut self, ctx: &mut Context, piece: PieceIndex, result: EffectResult) {
        let digest = match result {
            EffectResult::Digest(digest) => digest,
            EffectResult::Failed(failure) => return self.piece_lost(ctx, piece, failure),
            other => return debug_assert!(false, "hashing ended with {other:?}"),
        };
        let (Some(meta), Some(store)) = (&self.meta, &mut self.store) else { return };
        if *meta.piece_hash(piece) != digest {
            return self.mismatched(ctx, piece);
        }
        let Some(blocks) = store.take_blocks(piece) else { return };
        let convicted = self.blame.matched(piece, &blocks);
        let offset = meta.layout().piece_offset(piece);
        let effect = Effect::Write { torrent: self.info_hash, offset, blocks };
        ctx.effect(self.info_hash, Job::Write(piece), effect);
        for author in convicted {
            self.ban(ctx, author.peer, author.ip);
        }
    }

    /// A verified piece was written, or could not be.
    pub(super) fn written(&mut self, ctx: &mut Context, piece: PieceIndex, result: EffectResult) {
        if let EffectResult::Failed(failure) = result {
            return self.piece_lost(ctx, piece, failure);
        }
        let (Some(meta), Some(store), Some(picker)) = (&self.meta, &mut self.store, &mut self.picker) else {
            return;
        };
        let author = store.insert(meta.layout(), piece);
        picker.finished(piece);
        if let Some(peer) = author.and_then(|author| self.peers.get_mut(&author.conn)) {
            peer.given += 1;
            store.set_given(piece, peer.slot);
        } else if let Some(seed) = author.and_then(|author| self.web_seeds.by_author(author.peer)) {
            seed.given += 1;
            store.set_given(piece, seed.slot);
        }
        let whole = store.have().is_full();
        ctx.event(Event::PieceVerified { torrent: self.info_hash, piece });
        self.no_longer_missing(ctx, piece);
        self.tell_have(ctx.now, &[piece.get()]);
        self.fill_slots(ctx);
        self.outdate_record(ctx);
        if whole && self.is_active() {
            self.completed(ctx);
        }
    }

    /// A whole piece did not match: blames, and fetches it again.
    fn mismatched(&mut self, ctx: &mut Context, piece: PieceIndex) {
        let (Some(store), Some(picker)) = (&mut self.store, &mut self.picker) else { return };
        let Some(verifying) = store.reject(piece) else { return };
        self.failed_pieces += 1;
        self.wasted += verifying.blocks.iter().map(|block| block.len() as u64).sum::<u64>();
        let convicted = self.blame.failed(piece, &verifying);
        picker.failed(piece, self.blame.suspects(piece));
        let mut from: Vec<ConnId> = verifying.authors.iter().map(|author| author.conn).collect();
        from.sort_unstable();
        from.dedup();
        ctx.event(Event::PieceFailed { torrent: self.info_hash, piece, from });
        if let Some(author) = convicted {
            self.ban(ctx, author.peer, author.ip);
        }
    }

    /// The host could not hash or write a piece: it is missing again.
    fn piece_lost(&mut self, ctx: &mut Context, piece: PieceIndex, failure: EffectFailure) {
        if let (Some(store), Some(picker)) = (&mut self.store, &mut self.picker) {
            store.reject(piece);
            picker.failed(piece, false);
        }
        if self.phase != Phase::Paused {
            self.fail(ctx, failure);
        }
    }
}
