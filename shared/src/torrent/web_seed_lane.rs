//! One run that a web seed gives: its blocks in order, cut from what comes.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::id::ConnId;
use crate::layout::{BlockRef, FileRange, Layout};
use crate::time::Instant;

/// A run on its way. Its connection is its own: another run of the same web seed has another.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) conn: ConnId,
    /// What has not come yet, in order, and whether it is still wanted; the last always is.
    blocks: VecDeque<(BlockRef, bool)>,
    /// Bytes of the first of them that came.
    partial: Vec<u8>,
    /// First byte in the torrent that is not asked for yet.
    next: u64,
    /// Bytes of the present request that have not come yet.
    pub(super) left: u64,
    /// The file that is asked for.
    pub(super) file: usize,
    /// Bytes of the whole run when it began.
    pub(super) size: u64,
    /// Bytes of it that came.
    pub(super) came: u64,
    pub(super) since: Instant,
    /// When it began, or the last byte came.
    pub(super) heard: Instant,
}

impl Lane {
    pub(super) fn new(conn: ConnId, layout: &Layout, blocks: &[BlockRef], now: Instant) -> Self {
        Self {
            conn,
            blocks: blocks.iter().map(|block| (*block, true)).collect(),
            partial: Vec::new(),
            next: blocks.first().map_or(0, |block| layout.block_offset(*block)),
            left: 0,
            file: 0,
            size: blocks.iter().map(|block| u64::from(block.length)).sum(),
            came: 0,
            since: now,
            heard: now,
        }
    }

    /// Whether nothing more is wanted of it.
    pub(super) fn is_over(&self) -> bool {
        self.blocks.is_empty()
    }

    /// What is still wanted of it.
    pub(super) fn wanted(&self) -> impl Iterator<Item = BlockRef> + '_ {
        self.blocks.iter().filter(|(_, wanted)| *wanted).map(|(block, _)| *block)
    }

    /// Somebody else gave a block. What lies at the end of the run is not waited for.
    pub(super) fn take_back(&mut self, block: BlockRef) {
        if let Ok(at) = self.blocks.binary_search_by_key(&block, |(other, _)| *other) {
            self.blocks[at].1 = false;
        }
        while self.blocks.pop_back_if(|(_, wanted)| !*wanted).is_some() {}
    }

    /// The part of a file that is to be asked for next, and which is taken to be; `None` once the end is asked for.
    pub(super) fn ask(&mut self, layout: &Layout) -> Option<FileRange> {
        let (last, _) = self.blocks.back()?;
        let end = layout.block_offset(*last) + u64::from(last.length);
        let range = layout.file_ranges(self.next, end.checked_sub(self.next)?).next()?;
        self.next += range.length;
        (self.left, self.file) = (range.length, range.file);
        Some(range)
    }

    /// Takes the next bytes, which are not more than were asked for; answers the blocks that are whole with them.
    pub(super) fn take(&mut self, mut data: Bytes) -> Vec<(BlockRef, Bytes)> {
        self.left -= data.len() as u64;
        self.came += data.len() as u64;
        let mut whole = Vec::new();
        while let Some((block, _)) = self.blocks.front()
            && !data.is_empty()
        {
            let missing = block.length as usize - self.partial.len();
            let part = data.split_to(missing.min(data.len()));
            let bytes = if self.partial.is_empty() && part.len() == missing {
                part
            } else {
                self.partial.reserve_exact(block.length as usize - self.partial.len());
                self.partial.extend_from_slice(&part);
                if part.len() < missing {
                    break;
                }
                Bytes::from(core::mem::take(&mut self.partial))
            };
            whole.push((*block, bytes));
            self.blocks.pop_front();
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_chunks_the_blocks_are_the_same() {
        let layout = Layout::new(32_768, [100_000]).expect("valid");
        let blocks: Vec<BlockRef> =
            layout.all_pieces().flat_map(|piece| [0, 1].map(|n| layout.block(piece, n))).flatten().collect();
        let bytes: Bytes = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
        for chunk in [1_000, 16_384, 16_383, 40_000, 100_000] {
            let mut lane = Lane::new(ConnId(1), &layout, &blocks, Instant::ORIGIN);
            assert_eq!(lane.ask(&layout), Some(FileRange { file: 0, offset: 0, length: 100_000 }));
            let mut came = Vec::new();
            for start in (0..bytes.len()).step_by(chunk) {
                came.extend(lane.take(bytes.slice(start..bytes.len().min(start + chunk))));
            }
            assert!(lane.is_over() && lane.left == 0 && lane.ask(&layout).is_none());
            assert_eq!(came.iter().map(|(block, _)| *block).collect::<Vec<_>>(), blocks);
            assert_eq!(came.into_iter().flat_map(|(_, part)| part).collect::<Bytes>(), bytes);
        }
    }

    #[test]
    fn what_others_gave_at_the_end_is_not_waited_for() {
        let layout = Layout::new(32_768, [100_000]).expect("valid");
        let block = |piece, number| layout.piece(piece).and_then(|piece| layout.block(piece, number));
        let blocks: Vec<BlockRef> = [block(0, 0), block(0, 1), block(1, 0)].into_iter().flatten().collect();
        let mut lane = Lane::new(ConnId(1), &layout, &blocks, Instant::ORIGIN);
        lane.take_back(blocks[1]);
        assert_eq!(lane.wanted().count(), 2);
        assert_eq!(lane.blocks.len(), 3, "what lies between comes all the same");
        lane.take_back(blocks[2]);
        assert_eq!(lane.blocks.len(), 1);
        assert_eq!(lane.ask(&layout).map(|range| range.length), Some(16_384));
    }
}
