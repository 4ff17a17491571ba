//! What the figures say, in sentences: computed from them, and no more than they carry.

use super::super::model::{Lane, Report};
use super::super::plan::Size;
use super::super::stats::Summary;
use super::{Row, beside, figures, receivers};

/// One sentence each; none without data.
pub(super) fn sentences(report: &Report, rows: &[Row<'_>]) -> Vec<String> {
    let mut list = Vec::new();
    let good: Vec<&Row<'_>> = rows.iter().filter(|row| row.goodput.is_some()).collect();
    if let Some(largest) = good.iter().map(|row| row.size).max() {
        let at: Vec<&Row<'_>> = good.iter().copied().filter(|row| row.size == largest).collect();
        for (encrypted, group) in [(false, "in clear"), (true, "encrypted")] {
            let lanes = at
                .iter()
                .copied()
                .filter(|row| row.lane != Lane::Hybrid && row.lane.is_encrypted() == encrypted);
            list.extend(fastest(&lanes.collect::<Vec<_>>(), group));
        }
        list.extend(encryption(&at));
        list.extend(overhead(&at));
    }
    if let Some(smallest) = good.iter().map(|row| row.size).min().filter(|size| *size <= 100_000) {
        let at: Vec<&Row<'_>> = good.iter().copied().filter(|row| row.size == smallest).collect();
        list.extend(small(&at));
    }
    list.extend(beside::sentence(report));
    list.extend(receivers::sentences(report));
    let failed = report.runs.iter().filter(|run| !run.ok).count();
    if failed > 0 {
        list.push(format!(
            "{failed} of {} transfers went wrong; they are in no figure above.",
            report.runs.len()
        ));
    }
    list
}

/// Who is fastest of those that may be judged beside each other, and who cannot be told from it.
fn fastest(lanes: &[&Row<'_>], group: &str) -> Option<String> {
    let rated: Vec<(&Row<'_>, Summary)> = lanes.iter().filter_map(|row| Some((*row, row.goodput?))).collect();
    let (best, goodput) = rated.iter().max_by(|a, b| a.1.median.total_cmp(&b.1.median)).copied()?;
    if rated.len() < 2 {
        return None;
    }
    let mut text = format!(
        "{} {group}: {} is fastest with {}",
        Size(best.size),
        best.lane.title(),
        figures::rate(goodput.median)
    );
    for (row, other) in rated.iter().filter(|(row, _)| row.lane != best.lane) {
        let title = row.lane.title();
        // Intervals that overlap do not prove sameness, but claim no difference either.
        if other.high >= goodput.low {
            text += &format!("; {title} cannot be told from it ({})", figures::rate(other.median));
        } else {
            text += &format!("; {title} reaches {:.2} of that", other.median / goodput.median);
        }
    }
    Some(text + ".")
}

/// What TLS costs: the same protocol with and without.
fn encryption(at: &[&Row<'_>]) -> Option<String> {
    let of = |lane| at.iter().find(|row| row.lane == lane);
    let (clear, tls) = (of(Lane::Http1)?, of(Lane::Http1Tls)?);
    let (clear, encrypted) = (clear.goodput?, tls.goodput?);
    let bytes = tls.shares.iter().find(|(name, _)| *name == "security")?.1;
    let rate = if encrypted.high >= clear.low && clear.high >= encrypted.low {
        "costs HTTP/1.1 no rate that can be told from chance here".to_owned()
    } else {
        format!("leaves HTTP/1.1 {:.2} of its rate here", encrypted.median / clear.median)
    };
    Some(format!("TLS {rate} and adds {} to the bytes.", figures::percent(bytes)))
}

/// Who needs fewest and most bytes for a large file.
fn overhead(at: &[&Row<'_>]) -> Option<String> {
    let mut lanes: Vec<_> = at.iter().filter_map(|row| Some((row, row.overhead?.median))).collect();
    lanes.sort_by(|a, b| a.1.total_cmp(&b.1));
    let ((least, fewest), (most, many)) = (*lanes.first()?, *lanes.last()?);
    if least.lane == most.lane {
        return None;
    }
    let how = if at.iter().all(|row| row.is_measured()) { "" } else { " (modelled)" };
    Some(format!(
        "On the wire{how}, {} carries {} more than the file with {}, {} with {}.",
        Size(least.size),
        figures::percent(fewest - 1.0),
        least.lane.title(),
        figures::percent(many - 1.0),
        most.lane.title()
    ))
}

/// What a small file is about: the time until the connection stands.
fn small(at: &[&Row<'_>]) -> Option<String> {
    let mut lanes: Vec<_> = at.iter().filter_map(|row| Some((row, row.seconds?.median))).collect();
    lanes.sort_by(|a, b| a.1.total_cmp(&b.1));
    let ((quick, least), (slow, most)) = (*lanes.first()?, *lanes.last()?);
    (quick.lane != slow.lane).then(|| {
        format!(
            "{} are a matter of opening connections: {} with {}, {} with {}.",
            Size(quick.size),
            figures::seconds(least),
            quick.lane.title(),
            figures::seconds(most),
            slow.lane.title()
        )
    })
}
