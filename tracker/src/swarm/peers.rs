//! The members of one swarm at addresses of one family, in as few bytes as they can be told apart in.

use shared::id::PeerId;
use shared::rng::Rng;
use shared::tracker::announce::Role;

use super::change::{Held, Node};
use super::index::{Index, Keys};

/// Swarms of up to so many are searched from end to end: it takes less time than an index, and no memory.
const SEARCHED: usize = 16;

/// Members that are told of together lie side by side in runs of this length, so that a reply from a swarm of a million
/// touches a few places of memory, not fifty.
const RUN: usize = 8;

/// A list grows by this part of itself: what is reserved and not used is at most as much.
const GROWTH_PART: usize = 8;

/// Seconds of the swarms' clock; a membership ends when they are reached.
pub(super) type Second = u32;

/// Set in a stamp if the member seeds; the rest but for the next is the [`Second`] at which it expires.
const SEED: u32 = 1 << 31;

/// Set in a stamp if the member is a partial seed.
const PARTIAL: u32 = 1 << 30;

/// A member that does not expire by itself: its node tells when it ends. No second is later; it is not reached in 34 years.
pub(super) const FOREVER: Second = PARTIAL - 1;

/// A member: 32 bytes for one of IPv4, 44 for one of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<const N: usize> {
    /// Address and port as compact lists have them (BEP 23, BEP 7).
    pub(super) at: [u8; N],
    pub(super) peer_id: PeerId,
    /// Whose it is in a cluster; 0 is this one.
    pub(super) node: Node,
    stamp: u32,
}

impl<const N: usize> Entry<N> {
    pub(super) const fn new(at: [u8; N], peer_id: PeerId, node: Node, role: Role, expires: Second) -> Self {
        let expires = if expires < FOREVER { expires } else { FOREVER };
        let role = match role {
            Role::Leech => 0,
            Role::PartialSeed => PARTIAL,
            Role::Seed => SEED,
        };
        Self { at, peer_id, node, stamp: expires | role }
    }

    /// Whose it is, and how it is.
    pub(super) const fn held(&self) -> (Node, Held) {
        (self.node, Held { peer_id: self.peer_id, role: self.role() })
    }

    pub(super) const fn role(&self) -> Role {
        match self.stamp & (SEED | PARTIAL) {
            0 => Role::Leech,
            PARTIAL => Role::PartialSeed,
            _ => Role::Seed,
        }
    }

    pub(super) const fn is_seed(&self) -> bool {
        self.role().is_seed()
    }

    const fn is_partial(&self) -> bool {
        self.stamp & PARTIAL != 0
    }

    pub(super) const fn expires(&self) -> Second {
        self.stamp & FOREVER
    }
}

/// Members, the leechers before the seeds, each part in random order: whoever takes a run of them takes a random sample.
///
/// Positions are `u32`: a swarm has fewer members than that.
#[derive(Debug)]
pub(super) struct Peers<const N: usize> {
    entries: Vec<Entry<N>>,
    leeches: u32,
    /// Partial seeds among the leechers.
    partial: u32,
    /// Positions by address, once there are more than [`SEARCHED`].
    index: Option<Box<Index>>,
}

impl<const N: usize> Default for Peers<N> {
    fn default() -> Self {
        Self { entries: Vec::new(), leeches: 0, partial: 0, index: None }
    }
}

/// What [`Peers::sweep`] did.
#[derive(Debug)]
pub(super) struct Swept {
    /// Where to go on; `None` at the end.
    pub(super) next: Option<u32>,
    /// Members looked at.
    pub(super) looked: usize,
}

impl<const N: usize> Peers<N> {
    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) const fn leeches(&self) -> u32 {
        self.leeches
    }

    /// Those of the leechers that want no more.
    pub(super) const fn partial(&self) -> u32 {
        self.partial
    }

    pub(super) const fn seeds(&self) -> u32 {
        self.entries.len() as u32 - self.leeches
    }

    pub(super) fn entries(&self) -> &[Entry<N>] {
        &self.entries
    }

    pub(super) fn find(&self, keys: &Keys, at: &[u8; N]) -> Option<u32> {
        match &self.index {
            Some(index) => index.find(keys.hash(at), |place| self.entries[place as usize].at == *at),
            None => self.entries.iter().position(|entry| entry.at == *at).map(|place| place as u32),
        }
    }

    pub(super) fn get(&self, place: u32) -> Option<&Entry<N>> {
        self.entries.get(place as usize)
    }

    /// Adds a member that [`Self::find`] does not find.
    pub(super) fn insert(&mut self, keys: &Keys, rng: &mut Rng, entry: Entry<N>) {
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact((self.entries.len() / GROWTH_PART).max(1));
        }
        self.partial += u32::from(entry.is_partial());
        self.entries.push(entry);
        let last = self.entries.len() as u32 - 1;
        self.index_newest(keys, last);
        // At a random place of its part, as a shuffle puts it.
        if entry.is_seed() {
            let among = u64::from(last - self.leeches + 1);
            self.swap(keys, last, self.leeches + rng.below(among) as u32);
        } else {
            self.swap(keys, last, self.leeches);
            self.leeches += 1;
            self.swap(keys, self.leeches - 1, rng.below(u64::from(self.leeches)) as u32);
        }
    }

    /// Renews a member with what it says now.
    pub(super) fn renew(&mut self, keys: &Keys, rng: &mut Rng, place: u32, entry: Entry<N>) {
        let Some(known) = self.entries.get_mut(place as usize) else { return };
        if known.is_seed() == entry.is_seed() {
            self.partial = self.partial - u32::from(known.is_partial()) + u32::from(entry.is_partial());
            *known = entry;
        } else {
            self.remove(keys, place);
            self.insert(keys, rng, entry);
        }
    }

    pub(super) fn remove(&mut self, keys: &Keys, place: u32) {
        let Some(last) = self.entries.len().checked_sub(1) else { return };
        let mut hole = place;
        if hole < self.leeches {
            self.leeches -= 1;
            self.swap(keys, hole, self.leeches);
            hole = self.leeches;
        }
        self.swap(keys, hole, last as u32);
        if let (Some(index), Some(entry)) = (&mut self.index, self.entries.last()) {
            index.remove(keys.hash(&entry.at), |place| place as usize == last);
        }
        let removed = self.entries.pop();
        self.partial -= u32::from(removed.is_some_and(|entry| entry.is_partial()));
        self.shrink(keys);
    }

    /// Up to `wanted` of the members that may be told to a seed or to a leecher, each as likely as any other. So many of them may be
    /// `refused` without there being less in the end.
    ///
    /// They are runs of members that stand side by side, one from each of as many equal stretches of the list, which begin at a random place.
    pub(super) fn pick(
        &self,
        rng: &mut Rng,
        for_seed: bool,
        wanted: usize,
        refused: usize,
        mut take: impl FnMut(&Entry<N>) -> bool,
    ) {
        let all = if for_seed { &self.entries[..self.leeches as usize] } else { &self.entries[..] };
        let mut left = wanted;
        if wanted == 0 || all.is_empty() {
            return;
        }
        if all.len() <= wanted {
            let start = rng.below(all.len() as u64) as usize;
            let (before, from) = all.split_at(start);
            from.iter().chain(before).for_each(|entry| {
                take(entry);
            });
            return;
        }
        // Where most are told anyway there is one stretch, since shares that are rounded must not be longer than their
        // stretches.
        let draws = wanted + refused;
        let runs = if all.len() <= 2 * draws { 1 } else { draws.div_ceil(RUN) };
        let first = rng.below(all.len() as u64) as usize;
        for run in 0..runs {
            let (from, to) = (run * all.len() / runs, (run + 1) * all.len() / runs);
            let share = ((run + 1) * draws / runs - run * draws / runs).min(to - from);
            let offset = rng.below((to - from) as u64) as usize;
            for step in 0..share {
                let within = offset + step;
                let within = if within >= to - from { within - (to - from) } else { within };
                let at = first + from + within;
                let at = if at >= all.len() { at - all.len() } else { at };
                if left == 0 {
                    return;
                }
                left -= usize::from(take(&all[at]));
            }
        }
    }

    /// Looks at up to `most` members from `from` on, the last ones first, and removes those for which `gone` says so.
    pub(super) fn sweep(
        &mut self,
        keys: &Keys,
        from: Option<u32>,
        most: usize,
        mut gone: impl FnMut(&Entry<N>) -> bool,
    ) -> Swept {
        let mut place = from.unwrap_or(u32::MAX).min(self.entries.len() as u32);
        let mut looked = 0;
        while place > 0 && looked < most {
            place -= 1;
            looked += 1;
            // What takes the place of a removed member stood behind it, and was looked at.
            if gone(&self.entries[place as usize]) {
                self.remove(keys, place);
            }
        }
        Swept { next: (place > 0).then_some(place), looked }
    }

    fn index_newest(&mut self, keys: &Keys, last: u32) {
        let entries = &self.entries;
        let hash = |place: u32| keys.hash(&entries[place as usize].at);
        match &mut self.index {
            Some(index) => index.insert(hash(last), last, hash),
            None if entries.len() > SEARCHED => {
                let mut index = Box::new(Index::with_capacity(entries.len()));
                (0..=last).for_each(|place| index.insert(hash(place), place, hash));
                self.index = Some(index);
            }
            None => {}
        }
    }

    fn swap(&mut self, keys: &Keys, one: u32, other: u32) {
        if one == other {
            return;
        }
        if let Some(index) = &mut self.index {
            let hash = |place: u32| keys.hash(&self.entries[place as usize].at);
            let (hash_one, hash_other) = (hash(one), hash(other));
            // A number that is looked for is there once: the first is parked beyond all others meanwhile.
            index.replace(hash_one, one, u32::MAX);
            index.replace(hash_other, other, one);
            index.replace(hash_one, u32::MAX, other);
        }
        self.entries.swap(one as usize, other as usize);
    }

    /// Gives back what a peak has taken.
    fn shrink(&mut self, keys: &Keys) {
        let len = self.entries.len();
        if self.entries.capacity() > 4 && len < self.entries.capacity() / 2 {
            self.entries.shrink_to(len + len / GROWTH_PART);
        }
        if len <= SEARCHED / 2 {
            self.index = None;
        } else if let Some(index) = &mut self.index {
            let entries = &self.entries;
            index.shrink(|place| keys.hash(&entries[place as usize].at));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use shared::rng::Rng;

    use super::*;

    const ROLES: [Role; 3] = [Role::Leech, Role::PartialSeed, Role::Seed];

    fn entry(at: u8, role: Role, expires: Second) -> Entry<6> {
        Entry::new([at; 6], PeerId([at; 20]), 0, role, expires)
    }

    fn picked(peers: &Peers<6>, rng: &mut Rng, for_seed: bool, wanted: usize) -> Vec<u8> {
        let mut found = Vec::new();
        peers.pick(rng, for_seed, wanted, 1, |entry| {
            found.push(entry.at[0]);
            true
        });
        found
    }

    #[test]
    fn a_member_takes_32_or_44_bytes() {
        assert_eq!((size_of::<Entry<6>>(), size_of::<Entry<18>>()), (32, 44));
        assert_eq!(size_of::<Peers<6>>(), 40, "of which a swarm has one, however small it is");
    }

    #[test]
    fn a_role_and_a_time_do_not_touch_each_other() {
        for role in ROLES {
            for expires in [0, 1, FOREVER - 1, FOREVER, FOREVER + 1, Second::MAX] {
                let entry = entry(1, role, expires);
                assert_eq!((entry.role(), entry.expires()), (role, expires.min(FOREVER)));
            }
        }
    }

    #[test]
    fn each_is_picked_as_often_as_any_other() {
        let mut rng = Rng::from_seed([6; 32]);
        let keys = Keys::new(&mut rng);
        let mut peers = Peers::default();
        (0..200).for_each(|at| {
            peers.insert(
                &keys,
                &mut rng,
                entry(at, if at % 4 == 0 { Role::Seed } else { ROLES[usize::from(at % 2)] }, 9),
            )
        });
        for (for_seed, among) in [(false, 200), (true, 150)] {
            let mut times = BTreeMap::<u8, u32>::new();
            for _ in 0..among * 100 {
                let picked = picked(&peers, &mut rng, for_seed, 20);
                assert_eq!(picked.len(), 20);
                picked.into_iter().for_each(|at| *times.entry(at).or_default() += 1);
            }
            // 2000 times each, standard deviation about 42.
            assert_eq!(times.len(), among as usize);
            assert!(times.values().all(|times| (1_800..2_200).contains(times)), "{times:?}");
        }
    }

    proptest! {
        /// Against a map: the same members, each found, the leechers first; a pick has no member twice.
        #[test]
        fn it_is_a_map_in_two_parts(
            steps in prop::collection::vec((0_u8..4, 0_u8..60, 0_usize..3, 0_u32..5), 1..400)
        ) {
            let mut rng = Rng::from_seed([1; 32]);
            let keys = Keys::new(&mut rng);
            let mut peers = Peers::default();
            let mut model = BTreeMap::<u8, Entry<6>>::new();
            for (action, at, role, expires) in steps {
                let role = ROLES[role];
                match (action, peers.find(&keys, &[at; 6])) {
                    (0 | 1, None) => {
                        peers.insert(&keys, &mut rng, entry(at, role, expires));
                        model.insert(at, entry(at, role, expires));
                    }
                    (0 | 1, Some(place)) => {
                        peers.renew(&keys, &mut rng, place, entry(at, role, expires));
                        model.insert(at, entry(at, role, expires));
                    }
                    (2, Some(place)) => {
                        peers.remove(&keys, place);
                        model.remove(&at);
                    }
                    (3, _) => {
                        let mut next = None;
                        loop {
                            let swept = peers.sweep(&keys, next, 3, |entry| entry.expires() == expires);
                            prop_assert!(swept.looked <= 3);
                            next = swept.next;
                            if next.is_none() { break }
                        }
                        model.retain(|_, entry| entry.expires() != expires);
                    }
                    _ => {}
                }
                prop_assert_eq!(peers.len(), model.len());
                let partial = model.values().filter(|entry| entry.role() == Role::PartialSeed).count();
                prop_assert_eq!(peers.partial() as usize, partial);
                for (at, entry) in &model {
                    let place = peers.find(&keys, &[*at; 6]);
                    prop_assert_eq!(place.and_then(|place| peers.get(place)), Some(entry));
                    prop_assert_eq!(place < Some(peers.leeches()), !entry.is_seed());
                }
                for for_seed in [false, true] {
                    let there = if for_seed { peers.leeches() as usize } else { peers.len() };
                    let mut picked = picked(&peers, &mut rng, for_seed, 7);
                    prop_assert_eq!(picked.len(), there.min(7));
                    picked.sort_unstable();
                    picked.dedup();
                    prop_assert_eq!(picked.len(), there.min(7));
                }
            }
        }
    }
}
