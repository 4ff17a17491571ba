//! The tracker's swarms as the cluster sees them.

use parking_lot::Mutex;
use shared::id::InfoHash;
use shared::time::Instant;
use shared::tracker::ws::{Answer, Json, Offer};

use super::codec::{Entry, Relay};
use super::digest::{Digest, Parts, within};
use super::store::Store;
use crate::swarm::change::{Applied, Claim, Held, Key, Node};
use crate::swarm::{Reply, SocketId, Swarms};

/// All swarms at one moment.
pub(crate) struct Members<'a> {
    store: &'a crate::store::Store,
    now: Instant,
}

impl<'a> Members<'a> {
    pub(crate) const fn new(store: &'a crate::store::Store, now: Instant) -> Self {
        Self { store, now }
    }

    fn parts(&self) -> impl Iterator<Item = &'a Mutex<Swarms>> {
        self.store.parts.iter()
    }

    /// What this node's own members come to, with all changes that were not told until now: what changes later is recorded.
    pub(crate) fn recount(&self) -> Digest {
        let mut digest = Digest::default();
        for part in self.parts() {
            let mut part = part.lock();
            part.take_changes(&mut Vec::new());
            let torrents: Vec<_> = part.torrents().copied().collect();
            for info_hash in &torrents {
                // Those who are overdue as well: when they are found to be, they are told of as gone.
                part.own(Instant::ORIGIN, info_hash, |key, held, _| digest.add(&key, &held));
            }
        }
        digest
    }

    /// Takes in what a peer of another node sends to one of this, and returns what that is to be told.
    pub(crate) fn relay<'r>(&self, node: Node, relay: &'r Relay) -> Vec<Reply<'r>> {
        let mut replies = Vec::new();
        let Ok(payload) = Json::parse(&relay.payload) else { return replies };
        let Relay { info_hash, peer_id, offer_id, .. } = relay;
        let (from, to) = (SocketId::of(node, relay.from), SocketId(relay.to));
        let offer_id = offer_id.into();
        let mut part = self.store.part_of(info_hash).lock();
        match relay.answers {
            None => {
                let offer = Offer { offer_id, offer: payload };
                replies.extend(part.offered(self.now, (from, to), (*info_hash, *peer_id), offer));
            }
            Some(to_peer_id) => {
                let (info_hash, peer_id) = (*info_hash, *peer_id);
                let answer = Answer { info_hash, peer_id, to_peer_id, offer_id, answer: payload };
                part.answered(self.now, from, answer, &mut replies);
            }
        }
        // Whatever another node says, nothing goes back to another from here.
        replies.retain(|reply| reply.to.node() == 0);
        replies
    }
}

impl Store for Members<'_> {
    fn apply(&mut self, claim: &Claim) -> Applied {
        self.store.part_of(claim.key.info_hash()).lock().apply(self.now, claim)
    }

    fn drop_node(&mut self, node: Node) {
        self.parts().for_each(|part| part.lock().retain(node, |_| true, |_, _| false));
    }

    fn retain(&mut self, node: Node, parts: Parts, keep: &mut dyn FnMut(&Key, &Held) -> bool) {
        for part in self.parts() {
            part.lock().retain(node, |info_hash| within(parts, info_hash), &mut *keep);
        }
    }

    fn torrents(&self, parts: Parts) -> Vec<InfoHash> {
        let mut torrents = Vec::new();
        for part in self.parts() {
            torrents.extend(part.lock().torrents().filter(|info_hash| within(parts, info_hash)));
        }
        torrents
    }

    fn own(&self, info_hash: &InfoHash) -> Vec<Entry> {
        let mut entries = Vec::new();
        self.store.part_of(info_hash).lock().own(self.now, info_hash, |key, held, age| {
            entries.push(Entry { key, now: Some(held), age, anywhere: false });
        });
        entries
    }
}
