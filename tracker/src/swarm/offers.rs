//! Offers that were relayed and may still be answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::id::{InfoHash, PeerId};
use shared::time::Instant;

use super::SocketId;
use super::recency::{Recency, Slot};

/// What an answer must name to reach the peer that made the offer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OfferKey {
    pub(super) info_hash: InfoHash,
    /// The socket to which the offer was relayed: nobody else may answer it.
    pub(super) receiver: SocketId,
    /// Who made the offer.
    pub(super) offerer: PeerId,
    /// As the offerer chose it; opaque.
    pub(super) offer_id: String,
}

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) key: Arc<OfferKey>,
    /// The socket whose offer it is, and the only one that gets the answer.
    pub(super) owner: SocketId,
    pub(super) deadline: Instant,
}

/// Pending offers by key, bounded; the oldest gives way. All live equally long, so the oldest expires first.
#[derive(Debug)]
pub(super) struct Offers {
    pending: Recency<Pending>,
    index: BTreeMap<Arc<OfferKey>, Slot>,
}

impl Offers {
    pub(super) const fn new() -> Self {
        Self { pending: Recency::new(), index: BTreeMap::new() }
    }

    pub(super) const fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether somebody else's offer has the same key: whoever knows another's peer_id could take its answers otherwise.
    pub(super) fn belongs_to_another(&self, key: &OfferKey, owner: SocketId) -> bool {
        let slot = self.index.get(key).copied();
        slot.and_then(|slot| self.pending.get(slot)).is_some_and(|pending| pending.owner != owner)
    }

    /// Remembers an offer. Returns the one that had the same key, if any: only the newer can be answered.
    pub(super) fn insert(&mut self, pending: Pending) -> Option<Pending> {
        let key = pending.key.clone();
        let slot = self.pending.insert(pending);
        let replaced = self.index.insert(key, slot);
        replaced.and_then(|slot| self.pending.remove(slot))
    }

    /// Takes the offer that `key` answers; it cannot be answered again.
    pub(super) fn take(&mut self, key: &OfferKey) -> Option<Pending> {
        let slot = self.index.remove(key)?;
        self.pending.remove(slot)
    }

    /// Takes the oldest offer, if it expired or the table holds more than `bound`.
    pub(super) fn take_stale(&mut self, now: Instant, bound: usize) -> Option<Pending> {
        let (slot, pending) = self.pending.oldest()?;
        if pending.deadline > now && self.pending.len() <= bound {
            return None;
        }
        self.index.remove(&pending.key);
        self.pending.remove(slot)
    }

    /// When the oldest offer expires.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.pending.oldest().map(|(_, pending)| pending.deadline)
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.pending.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(receiver: u64, offer_id: &str, deadline: u64) -> Pending {
        let key = OfferKey {
            info_hash: InfoHash([1; 20]),
            receiver: SocketId(receiver),
            offerer: PeerId([2; 20]),
            offer_id: offer_id.to_owned(),
        };
        let key = Arc::new(key);
        Pending { key, owner: SocketId(99), deadline: Instant::from_millis(deadline) }
    }

    #[test]
    fn an_offer_is_answered_once_and_by_its_receiver_only() {
        let mut offers = Offers::new();
        assert!(offers.insert(pending(1, "a", 10)).is_none());
        assert!(offers.take(&pending(2, "a", 10).key).is_none());
        assert!(offers.take(&pending(1, "b", 10).key).is_none());
        assert!(offers.take(&pending(1, "a", 10).key).is_some());
        assert!(offers.take(&pending(1, "a", 10).key).is_none());
        assert_eq!((offers.len(), offers.index.len()), (0, 0));
    }

    #[test]
    fn the_oldest_goes_when_it_expires_or_when_there_are_too_many() {
        let mut offers = Offers::new();
        for (number, offer_id) in ["a", "b", "c"].into_iter().enumerate() {
            offers.insert(pending(1, offer_id, 10 + number as u64));
        }
        let now = Instant::from_millis(10);
        assert_eq!(offers.take_stale(now, 9).map(|stale| stale.key.offer_id.clone()), Some("a".to_owned()));
        assert!(offers.take_stale(now, 9).is_none());
        assert_eq!(offers.take_stale(now, 1).map(|stale| stale.key.offer_id.clone()), Some("b".to_owned()));
        assert!(offers.insert(pending(1, "c", 20)).is_some(), "the same key again replaces");
        assert_eq!((offers.len(), offers.index.len()), (1, 1));
        assert_eq!(offers.next_deadline(), Some(Instant::from_millis(20)));
    }
}
