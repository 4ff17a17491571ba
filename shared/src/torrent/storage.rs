//! The torrent's storage: opened once, checked where no record is, written piece by piece.

use bytes::Bytes;

use super::{Context, Effect, EffectFailure, EffectResult, Event, Job, Opened, Phase, Torrent, resume};
use crate::bitfield::Bitfield;
use crate::layout::PieceIndex;
use crate::limits;
use crate::picker::Picker;

/// Where the storage stands.
#[derive(Debug, Default)]
pub(super) struct Storage {
    stage: Stage,
    /// The resume record is being written.
    persisting: bool,
    /// The resume record is older than what is had.
    outdated: bool,
    /// Next piece to be checked.
    next_check: u32,
    checks: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Closed,
    Opening,
    Checking,
    Open,
}

impl Storage {
    pub(super) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    pub(super) fn is_closed(&self) -> bool {
        self.stage == Stage::Closed
    }
}

impl Torrent {
    /// Asks the host for the storage.
    pub(super) fn open_storage(&mut self, ctx: &mut Context) {
        let Some(meta) = self.meta.clone() else { return };
        if !self.storage.is_closed() {
            return;
        }
        self.storage = Storage { stage: Stage::Opening, ..Storage::default() };
        self.set_phase(ctx, Phase::Checking);
        ctx.effect(self.info_hash, Job::Open, Effect::Open { torrent: self.info_hash, metainfo: meta });
    }

    /// Lets the host close the storage. What comes of its effects under way is not heard: it would be taken for what comes
    /// of the storage that is opened next.
    pub(super) fn close_storage(&mut self, ctx: &mut Context, erase: bool) {
        ctx.forget_storage_jobs(self.info_hash);
        self.peers.values_mut().for_each(|peer| peer.upload.read_again());
        if self.meta.is_some() && (erase || !self.storage.is_closed()) {
            ctx.effect(self.info_hash, Job::Close, Effect::Close { torrent: self.info_hash, erase });
        }
        self.storage = Storage::default();
    }

    /// An effect on the storage ended.
    pub(super) fn storage_done(&mut self, ctx: &mut Context, job: Job, result: EffectResult) {
        match (job, result) {
            (Job::Open, EffectResult::Opened(opened)) => self.opened(ctx, &opened),
            (Job::Open, EffectResult::Failed(failure)) => {
                self.storage.stage = Stage::Closed;
                self.fail(ctx, failure);
            }
            (Job::Check(piece), result) => self.checked(ctx, piece, &result),
            (Job::Persist, _) => {
                self.storage.persisting = false;
                self.persist(ctx);
            }
            (job, result) => debug_assert!(job == Job::Close, "{job:?} ended with {result:?}"),
        }
    }

    fn opened(&mut self, ctx: &mut Context, opened: &Opened) {
        let (Some(meta), Some(store)) = (&self.meta, &mut self.store) else { return };
        if self.storage.stage != Stage::Opening {
            return;
        }
        let layout = meta.layout();
        store.clear(layout);
        let record = opened.record.as_ref();
        if self.shared_here {
            store.insert_all(layout);
        } else if let Some(have) =
            record.and_then(|record| resume::decode(record, self.info_hash, layout.pieces()))
        {
            for piece in have.ones().filter_map(|number| layout.piece(number)) {
                store.insert(layout, piece);
            }
            if ctx.sparse && opened.check && !store.have().is_full() {
                self.storage.stage = Stage::Checking;
                self.next_checks(ctx);
                return;
            }
        } else if opened.check || record.is_some() {
            self.storage.stage = Stage::Checking;
            self.next_checks(ctx);
            return;
        }
        self.storage_known(ctx);
    }

    /// Keeps a few checks under way, until every piece is checked.
    fn next_checks(&mut self, ctx: &mut Context) {
        let (Some(meta), Some(store)) = (&self.meta, &self.store) else { return };
        let layout = meta.layout();
        while self.storage.checks < limits::CHECKS_IN_FLIGHT
            && let Some(piece) = layout.piece(self.storage.next_check)
        {
            self.storage.next_check += 1;
            if store.have().has(piece) {
                continue;
            }
            self.storage.checks += 1;
            let (offset, length) = (layout.piece_offset(piece), layout.piece_size(piece));
            let effect = Effect::Check { torrent: self.info_hash, offset, length };
            ctx.effect(self.info_hash, Job::Check(piece), effect);
        }
        if self.storage.checks == 0 {
            self.storage.outdated = true;
            self.storage_known(ctx);
        }
    }

    /// A piece was checked. One that cannot be read is not there: that is what a check finds out.
    fn checked(&mut self, ctx: &mut Context, piece: PieceIndex, result: &EffectResult) {
        if self.storage.stage != Stage::Checking {
            return;
        }
        self.storage.checks -= 1;
        if let (Some(meta), Some(store), EffectResult::Digest(digest)) = (&self.meta, &mut self.store, result)
            && meta.piece_hash(piece) == digest
        {
            store.insert(meta.layout(), piece);
        }
        self.next_checks(ctx);
    }

    /// It is known which pieces are here.
    fn storage_known(&mut self, ctx: &mut Context) {
        self.storage.stage = Stage::Open;
        let (Some(meta), Some(store)) = (&self.meta, &self.store) else { return };
        let mut picker = Picker::new(meta.layout(), store.have(), self.rng.fork("picker"));
        for peer in self.peers.values_mut() {
            peer.counted_whole = peer.pieces().known().is_some_and(|has| picker.joined(has));
        }
        self.picker = Some(picker);
        let have: Vec<u32> = store.have().ones().collect();
        self.tell_have(ctx.now, &have);
        self.count_missing();
        self.persist(ctx);
        self.ready(ctx);
    }

    /// Writes the resume record, if it is outdated and none is being written.
    pub(super) fn persist(&mut self, ctx: &mut Context) {
        let Some(store) = &self.store else { return };
        if self.storage.outdated && !self.storage.persisting && self.storage.is_open() {
            self.storage.outdated = false;
            self.storage.persisting = true;
            let record = resume::encode(self.info_hash, store.have());
            ctx.effect(self.info_hash, Job::Persist, Effect::Persist { torrent: self.info_hash, record });
        }
    }

    /// What is had has changed.
    pub(super) fn outdate_record(&mut self, ctx: &mut Context) {
        if !self.shared_here {
            self.storage.outdated = true;
            self.persist(ctx);
        }
    }

    /// A stored piece could not be read: the source is gone or the storage fails.
    pub(super) fn unreadable(&mut self, ctx: &mut Context, failure: EffectFailure) {
        self.fail(ctx, failure);
        self.leave_storage(ctx);
    }

    /// Closes the storage; nothing is known to be here until it is opened again.
    pub(super) fn leave_storage(&mut self, ctx: &mut Context) {
        self.stop_web_seeds(ctx);
        self.close_storage(ctx, false);
        self.picker = None;
        if let (Some(meta), Some(store)) = (&self.meta, &mut self.store) {
            store.clear(meta.layout());
        }
    }

    /// The host could not do something: stops, keeps what is verified, and says why.
    pub(super) fn fail(&mut self, ctx: &mut Context, failure: EffectFailure) {
        if self.phase == Phase::Error {
            return;
        }
        self.failure = Some(failure.clone());
        self.stop_peers(ctx);
        self.set_phase(ctx, Phase::Error);
        ctx.event(Event::Failed { torrent: self.info_hash, failure });
    }

    /// What is verified and written.
    pub fn have(&self) -> Option<&Bitfield> {
        self.store.as_ref().map(|store| store.have())
    }

    /// Bytes that a peer asked for were read.
    pub(super) fn read_done(
        &mut self,
        ctx: &mut Context,
        conn: crate::id::ConnId,
        number: u64,
        result: EffectResult,
    ) {
        let bytes: Option<Bytes> = match result {
            EffectResult::Bytes(bytes) => Some(bytes),
            EffectResult::Failed(failure) => {
                self.unreadable(ctx, failure);
                return;
            }
            _ => None,
        };
        let (Some(meta), Some(peer)) = (&self.meta, self.peers.get_mut(&conn)) else { return };
        let refused = peer.upload.read_done(number, bytes.as_ref(), meta.layout(), &mut peer.outbox);
        for request in refused {
            peer.refuse(request);
        }
        self.dirty.insert(conn);
    }
}
