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

pub mod address;
mod limits;
mod offers;
mod recency;
mod select;
mod stats;
#[cfg(test)]
mod tests;
mod torrent;

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::id::{InfoHash, PeerId};
use shared::rng::Rng;
use shared::time::Instant;
use shared::tracker::ws::{Action, Announce, Answer, Event, Failure, Offer, Request, Response, ScrapeCounts};

use self::address::Addresses;
pub use self::limits::Limits;
use self::offers::{OfferKey, Offers, Pending};
use self::recency::{Recency, Slot};
pub use self::stats::{Counters, Stats};
pub use self::torrent::Counts;
use self::torrent::Torrent;

/// One connection of a peer, numbered by the host. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

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
pub struct Reply {
    /// The receiver. It may be closed by the time of delivery; then the reply is void.
    pub to: SocketId,
    /// What it gets.
    pub response: Response,
}

/// All swarms of one tracker.
#[derive(Debug)]
pub struct Swarms {
    limits: Limits,
    rng: Rng,
    /// Ordered, so that a full scrape is the same in every run.
    torrents: BTreeMap<InfoHash, Torrent>,
    members: Recency<Member>,
    index: BTreeMap<MemberKey, Slot>,
    sockets: BTreeMap<SocketId, Socket>,
    offers: Offers,
    addresses: Addresses,
    counters: Counters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct MemberKey {
    info_hash: InfoHash,
    peer_id: PeerId,
    socket: SocketId,
}

#[derive(Debug)]
struct Member {
    key: MemberKey,
    seed: bool,
    expires: Instant,
    /// Index in the torrent's list of this role.
    place: u32,
    /// Index in the socket's list.
    socket_place: u32,
}

#[derive(Debug, Default)]
struct Socket {
    family: Family,
    members: Vec<Slot>,
    /// Offers made here that wait for an answer.
    pending: u32,
}

impl Swarms {
    /// No swarms yet.
    pub fn new(limits: Limits, rng: Rng) -> Self {
        Self {
            limits,
            rng,
            torrents: BTreeMap::new(),
            members: Recency::new(),
            index: BTreeMap::new(),
            sockets: BTreeMap::new(),
            offers: Offers::new(),
            addresses: Addresses::new(),
            counters: Counters::default(),
        }
    }

    /// A peer connected.
    pub fn open(&mut self, socket: SocketId, family: Family) {
        self.sockets.insert(socket, Socket { family, ..Socket::default() });
    }

    /// A peer's connection is gone: its members leave all swarms at once.
    pub fn close(&mut self, socket: SocketId) {
        if let Some(closed) = self.sockets.get_mut(&socket) {
            for slot in core::mem::take(&mut closed.members) {
                self.remove_member(slot);
            }
        }
        self.sockets.remove(&socket);
    }

    /// Does what `request` asks and appends what is to be sent. Requests of a socket that is not open do nothing.
    pub fn handle(&mut self, now: Instant, socket: SocketId, request: Request, replies: &mut Vec<Reply>) {
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
        self.expire_addresses(now);
        while let Some((slot, _)) = self.members.oldest().filter(|(_, member)| member.expires <= now) {
            self.counters.members_expired += 1;
            self.forget_member(slot);
        }
        while let Some(stale) = self.offers.take_stale(now, self.limits.pending) {
            self.counters.offers_expired += 1;
            self.offer_gone(&stale);
        }
    }

    /// When [`Self::expire`] has something to do next, if nothing else happens.
    pub fn next_deadline(&self) -> Option<Instant> {
        let member = self.members.oldest().map(|(_, member)| member.expires);
        member.into_iter().chain(self.offers.next_deadline()).chain(self.addresses.next_deadline()).min()
    }

    /// Numbers of one swarm.
    pub fn counts(&self, info_hash: &InfoHash) -> Counts {
        self.torrents.get(info_hash).map(Torrent::counts).unwrap_or_default()
    }

    fn announce(&mut self, now: Instant, socket: SocketId, announce: Announce, replies: &mut Vec<Reply>) {
        let Announce { info_hash, peer_id, left, event, offers } = announce;
        let key = MemberKey { info_hash, peer_id, socket };
        self.counters.announces += 1;
        if event == Event::Stopped {
            if let Some(slot) = self.index.get(&key).copied() {
                self.forget_member(slot);
            }
        } else {
            let seed = left == Some(0) || (left.is_none() && event == Event::Completed);
            if let Err(refusal) = self.join(now, key, seed) {
                self.counters.announces_refused += 1;
                let reason = refusal.to_string();
                let failure = Failure { action: Some(Action::Announce), info_hash: Some(info_hash), reason };
                replies.push(Reply { to: socket, response: Response::Failure(failure) });
                return;
            }
        }
        let Counts { complete, incomplete } = self.counts(&info_hash);
        let interval = self.interval();
        let response = Response::Announced { info_hash, interval, complete, incomplete };
        replies.push(Reply { to: socket, response });
        if event != Event::Stopped {
            self.relay(now, key, offers, replies);
        }
    }

    /// Puts the member into its swarm, or renews it.
    fn join(&mut self, now: Instant, key: MemberKey, seed: bool) -> Result<(), Refusal> {
        let expires = now + self.limits.member_timeout;
        if let Some(&slot) = self.index.get(&key) {
            self.members.touch(slot);
            let Some(member) = self.members.get_mut(slot) else { return Ok(()) };
            member.expires = expires;
            if member.seed != seed {
                let (was, place) = (core::mem::replace(&mut member.seed, seed), member.place);
                self.leave_role(key.info_hash, place, was);
                let place = self.torrents.entry(key.info_hash).or_default().sockets.push(slot, seed);
                self.set_place(slot, place);
            }
            return Ok(());
        }
        self.admit(&key)?;
        let Some(socket) = self.sockets.get_mut(&key.socket) else { return Ok(()) };
        let socket_place = socket.members.len() as u32;
        let slot = self.members.insert(Member { key, seed, expires, place: 0, socket_place });
        socket.members.push(slot);
        self.index.insert(key, slot);
        let place = self.torrents.entry(key.info_hash).or_default().sockets.push(slot, seed);
        self.set_place(slot, place);
        Ok(())
    }

    /// Whether one more member is within bounds.
    fn admit(&self, key: &MemberKey) -> Result<(), Refusal> {
        let own = self.sockets.get(&key.socket).map_or(&[][..], |socket| &socket.members);
        let in_swarm =
            |slot: &&Slot| self.members.get(**slot).is_some_and(|m| m.key.info_hash == key.info_hash);
        if own.len() >= self.limits.members_per_socket {
            Err(Refusal::Socket(self.limits.members_per_socket))
        } else if own.iter().filter(in_swarm).count() >= self.limits.peer_ids_per_swarm {
            Err(Refusal::PeerIds(self.limits.peer_ids_per_swarm))
        } else if self.torrents.get(&key.info_hash).map_or(0, Torrent::len) >= self.limits.members_per_torrent
        {
            Err(Refusal::Swarm(self.limits.members_per_torrent))
        } else if self.members.len() + self.addresses.len() >= self.limits.members {
            Err(Refusal::Tracker(self.limits.members))
        } else {
            Ok(())
        }
    }

    /// Gives each offer to one other member.
    fn relay(&mut self, now: Instant, from: MemberKey, mut offers: Vec<Offer>, replies: &mut Vec<Reply>) {
        let made = offers.len();
        offers.retain(|offer| offer.offer.get().len() <= self.limits.offer_bytes);
        let Some(slot) = self.index.get(&from).copied() else { return };
        let seed = self.members.get(slot).is_some_and(|member| member.seed);
        let Some(torrent) = self.torrents.get(&from.info_hash) else { return };
        let (leeches, seeds) = torrent.sockets.candidates(seed);
        let wanted = offers.len().min(self.limits.offers_per_announce);
        // Neither the announcer nor anybody who uses its peer_id: a peer takes no offer from itself.
        let acceptable = |slot| self.members.get(slot).is_some_and(|m| m.key.peer_id != from.peer_id);
        let receivers = select::pick(&mut self.rng, leeches, seeds, wanted, acceptable);
        self.counters.offers_unwanted += (made - receivers.len()) as u64;
        let MemberKey { info_hash, peer_id, socket } = from;
        for (Offer { offer_id, offer }, slot) in offers.into_iter().zip(receivers) {
            let Some(receiver) = self.members.get(slot).map(|member| member.key.socket) else { continue };
            let key =
                Arc::new(OfferKey { info_hash, receiver, offerer: peer_id, offer_id: offer_id.clone() });
            if self.expect_answer(Pending { key, owner: socket, deadline: now + self.limits.offer_timeout }) {
                self.counters.offers_relayed += 1;
                let response = Response::Offer { info_hash, peer_id, offer_id, offer };
                replies.push(Reply { to: receiver, response });
            }
        }
    }

    /// Remembers an offer until it is answered. `false` if its owner has too many, or another's
    /// offer could not be told from it.
    fn expect_answer(&mut self, pending: Pending) -> bool {
        let Some(owner) = self.sockets.get_mut(&pending.owner) else { return false };
        let taken = self.offers.belongs_to_another(&pending.key, pending.owner);
        if taken || owner.pending >= self.limits.pending_per_socket {
            self.counters.offers_unwanted += 1;
            return false;
        }
        owner.pending += 1;
        if let Some(replaced) = self.offers.insert(pending) {
            self.offer_gone(&replaced);
        }
        true
    }

    fn answer(&mut self, now: Instant, socket: SocketId, answer: Answer, replies: &mut Vec<Reply>) {
        let Answer { info_hash, peer_id, to_peer_id, offer_id, answer } = answer;
        if let Some(&slot) = self.index.get(&MemberKey { info_hash, peer_id, socket }) {
            self.members.touch(slot);
            if let Some(member) = self.members.get_mut(slot) {
                member.expires = now + self.limits.member_timeout;
            }
        }
        let key = OfferKey { info_hash, receiver: socket, offerer: to_peer_id, offer_id };
        if answer.get().len() > self.limits.offer_bytes {
            self.counters.answers_unexpected += 1;
            return;
        }
        // The answerer hears nothing, as with the reference server: stock clients take a failure for a tracker's.
        let Some(pending) = self.offers.take(&key) else {
            self.counters.answers_unexpected += 1;
            return;
        };
        self.offer_gone(&pending);
        if self.sockets.contains_key(&pending.owner) {
            self.counters.answers_relayed += 1;
            let response = Response::Answer { info_hash, peer_id, offer_id: key.offer_id, answer };
            replies.push(Reply { to: pending.owner, response });
        } else {
            self.counters.answers_unexpected += 1;
        }
    }

    fn scrape(&mut self, socket: SocketId, hashes: &[InfoHash], replies: &mut Vec<Reply>) {
        let named: std::collections::BTreeSet<_> = hashes.iter().take(self.limits.scrape).copied().collect();
        let files = self.scraped(&named.into_iter().collect::<Vec<_>>());
        let response = Response::Scraped { files, min_request_interval: self.interval() };
        replies.push(Reply { to: socket, response });
    }

    /// Numbers of these swarms in that order, or of all if none is named; of no more than the bound.
    pub fn scraped(&mut self, hashes: &[InfoHash]) -> Vec<(InfoHash, ScrapeCounts)> {
        self.counters.scrapes += 1;
        let bound = self.limits.scrape;
        let numbers = |counts: Counts| ScrapeCounts {
            complete: counts.complete,
            incomplete: counts.incomplete,
            // At least those that are here and have everything; others are not remembered.
            downloaded: counts.complete,
        };
        if hashes.is_empty() {
            let all = self.torrents.iter().take(bound);
            return all.map(|(hash, torrent)| (*hash, numbers(torrent.counts()))).collect();
        }
        hashes.iter().take(bound).map(|hash| (*hash, numbers(self.counts(hash)))).collect()
    }

    /// Takes a member out of its swarm and of its socket's list.
    fn forget_member(&mut self, slot: Slot) {
        let Some(member) = self.members.get(slot) else { return };
        let place = member.socket_place;
        if let Some(socket) = self.sockets.get_mut(&member.key.socket) {
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
        let Some(member) = self.members.remove(slot) else { return };
        self.index.remove(&member.key);
        self.leave_role(member.key.info_hash, member.place, member.seed);
        self.drop_if_empty(&member.key.info_hash);
    }

    fn drop_if_empty(&mut self, info_hash: &InfoHash) {
        if self.torrents.get(info_hash).is_some_and(|torrent| torrent.len() == 0) {
            self.torrents.remove(info_hash);
        }
    }

    fn leave_role(&mut self, info_hash: InfoHash, place: u32, seed: bool) {
        let moved = self.torrents.get_mut(&info_hash).and_then(|torrent| torrent.sockets.remove(place, seed));
        if let Some(moved) = moved {
            self.set_place(moved, place);
        }
    }

    fn set_place(&mut self, slot: Slot, place: u32) {
        if let Some(member) = self.members.get_mut(slot) {
            member.place = place;
        }
    }

    fn offer_gone(&mut self, pending: &Pending) {
        if let Some(owner) = self.sockets.get_mut(&pending.owner) {
            owner.pending = owner.pending.saturating_sub(1);
        }
    }

    fn interval(&self) -> u32 {
        u32::try_from(self.limits.interval.as_secs()).unwrap_or(u32::MAX)
    }
}

/// Why somebody is not admitted. Each names the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// [`Limits::members_per_socket`].
    #[error("too many swarms on one connection: at most {0}")]
    Socket(usize),
    /// [`Limits::peer_ids_per_swarm`].
    #[error("too many peer_ids of one connection in one swarm: at most {0}")]
    PeerIds(usize),
    /// [`Limits::members_per_address`].
    #[error("too many peers of your address in all swarms: at most {0}")]
    Address(usize),
    /// [`Limits::peers_per_swarm`].
    #[error("too many peers of your address in this swarm: at most {0}")]
    AddressInSwarm(usize),
    /// [`Limits::members_per_torrent`].
    #[error("this swarm is full: at most {0} peers")]
    Swarm(usize),
    /// [`Limits::members`].
    #[error("this tracker is full: at most {0} peers")]
    Tracker(usize),
    /// Half of [`Limits::members`].
    #[error("this tracker is full: at most {0} peers over HTTP and UDP")]
    Addresses(usize),
}
