//! When to announce what to which tracker.
//!
//! All trackers of a torrent are asked, whatever tiers (BEP 12) they stood in: those of one tier are not told apart, and a
//! swarm whose members ask different trackers of the list stays one.

mod entry;

use core::time::Duration;

pub(super) use entry::Entry;

use super::{Action, Context, EffectFailure, Timer, TrackerSnapshot, TrackerState};
use crate::id::{InfoHash, TrackerId};
use crate::limits;
use crate::time::Instant;
use crate::tracker::AnnounceResponse;
use crate::tracker::ws::{AnnounceReply, ClientAnnounce, ClientMessage, Event};

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

/// Times between announces of a torrent that is connected to few of those who are there: a swarm whose members each know a
/// few passes pieces on slowly.
const THIN: [Duration; 4] =
    [Duration::from_secs(10), Duration::from_secs(20), Duration::from_secs(40), Duration::from_secs(80)];

/// Wait after a refusal, doubled with each.
const REFUSED: Duration = Duration::from_secs(60);

/// Least time between two announces over HTTP or UDP to a tracker that does not say its own, unless an event is told: each
/// is a request by itself, and nobody is there at once because we ask again.
const REQUEST_LEAST: Duration = Duration::from_secs(30);

/// Longest wait for offers to be made; the announce goes with those that are there then.
pub(super) const GATHER_MAX: Duration = Duration::from_secs(3);

/// The trackers of one torrent and what each is to be told when.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    pub(super) entries: Vec<Entry>,
    /// Announces made since anybody was last there to give what is missing.
    lonely: usize,
    /// Announces made with few connections since the torrent took part.
    thin: usize,
}

/// How much a torrent wants to meet others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nobody is there to give what is missing.
    Any,
    /// Some are, of more that could be.
    More,
    /// As many as are of use.
    Nobody,
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
        self.entries.push(Entry::new(url, tracker, connected, now));
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
    pub(super) fn replied(&mut self, tracker: TrackerId, reply: &AnnounceReply, need: Need) -> bool {
        let Some(entry) = self.of(tracker) else { return false };
        if let Some(seconds) = reply.interval {
            let (least, most) = INTERVAL_RANGE;
            entry.interval = Duration::from_secs(seconds.into()).clamp(least, most);
        }
        let regular = entry.sent_at + entry.interval;
        if entry.told {
            let soon = need != Need::Nobody || entry.completed;
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
        need: Need,
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
        self.replied(tracker, &reply, need);
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
        (self.lonely, self.thin) = (0, 0);
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
                self.send(ctx, number, info_hash, Some(Event::Stopped), stats, Vec::new(), Need::Nobody);
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
        need: Need,
    ) {
        let often = |times: &[Duration], made: usize| times[made.min(times.len() - 1)];
        let sooner = match need {
            Need::Any => Some(often(&LONELY, self.lonely)),
            Need::More => Some(often(&THIN, self.thin)),
            Need::Nobody => None,
        };
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
        let wait = sooner.map_or(entry.interval, |sooner| entry.interval.min(sooner.max(entry.least)));
        entry.next = Some(ctx.now + wait);
        self.lonely += usize::from(need == Need::Any);
        self.thin += usize::from(need == Need::More);
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

    /// Members besides us that the best informed tracker told of.
    pub(super) fn members(&self, we_are_complete: bool) -> usize {
        let told = self.entries.iter().filter_map(|entry| entry.others(we_are_complete));
        told.map(|(seeds, leechers)| seeds + leechers).max().unwrap_or(0)
    }

    /// Whether any tracker can be reached.
    pub(super) fn is_connected(&self) -> bool {
        self.entries.iter().any(|entry| entry.connected)
    }
}
