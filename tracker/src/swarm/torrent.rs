//! The members of one torrent's swarm.

use super::recency::Slot;

/// How many members hold everything, and how many do not yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Members that announced `left` = 0.
    pub complete: u32,
    /// All others.
    pub incomplete: u32,
}

/// Members by role, so that seeds need not be searched for among leechers. Each member knows its place.
#[derive(Debug, Default)]
pub(super) struct Torrent {
    seeds: Vec<Slot>,
    leeches: Vec<Slot>,
}

impl Torrent {
    pub(super) const fn len(&self) -> usize {
        self.seeds.len() + self.leeches.len()
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { complete: self.seeds.len() as u32, incomplete: self.leeches.len() as u32 }
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
