//! Peer exchange (BEP 11) with one peer. Between peers over TCP only: a browser can do nothing with an address, and has
//! none.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use super::Peer;
use crate::limits;
use crate::time::Instant;
use crate::wire::Message;
use crate::wire::extension::pex::{Contact, PexMessage};

/// Time between two messages to a peer (BEP 11).
const INTERVAL: Duration = Duration::from_secs(60);

/// Wait for the first: whoever has just connected learns its own neighbours meanwhile.
const FIRST: Duration = Duration::from_secs(2);

/// A message that comes sooner after the one before is passed over unread; half of what is asked for, for clocks and
/// networks that are not exact.
const LEAST: Duration = Duration::from_secs(30);

/// Where the exchange with a peer stands.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// We said that we take part.
    pub(super) offered: bool,
    heard_at: Option<Instant>,
    next_at: Option<Instant>,
    /// Whom we said that we are connected to.
    told: BTreeMap<SocketAddr, Contact>,
}

impl Exchange {
    /// Whether a message that comes now is read.
    pub(super) fn hears(&mut self, now: Instant) -> bool {
        let heard = self.offered && self.heard_at.is_none_or(|at| now.saturating_since(at) >= LEAST);
        if heard {
            self.heard_at = Some(now);
        }
        heard
    }
}

impl Peer {
    /// It said which extensions it speaks.
    pub(super) fn plan_exchange(&mut self, now: Instant) {
        if self.remote_ids.pex.is_some() {
            self.exchange.next_at.get_or_insert(now + FIRST);
        }
    }

    /// When it is to be told whom we are connected to.
    pub fn exchange_at(&self) -> Option<Instant> {
        self.exchange.next_at.filter(|_| self.exchange.offered && self.remote_ids.pex.is_some())
    }

    /// Tells it what changed since it was last told whom we are connected to: `all`, itself left out.
    pub fn tell_exchange(&mut self, now: Instant, all: &BTreeMap<SocketAddr, Contact>) {
        self.exchange.next_at = Some(now + INTERVAL);
        let Some(id) = self.remote_ids.pex else { return };
        let exchange = &mut self.exchange;
        let own = self.listens;
        let added = all
            .values()
            .filter(|contact| Some(contact.address) != own && !exchange.told.contains_key(&contact.address));
        let gone = exchange.told.keys().filter(|address| !all.contains_key(*address));
        let message = PexMessage {
            added: added.copied().take(limits::PEX_ADDRESSES_MAX).collect(),
            dropped: gone.copied().take(limits::PEX_ADDRESSES_MAX).collect(),
        };
        if message.is_empty() {
            return;
        }
        for gone in &message.dropped {
            exchange.told.remove(gone);
        }
        exchange.told.extend(message.added.iter().map(|contact| (contact.address, *contact)));
        let mut payload = Vec::new();
        message.encode(&mut payload);
        self.tell(&Message::Extended { id, payload: payload.into() });
    }
}
