//! A report as text: for the terminal, for a spreadsheet, for a browser. Pure functions of [`Report`].
//!
//! `--json` is the report itself, see [`super::model`].

mod beside;
mod figures;
mod html;
mod plot;
mod receivers;
mod svg;
mod verdict;

use std::fmt::Write as _;

use super::model::{Lane, Receivers, Report, Run, Site};
use super::plan::Size;
use shared::statistics::{Summary, median};

pub use self::html::html;

/// All runs of one lane and size.
#[derive(Clone, Debug)]
struct Row<'a> {
    lane: Lane,
    size: u64,
    /// Transfers that were made, and those of them that were good.
    made: usize,
    completed: Vec<&'a Run>,
    goodput: Option<Summary>,
    seconds: Option<Summary>,
    first_byte: Option<Summary>,
    /// Bytes on the wire over bytes of content.
    overhead: Option<Summary>,
    /// Median bytes of each layer beside the content, over bytes of content, in the order of [`super::model::Wire::parts`].
    shares: Vec<(&'static str, f64)>,
    /// Median bytes that were sent again.
    retransmits: Option<f64>,
    /// Median bytes that the server sent.
    egress: Option<f64>,
    /// Processor seconds for 10^9 bytes of content, both sides.
    processor: Option<(f64, f64)>,
}

impl Row<'_> {
    fn is_measured(&self) -> bool {
        self.completed.iter().all(|run| run.wire.is_some_and(|wire| wire.measured))
    }
}

/// Rows by size, and in a size by lane.
fn rows(report: &Report) -> Vec<Row<'_>> {
    rows_of(report, &report.runs)
}

fn rows_of<'a>(report: &Report, runs: &'a [Run]) -> Vec<Row<'a>> {
    let mut keys: Vec<(u64, Lane)> = runs.iter().map(|run| (run.size, run.lane)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter().map(|(size, lane)| row(report.environment.parallel, runs, size, lane)).collect()
}

fn row(parallel: u32, all: &[Run], size: u64, lane: Lane) -> Row<'_> {
    let runs = || all.iter().filter(move |run| (run.size, run.lane) == (size, lane));
    let completed: Vec<&Run> = runs().filter(|run| run.ok).collect();
    let figures = |of: &dyn Fn(&Run) -> Option<f64>| -> Vec<f64> {
        completed.iter().filter_map(|run| of(run)).collect()
    };
    let content = (size * u64::from(parallel.max(1))) as f64;
    let wires: Vec<_> = completed.iter().filter_map(|run| run.wire).collect();
    let shares = wires.first().map_or(Vec::new(), |first| {
        let names = first.parts().into_iter().enumerate().skip(1);
        names
            .filter_map(|(part, (name, _))| {
                let bytes: Vec<f64> = wires.iter().map(|wire| wire.parts()[part].1 as f64).collect();
                Some((name, median(&bytes)? / content))
            })
            .collect()
    });
    let server = median(&figures(&|run| Some(run.cpu_seconds?.server)));
    let client = median(&figures(&|run| Some(run.cpu_seconds?.client)));
    Row {
        lane,
        size,
        made: runs().count(),
        goodput: Summary::of(figures(&|run| run.goodput)),
        seconds: Summary::of(figures(&|run| run.seconds)),
        first_byte: Summary::of(figures(&|run| run.ttfb_seconds)),
        overhead: Summary::of(figures(&|run| Some(run.wire?.link as f64 / content))),
        shares,
        retransmits: median(&figures(&|run| Some(run.wire?.retransmits as f64))),
        egress: median(&figures(&|run| Some(run.server_egress? as f64))),
        processor: server
            .zip(client)
            .map(|(server, client)| (server * 1e9 / content, client * 1e9 / content)),
        completed,
    }
}

/// What the intervals of these rows are.
fn spread<'a>(rows: impl Iterator<Item = &'a Row<'a>>) -> &'static str {
    let known: Vec<bool> = rows.filter_map(|row| Some(row.goodput?.is_interval())).collect();
    match (known.contains(&true), known.contains(&false)) {
        (true, true) => "95 % interval, or of their range with fewer than six runs",
        (true, false) => "95 % interval",
        _ => "range (fewer than six runs have no 95 % interval)",
    }
}

/// For the terminal.
pub fn table(report: &Report) -> String {
    let rows = rows(report);
    let mut text = String::new();
    let mut size = None;
    for row in &rows {
        if size != Some(row.size) {
            size = Some(row.size);
            heading(&mut text, row, report.environment.parallel);
        }
        line(&mut text, row);
    }
    if !rows.is_empty() {
        let measured = rows.iter().all(Row::is_measured);
        let how = if measured { "counted on the link" } else { "below TLS modelled, not measured" };
        let _ = writeln!(
            text,
            "\nMedians; ± is half of their {}. Wire: all bytes in both directions over bytes of content, {how}.",
            spread(rows.iter())
        );
    }
    text.push_str(&beside::table(report));
    text.push_str(&receivers::table(report));
    for sentence in verdict::sentences(report, &rows) {
        let _ = writeln!(text, "{sentence}");
    }
    text
}

fn heading(text: &mut String, row: &Row<'_>, parallel: u32) {
    let times = if parallel > 1 { format!(" × {parallel}") } else { String::new() };
    let title = format!("{}{times}", Size(row.size));
    let _ = writeln!(
        text,
        "\n{title:<19} {:>9} {:>11} {:>7} {:>10} {:>10} {:>8} {:>10} {:>13}",
        "Completed", "goodput", "±", "time", "first byte", "wire", "egress", "CPU s/GB s+c"
    );
}

fn line(text: &mut String, row: &Row<'_>) {
    let completed = format!("{}/{}", row.completed.len(), row.made);
    let show = |figure: Option<f64>, how: fn(f64) -> String| figure.map_or_else(|| "–".to_owned(), how);
    let median = |summary: Option<Summary>| summary.map(|summary| summary.median);
    let several = row.goodput.filter(|goodput| goodput.n > 1);
    let spread = several.map(|goodput| (goodput.high - goodput.low) / 2.0 / goodput.median);
    let processor =
        row.processor.map_or_else(|| "–".to_owned(), |(server, client)| format!("{server:.2}+{client:.2}"));
    let _ = writeln!(
        text,
        "{:<19} {completed:>9} {:>11} {:>7} {:>10} {:>10} {:>8} {:>10} {processor:>13}",
        row.lane.title(),
        show(median(row.goodput), figures::rate),
        show(spread, |share| format!("{:.0} %", share * 100.0)),
        show(median(row.seconds), figures::seconds),
        show(median(row.first_byte), figures::seconds),
        show(median(row.overhead), |overhead| format!("{overhead:.4}")),
        show(row.egress, figures::bytes),
    );
}

/// The columns of [`csv`].
const COLUMNS: [&str; 33] = [
    "kind",
    "lane",
    "mode",
    "n",
    "size",
    "run",
    "ok",
    "seconds",
    "ttfb_seconds",
    "goodput",
    "server_egress",
    "cpu_server",
    "cpu_client",
    "payload",
    "application",
    "security",
    "transport",
    "network",
    "link_layer",
    "retransmits",
    "sum",
    "link",
    "sent",
    "received",
    "measured",
    "seconds_median",
    "bound_seconds",
    "pieces",
    "error",
    "site",
    "server_uplink",
    "receiver_uplink",
    "receiver_downlink",
];

/// For a spreadsheet: RFC 4180, a line for each transfer, to one receiver (`run`) or to many (`receivers`).
pub fn csv(report: &Report) -> String {
    let mut text = COLUMNS.join(",") + "\r\n";
    for (site, runs) in [(Site::Tracker, &report.runs), (Site::Nginx, &report.beside)] {
        for run in runs {
            push_line(&mut text, &one(site, run));
        }
    }
    for many in &report.receivers {
        push_line(&mut text, &to_many(many));
    }
    text
}

fn one(site: Site, run: &Run) -> Vec<String> {
    let wire = run.wire.map(|wire| {
        let mut values: Vec<String> = wire.parts().iter().map(|(_, bytes)| bytes.to_string()).collect();
        values
            .extend([wire.retransmits, wire.sum, wire.link, wire.sent, wire.received].map(|v| v.to_string()));
        values.push(wire.measured.to_string());
        values
    });
    let mut cells = vec!["run".to_owned(), run.lane.to_string(), String::new(), String::new()];
    cells.extend([run.size.to_string(), run.run.to_string(), run.ok.to_string()]);
    cells.extend([run.seconds, run.ttfb_seconds, run.goodput].map(known));
    cells.push(known(run.server_egress));
    let cpu = run.cpu_seconds;
    cells.extend([cpu.map(|cpu| cpu.server), cpu.map(|cpu| cpu.client)].map(known));
    cells.extend(wire.unwrap_or_else(|| vec![String::new(); 12]));
    cells.extend([String::new(), String::new(), String::new(), run.error.clone().unwrap_or_default()]);
    cells.extend([site.name().to_owned(), String::new(), String::new(), String::new()]);
    cells
}

fn to_many(many: &Receivers) -> Vec<String> {
    let mut cells = vec!["receivers".to_owned(), many.lane.to_string(), many.mode.name().to_owned()];
    cells.extend([many.n.to_string(), many.size.to_string(), String::new(), many.ok.to_string()]);
    cells.extend([known(many.seconds_last), String::new(), String::new(), known(many.server_egress)]);
    cells.extend(std::iter::repeat_n(String::new(), 14));
    cells.extend([known(many.seconds_median), many.bound_seconds.to_string(), many.pieces.to_string()]);
    cells.extend([many.error.clone().unwrap_or_default(), Site::Tracker.name().to_owned()]);
    cells.extend([many.server_uplink, many.receiver_uplink, many.receiver_downlink].map(|v| v.to_string()));
    cells
}

fn known(figure: Option<impl ToString>) -> String {
    figure.map(|figure| figure.to_string()).unwrap_or_default()
}

fn push_line(text: &mut String, cells: &[String]) {
    let quoted: Vec<String> = cells.iter().map(|cell| quote(cell)).collect();
    text.push_str(&quoted.join(","));
    text.push_str("\r\n");
}

fn quote(cell: &str) -> String {
    if cell.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests;
