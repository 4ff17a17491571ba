//! Members that are reached at an address: BitTorrent over TCP, announced over HTTP or UDP.
//!
//! A member is a `(torrent, address, port)`: what others are told. The address is where the announce came from, so nobody
//! can enter somebody else; behind one address, whoever announces a port takes it over from who had it before, which is
//! what a client that starts anew does. Only leaving needs the same peer_id: a client that ends late does not end the
//! membership of the one that began in its place. The `key` says nothing here, since aria2 draws a new one for each packet.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::ops::RangeInclusive;
use std::collections::BTreeMap;

use shared::id::{InfoHash, PeerId};
use shared::time::Instant;
use shared::tracker::announce::{AnnounceRequest, Event};

use super::recency::{Recency, Slot};
use super::torrent::{Counts, Torrent};
use super::{Family, Refusal, Swarms, select};

/// Peers in the reply to an announce that asks for no number.
const WANTED_DEFAULT: u32 = 50;

/// Peers that one who says that it lacks nothing is told of at least, seeds among them, if it has not moved a byte yet: aria2
/// and others say so while they have a magnet link only, and would never meet who has the metadata.
const WANTED_UNPROVEN: usize = 5;

/// Whom a reply can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Peers of the asker's own family (a UDP packet has room for no others).
    OwnFamily,
    /// Peers of its own family first, then of the other.
    Both,
}

/// The reply to an announce.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// Members of both kinds.
    pub counts: Counts,
    /// Seconds until the next announce.
    pub interval: u32,
    /// Others to connect to, none of them twice.
    pub peers: Vec<(SocketAddr, PeerId)>,
}

/// An address with its port in 18 bytes; one of IPv4 is mapped into IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Endpoint {
    ip: [u8; 16],
    port: u16,
}

impl Endpoint {
    fn new(ip: IpAddr, port: u16) -> Self {
        let ip = match ip {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self { ip: ip.octets(), port }
    }

    fn ip(self) -> IpAddr {
        Ipv6Addr::from(self.ip).to_canonical()
    }

    pub(super) fn family(self) -> Family {
        if self.ip().is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// What one subscriber has: an IPv4 address, or an IPv6 network of 64 bits.
    fn network(self) -> u128 {
        let bits = u128::from_be_bytes(self.ip);
        if self.ip().is_ipv4() { bits } else { bits & !u128::from(u64::MAX) }
    }

    /// All that is in its [`Endpoint::network`], and nothing of others.
    fn neighbours(self) -> RangeInclusive<Self> {
        let network = self.network();
        // The network of `::1` is also where addresses of IPv4 are mapped to: there each is by itself.
        let (first, last) = match network >> 64 {
            0 => (self.ip, self.ip),
            _ => (network.to_be_bytes(), (network | u128::from(u64::MAX)).to_be_bytes()),
        };
        Self { ip: first, port: 0 }..=Self { ip: last, port: u16::MAX }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    info_hash: InfoHash,
    at: Endpoint,
}

#[derive(Debug)]
struct Member {
    key: Key,
    peer_id: PeerId,
    seed: bool,
    /// Index in the torrent's list of this family and role.
    place: u32,
    expires: Instant,
}

/// Everybody who is reached at an address.
#[derive(Debug)]
pub(super) struct Addresses {
    members: Recency<Member>,
    index: BTreeMap<Key, Slot>,
    /// Memberships of each [`Endpoint::network`].
    networks: BTreeMap<u128, u32>,
}

impl Addresses {
    pub(super) const fn new() -> Self {
        Self { members: Recency::new(), index: BTreeMap::new(), networks: BTreeMap::new() }
    }

    pub(super) const fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.members.oldest().map(|(_, member)| member.expires)
    }

    /// Where each is, what it calls itself, and whether it seeds.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Endpoint, PeerId, bool)> {
        self.members.iter().map(|member| (member.key.at, member.peer_id, member.seed))
    }
}

impl Swarms {
    /// An announce from `ip`, over HTTP or UDP, is answered with at most `most` peers. A peer without a port is introduced to
    /// others but is no member: nobody could connect to it.
    ///
    /// # Errors
    ///
    /// If one more member would be beyond a bound.
    pub fn announce_address(
        &mut self,
        now: Instant,
        ip: IpAddr,
        request: &AnnounceRequest,
        reach: Reach,
        most: usize,
    ) -> Result<Met, Refusal> {
        self.expire(now);
        self.counters.announces += 1;
        let key = Key { info_hash: request.info_hash, at: Endpoint::new(ip, request.port) };
        let seed = request.left == Some(0) || (request.left.is_none() && request.event == Event::Completed);
        let stays = request.event != Event::Stopped;
        if !stays {
            self.leave_address(&key, request);
        } else if request.port != 0
            && let Err(refusal) = self.join_address(now, key, request, seed)
        {
            self.counters.announces_refused += 1;
            return Err(refusal);
        }
        let counts = self.counts(&key.info_hash);
        let wanted = request.wanted.unwrap_or(WANTED_DEFAULT) as usize;
        let wanted = if stays { wanted.min(most) } else { 0 };
        let interval = u32::try_from(self.limits.address_interval.as_secs()).unwrap_or(u32::MAX);
        let mut peers = self.meet(&key, seed, reach, wanted);
        if seed && request.downloaded == 0 && request.uploaded == 0 {
            for other in self.meet(&key, false, reach, wanted.min(WANTED_UNPROVEN)) {
                if peers.len() < wanted.min(WANTED_UNPROVEN) && !peers.contains(&other) {
                    peers.push(other);
                }
            }
        }
        Ok(Met { counts, interval, peers })
    }

    /// Puts the member into its swarm, or renews it.
    fn join_address(
        &mut self,
        now: Instant,
        key: Key,
        request: &AnnounceRequest,
        seed: bool,
    ) -> Result<(), Refusal> {
        let expires = now + self.limits.address_timeout;
        let peer_id = request.peer_id;
        if let Some(&slot) = self.addresses.index.get(&key) {
            self.addresses.members.touch(slot);
            let Some(member) = self.addresses.members.get_mut(slot) else { return Ok(()) };
            (member.peer_id, member.expires) = (peer_id, expires);
            if member.seed != seed {
                let (was, place) = (core::mem::replace(&mut member.seed, seed), member.place);
                self.leave_address_role(&key, place, was);
                self.enter_address_role(key, slot, seed);
            }
            return Ok(());
        }
        self.admit_address(&key)?;
        let member = Member { key, peer_id, seed, place: 0, expires };
        let slot = self.addresses.members.insert(member);
        self.addresses.index.insert(key, slot);
        *self.addresses.networks.entry(key.at.network()).or_default() += 1;
        self.enter_address_role(key, slot, seed);
        Ok(())
    }

    /// Whether one more member is within bounds.
    fn admit_address(&self, key: &Key) -> Result<(), Refusal> {
        let limits = &self.limits;
        let held = self.addresses.networks.get(&key.at.network()).map_or(0, |held| *held as usize);
        let half = limits.members.div_ceil(2);
        if limits.members_per_address != 0 && held >= limits.members_per_address {
            Err(Refusal::Address(limits.members_per_address))
        } else if limits.members_per_address != 0 && self.crowds(key) {
            Err(Refusal::AddressInSwarm(limits.peers_per_swarm))
        } else if self.torrents.get(&key.info_hash).map_or(0, Torrent::len) >= limits.members_per_torrent {
            Err(Refusal::Swarm(limits.members_per_torrent))
        } else if self.members.len() + self.addresses.len() >= limits.members {
            Err(Refusal::Tracker(limits.members))
        } else if self.addresses.len() >= half {
            Err(Refusal::Addresses(half))
        } else {
            Ok(())
        }
    }

    /// Whether the newcomer's network has its share of the swarm already. This machine has no share: whoever runs hundreds
    /// of peers here crowds out nobody but themselves.
    fn crowds(&self, key: &Key) -> bool {
        if key.at.ip().is_loopback() {
            return false;
        }
        let most = self.limits.peers_per_swarm;
        let (first, last) = key.at.neighbours().into_inner();
        let of = |at| Key { info_hash: key.info_hash, at };
        self.addresses.index.range(of(first)..=of(last)).take(most).count() >= most
    }

    /// Ends the membership if it is the asker's.
    fn leave_address(&mut self, key: &Key, request: &AnnounceRequest) {
        let Some(&slot) = self.addresses.index.get(key) else { return };
        if self.addresses.members.get(slot).is_some_and(|member| member.peer_id == request.peer_id) {
            self.remove_address(slot);
        }
    }

    pub(super) fn expire_addresses(&mut self, now: Instant) {
        while let Some((slot, _)) = self.addresses.members.oldest().filter(|(_, m)| m.expires <= now) {
            self.counters.members_expired += 1;
            self.remove_address(slot);
        }
    }

    fn remove_address(&mut self, slot: Slot) {
        let Some(member) = self.addresses.members.remove(slot) else { return };
        self.addresses.index.remove(&member.key);
        let network = member.key.at.network();
        if let Some(held) = self.addresses.networks.get_mut(&network) {
            *held -= 1;
            if *held == 0 {
                self.addresses.networks.remove(&network);
            }
        }
        self.leave_address_role(&member.key, member.place, member.seed);
        self.drop_if_empty(&member.key.info_hash);
    }

    fn enter_address_role(&mut self, key: Key, slot: Slot, seed: bool) {
        let torrent = self.torrents.entry(key.info_hash).or_default();
        let place = torrent.addresses_mut(key.at.family()).push(slot, seed);
        if let Some(member) = self.addresses.members.get_mut(slot) {
            member.place = place;
        }
    }

    fn leave_address_role(&mut self, key: &Key, place: u32, seed: bool) {
        let Some(torrent) = self.torrents.get_mut(&key.info_hash) else { return };
        let moved = torrent.addresses_mut(key.at.family()).remove(place, seed);
        if let Some(moved) = moved.and_then(|moved| self.addresses.members.get_mut(moved)) {
            moved.place = place;
        }
    }

    /// Up to `wanted` others, at random. Whoever is on this host only is told only to who is too.
    fn meet(&mut self, asker: &Key, seed: bool, reach: Reach, wanted: usize) -> Vec<(SocketAddr, PeerId)> {
        let mut peers = Vec::new();
        let Some(torrent) = self.torrents.get(&asker.info_hash) else { return peers };
        let own = asker.at.family();
        let other = match own {
            Family::V4 => Family::V6,
            Family::V6 => Family::V4,
        };
        let members = &self.addresses.members;
        let local = asker.at.ip().is_loopback();
        let acceptable = |slot: Slot| {
            members.get(slot).is_some_and(|m| m.key.at != asker.at && (local || !m.key.at.ip().is_loopback()))
        };
        let families = [Some(own), (reach == Reach::Both).then_some(other)];
        for family in families.into_iter().flatten() {
            let (leeches, seeds) = torrent.addresses(family).candidates(seed);
            let picked = select::pick(&mut self.rng, leeches, seeds, wanted - peers.len(), acceptable);
            let met = picked.into_iter().filter_map(|slot| members.get(slot));
            peers.extend(met.map(|m| (SocketAddr::new(m.key.at.ip(), m.key.at.port), m.peer_id)));
        }
        peers
    }
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
