use crate::id::ConnId;
use crate::layout::{BlockRef, Layout, PieceIndex};

/// One block of a begun piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    /// Nobody is asked for it.
    Free,
    /// This peer is asked for it; in endgame others may be as well.
    Asked(ConnId),
    /// It is here.
    Received,
}

/// A piece of which at least one block was picked.
#[derive(Debug)]
pub(super) struct Begun {
    /// Grows with each piece begun.
    pub(super) order: u64,
    /// The one peer that may give it, where its authors are to be known.
    pub(super) only: Option<ConnId>,
    blocks: Vec<Block>,
    free: u32,
    received: u32,
    /// No block before this one is free.
    first_free: u32,
}

impl Begun {
    pub(super) fn new(order: u64, blocks: u32, only: Option<ConnId>) -> Self {
        Self {
            order,
            only,
            blocks: vec![Block::Free; blocks as usize],
            free: blocks,
            received: 0,
            first_free: 0,
        }
    }

    /// Blocks that nobody is asked for.
    pub(super) const fn free(&self) -> u32 {
        self.free
    }

    pub(super) fn is_whole(&self) -> bool {
        self.received as usize == self.blocks.len()
    }

    pub(super) const fn any_received(&self) -> bool {
        self.received > 0
    }

    pub(super) fn has(&self, number: u32) -> bool {
        self.blocks.get(number as usize) == Some(&Block::Received)
    }

    pub(super) fn owner(&self, number: u32) -> Option<ConnId> {
        match self.blocks.get(number as usize) {
            Some(Block::Asked(owner)) => Some(*owner),
            _ => None,
        }
    }

    /// Gives free blocks to `conn`, in order, until `picked` holds `goal`.
    pub(super) fn take(
        &mut self,
        layout: &Layout,
        piece: PieceIndex,
        conn: ConnId,
        goal: usize,
        picked: &mut Vec<BlockRef>,
    ) {
        if self.only.is_some_and(|only| only != conn) {
            return;
        }
        while picked.len() < goal && self.free > 0 {
            let number = self.first_free;
            let Some(block) = self.blocks.get_mut(number as usize) else { return };
            self.first_free += 1;
            if *block == Block::Free {
                *block = Block::Asked(conn);
                self.free -= 1;
                picked.extend(layout.block(piece, number));
            }
        }
    }

    /// Gives one block to `conn`, if it is free and may come from there.
    pub(super) fn take_one(&mut self, number: u32, conn: ConnId) -> bool {
        let may = self.may_give(conn);
        match self.blocks.get_mut(number as usize) {
            Some(block) if may && *block == Block::Free => *block = Block::Asked(conn),
            _ => return false,
        }
        self.free -= 1;
        true
    }

    /// Whether blocks may come from `conn`.
    pub(super) fn may_give(&self, conn: ConnId) -> bool {
        self.only.is_none_or(|only| only == conn)
    }

    /// Whether nobody is asked for any block.
    pub(super) const fn is_idle(&self) -> bool {
        (self.free + self.received) as usize == self.blocks.len()
    }

    /// The first block that is free.
    pub(super) fn first_free(&self) -> Option<u32> {
        let rest = self.blocks.iter().zip(0..).skip(self.first_free as usize);
        rest.into_iter().find(|(block, _)| **block == Block::Free).map(|(_, number)| number)
    }

    /// Marks a block as here, given by `conn`. Answers `None` if it was here before or may not come from this peer,
    /// else its owner until now.
    pub(super) fn receive(&mut self, number: u32, conn: ConnId) -> Option<Option<ConnId>> {
        if self.only.is_some_and(|only| only != conn) {
            return None;
        }
        let block = self.blocks.get_mut(number as usize)?;
        let owner = match *block {
            Block::Received => return None,
            Block::Asked(owner) => Some(owner),
            Block::Free => {
                self.free -= 1;
                None
            }
        };
        *block = Block::Received;
        self.received += 1;
        Some(owner)
    }

    /// Hands an asked block to another owner, or frees it.
    pub(super) fn set_owner(&mut self, number: u32, owner: Option<ConnId>) {
        let Some(block) = self.blocks.get_mut(number as usize) else { return };
        if let Block::Asked(_) = block {
            *block = owner.map_or(Block::Free, Block::Asked);
            if owner.is_none() {
                self.free += 1;
                self.first_free = self.first_free.min(number);
            }
        }
    }

    /// Numbers and owners of the blocks that are asked for.
    pub(super) fn asked(&self) -> impl Iterator<Item = (u32, ConnId)> + '_ {
        self.blocks.iter().zip(0..).filter_map(|(block, number)| match block {
            Block::Asked(owner) => Some((number, *owner)),
            _ => None,
        })
    }

    /// Asserts that the counts agree with the blocks.
    pub(super) fn check(&self) {
        let count =
            |wanted: fn(&Block) -> bool| self.blocks.iter().filter(|block| wanted(block)).count() as u32;
        assert_eq!(count(|block| *block == Block::Free), self.free, "free blocks are counted");
        assert_eq!(count(|block| *block == Block::Received), self.received, "received blocks are counted");
        let first = self.blocks.iter().position(|block| *block == Block::Free);
        assert!(first.is_none_or(|first| first as u32 >= self.first_free), "no free block is passed over");
    }
}
