//! What the tracker refused, dropped or closed by its own bounds and lists, counted by reason.

use super::Count;
use crate::swarm::Refusal;

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
    /// No whole request, or TLS handshake, in time.
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
    /// One torrent of a WebSocket too many.
    TorrentsOfSocket,
    /// One peer_id of a WebSocket in a swarm too many.
    PeerIdsOfSocket,
    /// One membership of an address too many.
    MembersOfAddress,
    /// One membership of an address in a swarm too many.
    MembersOfAddressInSwarm,
    /// A swarm that is full.
    SwarmFull,
    /// A tracker that is full.
    TrackerFull,
}

impl Rejected {
    /// All of them, in their order.
    const ALL: [Self; 25] = [
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
        Self::Malformed,
        Self::MessageTooLong,
        Self::NotWebSocket,
        Self::SlowReader,
        Self::ForSlowReader,
        Self::Idle,
        Self::Silent,
        Self::MessagesPaced,
        Self::BytesPaced,
        Self::TorrentsOfSocket,
        Self::PeerIdsOfSocket,
        Self::MembersOfAddress,
        Self::MembersOfAddressInSwarm,
        Self::SwarmFull,
        Self::TrackerFull,
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
            Self::Malformed => "malformed",
            Self::MessageTooLong => "message_too_long",
            Self::NotWebSocket => "not_websocket",
            Self::SlowReader => "slow_reader_closed",
            Self::ForSlowReader => "dropped_for_slow_reader",
            Self::Idle => "idle",
            Self::Silent => "silent",
            Self::MessagesPaced => "messages_paced",
            Self::BytesPaced => "bytes_paced",
            Self::TorrentsOfSocket => "torrents_of_socket",
            Self::PeerIdsOfSocket => "peer_ids_of_socket",
            Self::MembersOfAddress => "members_of_address",
            Self::MembersOfAddressInSwarm => "members_of_address_in_swarm",
            Self::SwarmFull => "swarm_full",
            Self::TrackerFull => "tracker_full",
        }
    }
}

impl From<Refusal> for Rejected {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Socket(_) => Self::TorrentsOfSocket,
            Refusal::PeerIds(_) => Self::PeerIdsOfSocket,
            Refusal::Address(_) => Self::MembersOfAddress,
            Refusal::AddressInSwarm(_) => Self::MembersOfAddressInSwarm,
            Refusal::Swarm(_) => Self::SwarmFull,
            Refusal::Tracker(_) | Refusal::Addresses(_) => Self::TrackerFull,
        }
    }
}

/// How often each happened since the start.
#[derive(Debug, Default)]
pub(crate) struct Rejections([Count; Rejected::ALL.len()]);

impl Rejections {
    pub(crate) fn add(&self, reason: impl Into<Rejected>) {
        if let Some(count) = self.0.get(reason.into() as usize) {
            count.add();
        }
    }

    /// Name and number of each reason, those that never happened too.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Rejected::ALL.into_iter().zip(&self.0).map(|(reason, count)| (reason.name(), count.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_number_and_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = Rejected::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Rejected::ALL.len());
        for (at, reason) in Rejected::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at, "{reason:?}");
            let rejections = Rejections::default();
            rejections.add(reason);
            let counted: Vec<_> = rejections.iter().filter(|(_, number)| *number > 0).collect();
            assert_eq!(counted, [(reason.name(), 1)]);
        }
    }
}
