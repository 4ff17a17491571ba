//! When to announce what to which tracker.

use core::time::Duration;

use super::{Action, Context, Timer, TrackerSnapshot, TrackerState};
use crate::id::{InfoHash, TrackerId};
use crate::limits;
use crate::time::Instant;
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

/// Wait after a refusal, doubled with each.
const REFUSED: Duration = Duration::from_secs(60);

/// Longest wait for the reply to an announce. A socket whose other end is gone without a word says nothing for ever.
const REPLY_MAX: Duration = Duration::from_secs(30);

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
    refusals: u32,
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
        self.entries.push(Entry {
            url: url.to_owned(),
            tracker,
            connected,
            next: connected.then_some(now),
            gather_until: None,
            wanted: 0,
            told: false,
            completed: false,
            awaiting: None,
            sent_at: now,
            interval: INTERVAL,
            refusals: 0,
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
            entry.next = Some(entry.next.filter(|_| needs_peers).map_or(regular, |next| next.min(regular)));
        }
        entry.awaiting = None;
        entry.refusals = 0;
        entry.state = TrackerState::Working;
        entry.seeds = reply.complete.or(entry.seeds);
        entry.leechers = reply.incomplete.or(entry.leechers);
        entry.message.clone_from(&reply.warning);
        entry.tracker_id = reply.tracker_id.clone().or(entry.tracker_id.take());
        matches!((reply.complete, reply.incomplete), (Some(seeds), Some(leechers)) if seeds.saturating_add(leechers) <= 1)
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
        for entry in self.entries.iter_mut().filter(|entry| entry.connected) {
            entry.next = Some(now);
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
            self.entries.iter_mut().filter(|entry| entry.connected && entry.told && entry.refusals == 0)
        {
            let soon = (now + Duration::from_secs(1)).max(entry.sent_at + LONELY[0]);
            entry.next = entry.next.map(|next| next.min(soon));
        }
    }

    /// Everything is here since just now.
    pub(super) fn completed(&mut self, now: Instant) {
        for entry in self.entries.iter_mut().filter(|entry| entry.connected && entry.told) {
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
        let Some(tracker) = entry.tracker.filter(|_| entry.connected) else { return };
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
            entry.interval.min(LONELY[lonely.min(LONELY.len() - 1)])
        } else {
            entry.interval
        };
        entry.next = Some(ctx.now + wait);
        let Stats { uploaded, downloaded, left } = stats;
        let (peer_id, tracker_id) = (ctx.peer_id, entry.tracker_id.clone());
        let announce =
            ClientAnnounce { info_hash, peer_id, event, uploaded, downloaded, left, offers, tracker_id };
        ctx.actions.push_back(Action::Tell { tracker, message: Box::new(ClientMessage::Announce(announce)) });
        if needs_peers {
            self.lonely += 1;
        }
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
        let late = self.entries.iter_mut().filter(|entry| entry.late_at().is_some_and(|at| at <= now));
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
            let next = if entry.connected { entry.next } else { entry.tracker.and_then(&retry) };
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

    /// Whether the first socket to a tracker is still being opened.
    pub(super) fn is_trying_first(&self) -> bool {
        self.entries.iter().any(|entry| entry.tracker.is_some() && entry.state == TrackerState::Connecting)
    }

    /// Whether there may be others in the swarm: unless every tracker that told of members says that there are none.
    pub(super) fn may_know_others(&self, we_are_complete: bool) -> bool {
        let mut told = self.entries.iter().filter_map(|entry| entry.others(we_are_complete)).peekable();
        told.peek().is_none() || told.any(|others| others != (0, 0))
    }

    /// Whether any tracker has a socket.
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
        self.awaiting.map(|since| since + REPLY_MAX)
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

    const fn may_announce(&self, known: bool) -> bool {
        self.connected && (known || self.told)
    }

    fn silence(&mut self) {
        (self.told, self.awaiting, self.completed) = (false, None, false);
        (self.next, self.gather_until) = (None, None);
    }
}
