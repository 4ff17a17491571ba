use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use sha1::{Digest as _, Sha1};

use super::pieces::{Author, Verifying};
use crate::id::PeerId;
use crate::layout::PieceIndex;
use crate::limits;

/// Who gave what is proven wrong, and who may have.
///
/// A piece that fails and has one author convicts that author. With several, each block is remembered by its hash and
/// the piece is fetched from one peer alone; once it matches, whoever gave another block before is convicted.
#[derive(Debug, Default)]
pub(super) struct Blame {
    suspicions: BTreeMap<PieceIndex, Vec<(Author, [u8; 20])>>,
    banned: BTreeSet<PeerId>,
    /// The same in order, to forget the oldest.
    order: VecDeque<PeerId>,
}

impl Blame {
    pub(super) fn is_banned(&self, peer: &PeerId) -> bool {
        self.banned.contains(peer)
    }

    pub(super) fn ban(&mut self, peer: PeerId) {
        if self.banned.insert(peer) {
            self.order.push_back(peer);
        }
        if self.order.len() > limits::BANNED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.banned.remove(&oldest);
        }
    }

    /// A piece did not match. Answers its author if there is only one.
    pub(super) fn failed(&mut self, piece: PieceIndex, verifying: &Verifying) -> Option<Author> {
        let first = verifying.authors.first()?;
        if verifying.authors.iter().all(|author| author.peer == first.peer) {
            return Some(*first);
        }
        let blocks = verifying.authors.iter().zip(&verifying.blocks);
        self.suspicions.insert(piece, blocks.map(|(author, block)| (*author, digest(block))).collect());
        None
    }

    /// A piece that failed before. Whether it is to be fetched from one peer alone.
    pub(super) fn suspects(&self, piece: PieceIndex) -> bool {
        self.suspicions.contains_key(&piece)
    }

    /// A piece matched. Answers the authors of blocks that are proven wrong by it.
    pub(super) fn matched(&mut self, piece: PieceIndex, blocks: &[Bytes]) -> BTreeSet<Author> {
        let Some(suspicion) = self.suspicions.remove(&piece) else { return BTreeSet::new() };
        let wrong = |((author, before), block): ((Author, [u8; 20]), &Bytes)| {
            (before != digest(block)).then_some(author)
        };
        suspicion.into_iter().zip(blocks).filter_map(wrong).collect()
    }
}

fn digest(block: &Bytes) -> [u8; 20] {
    Sha1::digest(block).into()
}
