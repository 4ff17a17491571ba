//! Contents of simulated files, generated from their position: no fixtures, and every byte can be checked anywhere.

use sha1::{Digest as _, Sha1};
use shared::metainfo::Metainfo;
use shared::metainfo::builder::Builder;

/// A torrent and its bytes.
#[derive(Debug)]
pub struct Content {
    /// The bytes, all files one after the other.
    pub bytes: Vec<u8>,
    /// The whole `.torrent`.
    pub torrent: Vec<u8>,
    /// The same, parsed.
    pub metainfo: Metainfo,
}

impl Content {
    /// Contents for files of these lengths, different for each `seed`.
    pub fn new(seed: u64, lengths: &[u64], trackers: &[String]) -> Self {
        let total: u64 = lengths.iter().sum();
        let bytes: Vec<u8> = (0..total).map(|offset| byte_at(seed, offset)).collect();
        let files = lengths
            .iter()
            .enumerate()
            .map(|(number, length)| (vec!["sim".to_owned(), format!("{number}.bin")], *length));
        let files: Vec<_> = match lengths {
            [length] => vec![(vec!["sim.bin".to_owned()], *length)],
            _ => files.collect(),
        };
        let mut builder = Builder::new(None, &files).expect("lengths of a plan are valid");
        for piece in builder.layout().all_pieces() {
            let from = builder.layout().piece_offset(piece) as usize;
            let to = from + builder.layout().piece_size(piece) as usize;
            builder.set_hash(piece, Sha1::digest(&bytes[from..to]).into());
        }
        let metainfo = builder.finish().expect("every piece was hashed");
        Self { bytes, torrent: metainfo.to_torrent(trackers), metainfo }
    }
}

fn byte_at(seed: u64, offset: u64) -> u8 {
    let mut word = seed.wrapping_add(offset / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word ^= word >> 29;
    word = word.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word ^= word >> 32;
    word.to_le_bytes()[(offset % 8) as usize]
}
