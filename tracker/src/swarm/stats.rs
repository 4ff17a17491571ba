//! Numbers for operators.

use std::collections::BTreeMap;

use shared::id::PeerId;

use super::address::Endpoint;
use super::{Family, SocketId, Swarms};

/// What happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Announces, refused ones included.
    pub announces: u64,
    /// Announces beyond a bound.
    pub announces_refused: u64,
    /// Offers delivered to a member.
    pub offers_relayed: u64,
    /// Offers for which there was no member, or beyond a bound.
    pub offers_unwanted: u64,
    /// Relayed offers that nobody answered.
    pub offers_expired: u64,
    /// Answers delivered to the peer that made the offer.
    pub answers_relayed: u64,
    /// Answers to offers that are unknown, expired, answered, or somebody else's to answer; and answers beyond a bound.
    pub answers_unexpected: u64,
    /// Scrapes.
    pub scrapes: u64,
    /// Members that fell silent.
    pub members_expired: u64,
}

/// What is there now. A peer is a peer_id on one socket or at one address with port, however many swarms it is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Swarms, each with at least one member.
    pub torrents: usize,
    /// Peers in any swarm.
    pub peers: usize,
    /// Peers that seed everything that they are in.
    pub seeders_only: usize,
    /// Peers that seed nothing.
    pub leechers_only: usize,
    /// Peers that do both.
    pub both: usize,
    /// Peers by the family of their address.
    pub ipv4: usize,
    /// Peers by the family of their address.
    pub ipv6: usize,
    /// Peers by program: the name's and version's part of the peer_id (BEP 20), as it stands there.
    pub clients: BTreeMap<Vec<u8>, usize>,
    /// Peers that are reached by address, among all.
    pub addresses: usize,
    /// Open sockets.
    pub sockets: usize,
    /// Offers that wait for an answer.
    pub pending_offers: usize,
    /// Since the start.
    pub counters: Counters,
}

/// Where a peer is reached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Socket(SocketId),
    Address(Endpoint),
}

impl Swarms {
    /// Walks all members: not for every request.
    pub fn stats(&self) -> Stats {
        let mut peers: BTreeMap<(Place, PeerId), (bool, bool)> = BTreeMap::new();
        let sockets = self.members.iter().map(|m| (Place::Socket(m.key.socket), m.key.peer_id, m.seed));
        let addresses = self.addresses.iter().map(|(at, peer_id, seed)| (Place::Address(at), peer_id, seed));
        for (place, peer_id, seed) in sockets.chain(addresses) {
            let (seeds, leeches) = peers.entry((place, peer_id)).or_default();
            *(if seed { seeds } else { leeches }) = true;
        }
        let mut stats = Stats {
            torrents: self.torrents.len(),
            peers: peers.len(),
            sockets: self.sockets.len(),
            pending_offers: self.offers.len(),
            counters: self.counters,
            ..Stats::default()
        };
        for ((place, peer_id), roles) in peers {
            match roles {
                (true, true) => stats.both += 1,
                (true, false) => stats.seeders_only += 1,
                _ => stats.leechers_only += 1,
            }
            let family = match place {
                Place::Socket(socket) => self.sockets.get(&socket).map(|socket| socket.family),
                Place::Address(endpoint) => {
                    stats.addresses += 1;
                    Some(endpoint.family())
                }
            };
            match family.unwrap_or_default() {
                Family::V4 => stats.ipv4 += 1,
                Family::V6 => stats.ipv6 += 1,
            }
            *stats.clients.entry(peer_id.0[..8].to_vec()).or_default() += 1;
        }
        stats
    }
}
