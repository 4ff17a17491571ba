//! The resume record: which pieces are verified and written, so that a reload goes on where it was.

use bytes::Bytes;
use sha1::{Digest as _, Sha1};

use crate::bitfield::Bitfield;
use crate::id::InfoHash;
use crate::metainfo::Metainfo;

/// First bytes of a record; the last is the version of what follows.
const MAGIC: &[u8; 8] = b"PMRESUM\x01";

/// Length of what stands before the bits: magic, info-hash, number of pieces.
const HEAD: usize = MAGIC.len() + 20 + 4;

/// Length of the checksum at the end.
const CHECKSUM: usize = 20;

/// The record that says `have` of this torrent: magic, info-hash, number of pieces (big-endian), the bits as on the
/// wire, and SHA-1 over all that.
pub(super) fn encode(torrent: InfoHash, have: &Bitfield) -> Bytes {
    let mut record = Vec::with_capacity(HEAD + have.len().div_ceil(8) as usize + CHECKSUM);
    record.extend_from_slice(MAGIC);
    record.extend_from_slice(&torrent.0);
    record.extend_from_slice(&have.len().to_be_bytes());
    record.extend_from_slice(&have.to_wire());
    let checksum = Sha1::digest(&record);
    record.extend_from_slice(&checksum);
    record.into()
}

/// What a record says; `None` if it is damaged, of another version, or about another torrent. What is on disk is then
/// found out by checking it.
pub(super) fn decode(record: &[u8], torrent: InfoHash, pieces: u32) -> Option<Bitfield> {
    let (body, checksum) = record.split_at_checked(record.len().checked_sub(CHECKSUM)?)?;
    if Sha1::digest(body)[..] != *checksum {
        return None;
    }
    let (head, bits) = body.split_at_checked(HEAD)?;
    let expected = [&MAGIC[..], &torrent.0, &pieces.to_be_bytes()].concat();
    (head == expected).then(|| Bitfield::from_wire(bits, pieces).ok())?
}

/// Bytes of the pieces that a record says are verified, for hosts that list what an earlier run left; `None` where the
/// record is damaged, of another version, or about another torrent.
pub fn verified_bytes(record: &[u8], metainfo: &Metainfo) -> Option<u64> {
    let layout = metainfo.layout();
    let have = decode(record, metainfo.info_hash(), layout.pieces())?;
    let pieces = have.ones().filter_map(|number| layout.piece(number));
    Some(pieces.map(|piece| u64::from(layout.piece_size(piece))).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    fn some() -> Bitfield {
        let layout = Layout::new(16_384, [20 * 16_384]).expect("valid");
        let mut have = Bitfield::new(20);
        layout.all_pieces().step_by(3).for_each(|piece| {
            have.insert(piece);
        });
        have
    }

    #[test]
    fn a_record_gives_back_what_was_had() {
        let record = encode(InfoHash([1; 20]), &some());
        assert_eq!(decode(&record, InfoHash([1; 20]), 20), Some(some()));
    }

    #[test]
    fn a_damaged_or_foreign_record_is_no_record() {
        let record = encode(InfoHash([1; 20]), &some());
        assert_eq!(decode(&record, InfoHash([2; 20]), 20), None);
        assert_eq!(decode(&record, InfoHash([1; 20]), 21), None);
        for length in 0..record.len() {
            assert_eq!(decode(&record[..length], InfoHash([1; 20]), 20), None);
        }
        for at in 0..record.len() {
            let mut damaged = record.to_vec();
            damaged[at] ^= 0x10;
            assert_eq!(decode(&damaged, InfoHash([1; 20]), 20), None, "byte {at}");
        }
    }
}
