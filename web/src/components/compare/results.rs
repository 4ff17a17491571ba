//! What a comparison found: the table, what was on the wire, what it comes to, and the export.

use leptos::prelude::*;

use super::LaneBadge;
use crate::compare::model::{Lane, Report};
use crate::compare::race::{Race, Stage};
use crate::compare::verdict::{self, overhead, rate};
use crate::compare::wire::Wire;
use crate::text::compare as text;
use crate::units;
use shared::statistics::Summary;

/// Everything below the race, as soon as there is a run.
#[component]
pub fn Results(race: Race) -> impl IntoView {
    let report = Memo::new(move |_| race.report.get().filter(|report| !report.runs.is_empty()));
    let over = move || race.stage.get() == Stage::Idle;
    view! {
        <Show when=move || report.with(Option::is_some)>
            <section class="results" data-testid="compare-results">
                {move || report.get().map(|report| view! { <Tables report=report.clone()/> <Show when=over><Words report=report.clone()/></Show> })}
                <div class="buttons">
                    <button type="button" data-testid="compare-json" on:click=move |_| save(&report, "comparison.json", "application/json", Report::to_json)>{text::EXPORT_JSON}</button>
                    <button type="button" data-testid="compare-csv" on:click=move |_| save(&report, "comparison.csv", "text/csv", Report::to_csv)>{text::EXPORT_CSV}</button>
                </div>
            </section>
        </Show>
    }
}

fn lanes(report: &Report) -> Vec<Lane> {
    Lane::ALL.into_iter().filter(|lane| report.runs.iter().any(|run| run.lane == *lane)).collect()
}

#[component]
fn Tables(report: Report) -> impl IntoView {
    let rows = lanes(&report).into_iter().map(|lane| row(&report, lane)).collect::<Vec<_>>();
    let wires: Vec<_> =
        lanes(&report).into_iter().filter_map(|lane| Some((lane, wire(&report, lane)?))).collect();
    let many = (!report.receivers.is_empty()).then(|| many(&report));
    let head = [
        text::COL_RUNS,
        text::COL_TIME,
        text::COL_TTFB,
        text::COL_GOODPUT,
        text::COL_OVERHEAD,
        text::COL_EGRESS,
    ];
    view! {
        <section class="panel">
            <h2>{text::RESULTS}</h2>
            <div class="scroll" tabindex="0"><table class="figures-table" data-testid="compare-table">
                <thead><tr><th scope="col">{text::COL_LANE}</th>{head.map(|name| view! { <th scope="col" class="number">{name}</th> }).into_iter().collect::<Vec<_>>()}</tr></thead>
                <tbody>{rows}</tbody>
            </table></div>
        </section>
        {many}
        {(!wires.is_empty()).then(|| overheads(wires))}
    }
}

fn row(report: &Report, lane: Lane) -> impl IntoView + use<> {
    let all = report.runs.iter().filter(|run| run.lane == lane).count();
    let good: Vec<_> = report.good(lane).collect();
    let runs = [&good.len().to_string(), "/", &all.to_string()].concat();
    let time = Summary::of(good.iter().map(|run| run.outcome.seconds));
    let first = Summary::of(good.iter().filter_map(|run| run.outcome.ttfb_seconds));
    let egress =
        Summary::of(good.iter().filter_map(|run| run.outcome.server_egress.map(|bytes| bytes as f64)));
    let failure = report.runs.iter().filter(|run| run.lane == lane).find_map(|run| run.outcome.error.clone());
    let wire = wire(report, lane);
    let cells = [
        interval(time, text::seconds),
        interval(first, text::seconds),
        interval(rate(report, lane), |rate| units::rate(rate as u64)),
        interval(overhead(report, lane), text::percent),
        interval(egress, |bytes| units::bytes(bytes as u64)),
    ];
    let modelled =
        wire.is_some_and(|wire| !wire.measured).then(|| view! { <small>{text::MODELLED_MARK}</small> });
    view! {
        <tr data-testid="compare-row" data-lane=lane.name() data-ok=good.len().to_string()>
            <th scope="row"><LaneBadge lane/> {modelled} {failure.map(|reason| view! { <small class="failure">{reason}</small> })}</th>
            <td class="number">{runs}</td>
            {cells.map(|(median, range)| view! { <td class="number">{median}<small class="range">{range}</small></td> }).into_iter().collect::<Vec<_>>()}
        </tr>
    }
}

/// Median, and the interval below it.
fn interval(summary: Option<Summary>, words: impl Fn(f64) -> String) -> (String, String) {
    match summary {
        None => (text::UNKNOWN.to_owned(), String::new()),
        Some(one) if one.n == 1 => (words(one.median), String::new()),
        Some(one) => (words(one.median), [&words(one.low), " \u{2013} ", &words(one.high)].concat()),
    }
}

/// The run in the middle by its overhead stands for the way.
fn wire(report: &Report, lane: Lane) -> Option<Wire> {
    let mut wires: Vec<Wire> = report.good(lane).filter_map(|run| run.outcome.wire).collect();
    wires.sort_by_key(Wire::sum);
    wires.get(wires.len() / 2).copied()
}

fn many(report: &Report) -> impl IntoView + use<> {
    let size = report.runs.first().map_or(1, |run| run.size.max(1)) as f64;
    let rows = lanes(report).into_iter().filter_map(|lane| {
        let these: Vec<_> = report.receivers.iter().filter(|many| many.lane == lane).collect();
        let n = these.last()?.n;
        let last = Summary::of(these.iter().filter_map(|many| many.seconds_last));
        let half = Summary::of(these.iter().filter_map(|many| many.seconds_median));
        let egress = Summary::of(these.iter().filter_map(|many| many.server_egress.map(|bytes| bytes as f64 / size)));
        let cells = [interval(last, text::seconds), interval(half, text::seconds), interval(egress, text::tenths)];
        Some(view! {
            <tr>
                <th scope="row"><LaneBadge lane/></th><td class="number">{n.to_string()}</td>
                {cells.map(|(median, range)| view! { <td class="number">{median}<small class="range">{range}</small></td> }).into_iter().collect::<Vec<_>>()}
            </tr>
        })
    });
    let head = [text::COL_N, text::COL_LAST, text::COL_MEDIAN, text::COL_COPIES];
    view! {
        <section class="panel">
            <h2>{text::MANY}</h2>
            <div class="scroll" tabindex="0"><table data-testid="compare-many">
                <thead><tr><th scope="col">{text::COL_LANE}</th>{head.map(|name| view! { <th scope="col" class="number">{name}</th> }).into_iter().collect::<Vec<_>>()}</tr></thead>
                <tbody>{rows.collect::<Vec<_>>()}</tbody>
            </table></div>
        </section>
    }
}

/// A bar for each way, to one scale, and the same in figures.
fn overheads(wires: Vec<(Lane, Wire)>) -> impl IntoView {
    let most = wires.iter().filter_map(|(_, wire)| wire.overhead()).fold(f64::MIN_POSITIVE, f64::max);
    let rows = wires.into_iter().map(|(lane, wire)| {
        let parts = wire.parts();
        let of_payload = |bytes: u64| bytes as f64 / wire.payload.max(1) as f64;
        let mut x = 0.0;
        let bars = parts[1..].iter().enumerate().map(|(at, bytes)| {
            let width = of_payload(*bytes) / most * 100.0;
            let bar = view! { <rect class=["part part-", &at.to_string()].concat() x=text::tenths(x) width=text::tenths(width) height="10"></rect> };
            x += width;
            bar
        });
        let bars = bars.collect::<Vec<_>>();
        let cells = parts[1..].iter().map(|bytes| view! { <td class="number">{text::percent(of_payload(*bytes))}</td> });
        view! {
            <tr>
                <th scope="row"><LaneBadge lane/></th>
                <td class="bar-cell"><svg class=["parts lane ", lane.name()].concat() viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{bars}</svg></td>
                {cells.collect::<Vec<_>>()}
                <td class="number">{if wire.measured { String::new() } else { text::MODELLED_MARK.to_owned() }}</td>
            </tr>
        }
    });
    let head = text::WIRE_PARTS.iter().enumerate().map(|(at, name)| {
        view! { <th scope="col" class="number"><i class=["key part-", &at.to_string()].concat() aria-hidden="true"></i>{*name}</th> }
    });
    view! {
        <section class="panel">
            <h2>{text::WIRE}</h2>
            <div class="scroll" tabindex="0"><table class="wire" data-testid="compare-wire">
                <thead><tr><th scope="col">{text::COL_LANE}</th><td></td>{head.collect::<Vec<_>>()}<td></td></tr></thead>
                <tbody>{rows.collect::<Vec<_>>()}</tbody>
            </table></div>
        </section>
    }
}

#[component]
fn Words(report: Report) -> impl IntoView {
    let list =
        |sentences: Vec<String>| sentences.into_iter().map(|it| view! { <li>{it}</li> }).collect::<Vec<_>>();
    let environment = report.environment.clone();
    let said = verdict::verdict(&report);
    view! {
        {(!said.is_empty()).then(|| view! { <section class="panel verdict" data-testid="compare-verdict"><h2>{text::VERDICT}</h2><ul>{list(said)}</ul></section> })}
        <section class="panel verdict"><h2>{text::CAVEATS}</h2><ul>{list(environment.caveats)}</ul></section>
        <details class="panel verdict"><summary>{text::EQUAL}</summary><ul>{list(environment.held_equal)} {list(environment.modelled)}</ul></details>
    }
}

/// Saves text by the browser's own download.
fn save(report: &Memo<Option<Report>>, name: &str, kind: &str, write: impl Fn(&Report) -> String) {
    let Some(text) = report.with_untracked(|report| report.as_ref().map(write)) else { return };
    let options = web_sys::BlobPropertyBag::new();
    options.set_type(kind);
    let parts = js_sys::Array::of1(&text.into());
    let Ok(blob) = web_sys::Blob::new_with_str_sequence_and_options(&parts, &options) else { return };
    if let Err(error) = crate::client::download(name, &blob) {
        leptos::logging::error!("{name}: {error}");
    }
}
