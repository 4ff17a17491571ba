use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::rng::Rng;

const PIECE: u64 = 4 * limits::BLOCK_LENGTH as u64;

fn layout(pieces: u64) -> Layout {
    Layout::new(PIECE, [pieces * PIECE - 5_000]).expect("valid")
}

fn rng() -> Rng {
    Rng::from_seed([5; 32])
}

struct Peer {
    conn: ConnId,
    has: Bitfield,
    whole: bool,
}

impl View for Peer {
    fn conn(&self) -> ConnId {
        self.conn
    }

    fn offers(&self, piece: PieceIndex) -> bool {
        self.has.has(piece)
    }

    fn offers_all(&self) -> bool {
        self.has.is_full()
    }

    fn offers_only(&self) -> Option<&BTreeSet<PieceIndex>> {
        None
    }

    fn counted_whole(&self) -> bool {
        self.whole
    }
}

fn seed(number: u32, pieces: u32) -> Peer {
    Peer { conn: ConnId(number), has: Bitfield::full(pieces), whole: true }
}

#[derive(Clone, Debug)]
enum Op {
    Join(u8, Vec<bool>),
    JoinComplete(u8),
    Leave(u8),
    Gain(u8, u8),
    Lose(u8, u8),
    Pick(u8, u8),
    PickAgain(u8, u8),
    PickRun(u8, u8, bool),
    RunEnds(u8),
    Receive(u8, u8),
    Stray(u8, u8, u8),
    Unask(u8, u8),
    Verify(u8, u8),
    DiscardBegun,
}

fn op() -> impl Strategy<Value = Op> {
    let peer = 0..6_u8;
    prop_oneof![
        1 => (peer.clone(), prop::collection::vec(any::<bool>(), 12)).prop_map(|(peer, has)| Op::Join(peer, has)),
        1 => peer.clone().prop_map(Op::JoinComplete),
        1 => peer.clone().prop_map(Op::Leave),
        2 => (peer.clone(), 0..12_u8).prop_map(|(peer, piece)| Op::Gain(peer, piece)),
        1 => (peer.clone(), 0..12_u8).prop_map(|(peer, piece)| Op::Lose(peer, piece)),
        6 => (peer.clone(), 1..12_u8).prop_map(|(peer, count)| Op::Pick(peer, count)),
        3 => (peer.clone(), 1..12_u8).prop_map(|(peer, count)| Op::PickAgain(peer, count)),
        4 => (peer.clone(), 0..12_u8, any::<bool>()).prop_map(|(peer, count, again)| Op::PickRun(peer, count, again)),
        1 => peer.clone().prop_map(Op::RunEnds),
        12 => (peer.clone(), any::<u8>()).prop_map(|(peer, which)| Op::Receive(peer, which)),
        1 => (peer.clone(), 0..12_u8, 0..4_u8).prop_map(|(peer, piece, block)| Op::Stray(peer, piece, block)),
        2 => (peer, any::<u8>()).prop_map(|(peer, which)| Op::Unask(peer, which)),
        4 => (0..12_u8, 0..10_u8).prop_map(|(piece, how)| Op::Verify(piece, how)),
        1 => Just(Op::DiscardBegun),
    ]
}

/// What a test believes: who has what, and who is asked for what.
struct Model {
    layout: Layout,
    picker: Picker,
    have: Bitfield,
    peers: BTreeMap<u8, Peer>,
    asked: BTreeMap<ConnId, Vec<BlockRef>>,
    received: BTreeSet<BlockRef>,
}

impl Model {
    fn new() -> Self {
        let layout = layout(12);
        let have = Bitfield::new(12);
        let picker = Picker::new(&layout, &have, rng());
        let (peers, asked) = (BTreeMap::new(), BTreeMap::new());
        Self { layout, picker, have, peers, asked, received: BTreeSet::new() }
    }

    fn owners(&self, block: BlockRef) -> usize {
        self.asked.values().filter(|asked| asked.contains(&block)).count()
    }

    fn leave(&mut self, number: u8) {
        let Some(peer) = self.peers.remove(&number) else { return };
        for block in self.asked.remove(&peer.conn).unwrap_or_default() {
            self.picker.unasked(block, peer.conn);
        }
        self.abandon(peer.conn);
        self.picker.left(&peer.has, peer.whole);
    }

    fn join(&mut self, number: u8, has: Bitfield) {
        self.leave(number);
        let whole = self.picker.joined(&has);
        self.peers.insert(number, Peer { conn: ConnId(number.into()), has, whole });
    }

    fn abandon(&mut self, conn: ConnId) {
        for piece in self.picker.abandon(conn) {
            self.received.retain(|block| block.piece != piece);
            if let Some(asked) = self.asked.get_mut(&conn) {
                asked.retain(|block| block.piece != piece);
            }
        }
    }

    fn pick(&mut self, number: u8, count: usize, again: bool) {
        let Some(peer) = self.peers.get(&number) else { return };
        let mut picked = Vec::new();
        let endgame = self.picker.is_endgame();
        if again {
            self.picker.pick_again(peer, |_, _| true, count, &mut picked);
            assert!(picked.is_empty() || endgame, "nothing is asked for twice before the end");
        } else {
            self.picker.pick(peer, count, &mut picked);
        }
        let conn = peer.conn;
        assert!(picked.len() <= count);
        for block in picked {
            assert!(self.peers[&number].has.has(block.piece), "only what the peer has is asked of it");
            assert!(!self.received.contains(&block), "nothing that is here is asked for");
            assert!(!self.have.has(block.piece));
            let owners = self.owners(block);
            assert!(if again { (1..3).contains(&owners) } else { owners == 0 }, "{owners} owners");
            let asked = self.asked.entry(conn).or_default();
            assert!(!asked.contains(&block), "nobody is asked twice");
            asked.push(block);
        }
    }

    fn pick_run(&mut self, number: u8, blocks: u8, again: bool) {
        let Some(peer) = self.peers.get(&number) else { return };
        let (conn, most) = (peer.conn, u64::from(blocks) * u64::from(limits::BLOCK_LENGTH));
        let (mut picked, endgame) = (Vec::new(), self.picker.is_endgame());
        if again {
            self.picker.pick_run_again(peer, |other| other == conn, most, &mut picked);
            assert!(picked.is_empty() || endgame, "nothing is asked for twice before the end");
        } else {
            let after = self.layout.piece(blocks.into());
            self.picker.pick_run(peer, most, after, &mut picked);
        }
        for pair in picked.windows(2) {
            assert_eq!(self.layout.block_after(pair[0]), Some(pair[1]), "a run has no holes");
        }
        for block in picked {
            assert!(self.peers[&number].has.has(block.piece), "only what the peer has is asked of it");
            assert!(!self.received.contains(&block) && !self.have.has(block.piece));
            let owners = self.owners(block);
            assert!(if again { (1..3).contains(&owners) } else { owners == 0 }, "{owners} owners");
            let asked = self.asked.entry(conn).or_default();
            assert!(!asked.contains(&block), "nobody is asked twice");
            asked.push(block);
            assert!(self.picker.is_asked(block, conn));
        }
    }

    fn receive(&mut self, block: BlockRef, conn: ConnId) {
        let before = self.owners(block);
        if let Some(asked) = self.asked.get_mut(&conn) {
            asked.retain(|other| *other != block);
        }
        match self.picker.received(block, conn) {
            Taken::New { others, whole } => {
                assert!(self.received.insert(block), "a block is new once");
                assert!(others.len() <= before);
                for other in others {
                    let asked = self.asked.get_mut(&other).expect("others were asked");
                    let at =
                        asked.iter().position(|asked| *asked == block).expect("others were asked for it");
                    asked.remove(at);
                }
                assert_eq!(self.owners(block), 0, "whoever was asked for it is told");
                let here = self.received.iter().filter(|other| other.piece == block.piece).count();
                assert_eq!(whole, here as u32 == self.layout.blocks(block.piece));
            }
            Taken::Known => {}
        }
    }

    fn verify(&mut self, number: u8, how: u8) {
        let Some(piece) = self.layout.piece(number.into()) else { return };
        if !self.picker.whole().any(|whole| whole == piece) {
            return;
        }
        if how < 6 {
            self.picker.finished(piece);
            self.have.insert(piece);
        } else {
            self.picker.failed(piece, how < 8);
            self.received.retain(|block| block.piece != piece);
        }
    }

    fn change(&mut self, number: u8, piece: u8, gained: bool) {
        let (Some(peer), Some(piece)) = (self.peers.get_mut(&number), self.layout.piece(piece.into())) else {
            return;
        };
        if gained && peer.has.insert(piece) {
            self.picker.gained(piece);
        } else if !gained && peer.has.remove(piece) {
            self.picker.lost(piece, &peer.has, core::mem::take(&mut peer.whole));
            let conn = peer.conn;
            let asked = self.asked.remove(&conn).unwrap_or_default();
            let (lost, kept) = asked.into_iter().partition(|block| block.piece == piece);
            self.asked.insert(conn, kept);
            let lost: Vec<BlockRef> = lost;
            lost.into_iter().for_each(|block| self.picker.unasked(block, conn));
            self.abandon(conn);
        }
    }

    fn apply(&mut self, op: &Op) {
        let nth = |asked: &[BlockRef], which: u8| asked.get(usize::from(which) % asked.len().max(1)).copied();
        match op {
            Op::Join(number, bits) => {
                let mut has = Bitfield::new(12);
                for (piece, _) in self.layout.all_pieces().zip(bits).filter(|(_, set)| **set) {
                    has.insert(piece);
                }
                self.join(*number, has);
            }
            Op::JoinComplete(number) => self.join(*number, Bitfield::full(12)),
            Op::Leave(number) => self.leave(*number),
            Op::Gain(number, piece) => self.change(*number, *piece, true),
            Op::Lose(number, piece) => self.change(*number, *piece, false),
            Op::Pick(number, count) => self.pick(*number, usize::from(*count), false),
            Op::PickAgain(number, count) => self.pick(*number, usize::from(*count), true),
            Op::PickRun(number, count, again) => self.pick_run(*number, *count, *again),
            Op::RunEnds(number) => self.picker.run_ended(ConnId((*number).into())),
            Op::Receive(number, which) => {
                let conn = ConnId((*number).into());
                let block = self.asked.get(&conn).and_then(|asked| nth(asked, *which));
                if let Some(block) = block {
                    self.receive(block, conn);
                }
            }
            Op::Stray(number, piece, block) => {
                let piece = self.layout.piece((*piece).into());
                let block = piece.and_then(|piece| self.layout.block(piece, (*block).into()));
                if let Some(block) = block {
                    self.receive(block, ConnId((*number).into()));
                }
            }
            Op::Unask(number, which) => {
                let conn = ConnId((*number).into());
                let block = self.asked.get(&conn).and_then(|asked| nth(asked, *which));
                if let (Some(block), Some(asked)) = (block, self.asked.get_mut(&conn)) {
                    asked.retain(|other| *other != block);
                    self.picker.unasked(block, conn);
                    self.abandon(conn);
                }
            }
            Op::Verify(piece, how) => self.verify(*piece, *how),
            Op::DiscardBegun => {
                self.picker.discard_begun();
                let whole: BTreeSet<PieceIndex> = self.picker.whole().collect();
                self.received.retain(|block| whole.contains(&block.piece) || self.have.has(block.piece));
                self.asked.clear();
            }
        }
        self.picker.check(&self.have);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn whatever_happens_the_picker_stays_consistent(ops in prop::collection::vec(op(), 1..150)) {
        let mut model = Model::new();
        ops.iter().for_each(|op| model.apply(op));
        // Whatever happened, a peer that has everything can still finish it.
        let numbers: Vec<u8> = model.peers.keys().copied().collect();
        numbers.into_iter().for_each(|number| model.leave(number));
        model.join(0, Bitfield::full(12));
        for _ in 0..200 {
            model.pick(0, 12, false);
            while let Some(block) = model.asked.get(&ConnId(0)).and_then(|asked| asked.first().copied()) {
                model.receive(block, ConnId(0));
            }
            (0..12).for_each(|piece| model.verify(piece, 0));
            model.picker.check(&model.have);
        }
        prop_assert!(model.have.is_full());
    }
}

#[test]
fn the_operations_reach_endgame_failures_and_single_givers() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut endgame, mut suspects, mut alone) = (0, 0, 0);
    for _ in 0..100 {
        let ops = prop::collection::vec(op(), 300).new_tree(&mut runner).expect("a list").current();
        let mut model = Model::new();
        for op in &ops {
            model.apply(op);
            endgame += usize::from(!model.picker.extra.is_empty());
            suspects += usize::from(!model.picker.suspect.is_empty());
            alone += usize::from(model.picker.begun.values().any(|begun| begun.only.is_some()));
        }
    }
    assert!(endgame > 50 && suspects > 50 && alone > 50, "{endgame} {suspects} {alone}");
}

#[test]
fn the_rarest_piece_comes_first() {
    let layout = layout(12);
    let mut picker = Picker::new(&layout, &Bitfield::new(12), rng());
    let rare = layout.piece(7).expect("in range");
    let mut others = Bitfield::full(12);
    others.remove(rare);
    for _ in 0..3 {
        picker.joined(&others);
    }
    let seed = seed(9, 12);
    picker.joined(&seed.has);
    let mut picked = Vec::new();
    picker.pick(&seed, 1, &mut picked);
    assert_eq!(picked[0].piece, rare);
    assert_eq!(picker.availability().0, 1);
}

#[test]
fn ties_are_broken_by_the_seed_of_the_generator() {
    let layout = layout(500);
    let order = |seed_byte: u8| {
        let mut picker = Picker::new(&layout, &Bitfield::new(500), Rng::from_seed([seed_byte; 32]));
        let seed = seed(1, 500);
        picker.joined(&seed.has);
        let mut picked = Vec::new();
        picker.pick(&seed, 200, &mut picked);
        picked
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
}

#[test]
fn begun_pieces_are_finished_before_others_are_begun() {
    let layout = layout(12);
    let mut picker = Picker::new(&layout, &Bitfield::new(12), rng());
    let (one, two) = (seed(1, 12), seed(2, 12));
    picker.joined(&one.has);
    picker.joined(&two.has);
    let mut picked = Vec::new();
    picker.pick(&one, 1, &mut picked);
    picker.pick(&two, 3, &mut picked);
    assert!(picked.iter().all(|block| block.piece == picked[0].piece), "{picked:?}");
    assert_eq!(picker.begun().count(), 1);
}

#[test]
fn no_more_pieces_are_begun_than_memory_allows() {
    let length = 16 * 1024 * 1024_u64;
    let layout = Layout::new(length, [length * 40]).expect("valid");
    let mut picker = Picker::new(&layout, &Bitfield::new(40), rng());
    let seed = seed(1, 40);
    picker.joined(&seed.has);
    let mut picked = Vec::new();
    picker.pick(&seed, 100_000, &mut picked);
    assert_eq!(picker.begun().count(), limits::PIECES_IN_MEMORY_MAX / length as usize);
    let version = picker.version();
    let piece = picked[0].piece;
    for block in picked.iter().filter(|block| block.piece == piece) {
        picker.received(*block, seed.conn);
    }
    picker.finished(piece);
    assert_ne!(picker.version(), version, "there is room again, and whoever found none is to look again");
}

#[test]
fn picking_from_many_pieces_costs_no_scan() {
    let pieces = 200_000;
    let layout = Layout::new(16_384, [u64::from(pieces) * 16_384]).expect("valid");
    let mut picker = Picker::new(&layout, &Bitfield::new(pieces), rng());
    let mut half = Peer { conn: ConnId(1), has: Bitfield::new(pieces), whole: false };
    layout.all_pieces().step_by(2).for_each(|piece| {
        half.has.insert(piece);
    });
    let full = seed(2, pieces);
    picker.joined(&half.has);
    picker.joined(&full.has);
    let mut picked = Vec::new();
    // In a debug build a scan of the pool for each of these would take minutes.
    for _ in 0..50_000 {
        let from = picked.len();
        picker.pick(&full, 1, &mut picked);
        picker.pick(&half, 1, &mut picked);
        for block in picked.split_off(from) {
            assert!(matches!(picker.received(block, ConnId(2)), Taken::New { whole: true, .. }));
            picker.finished(block.piece);
        }
    }
}

fn run(picker: &mut Picker, peer: &Peer, pieces: u64, after: Option<PieceIndex>) -> Vec<BlockRef> {
    let mut picked = Vec::new();
    picker.pick_run(peer, pieces * PIECE, after, &mut picked);
    picked
}

#[test]
fn a_run_goes_into_the_longest_gap() {
    let layout = layout(40);
    let mut have = Bitfield::new(40);
    [3, 10, 31].into_iter().filter_map(|number| layout.piece(number)).for_each(|piece| {
        have.insert(piece);
    });
    let mut picker = Picker::new(&layout, &have, rng());
    let blocks = run(&mut picker, &seed(1, 40), 20, None);
    assert_eq!((blocks[0].piece.get(), blocks[0].offset, blocks.len()), (11, 0, 80));
    assert_eq!(blocks.last().map(|block| block.piece.get()), Some(30));
    let next = layout.piece(33);
    assert_eq!(run(&mut picker, &seed(2, 40), 5, next)[0].piece.get(), 33, "it goes on there");
}

#[test]
fn runs_of_several_hosts_begin_in_different_places() {
    let layout = layout(400);
    let begins = |byte: u8| {
        let mut picker = Picker::new(&layout, &Bitfield::new(400), Rng::from_seed([byte; 32]));
        run(&mut picker, &seed(1, 400), 10, None)[0].piece.get()
    };
    let places: BTreeSet<u32> = (0..20).map(begins).collect();
    assert!(places.len() > 10, "{places:?}");
}

#[test]
fn a_run_takes_up_what_nobody_goes_on_with() {
    let mut picker = Picker::new(&layout(12), &Bitfield::new(12), rng());
    let (slow, web) = (seed(1, 12), seed(2, 12));
    let mut picked = Vec::new();
    picker.pick(&slow, 2, &mut picked);
    assert_ne!(run(&mut picker, &web, 1, None)[0].piece, picked[0].piece, "somebody is at it");
    picker.received(picked[0], slow.conn);
    picker.unasked(picked[1], slow.conn);
    let blocks = run(&mut picker, &web, 1, None);
    assert_eq!(blocks[0], picked[1], "nobody is at it any more");
}

#[test]
fn peers_help_with_the_end_of_a_run_and_a_run_with_what_peers_are_asked_for() {
    let layout = layout(4);
    let mut picker = Picker::new(&layout, &Bitfield::new(4), rng());
    let (peer, web, other) = (seed(1, 4), seed(2, 4), seed(3, 4));
    let blocks = run(&mut picker, &web, 4, None);
    assert!(picker.is_endgame());
    let mut helped = Vec::new();
    picker.pick_again(&peer, |_, _| true, 3, &mut helped);
    helped.sort_unstable();
    assert_eq!(helped, blocks[blocks.len() - 3..], "from behind");
    let mut again = Vec::new();
    picker.pick_run_again(&other, |conn| conn == other.conn, 100 * PIECE, &mut again);
    assert_eq!(again, blocks[blocks.len() / 2..], "the later half");
    picker.check(&Bitfield::new(4));
}

#[test]
fn a_seed_is_asked_first_for_what_nobody_else_has() {
    let layout = layout(4);
    let mut picker = Picker::new(&layout, &Bitfield::new(4), rng());
    let whole = seed(1, 4);
    picker.joined(&whole.has);
    let mut leech = Peer { conn: ConnId(2), has: Bitfield::new(4), whole: false };
    leech.has.insert(layout.piece(0).expect("valid"));
    picker.joined(&leech.has);
    // Piece 0 is begun with the leech: the seed does not help with it while other pieces lie there untouched or begun.
    let mut picked = Vec::new();
    picker.pick(&leech, 1, &mut picked);
    picker.pick(&whole, 12, &mut picked);
    assert_eq!(picked.len(), 13);
    assert!(picked[1..].iter().all(|block| block.piece.get() != 0), "{picked:?}");
    // When it has nothing else, it does.
    picked.clear();
    picker.pick(&whole, 12, &mut picked);
    assert!(picked.len() == 3 && picked.iter().all(|block| block.piece.get() == 0), "{picked:?}");
}

#[test]
fn a_seed_is_spared_a_begun_piece_once_another_has_it_and_it_has_rarer_ones() {
    let layout = layout(2);
    let mut picker = Picker::new(&layout, &Bitfield::new(2), rng());
    let whole = seed(1, 2);
    picker.joined(&whole.has);
    let mut picked = Vec::new();
    picker.pick(&whole, 2, &mut picked);
    let (begun, other) = (picked[0].piece, layout.piece(1 - picked[0].piece.get()).expect("valid"));
    assert!(!picker.spares_seeds(begun), "only the seed has it");
    picker.gained(begun);
    assert!(picker.spares_seeds(begun));
    assert!(!picker.spares_seeds(other), "nobody is asked for it");
    picker.gained(other);
    assert!(!picker.spares_seeds(begun), "the seed has nothing rarer");
}
