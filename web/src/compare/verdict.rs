//! What a comparison comes to, in words, with what must be kept in mind. Says no more than the runs show.

use super::model::{Lane, Report, goodput};
use crate::text::compare as text;
use shared::statistics::{FEWEST, Summary};

/// A difference below this is not worth a sentence of its own.
const ALIKE: f64 = 0.05;

/// Rates of a lane's good runs, bytes a second.
pub fn rate(report: &Report, lane: Lane) -> Option<Summary> {
    Summary::of(report.good(lane).filter_map(|run| goodput(run.size, &run.outcome)))
}

/// Overhead of a lane's good runs, as a part of the content.
pub fn overhead(report: &Report, lane: Lane) -> Option<Summary> {
    Summary::of(report.good(lane).filter_map(|run| run.outcome.wire?.overhead()))
}

/// Sentences, the most important first.
pub fn verdict(report: &Report) -> Vec<String> {
    let mut sentences = Vec::new();
    // Like beside like: only lanes that are both encrypted, or the same protocol with and without TLS.
    for (one, other, expected) in [
        (Lane::Http2, Lane::Http1Tls, text::HTTP_ALIKE),
        (Lane::P2p, Lane::Http2, ""),
        (Lane::Http1, Lane::Http1Tls, text::TLS_COSTS),
        (Lane::Hybrid, Lane::P2p, ""),
    ] {
        if let (Some(a), Some(b)) = (rate(report, one), rate(report, other)) {
            sentences.push(compared((one, &a), (other, &b), expected));
        }
    }
    let dearest = Lane::ALL.into_iter().filter_map(|lane| Some((lane, overhead(report, lane)?)));
    let mut overheads: Vec<_> = dearest.collect();
    overheads.sort_by(|a, b| a.1.median.total_cmp(&b.1.median));
    if let [(least, little), .., (most, much)] = overheads.as_slice()
        && little.differs(much)
    {
        sentences.push(text::overheads(text::lane(*least), little.median, text::lane(*most), much.median));
    }
    sentences.extend(copies(report));
    sentences
}

fn compared((one, a): (Lane, &Summary), (other, b): (Lane, &Summary), expected: &str) -> String {
    let ratio = a.median / b.median;
    let same = !a.differs(b) || (ratio - 1.0).abs() < ALIKE;
    let mut sentence = if same {
        text::alike(text::lane(one), text::lane(other))
    } else {
        text::faster(text::lane(one), text::lane(other), ratio)
    };
    // Too few runs tell nothing apart, so that they are alike says nothing either.
    if same && !expected.is_empty() && a.n.min(b.n) >= FEWEST {
        sentence.push(' ');
        sentence.push_str(expected);
    }
    sentence
}

/// How many copies the server sent, where there were several receivers.
fn copies(report: &Report) -> Option<String> {
    let size = report.runs.first().map(|run| run.size).filter(|size| *size > 0)? as f64;
    let sent = |http: bool| {
        let these = report.receivers.iter().filter(|many| many.lane.is_http() == http);
        these.filter_map(|many| Some((many.n, many.server_egress? as f64 / size))).next_back()
    };
    let (n, http) = sent(true)?;
    let p2p = sent(false).map(|(_, copies)| copies);
    Some(text::copies(n, http, p2p))
}

#[cfg(test)]
mod tests {
    use super::super::model::{Outcome, Receivers, Run};
    use super::super::wire::Wire;
    use super::*;

    fn runs(lane: Lane, seconds: &[f64]) -> Vec<Run> {
        let run = |(at, seconds): (usize, &f64)| Run {
            lane,
            size: 1_000_000,
            run: at as u32 + 1,
            outcome: Outcome { seconds: *seconds, ..Outcome::default() },
        };
        seconds.iter().enumerate().map(run).collect()
    }

    #[test]
    fn no_difference_is_claimed_that_the_runs_do_not_show() {
        let near = [runs(Lane::Http2, &[1.0, 1.2, 1.1]), runs(Lane::Http1Tls, &[1.05, 1.3, 1.15])].concat();
        let said = verdict(&Report { runs: near, ..Report::default() });
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("no difference"), "{said:?}");
        assert!(!said[0].contains(text::HTTP_ALIKE), "three runs explain nothing: {said:?}");
        let far =
            [runs(Lane::P2p, &[4.0, 4.05, 4.1, 4.15, 4.2]), runs(Lane::Http2, &[1.0, 1.05, 1.1, 1.15, 1.2])]
                .concat();
        let said = verdict(&Report { runs: far, ..Report::default() });
        assert!(said[0].contains("as long as"), "{said:?}");
        assert!(said[0].contains("3.7"), "{said:?}");
    }

    #[test]
    fn the_least_and_the_most_are_named_where_they_differ() {
        let with = |lane, extra: [u64; 4]| {
            let mut all = runs(lane, &[1.0, 1.1, 1.2, 1.3]);
            for (run, application) in all.iter_mut().zip(extra) {
                run.outcome.wire = Some(Wire { payload: 1_000, application, ..Wire::default() });
            }
            all
        };
        let said = |extra| {
            let both = [with(Lane::Http1, [50, 51, 52, 53]), with(Lane::P2p, extra)].concat();
            verdict(&Report { runs: both, ..Report::default() }).join(" ")
        };
        assert!(said([90, 91, 92, 93]).contains("the least"));
        assert_eq!(said([53, 91, 92, 93]), "", "their ranges touch");
    }

    #[test]
    fn copies_are_counted_where_there_were_several_receivers() {
        let many = |lane, server_egress| Receivers {
            lane,
            n: 4,
            seconds_last: Some(1.0),
            seconds_median: Some(1.0),
            server_egress,
        };
        let report = Report {
            runs: runs(Lane::Http2, &[1.0]),
            receivers: vec![many(Lane::Http2, Some(4_100_000)), many(Lane::P2p, Some(1_100_000))],
            ..Report::default()
        };
        let said = verdict(&report).join(" ");
        assert!(said.contains("4.1 copies") && said.contains("1.1"), "{said}");
        assert_eq!(verdict(&Report::default()), Vec::<String>::new());
    }
}
