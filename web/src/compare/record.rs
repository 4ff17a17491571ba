//! Enters what came of transfers into a report.

use super::model::{Environment, Lane, Outcome, Receivers, Report, Run};
use super::race::Source;
use crate::document;
use crate::platform::scope;
use crate::text::compare as text;
use shared::statistics::Summary;

/// Where and how a comparison of this file is measured.
pub(super) fn environment(source: &Source, together: bool) -> Environment {
    let navigator = document::window().navigator();
    Environment {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: (js_sys::Date::now() / 1_000.0) as u64,
        system: navigator.user_agent().unwrap_or_default(),
        cores: scope::hardware_concurrency(),
        server: document::origin(),
        file: source.name().to_owned(),
        together,
        held_equal: text::HELD_EQUAL.map(str::to_owned).to_vec(),
        modelled: [
            text::MODELLED_HEADERS,
            text::MODELLED_DTLS,
            text::MODELLED_FRAMING,
            text::MODELLED_SHARED,
            text::MODELLED_GIVEN,
            text::MODELLED_PACKETS,
        ]
        .map(str::to_owned)
        .to_vec(),
        caveats: Vec::new(),
    }
}

/// Enters what came of one way to `n` receivers.
pub(super) fn enter(
    report: &mut Report,
    (lane, size, run): (Lane, u64, u32),
    n: u32,
    outcomes: Vec<Outcome>,
) {
    if n > 1 {
        let good = outcomes.iter().all(|outcome| outcome.error.is_none());
        let mut seconds: Vec<f64> = outcomes.iter().map(|outcome| outcome.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let half = Summary::of(seconds.iter().copied()).map(|summary| summary.median);
        let egress = outcomes.iter().map(|outcome| outcome.server_egress).sum();
        report.receivers.push(Receivers {
            lane,
            n,
            seconds_last: seconds.last().copied().filter(|_| good),
            seconds_median: half.filter(|_| good),
            server_egress: egress,
        });
    }
    report.runs.extend(outcomes.into_iter().map(|outcome| Run { lane, size, run, outcome }));
}

/// What is to be kept in mind when reading it.
pub(super) fn caveats(report: &Report) -> Vec<String> {
    let ran = |lane| report.runs.iter().any(|run| run.lane == lane);
    let few = Lane::ALL.into_iter().any(|lane| ran(lane) && report.good(lane).count() < 6);
    let host = document::hostname();
    let loopback = host == "localhost" || host.starts_with("127.") || host == "[::1]";
    let p2p = ran(Lane::P2p) || ran(Lane::Hybrid);
    let idle = report.good(Lane::Hybrid).next().is_some()
        && report.good(Lane::Hybrid).all(|run| run.outcome.server_egress == Some(0));
    let several = !report.receivers.is_empty();
    let conditions = [
        (loopback, text::LOOPBACK),
        (few, text::FEW_RUNS),
        (report.environment.together, text::SAME_TIME),
        (p2p, text::P2P_WORKS_MORE),
        (p2p, text::SEED_SHARES),
        (idle, text::WEB_SEED_IDLE),
        (several, text::ONE_MACHINE),
    ];
    conditions.into_iter().filter(|(holds, _)| *holds).map(|(_, text)| text.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_receivers_are_entered_as_one_transfer_and_as_many() {
        let mut report = Report::default();
        let outcome = |seconds, egress| Outcome { seconds, server_egress: egress, ..Outcome::default() };
        enter(&mut report, (Lane::Http2, 10, 1), 2, vec![outcome(1.0, Some(11)), outcome(3.0, Some(12))]);
        enter(&mut report, (Lane::P2p, 10, 1), 2, vec![outcome(1.0, None), outcome(3.0, Some(1))]);
        let many = &report.receivers[0];
        assert_eq!(
            (many.seconds_last, many.seconds_median, many.server_egress),
            (Some(3.0), Some(2.0), Some(23))
        );
        assert_eq!(report.receivers[1].server_egress, None, "what one does not know, nobody knows");
        assert_eq!(report.runs.len(), 4);
    }
}
