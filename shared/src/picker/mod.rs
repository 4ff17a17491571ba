//! Which block to ask whom for.
//!
//! The picker owns every missing piece: untouched ones wait in the pool, rarest first; begun ones hold the state of
//! each block. It sees a peer through the narrow [`View`] and decides; the torrent asks, and tells what came of it.

mod availability;
mod begun;
mod endgame;
mod invariants;
mod run;

use std::collections::{BTreeMap, BTreeSet};

use availability::Availability;
use begun::Begun;

use crate::bitfield::Bitfield;
use crate::id::ConnId;
use crate::layout::{BlockRef, Layout, PieceIndex};
use crate::limits;
use crate::rng::Rng;

/// What the picker has to know about the peer that it picks for.
pub trait View {
    /// Its connection, which will own what is picked.
    fn conn(&self) -> ConnId;
    /// Whether this piece may be asked of it at this moment.
    fn offers(&self, piece: PieceIndex) -> bool;
    /// Whether every piece may be, so that none needs to be looked up.
    fn offers_all(&self) -> bool;
    /// The only pieces that may be, where they are a handful: looked up one by one, instead of the whole pool.
    fn offers_only(&self) -> Option<&BTreeSet<PieceIndex>>;
    /// Whether it is counted as one that has everything ([`Picker::joined`]) instead of piece by piece.
    fn counted_whole(&self) -> bool;
}

/// What a block that came means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was missing. Its other owners, if any, are to be told that it came.
    New {
        /// Whom it was asked of besides.
        others: Vec<ConnId>,
        /// Whether its piece is now whole. The piece stays with the picker's count of memory until it is
        /// [`Picker::finished`] or [`Picker::failed`].
        whole: bool,
    },
    /// It is here already, or its piece is.
    Known,
}

/// The missing pieces of one torrent and who is asked for which of their blocks.
#[derive(Debug)]
pub struct Picker {
    layout: Layout,
    availability: Availability,
    begun: BTreeMap<PieceIndex, Begun>,
    /// Begun pieces with blocks that nobody owns, oldest first.
    open: BTreeMap<u64, PieceIndex>,
    /// Whole pieces on their way through hash and write.
    whole: BTreeSet<PieceIndex>,
    /// Pieces that failed with several givers, to be fetched from one peer alone.
    suspect: BTreeSet<PieceIndex>,
    /// Owners of a block besides its first, in endgame.
    extra: BTreeMap<BlockRef, Vec<ConnId>>,
    /// Connections that give runs, in order ([`Picker::pick_run`]).
    streams: BTreeSet<ConnId>,
    next_order: u64,
    /// Bytes of begun and whole pieces.
    held: u64,
    /// A piece was not begun for want of memory.
    full: bool,
    /// Changes when something may have become pickable that was not.
    version: u64,
    rng: Rng,
}

impl Picker {
    /// A picker for what `have` lacks.
    pub fn new(layout: &Layout, have: &Bitfield, mut rng: Rng) -> Self {
        let missing = layout.all_pieces().filter(|piece| !have.has(*piece));
        let availability = Availability::new(layout.pieces(), missing, &mut rng);
        Self {
            layout: layout.clone(),
            availability,
            begun: BTreeMap::new(),
            open: BTreeMap::new(),
            whole: BTreeSet::new(),
            suspect: BTreeSet::new(),
            extra: BTreeMap::new(),
            streams: BTreeSet::new(),
            next_order: 0,
            held: 0,
            full: false,
            version: 1,
            rng,
        }
    }

    /// A number that changes when a peer for which nothing could be picked may have something after all.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// A peer with these pieces joined. Answers whether it has everything and is counted as one that has; otherwise its
    /// pieces are counted.
    pub fn joined(&mut self, has: &Bitfield) -> bool {
        self.version += 1;
        if has.is_full() {
            self.availability.complete_joined();
        } else {
            has.ones().for_each(|number| self.availability.more(number, &mut self.rng));
        }
        has.is_full()
    }

    /// A peer with these pieces left; `whole` as [`Picker::joined`] answered. What it owned is given back by
    /// [`Picker::unasked`].
    pub fn left(&mut self, has: &Bitfield, whole: bool) {
        if whole {
            self.availability.complete_left();
        } else {
            has.ones().for_each(|number| self.availability.fewer(number, &mut self.rng));
        }
    }

    /// A peer got one more piece.
    pub fn gained(&mut self, piece: PieceIndex) {
        self.availability.more(piece.get(), &mut self.rng);
        self.version += 1;
    }

    /// A peer lost a piece (lt_donthave); `has` is what it has now. From then on its pieces are counted, also once it
    /// has everything again: a peer that goes to and fro costs no more than its first step.
    pub fn lost(&mut self, piece: PieceIndex, has: &Bitfield, whole: bool) {
        if whole {
            self.availability.complete_left();
            has.ones().for_each(|number| self.availability.more(number, &mut self.rng));
        } else {
            self.availability.fewer(piece.get(), &mut self.rng);
        }
    }

    /// Copies of the rarest piece among peers, and of the average one.
    pub fn availability(&self) -> (u32, f32) {
        self.availability.summary()
    }

    /// Picks up to `count` blocks that nobody is asked for, and makes the peer their owner: of pieces begun longest
    /// ago first, then of the rarest piece that may be begun. Of a peer that has everything, first those that no peer
    /// has which lacks something: the others can give the rest, and what a seed sends twice delays the whole swarm.
    pub fn pick(&mut self, view: &impl View, count: usize, picked: &mut Vec<BlockRef>) {
        let goal = picked.len() + count;
        if view.counted_whole() {
            self.pick_begun(view, goal, picked, |copies| copies == 0);
            self.pick_untouched(view, goal, picked, |copies| copies == 0);
        }
        self.pick_begun(view, goal, picked, |_| true);
        self.pick_untouched(view, goal, picked, |_| true);
    }

    /// Whether a begun piece, of which a peer just said to have it, need not be asked of those with everything: it has its
    /// first copy elsewhere, and there are untouched pieces that have none.
    pub fn spares_seeds(&self, piece: PieceIndex) -> bool {
        let begun = self.begun.get(&piece).is_some_and(|begun| begun.only.is_none());
        begun && self.availability.copies(piece.get()) == 1 && self.availability.lacks_copies()
    }

    /// Picks of begun pieces with so many copies among peers that lack something, begun longest ago first.
    fn pick_begun(
        &mut self,
        view: &impl View,
        goal: usize,
        picked: &mut Vec<BlockRef>,
        copies: impl Fn(u16) -> bool,
    ) {
        let mut emptied = Vec::new();
        for (order, piece) in &self.open {
            if picked.len() >= goal {
                break;
            }
            if !copies(self.availability.copies(piece.get())) || !view.offers(*piece) {
                continue;
            }
            let Some(begun) = self.begun.get_mut(piece) else { continue };
            begun.take(&self.layout, *piece, view.conn(), goal, picked);
            if begun.free() == 0 {
                emptied.push(*order);
            }
        }
        for order in emptied {
            self.open.remove(&order);
        }
    }

    /// Begins pieces and picks of them, the rarest first, while they have so many copies.
    fn pick_untouched(
        &mut self,
        view: &impl View,
        goal: usize,
        picked: &mut Vec<BlockRef>,
        copies: impl Fn(u16) -> bool,
    ) {
        while picked.len() < goal {
            let Some(piece) = self.rarest(view) else { break };
            if !copies(self.availability.copies(piece.get())) || !self.begin_piece(piece, view.conn()) {
                break;
            }
            let Some(begun) = self.begun.get_mut(&piece) else { break };
            begun.take(&self.layout, piece, view.conn(), goal, picked);
            if begun.free() == 0 {
                self.open.remove(&begun.order);
            }
        }
    }

    /// The rarest untouched piece that the peer offers.
    fn rarest(&self, view: &impl View) -> Option<PieceIndex> {
        let number = match view.offers_only() {
            Some(only) => {
                let offered = only.iter().filter(|piece| view.offers(**piece));
                self.availability.rarest_of(offered.map(|piece| piece.get()))
            }
            None => self.availability.rarest(view.offers_all(), view.counted_whole(), |number| {
                self.layout.piece(number).is_some_and(|piece| view.offers(piece))
            }),
        }?;
        self.layout.piece(number)
    }

    /// Takes a piece out of the pool for `conn`, if it is there and memory allows.
    fn begin_piece(&mut self, piece: PieceIndex, conn: ConnId) -> bool {
        if !self.availability.in_pool(piece.get()) {
            return false;
        }
        let size = u64::from(self.layout.piece_size(piece));
        // Two pieces may always be begun, or a torrent with huge pieces would never move.
        if self.begun.len() + self.whole.len() >= 2 && self.held + size > limits::PIECES_IN_MEMORY_MAX as u64
        {
            self.full = true;
            return false;
        }
        self.availability.take(piece.get());
        self.held += size;
        let order = self.next_order;
        self.next_order += 1;
        let only = self.suspect.contains(&piece).then_some(conn);
        self.begun.insert(piece, Begun::new(order, self.layout.blocks(piece), only));
        self.open.insert(order, piece);
        true
    }

    /// A block came from `conn`, asked for or not.
    pub fn received(&mut self, block: BlockRef, conn: ConnId) -> Taken {
        let Some(begun) = self.begun.get_mut(&block.piece) else { return Taken::Known };
        let Some(owner) = begun.receive(block.number(), conn) else { return Taken::Known };
        let mut others = self.extra.remove(&block).unwrap_or_default();
        others.extend(owner);
        others.retain(|other| *other != conn);
        if begun.free() == 0 {
            self.open.remove(&begun.order);
        }
        let whole = begun.is_whole();
        if whole {
            self.begun.remove(&block.piece);
            self.whole.insert(block.piece);
        }
        Taken::New { others, whole }
    }

    /// Whether the picker still wants this block.
    pub fn wants(&self, block: BlockRef) -> bool {
        self.begun.get(&block.piece).is_some_and(|begun| !begun.has(block.number()))
    }

    /// `conn` will not give a block that it was asked for.
    pub fn unasked(&mut self, block: BlockRef, conn: ConnId) {
        let Some(begun) = self.begun.get_mut(&block.piece) else { return };
        if let Some(extra) = self.extra.get_mut(&block) {
            if let Some(at) = extra.iter().position(|other| *other == conn) {
                extra.swap_remove(at);
            } else if begun.owner(block.number()) == Some(conn) {
                let heir = extra.pop();
                begun.set_owner(block.number(), heir);
            }
            if extra.is_empty() {
                self.extra.remove(&block);
            }
        } else if begun.owner(block.number()) == Some(conn) {
            begun.set_owner(block.number(), None);
        }
        if begun.free() > 0 {
            self.open.insert(begun.order, block.piece);
            self.version += 1;
        }
    }

    /// Gives up pieces that `conn` alone was to give, since it gives nothing for now. Their blocks that came are to be
    /// thrown away, and those that it is still asked for taken back.
    pub fn abandon(&mut self, conn: ConnId) -> Vec<PieceIndex> {
        let of_conn = |(piece, begun): (&PieceIndex, &Begun)| (begun.only == Some(conn)).then_some(*piece);
        let pieces: Vec<_> = self.begun.iter().filter_map(of_conn).collect();
        for piece in &pieces {
            if let Some(begun) = self.begun.remove(piece) {
                self.open.remove(&begun.order);
            }
            self.back_to_pool(*piece);
        }
        pieces
    }

    /// A whole piece is verified and written.
    pub fn finished(&mut self, piece: PieceIndex) {
        if self.whole.remove(&piece) {
            self.held -= u64::from(self.layout.piece_size(piece));
            self.suspect.remove(&piece);
            if core::mem::take(&mut self.full) {
                self.version += 1;
            }
        }
    }

    /// A whole piece did not match, or could not be written; it is missing again. With `alone`, it is fetched from
    /// one peer alone next time.
    pub fn failed(&mut self, piece: PieceIndex, alone: bool) {
        if self.whole.remove(&piece) {
            if alone {
                self.suspect.insert(piece);
            }
            self.back_to_pool(piece);
        }
    }

    fn back_to_pool(&mut self, piece: PieceIndex) {
        self.held -= u64::from(self.layout.piece_size(piece));
        self.availability.give(piece.get(), &mut self.rng);
        self.version += 1;
    }

    /// Throws away what is begun: nobody is asked for anything any more.
    pub fn discard_begun(&mut self) {
        self.open.clear();
        self.extra.clear();
        for piece in core::mem::take(&mut self.begun).into_keys() {
            self.back_to_pool(piece);
        }
    }

    /// Whole pieces on their way through hash and write.
    pub fn whole(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.whole.iter().copied()
    }

    /// Begun pieces, and whether any of their blocks has come.
    pub fn begun(&self) -> impl Iterator<Item = (PieceIndex, bool)> + '_ {
        self.begun.iter().map(|(piece, begun)| (*piece, begun.any_received()))
    }
}

#[cfg(test)]
mod tests;
