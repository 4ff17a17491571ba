use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use sha1::{Digest as _, Sha1};

use super::pieces::{Author, Verifying};
use crate::address;
use crate::id::PeerId;
use crate::layout::PieceIndex;
use crate::limits;
use crate::time::Instant;

/// How long a peer is banned the first time, and at most; four times longer with each further time. Not for ever: peer
/// ids are public, and whoever gives bad pieces under the name of an honest seed would rob us of that.
const BAN: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3_600));

/// Who gave what is proven wrong, and who may have.
///
/// A piece that fails and has one author convicts that author. With several, each block is remembered by its hash and
/// the piece is fetched from one peer alone; once it matches, whoever gave another block before is convicted.
#[derive(Debug, Default)]
pub(super) struct Blame {
    suspicions: BTreeMap<PieceIndex, Vec<(Author, [u8; 20])>>,
    banned: BTreeMap<Name, Ban>,
    /// The same in order, to forget the oldest.
    order: VecDeque<Name>,
}

/// What somebody banned is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Peer(PeerId),
    /// Of a peer over TCP, which takes a new peer id at no cost: see [`address::network`].
    Network(IpAddr),
}

#[derive(Clone, Copy, Debug)]
struct Ban {
    until: Instant,
    times: u32,
}

impl Blame {
    pub(super) fn is_banned(&self, peer: &PeerId, now: Instant) -> bool {
        self.is_named(Name::Peer(*peer), now)
    }

    /// Whether whoever has this address is banned.
    pub(super) fn is_ip_banned(&self, ip: IpAddr, now: Instant) -> bool {
        self.is_named(Name::Network(address::network(ip)), now)
    }

    fn is_named(&self, name: Name, now: Instant) -> bool {
        self.banned.get(&name).is_some_and(|ban| now < ban.until)
    }

    /// Bans a peer by its id and, where it has one, by its address. Not by that of this host, which all its other peers
    /// here share.
    pub(super) fn ban(&mut self, peer: PeerId, ip: Option<IpAddr>, now: Instant) {
        self.ban_name(Name::Peer(peer), now);
        if let Some(ip) = ip.filter(|ip| !ip.to_canonical().is_loopback()) {
            self.ban_name(Name::Network(address::network(ip)), now);
        }
    }

    fn ban_name(&mut self, name: Name, now: Instant) {
        let times = self.banned.get(&name).map_or(0, |ban| ban.times);
        let (first, longest) = BAN;
        let until = now + (first * 4_u32.pow(times.min(8))).min(longest);
        if self.banned.insert(name, Ban { until, times: times + 1 }).is_none() {
            self.order.push_back(name);
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
        Author { conn: ConnId(number.into()), peer: PeerId([number; 20]), ip: None }
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
        let now = Instant::ORIGIN;
        (0..=limits::BANNED_MAX).for_each(|number| blame.ban(peer(number), None, now));
        assert!(!blame.is_banned(&peer(0), now));
        assert!(blame.is_banned(&peer(1), now) && blame.is_banned(&peer(limits::BANNED_MAX), now));
    }

    #[test]
    fn a_ban_ends_and_the_next_lasts_longer() {
        let mut blame = Blame::default();
        let peer = PeerId([1; 20]);
        let mut now = Instant::ORIGIN;
        for seconds in [60, 240, 960, 3_600, 3_600] {
            blame.ban(peer, None, now);
            assert!(blame.is_banned(&peer, now + Duration::from_secs(seconds - 1)));
            now = now + Duration::from_secs(seconds);
            assert!(!blame.is_banned(&peer, now), "banned for more than {seconds} s");
        }
    }
}
