//! The swarms: who is in which, who is introduced to whom, and whose answer goes where.
//!
//! Pure. A host hands in requests with the socket that they came from and the time, and delivers the replies; the
//! simulator does so as the server does. Randomness comes from the generator given at the start.
//!
//! A member is a `(torrent, peer_id, socket)`. The peer_id alone proves nothing, since every offer shows its sender's:
//! a stranger who announces somebody else's peer_id becomes a member of its own, and changes nothing for the other.
//! In the same way a peer that reconnects is a member twice until its old socket closes or goes silent.
//!
//! Peers that announce over HTTP or UDP are members of the same swarms, reached at their addresses: see [`address`]. They
//! are counted together with the others, but only introduced to their like, since neither kind can connect to the other.
//!
//! One [`Swarms`] is enough for a tracker. A host with several processors has several, made by [`Swarms::sharded`], each for
//! a part of the torrents and behind a lock of its own; bounds of the whole are shared among them (`totals`).

pub mod address;
pub mod change;
mod elsewhere;
mod histogram;
mod index;
mod limits;
mod neighbours;
mod networks;
mod offers;
mod peers;
mod recency;
mod relay;
mod roster;
mod select;
mod stats;
mod sweep;
#[cfg(test)]
mod tests;
mod torrent;
mod totals;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use shared::id::{InfoHash, PeerId};
use shared::rng::Rng;
use shared::time::Instant;
use shared::tracker::announce::Role;
use shared::tracker::ws::{Action, Announce, Event, Failure, Request, Response, ScrapeCounts};

use self::change::{Log, Node, SOCKETS_MAX};
pub use self::histogram::{BOUNDS, Histogram};
use self::index::{Index, Keys};
pub use self::limits::{Limits, Refusal};
use self::neighbours::Neighbours;
use self::offers::Offers;
use self::recency::{Recency, Slot};
pub use self::roster::Shown;
pub use self::stats::{Census, Counters, Stats};
use self::sweep::Sweep;
pub use self::torrent::Counts;
use self::torrent::{Torrent, TorrentSlot, Torrents};
pub use self::totals::SocketTally;
use self::totals::Totals;

/// One connection of a peer, numbered by the host. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

impl SocketId {
    /// The socket with this number of that node; of 0, this one's own.
    pub const fn of(node: Node, number: u64) -> Self {
        Self(((node as u64) << SOCKETS_MAX.trailing_zeros()) | (number % SOCKETS_MAX))
    }

    /// Whose socket it is; 0 is this node.
    pub const fn node(self) -> Node {
        (self.0 >> SOCKETS_MAX.trailing_zeros()) as Node
    }

    /// Its number there.
    pub const fn number(self) -> u64 {
        self.0 % SOCKETS_MAX
    }
}

/// The family of an address. That of a socket is only counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4, or IPv4 mapped into IPv6.
    #[default]
    V4,
    /// IPv6.
    V6,
}

/// A message for one socket. Replies are to be delivered in the order in which they were made.
#[derive(Clone, Debug)]
pub struct Reply<'a> {
    /// The receiver. It may be closed by the time of delivery; then the reply is void.
    pub to: SocketId,
    /// What it gets.
    pub response: Response<'a>,
}

/// The swarms of one tracker, or of a part of its torrents.
#[derive(Debug)]
pub struct Swarms {
    limits: Limits,
    rng: Rng,
    /// For everything that is looked up by what strangers choose.
    keys: Keys,
    totals: Arc<Totals>,
    torrents: Torrents,
    members: Recency<Member>,
    index: Index,
    sockets: BTreeMap<SocketId, Socket>,
    offers: Offers,
    /// Members here that are reached at an address.
    addresses: usize,
    sweep: Sweep,
    counters: Counters,
    /// Members by network; only if they are introduced to each other first.
    neighbours: Option<Box<Neighbours>>,
    /// For the other nodes of a cluster.
    log: Log,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct MemberKey {
    torrent: TorrentSlot,
    peer_id: PeerId,
    socket: SocketId,
}

#[derive(Debug)]
struct Member {
    key: MemberKey,
    role: Role,
    expires: Instant,
    /// Index in the torrent's list of this role.
    place: u32,
    /// Index in the socket's list.
    socket_place: u32,
    /// Index in the list of its network, if such are kept.
    near_place: u32,
    /// Since when it waits for its first peer, if there was somebody for it when it came.
    waits_since: Option<Instant>,
}

#[derive(Debug)]
struct Socket {
    ip: IpAddr,
    members: Vec<Slot>,
    /// What it has in all parts of the tracker.
    tally: SocketTally,
    /// The peer_id of its first member here; most have no other.
    first: Option<PeerId>,
    /// Whether it has had members with several peer_ids here.
    is_varied: bool,
}

impl Swarms {
    /// No swarms yet.
    pub fn new(limits: Limits, rng: Rng) -> Self {
        let totals = Arc::new(Totals::new(limits.members, limits.ipv6_prefix, &mut rng.fork("totals")));
        Self::with_totals(limits, rng, totals)
    }

    /// No swarms yet, in `count` parts with bounds in common. Each torrent belongs to one of them, which is the host's choice.
    pub fn sharded(limits: &Limits, rng: &Rng, count: usize) -> Vec<Self> {
        let totals = Arc::new(Totals::new(limits.members, limits.ipv6_prefix, &mut rng.fork("totals")));
        let part =
            |number| Self::with_totals(limits.clone(), rng.fork(&format!("swarms {number}")), totals.clone());
        (0..count).map(part).collect()
    }

    fn with_totals(limits: Limits, rng: Rng, totals: Arc<Totals>) -> Self {
        Self {
            keys: Keys::new(&mut rng.fork("keys")),
            offers: Offers::new(&mut rng.fork("offers")),
            rng,
            totals,
            torrents: Torrents::default(),
            members: Recency::default(),
            index: Index::default(),
            sockets: BTreeMap::new(),
            addresses: 0,
            sweep: Sweep::default(),
            counters: Counters::default(),
            neighbours: limits.neighbours_first.then(|| Box::new(Neighbours::new(limits.ipv6_prefix))),
            log: Log::default(),
            limits,
        }
    }

    /// A peer connected from this address. Where there are several parts, it is opened in each in which it asks something, with the
    /// same tally. One that is open stays as it is.
    pub fn open(&mut self, socket: SocketId, ip: IpAddr, tally: &SocketTally) {
        self.sockets.entry(socket).or_insert_with(|| Socket {
            ip: ip.to_canonical(),
            members: Vec::new(),
            tally: tally.clone(),
            first: None,
            is_varied: false,
        });
    }

    /// A peer's connection is gone: its members leave all swarms at once.
    pub fn close(&mut self, socket: SocketId) {
        if let Some(closed) = self.sockets.get_mut(&socket) {
            let members = core::mem::take(&mut closed.members);
            closed.tally.members_left(members.len());
            members.into_iter().for_each(|slot| self.remove_member(slot));
            self.sockets.remove(&socket);
        }
    }

    /// Does what `request` asks and appends what is to be sent. Requests of a socket that is not open do nothing.
    pub fn handle<'a>(
        &mut self,
        now: Instant,
        socket: SocketId,
        request: Request<'a>,
        replies: &mut Vec<Reply<'a>>,
    ) {
        self.expire(now);
        if !self.sockets.contains_key(&socket) {
            return;
        }
        match request {
            Request::Announce(announce) => self.announce(now, socket, announce, replies),
            Request::Answer(answer) => self.answer(now, socket, answer, replies),
            Request::Scrape(hashes) => self.scrape(socket, &hashes, replies),
        }
    }

    /// Forgets members that stopped announcing and offers that nobody answered in time.
    pub fn expire(&mut self, now: Instant) {
        self.sweep_addresses(now);
        while let Some((slot, member)) = self.members.oldest().filter(|(_, member)| member.expires <= now) {
            if member.key.socket.node() != 0 {
                self.keep_elsewhere(now, slot);
                continue;
            }
            self.counters.members_expired += 1;
            self.forget_member(slot);
        }
        while let Some(stale) = self.offers.take_stale(now, self.totals.pending() > self.limits.pending) {
            self.counters.offers_expired += 1;
            self.offer_gone(&stale);
        }
    }

    /// When [`Self::expire`] has something to do next, if nothing else happens.
    pub fn next_deadline(&self) -> Option<Instant> {
        let member = self.members.oldest().map(|(_, member)| member.expires);
        let sweep = (self.addresses > 0).then(|| self.sweep.next());
        member.into_iter().chain(self.offers.next_deadline()).chain(sweep).min()
    }

    /// Numbers of one swarm.
    pub fn counts(&self, info_hash: &InfoHash) -> Counts {
        self.torrent(info_hash).map(Torrent::counts).unwrap_or_default()
    }

    fn torrent(&self, info_hash: &InfoHash) -> Option<&Torrent> {
        self.torrents.find(&self.keys, info_hash).and_then(|slot| self.torrents.get(slot))
    }

    fn announce<'a>(
        &mut self,
        now: Instant,
        socket: SocketId,
        announce: Announce<'a>,
        replies: &mut Vec<Reply<'a>>,
    ) {
        let Announce { info_hash, peer_id, left, event, offers } = announce;
        self.counters.announces += 1;
        let torrent = self.torrents.find(&self.keys, &info_hash);
        let joined = if event == Event::Stopped {
            let key = torrent.map(|torrent| MemberKey { torrent, peer_id, socket });
            if let Some(slot) = key.and_then(|key| self.find(&key)) {
                self.forget_member(slot);
            }
            None
        } else {
            let role = Role::of(left, event);
            match self.join(now, (info_hash, torrent), (peer_id, socket), role, event) {
                Ok(slot) => Some(slot),
                Err(refusal) => {
                    self.counters.refused(refusal);
                    let reason = refusal.to_string();
                    let failure =
                        Failure { action: Some(Action::Announce), info_hash: Some(info_hash), reason };
                    replies.push(Reply { to: socket, response: Response::Failure(failure) });
                    return;
                }
            }
        };
        let counts = match joined.and_then(|slot| self.members.get(slot)) {
            Some(member) => self.torrents.get(member.key.torrent).map(Torrent::counts).unwrap_or_default(),
            None => self.counts(&info_hash),
        };
        let Counts { complete, incomplete, .. } = counts;
        let interval = self.interval();
        let response = Response::Announced { info_hash, interval, complete, incomplete };
        replies.push(Reply { to: socket, response });
        if let Some(slot) = joined {
            self.relay(now, slot, offers, replies);
        }
    }

    /// Puts the member into its swarm, or renews it.
    fn join(
        &mut self,
        now: Instant,
        (info_hash, torrent): (InfoHash, Option<TorrentSlot>),
        (peer_id, socket): (PeerId, SocketId),
        role: Role,
        event: Event,
    ) -> Result<Slot, Refusal> {
        let expires = now + self.limits.member_timeout;
        let known = torrent.and_then(|torrent| self.find(&MemberKey { torrent, peer_id, socket }));
        if let (Some(slot), Some(torrent)) = (known, torrent) {
            self.members.touch(slot);
            let Some(member) = self.members.get_mut(slot) else { return Ok(slot) };
            member.expires = expires;
            if member.role != role {
                let (was, place) = (core::mem::replace(&mut member.role, role), member.place);
                let (key, near) = (member.key, member.near_place);
                self.log.socket(info_hash, (peer_id, socket), Some(was), Some(role));
                self.leave_role(torrent, place, was);
                self.enter_role(torrent, slot, role);
                self.leave_network(&key, near, was);
                self.enter_network(slot);
                if let Some(torrent) = self.torrents.get_mut(torrent).filter(|_| event == Event::Completed) {
                    torrent.completed += 1;
                }
            }
            return Ok(slot);
        }
        self.admit(torrent, peer_id, socket)?;
        let torrent = torrent.unwrap_or_else(|| self.torrents.insert(&self.keys, info_hash));
        let key = MemberKey { torrent, peer_id, socket };
        let has_company = self.torrents.get(torrent).is_some_and(|torrent| {
            let (leeches, seeds) = torrent.candidates(role.is_seed());
            leeches.len() + seeds.len() > 0
        });
        let Some(of) = self.sockets.get_mut(&socket) else { return Err(Refusal::Socket(0)) };
        let socket_place = of.members.len() as u32;
        let waits_since = has_company.then_some(now);
        let slot = self.members.insert(Member {
            key,
            role,
            expires,
            place: 0,
            socket_place,
            near_place: 0,
            waits_since,
        });
        of.members.push(slot);
        of.tally.member_joined();
        of.is_varied |= *of.first.get_or_insert(peer_id) != peer_id;
        self.log.socket(info_hash, (peer_id, socket), None, Some(role));
        self.enter(key, slot, role);
        Ok(slot)
    }

    /// Whether one more member is within bounds.
    fn admit(&self, torrent: Option<TorrentSlot>, peer_id: PeerId, socket: SocketId) -> Result<(), Refusal> {
        let limits = &self.limits;
        let Some(socket) = self.sockets.get(&socket) else { return Err(Refusal::Socket(0)) };
        let in_swarm =
            |slot: &&Slot| self.members.get(**slot).is_some_and(|m| Some(m.key.torrent) == torrent);
        // With a single peer_id it is in no swarm twice.
        let may_crowd = socket.is_varied || socket.first.is_some_and(|first| first != peer_id);
        if socket.tally.members() >= limits.members_per_socket {
            Err(Refusal::Socket(limits.members_per_socket))
        } else if may_crowd && socket.members.iter().filter(in_swarm).count() >= limits.peer_ids_per_swarm {
            Err(Refusal::PeerIds(limits.peer_ids_per_swarm))
        } else {
            self.admit_to(torrent)
        }
    }

    /// Whether the swarm and the tracker have room for one more member of any kind.
    fn admit_to(&self, torrent: Option<TorrentSlot>) -> Result<(), Refusal> {
        let limits = &self.limits;
        let torrent = torrent.and_then(|slot| self.torrents.get(slot));
        if torrent.map_or(0, Torrent::len) >= limits.members_per_torrent {
            Err(Refusal::Swarm(limits.members_per_torrent))
        } else if self.totals.members() >= limits.members {
            Err(Refusal::Tracker(limits.members))
        } else {
            Ok(())
        }
    }

    fn scrape(&mut self, socket: SocketId, hashes: &[InfoHash], replies: &mut Vec<Reply<'_>>) {
        self.counters.scrapes += 1;
        let named: std::collections::BTreeSet<_> = hashes.iter().take(self.limits.scrape).copied().collect();
        let files = self.scraped(&named.into_iter().collect::<Vec<_>>());
        let response = Response::Scraped { files, min_request_interval: self.interval() };
        replies.push(Reply { to: socket, response });
    }

    /// Numbers of these swarms in that order, or of all if none is named; of no more than the bound.
    pub fn scraped(&self, hashes: &[InfoHash]) -> Vec<(InfoHash, ScrapeCounts)> {
        let bound = self.limits.scrape;
        if hashes.is_empty() {
            let all = self.torrents.iter().take(bound);
            return all.map(|torrent| (torrent.info_hash, numbers(torrent))).collect();
        }
        let none = ScrapeCounts { downloaders: Some(0), ..ScrapeCounts::default() };
        let numbers = |hash| self.torrent(hash).map_or(none, numbers);
        hashes.iter().take(bound).map(|hash| (*hash, numbers(hash))).collect()
    }

    /// Enters a new member where it is looked for.
    fn enter(&mut self, key: MemberKey, slot: Slot, role: Role) {
        self.totals.member_joined();
        let (members, keys) = (&self.members, &self.keys);
        self.index.insert(keys.hash(&key), slot, |slot| members.get(slot).map_or(0, |m| keys.hash(&m.key)));
        self.enter_role(key.torrent, slot, role);
        self.enter_network(slot);
    }

    fn find(&self, key: &MemberKey) -> Option<Slot> {
        let same = |slot| self.members.get(slot).is_some_and(|member| member.key == *key);
        self.index.find(self.keys.hash(key), same)
    }

    /// Takes a member out of its swarm and of its socket's list.
    fn forget_member(&mut self, slot: Slot) {
        let Some(member) = self.members.get(slot) else { return };
        let place = member.socket_place;
        if let Some(socket) = self.sockets.get_mut(&member.key.socket) {
            socket.tally.members_left(1);
            socket.members.swap_remove(place as usize);
            if let Some(moved) = socket.members.get(place as usize).copied()
                && let Some(moved) = self.members.get_mut(moved)
            {
                moved.socket_place = place;
            }
        }
        self.remove_member(slot);
    }

    /// Takes a member out of its swarm; its socket's list is the caller's.
    fn remove_member(&mut self, slot: Slot) {
        let Some(member) = self.members.get(slot) else { return };
        let hash = self.keys.hash(&member.key);
        self.index.remove(hash, |found| found == slot);
        let Some(member) = self.members.remove(slot) else { return };
        let MemberKey { torrent, peer_id, socket } = member.key;
        if let Some(torrent) = self.torrents.get(torrent).filter(|_| socket.node() == 0) {
            self.log.socket(torrent.info_hash, (peer_id, socket), Some(member.role), None);
        }
        self.totals.member_left();
        self.leave_role(member.key.torrent, member.place, member.role);
        self.leave_network(&member.key, member.near_place, member.role);
        self.torrents.remove_if_empty(&self.keys, member.key.torrent);
    }

    fn enter_role(&mut self, torrent: TorrentSlot, slot: Slot, role: Role) {
        let roles = self.torrents.get_mut(torrent).map(|torrent| torrent.sockets.get_or_insert_default());
        let place = roles.map_or(0, |roles| roles.push(slot, role));
        self.set_place(slot, place);
    }

    fn leave_role(&mut self, torrent: TorrentSlot, place: u32, role: Role) {
        let Some(torrent) = self.torrents.get_mut(torrent) else { return };
        let Some(roles) = &mut torrent.sockets else { return };
        let moved = roles.remove(place, role);
        if roles.len() == 0 {
            torrent.sockets = None;
        }
        if let Some(moved) = moved {
            self.set_place(moved, place);
        }
    }

    fn set_place(&mut self, slot: Slot, place: u32) {
        if let Some(member) = self.members.get_mut(slot) {
            member.place = place;
        }
    }

    fn interval(&self) -> u32 {
        u32::try_from(self.limits.interval.as_secs()).unwrap_or(u32::MAX)
    }
}

fn numbers(torrent: &Torrent) -> ScrapeCounts {
    let counts = torrent.counts();
    let Counts { complete, incomplete, .. } = counts;
    // At least those that are here and have everything; those that got it while this swarm was known may have left.
    let (downloaded, downloaders) = (torrent.completed.max(complete), Some(counts.downloaders()));
    ScrapeCounts { complete, incomplete, downloaders, downloaded }
}
