//! The dashboard's feed: all numbers once a second, made once however many look on, and not at all while nobody does.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::counts::{Frontend, Outcome};
use super::durations::Histogram;
use super::events::Event;
use crate::frontend::rejections;
use crate::state::AppState;
use crate::swarm::{Counters, Stats};

/// Time between two sets of numbers.
const TICK: Duration = Duration::from_secs(1);

/// Sets that are kept for a dashboard that opens while another is open: what its charts show.
const HISTORY: usize = 120;

/// Events that one set may bring, and that a dashboard is begun with.
const EVENTS: usize = 200;

/// Dashboards at once: each is a connection that stays open.
const WATCHERS: usize = 64;

/// Latency and answered offers are of this many seconds: of one second there is too little to say.
const SMOOTHED: usize = 10;

/// The feed.
#[derive(Debug)]
pub(crate) struct Live {
    watching: Mutex<Watching>,
    ticks: watch::Sender<Option<Arc<Tick>>>,
    history: Mutex<VecDeque<Arc<Tick>>>,
}

impl Default for Live {
    fn default() -> Self {
        Self { watching: Mutex::default(), ticks: watch::Sender::new(None), history: Mutex::default() }
    }
}

#[derive(Debug, Default)]
struct Watching {
    watchers: usize,
    /// Somebody makes the numbers.
    made: bool,
}

/// One set, ready to be sent.
#[derive(Debug)]
pub(crate) struct Tick {
    pub(crate) json: Bytes,
    /// The same without events, of which a dashboard that opens gets the latest apart.
    numbers: Bytes,
    /// When it was made.
    at: Instant,
}

/// One who looks on, until it is dropped.
#[derive(Debug)]
pub(crate) struct Watcher {
    state: Arc<AppState>,
    pub(crate) ticks: watch::Receiver<Option<Arc<Tick>>>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.state.observe.live.watching.lock().watchers -= 1;
    }
}

impl Live {
    pub(crate) fn watchers(&self) -> usize {
        self.watching.lock().watchers
    }

    /// Another one looks on; `None` if there are too many. The first has the numbers made from now on.
    pub(crate) fn watch(state: &Arc<AppState>) -> Option<Watcher> {
        let live = &state.observe.live;
        let mut watching = live.watching.lock();
        if watching.watchers >= WATCHERS {
            return None;
        }
        watching.watchers += 1;
        if !std::mem::replace(&mut watching.made, true) {
            state.tasks.spawn(make(state.clone()));
        }
        Some(Watcher { state: state.clone(), ticks: live.ticks.subscribe() })
    }

    /// What a dashboard is begun with: numbers of the last two minutes, where they were made, and the latest events.
    pub(crate) fn beginning(state: &AppState) -> Bytes {
        let (events, _) = state.observe.events.since(0, EVENTS);
        let now = Instant::now();
        let oldest = now.checked_sub(TICK * HISTORY as u32);
        let history = state.observe.live.history.lock();
        let recent = history.iter().filter(|tick| oldest.is_none_or(|oldest| tick.at >= oldest));
        let mut json = Vec::with_capacity(64 * 1024);
        json.extend_from_slice(b"{\"history\":[");
        for (number, tick) in recent.enumerate() {
            if number > 0 {
                json.push(b',');
            }
            json.extend_from_slice(&tick.numbers);
        }
        json.extend_from_slice(b"],\"events\":");
        json.extend(serde_json::to_vec(&events).unwrap_or_default());
        json.push(b'}');
        json.into()
    }
}

/// Makes the numbers once a second, until nobody looks on any more.
async fn make(state: Arc<AppState>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut past = VecDeque::from([Totals::now(&state)]);
    let (_, mut next_event) = state.observe.events.since(u64::MAX, 0);
    ticks.tick().await;
    loop {
        tokio::select! {
            () = state.shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let live = &state.observe.live;
        {
            let mut watching = live.watching.lock();
            if watching.watchers == 0 {
                watching.made = false;
                return;
            }
        }
        let (events, next) = state.observe.events.since(next_event, EVENTS);
        next_event = next;
        let totals = Totals::now(&state);
        let mut numbers = totals.numbers(&state, &past);
        let without = serde_json::to_vec(&numbers).unwrap_or_default();
        numbers.events = events;
        let json = serde_json::to_vec(&numbers).unwrap_or_default();
        let tick = Arc::new(Tick { json: json.into(), numbers: without.into(), at: Instant::now() });
        past.push_back(totals);
        if past.len() > SMOOTHED {
            past.pop_front();
        }
        let mut history = live.history.lock();
        if history.len() >= HISTORY {
            history.pop_front();
        }
        history.push_back(tick.clone());
        drop(history);
        live.ticks.send_replace(Some(tick));
    }
}

/// What only grows, at one moment.
#[derive(Debug)]
struct Totals {
    at: Instant,
    stats: Arc<Stats>,
    announces: [u64; Frontend::ALL.len()],
    durations: Histogram,
    errors: u64,
    sent: Vec<(&'static str, u64)>,
}

impl Totals {
    fn now(state: &AppState) -> Self {
        let observe = &state.observe;
        let announces = Frontend::ALL
            .map(|frontend| Outcome::ALL.iter().map(|outcome| observe.announces(frontend, *outcome)).sum());
        let mut durations = Histogram::default();
        observe.durations.iter().for_each(|recorder| durations.merge(&recorder.now()));
        let mut sent: Vec<(&'static str, u64)> = Vec::new();
        for (protocol, _, row) in observe.egress.rows() {
            match sent.last_mut().filter(|(name, _)| *name == protocol.name()) {
                Some((_, sum)) => *sum += row.sent,
                None => sent.push((protocol.name(), row.sent)),
            }
        }
        let stats = state.stats();
        let errors = rejections::errors(&state.traffic, &stats.counters);
        Self { at: Instant::now(), stats, announces, durations, errors, sent }
    }

    /// What people are shown: of now, and since `past`, the newest last and not empty.
    fn numbers(&self, state: &AppState, past: &VecDeque<Self>) -> Numbers {
        let (oldest, last) = (past.front().unwrap_or(self), past.back().unwrap_or(self));
        let seconds = self.at.saturating_duration_since(last.at).as_secs_f64().max(0.001);
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let recent = self.durations.since(&oldest.durations);
        let quantile = |share| recent.quantile(share).map(|duration| duration.as_secs_f64());
        let sum = state.observe.reports.sum(self.at);
        let open = |wanted: &str| {
            let rows = state.observe.egress.rows().filter(|(protocol, ..)| protocol.name() == wanted);
            rows.map(|(.., row)| row.open).sum()
        };
        let named = |name: &'static str, value| Named { name, value };
        let (stats, counters) = (&self.stats, &self.stats.counters);
        Numbers {
            at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
            uptime_seconds: state.clock.now().as_millis() / 1_000,
            peers: stats.peers,
            seeds: stats.seeders_only,
            torrents: stats.torrents,
            web_sockets: stats.sockets,
            connections: state.observe.egress.rows().map(|(.., row)| row.open).sum(),
            http_streams: state.files.as_ref().map_or(0, |files| files.under_way()),
            http1_connections: open("http/1.1"),
            http2_connections: open("h2"),
            announces: Frontend::ALL
                .map(|of| named(of.name(), rate(self.announces[of as usize], last.announces[of as usize]))),
            egress: self
                .sent
                .iter()
                .zip(&last.sent)
                .map(|(now, before)| named(now.0, rate(now.1, before.1)))
                .collect(),
            egress_total: self.sent.iter().map(|(name, sent)| named(name, *sent as f64)).collect(),
            peer_rate: sum.rate,
            peer_bytes: sum.moved,
            reporting: sum.reports,
            latency_p50: quantile(0.5),
            latency_p99: quantile(0.99),
            answered: answered(counters, &oldest.stats.counters),
            offers: rate(counters.offers_relayed, last.stats.counters.offers_relayed),
            errors: rate(self.errors, last.errors),
            errors_total: self.errors,
            swarms: stats
                .largest
                .iter()
                .map(|(hash, counts)| Swarm {
                    info_hash: hash.to_string(),
                    seeds: counts.complete,
                    leeches: counts.incomplete,
                    partial_seeds: counts.partial,
                })
                .collect(),
            events: Vec::new(),
        }
    }
}

/// Of the offers that came to an end, answered or not, the part that was answered.
fn answered(now: &Counters, before: &Counters) -> Option<f64> {
    let answered = now.answers_relayed.saturating_sub(before.answers_relayed);
    let expired = now.offers_expired.saturating_sub(before.offers_expired);
    let ended = answered + expired;
    (ended > 0).then(|| answered as f64 / ended as f64)
}

/// Rates are of the last second.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Numbers {
    /// Milliseconds since 1970.
    at: u64,
    uptime_seconds: u64,
    peers: usize,
    seeds: usize,
    torrents: usize,
    web_sockets: usize,
    connections: u64,
    http_streams: usize,
    http1_connections: u64,
    http2_connections: u64,
    announces: [Named; Frontend::ALL.len()],
    /// Bytes a second.
    egress: Vec<Named>,
    egress_total: Vec<Named>,
    /// Bytes a second that reporting peers give each other.
    peer_rate: u64,
    peer_bytes: u64,
    reporting: usize,
    /// Seconds, over the last ten.
    #[serde(rename = "latencyP50")]
    latency_p50: Option<f64>,
    #[serde(rename = "latencyP99")]
    latency_p99: Option<f64>,
    /// Part of the offers, over the last ten seconds.
    answered: Option<f64>,
    offers: f64,
    errors: f64,
    errors_total: u64,
    /// The largest.
    swarms: Vec<Swarm>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<Event>,
}

#[derive(Debug, Serialize)]
struct Named {
    name: &'static str,
    value: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Swarm {
    info_hash: String,
    seeds: u32,
    leeches: u32,
    partial_seeds: u32,
}
