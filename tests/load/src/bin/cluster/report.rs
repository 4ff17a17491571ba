//! Figures as tables: medians over the rounds.

use super::outage::{Kill, Outage, Phase};
use super::relay::{Latency, RoundTrip};
use super::throughput::{Load, Sample};
use super::{Args, Report};

/// The value below which this part of a sorted list is; not a number if there is none.
pub(crate) fn quantile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1) as f64;
    sorted.get((last * part).round() as usize).copied().unwrap_or(f64::NAN)
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    quantile(&values, 0.5)
}

/// All tables that there are figures for.
pub(crate) fn text(args: &Args, report: &Report) -> String {
    let mut text = format!(
        "{} processor cores, which the nodes, Redis and the tester share: what scales is told by the processor time that\n\
         each takes, not by what gets done in all. Medians of {} rounds of {} s.\n",
        report.cores, args.rounds, args.seconds
    );
    if !report.throughput.is_empty() {
        text.push_str(&throughput(&report.throughput));
    }
    if !report.latency.is_empty() {
        text.push_str(&latency(&report.latency, &report.round_trip));
    }
    if !report.kill.is_empty() {
        text.push_str(&kill(&report.kill));
    }
    if !report.redis.is_empty() {
        text.push_str(&redis(&report.redis));
    }
    if !report.memory.is_empty() {
        text.push_str(
            "\n## Members in memory\n\n| members | own node, bytes each | another, bytes each | published each | a late node knows all after | its snapshot, bytes each |\n\
             | --- | --- | --- | --- | --- | --- |\n",
        );
        for it in &report.memory {
            text.push_str(&format!(
                "| {} over {} | {:.0} | {:.0} | {:.1} | {:.1} s | {:.1} |\n",
                it.members, it.kind, it.own, it.other, it.published, it.late_seconds, it.late_published
            ));
        }
    }
    text
}

fn throughput(samples: &[Sample]) -> String {
    let mut text = String::from(
        "\n## Messages to peers, and what each costs\n\n\
         | load | nodes | messages/s | a node's CPU-second makes | a CPU-second of Redis is enough for | node CPU us each | Redis CPU us each | into Redis, bytes an announce | out of it | crossed |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let mut mixes = String::from(
        "\n| load | nodes | announces | offers | answers | others | peers in a response | CPU-seconds by node | of Redis | of the tester | missed | dropped |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for load in Load::ALL {
        for nodes in counts(samples) {
            let these: Vec<_> = samples.iter().filter(|it| it.load == load && it.nodes == nodes).collect();
            let Some(last) = these.last() else { continue };
            let of = |value: &dyn Fn(&Sample) -> f64| median(these.iter().map(|it| value(it)));
            let redis = of(&|it| it.redis_cpu);
            let per_redis = match redis > 0.0 {
                true => thousands(of(&|it| it.messages() / it.redis_cpu)),
                false => "-".to_owned(),
            };
            text.push_str(&format!(
                "| {} | {nodes} | {} | {} | {per_redis} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} % |\n",
                load.name(),
                thousands(of(&|it| it.messages() / it.seconds)),
                thousands(of(&|it| it.messages() / it.nodes_cpu())),
                of(&|it| it.nodes_cpu() / it.messages() * 1e6),
                of(&|it| it.redis_cpu / it.messages() * 1e6),
                of(&|it| it.redis_in / it.mix.announces as f64),
                of(&|it| it.redis_out / it.mix.announces as f64),
                of(&|it| 100.0 * it.relayed / (it.mix.offers + it.mix.answers).max(1) as f64),
            ));
            let peers = match load {
                Load::WsOffers => "-".to_owned(),
                _ => format!("{:.1}", last.peers as f64 / last.mix.announces as f64),
            };
            let by_node: Vec<_> = last.node_cpu.iter().map(|cpu| format!("{cpu:.2}")).collect();
            mixes.push_str(&format!(
                "| {} | {nodes} | {} | {} | {} | {} | {peers} | {} | {:.2} | {:.2} | {} | {:.0} |\n",
                load.name(),
                last.mix.announces,
                last.mix.offers,
                last.mix.answers,
                last.mix.others,
                by_node.join(", "),
                last.redis_cpu,
                last.tester_cpu,
                last.missed,
                last.dropped,
            ));
        }
    }
    text + "\nThe mix, of the last round:\n" + &mixes
}

/// The numbers of nodes that were measured.
fn counts(samples: &[Sample]) -> Vec<usize> {
    let mut counts: Vec<_> = samples.iter().map(|it| it.nodes).collect();
    counts.sort_unstable();
    counts.dedup();
    counts
}

fn thousands(value: f64) -> String {
    format!("{:.1} k", value / 1e3)
}

fn latency(all: &[Latency], round_trips: &[RoundTrip]) -> String {
    let mut text = String::from(
        "\n## From peer to peer, ms\n\n| way | offers, p50 | p90 | p99 | answers, p50 | p90 | p99 | each |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for way in ["within a node", "from node to node"] {
        let these: Vec<_> = all.iter().filter(|it| it.way == way).collect();
        let of = |part: f64, which: fn(&Latency) -> &Vec<f64>| {
            median(these.iter().map(|it| quantile(which(it), part)))
        };
        let columns = [0.5, 0.9, 0.99].map(|part| of(part, |it| &it.offers)).into_iter();
        let columns = columns.chain([0.5, 0.9, 0.99].map(|part| of(part, |it| &it.answers)));
        let columns: Vec<_> = columns.map(|value| format!("{value:.2}")).collect();
        let each = these.iter().map(|it| it.offers.len()).sum::<usize>();
        text.push_str(&format!("| {way} | {} | {each} |\n", columns.join(" | ")));
    }
    let round_trip = median(round_trips.iter().map(|it| it.0));
    text + &format!("\nFrom a node to Redis and back: {:.2} ms.\n", round_trip / 1e3)
}

fn kill(all: &[Kill]) -> String {
    let of = |value: fn(&Kill) -> f64| median(all.iter().map(value));
    let peers = all.first().map_or(0, |it| it.peers);
    let mut text = format!(
        "\n## A node is killed, with a third of {peers} peers over WebSocket and {peers} over UDP\n\n\
         | what | seconds after |\n| --- | --- |\n"
    );
    for (what, seconds) in [
        ("half of its peers over WebSocket are answered by another node", of(|it| it.sockets_back_p50)),
        ("all of them are", of(|it| it.sockets_back)),
        ("the others have forgotten the node and its memberships", of(|it| it.forgotten)),
        ("all peers over WebSocket are known at all nodes, each once", of(|it| it.sockets_whole)),
        ("the last peer over UDP is answered by another node", of(|it| it.addresses_back)),
        ("all peers over UDP are known at all nodes", of(|it| it.addresses_whole)),
    ] {
        text.push_str(&format!("| {what} | {seconds:.2} |\n"));
    }
    let (fewest, interval) = (of(|it| f64::from(it.addresses_fewest)), of(|it| it.interval));
    text.push_str(&format!(
        "\nPeers over UDP announce every {interval:.0} s here; at the worst {fewest:.0} of {peers} were known.\n"
    ));
    let phases: Vec<_> = all.iter().map(|it| &it.phases[..]).collect();
    text + &offers(&phases)
}

fn redis(all: &[Outage]) -> String {
    let of = |value: fn(&Outage) -> f64| median(all.iter().map(value));
    let peers = all.first().map_or(0, |it| it.peers);
    let text = format!(
        "\n## Redis is killed, with {peers} peers over WebSocket and {peers} over UDP at three nodes\n\n\
         | what | |\n| --- | --- |\n\
         | each node has its own peers only | {:.2} s after |\n\
         | Redis was gone for | {:.1} s |\n\
         | all peers are known at all nodes again | {:.2} s after it listened |\n",
        of(|it| it.local),
        of(|it| it.lasted),
        of(|it| it.healed),
    );
    let phases: Vec<_> = all.iter().map(|it| &it.phases[..]).collect();
    text + &offers(&phases)
}

/// Offers by phase, added over the rounds.
fn offers(rounds: &[&[Phase]]) -> String {
    let mut text = String::from(
        "\n| offers of a peer that makes 200 a second | made | never answered | its announces, p50 ms | p99 |\n| --- | --- | --- | --- | --- |\n",
    );
    let Some(first) = rounds.first() else { return text };
    for (at, Phase { name, .. }) in first.iter().enumerate() {
        let these: Vec<_> = rounds.iter().filter_map(|round| round.get(at)).collect();
        let sum = |value: fn(&Phase) -> usize| these.iter().map(|it| value(it)).sum::<usize>();
        text.push_str(&format!(
            "| {name} | {} | {} | {:.2} | {:.2} |\n",
            sum(|it| it.offers),
            sum(|it| it.unanswered),
            median(these.iter().map(|it| it.response_p50)),
            median(these.iter().map(|it| it.response_p99)),
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_medians_are_values_that_there_are() {
        let sorted = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!([0.0, 0.5, 0.9, 1.0].map(|part| quantile(&sorted, part)), [1.0, 3.0, 5.0, 5.0]);
        assert!(quantile(&[], 0.5).is_nan());
        assert_eq!(median([3.0, f64::NAN, 1.0, 2.0]), 2.0);
    }
}
