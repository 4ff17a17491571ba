//! What the tracker refused, dropped or closed, counted by reason: each time once.
//!
//! The swarms count what is beyond their own bounds, and the UDP frontend what comes before any request; here all of it is
//! put together.

use super::{Count, Traffic};
use crate::swarm::{Counters, Refusal};

/// A reason. What each means to an operator is said in `docs/operating.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// A connection of an address, or a request through a proxy, that is on the deny list.
    Address,
    /// A connection without the PROXY header that it must begin with, or with a wrong one.
    ProxyHeader,
    /// One connection of an address too many.
    ConnectionsOfAddress,
    /// A TLS handshake that failed.
    TlsHandshake,
    /// No whole request, TLS handshake or PROXY header in time.
    HeaderTimeout,
    /// One WebSocket of an address too many.
    SocketsOfAddress,
    /// A WebSocket of a page of another origin.
    Origin,
    /// One announce or scrape of an address too many, over HTTP or UDP.
    RequestsOfAddress,
    /// A torrent that is on the deny list, or not on the allow list.
    Torrent,
    /// A WebSocket whose login or passkey holds no longer.
    Login,
    /// A request of somebody without an account, or whose account may not.
    Account,
    /// The dashboard or the metrics were asked for by somebody who may not see them.
    NotAllowed,
    /// One download too many.
    Downloads,
    /// A peer's report of its progress beyond what is kept.
    Reports,
    /// A message that is no request.
    Malformed,
    /// A WebSocket that sent a message that is too long.
    MessageTooLong,
    /// A WebSocket that sent what is no WebSocket message.
    NotWebSocket,
    /// A WebSocket that was closed because its peer reads too slowly.
    SlowReader,
    /// An offer or answer that was dropped because its receiver reads too slowly.
    ForSlowReader,
    /// A WebSocket that did not answer pings.
    Idle,
    /// A WebSocket that asked nothing for too long.
    Silent,
    /// Reading of a WebSocket waited because of the number of its messages.
    MessagesPaced,
    /// Reading of a WebSocket waited because of the bytes of its messages.
    BytesPaced,
}

impl Rejected {
    /// All of them, in their order.
    const ALL: [Self; 23] = [
        Self::Address,
        Self::ProxyHeader,
        Self::ConnectionsOfAddress,
        Self::TlsHandshake,
        Self::HeaderTimeout,
        Self::SocketsOfAddress,
        Self::Origin,
        Self::RequestsOfAddress,
        Self::Torrent,
        Self::Login,
        Self::Account,
        Self::NotAllowed,
        Self::Downloads,
        Self::Reports,
        Self::Malformed,
        Self::MessageTooLong,
        Self::NotWebSocket,
        Self::SlowReader,
        Self::ForSlowReader,
        Self::Idle,
        Self::Silent,
        Self::MessagesPaced,
        Self::BytesPaced,
    ];

    /// As it is called where the numbers are shown.
    const fn name(self) -> &'static str {
        match self {
            Self::Address => "address_denied",
            Self::ProxyHeader => "proxy_header",
            Self::ConnectionsOfAddress => "connections_of_address",
            Self::TlsHandshake => "tls_handshake",
            Self::HeaderTimeout => "header_timeout",
            Self::SocketsOfAddress => "sockets_of_address",
            Self::Origin => "origin_denied",
            Self::RequestsOfAddress => "requests_of_address",
            Self::Torrent => "torrent_denied",
            Self::Login => "login_ended",
            Self::Account => "account",
            Self::NotAllowed => "not_allowed",
            Self::Downloads => "downloads",
            Self::Reports => "reports",
            Self::Malformed => "malformed",
            Self::MessageTooLong => "message_too_long",
            Self::NotWebSocket => "not_websocket",
            Self::SlowReader => "slow_reader_closed",
            Self::ForSlowReader => "dropped_for_slow_reader",
            Self::Idle => "idle",
            Self::Silent => "silent",
            Self::MessagesPaced => "messages_paced",
            Self::BytesPaced => "bytes_paced",
        }
    }
}

/// Why announces are refused, in the order of [`Refusal::kind`].
const REFUSALS: [&str; Refusal::KINDS] = [
    "torrents_of_socket",
    "peer_ids_of_socket",
    "members_of_address",
    "members_of_address_in_swarm",
    "swarm_full",
    "tracker_full",
    "tracker_full_of_addresses",
];

/// How often each happened since the start.
#[derive(Debug, Default)]
pub(crate) struct Rejections([Count; Rejected::ALL.len()]);

impl Rejections {
    pub(crate) fn add(&self, reason: impl Into<Rejected>) {
        if let Some(count) = self.0.get(reason.into() as usize) {
            count.add();
        }
    }

    pub(crate) fn get(&self, reason: Rejected) -> u64 {
        self.0.get(reason as usize).map_or(0, Count::get)
    }

    fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Rejected::ALL.into_iter().map(|reason| (reason.name(), self.get(reason)))
    }
}

/// Name and number of each reason, those that never happened too.
pub(crate) fn all(traffic: &Traffic, swarms: &Counters) -> impl Iterator<Item = (&'static str, u64)> {
    let datagrams = [
        ("udp_garbage", traffic.udp_garbage.get()),
        ("udp_unproven", traffic.udp_unproven.get()),
        ("udp_reply", traffic.udp_lost.get()),
    ];
    traffic.rejections.iter().chain(REFUSALS.into_iter().zip(swarms.refusals)).chain(datagrams)
}

/// How many of all were turned away, dropped or closed for it. Who just waited is left out, and whose connection id over UDP was
/// too old: a client that was quiet for two minutes asks for another.
pub(crate) fn errors(traffic: &Traffic, swarms: &Counters) -> u64 {
    let waited = [Rejected::MessagesPaced, Rejected::BytesPaced].map(|reason| traffic.rejections.get(reason));
    let all: u64 = all(traffic, swarms).map(|(_, number)| number).sum();
    all.saturating_sub(waited.iter().sum::<u64>() + traffic.udp_unproven.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_number_and_a_name_of_its_own() {
        let (traffic, counters) = (Traffic::default(), Counters::default());
        let names: std::collections::BTreeSet<_> = all(&traffic, &counters).map(|(name, _)| name).collect();
        assert_eq!(names.len(), all(&traffic, &counters).count());
        for (at, reason) in Rejected::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at, "{reason:?}");
            let rejections = Rejections::default();
            rejections.add(reason);
            let counted: Vec<_> = rejections.iter().filter(|(_, number)| *number > 0).collect();
            assert_eq!(counted, [(reason.name(), 1)]);
        }
    }

    #[test]
    fn operators_are_told_what_each_reason_means() {
        let documentation = include_str!("../../../docs/operating.md");
        for (name, _) in all(&Traffic::default(), &Counters::default()) {
            assert!(documentation.contains(&format!("`{name}`")), "{name}");
        }
        let grafana = include_str!("../../../deploy/grafana/tracker.json");
        assert!(REFUSALS.iter().all(|reason| grafana.contains(reason)));
    }

    #[test]
    fn what_only_waited_is_no_error() {
        let (traffic, mut counters) = (Traffic::default(), Counters::default());
        counters.refusals[Refusal::Swarm(9).kind()] += 2;
        traffic.udp_garbage.add();
        traffic.rejections.add(Rejected::BytesPaced);
        traffic.rejections.add(Rejected::Silent);
        let counted: Vec<_> = all(&traffic, &counters).filter(|(_, number)| *number > 0).collect();
        assert_eq!(counted, [("silent", 1), ("bytes_paced", 1), ("swarm_full", 2), ("udp_garbage", 1)]);
        assert_eq!(errors(&traffic, &counters), 4);
    }
}
