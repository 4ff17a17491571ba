//! What the figures say, in sentences: computed from them, and no more than they carry.

use super::super::model::{Lane, Report};
use super::super::plan::Size;
use super::{Row, beside, figures, receivers};
use shared::statistics::{FEWEST, Summary};

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

/// Who is fastest of those that may be judged beside each other, and who cannot be told from it. Nobody is, unless somebody
/// is slower for certain.
fn fastest(lanes: &[&Row<'_>], group: &str) -> Option<String> {
    let mut rated: Vec<(&Row<'_>, Summary)> =
        lanes.iter().filter_map(|row| Some((*row, row.goodput?))).collect();
    rated.sort_by(|a, b| b.1.median.total_cmp(&a.1.median));
    let (best, goodput) = *rated.first()?;
    let fewest = rated.iter().map(|(_, goodput)| goodput.n).min()?;
    if rated.len() < 2 {
        return None;
    }
    let shown =
        |(row, other): &(&Row<'_>, Summary)| format!("{} {}", row.lane.title(), figures::rate(other.median));
    let place = format!("{} {group}", Size(best.size));
    if fewest < FEWEST {
        let list: Vec<String> = rated.iter().map(shown).collect();
        let runs = if fewest == 1 { "one run is" } else { "so few runs are" };
        return Some(format!("{place}: {}; {runs} not enough to name a fastest.", list.join(", ")));
    }
    let (slower, near): (Vec<_>, Vec<_>) = rated[1..].iter().partition(|(_, other)| other.differs(&goodput));
    let near: Vec<String> = near.iter().map(&shown).collect();
    let of = if near.is_empty() { "that" } else { "the first" };
    let slower: Vec<String> = slower
        .iter()
        .map(|(row, other)| {
            format!("; {} reaches {:.2} of {of}", row.lane.title(), other.median / goodput.median)
        })
        .collect();
    let first = match near.as_slice() {
        [] => format!("{} is fastest with {}", best.lane.title(), figures::rate(goodput.median)),
        near => format!("{} and {} cannot be told apart", shown(&(best, goodput)), near.join(", ")),
    };
    Some(format!("{place}: {first}{}.", slower.concat()))
}

/// What TLS costs: the same protocol with and without.
fn encryption(at: &[&Row<'_>]) -> Option<String> {
    let of = |lane| at.iter().find(|row| row.lane == lane);
    let (clear, tls) = (of(Lane::Http1)?, of(Lane::Http1Tls)?);
    let (clear, encrypted) = (clear.goodput?, tls.goodput?);
    let bytes = tls.shares.iter().find(|(name, _)| *name == "security")?.1;
    let rate = if clear.differs(&encrypted) {
        format!("leaves HTTP/1.1 {:.2} of its rate here", encrypted.median / clear.median)
    } else {
        "costs HTTP/1.1 no rate that can be told from chance here".to_owned()
    };
    Some(format!("TLS {rate} and adds {} to the bytes.", figures::percent(bytes)))
}

/// Who needs fewest and most bytes for a large file.
fn overhead(at: &[&Row<'_>]) -> Option<String> {
    let [(least, fewest), (most, many)] = ends(at, |row| row.overhead)?;
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
    let [(quick, least), (slow, most)] = ends(at, |row| row.seconds)?;
    Some(format!(
        "{} are a matter of opening connections: {} with {}, {} with {}.",
        Size(quick.size),
        figures::seconds(least),
        quick.lane.title(),
        figures::seconds(most),
        slow.lane.title()
    ))
}

/// The rows with the least and the largest median, with those; none if the two cannot be told apart.
fn ends<'a, 'b>(at: &[&'a Row<'b>], of: fn(&Row<'_>) -> Option<Summary>) -> Option<[(&'a Row<'b>, f64); 2]> {
    let mut lanes: Vec<(&Row<'_>, Summary)> = at.iter().filter_map(|row| Some((*row, of(row)?))).collect();
    lanes.sort_by(|a, b| a.1.median.total_cmp(&b.1.median));
    let ((first, least), (last, most)) = (*lanes.first()?, *lanes.last()?);
    least.differs(&most).then_some([(first, least.median), (last, most.median)])
}
