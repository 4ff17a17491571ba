//! What a node's members come to, in a few numbers: two nodes that have the same have the same numbers.

use core::net::IpAddr;

use shared::id::InfoHash;
use shared::tracker::announce::Role;

use crate::swarm::change::{Held, Key};

/// Swarms are divided by the first bits of their info-hash, so that what differs is found and sent again by the part.
pub const PARTS: usize = 64;

/// A set of parts, one bit each.
pub type Parts = u64;

/// All of them.
pub const ALL: Parts = Parts::MAX;

/// Which part a swarm belongs to.
pub const fn part(info_hash: &InfoHash) -> usize {
    info_hash.0[0] as usize % PARTS
}

/// Whether a swarm is in one of these parts.
pub const fn within(parts: Parts, info_hash: &InfoHash) -> bool {
    parts >> part(info_hash) & 1 == 1
}

/// The members of one part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartDigest {
    /// How many.
    pub count: u32,
    /// The sum of their hashes, which knows no order.
    pub sum: u64,
}

/// The members of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest(pub [PartDigest; PARTS]);

impl Default for Digest {
    fn default() -> Self {
        Self([PartDigest::default(); PARTS])
    }
}

impl Digest {
    /// A member is there.
    pub fn add(&mut self, key: &Key, held: &Held) {
        let part = &mut self.0[part(key.info_hash())];
        part.count = part.count.wrapping_add(1);
        part.sum = part.sum.wrapping_add(hash(key, Some(held)));
    }

    /// A member that was there is not.
    pub fn remove(&mut self, key: &Key, held: &Held) {
        let part = &mut self.0[part(key.info_hash())];
        part.count = part.count.wrapping_sub(1);
        part.sum = part.sum.wrapping_sub(hash(key, Some(held)));
    }

    /// How many members.
    pub fn members(&self) -> u64 {
        self.0.iter().map(|part| u64::from(part.count)).sum()
    }

    /// The parts in which these differ.
    pub fn differing(&self, other: &Self) -> Parts {
        let pairs = self.0.iter().zip(&other.0).enumerate();
        pairs.filter(|(_, (a, b))| a != b).fold(0, |parts, (number, _)| parts | 1 << number)
    }
}

/// A membership in 64 bits; with what may change about it, or without. Not made to withstand somebody who looks for two that
/// have the same: all he gets is a difference that is not noticed.
pub fn hash(key: &Key, held: Option<&Held>) -> u64 {
    let mut state = Mix(0x51_7c_c1_b7_27_22_0a_95);
    state.bytes(&key.info_hash().0);
    match key {
        Key::Socket { peer_id, socket, .. } => {
            state.word(*socket);
            state.bytes(&peer_id.0);
        }
        Key::Address { ip: IpAddr::V4(ip), port, .. } => {
            state.word(u64::from(ip.to_bits()) << 16 | u64::from(*port));
        }
        Key::Address { ip: IpAddr::V6(ip), port, .. } => {
            state.bytes(&ip.octets());
            state.word(u64::from(*port));
        }
    }
    if let Some(held) = held {
        state.bytes(&held.peer_id.0);
        state.word(match held.role {
            Role::Leech => 0,
            Role::Seed => 1,
            Role::PartialSeed => 2,
        });
    }
    state.end()
}

struct Mix(u64);

impl Mix {
    const fn word(&mut self, word: u64) {
        let product = (self.0 ^ word) as u128 * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }

    /// The finish of SplitMix64.
    const fn end(self) -> u64 {
        let mut state = self.0;
        state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^ state >> 31
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use shared::id::PeerId;

    use super::*;

    #[test]
    fn what_differs_has_another_hash_and_order_does_not_matter() {
        let mut seen = BTreeSet::new();
        let (mut forth, mut back) = (Digest::default(), Digest::default());
        let mut members = Vec::new();
        for torrent in 0..8 {
            for number in 0..64_u8 {
                let info_hash = InfoHash([torrent; 20]);
                let peer_id = PeerId([number; 20]);
                let keys = [
                    Key::Socket { info_hash, peer_id, socket: u64::from(number) },
                    Key::Socket { info_hash, peer_id, socket: u64::from(number) + 1 },
                    Key::Address { info_hash, ip: [192, 0, 2, number].into(), port: 6881 },
                    Key::Address { info_hash, ip: [u16::from(number); 8].into(), port: 6881 },
                ];
                for key in keys {
                    for role in [Role::Leech, Role::PartialSeed, Role::Seed] {
                        let held = Held { peer_id, role };
                        assert!(seen.insert(hash(&key, Some(&held))));
                        members.push((key, held));
                    }
                }
            }
        }
        for (key, held) in &members {
            forth.add(key, held);
        }
        for (key, held) in members.iter().rev() {
            back.add(key, held);
        }
        assert_eq!((forth.differing(&back), forth.members()), (0, members.len() as u64));
        let (key, held) = members[7];
        back.remove(&key, &held);
        assert_eq!(forth.differing(&back), 1, "torrent 0 is in part 0");
        let role = if held.role == Role::Leech { Role::PartialSeed } else { Role::Leech };
        back.add(&key, &Held { role, ..held });
        assert_eq!(forth.differing(&back), 1, "as many, and not the same");
    }
}
