//! Members of other nodes of a cluster. They stand among this node's own, so that nobody who is introduced or counted is of a
//! lower kind; but they end when their node says so, or is gone.

use std::net::{IpAddr, SocketAddr};

use shared::id::{InfoHash, PeerId};
use shared::rng::Rng;
use shared::time::Instant;
use shared::tracker::ws::{Answer, Offer, Response};

use super::address::{At, Endpoint};
use super::change::{Applied, Change, Claim, Held, Key, Node, yields};
use super::index::Keys;
use super::offers::{OfferKey, Pending};
use super::peers::{Entry, FOREVER, Peers, Second};
use super::recency::Slot;
use super::sweep::second;
use super::torrent::{Torrent, TorrentSlot};
use super::{Member, MemberKey, Reply, SocketId, Swarms};

/// Members of other nodes are taken in beyond the bounds of this one, which they have passed there: all nodes look before they
/// add, but not at the same. At so many times the bound it is no accident.
const BEYOND: usize = 2;

/// What a claim did to the members of one family.
enum Outcome {
    Joined,
    Kept(Held, u32),
    GaveUp(Held),
    Replaced(Node, Held),
}

impl Swarms {
    /// Remembers changes of this node's members from now on, for [`Self::take_changes`].
    pub fn record_changes(&mut self) {
        self.log.wanted = true;
    }

    /// Does so no more, and forgets what it remembers.
    pub fn forget_changes(&mut self) {
        self.log = Default::default();
    }

    /// Appends what changed since it was asked the last time. Returns whether something of it was dropped, for lack of room.
    pub fn take_changes(&mut self, changes: &mut Vec<Change>) -> bool {
        self.log.take(changes)
    }

    /// Enters what another node says about a member of its own.
    pub fn apply(&mut self, now: Instant, claim: &Claim) -> Applied {
        match (&claim.key, &claim.now) {
            (Key::Socket { info_hash, peer_id, socket }, held) => {
                let member = (*peer_id, SocketId::of(claim.node, *socket));
                self.apply_socket(now, info_hash, member, held.as_ref())
            }
            (Key::Address { info_hash, ip, port }, Some(held)) => {
                self.claim_address(now, info_hash, (*ip, *port), claim, held)
            }
            (Key::Address { info_hash, ip, port }, None) => self.end_address(info_hash, (*ip, *port), claim),
        }
    }

    /// Forgets the members of another node that are not to be kept, in the swarms for which `within` holds.
    pub fn retain(
        &mut self,
        node: Node,
        within: impl Fn(&InfoHash) -> bool,
        mut keep: impl FnMut(&Key, &Held) -> bool,
    ) {
        for slot in 0..self.torrents.slots() {
            let Some(torrent) = self.torrents.get_mut(slot).filter(|torrent| within(&torrent.info_hash))
            else {
                continue;
            };
            let info_hash = torrent.info_hash;
            let (keys, neighbours) = (&self.keys, &mut self.neighbours);
            let networks = &self.totals.networks;
            let mut gone = 0;
            let mut goes = |of: Node, held: &Held, ip: IpAddr, port: u16| {
                let goes = of == node && !keep(&Key::Address { info_hash, ip, port }, held);
                if goes {
                    gone += 1;
                    networks.left(ip, &info_hash);
                    if let Some(neighbours) = neighbours {
                        neighbours.remove(keys, slot, SocketAddr::new(ip, port));
                    }
                }
                goes
            };
            sweep(&mut torrent.v4, keys, &mut goes);
            if let Some(v6) = torrent.v6.as_deref_mut() {
                sweep(v6, keys, &mut goes);
            }
            let sockets = torrent.sockets.iter().flat_map(|roles| roles.all()).copied();
            let of_node = |slot: &Slot| {
                let member = self.members.get(*slot).filter(|member| member.key.socket.node() == node);
                member.is_some_and(|member| {
                    let MemberKey { peer_id, socket, .. } = member.key;
                    let key = Key::Socket { info_hash, peer_id, socket: socket.number() };
                    !keep(&key, &Held { peer_id, role: member.role })
                })
            };
            let members: Vec<Slot> = sockets.filter(of_node).collect();
            self.addresses -= gone;
            self.totals.addresses_left(gone);
            self.torrents.drop_unused(&self.keys, slot);
            members.into_iter().for_each(|slot| self.remove_member(slot));
        }
    }

    /// The swarms here, whoever is in them.
    pub fn torrents(&self) -> impl Iterator<Item = &InfoHash> {
        self.torrents.iter().map(|torrent| &torrent.info_hash)
    }

    /// Calls `each` for this node's own members of a swarm, with the seconds since they announced where they are at an address.
    pub fn own(&self, now: Instant, info_hash: &InfoHash, mut each: impl FnMut(Key, Held, u32)) {
        let Some(torrent) = self.torrent(info_hash) else { return };
        let (now, timeout) = (second(now), self.address_timeout());
        let mut entry = |ip, port, (node, held): (Node, Held), expires: Second| {
            if node == 0 && expires > now {
                each(Key::Address { info_hash: *info_hash, ip, port }, held, age(now, expires, timeout));
            }
        };
        for it in torrent.v4.entries() {
            entry(it.ip(), it.port(), it.held(), it.expires());
        }
        for it in torrent.v6.iter().flat_map(|peers| peers.entries()) {
            entry(it.ip(), it.port(), it.held(), it.expires());
        }
        for slot in torrent.sockets.iter().flat_map(|roles| roles.all()) {
            let Some(Member { key, role, .. }) = self.members.get(*slot) else { continue };
            let MemberKey { peer_id, socket, .. } = *key;
            if socket.node() == 0 {
                let held = Held { peer_id, role: *role };
                each(Key::Socket { info_hash: *info_hash, peer_id, socket: socket.number() }, held, 0);
            }
        }
    }

    /// An offer of another node's member for one on this node's socket. `None` if it cannot be delivered.
    pub fn offered<'a>(
        &mut self,
        now: Instant,
        (from, to): (SocketId, SocketId),
        (info_hash, peer_id): (InfoHash, PeerId),
        offer: Offer<'a>,
    ) -> Option<Reply<'a>> {
        self.expire(now);
        let torrent = self.torrents.find(&self.keys, &info_hash)?;
        let members = &self.sockets.get(&to)?.members;
        let is_member =
            |slot: &Slot| self.members.get(*slot).is_some_and(|member| member.key.torrent == torrent);
        let Offer { offer_id, offer } = offer;
        if offer.get().len() > self.limits.offer_bytes || !members.iter().any(is_member) {
            return None;
        }
        let key = OfferKey { info_hash, receiver: to, offerer: peer_id, offer_id: &offer_id };
        let (digest, deadline) = (self.offers.digest(&key), now + self.limits.offer_timeout);
        let replaced = self.offers.insert(Pending { digest, owner: from, deadline }).ok()?;
        self.totals.offer_made();
        if let Some(replaced) = replaced {
            self.offer_gone(&replaced);
        }
        Some(Reply { to, response: Response::Offer { info_hash, peer_id, offer_id, offer } })
    }

    /// An answer of another node's member to an offer that was made here, and went to that socket.
    pub fn answered<'a>(
        &mut self,
        now: Instant,
        from: SocketId,
        answer: Answer<'a>,
        replies: &mut Vec<Reply<'a>>,
    ) {
        self.expire(now);
        self.answer(now, from, answer, replies);
    }

    /// It is its node's to say when it ends: here it does not grow old.
    pub(super) fn keep_elsewhere(&mut self, now: Instant, slot: Slot) {
        self.members.touch(slot);
        if let Some(member) = self.members.get_mut(slot) {
            member.expires = now + self.limits.member_timeout;
        }
    }

    fn apply_socket(
        &mut self,
        now: Instant,
        info_hash: &InfoHash,
        (peer_id, socket): (PeerId, SocketId),
        held: Option<&Held>,
    ) -> Applied {
        let torrent = self.torrents.find(&self.keys, info_hash);
        let known = torrent.and_then(|torrent| self.find(&MemberKey { torrent, peer_id, socket }));
        let was =
            known.and_then(|slot| self.members.get(slot)).map(|member| Held { peer_id, role: member.role });
        match (torrent, known, was, held) {
            (Some(torrent), Some(slot), Some(was), Some(held)) => {
                if let Some(member) = self.members.get_mut(slot)
                    && was.role != held.role
                {
                    member.role = held.role;
                    let place = member.place;
                    self.leave_role(torrent, place, was.role);
                    self.enter_role(torrent, slot, held.role);
                }
                Applied::Replaced(socket.node(), was)
            }
            (_, Some(slot), Some(was), None) => {
                self.remove_member(slot);
                Applied::Removed(socket.node(), was)
            }
            (torrent, _, _, Some(held)) => {
                if !self.has_room(torrent) {
                    return Applied::Full;
                }
                let torrent = torrent.unwrap_or_else(|| self.torrents.insert(&self.keys, *info_hash));
                let key = MemberKey { torrent, peer_id, socket };
                let expires = now + self.limits.member_timeout;
                let (role, waits_since) = (held.role, None);
                let member =
                    Member { key, role, expires, place: 0, socket_place: 0, near_place: 0, waits_since };
                let slot = self.members.insert(member);
                self.enter(key, slot, role);
                Applied::New
            }
            (_, _, _, None) => Applied::Absent,
        }
    }

    fn claim_address(
        &mut self,
        now: Instant,
        info_hash: &InfoHash,
        (ip, port): (IpAddr, u16),
        claim: &Claim,
        held: &Held,
    ) -> Applied {
        let slot = self.torrents.find(&self.keys, info_hash);
        let endpoint = Endpoint::new(ip, port);
        let has_room = self.has_room(slot);
        let is_known = slot.and_then(|slot| self.torrents.get(slot)).is_some_and(|torrent| match endpoint {
            Endpoint::V4(at) => torrent.v4.find(&self.keys, &at).is_some(),
            Endpoint::V6(at) => {
                torrent.v6.as_ref().is_some_and(|peers| peers.find(&self.keys, &at).is_some())
            }
        });
        if !is_known && !has_room {
            return Applied::Full;
        }
        let slot = slot.unwrap_or_else(|| self.torrents.insert(&self.keys, *info_hash));
        let times = (second(now), self.address_timeout());
        let (keys, rng) = (&self.keys, &mut self.rng);
        let Some(torrent) = self.torrents.get_mut(slot) else { return Applied::Full };
        let outcome = match endpoint {
            Endpoint::V4(at) => enter(&mut torrent.v4, (keys, rng), at, claim, held, times),
            Endpoint::V6(at) => {
                enter(torrent.v6.get_or_insert_default(), (keys, rng), at, claim, held, times)
            }
        };
        let key = claim.key;
        if !matches!(outcome, Outcome::Kept(..)) {
            self.put_near(slot, SocketAddr::new(ip, port), (claim.node, *held, FOREVER));
        }
        match outcome {
            Outcome::Joined => {
                self.addresses += 1;
                self.totals.address_joined();
                self.totals.networks.joined(ip, info_hash);
                Applied::New
            }
            Outcome::Kept(own, age) => {
                self.log.add(Change { key, was: Some((0, own)), now: Some(own), age, quiet: false });
                Applied::Kept
            }
            Outcome::GaveUp(own) => {
                self.log.add(Change { key, was: Some((0, own)), now: None, age: 0, quiet: true });
                Applied::New
            }
            Outcome::Replaced(node, was) => Applied::Replaced(node, was),
        }
    }

    fn end_address(&mut self, info_hash: &InfoHash, (ip, port): (IpAddr, u16), claim: &Claim) -> Applied {
        let Some(slot) = self.torrents.find(&self.keys, info_hash) else { return Applied::Absent };
        let Some(torrent) = self.torrents.get_mut(slot) else { return Applied::Absent };
        let was = match Endpoint::new(ip, port) {
            Endpoint::V4(at) => end(&mut torrent.v4, &self.keys, at, claim),
            Endpoint::V6(at) => torrent.v6.as_deref_mut().and_then(|peers| end(peers, &self.keys, at, claim)),
        };
        let Some((node, was)) = was else { return Applied::Absent };
        if node == 0 {
            self.log.add(Change { key: claim.key, was: Some((0, was)), now: None, age: 0, quiet: true });
        }
        self.addresses -= 1;
        self.totals.addresses_left(1);
        self.totals.networks.left(ip, info_hash);
        self.remove_near(slot, SocketAddr::new(ip, port));
        self.torrents.drop_unused(&self.keys, slot);
        Applied::Removed(node, was)
    }

    fn has_room(&self, torrent: Option<TorrentSlot>) -> bool {
        let torrent = torrent.and_then(|slot| self.torrents.get(slot)).map_or(0, Torrent::len);
        self.totals.members() < BEYOND * self.limits.members
            && torrent < BEYOND * self.limits.members_per_torrent
    }

    fn address_timeout(&self) -> Second {
        Second::try_from(self.limits.address_timeout.as_secs()).unwrap_or(FOREVER)
    }
}

/// Seconds since a member announced: more than this node runs, if it did so in an earlier run.
fn age(now: Second, expires: Second, timeout: Second) -> u32 {
    now.saturating_add(timeout).saturating_sub(expires)
}

fn enter<const N: usize>(
    peers: &mut Peers<N>,
    (keys, rng): (&Keys, &mut Rng),
    at: [u8; N],
    claim: &Claim,
    held: &Held,
    (now, timeout): (Second, Second),
) -> Outcome {
    let entry = Entry::new(at, held.peer_id, claim.node, held.role, FOREVER);
    let known = peers.find(keys, &at).and_then(|place| peers.get(place).map(|known| (place, *known)));
    let Some((place, known)) = known else {
        peers.insert(keys, rng, entry);
        return Outcome::Joined;
    };
    let (node, was) = known.held();
    let own_age = age(now, known.expires(), timeout);
    if node == 0 && known.expires() > now && !yields(own_age, claim) {
        return Outcome::Kept(was, own_age);
    }
    peers.renew(keys, rng, place, entry);
    if node == 0 { Outcome::GaveUp(was) } else { Outcome::Replaced(node, was) }
}

fn end<const N: usize>(
    peers: &mut Peers<N>,
    keys: &Keys,
    at: [u8; N],
    claim: &Claim,
) -> Option<(Node, Held)> {
    let place = peers.find(keys, &at)?;
    let (of, was) = peers.get(place)?.held();
    let ends = claim.anywhere || of == claim.node;
    ends.then(|| peers.remove(keys, place)).map(|()| (of, was))
}

fn sweep<const N: usize>(
    peers: &mut Peers<N>,
    keys: &Keys,
    goes: &mut impl FnMut(Node, &Held, IpAddr, u16) -> bool,
) where
    Entry<N>: At,
{
    peers.sweep(keys, None, usize::MAX, |entry| {
        let (node, held) = entry.held();
        goes(node, &held, entry.ip(), entry.port())
    });
}

#[cfg(test)]
#[path = "elsewhere_tests.rs"]
mod tests;
