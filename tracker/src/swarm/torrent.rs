//! The members of one torrent's swarm, and all torrents.

use shared::id::InfoHash;
use shared::tracker::announce::Role;

use super::index::{Index, Keys};
use super::peers::Peers;
use super::recency::Slot;

/// How many members hold everything, and how many do not yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counts {
    /// Members that announced `left` = 0.
    pub complete: u32,
    /// All others.
    pub incomplete: u32,
    /// Those of the others that want no more: partial seeds (BEP 21).
    pub partial: u32,
}

impl Counts {
    /// Members that download.
    pub const fn downloaders(&self) -> u32 {
        self.incomplete - self.partial
    }
}

/// The members that are reached through sockets, by role, so that seeds need not be searched for among leechers. Each member knows
/// its place.
#[derive(Debug, Default)]
pub(super) struct Roles {
    seeds: Vec<Slot>,
    /// Partial seeds among them.
    leeches: Vec<Slot>,
    partial: u32,
}

impl Roles {
    pub(super) const fn len(&self) -> usize {
        self.seeds.len() + self.leeches.len()
    }

    /// Adds a member and returns its place.
    pub(super) fn push(&mut self, slot: Slot, role: Role) -> u32 {
        self.partial += u32::from(role == Role::PartialSeed);
        let list = self.list_mut(role);
        list.push(slot);
        list.len() as u32 - 1
    }

    /// Takes out the member at `place`. Returns the member that stands there instead, if one was moved.
    pub(super) fn remove(&mut self, place: u32, role: Role) -> Option<Slot> {
        self.partial -= u32::from(role == Role::PartialSeed);
        let list = self.list_mut(role);
        list.swap_remove(place as usize);
        list.get(place as usize).copied()
    }

    /// Who may be introduced to a member: everybody to a leecher, only leechers to a seed.
    pub(super) fn candidates(&self, for_seed: bool) -> (&[Slot], &[Slot]) {
        (&self.leeches, if for_seed { &[] } else { &self.seeds })
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Slot> {
        self.leeches.iter().chain(&self.seeds)
    }

    #[cfg(test)]
    pub(super) fn list(&self, role: Role) -> &[Slot] {
        if role.is_seed() { &self.seeds } else { &self.leeches }
    }

    const fn list_mut(&mut self, role: Role) -> &mut Vec<Slot> {
        if role.is_seed() { &mut self.seeds } else { &mut self.leeches }
    }
}

/// The members of one torrent. Those of one kind are introduced to each other only; all of them are counted.
#[derive(Debug)]
pub(super) struct Torrent {
    pub(super) info_hash: InfoHash,
    /// How often somebody got everything while it was here.
    pub(super) completed: u32,
    /// Reached at an IPv4 address.
    pub(super) v4: Peers<6>,
    /// Reached at an IPv6 address; most torrents have none.
    pub(super) v6: Option<Box<Peers<18>>>,
    /// Reached through their WebSockets: slots of the sockets' members.
    pub(super) sockets: Option<Box<Roles>>,
}

impl Torrent {
    fn new(info_hash: InfoHash) -> Self {
        Self { info_hash, completed: 0, v4: Peers::default(), v6: None, sockets: None }
    }

    pub(super) fn len(&self) -> usize {
        self.v4.len()
            + self.v6.as_ref().map_or(0, |peers| peers.len())
            + self.sockets.as_ref().map_or(0, |roles| roles.len())
    }

    pub(super) fn counts(&self) -> Counts {
        let v4 = &self.v4;
        let mut counts = Counts { complete: v4.seeds(), incomplete: v4.leeches(), partial: v4.partial() };
        if let Some(peers) = &self.v6 {
            counts.complete += peers.seeds();
            counts.incomplete += peers.leeches();
            counts.partial += peers.partial();
        }
        if let Some(roles) = &self.sockets {
            counts.complete += roles.seeds.len() as u32;
            counts.incomplete += roles.leeches.len() as u32;
            counts.partial += roles.partial;
        }
        counts
    }

    /// See [`Roles::candidates`].
    pub(super) fn candidates(&self, for_seed: bool) -> (&[Slot], &[Slot]) {
        self.sockets.as_ref().map_or((&[], &[]), |roles| roles.candidates(for_seed))
    }
}

/// Names a torrent while it has a member; then it may name another.
pub(super) type TorrentSlot = u32;

/// All torrents, each with at least one member. They have an order, in which a sweep or a full scrape goes through them and which
/// depends on nothing but what happened.
#[derive(Debug, Default)]
pub(super) struct Torrents {
    slots: Vec<Option<Torrent>>,
    free: Vec<TorrentSlot>,
    index: Index,
}

impl Torrents {
    pub(super) const fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Slots, used or not: those of all torrents are below.
    pub(super) const fn slots(&self) -> u32 {
        self.slots.len() as u32
    }

    pub(super) fn find(&self, keys: &Keys, info_hash: &InfoHash) -> Option<TorrentSlot> {
        let same = |slot| self.get(slot).is_some_and(|torrent| torrent.info_hash == *info_hash);
        self.index.find(keys.hash(info_hash), same)
    }

    pub(super) fn get(&self, slot: TorrentSlot) -> Option<&Torrent> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: TorrentSlot) -> Option<&mut Torrent> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// Adds a torrent that [`Self::find`] does not find.
    pub(super) fn insert(&mut self, keys: &Keys, info_hash: InfoHash) -> TorrentSlot {
        let torrent = Some(Torrent::new(info_hash));
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = torrent;
                slot
            }
            None => {
                self.slots.push(torrent);
                self.slots.len() as u32 - 1
            }
        };
        let slots = &self.slots;
        self.index.insert(keys.hash(&info_hash), slot, |slot| {
            slots[slot as usize].as_ref().map_or(0, |torrent| keys.hash(&torrent.info_hash))
        });
        slot
    }

    /// Gives back what a torrent has for members of a kind of which it has none, and all of it if it has none at all.
    pub(super) fn drop_unused(&mut self, keys: &Keys, slot: TorrentSlot) {
        if let Some(torrent) = self.get_mut(slot)
            && torrent.v6.as_ref().is_some_and(|peers| peers.len() == 0)
        {
            torrent.v6 = None;
        }
        self.remove_if_empty(keys, slot);
    }

    pub(super) fn remove_if_empty(&mut self, keys: &Keys, slot: TorrentSlot) {
        let Some(torrent) = self.get(slot).filter(|torrent| torrent.len() == 0) else { return };
        let hash = keys.hash(&torrent.info_hash);
        self.index.remove(hash, |found| found == slot);
        self.slots[slot as usize] = None;
        self.free.push(slot);
        if self.free.len() == self.slots.len() {
            // Gives back what a peak has taken; nothing points into it.
            *self = Self::default();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Torrent> {
        self.slots.iter().flatten()
    }
}
