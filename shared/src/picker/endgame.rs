//! The end of a download: when every missing block is asked for, idle peers are asked for the same ones, so that the
//! last blocks do not wait for the slowest peer.

use core::cmp::Reverse;

use super::{Picker, View};
use crate::id::ConnId;
use crate::layout::BlockRef;

/// Peers that may be asked for one block.
pub(super) const OWNERS_MAX: usize = 3;

impl Picker {
    /// Whether every missing block is asked for, or here and on its way through hash and write.
    pub fn is_endgame(&self) -> bool {
        self.availability.pool_is_empty() && self.open.is_empty() && !self.begun.is_empty()
    }

    /// Picks up to `count` blocks that others are asked for already and that are `late`, fewest owners first, and makes the
    /// peer one more owner. Picks nothing outside endgame.
    pub fn pick_again(
        &mut self,
        view: &impl View,
        late: impl Fn(ConnId, BlockRef) -> bool,
        count: usize,
        picked: &mut Vec<BlockRef>,
    ) {
        if !self.is_endgame() {
            return;
        }
        let mut candidates: Vec<(usize, Option<BlockRef>, BlockRef)> = Vec::new();
        for (piece, begun) in &self.begun {
            if begun.only.is_some() || !view.offers(*piece) {
                continue;
            }
            for (number, owner) in begun.asked().filter(|(_, owner)| *owner != view.conn()) {
                let Some(block) = self.layout.block(*piece, number) else { continue };
                let extra = self.extra.get(&block).map_or(&[][..], Vec::as_slice);
                debug_assert!(!extra.contains(&owner));
                if !late(owner, block) || extra.iter().any(|other| !late(*other, block)) {
                    continue;
                }
                if extra.len() + 1 < OWNERS_MAX && !extra.contains(&view.conn()) {
                    // What comes in order comes last at its end: there, nothing is fetched twice.
                    let late = self.streams.contains(&owner).then_some(block);
                    candidates.push((extra.len(), late, block));
                }
            }
        }
        // By chance within one number of owners, so that two idle peers do not help with the same blocks.
        self.rng.shuffle(&mut candidates);
        candidates.sort_by_key(|(owners, late, _)| (*owners, Reverse(*late)));
        for (_, _, block) in candidates.into_iter().take(count) {
            self.extra.entry(block).or_default().push(view.conn());
            picked.push(block);
        }
    }
}
