use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use super::Timer;
use crate::id::TrackerId;
use crate::rng::Rng;
use crate::time::{Instant, soonest};
use crate::torrent::{Action, Context, has_socket};

/// First wait after a socket closed or could not be opened; doubled with each failure.
const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// Longest wait until the next attempt.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// A tracker that ends tells whole seconds only: this much more or less keeps those of one second apart.
const ASKED_SPREAD_MS: u64 = 1_000;

/// The trackers, one for each URL, however many torrents name it, and the sockets to those that have one.
#[derive(Debug)]
pub(super) struct Trackers {
    by_id: BTreeMap<TrackerId, Tracker>,
    next_id: u32,
    rng: Rng,
    /// The host can ask WebSocket trackers.
    offers: bool,
    /// The host can ask HTTP and UDP trackers.
    dials: bool,
    /// Who is told our progress, by [`authority`].
    report_to: Vec<String>,
}

#[derive(Debug)]
struct Tracker {
    url: String,
    socket: Socket,
    /// Attempts since it last said anything.
    failures: u32,
    /// When it last said anything.
    heard_at: Option<Instant>,
    /// What people were last told that it said.
    said: Option<String>,
    /// It asked for reports on this socket: how often, and when the next are due.
    reports: Option<(Duration, Instant)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Socket {
    /// It is asked over HTTP or UDP, each announce by itself.
    None,
    /// No torrent needs it.
    Idle,
    Connecting,
    Open,
    /// It is tried again then.
    Waiting(Instant),
}

impl Trackers {
    pub(super) fn new(offers: bool, dials: bool, report_to: Vec<String>, rng: Rng) -> Self {
        let mut trackers =
            Self { by_id: BTreeMap::new(), next_id: 0, rng, offers, dials, report_to: Vec::new() };
        trackers.report_to(report_to);
        trackers
    }

    /// Names anew whom to tell our progress. Who asked before need not ask again.
    pub(super) fn report_to(&mut self, trackers: Vec<String>) {
        self.report_to =
            trackers.iter().filter_map(|url| authority(url).map(str::to_ascii_lowercase)).collect();
    }

    /// A tracker asked for reports every so many seconds, or for none.
    pub(super) fn invited(&mut self, id: TrackerId, seconds: u32, now: Instant) {
        if let Some(tracker) = self.by_id.get_mut(&id) {
            let every = Duration::from_secs(seconds.into());
            tracker.reports = (seconds > 0).then_some((every, now));
        }
    }

    /// Who is to be told our progress now; the next reports are due an interval from now.
    pub(super) fn reports_due(&mut self, now: Instant) -> Vec<TrackerId> {
        let wanted = &self.report_to;
        let due = self.by_id.iter_mut().filter_map(|(id, tracker)| {
            let told = tracker.is_told(wanted);
            let (every, next) = tracker.reports.as_mut().filter(|(_, next)| told && *next <= now)?;
            *next = now + *every;
            Some(*id)
        });
        due.collect()
    }

    /// The id of the tracker at this URL, which was made equal to all its spellings. `None` where the host does not speak
    /// its protocol.
    pub(super) fn id(&mut self, url: &str) -> Option<TrackerId> {
        let socket = if has_socket(url) { Socket::Idle } else { Socket::None };
        if !(if socket == Socket::None { self.dials } else { self.offers }) {
            return None;
        }
        if let Some((id, _)) = self.by_id.iter().find(|(_, tracker)| tracker.url == url) {
            return Some(*id);
        }
        let id = TrackerId(self.next_id);
        self.next_id += 1;
        self.by_id.insert(id, Tracker::new(url, socket));
        Some(id)
    }

    pub(super) fn is_open(&self, id: TrackerId) -> bool {
        self.by_id.get(&id).is_some_and(|tracker| tracker.socket == Socket::Open)
    }

    /// When the socket is tried again, if it waits for that.
    pub(super) fn retry_at(&self, id: TrackerId) -> Option<Instant> {
        match self.by_id.get(&id)?.socket {
            Socket::Waiting(at) => Some(at),
            _ => None,
        }
    }

    /// Opens what is needed and closes what is not; answers with the latter.
    pub(super) fn sync(&mut self, ctx: &mut Context, needed: &BTreeSet<TrackerId>) -> Vec<TrackerId> {
        let mut closed = Vec::new();
        for (id, tracker) in &mut self.by_id {
            match (needed.contains(id), tracker.socket) {
                (true, Socket::Idle) => tracker.connect(ctx, *id),
                (false, Socket::Connecting | Socket::Open) => {
                    ctx.actions.push_back(Action::Disconnect(*id));
                    tracker.socket = Socket::Idle;
                    closed.push(*id);
                }
                (false, Socket::Waiting(_)) => tracker.socket = Socket::Idle,
                _ => {}
            }
        }
        closed
    }

    /// Tries again what has waited for long enough.
    pub(super) fn connect_due(&mut self, ctx: &mut Context) {
        for (id, tracker) in &mut self.by_id {
            if matches!(tracker.socket, Socket::Waiting(at) if at <= ctx.now) {
                tracker.connect(ctx, *id);
            }
        }
    }

    /// Tries again at once what waits for its next attempt.
    pub(super) fn hurry(&mut self, ctx: &mut Context, id: TrackerId) {
        if let Some(tracker) =
            self.by_id.get_mut(&id).filter(|tracker| matches!(tracker.socket, Socket::Waiting(_)))
        {
            tracker.connect(ctx, id);
        }
    }

    /// A socket is open; answers whether it was expected.
    pub(super) fn opened(&mut self, id: TrackerId) -> bool {
        let Some(tracker) = self.by_id.get_mut(&id).filter(|tracker| tracker.socket == Socket::Connecting)
        else {
            return false;
        };
        tracker.socket = Socket::Open;
        true
    }

    /// The tracker said something.
    pub(super) fn spoke(&mut self, id: TrackerId, now: Instant) -> bool {
        let Some(tracker) = self.by_id.get_mut(&id).filter(|tracker| tracker.socket == Socket::Open) else {
            return false;
        };
        (tracker.failures, tracker.heard_at) = (0, Some(now));
        true
    }

    /// Whether its socket is open and nothing has come of it since then.
    pub(super) fn is_silent(&self, id: TrackerId, since: Instant) -> bool {
        let silent = |tracker: &Tracker| tracker.heard_at.is_none_or(|at| at < since);
        self.is_open(id) && self.by_id.get(&id).is_some_and(silent)
    }

    /// Remembers what people are told that it said; answers whether that is new.
    pub(super) fn says(&mut self, id: TrackerId, text: &str) -> bool {
        let Some(tracker) = self.by_id.get_mut(&id) else { return false };
        let new = tracker.said.as_deref() != Some(text);
        tracker.said = Some(text.to_owned());
        new
    }

    /// A socket closed or could not be opened; answers whether it was needed. `asked` is for how long an open one asked to be
    /// left alone.
    pub(super) fn closed(&mut self, id: TrackerId, now: Instant, asked: Option<Duration>) -> bool {
        let Some(tracker) = self.by_id.get_mut(&id) else { return false };
        if !matches!(tracker.socket, Socket::Connecting | Socket::Open) {
            return false;
        }
        if let Some(asked) = asked.filter(|_| tracker.socket == Socket::Open) {
            let spread = Duration::from_millis(self.rng.below(ASKED_SPREAD_MS));
            (tracker.failures, tracker.socket) = (0, Socket::Waiting(now + asked + spread));
            return true;
        }
        let wait = (BACKOFF_MIN * 2_u32.pow(tracker.failures.min(6))).min(BACKOFF_MAX);
        tracker.failures += 1;
        // A quarter more or less, so that a tracker that comes back is not met by everybody at once.
        let percent = 75 + self.rng.below(51) as u32;
        tracker.socket = Socket::Waiting(now + wait * percent / 100);
        true
    }

    pub(super) fn deadline(&self) -> Option<(Instant, Timer)> {
        let waiting = |tracker: &Tracker| match tracker.socket {
            Socket::Waiting(at) => Some((at, Timer::Announce)),
            Socket::Open if tracker.is_told(&self.report_to) => {
                tracker.reports.map(|(_, next)| (next, Timer::Report))
            }
            _ => None,
        };
        self.by_id.values().map(waiting).fold(None, soonest)
    }
}

impl Tracker {
    fn new(url: &str, socket: Socket) -> Self {
        Self { url: url.to_owned(), socket, failures: 0, heard_at: None, said: None, reports: None }
    }

    /// Whether it is open and one of those that are told our progress.
    fn is_told(&self, report_to: &[String]) -> bool {
        self.socket == Socket::Open
            && authority(&self.url).is_some_and(|own| report_to.iter().any(|told| told == own))
    }

    fn connect(&mut self, ctx: &mut Context, tracker: TrackerId) {
        (self.socket, self.reports) = (Socket::Connecting, None);
        ctx.actions.push_back(Action::Connect { tracker, url: self.url.clone() });
    }
}

/// Host and port of a URL.
fn authority(url: &str) -> Option<&str> {
    url.split_once("://")?.1.split(['/', '?', '#']).next()
}
