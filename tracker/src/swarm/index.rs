//! Looking up by what strangers choose: hash tables that cannot be filled with collisions, and cannot be gone through.
//!
//! They hold numbers of entries that lie elsewhere, in an order of their own: the order of a hash table is nobody's business.

use core::hash::Hash;

use hashbrown::HashTable;
use shared::rng::Rng;
use siphasher::sip::SipHasher13;
use siphasher::sip128;

/// The key of a hash function that nobody can predict (SipHash-1-3, of 64 or 128 bits).
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys(u64, u64);

impl Keys {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self(rng.next_u64(), rng.next_u64())
    }

    pub(super) fn hash(&self, value: &impl Hash) -> u64 {
        use core::hash::Hasher as _;
        let mut hasher = SipHasher13::new_with_keys(self.0, self.1);
        value.hash(&mut hasher);
        hasher.finish()
    }

    /// 128 bits for the bytes of `parts` one after the other. What agrees in them was the same, or not to be found by anybody.
    pub(super) fn digest(&self, parts: [&[u8]; 2]) -> (u64, u64) {
        use core::hash::Hasher as _;

        use siphasher::sip128::Hasher128 as _;
        let mut hasher = sip128::SipHasher13::new_with_keys(self.0, self.1);
        parts.iter().for_each(|part| hasher.write(part));
        let digest = hasher.finish128();
        (digest.h1, digest.h2)
    }
}

/// Numbers by the hash of what they stand for.
#[derive(Debug, Default)]
pub(super) struct Index(HashTable<u32>);

impl Index {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(HashTable::with_capacity(capacity))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.0.find(hash, |number| is(*number)).copied()
    }

    /// `hash_of` hashes what a number that is there stands for, in case the table grows.
    pub(super) fn insert(&mut self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) {
        self.0.insert_unique(hash, number, |number| hash_of(*number));
    }

    pub(super) fn remove(&mut self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        let (number, _) = self.0.find_entry(hash, |number| is(*number)).ok()?.remove();
        Some(number)
    }

    /// Puts another number in the place of one that is there.
    pub(super) fn replace(&mut self, hash: u64, number: u32, by: u32) {
        if let Some(found) = self.0.find_mut(hash, |found| *found == number) {
            *found = by;
        }
    }

    /// Gives back what has not been needed for long: if it is filled to less than a quarter.
    pub(super) fn shrink(&mut self, hash_of: impl Fn(u32) -> u64) {
        if self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to(self.0.len(), |number| hash_of(*number));
        }
    }
}
