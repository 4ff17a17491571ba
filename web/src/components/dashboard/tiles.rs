//! The numbers, each with its last two minutes.

use leptos::prelude::*;

use super::spark::{Series, Spark};
use crate::dashboard::Dashboard;
use crate::dashboard::model::{Named, Numbers, Past, named, sum};
use crate::text::dashboard as text;
use crate::units;

/// What a tile shows.
struct Tile {
    /// For tests and styles.
    name: &'static str,
    label: &'static str,
    /// What it means.
    what: &'static str,
    value: fn(&Numbers) -> String,
    note: fn(&Numbers) -> String,
    series: fn(&Past) -> Vec<Series>,
}

/// All of them.
#[component]
pub fn Tiles(dashboard: Dashboard) -> impl IntoView {
    let tiles = all().map(|tile| view! { <One dashboard tile/> });
    view! { <section class="tiles" aria-label=text::TILES>{tiles.collect::<Vec<_>>()}</section> }
}

#[component]
fn One(dashboard: Dashboard, tile: Tile) -> impl IntoView {
    let past = dashboard.past;
    let Tile { name, label, what, value, note, series } = tile;
    let last = move |show: fn(&Numbers) -> String| {
        move || past.with(|past| past.last().map(show)).unwrap_or_else(|| text::NONE.to_owned())
    };
    let series = Signal::derive(move || past.with(series));
    let (value, note) = (Memo::new(move |_| last(value)()), Memo::new(move |_| last(note)()));
    view! {
        <article class=["tile ", name].concat() data-testid=["tile-", name].concat() title=what>
            <h2>{label}</h2>
            <p class="tile-value">{move || value.get()}</p>
            <p class="note">{move || note.get()}</p>
            <Spark series/>
            <p class="offscreen">{what}</p>
        </article>
    }
}

fn all() -> impl Iterator<Item = Tile> {
    [
        Tile {
            name: "peers",
            label: text::PEERS,
            what: text::PEERS_WHAT,
            value: |now| units::count(now.peers),
            note: |now| text::seeds(now.seeds),
            series: |past| area("quiet", past, |now| now.peers as f64),
        },
        Tile {
            name: "torrents",
            label: text::TORRENTS,
            what: text::TORRENTS_WHAT,
            value: |now| units::count(now.torrents),
            note: |now| up_for(now.uptime_seconds),
            series: |past| area("quiet", past, |now| now.torrents as f64),
        },
        Tile {
            name: "announces",
            label: text::ANNOUNCES,
            what: text::ANNOUNCES_WHAT,
            value: |now| decimal(sum(&now.announces)),
            note: |now| {
                parts(&now.announces, &[("websocket", "ws"), ("http", "http"), ("udp", "udp")], decimal)
            },
            series: |past| area("quiet", past, |now| sum(&now.announces)),
        },
        Tile {
            name: "latency",
            label: text::LATENCY,
            what: text::LATENCY_WHAT,
            value: |now| duration(now.latency_p99),
            note: |now| ["p99 \u{b7} p50 ", &duration(now.latency_p50)].concat(),
            series: |past| {
                let of = |value: fn(&Numbers) -> Option<f64>| past.series(|now| value(now).unwrap_or(0.0));
                vec![
                    Series { class: "quiet", values: of(|now| now.latency_p99), line: false },
                    Series { class: "text", values: of(|now| now.latency_p50), line: true },
                ]
            },
        },
        Tile {
            name: "answered",
            label: text::ANSWERED,
            what: text::ANSWERED_WHAT,
            value: |now| {
                now.answered.map_or(text::NONE.to_owned(), |part| [&whole(part * 100.0), " %"].concat())
            },
            note: |now| [&decimal(now.offers), " offers a second"].concat(),
            series: |past| area("p2p", past, |now| now.answered.unwrap_or(0.0)),
        },
        Tile {
            name: "egress",
            label: text::EGRESS,
            what: text::EGRESS_WHAT,
            value: |now| units::rate(sum(&now.egress) as u64),
            note: |now| {
                let rate = |value: f64| units::rate(value as u64);
                parts(&now.egress, &[("http/1.1", "h1"), ("h2", "h2"), ("websocket", "ws")], rate)
            },
            series: |past| {
                let of = |class, name: &'static str| Series {
                    class,
                    values: past.series(|now| named(&now.egress, name)),
                    line: false,
                };
                let mut rest = of("quiet", "websocket");
                let more = ["opening", "udp"].map(|name| past.series(|now| named(&now.egress, name)));
                for values in more {
                    rest.values.iter_mut().zip(values).for_each(|(all, more)| *all += more);
                }
                vec![of("http1", "http/1.1"), of("http2", "h2"), rest]
            },
        },
        Tile {
            name: "between",
            label: text::BETWEEN,
            what: text::BETWEEN_WHAT,
            value: |now| units::rate(now.peer_rate),
            note: |now| text::moved(&units::bytes(now.peer_bytes), now.reporting),
            series: |past| area("p2p", past, |now| now.peer_rate as f64),
        },
        Tile {
            name: "streams",
            label: text::STREAMS,
            what: text::STREAMS_WHAT,
            value: |now| units::count(now.http_streams),
            note: |now| {
                [
                    "connections h1 ",
                    &units::count(now.http1_connections),
                    " \u{b7} h2 ",
                    &units::count(now.http2_connections),
                ]
                .concat()
            },
            series: |past| area("quiet", past, |now| now.http_streams as f64),
        },
        Tile {
            name: "sockets",
            label: text::SOCKETS,
            what: text::SOCKETS_WHAT,
            value: |now| units::count(now.web_sockets),
            note: |now| ["of ", &units::count(now.connections), " connections"].concat(),
            series: |past| area("quiet", past, |now| now.web_sockets as f64),
        },
        Tile {
            name: "errors",
            label: text::ERRORS,
            what: text::ERRORS_WHAT,
            value: |now| decimal(now.errors),
            note: |now| [&units::count(now.errors_total), " so far"].concat(),
            series: |past| area("error", past, |now| now.errors),
        },
    ]
    .into_iter()
}

fn area(class: &'static str, past: &Past, value: fn(&Numbers) -> f64) -> Vec<Series> {
    vec![Series { class, values: past.series(value), line: false }]
}

/// Each part that there is, with a short name.
fn parts(of: &[Named], names: &[(&str, &str)], show: impl Fn(f64) -> String) -> String {
    let part = |(name, short): &(&str, &str)| [short, " ", &show(named(of, name))].concat();
    names.iter().map(part).collect::<Vec<_>>().join(" \u{b7} ")
}

/// A rate with one digit where it is small.
fn decimal(value: f64) -> String {
    if value >= 10.0 || value == 0.0 {
        return units::count(value.round() as u64);
    }
    let tenths = (value * 10.0).round() as u64;
    [&(tenths / 10).to_string(), ".", &(tenths % 10).to_string()].concat()
}

fn whole(value: f64) -> String {
    (value.round() as u64).to_string()
}

/// Seconds, in microseconds or milliseconds.
fn duration(seconds: Option<f64>) -> String {
    let Some(seconds) = seconds else { return text::NONE.to_owned() };
    let micros = seconds * 1e6;
    if micros < 1_000.0 {
        [&whole(micros), "\u{a0}\u{b5}s"].concat()
    } else if micros < 1e6 {
        [&decimal(micros / 1e3), "\u{a0}ms"].concat()
    } else {
        [&decimal(seconds), "\u{a0}s"].concat()
    }
}

fn up_for(seconds: u64) -> String {
    ["up for ", &units::elapsed(seconds.saturating_mul(1_000))].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_rates_have_a_digit_and_durations_a_unit() {
        for (value, expected) in [(0.0, "0"), (0.04, "0.0"), (1.25, "1.3"), (9.96, "10.0"), (12.4, "12")] {
            assert_eq!(decimal(value), expected);
        }
        for (seconds, expected) in [
            (None, "\u{2013}"),
            (Some(0.000_015), "15\u{a0}\u{b5}s"),
            (Some(0.001_5), "1.5\u{a0}ms"),
            (Some(0.25), "250\u{a0}ms"),
            (Some(2.0), "2.0\u{a0}s"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }
}
