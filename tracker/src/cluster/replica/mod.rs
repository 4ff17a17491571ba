//! What a node knows of the others' members, and what it tells them of its own.
//!
//! Pure: a host hands in messages, changes of its own members and the time, and sends what comes out, in that order. Each node
//! numbers the batches of its changes. Who meets a node for the first time, or misses a batch, asks it for a snapshot, which
//! comes in chunks between the batches; the way from one node to another keeps the order of messages, and may lose any. What
//! diverges nevertheless is found by digests, and asked for again by the part.

mod remote;
mod serving;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use shared::rng::Rng;
use shared::time::Instant;

use self::remote::{Heard, Remote};
use self::serving::Serving;
use super::codec::{ENTRIES_MAX, Entry, Message, NodeId};
use super::digest::{Digest, hash};
use super::store::Store;
use crate::swarm::change::{Applied, Change, Claim, Node};

/// How often a node says that it lives.
pub const HELLO_INTERVAL: Duration = Duration::from_secs(1);

/// A node that was not heard for so long is gone, with its members: three words are missing, and a late fourth.
pub const GONE_AFTER: Duration = Duration::from_secs(4);

/// How often a node tells what its members come to.
const DIGEST_INTERVAL: Duration = Duration::from_secs(10);

/// Other nodes at once. Each holds the members of all: with more of them a cluster gains nothing.
pub const NODES_MAX: usize = 64;

/// Whom a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// All nodes.
    All,
    /// One.
    Node(NodeId),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this. May get lost.
    Send(To, Message),
    /// Something worth telling people.
    Event(Event),
}

/// Something worth telling people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Another node is there.
    Met(NodeId, String),
    /// All of its members are known.
    Synced(NodeId, u64),
    /// It is gone, with so many members.
    Gone(NodeId, u64),
    /// Something of it was missed, or differs: its members are asked for again.
    Resync(NodeId, &'static str),
    /// There are more nodes than [`NODES_MAX`].
    Crowded(NodeId),
}

/// Another node, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Which one.
    pub id: NodeId,
    /// How it calls itself.
    pub name: String,
    /// How many members it has, as far as they are known here.
    pub members: u64,
    /// Whether all of them are.
    pub synced: bool,
}

/// What happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Changes of own members that were published.
    pub changes_sent: u64,
    /// Changes of others' members that were entered.
    pub changes_applied: u64,
    /// Members that came in snapshots.
    pub snapshot_members: u64,
    /// Members of others for which there was no room.
    pub refused: u64,
    /// Times that something of a known node was missed, or differed.
    pub resyncs: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Replica {
    own: NodeId,
    name: String,
    rng: Rng,
    /// The last batch.
    seq: u64,
    /// Of the own members, as the batches tell them.
    digest: Digest,
    others: BTreeMap<NodeId, Remote>,
    numbers: BTreeMap<Node, NodeId>,
    last_number: Node,
    sessions: u64,
    serving: BTreeMap<NodeId, Serving>,
    outputs: VecDeque<Output>,
    hello_at: Instant,
    digest_at: Instant,
    counters: Counters,
}

impl Replica {
    /// A node with this identity, which nobody had before, and nothing in it.
    pub fn new(own: NodeId, name: String, rng: Rng) -> Self {
        Self {
            own,
            name,
            rng,
            seq: 0,
            digest: Digest::default(),
            others: BTreeMap::new(),
            numbers: BTreeMap::new(),
            last_number: 0,
            sessions: 0,
            serving: BTreeMap::new(),
            outputs: VecDeque::new(),
            hello_at: Instant::ORIGIN,
            digest_at: Instant::ORIGIN + DIGEST_INTERVAL,
            counters: Counters::default(),
        }
    }

    /// What is to be done next, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The node with this number.
    pub fn id(&self, number: Node) -> Option<NodeId> {
        self.numbers.get(&number).copied()
    }

    /// The number of this node, if it is known and not gone.
    pub fn number(&self, id: NodeId) -> Option<Node> {
        self.others.get(&id).map(|other| other.number)
    }

    /// The other nodes, for people.
    pub fn others(&self) -> impl Iterator<Item = View> {
        self.others.iter().map(|(id, other)| View {
            id: *id,
            name: other.name.clone(),
            members: other.digest.members(),
            synced: other.is_synced(),
        })
    }

    /// Members of its own, as it has told the others.
    pub fn own_members(&self) -> u64 {
        self.digest.members()
    }

    /// Since the start.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// The way to the others is there, for the first time or again: they are told so without waiting.
    pub fn connected(&mut self, now: Instant) {
        self.hello_at = now;
    }

    /// This node ends.
    pub fn leave(&mut self) {
        self.outputs.push_back(Output::Send(To::All, Message::Bye));
    }

    /// Members of this node changed.
    pub fn changed(&mut self, changes: &[Change]) {
        let mut entries = Vec::with_capacity(changes.len());
        for Change { key, was, now, age, quiet } in changes {
            match was {
                Some((0, held)) => self.digest.remove(key, held),
                Some((number, held)) => self.taken_from(*number, key, held),
                None => {}
            }
            if let Some(held) = now {
                self.digest.add(key, held);
            }
            for serving in self.serving.values_mut() {
                serving.supersede(key);
            }
            if !quiet {
                let of_other = was.is_some_and(|(node, _)| node != 0);
                entries.push(Entry { key: *key, now: *now, age: *age, anywhere: now.is_none() && of_other });
            }
        }
        for batch in entries.chunks_mut(ENTRIES_MAX) {
            // Those of one swarm stand together and share its info-hash; those of one member keep their order.
            batch.sort_by_key(|entry| *entry.key.info_hash());
            self.seq += 1;
            self.counters.changes_sent += batch.len() as u64;
            self.send(To::All, Message::Batch { seq: self.seq, changes: batch.to_vec() });
        }
    }

    /// Changes of this node's members were lost before they came here, and they come to this now: the others will notice, and ask
    /// for all.
    pub fn changes_lost(&mut self, digest: Digest) {
        self.seq += 1;
        self.digest = digest;
        self.serving.clear();
    }

    /// Another node said this.
    pub fn handle(&mut self, now: Instant, from: NodeId, message: Message, store: &mut dyn Store) {
        if from == self.own {
            return;
        }
        if let Some(other) = self.others.get_mut(&from) {
            other.heard = now;
        }
        match message {
            Message::Bye => self.forget(from, store),
            Message::Hello { seq, name } => {
                if !self.others.contains_key(&from) && !self.meet(now, from, name) {
                    return;
                }
                self.told(now, from, |other| other.hello(seq));
            }
            Message::Batch { seq, changes } => {
                let Some(other) = self.others.get_mut(&from) else { return };
                let heard = other.batch(seq);
                if heard == Heard::Apply {
                    self.counters.changes_applied += changes.len() as u64;
                    for entry in &changes {
                        self.apply(now, from, entry, store);
                    }
                }
                self.told(now, from, |_| heard);
            }
            Message::Digest { seq, digest } => self.told(now, from, |other| other.compare(now, seq, &digest)),
            Message::Chunk { session, number, seq, last, members } => {
                let Some(other) = self.others.get_mut(&from) else { return };
                let heard = other.chunk(now, session, number, seq);
                if heard == Heard::Apply {
                    self.counters.snapshot_members += members.len() as u64;
                    for entry in &members {
                        self.apply(now, from, entry, store);
                    }
                    self.taken(from, session, number, last, store);
                }
                self.told(now, from, |_| heard);
            }
            Message::Ask { session, parts } => {
                if self.serving.len() < NODES_MAX || self.serving.contains_key(&from) {
                    let serving = Serving::new(now, session, store.torrents(parts));
                    self.serving.insert(from, serving);
                    self.serve(from, store);
                }
            }
            Message::Ack { session, chunk } => {
                if let Some(serving) = self.serving.get_mut(&from).filter(|it| it.session == session) {
                    serving.acked(now, chunk);
                    self.serve(from, store);
                }
            }
            Message::Tally(_) | Message::Relays(_) => {}
        }
    }

    /// Does what is due. To be called several times a second.
    pub fn tick(&mut self, now: Instant, store: &mut dyn Store) {
        let silent = |other: &Remote| now.saturating_since(other.heard) >= GONE_AFTER;
        let gone: Vec<_> = self.others.iter().filter(|(_, it)| silent(it)).map(|(id, _)| *id).collect();
        for id in gone {
            self.forget(id, store);
        }
        self.serving.retain(|_, serving| !serving.is_stale(now));
        let known: Vec<_> = self.others.keys().copied().collect();
        for id in known {
            self.told(now, id, |other| other.due(now));
        }
        if self.hello_at <= now {
            self.hello_at = now + HELLO_INTERVAL;
            self.send(To::All, Message::Hello { seq: self.seq, name: self.name.clone() });
        }
        if self.digest_at <= now {
            self.digest_at = now + DIGEST_INTERVAL;
            self.send(To::All, Message::Digest { seq: self.seq, digest: Box::new(self.digest.clone()) });
        }
    }

    fn send(&mut self, to: To, message: Message) {
        self.outputs.push_back(Output::Send(to, message));
    }

    fn meet(&mut self, now: Instant, id: NodeId, name: String) -> bool {
        if self.others.len() >= NODES_MAX {
            self.outputs.push_back(Output::Event(Event::Crowded(id)));
            return false;
        }
        // A number comes again only after all others: an offer that is under way names nobody else by it.
        let mut number = self.last_number;
        loop {
            number = number.checked_add(1).unwrap_or(1);
            if !self.numbers.contains_key(&number) {
                break;
            }
        }
        self.last_number = number;
        self.numbers.insert(number, id);
        self.others.insert(id, Remote::new(now, number, name.clone()));
        self.outputs.push_back(Output::Event(Event::Met(id, name)));
        // It may have met nobody yet.
        self.hello_at = now;
        true
    }

    fn forget(&mut self, id: NodeId, store: &mut dyn Store) {
        self.serving.remove(&id);
        let Some(other) = self.others.remove(&id) else { return };
        self.numbers.remove(&other.number);
        store.drop_node(other.number);
        self.outputs.push_back(Output::Event(Event::Gone(id, other.digest.members())));
    }

    /// Does what follows from what was heard, and asks the node for what is missing of it.
    fn told(&mut self, now: Instant, id: NodeId, hear: impl FnOnce(&mut Remote) -> Heard) {
        let Some(other) = self.others.get_mut(&id) else { return };
        if let Heard::Missed(why) = hear(other) {
            self.counters.resyncs += 1;
            self.outputs.push_back(Output::Event(Event::Resync(id, why)));
        }
        let jitter = self.rng.below(1_000);
        if let Some(parts) = other.ask(now, self.sessions + 1, jitter) {
            self.sessions += 1;
            self.send(To::Node(id), Message::Ask { session: self.sessions, parts });
        }
    }

    fn apply(&mut self, now: Instant, from: NodeId, entry: &Entry, store: &mut dyn Store) {
        let Some(other) = self.others.get_mut(&from) else { return };
        let Entry { key, now: held, age, anywhere } = *entry;
        let claim = Claim { node: other.number, key, now: held, age, anywhere, wins_ties: from > self.own };
        if held.is_some() {
            other.saw(&key);
        }
        let applied = store.apply(&claim);
        match applied {
            Applied::New | Applied::Replaced(..) => {
                if let Some(held) = &held {
                    other.digest.add(&key, held);
                }
            }
            Applied::Full => {
                other.full_at = Some(now);
                self.counters.refused += 1;
            }
            Applied::Removed(..) | Applied::Kept | Applied::Absent => {}
        }
        if let Applied::Replaced(number, was) | Applied::Removed(number, was) = applied {
            self.taken_from(number, &key, &was);
        }
    }

    fn taken_from(
        &mut self,
        number: Node,
        key: &crate::swarm::change::Key,
        held: &crate::swarm::change::Held,
    ) {
        let id = self.numbers.get(&number);
        if let Some(other) = id.and_then(|id| self.others.get_mut(id)) {
            other.digest.remove(key, held);
        }
    }

    /// A chunk was taken in.
    fn taken(&mut self, from: NodeId, session: u64, chunk: u32, last: bool, store: &mut dyn Store) {
        if !last {
            self.send(To::Node(from), Message::Ack { session, chunk });
            return;
        }
        let Some(other) = self.others.get_mut(&from) else { return };
        if let Some((parts, Some(seen))) = other.finish() {
            let digest = &mut other.digest;
            store.retain(other.number, parts, &mut |key, held| {
                let stays = seen.contains(&hash(key, None));
                if !stays {
                    digest.remove(key, held);
                }
                stays
            });
        }
        let members = other.digest.members();
        self.outputs.push_back(Output::Event(Event::Synced(from, members)));
    }

    fn serve(&mut self, to: NodeId, store: &dyn Store) {
        let Some(serving) = self.serving.get_mut(&to) else { return };
        while let Some(chunk) = serving.next(self.seq, store) {
            self.outputs.push_back(Output::Send(To::Node(to), chunk));
        }
        if serving.is_done() {
            self.serving.remove(&to);
        }
    }
}
