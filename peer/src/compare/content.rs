//! Files that no compression makes smaller, and their hashes.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha1::{Digest as _, Sha1};
use shared::rng::Rng;

/// How much is made and written at once.
const CHUNK: usize = 256 * 1024;

/// A generated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// Its name, without a directory.
    pub(super) name: String,
    /// Where it is.
    pub(super) path: PathBuf,
    /// Bytes.
    pub(super) size: u64,
    /// SHA-1 of all of it, hexadecimal: the hash that BitTorrent's pieces have too, so that every lane hashes alike.
    pub(super) sha1: String,
}

impl Content {
    /// Writes a file into `directory` whose bytes are a function of seed, size and number.
    ///
    /// # Errors
    ///
    /// What the system says of the file.
    pub(super) fn generate(directory: &Path, seed: u64, size: u64, number: u32) -> io::Result<Self> {
        let name = format!("{size}-{number}.bin");
        let path = directory.join(&name);
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = Rng::from_seed(bytes).fork(&name);
        let mut file = File::create(&path)?;
        let mut hash = Sha1::new();
        let mut chunk = vec![0; CHUNK];
        let mut left = size;
        while left > 0 {
            let length = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
            rng.fill(&mut chunk[..length]);
            hash.update(&chunk[..length]);
            file.write_all(&chunk[..length])?;
            left -= length as u64;
        }
        Ok(Self { name, path, size, sha1: hex(&hash.finalize()) })
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_file() {
        let directory = tempfile::tempdir().unwrap();
        let size = CHUNK as u64 + 1;
        let one = Content::generate(directory.path(), 1, size, 0).unwrap();
        let bytes = std::fs::read(&one.path).unwrap();
        assert_eq!((bytes.len() as u64, hex(&Sha1::digest(&bytes))), (size, one.sha1.clone()));
        assert_eq!(Content::generate(directory.path(), 1, size, 0).unwrap(), one);
        assert_ne!(Content::generate(directory.path(), 2, size, 0).unwrap().sha1, one.sha1);
        assert_ne!(Content::generate(directory.path(), 1, size, 1).unwrap().sha1, one.sha1);
    }

    #[test]
    fn contents_cannot_be_compressed() {
        let directory = tempfile::tempdir().unwrap();
        let content = Content::generate(directory.path(), 3, 100_000, 0).unwrap();
        let mut counts = [0_u32; 256];
        for byte in std::fs::read(content.path).unwrap() {
            counts[usize::from(byte)] += 1;
        }
        let entropy: f64 = counts.iter().map(|&count| f64::from(count) / 1e5).map(|p| -p * p.log2()).sum();
        assert!(entropy > 7.99, "{entropy} bits a byte");
    }
}
