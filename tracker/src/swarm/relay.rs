//! Offers on their way to other members, and answers on their way back.

use shared::time::Instant;
use shared::tracker::ws::{Answer, Offer, Response};

use super::offers::{OfferKey, Pending};
use super::recency::Slot;
use super::{MemberKey, Reply, SocketId, Swarms, select};

impl Swarms {
    /// Gives each offer of this member to one other.
    pub(super) fn relay<'a>(
        &mut self,
        now: Instant,
        from: Slot,
        mut offers: Vec<Offer<'a>>,
        replies: &mut Vec<Reply<'a>>,
    ) {
        if offers.is_empty() {
            return;
        }
        let made = offers.len();
        offers.retain(|offer| offer.offer.get().len() <= self.limits.offer_bytes);
        let Some((from, seed)) = self.members.get(from).map(|member| (member.key, member.role.is_seed()))
        else {
            return;
        };
        let Some(torrent) = self.torrents.get(from.torrent) else { return };
        let info_hash = torrent.info_hash;
        let (leeches, seeds) = torrent.candidates(seed);
        let wanted = offers.len().min(self.limits.offers_per_announce);
        // Neither the announcer nor anybody who uses its peer_id: a peer takes no offer from itself.
        let acceptable = |slot| self.members.get(slot).is_some_and(|m| m.key.peer_id != from.peer_id);
        let near = self.neighbours.as_ref().zip(self.sockets.get(&from.socket));
        let near = near.and_then(|(all, socket)| all.on_sockets(&self.keys, from.torrent, socket.ip, seed));
        let receivers = select::pick_near_first(&mut self.rng, near, (leeches, seeds), wanted, acceptable);
        self.counters.offers_unwanted += (made - receivers.len()) as u64;
        for (Offer { offer_id, offer }, slot) in offers.into_iter().zip(receivers) {
            let Some(receiver) = self.members.get(slot).map(|member| member.key.socket) else { continue };
            let key = OfferKey { info_hash, receiver, offerer: from.peer_id, offer_id: &offer_id };
            if self.expect_answer(now, &key, from.socket) {
                self.counters.offers_relayed += 1;
                let response = Response::Offer { info_hash, peer_id: from.peer_id, offer_id, offer };
                replies.push(Reply { to: receiver, response });
            }
        }
    }

    /// Remembers an offer until it is answered. `false` if its owner has too many, or another's
    /// offer could not be told from it.
    fn expect_answer(&mut self, now: Instant, key: &OfferKey<'_>, owner: SocketId) -> bool {
        let Some(tally) = self.sockets.get(&owner).map(|socket| &socket.tally) else { return false };
        let (digest, deadline) = (self.offers.digest(key), now + self.limits.offer_timeout);
        let has_room = tally.pending() < self.limits.pending_per_socket;
        let inserted = has_room.then(|| self.offers.insert(Pending { digest, owner, deadline }));
        let Some(Ok(replaced)) = inserted else {
            self.counters.offers_unwanted += 1;
            return false;
        };
        tally.offer_made();
        self.totals.offer_made();
        if let Some(replaced) = replaced {
            self.offer_gone(&replaced);
        }
        true
    }

    pub(super) fn answer<'a>(
        &mut self,
        now: Instant,
        socket: SocketId,
        answer: Answer<'a>,
        replies: &mut Vec<Reply<'a>>,
    ) {
        let Answer { info_hash, peer_id, to_peer_id, offer_id, answer } = answer;
        let torrent = self.torrents.find(&self.keys, &info_hash);
        let answerer = torrent.and_then(|torrent| self.find(&MemberKey { torrent, peer_id, socket }));
        if let Some(slot) = answerer {
            self.members.touch(slot);
            if let Some(member) = self.members.get_mut(slot) {
                member.expires = now + self.limits.member_timeout;
            }
        }
        let key = OfferKey { info_hash, receiver: socket, offerer: to_peer_id, offer_id: &offer_id };
        let fits = answer.get().len() <= self.limits.offer_bytes;
        // The answerer hears nothing, as with the reference server: stock clients take a failure for a tracker's.
        let pending = fits.then(|| self.offers.digest(&key)).and_then(|digest| self.offers.take(digest));
        let Some(pending) = pending else {
            self.counters.answers_unexpected += 1;
            return;
        };
        self.offer_gone(&pending);
        if pending.owner.node() != 0 {
            // Its own node counts it.
            answerer.into_iter().for_each(|slot| self.has_met(now, slot));
            let response = Response::Answer { info_hash, peer_id, offer_id, answer };
            return replies.push(Reply { to: pending.owner, response });
        }
        if !self.sockets.contains_key(&pending.owner) {
            self.counters.answers_unexpected += 1;
            return;
        }
        self.counters.answers_relayed += 1;
        let waited = self.limits.offer_timeout.saturating_sub(pending.deadline.saturating_since(now));
        self.counters.answer_delay.add(waited);
        let owner = torrent.and_then(|torrent| {
            self.find(&MemberKey { torrent, peer_id: to_peer_id, socket: pending.owner })
        });
        answerer.into_iter().chain(owner).for_each(|slot| self.has_met(now, slot));
        let response = Response::Answer { info_hash, peer_id, offer_id, answer };
        replies.push(Reply { to: pending.owner, response });
    }

    /// A member has a way to its first peer, or to another.
    fn has_met(&mut self, now: Instant, slot: Slot) {
        let since = self.members.get_mut(slot).and_then(|member| member.waits_since.take());
        if let Some(since) = since {
            self.counters.first_peer_delay.add(now.saturating_since(since));
        }
    }

    pub(super) fn offer_gone(&self, pending: &Pending) {
        self.totals.offer_gone();
        if let Some(owner) = self.sockets.get(&pending.owner) {
            owner.tally.offer_gone();
        }
    }
}
