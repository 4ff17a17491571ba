use core::net::IpAddr;
use std::collections::BTreeMap;

use bytes::Bytes;

use crate::bitfield::Bitfield;
use crate::id::{ConnId, PeerId};
use crate::layout::{BlockRef, Layout, PieceIndex};

/// Who gave a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Author {
    pub(super) conn: ConnId,
    pub(super) peer: PeerId,
    /// Of a peer over TCP.
    pub(super) ip: Option<IpAddr>,
}

/// The pieces of a torrent that are here, and the blocks of those on their way.
///
/// Blocks stay apart until their piece is whole; it is hashed and written from the same bytes. A piece is had
/// only once its hash matched and its write was acknowledged.
#[derive(Debug)]
pub(super) struct Store {
    have: Bitfield,
    incoming: BTreeMap<PieceIndex, Vec<Option<(Bytes, Author)>>>,
    verifying: BTreeMap<PieceIndex, Verifying>,
    /// Slot of the peer that gave the larger part of each piece, 0 where unknown.
    given_by: Vec<u8>,
    /// For each file, bytes in pieces that are had.
    file_bytes: Vec<u64>,
    bytes: u64,
}

/// A whole piece on its way through hash and write.
#[derive(Debug)]
pub(super) struct Verifying {
    pub(super) blocks: Vec<Bytes>,
    pub(super) authors: Vec<Author>,
}

impl Store {
    pub(super) fn new(layout: &Layout) -> Self {
        Self {
            have: Bitfield::new(layout.pieces()),
            incoming: BTreeMap::new(),
            verifying: BTreeMap::new(),
            given_by: vec![0; layout.pieces() as usize],
            file_bytes: vec![0; layout.files().len()],
            bytes: 0,
        }
    }

    /// What is verified and written.
    pub(super) const fn have(&self) -> &Bitfield {
        &self.have
    }

    /// Bytes of what is verified and written.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// For each file, bytes in pieces that are had.
    pub(super) fn file_bytes(&self) -> &[u64] {
        &self.file_bytes
    }

    /// Slot of the peer that gave the larger part of each piece.
    pub(super) fn given_by(&self) -> &[u8] {
        &self.given_by
    }

    /// Pieces on their way through hash and write.
    pub(super) fn verifying(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.verifying.keys().copied()
    }

    /// Keeps a block that the picker has taken.
    pub(super) fn keep(&mut self, layout: &Layout, block: BlockRef, bytes: Bytes, author: Author) {
        let blocks = layout.blocks(block.piece) as usize;
        let incoming = self.incoming.entry(block.piece).or_insert_with(|| vec![None; blocks]);
        if let Some(slot) = incoming.get_mut(block.number() as usize) {
            // A block is a part of what came with it: kept as it is, it would hold on to all of that, and a peer that
            // sends each block within a large message would have us hold many times what is counted.
            *slot = Some((Bytes::copy_from_slice(&bytes), author));
        }
    }

    /// The blocks of a piece that is whole, for hashing.
    pub(super) fn assemble(&mut self, piece: PieceIndex) -> Option<Vec<Bytes>> {
        let (blocks, authors): (Vec<_>, Vec<_>) =
            self.incoming.remove(&piece)?.into_iter().collect::<Option<Vec<_>>>()?.into_iter().unzip();
        self.verifying.insert(piece, Verifying { blocks: blocks.clone(), authors });
        Some(blocks)
    }

    /// The blocks of a piece that matched, for writing.
    pub(super) fn take_blocks(&mut self, piece: PieceIndex) -> Option<Vec<Bytes>> {
        self.verifying.get_mut(&piece).map(|verifying| core::mem::take(&mut verifying.blocks))
    }

    /// Takes back a piece that did not match or could not be written.
    pub(super) fn reject(&mut self, piece: PieceIndex) -> Option<Verifying> {
        self.verifying.remove(&piece)
    }

    /// Throws away what came of a piece; answers how many bytes.
    pub(super) fn discard(&mut self, piece: PieceIndex) -> u64 {
        let blocks = self.incoming.remove(&piece).unwrap_or_default();
        blocks.iter().flatten().map(|(bytes, _)| bytes.len() as u64).sum()
    }

    /// Throws away all pieces that are not whole; answers how many bytes.
    pub(super) fn discard_all(&mut self) -> u64 {
        let pieces: Vec<PieceIndex> = self.incoming.keys().copied().collect();
        pieces.into_iter().map(|piece| self.discard(piece)).sum()
    }

    /// A piece is verified and written. Answers the peer that gave the larger part, if it came from peers.
    pub(super) fn insert(&mut self, layout: &Layout, piece: PieceIndex) -> Option<Author> {
        let verifying = self.verifying.remove(&piece);
        if self.have.insert(piece) {
            self.count(layout, piece);
        }
        verifying.and_then(|verifying| main_author(&verifying.authors))
    }

    /// Every piece is here.
    pub(super) fn insert_all(&mut self, layout: &Layout) {
        self.have = Bitfield::full(layout.pieces());
        self.bytes = layout.total();
        self.file_bytes = layout.files().iter().map(|file| file.length).collect();
    }

    /// Nothing is known to be here any more.
    pub(super) fn clear(&mut self, layout: &Layout) {
        *self = Self::new(layout);
    }

    /// Remembers who gave a piece, for the colours.
    pub(super) fn set_given(&mut self, piece: PieceIndex, slot: u8) {
        if let Some(given) = self.given_by.get_mut(piece.index()) {
            *given = slot;
        }
    }

    /// Another peer gets this slot: what its last owner gave is not the newcomer's.
    pub(super) fn forget_slot(&mut self, slot: u8) {
        self.given_by.iter_mut().filter(|given| **given == slot).for_each(|given| *given = 0);
    }

    fn count(&mut self, layout: &Layout, piece: PieceIndex) {
        let size = u64::from(layout.piece_size(piece));
        self.bytes += size;
        for range in layout.file_ranges(layout.piece_offset(piece), size) {
            self.file_bytes[range.file] += range.length;
        }
    }
}

/// Whoever gave most of these blocks.
fn main_author(authors: &[Author]) -> Option<Author> {
    let mut counts: BTreeMap<Author, usize> = BTreeMap::new();
    for author in authors {
        *counts.entry(*author).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(author, _)| author)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_does_not_hold_on_to_what_came_with_it() {
        let layout = Layout::new(16_384, [16_384]).expect("valid");
        let block = layout.piece(0).and_then(|piece| layout.block(piece, 0)).expect("in range");
        let mut store = Store::new(&layout);
        let message = Bytes::from(vec![7; 256 * 1024]);
        let author = Author { conn: ConnId(1), peer: PeerId([1; 20]), ip: None };
        store.keep(&layout, block, message.slice(..16_384), author);
        assert!(message.is_unique(), "nothing else of the message is kept");
        assert_eq!(store.assemble(block.piece), Some(vec![message.slice(..16_384)]));
    }
}
