//! The members of one torrent's swarm.

use super::Family;
use super::recency::Slot;

/// How many members hold everything, and how many do not yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Members that announced `left` = 0.
    pub complete: u32,
    /// All others.
    pub incomplete: u32,
}

/// The members of one kind by role, so that seeds need not be searched for among leechers. Each member knows its place.
#[derive(Debug, Default)]
pub(super) struct Roles {
    seeds: Vec<Slot>,
    leeches: Vec<Slot>,
}

impl Roles {
    pub(super) const fn len(&self) -> usize {
        self.seeds.len() + self.leeches.len()
    }

    /// Adds a member and returns its place.
    pub(super) fn push(&mut self, slot: Slot, seed: bool) -> u32 {
        let role = self.role_mut(seed);
        role.push(slot);
        role.len() as u32 - 1
    }

    /// Takes out the member at `place`. Returns the member that stands there instead, if one was moved.
    pub(super) fn remove(&mut self, place: u32, seed: bool) -> Option<Slot> {
        let role = self.role_mut(seed);
        role.swap_remove(place as usize);
        role.get(place as usize).copied()
    }

    /// Who may be introduced to a member: everybody to a leecher, only leechers to a seed.
    pub(super) fn candidates(&self, for_seed: bool) -> (&[Slot], &[Slot]) {
        (&self.leeches, if for_seed { &[] } else { &self.seeds })
    }

    #[cfg(test)]
    pub(super) fn role(&self, seed: bool) -> &[Slot] {
        if seed { &self.seeds } else { &self.leeches }
    }

    const fn role_mut(&mut self, seed: bool) -> &mut Vec<Slot> {
        if seed { &mut self.seeds } else { &mut self.leeches }
    }
}

/// The members of one torrent. Those of one kind are introduced to each other only; all of them are counted.
#[derive(Debug, Default)]
pub(super) struct Torrent {
    /// Reached through their WebSockets: slots of the sockets' members.
    pub(super) sockets: Roles,
    /// Reached at an IPv4 address: slots of the addresses' members.
    pub(super) v4: Roles,
    /// Reached at an IPv6 address: slots of the addresses' members.
    pub(super) v6: Roles,
}

impl Torrent {
    pub(super) const fn len(&self) -> usize {
        self.sockets.len() + self.v4.len() + self.v6.len()
    }

    pub(super) fn counts(&self) -> Counts {
        let kinds = [&self.sockets, &self.v4, &self.v6];
        let sum = |role: fn(&Roles) -> &Vec<Slot>| kinds.iter().map(|kind| role(kind).len() as u32).sum();
        Counts { complete: sum(|roles| &roles.seeds), incomplete: sum(|roles| &roles.leeches) }
    }

    pub(super) const fn addresses(&self, family: Family) -> &Roles {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    pub(super) const fn addresses_mut(&mut self, family: Family) -> &mut Roles {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}
