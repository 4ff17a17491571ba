//! What a node knows of its cluster.

use std::fmt;

use prometheus_client::encoding::EncodeMetric as _;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::Writer;
use crate::cluster::{Status, Traffic};

/// Numbers of a tracker that is a node; one by itself has none.
pub(super) fn write(to: &mut Writer<'_>, status: &Status) -> fmt::Result {
    to.gauge(
        ("cluster_connected", "Whether Redis is reached; while it is not, swarms are this node's own"),
        status.connected.into(),
    )?;
    let synced = status.others.iter().filter(|other| other.synced).count() as u64;
    let nodes =
        [([("state", "synced")], synced), ([("state", "partial")], status.others.len() as u64 - synced)];
    to.gauges(("cluster_nodes", "Other nodes, by whether all of their members are known here"), nodes)?;
    let elsewhere = status.others.iter().map(|other| other.members).sum();
    let members = [([("of", "own")], status.members), ([("of", "others")], elsewhere)];
    to.gauges(("cluster_members", "Memberships of this node, and those of others that it knows"), members)?;
    if let Some(round_trip) = status.round_trip {
        let help =
            "From this node to Redis and back, the last time; a change is as long on its way, and 50 ms";
        let family =
            to.0.encode_descriptor("cluster_round_trip", help, Some(&Unit::Seconds), MetricType::Gauge)?;
        ConstGauge::new(round_trip.as_secs_f64()).encode(family)?;
    }
    traffic(to, &status.traffic)?;
    replication(to, status)
}

fn traffic(to: &mut Writer<'_>, traffic: &Traffic) -> fmt::Result {
    let Traffic { sent, received, dropped_sent, dropped_received, connects } = *traffic;
    let both = |sent, received| [([("direction", "sent")], sent), ([("direction", "received")], received)];
    to.counter(("cluster_connects", "Times that Redis was reached, the first among them"), connects)?;
    to.counters(
        ("cluster_messages", "Messages to Redis, and from it, where those to all nodes come back"),
        both(sent.0, received.0),
    )?;
    to.counters(("cluster_bytes", "Bytes of these, without Redis's own protocol"), both(sent.1, received.1))?;
    to.counters(
        ("cluster_dropped_messages", "Messages that were lost here, for lack of a connection or of room"),
        both(dropped_sent, dropped_received),
    )
}

fn replication(to: &mut Writer<'_>, status: &Status) -> fmt::Result {
    let counters = &status.counters;
    let changes = [
        ([("direction", "sent")], counters.changes_sent),
        ([("direction", "received")], counters.changes_applied),
    ];
    to.counters(
        ("cluster_changes", "Changes of members: of this node's told to others, of others' entered"),
        changes,
    )?;
    to.counter(
        ("cluster_snapshot_members", "Members of others that came in snapshots"),
        counters.snapshot_members,
    )?;
    to.counter(
        (
            "cluster_resyncs",
            "Times that something of another node was missed, or differed, and was asked for",
        ),
        counters.resyncs,
    )?;
    to.counter(
        ("cluster_refused_members", "Members of others for which there was no room"),
        counters.refused,
    )?;
    to.counter(
        (
            "cluster_unreadable_messages",
            "Messages in the cluster's channel that nobody can read: of another release?",
        ),
        status.unreadable,
    )?;
    let [sent, received, dropped] = status.relays;
    let relays = [("sent", sent), ("received", received), ("dropped", dropped)];
    to.counters(
        (
            "cluster_relays",
            "Offers and answers: for sockets of other nodes, of theirs, and dropped on the way out",
        ),
        relays.map(|(outcome, number)| ([("outcome", outcome)], number)),
    )
}
