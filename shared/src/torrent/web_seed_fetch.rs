//! Fetching from web seeds: which run of whom, and what comes of it.

use bytes::Bytes;

use super::web_seed::{HELP_AFTER, RUN_MAX, SILENCE, Trust, WebSeedView};
use super::web_seed_lane::Lane;
use super::web_seed_url::{Names, of_file};
use super::{Context, Effect, EffectFailure, EffectResult, Event, Job, Phase, Torrent};
use super::{WebSeedSnapshot, WebSeedState};
use crate::id::{ConnId, PeerId};
use crate::layout::BlockRef;
use crate::limits::BLOCK_LENGTH;
use crate::peer::CloseReason;
use crate::time::Instant;

/// What a padding file holds (BEP 47); no server has one.
static ZEROS: [u8; BLOCK_LENGTH as usize] = [0; BLOCK_LENGTH as usize];

/// What part of the untouched pieces one run may take where peers are about, so that the end is shared among all.
const SHARE: u64 = 4;

/// Most bytes of a run that peers are asked for already.
const RUN_AGAIN_MAX: u64 = 1024 * 1024;

/// Characters of a failure that are kept.
const FAILURE_MAX: usize = 200;

impl Torrent {
    /// Takes in a web seed that a link or `.torrent` names; its URL was checked.
    pub fn add_web_seed(&mut self, ctx: &Context, url: &str) {
        self.web_seeds.add(url, ctx.private_addresses, &self.rng, ctx.now);
    }

    /// Asks a web seed for a run, if one is free and there is something to ask for. Answers whether it did.
    pub(super) fn feed_web_seeds(&mut self, ctx: &mut Context) -> bool {
        if !ctx.web_seeds || self.phase != Phase::Downloading {
            return false;
        }
        (0..self.web_seeds.all.len()).any(|at| self.feed_web_seed(ctx, at))
    }

    fn feed_web_seed(&mut self, ctx: &mut Context, at: usize) -> bool {
        let giving = self.web_seeds.all.iter().filter(|seed| !seed.lanes.is_empty()).count().max(1) as u64;
        let (Some(meta), Some(picker), Some(seed)) =
            (self.meta.clone(), &mut self.picker, self.web_seeds.all.get_mut(at))
        else {
            return false;
        };
        let seen = (picker.version(), picker.is_endgame());
        let helps = seen.1 && seed.lanes.is_empty() && seed.idle_since + HELP_AFTER <= ctx.now;
        if !seed.is_free(ctx.now) || (seed.dry == Some(seen) && !helps) {
            return false;
        }
        if !ctx.download.ready(ctx.now) {
            self.web_seeds.limited = true;
            return false;
        }
        let layout = meta.layout();
        let peers = self.peers.values().any(|peer| peer.may_give() && peer.missing > 0);
        let mut most = seed.run.min(RUN_MAX / giving);
        if peers {
            most = most.min(picker.untouched() / SHARE);
        }
        most = most.max(layout.piece_length().into());
        if let Some(a_second) = ctx.download.rate() {
            most = most.min(a_second);
        }
        let conn = ctx.new_conn(self.info_hash);
        let view = WebSeedView::new(seed, conn, layout);
        let mut picked: Vec<BlockRef> = Vec::new();
        picker.pick_run(&view, most, seed.after, &mut picked);
        if picked.is_empty() {
            seed.dry = Some((picker.version(), picker.is_endgame()));
            if helps {
                let own = |other: ConnId| seed.lanes.iter().any(|lane| lane.conn == other);
                picker.pick_run_again(&view, own, most.min(RUN_AGAIN_MAX), &mut picked);
                seed.idle_since = ctx.now;
            }
        }
        if picked.is_empty() {
            ctx.conns.remove(&conn);
            return false;
        }
        seed.after = picked.last().and_then(|last| layout.piece(last.piece.get() + 1));
        let lane = Lane::new(conn, layout, &picked, ctx.now);
        ctx.download.take(ctx.now, lane.size);
        seed.lanes.push(lane);
        if seed.slot == 0 {
            seed.slot = self.slots.pop_front().unwrap_or(0);
            if let Some(store) = &mut self.store {
                store.forget_slot(seed.slot);
            }
        }
        self.ask_web_seed(ctx, conn);
        true
    }

    /// Asks for the next file, or part of one, of a run; ends the run if there is none.
    fn ask_web_seed(&mut self, ctx: &mut Context, conn: ConnId) {
        let Some(meta) = self.meta.clone() else { return };
        loop {
            let Some((seed, at)) = self.web_seeds.lane(conn) else { return };
            let lane = &mut seed.lanes[at];
            let Some(range) = lane.ask(meta.layout()) else { return self.web_seed_gave(ctx, conn) };
            if !meta.files().get(range.file).is_some_and(|file| file.padding) {
                let url = seed.url.clone();
                let names = self.web_seeds.names.get_or_insert_with(|| Names::of(&meta));
                let url = of_file(&url, &meta, names, range.file);
                let effect = Effect::Fetch { conn, url, offset: range.offset, length: range.length };
                return ctx.effect(self.info_hash, Job::Fetch(conn), effect);
            }
            let mut left = range.length;
            while left > 0 {
                let part = left.min(ZEROS.len() as u64);
                left -= part;
                self.web_seed_bytes(ctx, conn, Bytes::from_static(&ZEROS[..part as usize]));
            }
        }
    }

    /// Bytes came from a web seed.
    pub(super) fn web_seed_data(&mut self, ctx: &mut Context, conn: ConnId, data: Bytes) {
        let Some((seed, at)) = self.web_seeds.lane(conn) else { return };
        let lane = &mut seed.lanes[at];
        if data.len() as u64 > lane.left {
            let why = format!("expected {} more bytes, got {}", lane.left, data.len());
            return self.web_seed_failed(ctx, conn, why, false);
        }
        if data.is_empty() {
            return;
        }
        lane.heard = ctx.now;
        seed.down.add(ctx.now, data.len() as u64);
        self.web_seed_bytes(ctx, conn, data);
        // Others gave what would have come after this.
        if let Some((seed, at)) = self.web_seeds.lane(conn)
            && seed.lanes[at].is_over()
            && seed.lanes[at].left > 0
        {
            self.web_seed_gave(ctx, conn);
        }
    }

    fn web_seed_bytes(&mut self, ctx: &mut Context, conn: ConnId, data: Bytes) {
        let Some((seed, at)) = self.web_seeds.lane(conn) else { return };
        let blocks = seed.lanes[at].take(data);
        for (block, bytes) in blocks {
            self.block_came(ctx, conn, block, bytes);
        }
    }

    /// A request to a web seed ended.
    pub(super) fn web_seed_done(&mut self, ctx: &mut Context, conn: ConnId, result: EffectResult) {
        let Some((seed, at)) = self.web_seeds.lane(conn) else { return };
        let left = seed.lanes[at].left;
        match result {
            EffectResult::Failed(EffectFailure::Refused(why)) => self.web_seed_failed(ctx, conn, why, true),
            EffectResult::Failed(failure) => self.web_seed_failed(ctx, conn, failure.to_string(), false),
            _ if left > 0 => {
                let why = format!("the answer ended {left} bytes too early");
                self.web_seed_failed(ctx, conn, why, false);
            }
            _ => self.ask_web_seed(ctx, conn),
        }
    }

    /// All of a run came that is still wanted.
    fn web_seed_gave(&mut self, ctx: &mut Context, conn: ConnId) {
        let Some(lane) = self.end_lane(ctx, conn, CloseReason::NothingToExchange) else { return };
        if let Some((seed, took)) =
            self.web_seeds.by_author(lane.1).map(|seed| (seed, ctx.now.saturating_since(lane.0.since)))
        {
            seed.measure(lane.0.came, took);
        }
    }

    /// A web seed gave too little, too much or nothing: what is missing is for others, and it has a rest.
    pub(super) fn web_seed_failed(&mut self, ctx: &mut Context, conn: ConnId, why: String, refused: bool) {
        let files = self.layout().map_or(1, |layout| layout.files().len());
        let Some((lane, author)) = self.end_lane(ctx, conn, CloseReason::Transport(why.clone())) else {
            return;
        };
        if let Some(seed) = self.web_seeds.by_author(author) {
            let why = crate::text::shown(&why, FAILURE_MAX);
            seed.failed(ctx.now, why, refused.then_some(lane.file), files);
        }
    }

    /// Ends a run, and gives back what has not come of it.
    fn end_lane(&mut self, ctx: &mut Context, conn: ConnId, reason: CloseReason) -> Option<(Lane, PeerId)> {
        let (seed, at) = self.web_seeds.lane(conn)?;
        let lane = seed.lanes.swap_remove(at);
        let author = seed.peer_id;
        seed.idle_since = ctx.now;
        if lane.left > 0 {
            ctx.close(conn, reason);
        } else {
            ctx.conns.remove(&conn);
        }
        let wanted: Vec<BlockRef> = lane.wanted().collect();
        self.give_back(conn, &wanted);
        if let Some(picker) = &mut self.picker {
            picker.run_ended(conn);
        }
        Some((lane, author))
    }

    /// Somebody else gave a block that a web seed was asked for.
    pub(super) fn web_seed_spared(&mut self, ctx: &mut Context, conn: ConnId, block: BlockRef) {
        let Some((seed, at)) = self.web_seeds.lane(conn) else { return };
        seed.lanes[at].take_back(block);
        if seed.lanes[at].is_over() {
            self.web_seed_gave(ctx, conn);
        }
    }

    /// The pieces of a web seed that gave bad ones are not to be trusted: it is not asked again. Answers whether the
    /// author is a web seed at all.
    pub(super) fn convict_web_seed(&mut self, ctx: &mut Context, author: PeerId) -> bool {
        let Some(seed) = self.web_seeds.by_author(author) else { return false };
        if seed.trust != Trust::Convicted {
            seed.trust = Trust::Convicted;
            let url = seed.url.clone();
            let conns: Vec<ConnId> = seed.lanes.iter().map(|lane| lane.conn).collect();
            for conn in conns {
                self.end_lane(ctx, conn, CloseReason::Banned);
            }
            ctx.event(Event::WebSeedConvicted { torrent: self.info_hash, url });
        }
        true
    }

    /// Breaks off all requests to web seeds. What failed before is tried anew when they are asked again.
    pub(super) fn stop_web_seeds(&mut self, ctx: &mut Context) {
        for conn in self.web_seeds.conns() {
            self.end_lane(ctx, conn, CloseReason::Stopped);
        }
        self.web_seeds.forgive();
        for seed in &mut self.web_seeds.all {
            self.slots.extend(Some(core::mem::take(&mut seed.slot)).filter(|slot| *slot != 0));
        }
    }

    /// Gives up servers that are silent, and tries those again that had their rest.
    pub(super) fn web_seeds_due(&mut self, ctx: &mut Context) {
        let lanes = self.web_seeds.all.iter().flat_map(|seed| &seed.lanes);
        let silent = lanes.filter(|lane| lane.heard + SILENCE <= ctx.now);
        let silent: Vec<ConnId> = silent.map(|lane| lane.conn).collect();
        for conn in silent {
            self.web_seed_failed(ctx, conn, format!("nothing came for {} s", SILENCE.as_secs()), false);
        }
        self.web_seeds.all.iter_mut().for_each(|seed| seed.expire(ctx.now));
        if self.web_seeds.limited && ctx.download.ready(ctx.now) {
            self.web_seeds.limited = false;
        }
    }

    /// Asserts that web seeds own what they are asked for.
    pub(super) fn check_web_seeds(&self) {
        for lane in self.web_seeds.all.iter().flat_map(|seed| &seed.lanes) {
            assert!(lane.wanted().next().is_some() || lane.left == 0, "a run that is over has ended");
            for block in lane.wanted() {
                let asked = self.picker.as_ref().is_some_and(|picker| picker.is_asked(block, lane.conn));
                assert!(asked, "{} is asked for what it is to give: {block:?}", lane.conn);
            }
        }
    }

    /// What a host shows of the web seeds.
    pub(super) fn web_seed_snapshots(&self, now: Instant) -> Vec<WebSeedSnapshot> {
        let seeds = self.web_seeds.all.iter();
        let shown = seeds.map(|seed| WebSeedSnapshot {
            url: seed.url.clone(),
            state: match seed.trust {
                Trust::Private => WebSeedState::Private,
                Trust::Convicted => WebSeedState::Convicted,
                Trust::Allowed if !seed.lanes.is_empty() => WebSeedState::Fetching,
                Trust::Allowed if seed.retry_at.is_some() => WebSeedState::Waiting,
                Trust::Allowed => WebSeedState::Idle,
            },
            slot: seed.slot,
            down_rate: seed.down.rate(now),
            downloaded: seed.down.total(),
            given: seed.given,
            requests: seed.lanes.len() as u32,
            next_ms: seed.retry_at.map(|at| at.saturating_since(now).as_millis() as u64),
            message: seed.failure.clone(),
        });
        shown.collect()
    }
}
