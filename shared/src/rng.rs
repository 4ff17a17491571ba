//! Randomness as the engine knows it: a generator seeded by the host, forked once for each part that draws.
//!
//! Each part has a stream of its own, so a new draw in one place does not shift the others, and a run is
//! reproduced from its seed alone.

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};
use sha1::{Digest as _, Sha1};

/// A deterministic, cryptographically strong generator (ChaCha12).
#[derive(Clone, Debug)]
pub struct Rng {
    seed: [u8; 32],
    stream: ChaCha12Rng,
}

impl Rng {
    /// A generator whose whole output follows from `seed`.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self { seed, stream: ChaCha12Rng::from_seed(seed) }
    }

    /// A generator for the part named `label`. Depends on the seed and the label only, not on what was drawn so far.
    pub fn fork(&self, label: &str) -> Self {
        let mut seed = self.seed;
        let digest: [u8; 20] =
            Sha1::new().chain_update(self.seed).chain_update(label.as_bytes()).finalize().into();
        for (byte, mixed) in seed.iter_mut().zip(digest) {
            *byte ^= mixed;
        }
        Self::from_seed(seed)
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.stream.next_u64()
    }

    /// 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        self.stream.next_u32()
    }

    /// Fills `bytes` with random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.stream.fill_bytes(bytes);
    }

    /// A uniform number in `0..bound`; 0 where `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // Widening multiplication; the bias is at most bound / 2^64, far below anything observable here.
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A uniform index into a slice of `len` elements; `None` where it is empty.
    pub fn index(&mut self, len: usize) -> Option<usize> {
        (len > 0).then(|| self.below(len as u64) as usize)
    }

    /// Shuffles `items` uniformly (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_does_not_depend_on_earlier_draws() {
        let mut drawn = Rng::from_seed([7; 32]);
        drawn.next_u64();
        assert_eq!(drawn.fork("choker").next_u64(), Rng::from_seed([7; 32]).fork("choker").next_u64());
        assert_ne!(drawn.fork("choker").next_u64(), drawn.fork("picker").next_u64());
    }

    #[test]
    fn below_stays_below_and_reaches_every_value() {
        let mut rng = Rng::from_seed([1; 32]);
        let mut seen = [false; 7];
        for _ in 0..1_000 {
            seen[rng.below(7) as usize] = true;
        }
        assert_eq!(seen, [true; 7]);
        assert_eq!(rng.below(0), 0);
    }
}
