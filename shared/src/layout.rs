//! Where things are in a torrent: pieces, blocks and files as ranges of one long run of bytes.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::limits;

/// The number of a piece. Comes only from a [`Layout`], so it is in range for the torrent at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PieceIndex(u32);

impl PieceIndex {
    /// As it stands on the wire.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// As an index into a table with one entry a piece.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for PieceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One request's worth of a piece: at most [`limits::BLOCK_LENGTH`] bytes, less only at the end of the torrent's last piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockRef {
    /// The piece it belongs to.
    pub piece: PieceIndex,
    /// First byte, counted from the start of the piece; a multiple of the block length.
    pub offset: u32,
    /// Length in bytes, 1 to the block length.
    pub length: u32,
}

impl BlockRef {
    /// Which block of its piece it is, from 0.
    pub const fn number(self) -> u32 {
        self.offset / limits::BLOCK_LENGTH
    }
}

/// Where one file lies in the run of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSpan {
    /// First byte of the file in the torrent.
    pub offset: u64,
    /// Length in bytes; may be 0.
    pub length: u64,
}

/// A part of a file that a range of the torrent touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRange {
    /// Which file, in the order of the metainfo.
    pub file: usize,
    /// First byte, counted from the start of the file.
    pub offset: u64,
    /// Length in bytes, at least 1.
    pub length: u64,
}

/// What was wrong with lengths that should have made a layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// No bytes at all.
    #[error("expected at least one byte in the torrent, got none")]
    Empty,
    /// Piece length out of bounds.
    #[error("expected a piece length from 1 to {max}, got {0}", max = limits::PIECE_LENGTH_MAX)]
    PieceLength(u64),
    /// More pieces than the bound.
    #[error("expected at most {max} pieces, got {0}", max = limits::PIECES_MAX)]
    Pieces(u64),
    /// The file lengths do not fit into 63 bits.
    #[error("expected file lengths that add up below 2^63")]
    Overflow,
}

/// Lengths of a torrent, checked; mints [`PieceIndex`] and [`BlockRef`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    total: u64,
    piece_length: u32,
    pieces: u32,
    files: Vec<FileSpan>,
}

impl Layout {
    /// A layout for files of these lengths, in this order, cut into pieces of `piece_length` bytes.
    pub fn new(piece_length: u64, lengths: impl IntoIterator<Item = u64>) -> Result<Self, LayoutError> {
        if piece_length == 0 || piece_length > u64::from(limits::PIECE_LENGTH_MAX) {
            return Err(LayoutError::PieceLength(piece_length));
        }
        let mut files = Vec::new();
        let mut total: u64 = 0;
        for length in lengths {
            files.push(FileSpan { offset: total, length });
            total = total.checked_add(length).filter(|sum| *sum < 1 << 63).ok_or(LayoutError::Overflow)?;
        }
        if total == 0 {
            return Err(LayoutError::Empty);
        }
        let pieces = total.div_ceil(piece_length);
        if pieces > u64::from(limits::PIECES_MAX) {
            return Err(LayoutError::Pieces(pieces));
        }
        Ok(Self { total, piece_length: piece_length as u32, pieces: pieces as u32, files })
    }

    /// Bytes in the torrent, at least 1.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Bytes in each piece but the last.
    pub const fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// Number of pieces, at least 1.
    pub const fn pieces(&self) -> u32 {
        self.pieces
    }

    /// The files, in the order of the metainfo.
    pub fn files(&self) -> &[FileSpan] {
        &self.files
    }

    /// The piece with this number, if the torrent has it.
    pub const fn piece(&self, number: u32) -> Option<PieceIndex> {
        if number < self.pieces { Some(PieceIndex(number)) } else { None }
    }

    /// All pieces, in order.
    pub fn all_pieces(&self) -> impl DoubleEndedIterator<Item = PieceIndex> + ExactSizeIterator + use<> {
        (0..self.pieces).map(PieceIndex)
    }

    /// First byte of a piece in the torrent.
    pub const fn piece_offset(&self, piece: PieceIndex) -> u64 {
        piece.0 as u64 * self.piece_length as u64
    }

    /// Bytes in this piece: the piece length, or less for the last.
    pub const fn piece_size(&self, piece: PieceIndex) -> u32 {
        let rest = self.total - self.piece_offset(piece);
        if rest < self.piece_length as u64 { rest as u32 } else { self.piece_length }
    }

    /// Number of blocks in this piece, at least 1.
    pub const fn blocks(&self, piece: PieceIndex) -> u32 {
        self.piece_size(piece).div_ceil(limits::BLOCK_LENGTH)
    }

    /// Block `number` of a piece, if the piece has it.
    pub fn block(&self, piece: PieceIndex, number: u32) -> Option<BlockRef> {
        let offset = number.checked_mul(limits::BLOCK_LENGTH)?;
        let size = self.piece_size(piece);
        (offset < size).then(|| BlockRef { piece, offset, length: limits::BLOCK_LENGTH.min(size - offset) })
    }

    /// The block after this one, in the same piece or the next.
    pub fn block_after(&self, block: BlockRef) -> Option<BlockRef> {
        let next = self.block(block.piece, block.number() + 1);
        next.or_else(|| self.block(self.piece(block.piece.0 + 1)?, 0))
    }

    /// First byte of a block in the torrent.
    pub const fn block_offset(&self, block: BlockRef) -> u64 {
        self.piece_offset(block.piece) + block.offset as u64
    }

    /// The block that a peer's (index, begin, length) names, if it is exactly one of ours.
    pub fn block_at(&self, piece: u32, begin: u32, length: u32) -> Option<BlockRef> {
        let piece = self.piece(piece)?;
        if !begin.is_multiple_of(limits::BLOCK_LENGTH) {
            return None;
        }
        self.block(piece, begin / limits::BLOCK_LENGTH).filter(|block| block.length == length)
    }

    /// The pieces of which `length` bytes from `offset` on are parts.
    pub fn pieces_in(&self, offset: u64, length: u32) -> impl Iterator<Item = u32> + use<> {
        let end = (offset + u64::from(length)).min(self.total);
        let (first, after) =
            (offset / u64::from(self.piece_length), end.div_ceil(u64::from(self.piece_length)));
        (first..after).map(|number| number as u32)
    }

    /// Whether `length` bytes (at least 1) from `begin` lie within this piece.
    pub fn contains(&self, piece: PieceIndex, begin: u32, length: u32) -> bool {
        length > 0 && begin.checked_add(length).is_some_and(|end| end <= self.piece_size(piece))
    }

    /// The parts of files that `length` bytes from `offset` of the torrent touch, in order; empty files are left out.
    pub fn file_ranges(&self, offset: u64, length: u64) -> impl Iterator<Item = FileRange> + '_ {
        let end = offset.saturating_add(length).min(self.total);
        let first = self.files.partition_point(|file| file.offset + file.length <= offset);
        self.files[first..].iter().enumerate().take_while(move |(_, file)| file.offset < end).filter_map(
            move |(number, file)| {
                let from = offset.max(file.offset);
                let to = end.min(file.offset + file.length);
                (from < to).then(|| FileRange {
                    file: first + number,
                    offset: from - file.offset,
                    length: to - from,
                })
            },
        )
    }

    /// The pieces that a file touches, as a range of numbers; empty for an empty file.
    pub fn file_pieces(&self, file: usize) -> core::ops::Range<u32> {
        let Some(span) = self.files.get(file).filter(|span| span.length > 0) else { return 0..0 };
        let first = span.offset / u64::from(self.piece_length);
        let last = (span.offset + span.length - 1) / u64::from(self.piece_length);
        first as u32..last as u32 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_piece_and_block_are_short() {
        let layout = Layout::new(32 * 1024, [70_000]).expect("valid");
        assert_eq!(layout.pieces(), 3);
        let last = layout.piece(2).expect("in range");
        assert_eq!(layout.piece_size(last), 70_000 - 65_536);
        assert_eq!(layout.blocks(last), 1);
        assert_eq!(layout.block_at(2, 0, 4_464).map(|block| block.length), Some(4_464));
        assert_eq!(layout.block_at(2, 0, 16_384), None);
        assert_eq!(layout.block_at(0, 1, 16_384), None);
        assert_eq!(layout.piece(3), None);
    }

    #[test]
    fn file_ranges_cover_a_range_exactly_and_skip_empty_files() {
        let layout = Layout::new(16_384, [10, 0, 20, 5]).expect("valid");
        let ranges: Vec<_> = layout.file_ranges(8, 25).collect();
        assert_eq!(
            ranges,
            [
                FileRange { file: 0, offset: 8, length: 2 },
                FileRange { file: 2, offset: 0, length: 20 },
                FileRange { file: 3, offset: 0, length: 3 },
            ]
        );
        assert_eq!(layout.file_ranges(35, 10).count(), 0);
        assert_eq!(layout.file_pieces(1), 0..0);
    }

    #[test]
    fn lengths_out_of_bounds_are_refused() {
        assert_eq!(Layout::new(0, [1]), Err(LayoutError::PieceLength(0)));
        assert_eq!(Layout::new(16_384, []), Err(LayoutError::Empty));
        assert_eq!(Layout::new(16_384, [u64::MAX, 1]), Err(LayoutError::Overflow));
        assert!(matches!(Layout::new(1, [1 << 40]), Err(LayoutError::Pieces(_))));
    }
}
