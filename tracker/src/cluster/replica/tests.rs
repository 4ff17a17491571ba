//! Several replicas on a bus that delays and loses, with nodes that come and go: whatever happened, once it is over all of
//! them know the same members, and each member is one node's.

use std::collections::{BTreeMap, VecDeque};

use shared::id::{InfoHash, PeerId};
use shared::tracker::announce::Role;

use super::*;
use crate::cluster::codec::{decode, encode};
use crate::cluster::digest::{ALL, Parts, within};
use crate::swarm::change::{Held, Key, yields};

const ROLES: [Role; 3] = [Role::Leech, Role::PartialSeed, Role::Seed];

/// The swarms of one node, in the plainest form.
#[derive(Debug, Default)]
struct Model {
    now: Instant,
    own: BTreeMap<Key, (Held, Instant)>,
    others: BTreeMap<Key, (Node, Held)>,
    changes: Vec<Change>,
    /// Members of other nodes for which there is room.
    room: Option<usize>,
}

impl Model {
    fn age(&self, since: Instant) -> u32 {
        self.now.saturating_since(since).as_secs() as u32
    }

    fn announce(&mut self, key: Key, held: Held) {
        let of_other = self.others.remove(&key);
        let was = self.own.insert(key, (held, self.now)).map(|(was, _)| (0, was)).or(of_other);
        if was != Some((0, held)) {
            self.changes.push(Change { key, was, now: Some(held), age: 0, quiet: false });
        }
    }

    fn stop(&mut self, key: Key) {
        if let Some((was, _)) = self.own.remove(&key) {
            self.changes.push(Change { key, was: Some((0, was)), now: None, age: 0, quiet: false });
        } else if matches!(key, Key::Address { .. })
            && let Some(was) = self.others.remove(&key)
        {
            self.changes.push(Change { key, was: Some(was), now: None, age: 0, quiet: false });
        }
    }
}

impl Store for Model {
    fn apply(&mut self, claim: &Claim) -> Applied {
        let Claim { node, key, now, anywhere, .. } = *claim;
        let Some(held) = now else {
            if anywhere && let Some((was, _)) = self.own.remove(&key) {
                self.changes.push(Change { key, was: Some((0, was)), now: None, age: 0, quiet: true });
                return Applied::Removed(0, was);
            }
            return match self.others.get(&key).copied() {
                Some((of, was)) if of == node || anywhere => {
                    self.others.remove(&key);
                    Applied::Removed(of, was)
                }
                _ => Applied::Absent,
            };
        };
        let mut gave_up = false;
        if let Some((own, since)) = self.own.get(&key).copied() {
            if !yields(self.age(since), claim) {
                let age = if matches!(key, Key::Address { .. }) { self.age(since) } else { 0 };
                self.changes.push(Change { key, was: Some((0, own)), now: Some(own), age, quiet: false });
                return Applied::Kept;
            }
            self.own.remove(&key);
            self.changes.push(Change { key, was: Some((0, own)), now: None, age: 0, quiet: true });
            gave_up = true;
        }
        if !gave_up
            && !self.others.contains_key(&key)
            && self.room.is_some_and(|room| self.others.len() >= room)
        {
            return Applied::Full;
        }
        match self.others.insert(key, (node, held)) {
            Some((of, was)) => Applied::Replaced(of, was),
            None => Applied::New,
        }
    }

    fn drop_node(&mut self, node: Node) {
        self.others.retain(|_, (of, _)| *of != node);
    }

    fn retain(&mut self, node: Node, parts: Parts, keep: &mut dyn FnMut(&Key, &Held) -> bool) {
        self.others
            .retain(|key, (of, held)| *of != node || !within(parts, key.info_hash()) || keep(key, held));
    }

    fn torrents(&self, parts: Parts) -> Vec<InfoHash> {
        let mut all: Vec<_> = self.own.keys().map(|key| *key.info_hash()).collect();
        all.sort_unstable();
        all.dedup();
        all.retain(|info_hash| within(parts, info_hash));
        all
    }

    fn own(&self, info_hash: &InfoHash) -> Vec<Entry> {
        let of = self.own.iter().filter(|(key, _)| key.info_hash() == info_hash);
        let entry = |(key, (held, since)): (&Key, &(Held, Instant))| {
            let age = if matches!(key, Key::Address { .. }) { self.age(*since) } else { 0 };
            Entry { key: *key, now: Some(*held), age, anywhere: false }
        };
        of.map(entry).collect()
    }
}

struct Member {
    replica: Replica,
    store: Model,
    /// Whether it reaches the bus.
    connected: bool,
    inbox: VecDeque<(Instant, Vec<u8>)>,
}

/// Nodes and what is between them.
struct World {
    rng: Rng,
    now: Instant,
    nodes: BTreeMap<NodeId, Member>,
    /// Of a thousand messages, to each receiver by itself.
    lost_permille: u64,
    started: u64,
    events: Vec<Event>,
    bytes: usize,
}

const STEP: Duration = Duration::from_millis(10);

impl World {
    fn new(seed: u8, nodes: usize) -> Self {
        let rng = Rng::from_seed([seed; 32]);
        let (nodes_of, events) = (BTreeMap::new(), Vec::new());
        let mut world = Self {
            rng,
            now: Instant::ORIGIN,
            nodes: nodes_of,
            lost_permille: 0,
            started: 0,
            events,
            bytes: 0,
        };
        for _ in 0..nodes {
            world.start();
        }
        world
    }

    fn start(&mut self) -> NodeId {
        self.started += 1;
        // Not in the order of their start.
        let id = NodeId(self.started.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let rng = self.rng.fork(&format!("node {}", self.started));
        let replica = Replica::new(id, format!("node {}", self.started), rng);
        let member = Member { replica, store: Model::default(), connected: true, inbox: VecDeque::new() };
        self.nodes.insert(id, member);
        id
    }

    fn any(&mut self) -> NodeId {
        let ids: Vec<_> = self.nodes.keys().copied().collect();
        ids[self.rng.index(ids.len()).unwrap()]
    }

    fn key(&mut self, node: NodeId) -> Key {
        let info_hash = InfoHash([self.rng.below(70) as u8; 20]);
        let number = self.rng.below(30) as u8;
        if self.rng.below(2) == 0 {
            let socket = node.0 >> 24 << 5 | u64::from(number);
            Key::Socket { info_hash, peer_id: PeerId([number; 20]), socket }
        } else {
            // Few enough for some to announce to several nodes.
            Key::Address { info_hash, ip: [192, 0, 2, number].into(), port: 6_881 }
        }
    }

    /// Somebody announces or leaves somewhere.
    fn happen(&mut self) {
        let node = self.any();
        let key = self.key(node);
        let peer_id = match key {
            Key::Socket { peer_id, .. } => peer_id,
            Key::Address { .. } => PeerId([self.rng.below(2) as u8; 20]),
        };
        let held = Held { peer_id, role: ROLES[self.rng.below(3) as usize] };
        let stops = self.rng.below(4) == 0;
        let store = &mut self.nodes.get_mut(&node).unwrap().store;
        if stops { store.stop(key) } else { store.announce(key, held) }
    }

    fn step(&mut self) {
        self.now = self.now + STEP;
        let ids: Vec<_> = self.nodes.keys().copied().collect();
        for id in ids {
            let member = self.nodes.get_mut(&id).unwrap();
            member.store.now = self.now;
            while let Some((_, bytes)) = member.inbox.pop_front_if(|(at, _)| *at <= self.now) {
                let (from, message) = decode(&bytes).unwrap();
                member.replica.handle(self.now, from, message, &mut member.store);
            }
            if self.now.as_millis().is_multiple_of(50) {
                let changes = std::mem::take(&mut member.store.changes);
                member.replica.changed(&changes);
                member.replica.tick(self.now, &mut member.store);
            }
            self.carry(id);
        }
    }

    /// What a node sends reaches those it is for, in order.
    fn carry(&mut self, from: NodeId) {
        let sender = self.nodes.get_mut(&from).unwrap();
        let outputs: Vec<_> = std::iter::from_fn(|| sender.replica.poll_output()).collect();
        let connected = sender.connected;
        for output in outputs {
            let (to, message) = match output {
                Output::Send(to, message) => (to, message),
                Output::Event(event) => {
                    self.events.push(event);
                    continue;
                }
            };
            let bytes = encode(from, &message);
            self.bytes += bytes.len();
            for (id, receiver) in self.nodes.iter_mut().filter(|_| connected) {
                let meant = to == To::All || to == To::Node(*id);
                if meant && receiver.connected && self.rng.below(1_000) >= self.lost_permille {
                    let soonest = self.now + Duration::from_millis(1 + self.rng.below(40));
                    // No message overtakes another.
                    let at = receiver.inbox.back().map_or(soonest, |(last, _)| soonest.max(*last));
                    receiver.inbox.push_back((at, bytes.clone()));
                }
            }
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    /// Nothing is lost from now on, and nothing else happens.
    fn heal(&mut self) {
        self.lost_permille = 0;
        for member in self.nodes.values_mut() {
            member.connected = true;
        }
        self.run(Duration::from_secs(90));
    }

    /// All members, each with the node that it is at.
    fn all(&self) -> BTreeMap<Key, (NodeId, Held)> {
        let mut all = BTreeMap::new();
        for (id, member) in &self.nodes {
            for (key, (held, _)) in &member.store.own {
                let before = all.insert(*key, (*id, *held));
                assert_eq!(before, None, "a member is at two nodes");
            }
        }
        all
    }

    fn assert_agreed(&self) {
        let all = self.all();
        for (id, member) in &self.nodes {
            let replica = &member.replica;
            let own = member.store.own.iter().map(|(key, (held, _))| (*key, (*id, *held)));
            let others = member.store.others.iter();
            let others = others.map(|(key, (node, held))| (*key, (replica.id(*node).unwrap(), *held)));
            let known: BTreeMap<_, _> = own.chain(others).collect();
            assert_eq!(known.len(), all.len(), "{id} knows more or fewer");
            assert_eq!(known, all, "{id}");
            assert!(replica.others().all(|other| other.synced), "{id}");
            let mut digest = Digest::default();
            for (key, (held, _)) in &member.store.own {
                digest.add(key, held);
            }
            assert_eq!(replica.digest, digest, "{id}: its digest is of what it has");
            assert!(replica.serving.is_empty() && replica.others.len() == self.nodes.len() - 1);
        }
    }

    fn resyncs(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Resync(..))).count()
    }
}

#[test]
fn what_one_node_knows_all_know_within_a_second() {
    let mut world = World::new(1, 3);
    world.run(Duration::from_secs(1));
    for _ in 0..2_000 {
        world.happen();
        world.step();
    }
    world.run(Duration::from_millis(200));
    world.assert_agreed();
    assert!(world.all().len() > 500);
    assert_eq!(world.resyncs(), 0, "nothing was lost: {:?}", world.events);
}

#[test]
fn whatever_is_lost_comes_back() {
    for seed in 0..12 {
        let mut world = World::new(seed, 2 + usize::from(seed % 3));
        world.lost_permille = [1, 20, 200][usize::from(seed % 3)];
        for turn in 0..4_000 {
            if turn % 3 == 0 {
                world.happen();
            }
            match world.rng.below(1_500) {
                0 => {
                    let id = world.any();
                    let member = world.nodes.get_mut(&id).unwrap();
                    member.connected = !member.connected;
                }
                1 if world.nodes.len() > 2 => {
                    // Killed: without a word, with all that it had.
                    let id = world.any();
                    world.nodes.remove(&id);
                }
                2 if world.nodes.len() < 5 => {
                    world.start();
                }
                _ => {}
            }
            world.step();
        }
        world.heal();
        world.assert_agreed();
    }
}

#[test]
fn a_node_that_is_killed_is_gone_with_its_members_within_five_seconds() {
    let mut world = World::new(3, 3);
    for _ in 0..500 {
        world.happen();
        world.step();
    }
    world.run(Duration::from_secs(1));
    let id = world.any();
    let had = world.nodes[&id].store.own.len() as u64;
    world.nodes.remove(&id);
    world.run(Duration::from_millis(4_500));
    world.assert_agreed();
    assert!(had > 0 && world.events.contains(&Event::Gone(id, had)), "{:?}", world.events);
}

#[test]
fn a_node_that_ends_is_gone_at_once() {
    let mut world = World::new(4, 3);
    for _ in 0..500 {
        world.happen();
        world.step();
    }
    let id = world.any();
    world.nodes.get_mut(&id).unwrap().replica.leave();
    world.carry(id);
    world.nodes.remove(&id);
    world.run(Duration::from_millis(200));
    world.assert_agreed();
}

#[test]
fn a_late_node_learns_everything_while_everything_changes() {
    let mut world = World::new(5, 2);
    // More than fits into the window of a snapshot.
    let node = world.any();
    for number in 0..20_000_u32 {
        let info_hash = InfoHash([(number % 100) as u8; 20]);
        let key = Key::Address { info_hash, ip: number.to_be_bytes().into(), port: 1 };
        let held = Held { peer_id: PeerId([7; 20]), role: ROLES[number as usize % 3] };
        world.nodes.get_mut(&node).unwrap().store.announce(key, held);
    }
    world.run(Duration::from_secs(1));
    world.start();
    for _ in 0..300 {
        for number in 0..20_u32 {
            let number = world.rng.below(20_000) as u32 / 20 * 20 + number;
            let info_hash = InfoHash([(number % 100) as u8; 20]);
            let key = Key::Address { info_hash, ip: number.to_be_bytes().into(), port: 1 };
            world.nodes.get_mut(&node).unwrap().store.stop(key);
        }
        world.happen();
        world.step();
    }
    world.run(Duration::from_secs(2));
    world.assert_agreed();
    assert_eq!(world.resyncs(), 0, "{:?}", world.events);
}

#[test]
fn what_diverges_without_a_gap_is_found_and_only_that_part_is_sent_again() {
    let mut world = World::new(6, 2);
    for _ in 0..3_000 {
        world.happen();
        world.step();
    }
    world.run(Duration::from_secs(1));
    world.assert_agreed();
    let id = world.any();
    let member = world.nodes.get_mut(&id).unwrap();
    // As a fault of ours would: one member too few, one too many, one that is another.
    let mut keys = member.store.others.keys().copied().collect::<Vec<_>>().into_iter();
    let (gone, turned) = (keys.next().unwrap(), keys.nth(40).unwrap());
    let (number, held) = member.store.others.remove(&gone).unwrap();
    let other = member.replica.id(number).unwrap();
    let remote = member.replica.others.get_mut(&other).unwrap();
    remote.digest.remove(&gone, &held);
    let entry = member.store.others.get_mut(&turned).unwrap();
    remote.digest.remove(&turned, &entry.1);
    entry.1.role = if entry.1.role == Role::Leech { Role::PartialSeed } else { Role::Leech };
    remote.digest.add(&turned, &entry.1);
    let ghost = Key::Socket { info_hash: InfoHash([0xff; 20]), peer_id: PeerId([1; 20]), socket: 1 };
    member.store.others.insert(ghost, (number, held));
    remote.digest.add(&ghost, &held);
    let before = world.bytes;
    world.run(Duration::from_secs(25));
    world.assert_agreed();
    let all = world.nodes.values().map(|member| member.store.own.len()).sum::<usize>() * 28;
    assert!(world.bytes - before < all, "{} bytes for {all}", world.bytes - before);
}

#[test]
fn one_who_announces_to_two_nodes_is_counted_once_and_stays_where_it_was_last() {
    let mut world = World::new(7, 3);
    world.run(Duration::from_secs(1));
    let ids: Vec<_> = world.nodes.keys().copied().collect();
    let key = Key::Address { info_hash: InfoHash([1; 20]), ip: [192, 0, 2, 1].into(), port: 1 };
    let held = Held { peer_id: PeerId([1; 20]), role: Role::Leech };
    // At the same time: one of them has it, and all agree who.
    for id in &ids {
        world.nodes.get_mut(id).unwrap().store.announce(key, held);
    }
    world.run(Duration::from_secs(1));
    world.assert_agreed();
    assert_eq!(world.all().len(), 1);
    // In turn.
    for id in &ids {
        world.run(Duration::from_secs(10));
        world.nodes.get_mut(id).unwrap().store.announce(key, held);
        world.run(Duration::from_millis(200));
        world.assert_agreed();
        assert_eq!(world.all()[&key].0, *id);
    }
    // While they did not hear of each other: whoever heard last has it.
    for member in world.nodes.values_mut() {
        member.connected = false;
    }
    for id in &ids {
        world.nodes.get_mut(id).unwrap().store.announce(key, held);
        world.run(Duration::from_secs(10));
    }
    assert!(world.nodes.values().all(|member| member.store.others.is_empty()), "each is by itself");
    for member in world.nodes.values_mut() {
        member.connected = true;
    }
    world.run(Duration::from_secs(5));
    world.assert_agreed();
    assert_eq!(world.all()[&key].0, ids[2]);
    // It ends at another node than it began at.
    let store = &mut world.nodes.get_mut(&ids[0]).unwrap().store;
    store.stop(key);
    world.run(Duration::from_secs(1));
    world.assert_agreed();
    assert!(world.all().is_empty());
}

#[test]
fn where_there_is_no_room_nothing_is_asked_for_over_and_over() {
    let mut world = World::new(8, 2);
    let ids: Vec<_> = world.nodes.keys().copied().collect();
    world.nodes.get_mut(&ids[0]).unwrap().store.room = Some(10);
    for number in 0..5_000_u32 {
        let key = Key::Address { info_hash: InfoHash([1; 20]), ip: number.to_be_bytes().into(), port: 1 };
        let held = Held { peer_id: PeerId([7; 20]), role: Role::Leech };
        world.nodes.get_mut(&ids[1]).unwrap().store.announce(key, held);
    }
    world.run(Duration::from_secs(120));
    assert!(world.resyncs() <= 2, "{:?}", world.events);
    assert!(world.nodes[&ids[0]].replica.counters().refused >= 4_990);
    world.nodes.get_mut(&ids[0]).unwrap().store.room = None;
    world.run(Duration::from_secs(120));
    world.assert_agreed();
}

#[test]
fn changes_that_are_lost_within_a_node_are_made_good() {
    let mut world = World::new(9, 2);
    for _ in 0..500 {
        world.happen();
        world.step();
    }
    let id = world.any();
    for _ in 0..50 {
        world.happen();
    }
    let member = world.nodes.get_mut(&id).unwrap();
    member.store.changes.clear();
    let mut digest = Digest::default();
    member.store.own.iter().for_each(|(key, (held, _))| digest.add(key, held));
    member.replica.changes_lost(digest);
    world.run(Duration::from_secs(5));
    world.assert_agreed();
}

#[test]
fn more_nodes_than_the_bound_are_not_met() {
    let mut world = World::new(10, 1);
    let id = world.any();
    let member = world.nodes.get_mut(&id).unwrap();
    for number in 0..200 {
        let hello = Message::Hello { seq: 0, name: String::new() };
        member.replica.handle(Instant::ORIGIN, NodeId(1_000 + number), hello, &mut member.store);
        let ask = Message::Ask { session: 1, parts: ALL };
        member.replica.handle(Instant::ORIGIN, NodeId(1_000 + number), ask, &mut member.store);
    }
    assert_eq!(member.replica.others().count(), NODES_MAX);
    let crowded = |output: &Output| matches!(output, Output::Event(Event::Crowded(_)));
    assert_eq!(std::iter::from_fn(|| member.replica.poll_output()).filter(crowded).count(), 200 - NODES_MAX);
}
