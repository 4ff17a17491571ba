//! The server beside the tracker: how they compare, lane by lane.

use std::fmt::Write as _;

use super::super::model::Report;
use super::super::plan::Size;
use super::svg::escape;
use super::{Row, figures, rows, rows_of};

/// One lane and size from both servers.
struct Both<'a> {
    ours: Row<'a>,
    theirs: Row<'a>,
}

impl Both<'_> {
    /// Goodput of ours over theirs.
    fn rate(&self) -> Option<f64> {
        Some(self.ours.goodput?.median / self.theirs.goodput?.median)
    }

    /// Name, size, both rates and their ratio, processor seconds of both servers for 10^9 bytes.
    fn cells(&self) -> [String; 7] {
        let dash = || "–".to_owned();
        let rate = |row: &Row<'_>| row.goodput.map_or_else(dash, |goodput| figures::rate(goodput.median));
        let server = |row: &Row<'_>| row.processor.map_or_else(dash, |(server, _)| format!("{server:.2}"));
        [
            self.ours.lane.title().to_owned(),
            Size(self.ours.size).to_string(),
            rate(&self.ours),
            rate(&self.theirs),
            self.rate().map_or_else(dash, |ratio| format!("{ratio:.2}")),
            server(&self.ours),
            server(&self.theirs),
        ]
    }
}

fn pairs(report: &Report) -> Vec<Both<'_>> {
    let mut ours = rows(report);
    let mut pairs = Vec::new();
    for theirs in rows_of(report, &report.beside) {
        let same = ours.iter().position(|row| (row.size, row.lane) == (theirs.size, theirs.lane));
        pairs.extend(same.map(|at| Both { ours: ours.swap_remove(at), theirs }));
    }
    pairs
}

fn heads(report: &Report) -> [String; 7] {
    let beside = report.environment.beside.as_deref().unwrap_or("nginx");
    let heads = ["lane", "size", "tracker", beside, "ratio", "CPU s/GB", "its CPU s/GB"];
    heads.map(str::to_owned)
}

pub(super) fn table(report: &Report) -> String {
    let pairs = pairs(report);
    let mut text = String::new();
    if pairs.is_empty() {
        return text;
    }
    text.push('\n');
    for cells in std::iter::once(heads(report)).chain(pairs.iter().map(Both::cells)) {
        let [lane, size, ours, theirs, ratio, processor, its] = cells;
        let _ = writeln!(
            text,
            "{lane:<19} {size:>9} {ours:>12} {theirs:>13} {ratio:>6} {processor:>10} {its:>13}"
        );
    }
    text
}

pub(super) fn section(page: &mut String, report: &Report) {
    let pairs = pairs(report);
    if pairs.is_empty() {
        return;
    }
    page.push_str("<section><h2>Beside another server</h2><p>The same files, certificate and core, for the same client: median goodput, and processor seconds of the server for 10⁹ bytes.</p><div class=\"wide\"><table><thead><tr>");
    for head in heads(report) {
        let _ = write!(page, "<th>{}</th>", escape(&head));
    }
    page.push_str("</tr></thead><tbody>");
    for pair in &pairs {
        page.push_str("<tr>");
        for (column, cell) in pair.cells().iter().enumerate() {
            let tag = if column == 0 { "th scope=\"row\"" } else { "td" };
            let end = if column == 0 { "th" } else { "td" };
            let _ = write!(page, "<{tag}>{}</{end}>", escape(cell));
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table></div></section>\n");
}

/// How the largest file compares, over each lane: a ratio only where the two can be told apart.
pub(super) fn sentence(report: &Report) -> Option<String> {
    let pairs = pairs(report);
    let largest = pairs.iter().map(|pair| pair.ours.size).max()?;
    let ratios: Vec<String> = pairs
        .iter()
        .filter(|pair| pair.ours.size == largest)
        .filter_map(|pair| {
            let (ratio, lane) = (pair.rate()?, pair.ours.lane.title());
            let differs = pair.ours.goodput?.differs(&pair.theirs.goodput?);
            let ratio = if differs {
                format!("{ratio:.2}")
            } else {
                "as much, as far as these runs can tell,".to_owned()
            };
            Some(format!("{ratio} over {lane}"))
        })
        .collect();
    if ratios.is_empty() {
        return None;
    }
    let beside = report.environment.beside.as_deref().unwrap_or("nginx");
    Some(format!("Of the rate of {beside} for {}, the tracker reaches {}.", Size(largest), ratios.join("; ")))
}
