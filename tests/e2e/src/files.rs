//! Test files: bytes that no compression helps with, the same for the same seed.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

const CHUNK: usize = 1 << 20;

/// SplitMix64: fast, and its output does not compress.
#[derive(Clone, Debug)]
pub struct Noise(u64);

impl Noise {
    /// Bytes that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut word = self.0;
            word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            word ^= word >> 31;
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Writes `length` bytes that follow from `seed`; gives their SHA-256 in hex.
pub fn write_random(path: &Path, length: u64, seed: u64) -> Result<String> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    let mut noise = Noise::new(seed);
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    let mut left = length;
    while left > 0 {
        let part = &mut buffer[..CHUNK.min(usize::try_from(left).unwrap_or(CHUNK))];
        noise.fill(part);
        file.write_all(part)?;
        hash.update(&*part);
        left -= part.len() as u64;
    }
    Ok(HEXLOWER.encode(&hash.finalize()))
}

/// SHA-256 of a file, in hex.
pub fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(HEXLOWER.encode(&hash.finalize()));
        }
        hash.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let [one, two, three] = ["one", "two", "three"].map(|name| directory.path().join(name));
        let first = write_random(&one, 3_000_001, 7)?;
        assert_eq!(first, write_random(&two, 3_000_001, 7)?);
        assert_ne!(first, write_random(&three, 3_000_001, 8)?);
        assert_eq!(first, sha256(&two)?);
        assert_eq!(std::fs::metadata(&one)?.len(), 3_000_001);
        Ok(())
    }
}
