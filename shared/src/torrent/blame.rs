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
        if self.suspicions.len() >= limits::SUSPICIONS_MAX {
            self.suspicions.pop_first();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ConnId;
    use crate::layout::Layout;

    fn author(number: u8) -> Author {
        Author { conn: ConnId(number.into()), peer: PeerId([number; 20]) }
    }

    fn verifying(blocks: &[(&'static [u8], u8)]) -> Verifying {
        let (blocks, authors) =
            blocks.iter().map(|(block, by)| (Bytes::from_static(block), author(*by))).unzip();
        Verifying { blocks, authors }
    }

    fn piece() -> PieceIndex {
        Layout::new(16_384, [16_384]).expect("valid").piece(0).expect("in range")
    }

    #[test]
    fn a_single_author_is_convicted_at_once() {
        let mut blame = Blame::default();
        assert_eq!(blame.failed(piece(), &verifying(&[(b"x", 1), (b"y", 1)])), Some(author(1)));
        assert!(!blame.suspects(piece()));
    }

    #[test]
    fn of_several_authors_only_those_whose_blocks_differ_are_convicted() {
        let mut blame = Blame::default();
        assert_eq!(blame.failed(piece(), &verifying(&[(b"a", 1), (b"X", 2), (b"c", 3), (b"Y", 2)])), None);
        assert!(blame.suspects(piece()));
        let right = [b"a", b"b", b"c", b"d"].map(|block| Bytes::from_static(block));
        assert_eq!(blame.matched(piece(), &right), BTreeSet::from([author(2)]));
        assert!(!blame.suspects(piece()));
        assert!(blame.matched(piece(), &right).is_empty(), "nobody is convicted twice for the same");
    }

    #[test]
    fn the_oldest_bans_are_forgotten() {
        let mut blame = Blame::default();
        let peer = |number: usize| PeerId(core::array::from_fn(|at| (number >> (8 * (at % 4))) as u8));
        (0..=limits::BANNED_MAX).for_each(|number| blame.ban(peer(number)));
        assert!(!blame.is_banned(&peer(0)));
        assert!(blame.is_banned(&peer(1)) && blame.is_banned(&peer(limits::BANNED_MAX)));
    }
}
