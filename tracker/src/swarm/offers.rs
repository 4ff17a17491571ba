//! Offers that were relayed and may still be answered.

use shared::id::{InfoHash, PeerId};
use shared::rng::Rng;
use shared::time::Instant;

use super::SocketId;
use super::index::{Index, Keys};
use super::recency::{Recency, Slot};

/// What an answer must name to reach the peer that made the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OfferKey<'a> {
    pub(super) info_hash: InfoHash,
    /// The socket to which the offer was relayed: nobody else may answer it.
    pub(super) receiver: SocketId,
    /// Who made the offer.
    pub(super) offerer: PeerId,
    /// As the offerer chose it; opaque.
    pub(super) offer_id: &'a str,
}

impl OfferKey<'_> {
    /// The parts that are always equally long.
    fn fixed(&self) -> [u8; 48] {
        let mut fixed = [0; 48];
        fixed[..20].copy_from_slice(&self.info_hash.0);
        fixed[20..40].copy_from_slice(&self.offerer.0);
        fixed[40..].copy_from_slice(&self.receiver.0.to_be_bytes());
        fixed
    }
}

/// An [`OfferKey`] in 128 bits, by a hash function whose key is drawn at the start: nobody can find two that agree.
pub(super) type Digest = (u64, u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) digest: Digest,
    /// The socket whose offer it is, and the only one that gets the answer.
    pub(super) owner: SocketId,
    pub(super) deadline: Instant,
}

/// Somebody else's offer has the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken;

/// Pending offers by digest; all live equally long, so the oldest expires first.
#[derive(Debug)]
pub(super) struct Offers {
    keys: Keys,
    pending: Recency<Pending>,
    index: Index,
}

impl Offers {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self { keys: Keys::new(rng), pending: Recency::default(), index: Index::default() }
    }

    pub(super) const fn len(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn digest(&self, key: &OfferKey<'_>) -> Digest {
        self.keys.digest([&key.fixed(), key.offer_id.as_bytes()])
    }

    /// Remembers an offer. Returns the one of the same owner that had the same key, if any: only the newer can be answered.
    ///
    /// # Errors
    ///
    /// [`Taken`]: whoever knows another's peer_id could take its answers otherwise.
    pub(super) fn insert(&mut self, pending: Pending) -> Result<Option<Pending>, Taken> {
        let digest = pending.digest;
        let Some(slot) = self.find(digest) else {
            let slot = self.pending.insert(pending);
            let all = &self.pending;
            self.index.insert(digest.0, slot, |slot| all.get(slot).map_or(0, |pending| pending.digest.0));
            return Ok(None);
        };
        match self.pending.get(slot) {
            Some(other) if other.owner != pending.owner => Err(Taken),
            _ => Ok(self.pending.replace(slot, pending)),
        }
    }

    /// Takes the offer that an answer with this key answers; it cannot be answered again.
    pub(super) fn take(&mut self, digest: Digest) -> Option<Pending> {
        let pending = &self.pending;
        let same = |slot| pending.get(slot).is_some_and(|pending| pending.digest == digest);
        let slot = self.index.remove(digest.0, same)?;
        self.pending.remove(slot)
    }

    /// Takes the oldest offer, if it expired or there are `too_many`.
    pub(super) fn take_stale(&mut self, now: Instant, too_many: bool) -> Option<Pending> {
        let (_, pending) = self.pending.oldest()?;
        if pending.deadline > now && !too_many {
            return None;
        }
        let digest = pending.digest;
        self.take(digest)
    }

    /// When the oldest offer expires.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.pending.oldest().map(|(_, pending)| pending.deadline)
    }

    fn find(&self, digest: Digest) -> Option<Slot> {
        self.index
            .find(digest.0, |slot| self.pending.get(slot).is_some_and(|pending| pending.digest == digest))
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.pending.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(offers: &Offers, receiver: u64, offer_id: &str, deadline: u64) -> Pending {
        let key = OfferKey {
            info_hash: InfoHash([1; 20]),
            receiver: SocketId(receiver),
            offerer: PeerId([2; 20]),
            offer_id,
        };
        Pending { digest: offers.digest(&key), owner: SocketId(9), deadline: Instant::from_millis(deadline) }
    }

    #[test]
    fn the_oldest_goes_first_when_it_expired_or_when_there_are_too_many() {
        let mut offers = Offers::new(&mut Rng::from_seed([1; 32]));
        let all = ["a", "b", "c"].map(|offer_id| pending(&offers, 1, offer_id, 0));
        for (number, pending) in all.iter().enumerate() {
            assert!(
                offers
                    .insert(Pending { deadline: Instant::from_millis(10 + number as u64), ..*pending })
                    .is_ok_and(|replaced| replaced.is_none())
            );
        }
        let now = Instant::from_millis(10);
        assert_eq!(offers.take_stale(now, false).map(|stale| stale.digest), Some(all[0].digest));
        assert!(offers.take_stale(now, false).is_none());
        assert_eq!(offers.take_stale(now, true).map(|stale| stale.digest), Some(all[1].digest));
        let again = pending(&offers, 1, "c", 20);
        assert!(offers.insert(again).is_ok_and(|replaced| replaced.is_some()), "the same key again replaces");
        assert_eq!(offers.insert(Pending { owner: SocketId(8), ..again }), Err(Taken));
        assert_eq!((offers.len(), offers.index.len()), (1, 1));
        assert_eq!(offers.next_deadline(), Some(Instant::from_millis(20)));
        let other = pending(&offers, 2, "c", 20);
        assert_eq!((offers.take(other.digest), offers.take(again.digest)), (None, Some(again)));
    }
}
