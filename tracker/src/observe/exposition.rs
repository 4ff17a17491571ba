//! `/metrics`: all numbers in the OpenMetrics text format, collected when somebody asks.
//!
//! Names end in their unit, counters in `_total`. Labels have few values, all known beforehand: no swarm, address or name.

mod cluster;
mod turn;

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::counts::{Frontend, Outcome};
use super::durations::{self, Histogram};
use super::egress::{Protocol, Row};
use super::process::Process;
use crate::frontend::rejections;
use crate::seed::Seeder;
use crate::state::AppState;
use crate::swarm::{self, Stats};

/// What a scrape is answered with.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All numbers of now.
pub(crate) fn text(state: &Arc<AppState>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("piecemeal");
    registry.register_collector(Box::new(Numbers { state: state.clone() }));
    let mut process = Registry::default();
    process.register_collector(Box::new(OfProcess));
    let mut text = String::with_capacity(32 * 1024);
    encode_registry(&mut text, &process)?;
    encode_registry(&mut text, &registry)?;
    encode_eof(&mut text)?;
    Ok(text)
}

struct Numbers {
    state: Arc<AppState>,
}

impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Numbers")
    }
}

/// Label names and values of one number.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Writes metrics one after the other.
struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn counters<const N: usize>(
        &mut self,
        (name, help): (&str, &str),
        numbers: impl IntoIterator<Item = (Labels<N>, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, number) in numbers {
            ConstCounter::new(number).encode(labelled(&mut family, &labels)?)?;
        }
        Ok(())
    }

    fn counter(&mut self, (name, help): (&str, &str), number: u64) -> fmt::Result {
        let alone = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(number).encode(alone)
    }

    fn gauges<const N: usize>(
        &mut self,
        (name, help): (&str, &str),
        numbers: impl IntoIterator<Item = (Labels<N>, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, number) in numbers {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            ConstGauge::new(number).encode(labelled(&mut family, &labels)?)?;
        }
        Ok(())
    }

    fn gauge(&mut self, (name, help): (&str, &str), number: u64) -> fmt::Result {
        let alone = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX)).encode(alone)
    }

    /// Any histogram: for each label set the bounds in seconds without the last, numbers by bucket with the last, the sum in
    /// seconds.
    fn histograms<const N: usize>(
        &mut self,
        (name, help): (&str, &str),
        histograms: impl IntoIterator<Item = (Labels<N>, Seconds)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for (labels, Seconds { bounds, counts, sum }) in histograms {
            let bounds = bounds.into_iter().chain(std::iter::once(f64::INFINITY));
            let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
            let count = buckets.iter().map(|(_, count)| count).sum();
            if labels.is_empty() {
                return family.encode_histogram::<NoLabelSet>(sum, count, &buckets, None);
            }
            labelled(&mut family, &labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}

fn labelled<'s, const N: usize>(
    family: &'s mut MetricEncoder<'_>,
    labels: &'s Labels<N>,
) -> Result<MetricEncoder<'s>, fmt::Error> {
    family.encode_family(labels)
}

/// A histogram as plain numbers, whoever counted it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seconds {
    /// Upper bounds in seconds, without the infinite one.
    pub(crate) bounds: Vec<f64>,
    /// One more than bounds.
    pub(crate) counts: Vec<u64>,
    pub(crate) sum: f64,
}

impl From<&Histogram> for Seconds {
    fn from(histogram: &Histogram) -> Self {
        let bounds = (0..durations::BUCKETS).map_while(durations::bound);
        Self {
            bounds: bounds.map(|bound| bound.as_secs_f64()).collect(),
            counts: histogram.counts().to_vec(),
            sum: histogram.sum().as_secs_f64(),
        }
    }
}

impl From<&swarm::Histogram> for Seconds {
    fn from(histogram: &swarm::Histogram) -> Self {
        Self {
            bounds: swarm::BOUNDS.iter().map(|millis| *millis as f64 / 1e3).collect(),
            counts: histogram.counts.to_vec(),
            sum: histogram.sum_micros as f64 / 1e6,
        }
    }
}

impl Collector for Numbers {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (state, mut to) = (&self.state, Writer(encoder));
        let stats = state.stats();
        let uptime = state.clock.now().as_millis() / 1_000;
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        let family = to.0.encode_descriptor("build", "The program", None, version.metric_type())?;
        version.encode(family)?;
        to.gauge(("uptime_seconds", "Seconds since the start"), uptime)?;
        swarms(&mut to, &stats)?;
        announces(&mut to, state, &stats)?;
        introductions(&mut to, &stats)?;
        rejections(&mut to, state, &stats)?;
        traffic(&mut to, state)?;
        if let Some(cluster) = &state.cluster {
            cluster::write(&mut to, &cluster.status())?;
        }
        if let Some(turn) = &state.turn {
            turn::write(&mut to, turn)?;
        }
        let reports = state.observe.reports.sum(std::time::Instant::now());
        to.gauge(
            ("reporting_torrents", "Torrents of peers that report their progress"),
            reports.reports as u64,
        )?;
        to.counter(
            ("peer_bytes", "Payload bytes that peers gave each other, as far as they say so"),
            reports.moved,
        )?;
        to.gauge(("dashboards", "Dashboards that are open"), state.observe.live.watchers() as u64)
    }
}

fn swarms(to: &mut Writer<'_>, stats: &Stats) -> fmt::Result {
    let number = |number: usize| number as u64;
    to.gauge(("torrents", "Swarms with at least one member"), number(stats.torrents))?;
    let by_address = number(stats.addresses);
    let kinds = [
        ([("kind", "websocket")], number(stats.peers).saturating_sub(by_address)),
        ([("kind", "address")], by_address),
    ];
    to.gauges(("peers", "Peers in any swarm, by the way they are reached"), kinds)?;
    let roles = [
        ([("role", "seed")], number(stats.seeders_only)),
        ([("role", "leech")], number(stats.leechers_only)),
        ([("role", "both")], number(stats.both)),
    ];
    to.gauges(("peers_by_role", "Peers in any swarm, by what they are there"), roles)?;
    let families = [([("family", "ipv4")], number(stats.ipv4)), ([("family", "ipv6")], number(stats.ipv6))];
    to.gauges(("peers_by_family", "Peers in any swarm, by the family of their address"), families)?;
    to.gauge(
        ("partial_seeds", "Memberships of peers that lack something and want no more (BEP 21)"),
        number(stats.partial_seeds),
    )?;
    to.gauge(("websockets", "Open WebSockets of peers"), number(stats.sockets))?;
    to.counter(("members_expired", "Members of swarms that fell silent"), stats.counters.members_expired)
}

fn announces(to: &mut Writer<'_>, state: &AppState, stats: &Stats) -> fmt::Result {
    let observe = &state.observe;
    let all = Frontend::ALL.into_iter().flat_map(|frontend| {
        Outcome::ALL.into_iter().map(move |outcome| {
            let labels = [("frontend", frontend.name()), ("outcome", outcome.name())];
            (labels, observe.announces(frontend, outcome))
        })
    });
    to.counters(("announces", "Announces that could be read, by frontend and outcome"), all)?;
    let durations = Frontend::ALL.into_iter().map(|frontend| {
        ([("frontend", frontend.name())], Seconds::from(&observe.durations[frontend as usize].now()))
    });
    to.histograms(("announce_duration", "Time from the last byte of an announce to its reply"), durations)?;
    let (http, udp) = (state.traffic.http_scrapes.get(), state.traffic.udp_scrapes.get());
    let websocket = stats.counters.scrapes.saturating_sub(http + udp);
    let scrapes = [("websocket", websocket), ("http", http), ("udp", udp)];
    to.counters(
        ("scrapes", "Scrapes, by frontend"),
        scrapes.map(|(frontend, number)| ([("frontend", frontend)], number)),
    )?;
    let stun = [("answered", state.stun.answered.get()), ("refused", state.stun.refused.get())];
    to.counters(
        ("stun", "Requests for the own address (STUN), by outcome"),
        stun.map(|(outcome, number)| ([("outcome", outcome)], number)),
    )?;
    to.counter(("udp_connects", "Connect requests over UDP"), state.traffic.udp_connects.get())
}

fn introductions(to: &mut Writer<'_>, stats: &Stats) -> fmt::Result {
    let counters = &stats.counters;
    let offers = [
        ([("outcome", "relayed")], counters.offers_relayed),
        ([("outcome", "unwanted")], counters.offers_unwanted),
        ([("outcome", "expired")], counters.offers_expired),
    ];
    to.counters(
        ("offers", "Offers of connections: given to another peer, nobody there to give it to, relayed and never answered"),
        offers,
    )?;
    let answers = [
        ([("outcome", "relayed")], counters.answers_relayed),
        ([("outcome", "unexpected")], counters.answers_unexpected),
    ];
    to.counters(
        ("answers", "Answers to offers: given to who made the offer, or to no offer that waits"),
        answers,
    )?;
    let delays = |histogram: &swarm::Histogram| [([], Seconds::from(histogram))];
    to.histograms(
        (
            "offer_answer",
            "Time from an offer to its answer: two peers' way to each other through the tracker",
        ),
        delays(&counters.answer_delay),
    )?;
    to.histograms(
        (
            "first_peer",
            "Time from joining a swarm in which there was somebody to the first answer given or got",
        ),
        delays(&counters.first_peer_delay),
    )?;
    to.gauge(("offers_pending", "Relayed offers that wait for an answer"), stats.pending_offers as u64)
}

fn rejections(to: &mut Writer<'_>, state: &AppState, stats: &Stats) -> fmt::Result {
    let all = rejections::all(&state.traffic, &stats.counters);
    to.counters(
        ("rejections", "What was refused, dropped or closed, by reason"),
        all.map(|(reason, number)| ([("reason", reason)], number)),
    )
}

fn traffic(to: &mut Writer<'_>, state: &AppState) -> fmt::Result {
    let rows: Vec<(Protocol, bool, Row)> = state.observe.egress.rows().collect();
    // Over UDP there is no TLS.
    let rows = || rows.iter().filter(|(protocol, tls, _)| !(*tls && *protocol == Protocol::Udp));
    let tls = |tls: bool| ("tls", if tls { "yes" } else { "no" });
    let bytes = rows().flat_map(|(protocol, over, row)| {
        let labels = |direction| [("protocol", protocol.name()), tls(*over), ("direction", direction)];
        [(labels("sent"), row.sent), (labels("received"), row.received)]
    });
    to.counters(
        (
            "bytes",
            "Bytes that TCP or UDP was given and gave, TLS included, by what was spoken when they passed",
        ),
        bytes,
    )?;
    let connections = || rows().filter(|(protocol, ..)| *protocol != Protocol::Udp);
    let open =
        connections().map(|(protocol, over, row)| ([("protocol", protocol.name()), tls(*over)], row.open));
    to.gauges(("connections", "Open connections, by what is spoken"), open)?;
    let spoken = connections().filter(|(protocol, ..)| *protocol != Protocol::Opening);
    let requests =
        spoken.map(|(protocol, over, row)| ([("protocol", protocol.name()), tls(*over)], row.requests));
    to.counters(("requests", "Requests over HTTP, upgrades to WebSocket by themselves"), requests)?;
    let downloads = state.files.as_ref().map_or(0, |files| files.under_way());
    to.gauge(("downloads", "Downloads of /files/ under way"), downloads as u64)?;
    to.gauge(
        ("files_seeded", "Files that the tracker seeds itself"),
        state.seeder.as_ref().map_or(0, Seeder::seeded) as u64,
    )
}

/// Numbers of this process, under names without our prefix.
#[derive(Debug)]
struct OfProcess;

impl Collector for OfProcess {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Process { resident_bytes, cpu_seconds, open_files } = Process::now();
        let gauge = |number: u64| ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
        if let Some(bytes) = resident_bytes {
            let help = "Resident memory size in bytes";
            let family =
                encoder.encode_descriptor("process_resident_memory_bytes", help, None, MetricType::Gauge)?;
            gauge(bytes).encode(family)?;
        }
        if let Some(files) = open_files {
            let help = "Number of open file descriptors";
            let family = encoder.encode_descriptor("process_open_fds", help, None, MetricType::Gauge)?;
            gauge(files).encode(family)?;
        }
        if let Some(seconds) = cpu_seconds {
            let help = "Total user and system CPU time spent in seconds";
            let family = encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
            ConstCounter::new(seconds).encode(family)?;
        }
        Ok(())
    }
}
