//! What the relay does.

use std::fmt;

use super::Writer;
use crate::turn::{Counts, Turn};

/// Numbers of a tracker that relays.
pub(super) fn write(to: &mut Writer<'_>, turn: &Turn) -> fmt::Result {
    let (counts, paced) = turn.counts();
    let Counts { allocated, to_peers, to_clients, beyond_rate, not_permitted, .. } = counts;
    to.gauge(("turn_allocations", "Addresses that clients are relayed from now"), turn.len() as u64)?;
    to.counter(("turn_allocated", "Addresses that clients were given to be relayed from"), allocated)?;
    let directions = [([("direction", "to_peer")], to_peers), ([("direction", "to_client")], to_clients)];
    to.counters(("turn_bytes", "Bytes that were relayed, without what is TURN's own"), directions)?;
    let lost = [([("reason", "rate")], beyond_rate), ([("reason", "not_permitted")], not_permitted)];
    to.counters(("turn_lost", "Datagrams that were not relayed, by reason"), lost)?;
    let refusals = counts.refusals().chain([("rate_of_address", paced)]);
    to.counters(
        ("turn_refused", "Requests to the relay that were refused, by reason"),
        refusals.map(|(reason, number)| ([("reason", reason)], number)),
    )
}
