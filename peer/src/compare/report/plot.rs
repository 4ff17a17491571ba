//! The pictures of the report.

use super::super::model::{Lane, Mode, Receivers};
use super::super::plan::Size;
use super::receivers::Case;
use super::svg::{Anchor, Drawing, marks};
use super::{Row, figures};
use shared::statistics::Summary;

const WIDTH: f64 = 720.0;
/// Left of it stand names, right of the plot figures.
const LEFT: f64 = 150.0;
const RIGHT: f64 = 610.0;
const LINE: f64 = 34.0;
const TOP: f64 = 12.0;

/// Height of the pictures of many receivers.
const HEIGHT: f64 = 300.0;

/// Class of a lane's hue: one for each path, the same everywhere.
const fn hue(lane: Lane) -> &'static str {
    match lane {
        Lane::Http1 | Lane::Http1Tls => "h1",
        Lane::H2c | Lane::Http2 => "h2",
        Lane::BtTcp | Lane::BtWebRtc => "p2p",
        Lane::Hybrid => "hybrid",
    }
}

/// The letter that stands for the hue where it is not seen, and an asterisk where bytes are encrypted.
pub(super) const fn letter(lane: Lane) -> &'static str {
    match lane {
        Lane::Http1 => "1",
        Lane::Http1Tls => "1*",
        Lane::H2c => "2",
        Lane::Http2 => "2*",
        Lane::BtTcp => "P",
        Lane::BtWebRtc => "P*",
        Lane::Hybrid => "H",
    }
}

/// One figure of each lane: every run a point, the median a tick, its interval a bar.
pub(super) fn points(
    id: &str,
    title: &str,
    rows: &[&Row<'_>],
    of: fn(&super::Run) -> Option<f64>,
    show: fn(f64) -> String,
) -> String {
    let values: Vec<(&Row<'_>, Vec<f64>)> =
        rows.iter().map(|row| (*row, row.completed.iter().filter_map(|run| of(run)).collect())).collect();
    let most = values.iter().flat_map(|(_, list)| list.iter().copied()).fold(0.0, f64::max);
    let marks = marks(most);
    let x = |value: f64| LEFT + value / marks[marks.len() - 1] * (RIGHT - LEFT);
    let bottom = TOP + LINE * rows.len() as f64;
    let mut drawing = Drawing::new(WIDTH, bottom + 26.0);
    axis(&mut drawing, &marks, x, bottom, show);
    let mut spoken = Vec::new();
    for (number, (row, list)) in values.iter().enumerate() {
        let y = TOP + LINE * (number as f64 + 0.5);
        let class = hue(row.lane);
        name(&mut drawing, row.lane, y);
        for value in list {
            drawing.circle(&format!("raw {class}"), (x(*value), y), 3.5, &show(*value));
        }
        let Some(Summary { median, low, high, .. }) = Summary::of(list.iter().copied()) else { continue };
        drawing.line(&format!("interval {class}"), (x(low), y), (x(high), y));
        drawing.line(&format!("median {class}"), (x(median), y - 10.0), (x(median), y + 10.0));
        drawing.text("figure", (WIDTH - 4.0, y + 4.5), Anchor::End, &show(median));
        spoken.push(format!(
            "{}: median {}, interval {} to {}, {} runs",
            row.lane.title(),
            show(median),
            show(low),
            show(high),
            list.len()
        ));
    }
    drawing.finish(id, title, &spoken.join("; "))
}

/// What is on the wire beside the content, layer by layer, as shares of it.
pub(super) fn overhead(id: &str, title: &str, rows: &[&Row<'_>]) -> String {
    let total = |row: &Row<'_>| row.shares.iter().map(|(_, share)| share).sum::<f64>();
    let most = rows.iter().map(|row| total(row)).fold(0.0, f64::max);
    let marks = marks(most);
    let x = |value: f64| LEFT + value / marks[marks.len() - 1] * (RIGHT - LEFT);
    let bottom = TOP + LINE * rows.len() as f64;
    let mut drawing = Drawing::new(WIDTH, bottom + 26.0);
    axis(&mut drawing, &marks, x, bottom, figures::percent);
    let mut spoken = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let y = TOP + LINE * number as f64 + 6.0;
        name(&mut drawing, row.lane, y + 11.0);
        let mut from = 0.0;
        for (part, (layer, share)) in row.shares.iter().enumerate() {
            let label = format!("{}: {layer} {}", row.lane.title(), figures::percent(*share));
            let width = x(from + share) - x(from);
            drawing.rectangle(&format!("part part{part}"), (x(from), y), (width, LINE - 12.0), &label);
            from += share;
            spoken.push(label);
        }
        drawing.text("figure", (WIDTH - 4.0, y + 15.5), Anchor::End, &figures::percent(from));
    }
    drawing.finish(id, title, &spoken.join("; "))
}

/// A series of one mode and lane over the number of receivers.
struct Series<'a> {
    class: String,
    label: String,
    many: Vec<&'a Receivers>,
}

/// Completion time over the number of receivers, with the bounds.
pub(super) fn completion(id: &str, case: &Case, list: &[&Receivers]) -> String {
    let title = format!("Seconds until every receiver has the file, {}", case.title());
    let bounds =
        |mode| list.iter().filter(move |many| many.mode == mode).map(|many| (many.n, many.bound_seconds));
    let dashed: Vec<(&str, Vec<(u32, f64)>)> =
        vec![("D_cs", bounds(Mode::ClientServer).collect()), ("D_p2p", bounds(Mode::P2p).collect())];
    over_receivers(id, &title, list, |many| many.seconds_last, figures::seconds, &dashed)
}

/// What the server sends, in copies of the file, over the number of receivers.
pub(super) fn egress(id: &str, case: &Case, list: &[&Receivers]) -> String {
    let title = format!("Copies of the file that the server sends, {}", case.title());
    over_receivers(id, &title, list, Receivers::copies, |copies| format!("{copies:.1}"), &[])
}

fn over_receivers(
    id: &str,
    title: &str,
    list: &[&Receivers],
    of: fn(&Receivers) -> Option<f64>,
    show: fn(f64) -> String,
    dashed: &[(&str, Vec<(u32, f64)>)],
) -> String {
    const LEFT: f64 = 64.0;
    const RIGHT: f64 = 560.0;
    const BOTTOM: f64 = HEIGHT - 40.0;
    let largest = f64::from(list.iter().map(|many| many.n).max().unwrap_or(1).max(2));
    let bounds = dashed.iter().flat_map(|(_, points)| points.iter().map(|(_, value)| *value));
    let most = list.iter().filter_map(|many| of(many)).chain(bounds).fold(0.0, f64::max);
    let marks = marks(most);
    let x = |n: u32| LEFT + (f64::from(n) - 1.0) / (largest - 1.0) * (RIGHT - LEFT);
    let y = |value: f64| BOTTOM - value / marks[marks.len() - 1] * (BOTTOM - TOP);
    let mut drawing = Drawing::new(WIDTH, HEIGHT);
    for mark in &marks {
        drawing.line("grid", (LEFT, y(*mark)), (RIGHT, y(*mark)));
        drawing.text("axis", (LEFT - 8.0, y(*mark) + 4.0), Anchor::End, &at_mark(*mark, show));
    }
    let mut numbers: Vec<u32> = list.iter().map(|many| many.n).collect();
    numbers.sort_unstable();
    numbers.dedup();
    for n in numbers {
        drawing.text("axis", (x(n), BOTTOM + 18.0), Anchor::Middle, &n.to_string());
    }
    drawing.text("axis", (f64::midpoint(LEFT, RIGHT), HEIGHT - 4.0), Anchor::Middle, "receivers");
    let mut labels = Vec::new();
    for (label, points) in dashed {
        let mut points: Vec<(u32, f64)> = points.clone();
        points.sort_by_key(|(n, _)| *n);
        points.dedup_by_key(|(n, _)| *n);
        let line: Vec<_> = points.iter().map(|(n, value)| (x(*n), y(*value))).collect();
        drawing.path("bound", &line);
        labels.extend(line.last().map(|last| (last.1, "bound-label".to_owned(), format!("{label}, bound"))));
    }
    let mut spoken = Vec::new();
    for series in series(list) {
        let class = &series.class;
        let points: Vec<(&Receivers, f64)> =
            series.many.iter().filter_map(|many| Some((*many, of(many)?))).collect();
        let line: Vec<_> = points.iter().map(|(many, value)| (x(many.n), y(*value))).collect();
        drawing.path(&format!("line {class}"), &line);
        for (many, value) in &points {
            let label = format!("{}, {} receivers: {}", series.label, many.n, show(*value));
            drawing.circle(&format!("dot {class}"), (x(many.n), y(*value)), 5.0, &label);
            spoken.push(label);
        }
        labels.extend(line.last().map(|last| (last.1, class.clone(), series.label.clone())));
    }
    for (at, class, label) in apart(labels) {
        drawing.text(&format!("series {class}"), (RIGHT + 12.0, at + 4.0), Anchor::Start, &label);
    }
    drawing.finish(id, title, &spoken.join("; "))
}

fn series<'a>(list: &[&'a Receivers]) -> Vec<Series<'a>> {
    let mut keys: Vec<(Mode, Lane)> = list.iter().map(|many| (many.mode, many.lane)).collect();
    keys.sort_unstable();
    keys.dedup();
    let of = |(mode, lane): (Mode, Lane)| Series {
        class: format!("{}{}", hue(lane), if lane.is_encrypted() { " hollow" } else { "" }),
        label: format!("{} {}", letter(lane), lane.title()),
        many: list.iter().copied().filter(|many| (many.mode, many.lane) == (mode, lane)).collect(),
    };
    keys.into_iter().map(of).collect()
}

/// Moves labels down until none stands on another.
fn apart(mut labels: Vec<(f64, String, String)>) -> Vec<(f64, String, String)> {
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = f64::MIN;
    for label in &mut labels {
        label.0 = label.0.max(free);
        free = label.0 + 16.0;
    }
    labels
}

fn name(drawing: &mut Drawing, lane: Lane, y: f64) {
    drawing.text(&format!("letter {}", hue(lane)), (14.0, y + 4.5), Anchor::Middle, letter(lane));
    drawing.text("name", (28.0, y + 4.5), Anchor::Start, lane.title());
}

fn axis(drawing: &mut Drawing, marks: &[f64], x: impl Fn(f64) -> f64, bottom: f64, show: fn(f64) -> String) {
    for mark in marks {
        drawing.line("grid", (x(*mark), TOP), (x(*mark), bottom));
        drawing.text("axis", (x(*mark), bottom + 16.0), Anchor::Middle, &at_mark(*mark, show));
    }
}

/// Nothing needs no unit.
fn at_mark(mark: f64, show: fn(f64) -> String) -> String {
    if mark == 0.0 { "0".to_owned() } else { show(mark) }
}

/// A size as a title.
pub(super) fn size_title(size: u64, parallel: u32) -> String {
    if parallel > 1 { format!("{} × {parallel}", Size(size)) } else { Size(size).to_string() }
}
