use core::time::Duration;
use std::collections::BTreeMap;

use crate::id::{ConnId, OfferId, TrackerId};
use crate::time::Instant;
use crate::tracker::ws::ClientOffer;

/// How long an offer waits for its answer, from when it was made; stock WebTorrent waits 50 s.
const TIMEOUT: Duration = Duration::from_secs(50);

/// How long an offer that reached nobody is offered again.
const REUSE: Duration = Duration::from_secs(40);

/// Offers that are made, or sent and not answered. Each is a connection on the host that does nothing yet.
#[derive(Debug, Default)]
pub(super) struct Offers {
    offers: BTreeMap<ConnId, Offer>,
}

#[derive(Debug)]
struct Offer {
    tracker: TrackerId,
    offer_id: OfferId,
    made_at: Instant,
    /// Once the host has gathered candidates.
    sdp: Option<String>,
    /// It may have reached somebody.
    sent: bool,
}

impl Offers {
    /// An offer is being made for an announce to this tracker.
    pub(super) fn insert(&mut self, conn: ConnId, tracker: TrackerId, offer_id: OfferId, now: Instant) {
        self.offers.insert(conn, Offer { tracker, offer_id, made_at: now, sdp: None, sent: false });
    }

    /// Forgets an offer; answers whether it was there.
    pub(super) fn remove(&mut self, conn: ConnId) -> bool {
        self.offers.remove(&conn).is_some()
    }

    /// The host made an offer.
    pub(super) fn gathered(&mut self, conn: ConnId, sdp: String) {
        if let Some(offer) = self.offers.get_mut(&conn) {
            offer.sdp = Some(sdp);
        }
    }

    /// Whether offers for this tracker are still being made.
    pub(super) fn is_gathering(&self, tracker: TrackerId) -> bool {
        self.offers.values().any(|offer| offer.tracker == tracker && offer.sdp.is_none())
    }

    /// Offers for this tracker that reached nobody and may be sent, or will be.
    pub(super) fn spare(&self, tracker: TrackerId, now: Instant) -> usize {
        self.offers.values().filter(|offer| offer.is_spare(tracker, now)).count()
    }

    /// Up to `count` offers to send to this tracker, which thereby may reach somebody.
    pub(super) fn take(&mut self, tracker: TrackerId, count: usize, now: Instant) -> Vec<ClientOffer> {
        let ready =
            self.offers.values_mut().filter(|offer| offer.is_spare(tracker, now) && offer.sdp.is_some());
        let send = |offer: &mut Offer| {
            offer.sent = true;
            Some(ClientOffer { offer_id: offer.offer_id, sdp: offer.sdp.clone()? })
        };
        ready.take(count).filter_map(send).collect()
    }

    /// The tracker knows nobody but us: what it was sent reached nobody.
    pub(super) fn undelivered(&mut self, tracker: TrackerId) {
        for offer in self.offers.values_mut().filter(|offer| offer.tracker == tracker) {
            offer.sent = false;
        }
    }

    /// Somebody answered an offer: it is none any more.
    pub(super) fn answered(&mut self, offer_id: OfferId) -> Option<ConnId> {
        let (conn, _) =
            self.offers.iter().find(|(_, offer)| offer.offer_id == offer_id && offer.sdp.is_some())?;
        let conn = *conn;
        self.offers.remove(&conn);
        Some(conn)
    }

    /// Offers that have waited for long enough.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<ConnId> {
        let expired = self.offers.iter().filter(|(_, offer)| offer.made_at + TIMEOUT <= now);
        let conns: Vec<ConnId> = expired.map(|(conn, _)| *conn).collect();
        conns.iter().for_each(|conn| {
            self.offers.remove(conn);
        });
        conns
    }

    /// All connections of offers, which are forgotten.
    pub(super) fn take_all(&mut self) -> Vec<ConnId> {
        core::mem::take(&mut self.offers).into_keys().collect()
    }

    /// When the next offer has waited for long enough.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.offers.values().map(|offer| offer.made_at + TIMEOUT).min()
    }
}

impl Offer {
    fn is_spare(&self, tracker: TrackerId, now: Instant) -> bool {
        self.tracker == tracker && !self.sent && now.saturating_since(self.made_at) < REUSE
    }
}
