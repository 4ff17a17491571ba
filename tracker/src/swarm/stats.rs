//! Numbers for operators.

use core::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::SocketAddr;

use shared::id::{InfoHash, PeerId};
use shared::tracker::compact;

use super::index::Keys;
use super::{Counts, Histogram, Refusal, SocketId, Swarms};

/// Distinct peers that a [`Census`] remembers; beyond it counts one in two, then one in four, and so on.
const REMEMBERED: usize = 1 << 17;

/// Swarms in [`Stats::largest`].
const LARGEST: usize = 20;

/// Programs that are told apart: strangers choose what they are called.
const PROGRAMS: usize = 256;

/// What all others are called.
const OTHERS: [u8; 8] = *b"others..";

/// What happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Announces, refused ones included.
    pub announces: u64,
    /// Announces beyond a bound, in the order of [`Refusal::kind`].
    pub refusals: [u64; Refusal::KINDS],
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
    /// From an offer to its answer.
    pub answer_delay: Histogram,
    /// Over WebSocket, from joining a swarm in which there was somebody for it to the first answer given or got.
    pub first_peer_delay: Histogram,
}

impl Counters {
    /// An announce is beyond a bound.
    pub(super) const fn refused(&mut self, refusal: Refusal) {
        self.refusals[refusal.kind()] += 1;
    }

    /// Announces beyond any bound.
    pub fn announces_refused(&self) -> u64 {
        self.refusals.iter().sum()
    }

    /// Adds what another part of the tracker counted.
    pub fn merge(&mut self, other: &Self) {
        self.announces += other.announces;
        for (number, more) in self.refusals.iter_mut().zip(other.refusals) {
            *number += more;
        }
        self.offers_relayed += other.offers_relayed;
        self.offers_unwanted += other.offers_unwanted;
        self.offers_expired += other.offers_expired;
        self.answers_relayed += other.answers_relayed;
        self.answers_unexpected += other.answers_unexpected;
        self.scrapes += other.scrapes;
        self.members_expired += other.members_expired;
        self.answer_delay.merge(&other.answer_delay);
        self.first_peer_delay.merge(&other.first_peer_delay);
    }
}

/// What is there now. A peer is a peer_id on one socket or at one address with port, however many swarms it is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Swarms, each with at least one member.
    pub torrents: usize,
    /// Memberships of all peers together.
    pub members: usize,
    /// Peers in any swarm. This and the numbers of peers that follow are estimates where there are very many.
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
    pub clients: BTreeMap<[u8; 8], usize>,
    /// Memberships of peers that lack something and want no more of it (BEP 21).
    pub partial_seeds: usize,
    /// Peers that are reached by address, among all.
    pub addresses: usize,
    /// Open sockets that announced something.
    pub sockets: usize,
    /// Offers that wait for an answer.
    pub pending_offers: usize,
    /// The swarms with the most members, the largest first; a handful.
    pub largest: Vec<(InfoHash, Counts)>,
    /// Since the start.
    pub counters: Counters,
}

/// Where a peer is reached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Place {
    Socket(SocketId),
    Address(SocketAddr),
}

#[derive(Clone, Copy, Debug, Default)]
struct Roles {
    seeds: bool,
    leeches: bool,
    is_v6: bool,
}

/// A count of everything in all parts of a tracker, which are handed to it one after the other. Beyond some hundred thousand peers
/// it counts a random part of them.
#[derive(Debug, Default)]
pub struct Census {
    /// Those of the first part: which peers are counted is nobody's choice.
    keys: Option<Keys>,
    /// One in two to the power of this is counted: those whose hash ends in so many zeros.
    halvings: u32,
    peers: BTreeMap<(Place, PeerId), Roles>,
    torrents: usize,
    members: usize,
    partial_seeds: usize,
    sockets: BTreeSet<SocketId>,
    pending: usize,
    /// The smallest of them first.
    largest: BinaryHeap<Reverse<(usize, (InfoHash, Counts))>>,
    counters: Counters,
}

impl Census {
    /// Counts what is in this part. Looks at all members: not for every request.
    pub fn add(&mut self, part: &Swarms) {
        self.keys.get_or_insert(part.keys);
        self.torrents += part.torrents.len();
        self.pending += part.offers.len();
        self.counters.merge(&part.counters);
        self.sockets.extend(part.sockets.keys());
        for member in part.members.iter() {
            let socket = member.key.socket;
            let is_v6 = part.sockets.get(&socket).is_some_and(|socket| socket.ip.is_ipv6());
            self.count(Place::Socket(socket), member.key.peer_id, member.role.is_seed(), is_v6);
        }
        for torrent in part.torrents.iter() {
            let counts = torrent.counts();
            self.partial_seeds += counts.partial as usize;
            let this = Reverse((torrent.len(), (torrent.info_hash, counts)));
            if self.largest.len() < LARGEST {
                self.largest.push(this);
            } else if let Some(mut least) = self.largest.peek_mut().filter(|least| this.0 > least.0) {
                *least = this;
            }
            for entry in torrent.v4.entries() {
                if let Some(at) = compact::decode_one(&entry.at) {
                    self.count(Place::Address(at), entry.peer_id, entry.is_seed(), false);
                }
            }
            for entry in torrent.v6.iter().flat_map(|peers| peers.entries()) {
                if let Some(at) = compact::decode_one(&entry.at) {
                    self.count(Place::Address(at), entry.peer_id, entry.is_seed(), true);
                }
            }
        }
    }

    fn count(&mut self, place: Place, peer_id: PeerId, seed: bool, is_v6: bool) {
        self.members += 1;
        let peer = (place, peer_id);
        if !self.is_counted(&peer) {
            return;
        }
        let roles = self.peers.entry(peer).or_default();
        roles.seeds |= seed;
        roles.leeches |= !seed;
        roles.is_v6 = is_v6;
        if self.peers.len() > REMEMBERED {
            self.halvings += 1;
            let mut peers = core::mem::take(&mut self.peers);
            peers.retain(|peer, _| self.is_counted(peer));
            self.peers = peers;
        }
    }

    fn is_counted(&self, peer: &(Place, PeerId)) -> bool {
        self.halvings == 0 || self.keys.is_some_and(|keys| keys.hash(peer).trailing_zeros() >= self.halvings)
    }

    /// What was counted.
    pub fn finish(self) -> Stats {
        let one = 1 << self.halvings;
        let mut stats = Stats {
            torrents: self.torrents,
            members: self.members,
            partial_seeds: self.partial_seeds,
            peers: self.peers.len() * one,
            sockets: self.sockets.len(),
            pending_offers: self.pending,
            largest: self.largest.into_sorted_vec().into_iter().map(|Reverse((_, of))| of).collect(),
            counters: self.counters,
            ..Stats::default()
        };
        for ((place, peer_id), roles) in self.peers {
            *match (roles.seeds, roles.leeches) {
                (true, true) => &mut stats.both,
                (true, false) => &mut stats.seeders_only,
                _ => &mut stats.leechers_only,
            } += one;
            *(if roles.is_v6 { &mut stats.ipv6 } else { &mut stats.ipv4 }) += one;
            stats.addresses += if matches!(place, Place::Address(_)) { one } else { 0 };
            let program = peer_id.0.first_chunk::<8>().copied().unwrap_or_default();
            let is_known = stats.clients.contains_key(&program) || stats.clients.len() < PROGRAMS;
            *stats.clients.entry(if is_known { program } else { OTHERS }).or_default() += one;
        }
        stats
    }
}

impl Swarms {
    /// What is there now, if this is the whole tracker. Looks at all members.
    pub fn stats(&self) -> Stats {
        let mut census = Census::default();
        census.add(self);
        census.finish()
    }

    /// What happened since the start, at no cost.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}
