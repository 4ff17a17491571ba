//! Members of each swarm by the network that they are seen in, so that those of one network can be introduced to each other first:
//! their bytes then stay there. Nothing of it is kept unless [`super::Limits::neighbours_first`] says so.
//!
//! A member at an address stands here a second time, among those of its network, in the same kind of list: a choice among them is as
//! uniform as among all, and as cheap. Members on sockets of other nodes are nobody's neighbours, since nothing says where they are.

use core::net::{IpAddr, SocketAddr};

use shared::address::network_of;
use shared::rng::Rng;
use shared::tracker::announce::Role;

use super::address::Endpoint;
use super::change::{Held, Node};
use super::index::{Index, Keys};
use super::peers::{Entry, Peers, Second};
use super::recency::Slot;
use super::torrent::{Roles, TorrentSlot};
use super::{MemberKey, Swarms};

/// One in so many of whom a member is introduced to may be anybody: with neighbours only, a full house would never hear of
/// the seed outside.
const ANYBODY: usize = 4;

/// Of `wanted`, the most that may be neighbours for being that. What does not divide is rounded by chance, so that one who always
/// asks for one is cut off from nobody either.
pub(super) fn most(rng: &mut Rng, wanted: usize) -> usize {
    wanted - (wanted + rng.below(ANYBODY as u64) as usize) / ANYBODY
}

/// The network by which neighbours are told: those behind one router share its IPv4 address, or, in front of a tracker that
/// is in their own network, the first 24 bits; of IPv6, the bits that make one subscriber.
pub(super) fn network(ip: IpAddr, ipv6_prefix: u8) -> IpAddr {
    match network_of(ip, ipv6_prefix) {
        IpAddr::V4(ip) if ip.is_private() || ip.is_link_local() || ip.is_loopback() => {
            let [a, b, c, _] = ip.octets();
            [a, b, c, 0].into()
        }
        other => other,
    }
}

/// Room for so many lists is kept.
const SHRUNK: usize = 64;

/// Which members: of this swarm in this network.
type Of = (TorrentSlot, IpAddr);

/// Lists of members by network and swarm, none of them empty.
#[derive(Debug)]
struct Groups<M> {
    groups: Vec<Option<(Of, M)>>,
    free: Vec<u32>,
    index: Index,
}

impl<M> Default for Groups<M> {
    fn default() -> Self {
        Self { groups: Vec::new(), free: Vec::new(), index: Index::default() }
    }
}

impl<M: Default> Groups<M> {
    fn find(&self, keys: &Keys, of: &Of) -> Option<u32> {
        let is = |slot: u32| self.groups[slot as usize].as_ref().is_some_and(|(known, _)| known == of);
        self.index.find(keys.hash(of), is)
    }

    fn get(&self, keys: &Keys, of: &Of) -> Option<&M> {
        let slot = self.find(keys, of)?;
        self.groups[slot as usize].as_ref().map(|(_, members)| members)
    }

    fn get_mut(&mut self, keys: &Keys, of: &Of) -> Option<&mut M> {
        let slot = self.find(keys, of)?;
        self.groups[slot as usize].as_mut().map(|(_, members)| members)
    }

    fn get_or_insert(&mut self, keys: &Keys, of: Of) -> &mut M {
        let slot = self.find(keys, &of).unwrap_or_else(|| {
            let slot = self.free.pop().unwrap_or_else(|| {
                self.groups.push(None);
                self.groups.len() as u32 - 1
            });
            self.groups[slot as usize] = Some((of, M::default()));
            let groups = &self.groups;
            let hash_of = |slot: u32| groups[slot as usize].as_ref().map_or(0, |(of, _)| keys.hash(of));
            self.index.insert(keys.hash(&of), slot, hash_of);
            slot
        });
        &mut self.groups[slot as usize].get_or_insert_with(|| (of, M::default())).1
    }

    fn remove(&mut self, keys: &Keys, of: &Of) {
        let Some(slot) = self.find(keys, of) else { return };
        self.index.remove(keys.hash(of), |found| found == slot);
        self.groups[slot as usize] = None;
        self.free.push(slot);
        let left = self.groups.len() - self.free.len();
        if left == 0 || (self.groups.len() > SHRUNK && left <= self.groups.len() / 4) {
            self.shrink(keys);
        }
    }

    /// Gives back what a peak has taken: those that are left move together. Costs what was there, after as much went.
    fn shrink(&mut self, keys: &Keys) {
        let left: Vec<_> = self.groups.drain(..).flatten().map(Some).collect();
        *self = Self { groups: left, free: Vec::new(), index: Index::default() };
        for (slot, group) in self.groups.iter().enumerate() {
            let Some((of, _)) = group else { continue };
            let hash_of = |slot: u32| self.groups[slot as usize].as_ref().map_or(0, |(of, _)| keys.hash(of));
            self.index.insert(keys.hash(of), slot as u32, hash_of);
        }
    }
}

/// Members of one network at addresses, of whichever family that is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Near<'a> {
    pub(super) v4: Option<&'a Peers<6>>,
    pub(super) v6: Option<&'a Peers<18>>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Neighbours {
    ipv6_prefix: u8,
    v4: Groups<Peers<6>>,
    v6: Groups<Peers<18>>,
    sockets: Groups<Roles>,
}

impl Neighbours {
    pub(super) fn new(ipv6_prefix: u8) -> Self {
        Self { ipv6_prefix, v4: Groups::default(), v6: Groups::default(), sockets: Groups::default() }
    }

    fn of(&self, torrent: TorrentSlot, ip: IpAddr) -> Of {
        (torrent, network(ip, self.ipv6_prefix))
    }

    /// A member at an address came, or is another than it was.
    pub(super) fn put(
        &mut self,
        (keys, rng): (&Keys, &mut Rng),
        torrent: TorrentSlot,
        at: SocketAddr,
        (node, held, expires): (Node, Held, Second),
    ) {
        let of = self.of(torrent, at.ip());
        let Held { peer_id, role } = held;
        match Endpoint::new(at.ip(), at.port()) {
            Endpoint::V4(at) => {
                put(
                    self.v4.get_or_insert(keys, of),
                    (keys, rng),
                    Entry::new(at, peer_id, node, role, expires),
                );
            }
            Endpoint::V6(at) => {
                put(
                    self.v6.get_or_insert(keys, of),
                    (keys, rng),
                    Entry::new(at, peer_id, node, role, expires),
                );
            }
        }
    }

    /// A member at an address is gone.
    pub(super) fn remove(&mut self, keys: &Keys, torrent: TorrentSlot, at: SocketAddr) {
        let of = self.of(torrent, at.ip());
        match Endpoint::new(at.ip(), at.port()) {
            Endpoint::V4(at) => remove(&mut self.v4, keys, &of, &at),
            Endpoint::V6(at) => remove(&mut self.v6, keys, &of, &at),
        }
    }

    /// Members on sockets in the network of this address: leechers, and seeds unless they are `for_seed`.
    pub(super) fn on_sockets(
        &self,
        keys: &Keys,
        torrent: TorrentSlot,
        ip: IpAddr,
        for_seed: bool,
    ) -> Option<(&[Slot], &[Slot])> {
        self.sockets.get(keys, &self.of(torrent, ip)).map(|roles| roles.candidates(for_seed))
    }

    /// Members at addresses in the network of this one, whoever asks among them.
    pub(super) fn at_addresses(&self, keys: &Keys, torrent: TorrentSlot, ip: IpAddr) -> Near<'_> {
        let of = self.of(torrent, ip);
        match of.1 {
            IpAddr::V4(_) => Near { v4: self.v4.get(keys, &of), v6: None },
            IpAddr::V6(_) => Near { v4: None, v6: self.v6.get(keys, &of) },
        }
    }
}

fn put<const N: usize>(peers: &mut Peers<N>, (keys, rng): (&Keys, &mut Rng), entry: Entry<N>) {
    match peers.find(keys, &entry.at) {
        Some(place) => peers.renew(keys, rng, place, entry),
        None => peers.insert(keys, rng, entry),
    }
}

fn remove<const N: usize>(groups: &mut Groups<Peers<N>>, keys: &Keys, of: &Of, at: &[u8; N]) {
    let Some(peers) = groups.get_mut(keys, of) else { return };
    if let Some(place) = peers.find(keys, at) {
        peers.remove(keys, place);
    }
    if peers.len() == 0 {
        groups.remove(keys, of);
    }
}

impl Swarms {
    /// A member at an address came, or is another than it was.
    pub(super) fn put_near(&mut self, torrent: TorrentSlot, at: SocketAddr, member: (Node, Held, Second)) {
        if let Some(neighbours) = &mut self.neighbours {
            neighbours.put((&self.keys, &mut self.rng), torrent, at, member);
        }
    }

    /// A member at an address is gone.
    pub(super) fn remove_near(&mut self, torrent: TorrentSlot, at: SocketAddr) {
        if let Some(neighbours) = &mut self.neighbours {
            neighbours.remove(&self.keys, torrent, at);
        }
    }

    /// Puts a member on a socket among those of its network.
    pub(super) fn enter_network(&mut self, slot: Slot) {
        let Some(neighbours) = &mut self.neighbours else { return };
        let Some(member) = self.members.get_mut(slot) else { return };
        let Some(socket) = self.sockets.get(&member.key.socket) else { return };
        let of = neighbours.of(member.key.torrent, socket.ip);
        member.near_place = neighbours.sockets.get_or_insert(&self.keys, of).push(slot, member.role);
    }

    /// Takes one out that stands at this place, in this role.
    pub(super) fn leave_network(&mut self, key: &MemberKey, place: u32, role: Role) {
        let Some(neighbours) = &mut self.neighbours else { return };
        let Some(socket) = self.sockets.get(&key.socket) else { return };
        let of = neighbours.of(key.torrent, socket.ip);
        let Some(roles) = neighbours.sockets.get_mut(&self.keys, &of) else { return };
        let moved = roles.remove(place, role);
        if roles.len() == 0 {
            neighbours.sockets.remove(&self.keys, &of);
        }
        if let Some(moved) = moved.and_then(|slot| self.members.get_mut(slot)) {
            moved.near_place = place;
        }
    }
}

#[cfg(test)]
#[path = "neighbours_tests.rs"]
pub(super) mod tests;
