//! Runs: blocks that follow one another, for a giver that gives a stretch at a time (a web seed, BEP 19).
//!
//! A stretch goes into the longest gap among untouched pieces, where peers, who take pieces here and there, come to it
//! last.

use core::ops::Range;

use super::{Picker, View};
use crate::id::ConnId;
use crate::layout::{BlockRef, PieceIndex};

/// Owners of one block, as in endgame with peers.
const OWNERS_MAX: usize = super::endgame::OWNERS_MAX;

/// What part of the longest gap what follows the last run has to be for the next run to go on there.
const GO_ON: u32 = 4;

impl Picker {
    /// Picks blocks that nobody is asked for and that follow one another, of `most` bytes together but at least one, and
    /// makes the peer their owner: what is left of a piece that nobody goes on with, else untouched pieces, else what is
    /// left of any. An untouched piece after the first is picked only as a whole; one that must have a single giver is
    /// in any case. Blocks are then to come in order; [`Picker::run_ended`] is called when no more will.
    ///
    /// Among untouched pieces it begins at `after`, which follows the last run, if the gap there is still a long one; else
    /// anywhere in the longest: so that those who ask the same web seed come to have different pieces, and can give each
    /// other.
    pub fn pick_run(
        &mut self,
        view: &impl View,
        most: u64,
        after: Option<PieceIndex>,
        picked: &mut Vec<BlockRef>,
    ) {
        let from = picked.len();
        if let Some(block) = self.first_open(view, true) {
            self.extend(view, block, most, picked);
        }
        if picked.len() == from
            && let Some(piece) = self.in_gap(view, most, after)
            && let Some(block) = self.layout.block(piece, 0)
        {
            self.extend(view, block, most, picked);
        }
        if picked.len() == from
            && let Some(block) = self.first_open(view, false)
        {
            self.extend(view, block, most, picked);
        }
        if picked.len() > from {
            self.streams.insert(view.conn());
        }
    }

    /// Picks blocks that follow one another and that others, but not those that `own` names, are asked for already: the
    /// later half of the longest such run, of at most `most` bytes, and makes the peer one more owner. Picks nothing
    /// outside endgame.
    pub fn pick_run_again(
        &mut self,
        view: &impl View,
        own: impl Fn(ConnId) -> bool,
        most: u64,
        picked: &mut Vec<BlockRef>,
    ) {
        if !self.is_endgame() {
            return;
        }
        let mut longest = Vec::new();
        let mut run: Vec<BlockRef> = Vec::new();
        for (piece, begun) in &self.begun {
            if begun.only.is_some() || !view.offers(*piece) {
                continue;
            }
            for (number, owner) in begun.asked() {
                let Some(block) = self.layout.block(*piece, number) else { continue };
                let extra = self.extra.get(&block).map_or(&[][..], Vec::as_slice);
                if own(owner) || extra.iter().any(|other| own(*other)) || extra.len() + 1 >= OWNERS_MAX {
                    continue;
                }
                if run.last().is_none_or(|last| self.layout.block_after(*last) != Some(block)) {
                    if run.len() > longest.len() {
                        core::mem::swap(&mut run, &mut longest);
                    }
                    run.clear();
                }
                run.push(block);
            }
        }
        if run.len() > longest.len() {
            longest = run;
        }
        let blocks = usize::try_from(most / u64::from(crate::limits::BLOCK_LENGTH)).unwrap_or(usize::MAX);
        let count = longest.len().div_ceil(2).min(blocks.max(1));
        for block in longest.split_off(longest.len() - count.min(longest.len())) {
            self.extra.entry(block).or_default().push(view.conn());
            self.streams.insert(view.conn());
            picked.push(block);
        }
    }

    /// Nothing more of a run is to come.
    pub fn run_ended(&mut self, conn: ConnId) {
        self.streams.remove(&conn);
    }

    /// Bytes, about, of pieces of which nothing is asked for or here.
    pub fn untouched(&self) -> u64 {
        self.availability.pool_size() * u64::from(self.layout.piece_length())
    }

    /// Whether this connection is asked for a block.
    pub fn is_asked(&self, block: BlockRef, conn: ConnId) -> bool {
        let owner = self.begun.get(&block.piece).and_then(|begun| begun.owner(block.number()));
        owner == Some(conn) || self.extra.get(&block).is_some_and(|extra| extra.contains(&conn))
    }

    /// The first free block of the piece begun longest ago; with `idle`, of those of which nothing is asked for.
    fn first_open(&self, view: &impl View, idle: bool) -> Option<BlockRef> {
        self.open.values().find_map(|piece| {
            let begun = self.begun.get(piece).filter(|begun| begun.may_give(view.conn()))?;
            let fits = view.offers(*piece) && (!idle || begun.is_idle());
            self.layout.block(*piece, begun.first_free()?).filter(|_| fits)
        })
    }

    /// An untouched piece to begin at.
    fn in_gap(&mut self, view: &impl View, most: u64, after: Option<PieceIndex>) -> Option<PieceIndex> {
        if self.availability.pool_size() == 0 {
            return None;
        }
        let (mut longest, mut going_on) = (0..0, 0..0);
        let mut gap: Range<u32> = 0..0;
        for piece in self.layout.all_pieces() {
            let number = piece.get();
            if !self.availability.in_pool(number) || !view.offers(piece) {
                continue;
            }
            gap = if gap.end == number { gap.start..number + 1 } else { number..number + 1 };
            if gap.len() > longest.len() {
                longest = gap.clone();
            }
            if let Some(after) = after.map(PieceIndex::get).filter(|after| gap.contains(after)) {
                going_on = after..gap.end;
            }
        }
        let run = u32::try_from(most / u64::from(self.layout.piece_length())).unwrap_or(u32::MAX).max(1);
        let length = longest.len() as u32;
        if longest.is_empty() {
            return None;
        }
        let number = if going_on.len() as u32 >= run.min(length.div_ceil(GO_ON)) {
            going_on.start
        } else {
            // In whole runs, so that nothing shorter is left before it.
            longest.start + self.rng.below(u64::from(length.div_ceil(run))) as u32 * run
        };
        self.layout.piece(number)
    }

    fn extend(&mut self, view: &impl View, first: BlockRef, most: u64, picked: &mut Vec<BlockRef>) {
        let (conn, from) = (view.conn(), picked.len());
        let mut left = most;
        let mut next = Some(first);
        while let Some(block) = next {
            let begins = !self.begun.contains_key(&block.piece);
            let piece_size = u64::from(self.layout.piece_size(block.piece));
            if !view.offers(block.piece) || (begins && picked.len() > from && left < piece_size) {
                break;
            }
            if begins && !self.begin_piece(block.piece, conn) {
                break;
            }
            let Some(begun) = self.begun.get_mut(&block.piece) else { break };
            let fits = picked.len() == from || u64::from(block.length) <= left || begun.only.is_some();
            if !fits || !begun.take_one(block.number(), conn) {
                break;
            }
            if begun.free() == 0 {
                self.open.remove(&begun.order);
            }
            left = left.saturating_sub(u64::from(block.length));
            picked.push(block);
            next = self.layout.block_after(block);
        }
    }
}
