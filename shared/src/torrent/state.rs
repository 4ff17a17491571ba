//! Where the torrent stands, and the commands that move it.

use std::sync::Arc;

use super::pieces::Store;
use super::{Context, Event, Phase, Torrent};
use crate::metainfo::Metainfo;
use crate::peer::CloseReason;

impl Torrent {
    pub(super) fn set_phase(&mut self, ctx: &mut Context, phase: Phase) {
        if phase != self.phase {
            self.phase = phase;
            self.phase_since = ctx.now;
            ctx.event(Event::Phase { torrent: self.info_hash, phase });
        }
    }

    /// The metadata is known: peers' pieces can be read, and the storage opened.
    pub fn learn(&mut self, ctx: &mut Context, meta: Arc<Metainfo>) {
        if self.meta.is_some() {
            return;
        }
        self.store = Some(Store::new(meta.layout()));
        self.meta = Some(meta);
        self.fetch = super::MetadataFetch::default();
        self.forget_exchanged();
        self.settle_peers(ctx);
        if self.is_active() {
            self.open_storage(ctx);
        }
    }

    /// Every piece is here by another way: the storage is opened again, for the host to find what is shared in place.
    pub fn share(&mut self, ctx: &mut Context, meta: Arc<Metainfo>) {
        if self.have().is_some_and(|have| have.is_full()) {
            return;
        }
        self.shared_here = true;
        if self.meta.is_some() {
            self.ask_for_nothing();
            self.leave_storage(ctx);
        }
        self.learn(ctx, meta);
        match self.is_active() {
            true => self.open_storage(ctx),
            false => self.resume(ctx),
        }
        self.announcer.hurry(ctx.now);
    }

    /// Takes all requests back. Blocks that come all the same are not kept.
    fn ask_for_nothing(&mut self) {
        for (conn, peer) in &mut self.peers {
            let asked = peer.pipeline.cancel_all();
            asked.iter().for_each(|block| peer.tell_cancel(*block));
            self.dirty.insert(*conn);
        }
        self.wasted += self.store.as_mut().map_or(0, Store::discard_all);
    }

    /// What is stored is known: fetch, wait to be told to, or give.
    pub(super) fn ready(&mut self, ctx: &mut Context) {
        if !self.is_active() {
            return;
        }
        let complete = self.have().is_some_and(|have| have.is_full());
        let phase = match (complete, self.shared_here, self.wanted) {
            (true, true, _) => Phase::Seeding,
            (true, false, _) => Phase::Complete,
            (false, _, true) => Phase::Downloading,
            (false, _, false) => Phase::Ready,
        };
        self.set_phase(ctx, phase);
        self.last_block = ctx.now;
        self.update_interest(ctx);
    }

    /// The last piece is verified and written.
    pub(super) fn completed(&mut self, ctx: &mut Context) {
        self.announcer.completed(ctx.now);
        self.ready(ctx);
    }

    /// Somebody asks for the pieces, or to go on.
    pub fn start(&mut self, ctx: &mut Context) {
        self.wanted = true;
        match self.phase {
            Phase::Ready => self.ready(ctx),
            Phase::Paused | Phase::Error => self.resume(ctx),
            _ => {}
        }
    }

    fn resume(&mut self, ctx: &mut Context) {
        self.failure = None;
        self.alone_since = None;
        self.failed_dials = 0;
        self.announcer.activate(ctx.now);
        self.addresses.hurry(ctx.now);
        if self.meta.is_none() {
            self.set_phase(ctx, Phase::Connecting);
        } else if self.storage.is_closed() {
            self.open_storage(ctx);
        } else {
            // Active again, whether or not the check is over.
            self.set_phase(ctx, Phase::Checking);
            if self.storage.is_open() {
                self.ready(ctx);
            }
        }
    }

    /// Ends all connections and announces `stopped`; keeps what is verified.
    pub fn pause(&mut self, ctx: &mut Context) {
        if self.is_active() {
            self.stop_peers(ctx);
            self.set_phase(ctx, Phase::Paused);
        }
    }

    /// Ends all connections and closes the storage: the torrent or the engine goes away.
    pub fn end(&mut self, ctx: &mut Context, erase: bool) {
        self.stop_peers(ctx);
        self.close_storage(ctx, erase);
    }

    /// Leaves the swarm.
    pub(super) fn stop_peers(&mut self, ctx: &mut Context) {
        self.announcer.stop(ctx, self.info_hash, self.stats());
        self.stop_web_seeds(ctx);
        self.close_offers(ctx, &CloseReason::Stopped);
        let dials: Vec<_> = self.dials.keys().copied().collect();
        for conn in dials {
            if let Some(address) = self.take_dial(ctx, conn).and_then(|dial| dial.address) {
                self.addresses.given_up(address, conn, ctx.now);
            }
            ctx.close(conn, CloseReason::Stopped);
        }
        let peers: Vec<_> = self.peers.keys().copied().collect();
        for conn in peers {
            self.close_peer(ctx, conn, CloseReason::Stopped);
        }
        if let (Some(store), Some(picker)) = (&mut self.store, &mut self.picker) {
            // Blocks of pieces that are not whole are not worth their memory while nothing moves.
            self.wasted += store.discard_all();
            picker.discard_begun();
        }
    }
}
