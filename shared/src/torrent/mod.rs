//! One torrent: its pieces, peers, trackers, and where it stands.
//!
//! A torrent is told what happened with a [`Context`] at hand and puts what is to be done into it. The parts that
//! decide (picker, choker, pipeline) see little and do nothing; here their decisions are carried out.

mod addresses;
mod announce;
mod blame;
mod blocks;
mod context;
mod dialling;
mod effect;
mod event;
mod exchange;
mod incoming;
mod metadata;
mod offers;
mod peers;
mod pieces;
mod resume;
mod signalling;
mod snapshot;
mod spread;
mod state;
mod status;
mod storage;
mod timers;
mod transfer;
mod web_seed;
mod web_seed_fetch;
mod web_seed_lane;
mod web_seed_url;

use core::ops::Bound::{Excluded, Unbounded};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub use context::{Action, Context, Job};
pub use effect::{Effect, EffectFailure, EffectResult, Opened};
pub use event::Event;
pub use resume::verified_bytes;
pub use snapshot::{
    FileSnapshot, PeerSnapshot, Phase, PieceState, Snapshot, TorrentSnapshot, TrackerSnapshot, TrackerState,
    Waiting, WebSeedSnapshot, WebSeedState,
};
pub use timers::Timer;

use addresses::Addresses;
use announce::Announcer;
pub use announce::has_socket;
use blame::Blame;
use metadata::MetadataFetch;
use offers::Offers;
use peers::Dial;
use pieces::Store;
use spread::Spread;
use storage::Storage;
use web_seed::WebSeeds;

use crate::choker::Choker;
use crate::id::{ConnId, InfoHash};
use crate::layout::{Layout, PieceIndex};
use crate::magnet::Link;
use crate::metainfo::Metainfo;
use crate::peer::{Known, Peer};
use crate::picker::Picker;
use crate::rate::RateMeter;
use crate::rng::Rng;
use crate::time::Instant;
use crate::url;

/// One torrent.
#[derive(Debug)]
pub struct Torrent {
    info_hash: InfoHash,
    rng: Rng,
    /// From the link, until the metadata is there.
    link_name: Option<String>,
    link_length: Option<u64>,
    meta: Option<Arc<Metainfo>>,
    fetch: MetadataFetch,
    phase: Phase,
    phase_since: Instant,
    /// Somebody asked for the pieces.
    wanted: bool,
    /// The pieces were here from the start: shared from this host.
    shared_here: bool,
    failure: Option<EffectFailure>,
    storage: Storage,
    /// Since the metadata is known.
    store: Option<Store>,
    /// Since the stored pieces are known.
    picker: Option<Picker>,
    blame: Blame,
    bans: u32,
    /// Peers that we gave something and that then had everything.
    fulfilled: u32,
    failed_pieces: u32,
    peers: BTreeMap<ConnId, Peer>,
    web_seeds: WebSeeds,
    dials: BTreeMap<ConnId, Dial>,
    failed_dials: u32,
    addresses: Addresses,
    /// No further address is dialled before.
    dial_at: Instant,
    /// Since when the attempts go on of which none has led to anybody.
    dialling_since: Instant,
    /// Since when nobody is connected although a tracker knows of us.
    alone_since: Option<Instant>,
    /// Slots for colours that are free, longest unused first.
    slots: VecDeque<u8>,
    offers: Offers,
    announcer: Announcer,
    /// Nobody was there to give what is missing when last looked at.
    needy: bool,
    choker: Choker,
    spread: Spread,
    choke_at: Instant,
    /// Peers to which something changed since their outbox was last flushed.
    dirty: BTreeSet<ConnId>,
    /// When peers to whom only a HAVE has to be told are told it.
    have_at: Option<Instant>,
    /// When a peer without work may be asked for what others were asked for before.
    endgame_at: Option<Instant>,
    /// Peers that wait for a rate limit.
    limited: BTreeSet<ConnId>,
    /// Whoever got the last tokens of the upload limit.
    served_last: Option<ConnId>,
    /// What the picker was like when all peers were last looked at.
    picker_seen: (u64, bool),
    down: RateMeter,
    up: RateMeter,
    wasted: u64,
    last_block: Instant,
    deadline: Option<(Instant, Timer)>,
}

/// How a torrent begins.
#[derive(Debug)]
pub struct Beginning {
    /// Its info-hash.
    pub info_hash: InfoHash,
    /// Name from a link.
    pub name: Option<String>,
    /// Length from a link.
    pub length: Option<u64>,
    /// Metadata, if it is there already.
    pub meta: Option<Arc<Metainfo>>,
    /// Every piece is here.
    pub complete: bool,
    /// Fetch pieces as soon as that is possible.
    pub start: bool,
}

impl Torrent {
    /// A torrent that was just added.
    pub fn new(ctx: &mut Context, beginning: Beginning, rng: Rng) -> Self {
        let now = ctx.now;
        let mut torrent = Self {
            info_hash: beginning.info_hash,
            link_name: beginning.name,
            link_length: beginning.length,
            meta: None,
            fetch: MetadataFetch::default(),
            phase: Phase::Connecting,
            phase_since: now,
            wanted: beginning.start,
            shared_here: beginning.complete,
            failure: None,
            storage: Storage::default(),
            store: None,
            picker: None,
            blame: Blame::default(),
            bans: 0,
            fulfilled: 0,
            failed_pieces: 0,
            peers: BTreeMap::new(),
            web_seeds: WebSeeds::default(),
            dials: BTreeMap::new(),
            failed_dials: 0,
            addresses: Addresses::new(rng.fork("addresses")),
            dial_at: now,
            dialling_since: now,
            alone_since: None,
            slots: (1..=31).collect(),
            offers: Offers::default(),
            announcer: Announcer::default(),
            needy: false,
            choker: Choker::new(rng.fork("choker")),
            spread: Spread::default(),
            choke_at: now,
            dirty: BTreeSet::new(),
            have_at: None,
            endgame_at: None,
            limited: BTreeSet::new(),
            served_last: None,
            picker_seen: (0, false),
            down: RateMeter::default(),
            up: RateMeter::default(),
            wasted: 0,
            last_block: now,
            deadline: None,
            rng,
        };
        ctx.event(Event::Added(torrent.info_hash));
        if let Some(meta) = beginning.meta {
            torrent.learn(ctx, meta);
        }
        torrent
    }

    /// Its info-hash.
    pub const fn info_hash(&self) -> InfoHash {
        self.info_hash
    }

    /// Its metadata, once that is known.
    pub const fn metainfo(&self) -> Option<&Arc<Metainfo>> {
        self.meta.as_ref()
    }

    /// Where it stands.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether it takes part in its swarm.
    pub const fn is_active(&self) -> bool {
        !matches!(self.phase, Phase::Paused | Phase::Error)
    }

    /// Whether every piece is here.
    pub const fn is_complete(&self) -> bool {
        matches!(self.phase, Phase::Complete | Phase::Seeding)
    }

    /// Ends each round of inputs: hands over what waits to be sent, and finds the next deadline.
    pub fn settle(&mut self, ctx: &mut Context) {
        loop {
            self.look_for_work();
            if let Some(conn) = self.next_dirty() {
                self.serve(ctx, conn);
            } else if !self.feed_web_seeds(ctx) {
                break;
            }
        }
        let needy = self.needs_peers();
        if needy && !self.needy {
            self.announcer.needs_peers(ctx.now);
        }
        self.needy = needy;
        self.deadline = self.soonest(ctx);
    }

    /// The next connection to serve: in turn, beginning after the one that last got tokens of the upload limit. Always
    /// beginning with the first, it would get them all.
    fn next_dirty(&mut self) -> Option<ConnId> {
        let after = self.served_last.and_then(|last| self.dirty.range((Excluded(last), Unbounded)).next());
        let conn = after.or_else(|| self.dirty.first()).copied()?;
        self.dirty.remove(&conn);
        Some(conn)
    }

    /// When [`Torrent::timeout`] is to be called, and what for.
    pub const fn deadline(&self) -> Option<(Instant, Timer)> {
        self.deadline
    }

    /// Asserts what holds between inputs; for tests and the simulator.
    pub fn check(&self) {
        if let (Some(picker), Some(store)) = (&self.picker, &self.store) {
            picker.check(store.have());
            let whole: Vec<PieceIndex> = picker.whole().collect();
            assert_eq!(
                whole,
                store.verifying().collect::<Vec<_>>(),
                "whole pieces are on their way through hash and write"
            );
            for peer in self.peers.values() {
                let has = peer.pieces().known().map_or(0, |has| has.count_beyond(store.have()));
                assert_eq!(peer.missing, has, "pieces that {} has and we lack are counted", peer.conn);
            }
        }
        self.check_web_seeds();
        self.addresses.check();
        assert!(self.dirty.is_empty(), "everything is settled");
    }

    /// The link that leads here. It is given to others, so it holds nobody's passkey.
    fn magnet(&self) -> String {
        let mut link = Link::new(self.info_hash);
        link.name = self.meta.as_ref().map(|meta| meta.name().to_owned()).or_else(|| self.link_name.clone());
        link.length = self.layout().map(Layout::total).or(self.link_length);
        link.trackers = self.announcer.urls().map(url::without_key).collect();
        link.web_seeds = self.web_seeds.urls().map(ToOwned::to_owned).collect();
        link.to_magnet()
    }

    fn layout(&self) -> Option<&Layout> {
        self.meta.as_ref().map(|meta| meta.layout())
    }
}

/// What a torrent knows of its pieces, borrowed from two of its fields while a third is changed.
fn known<'a>(meta: &'a Option<Arc<Metainfo>>, store: &'a Option<Store>) -> Option<Known<'a>> {
    let (meta, store) = (meta.as_ref()?, store.as_ref()?);
    Some(Known { layout: meta.layout(), have: store.have() })
}
