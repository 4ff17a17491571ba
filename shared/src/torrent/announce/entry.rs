//! What is known of one tracker: what it was told, what it said, and when it is asked next.

use core::time::Duration;

use super::super::{Context, Effect, Job, TrackerState};
use super::{INTERVAL, REQUEST_LEAST, Stats, has_socket};
use crate::id::{InfoHash, TrackerId};
use crate::time::Instant;
use crate::tracker::AnnounceRequest;
use crate::tracker::ws::Event;

/// Longest wait for the reply to an announce. A socket whose other end is gone without a word says nothing for ever.
const REPLY_MAX: Duration = Duration::from_secs(30);

/// Longest wait for what comes of an announce over HTTP or UDP, where the host connects and announces and tries each twice.
const REQUEST_MAX: Duration = Duration::from_secs(120);

/// Wait after a tracker could not be asked over HTTP or UDP, doubled with each time, and the longest.
const UNREACHABLE: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(900));

/// One tracker of a torrent.
#[derive(Debug)]
pub(in super::super) struct Entry {
    pub(super) url: String,
    /// `None` where we cannot speak to it.
    pub(in super::super) tracker: Option<TrackerId>,
    /// It is asked over HTTP or UDP.
    pub(in super::super) requested: bool,
    /// Its socket is open, or it answered when last asked.
    pub(super) connected: bool,
    pub(super) next: Option<Instant>,
    /// Offers are being made for an announce, which waits for them until then.
    pub(in super::super) gather_until: Option<Instant>,
    /// Offers that the announce is to carry.
    pub(in super::super) wanted: usize,
    /// It knows on its present socket that we are here.
    pub(super) told: bool,
    pub(super) completed: bool,
    /// Since when a reply is waited for.
    pub(super) awaiting: Option<Instant>,
    pub(super) sent_at: Instant,
    pub(super) interval: Duration,
    /// It wants no announce before that has passed, unless an event is told.
    pub(super) least: Duration,
    pub(super) refusals: u32,
    /// Times in a row that it could not be asked.
    pub(super) failures: u32,
    /// The last announce over HTTP or UDP: its number, and what it told.
    pub(super) number: u32,
    pub(super) event: Event,
    pub(super) state: TrackerState,
    pub(super) seeds: Option<u32>,
    pub(super) leechers: Option<u32>,
    pub(super) message: Option<String>,
    pub(super) tracker_id: Option<String>,
}

impl Entry {
    /// A tracker that nothing was told yet.
    pub(super) fn new(url: &str, tracker: Option<TrackerId>, connected: bool, now: Instant) -> Self {
        let requested = tracker.is_some() && !has_socket(url);
        Self {
            url: url.to_owned(),
            tracker,
            requested,
            connected,
            next: (connected || requested).then_some(now),
            gather_until: None,
            wanted: 0,
            told: false,
            completed: false,
            awaiting: None,
            sent_at: now,
            interval: INTERVAL,
            least: if requested { REQUEST_LEAST } else { Duration::ZERO },
            refusals: 0,
            failures: 0,
            number: 0,
            event: Event::Update,
            state: if tracker.is_some() { TrackerState::Connecting } else { TrackerState::Unsupported },
            seeds: None,
            leechers: None,
            message: None,
            tracker_id: None,
        }
    }

    /// Whether an announce is due, or waits for its offers.
    pub(in super::super) fn is_due(&self, now: Instant, known: bool) -> bool {
        self.may_announce(known) && (self.gather_until.is_some() || self.next.is_some_and(|next| next <= now))
    }

    pub(super) fn late_at(&self) -> Option<Instant> {
        self.awaiting.map(|since| since + if self.requested { REQUEST_MAX } else { REPLY_MAX })
    }

    pub(super) fn next_attempt(&self, retry: impl Fn(TrackerId) -> Option<Instant>) -> Option<Instant> {
        if self.is_reachable() { self.next } else { self.tracker.and_then(retry) }
    }

    /// Whether it can be told something: its socket is open, or it needs none.
    pub(super) const fn is_reachable(&self) -> bool {
        self.connected || self.requested
    }

    /// Whether its socket is open.
    pub(in super::super) const fn is_connected(&self) -> bool {
        self.connected
    }

    /// Members besides us that it told of: seeds and leechers.
    pub(in super::super) fn others(&self, we_are_complete: bool) -> Option<(usize, usize)> {
        let (seeds, leechers) = (self.seeds? as usize, self.leechers? as usize);
        let (us_seed, us_leech) = if we_are_complete { (1, 0) } else { (0, 1) };
        Some((seeds.saturating_sub(us_seed), leechers.saturating_sub(us_leech)))
    }

    /// For an answer to somebody's offer.
    pub(in super::super) const fn tracker_id(&self) -> Option<&String> {
        self.tracker_id.as_ref()
    }

    /// Over HTTP and UDP one thing is told at a time.
    pub(super) const fn may_announce(&self, known: bool) -> bool {
        let free = if self.requested { self.awaiting.is_none() } else { self.connected };
        free && (known || self.told)
    }

    /// Announces over HTTP or UDP.
    pub(super) fn request(
        &mut self,
        ctx: &mut Context,
        tracker: TrackerId,
        info_hash: InfoHash,
        event: Event,
        stats: Stats,
    ) {
        self.number += 1;
        self.event = event;
        let request = AnnounceRequest {
            info_hash,
            peer_id: ctx.peer_id,
            port: ctx.listen_port.unwrap_or(0),
            uploaded: stats.uploaded,
            downloaded: stats.downloaded,
            left: stats.left,
            event,
            wanted: Some(if event == Event::Stopped { 0 } else { stats.wanted }),
            key: ctx.tracker_key,
            tracker_id: self.tracker_id.clone(),
        };
        let effect = Effect::Announce { url: self.url.clone(), request: Box::new(request) };
        ctx.effect(info_hash, Job::Announce { tracker, number: self.number }, effect);
    }

    /// It could not be asked: what was to be told is told again, in a while.
    pub(super) fn failed(&mut self, now: Instant) {
        let (first, longest) = UNREACHABLE;
        self.awaiting = None;
        self.connected = false;
        self.state = TrackerState::Unreachable;
        self.untell();
        self.next = Some(now + (first * 2_u32.pow(self.failures.min(10))).min(longest));
        self.failures += 1;
    }

    /// What was told last is not known there.
    pub(super) fn untell(&mut self) {
        match self.event {
            Event::Started => self.told = false,
            Event::Completed => self.completed = true,
            Event::Stopped | Event::Update | Event::Paused => {}
        }
    }

    pub(super) fn silence(&mut self) {
        (self.told, self.awaiting, self.completed) = (false, None, false);
        (self.next, self.gather_until) = (None, None);
    }
}
