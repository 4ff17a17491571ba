//! Many receivers: the table, and what it says.

use std::fmt::Write as _;

use super::super::model::{Mode, Receivers, Report};
use super::figures;

/// Shaped rates that belong together: one picture each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Case {
    pub(super) server_uplink: u64,
    pub(super) receiver_uplink: u64,
    pub(super) receiver_downlink: u64,
    pub(super) size: u64,
}

impl Case {
    pub(super) fn of(many: &Receivers) -> Self {
        let Receivers { server_uplink, receiver_uplink, receiver_downlink, size, .. } = *many;
        Self { server_uplink, receiver_uplink, receiver_downlink, size }
    }

    /// `u_s = u_i = 2.5 MB/s, d = 10 MB/s`.
    pub(super) fn title(&self) -> String {
        let uplinks = if self.server_uplink == self.receiver_uplink {
            format!("u_s = u_i = {}", figures::rate(self.server_uplink as f64))
        } else {
            let times = self.server_uplink as f64 / self.receiver_uplink.max(1) as f64;
            format!("u_s = {} = {times:.0} u_i", figures::rate(self.server_uplink as f64))
        };
        format!(
            "{}: {uplinks}, d = {}",
            figures::bytes(self.size as f64),
            figures::rate(self.receiver_downlink as f64)
        )
    }
}

/// All cases, each with its measurements by mode, lane and number.
pub(super) fn cases(report: &Report) -> Vec<(Case, Vec<&Receivers>)> {
    let mut cases: Vec<Case> = report.receivers.iter().map(Case::of).collect();
    cases.sort_unstable();
    cases.dedup();
    let of = |case: Case| {
        let mut list: Vec<&Receivers> =
            report.receivers.iter().filter(|many| Case::of(many) == case).collect();
        list.sort_by_key(|many| (many.mode, many.lane, many.n));
        (case, list)
    };
    cases.into_iter().map(of).collect()
}

pub(super) fn table(report: &Report) -> String {
    let mut text = String::new();
    for (case, list) in cases(report) {
        let _ = writeln!(
            text,
            "\n{}\n{:<14} {:<19} {:>3} {:>9} {:>9} {:>9} {:>6} {:>8}",
            case.title(),
            "mode",
            "lane",
            "N",
            "last",
            "median",
            "bound",
            "×bound",
            "copies"
        );
        for many in list {
            let show =
                |figure: Option<f64>, how: fn(f64) -> String| figure.map_or_else(|| "–".to_owned(), how);
            let _ = writeln!(
                text,
                "{:<14} {:<19} {:>3} {:>9} {:>9} {:>9} {:>6} {:>8}",
                many.mode.name(),
                many.lane.title(),
                many.n,
                show(many.seconds_last, figures::seconds),
                show(many.seconds_median, figures::seconds),
                figures::seconds(many.bound_seconds),
                show(many.over_bound(), |ratio| format!("{ratio:.2}")),
                show(many.copies(), |copies| format!("{copies:.2}")),
            );
        }
    }
    text
}

/// What the largest number of receivers says, a sentence for each case.
pub(super) fn sentences(report: &Report) -> Vec<String> {
    let mut sentences = Vec::new();
    for (case, list) in cases(report) {
        let good = |mode| list.iter().copied().filter(move |many| many.mode == mode && many.ok);
        let most = good(Mode::P2p).map(|many| many.n).max();
        let Some(n) = most else { continue };
        let server = good(Mode::ClientServer).find(|many| many.n == n);
        let mut text = format!("{n} receivers ({})", case.title());
        if let Some((many, seconds)) = server.and_then(|many| Some((many, many.seconds_last?))) {
            let copies = many.copies().unwrap_or_default();
            let _ = write!(
                text,
                ": {} takes {} and {copies:.1} copies from the server",
                many.lane.title(),
                figures::seconds(seconds)
            );
        }
        for many in good(Mode::P2p).filter(|many| many.n == n) {
            let (Some(seconds), Some(ratio), Some(copies)) =
                (many.seconds_last, many.over_bound(), many.copies())
            else {
                continue;
            };
            let _ = write!(
                text,
                "; {} {} ({ratio:.2} times the bound) and {copies:.1} copies",
                many.lane.title(),
                figures::seconds(seconds)
            );
        }
        sentences.push(text + ".");
    }
    sentences
}
