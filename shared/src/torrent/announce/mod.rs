//! When to announce what to which tracker.
//!
//! All trackers of a torrent are asked, whatever tiers (BEP 12) they stood in: those of one tier are not told apart, and a
//! swarm whose members ask different trackers of the list stays one.

use core::time::Duration;

use super::{Action, Context, Effect, EffectFailure, Job, Timer, TrackerSnapshot, TrackerState};
use crate::id::{InfoHash, TrackerId};
use crate::limits;
use crate::time::Instant;
use crate::tracker::ws::{AnnounceReply, ClientAnnounce, ClientMessage, Event};
use crate::tracker::{AnnounceRequest, AnnounceResponse};

/// Time between announces until the tracker says another.
const INTERVAL: Duration = Duration::from_secs(120);

/// Bounds of what a tracker may say: below, it would be flooded by everybody at once; above, it would be forgotten.
const INTERVAL_RANGE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(3_600));

/// Times between announces of a torrent while nobody is there to give what is missing.
const LONELY: [Duration; 5] = [
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(40),
    Duration::from_secs(60),
];

/// Wait after a refusal, doubled with each.
const REFUSED: Duration = Duration::from_secs(60);

/// Longest wait for the reply to an announce. A socket whose other end is gone without a word says nothing for ever.
const REPLY_MAX: Duration = Duration::from_secs(30);

/// Least time between two announces over HTTP or UDP to a tracker that does not say its own, unless an event is told: each
/// is a request by itself, and nobody is there at once because we ask again.
const REQUEST_LEAST: Duration = Duration::from_secs(30);

/// Longest wait for what comes of an announce over HTTP or UDP, where the host connects and announces and tries each twice.
const REQUEST_MAX: Duration = Duration::from_secs(120);

/// Wait after a tracker could not be asked over HTTP or UDP, doubled with each time, and the longest.
const UNREACHABLE: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(900));

/// Longest wait for offers to be made; the announce goes with those that are there then.
pub(super) const GATHER_MAX: Duration = Duration::from_secs(3);

/// The trackers of one torrent and what each is to be told when.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    pub(super) entries: Vec<Entry>,
    /// Announces made since anybody was last there to give what is missing.
    lonely: usize,
}

/// One tracker of a torrent.
#[derive(Debug)]
pub(super) struct Entry {
    url: String,
    /// `None` where we cannot speak to it.
    pub(super) tracker: Option<TrackerId>,
    /// It is asked over HTTP or UDP.
    pub(super) requested: bool,
    /// Its socket is open, or it answered when last asked.
    connected: bool,
    next: Option<Instant>,
    /// Offers are being made for an announce, which waits for them until then.
    pub(super) gather_until: Option<Instant>,
    /// Offers that the announce is to carry.
    pub(super) wanted: usize,
    /// It knows on its present socket that we are here.
    told: bool,
    completed: bool,
    /// Since when a reply is waited for.
    awaiting: Option<Instant>,
    sent_at: Instant,
    interval: Duration,
    /// It wants no announce before that has passed, unless an event is told.
    least: Duration,
    refusals: u32,
    /// Times in a row that it could not be asked.
    failures: u32,
    /// The last announce over HTTP or UDP: its number, and what it told.
    number: u32,
    event: Event,
    state: TrackerState,
    seeds: Option<u32>,
    leechers: Option<u32>,
    message: Option<String>,
    tracker_id: Option<String>,
}

/// What an announce says of our progress.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stats {
    pub(super) uploaded: u64,
    pub(super) downloaded: u64,
    pub(super) left: Option<u64>,
    /// Peers that are looked for.
    pub(super) wanted: u32,
}

/// Whether a tracker at this URL is asked over a WebSocket, by whoever can, rather than over HTTP or UDP.
pub fn has_socket(url: &str) -> bool {
    url.starts_with("ws://") || url.starts_with("wss://")
}

impl Announcer {
    /// Adds a tracker; `None` is one that we cannot speak to. Answers whether it is new.
    pub(super) fn add(
        &mut self,
        url: &str,
        tracker: Option<TrackerId>,
        connected: bool,
        now: Instant,
    ) -> bool {
        let known = self
            .entries
            .iter()
            .any(|entry| entry.url == url || (tracker.is_some() && entry.tracker == tracker));
        if known || self.entries.len() >= limits::TRACKERS_PER_TORRENT {
            return false;
        }
        let requested = tracker.is_some() && !has_socket(url);
        self.entries.push(Entry {
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
        });
        true
    }

    pub(super) fn trackers(&self) -> impl Iterator<Item = TrackerId> + '_ {
        self.entries.iter().filter_map(|entry| entry.tracker)
    }

    pub(super) fn urls(&self) -> impl Iterator<Item = &str> + '_ {
        self.entries.iter().map(|entry| entry.url.as_str())
    }

    fn of(&mut self, tracker: TrackerId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.tracker == Some(tracker))
    }

    /// The socket of a tracker is open.
    pub(super) fn opened(&mut self, tracker: TrackerId, now: Instant) {
        if let Some(entry) = self.of(tracker) {
            entry.connected = true;
            entry.told = false;
            entry.next = Some(now);
            entry.state = TrackerState::Connecting;
        }
    }

    /// The socket of a tracker was closed here, since no torrent needed it.
    pub(super) fn left(&mut self, tracker: TrackerId) {
        if let Some(entry) = self.of(tracker) {
            entry.silence();
            entry.connected = false;
            entry.state = TrackerState::Connecting;
        }
    }

    /// The socket of a tracker closed, or could not be opened.
    pub(super) fn closed(&mut self, tracker: TrackerId) {
        if let Some(entry) = self.of(tracker) {
            entry.silence();
            entry.connected = false;
            entry.state = TrackerState::Unreachable;
        }
    }

    /// The tracker replied to an announce. Answers whether it knows nobody but us.
    pub(super) fn replied(&mut self, tracker: TrackerId, reply: &AnnounceReply, needs_peers: bool) -> bool {
        let Some(entry) = self.of(tracker) else { return false };
        if let Some(seconds) = reply.interval {
            let (least, most) = INTERVAL_RANGE;
            entry.interval = Duration::from_secs(seconds.into()).clamp(least, most);
        }
        let regular = entry.sent_at + entry.interval;
        if entry.told {
            let soon = needs_peers || entry.completed;
            entry.next = Some(entry.next.filter(|_| soon).map_or(regular, |next| next.min(regular)));
        }
        entry.awaiting = None;
        (entry.refusals, entry.failures) = (0, 0);
        entry.state = TrackerState::Working;
        entry.seeds = reply.complete.or(entry.seeds);
        entry.leechers = reply.incomplete.or(entry.leechers);
        entry.message.clone_from(&reply.warning);
        entry.tracker_id = reply.tracker_id.clone().or(entry.tracker_id.take());
        matches!((reply.complete, reply.incomplete), (Some(seeds), Some(leechers)) if seeds.saturating_add(leechers) <= 1)
    }

    /// A tracker replied to announce `number` over HTTP or UDP. Answers whether that was its last.
    pub(super) fn responded(
        &mut self,
        tracker: TrackerId,
        number: u32,
        response: &AnnounceResponse,
        needs_peers: bool,
    ) -> bool {
        let Some(entry) = self.of(tracker).filter(|entry| entry.number == number) else { return false };
        entry.connected = true;
        let (least, most) = INTERVAL_RANGE;
        let stated = (response.interval > 0).then_some(response.interval);
        let interval =
            stated.map_or(INTERVAL, |seconds| Duration::from_secs(seconds.into()).clamp(least, most));
        let least_stated = response.min_interval.map(|seconds| Duration::from_secs(seconds.into()));
        entry.least = least_stated.unwrap_or(REQUEST_LEAST).clamp(LONELY[0], interval);
        // What was to be next was found before this was known; an event is told at any time.
        if !entry.completed {
            entry.next = entry.next.map(|next| next.max(entry.sent_at + entry.least));
        }
        let reply = AnnounceReply {
            info_hash: InfoHash([0; 20]),
            interval: stated,
            complete: response.complete,
            incomplete: response.incomplete,
            tracker_id: response.tracker_id.clone(),
            warning: response.warning.clone(),
        };
        self.replied(tracker, &reply, needs_peers);
        true
    }

    /// An announce over HTTP or UDP led to nothing. Answers whether that was its last.
    pub(super) fn request_failed(
        &mut self,
        tracker: TrackerId,
        number: u32,
        failure: &EffectFailure,
        now: Instant,
    ) -> bool {
        let Some(entry) = self.of(tracker).filter(|entry| entry.number == number && entry.awaiting.is_some())
        else {
            return false;
        };
        if let EffectFailure::Refused(reason) = failure {
            entry.connected = true;
            entry.untell();
            return self.refused(tracker, reason, true, now);
        }
        entry.message = Some(failure.to_string().chars().take(limits::TRACKER_TEXT_MAX).collect());
        entry.failed(now);
        true
    }

    /// Gives up on announces over HTTP and UDP of which nothing came.
    pub(super) fn expire_requests(&mut self, now: Instant) {
        for entry in self.entries.iter_mut().filter(|entry| entry.requested) {
            if entry.late_at().is_some_and(|at| at <= now) {
                entry.failed(now);
            }
        }
    }

    /// The tracker refuses; `about_this` if it said that it means this torrent, else it means whoever waits.
    pub(super) fn refused(
        &mut self,
        tracker: TrackerId,
        reason: &str,
        about_this: bool,
        now: Instant,
    ) -> bool {
        let concerned = |entry: &&mut Entry| about_this || entry.awaiting.is_some();
        let Some(entry) = self.of(tracker).filter(concerned) else { return false };
        entry.awaiting = None;
        entry.state = TrackerState::Refused;
        entry.message = Some(reason.chars().take(limits::TRACKER_TEXT_MAX).collect());
        entry.next = Some(now + REFUSED * 2_u32.pow(entry.refusals.min(5)));
        entry.refusals += 1;
        true
    }

    /// The torrent takes part (again).
    pub(super) fn activate(&mut self, now: Instant) {
        self.lonely = 0;
        for entry in self.entries.iter_mut().filter(|entry| entry.is_reachable()) {
            entry.next = Some(if entry.told { now.max(entry.sent_at + entry.least) } else { now });
        }
    }

    /// Announces at once.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.activate(now);
    }

    /// From now on nobody is there to give what is missing.
    pub(super) fn needs_peers(&mut self, now: Instant) {
        self.lonely = 0;
        for entry in
            self.entries.iter_mut().filter(|entry| entry.is_reachable() && entry.told && entry.refusals == 0)
        {
            let soon = (now + Duration::from_secs(1)).max(entry.sent_at + LONELY[0].max(entry.least));
            entry.next = entry.next.map(|next| next.min(soon));
        }
    }

    /// Everything is here since just now.
    pub(super) fn completed(&mut self, now: Instant) {
        for entry in self.entries.iter_mut().filter(|entry| entry.is_reachable() && entry.told) {
            entry.completed = true;
            entry.next = Some(now);
        }
    }

    /// Leaves all swarms.
    pub(super) fn stop(&mut self, ctx: &mut Context, info_hash: InfoHash, stats: Stats) {
        for number in 0..self.entries.len() {
            if self.entries[number].told {
                self.send(ctx, number, info_hash, Some(Event::Stopped), stats, Vec::new(), false);
            }
            self.entries[number].silence();
        }
    }

    /// Sends the announce that is due to one tracker.
    #[expect(
        clippy::too_many_arguments,
        reason = "one call each from two places, and each value has its own type"
    )]
    pub(super) fn send(
        &mut self,
        ctx: &mut Context,
        number: usize,
        info_hash: InfoHash,
        event: Option<Event>,
        stats: Stats,
        offers: Vec<crate::tracker::ws::ClientOffer>,
        needs_peers: bool,
    ) {
        let lonely = self.lonely;
        let Some(entry) = self.entries.get_mut(number) else { return };
        let Some(tracker) = entry.tracker.filter(|_| entry.is_reachable()) else { return };
        let event = event.unwrap_or(match (entry.told, entry.completed) {
            (false, _) => Event::Started,
            (true, true) => Event::Completed,
            (true, false) => Event::Update,
        });
        (entry.told, entry.completed) = (true, false);
        entry.awaiting.get_or_insert(ctx.now);
        entry.gather_until = None;
        entry.sent_at = ctx.now;
        let wait = if needs_peers {
            entry.interval.min(LONELY[lonely.min(LONELY.len() - 1)].max(entry.least))
        } else {
            entry.interval
        };
        entry.next = Some(ctx.now + wait);
        if needs_peers {
            self.lonely += 1;
        }
        if entry.requested {
            return entry.request(ctx, tracker, info_hash, event, stats);
        }
        let Stats { uploaded, downloaded, left, .. } = stats;
        let (peer_id, tracker_id) = (ctx.peer_id, entry.tracker_id.clone());
        let announce =
            ClientAnnounce { info_hash, peer_id, event, uploaded, downloaded, left, offers, tracker_id };
        ctx.actions.push_back(Action::Tell { tracker, message: Box::new(ClientMessage::Announce(announce)) });
    }

    /// When something is due.
    ///
    /// Whoever is not in the swarm yet waits until it is known what is here (`known`).
    pub(super) fn deadline(&self, known: bool) -> Option<(Instant, Timer)> {
        let due = |entry: &Entry| entry.gather_until.or(entry.next).filter(|_| entry.may_announce(known));
        let late = self.entries.iter().filter_map(Entry::late_at);
        self.entries.iter().filter_map(due).chain(late).min().map(|at| (at, Timer::Announce))
    }

    /// Trackers that have not replied in time, and since when each was waited for. That is said once an announce.
    pub(super) fn unanswered(&mut self, now: Instant) -> Vec<(TrackerId, Instant)> {
        let late = self
            .entries
            .iter_mut()
            .filter(|entry| !entry.requested && entry.late_at().is_some_and(|at| at <= now));
        late.filter_map(|entry| Some((entry.tracker?, entry.awaiting.take()?))).collect()
    }

    /// The host slept: replies that it could not hear are waited for anew.
    pub(super) fn woke(&mut self, now: Instant) {
        let waiting = self.entries.iter_mut().filter_map(|entry| entry.awaiting.as_mut());
        waiting.for_each(|since| *since = now);
    }

    /// What a host shows; `retry` says when the socket of a tracker is tried again.
    pub(super) fn snapshot(
        &self,
        now: Instant,
        retry: impl Fn(TrackerId) -> Option<Instant>,
    ) -> Vec<TrackerSnapshot> {
        let shown = |entry: &Entry| {
            let next = entry.next_attempt(&retry);
            TrackerSnapshot {
                url: entry.url.clone(),
                state: entry.state,
                seeds: entry.seeds,
                leechers: entry.leechers,
                next_ms: next.map(|next| next.saturating_since(now).as_millis() as u64),
                message: entry.message.clone(),
            }
        };
        self.entries.iter().map(shown).collect()
    }

    /// When the next tracker is asked or tried again; `retry` says when the socket of one is.
    pub(super) fn next_attempt(&self, retry: impl Fn(TrackerId) -> Option<Instant>) -> Option<Instant> {
        self.entries.iter().filter_map(|entry| entry.next_attempt(&retry)).min()
    }

    /// Whether the first attempt to reach a tracker is still under way.
    pub(super) fn is_trying_first(&self) -> bool {
        self.entries.iter().any(|entry| entry.tracker.is_some() && entry.state == TrackerState::Connecting)
    }

    /// Whether there may be others in the swarm: unless every tracker that told of members says that there are none.
    pub(super) fn may_know_others(&self, we_are_complete: bool) -> bool {
        let mut told = self.entries.iter().filter_map(|entry| entry.others(we_are_complete)).peekable();
        told.peek().is_none() || told.any(|others| others != (0, 0))
    }

    /// Whether any tracker can be reached.
    pub(super) fn is_connected(&self) -> bool {
        self.entries.iter().any(|entry| entry.connected)
    }
}

impl Entry {
    /// Whether an announce is due, or waits for its offers.
    pub(super) fn is_due(&self, now: Instant, known: bool) -> bool {
        self.may_announce(known) && (self.gather_until.is_some() || self.next.is_some_and(|next| next <= now))
    }

    fn late_at(&self) -> Option<Instant> {
        self.awaiting.map(|since| since + if self.requested { REQUEST_MAX } else { REPLY_MAX })
    }

    fn next_attempt(&self, retry: impl Fn(TrackerId) -> Option<Instant>) -> Option<Instant> {
        if self.is_reachable() { self.next } else { self.tracker.and_then(retry) }
    }

    /// Whether it can be told something: its socket is open, or it needs none.
    const fn is_reachable(&self) -> bool {
        self.connected || self.requested
    }

    /// Whether its socket is open.
    pub(super) const fn is_connected(&self) -> bool {
        self.connected
    }

    /// Members besides us that it told of: seeds and leechers.
    pub(super) fn others(&self, we_are_complete: bool) -> Option<(usize, usize)> {
        let (seeds, leechers) = (self.seeds? as usize, self.leechers? as usize);
        let (us_seed, us_leech) = if we_are_complete { (1, 0) } else { (0, 1) };
        Some((seeds.saturating_sub(us_seed), leechers.saturating_sub(us_leech)))
    }

    /// For an answer to somebody's offer.
    pub(super) const fn tracker_id(&self) -> Option<&String> {
        self.tracker_id.as_ref()
    }

    /// Over HTTP and UDP one thing is told at a time.
    const fn may_announce(&self, known: bool) -> bool {
        let free = if self.requested { self.awaiting.is_none() } else { self.connected };
        free && (known || self.told)
    }

    /// Announces over HTTP or UDP.
    fn request(
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
    fn failed(&mut self, now: Instant) {
        let (first, longest) = UNREACHABLE;
        self.awaiting = None;
        self.connected = false;
        self.state = TrackerState::Unreachable;
        self.untell();
        self.next = Some(now + (first * 2_u32.pow(self.failures.min(10))).min(longest));
        self.failures += 1;
    }

    /// What was told last is not known there.
    fn untell(&mut self) {
        match self.event {
            Event::Started => self.told = false,
            Event::Completed => self.completed = true,
            Event::Stopped | Event::Update | Event::Paused => {}
        }
    }

    fn silence(&mut self) {
        (self.told, self.awaiting, self.completed) = (false, None, false);
        (self.next, self.gather_until) = (None, None);
    }
}
