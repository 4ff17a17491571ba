//! Web seeds (BEP 19): HTTP servers that have the torrent's files, as givers beside the peers. They have every piece and
//! choke nobody; what they give goes the way of any block, and a wrong one convicts them.

use core::ops::Range;
use core::time::Duration;
use std::collections::BTreeSet;

use sha1::{Digest as _, Sha1};

use super::Phase;
use super::web_seed_lane::Lane;
use super::web_seed_url::{Names, is_private};
use crate::id::{ConnId, PeerId};
use crate::layout::{Layout, PieceIndex};
use crate::limits;
use crate::picker::View;
use crate::rate::RateMeter;
use crate::rng::Rng;
use crate::time::Instant;

/// Requests under way to one web seed: while one ends, the next is on its way already.
pub(super) const LANES: usize = 2;

/// Bytes of the first run, before its rate is known.
const RUN_FIRST: u64 = 1024 * 1024;

/// Most bytes of one run, divided among the web seeds that give at once: two runs of each and what peers are asked for fit
/// into [`limits::PIECES_IN_MEMORY_MAX`].
pub(super) const RUN_MAX: u64 = 16 * 1024 * 1024;

/// How long one run is to last: many times the way to any server, and soon over where peers could do better.
const RUN_TIME: Duration = Duration::from_secs(3);

/// How long a server may be silent within a request.
pub(super) const SILENCE: Duration = Duration::from_secs(30);

/// Wait after the first failure, and at most; doubled with each in a row.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));

/// The same where the server refuses: a file that is not there will not be in a second.
const RETRY_REFUSED: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3_600));

/// How long a file that a server refused is not asked of it.
const ABSENT: Duration = Duration::from_secs(3_600);

/// How long a web seed with nothing to do leaves what peers are asked for to them.
pub(super) const HELP_AFTER: Duration = Duration::from_secs(1);

/// The web seeds of a torrent.
#[derive(Debug, Default)]
pub(super) struct WebSeeds {
    pub(super) all: Vec<WebSeed>,
    pub(super) names: Option<Names>,
    /// Tokens of the download limit are waited for.
    pub(super) limited: bool,
}

/// One web seed.
#[derive(Debug)]
pub(super) struct WebSeed {
    pub(super) url: String,
    /// What the blocks' author is called. Drawn, so that no peer can take the name of a web seed.
    pub(super) peer_id: PeerId,
    /// For colours, 0 as long as it was not asked.
    pub(super) slot: u8,
    pub(super) trust: Trust,
    pub(super) lanes: Vec<Lane>,
    pub(super) failures: u32,
    pub(super) retry_at: Option<Instant>,
    /// Why it failed last.
    pub(super) failure: Option<String>,
    /// Files that it refused, and until when that is remembered.
    absent: BTreeSet<usize>,
    absent_until: Option<Instant>,
    /// Bytes of the next run.
    pub(super) run: u64,
    /// What follows the run that was begun last.
    pub(super) after: Option<PieceIndex>,
    /// What the picker was like when nothing could be picked.
    pub(super) dry: Option<(u64, bool)>,
    pub(super) idle_since: Instant,
    pub(super) down: RateMeter,
    pub(super) given: u32,
}

/// Whether a web seed is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    Allowed,
    /// Its URL names a private address, and those are not contacted.
    Private,
    /// It gave bytes that did not match.
    Convicted,
}

impl WebSeeds {
    /// Takes in a URL that was checked; answers whether it is new and there is room.
    pub(super) fn add(&mut self, url: &str, private_allowed: bool, rng: &Rng, now: Instant) -> bool {
        if self.all.len() >= limits::WEB_SEEDS_PER_TORRENT || self.all.iter().any(|seed| seed.url == url) {
            return false;
        }
        let mut secret = [0; 20];
        rng.fork("web seeds").fill(&mut secret);
        let refused = !private_allowed && is_private(url);
        self.all.push(WebSeed {
            url: url.to_owned(),
            peer_id: PeerId(Sha1::new().chain_update(secret).chain_update(url).finalize().into()),
            slot: 0,
            trust: if refused { Trust::Private } else { Trust::Allowed },
            lanes: Vec::new(),
            failures: 0,
            retry_at: None,
            failure: None,
            absent: BTreeSet::new(),
            absent_until: None,
            run: RUN_FIRST,
            after: None,
            dry: None,
            idle_since: now,
            down: RateMeter::default(),
            given: 0,
        });
        true
    }

    pub(super) fn urls(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|seed| seed.url.as_str())
    }

    /// Which web seed gives on this connection, and the run.
    pub(super) fn lane(&mut self, conn: ConnId) -> Option<(&mut WebSeed, usize)> {
        let lane_of = |seed: &WebSeed| seed.lanes.iter().position(|lane| lane.conn == conn);
        let at = self.all.iter().position(|seed| lane_of(seed).is_some())?;
        let lane = lane_of(&self.all[at])?;
        Some((&mut self.all[at], lane))
    }

    /// Who gives on this connection, as the author of blocks.
    pub(super) fn author(&self, conn: ConnId) -> Option<PeerId> {
        let gives = |seed: &&WebSeed| seed.lanes.iter().any(|lane| lane.conn == conn);
        self.all.iter().find(gives).map(|seed| seed.peer_id)
    }

    pub(super) fn by_author(&mut self, peer_id: PeerId) -> Option<&mut WebSeed> {
        self.all.iter_mut().find(|seed| seed.peer_id == peer_id)
    }

    /// Connections of all runs under way.
    pub(super) fn conns(&self) -> Vec<ConnId> {
        self.all.iter().flat_map(|seed| &seed.lanes).map(|lane| lane.conn).collect()
    }

    pub(super) fn is_fetching(&self) -> bool {
        self.all.iter().any(|seed| !seed.lanes.is_empty())
    }

    /// When something is due: a silent server is given up, one that failed is tried again, one that has nothing to do
    /// helps others. What had its turn already is left out.
    pub(super) fn deadline(&self, now: Instant, phase: Phase, endgame: bool) -> Option<Instant> {
        let silent = |seed: &WebSeed| seed.lanes.iter().map(|lane| lane.heard + SILENCE).min();
        let mut next = self.all.iter().filter_map(silent).min();
        if phase == Phase::Downloading {
            for seed in self.all.iter().filter(|seed| seed.trust == Trust::Allowed) {
                let help = (endgame && seed.lanes.is_empty()).then(|| seed.idle_since + HELP_AFTER);
                let waits = [seed.retry_at, seed.absent_until, help].into_iter().flatten();
                next = waits.filter(|at| *at > now).chain(next).min();
            }
        }
        next
    }

    /// The host slept: what did not come meanwhile is not held against anybody.
    pub(super) fn woke(&mut self, now: Instant) {
        self.all.iter_mut().flat_map(|seed| &mut seed.lanes).for_each(|lane| lane.heard = now);
    }

    /// What failed before is tried anew.
    pub(super) fn forgive(&mut self) {
        for seed in &mut self.all {
            (seed.failures, seed.retry_at, seed.failure) = (0, None, None);
            (seed.absent_until, seed.dry) = (None, None);
            seed.absent.clear();
        }
    }
}

impl WebSeed {
    /// Whether another run may be asked of it now. A second one only once it has given something since it last failed.
    pub(super) fn is_free(&self, now: Instant) -> bool {
        let proven = self.failures == 0 && self.down.total() > 0;
        let lanes = if proven { LANES } else { 1 };
        self.trust == Trust::Allowed && self.retry_at.is_none_or(|at| at <= now) && self.lanes.len() < lanes
    }

    /// A run that was given as a whole tells how long the next may be: as many bytes as come in [`RUN_TIME`].
    pub(super) fn measure(&mut self, size: u64, took: Duration) {
        self.failures = 0;
        self.retry_at = None;
        self.failure = None;
        let fits = u128::from(size) * RUN_TIME.as_nanos() / took.as_nanos().max(1);
        let fits = u64::try_from(fits).unwrap_or(RUN_MAX);
        self.run = fits.clamp(self.run / 2, self.run.saturating_mul(4)).clamp(RUN_FIRST / 4, RUN_MAX);
    }

    /// It failed. What it refused of several files is only that file.
    pub(super) fn failed(&mut self, now: Instant, why: String, refused_file: Option<usize>, files: usize) {
        let refused_all = refused_file.is_some() && files == 1;
        let (first, longest) = if refused_all { RETRY_REFUSED } else { RETRY };
        let wait = (first * 2_u32.pow(self.failures.min(16))).min(longest);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Some(now + wait);
        self.failure = Some(why);
        self.after = None;
        self.dry = None;
        self.run = (self.run / 2).max(RUN_FIRST / 4);
        if let Some(file) = refused_file.filter(|_| files > 1) {
            self.absent.insert(file);
            self.absent_until = Some(now + ABSENT);
        }
    }

    /// Forgets what it refused long ago.
    pub(super) fn expire(&mut self, now: Instant) {
        if self.absent_until.is_some_and(|until| until <= now) {
            self.absent.clear();
            (self.absent_until, self.dry) = (None, None);
        }
        if self.retry_at.is_some_and(|at| at <= now) {
            (self.retry_at, self.dry) = (None, None);
        }
    }
}

/// A web seed as the picker sees it.
pub(super) struct WebSeedView {
    conn: ConnId,
    /// Pieces of files that it refused, in order.
    absent: Vec<Range<u32>>,
}

impl WebSeedView {
    pub(super) fn new(seed: &WebSeed, conn: ConnId, layout: &Layout) -> Self {
        let absent = seed.absent.iter().map(|file| layout.file_pieces(*file)).collect();
        Self { conn, absent }
    }
}

impl View for WebSeedView {
    fn conn(&self) -> ConnId {
        self.conn
    }

    fn offers(&self, piece: PieceIndex) -> bool {
        let after = self.absent.partition_point(|range| range.end <= piece.get());
        self.absent.get(after).is_none_or(|range| !range.contains(&piece.get()))
    }

    fn offers_all(&self) -> bool {
        self.absent.is_empty()
    }

    fn offers_only(&self) -> Option<&BTreeSet<PieceIndex>> {
        None
    }

    fn counted_whole(&self) -> bool {
        true
    }
}
