//! From the state of every piece to what is drawn: at most [`CELLS_MAX`] cells, each a piece or a run of pieces.

use std::collections::BTreeMap;

use shared::engine::PieceState;
use shared::id::ConnId;
use shared::limits;
use shared::metainfo::builder::piece_length;

use crate::client::{PathKind, TransferView};

/// Most cells that are drawn; above that a cell stands for a run of pieces.
pub const CELLS_MAX: usize = 4_000;

/// Slots that a peer can have, 0 being none.
const SLOTS: usize = 32;

/// Where a verified piece came from, as far as colours go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// It was on this device already, or its giver is not known.
    #[default]
    Here,
    /// Straight from another tab.
    Direct,
    /// Through a relay.
    Relayed,
}

/// One cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// How far the piece is; of a run, the furthest that is not verified, or verified if all are.
    pub state: PieceState,
    /// Share of its pieces that are verified, 0 to 255.
    pub filled: u8,
    /// Where most of it came from.
    pub source: Source,
    /// Slot of the peer that gave it (of a run: the first verified piece's), 0 unknown.
    pub slot: u8,
    /// Whether a piece of it has just been thrown away because it did not match.
    pub bad: bool,
}

impl Cell {
    const MISSING: Self =
        Self { state: PieceState::Missing, filled: 0, source: Source::Here, slot: 0, bad: false };
}

/// The whole field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cells {
    /// Cells in order.
    pub cells: Vec<Cell>,
    /// Pieces in each cell but the last.
    pub run: u32,
    /// Pieces in all.
    pub pieces: u32,
    /// Pieces that did not match so far.
    pub failed: u32,
}

/// The state in the low three bits of a byte of the engine's field.
pub const fn state_of(byte: u8) -> PieceState {
    match byte & 0b111 {
        0 => PieceState::Missing,
        1 => PieceState::Requested,
        2 => PieceState::Received,
        3 => PieceState::Verifying,
        _ => PieceState::Verified,
    }
}

/// The peer's slot in the high five bits.
pub const fn slot_of(byte: u8) -> u8 {
    byte >> 3
}

/// Pieces that a torrent of this size has if it was made here: what to draw until its metadata says.
pub fn piece_count(total: u64) -> u32 {
    u32::try_from(total.div_ceil(u64::from(piece_length(total)))).unwrap_or(0).min(limits::PIECES_MAX)
}

impl Cells {
    /// The field of a transfer; empty cells where only its size is known.
    pub fn of(view: &TransferView) -> Self {
        if view.torrent.pieces == 0 {
            return Self::fraction(0, 0, piece_count(view.torrent.total_bytes));
        }
        let failed = view.torrent.failed_pieces;
        Self { failed, ..Self::from_field(&view.torrent.field, &sources(view)) }
    }

    /// A field of which a share is done, from the front: while files are being hashed in order.
    pub fn fraction(done: u64, whole: u64, pieces: u32) -> Self {
        let full = (u128::from(done) * u128::from(pieces) / u128::from(whole.max(1))) as usize;
        let mut field = vec![PieceState::Missing as u8; pieces as usize];
        let full = full.min(field.len());
        field[..full].fill(PieceState::Verified as u8);
        if done < whole
            && let Some(next) = field.get_mut(full)
        {
            *next = PieceState::Verifying as u8;
        }
        Self::from_field(&field, &[Source::Here; SLOTS])
    }

    fn from_field(field: &[u8], sources: &[Source; SLOTS]) -> Self {
        let run = field.len().div_ceil(CELLS_MAX).max(1);
        let cells = field.chunks(run).map(|pieces| cell(pieces, sources)).collect();
        Self { cells, run: run as u32, pieces: field.len() as u32, failed: 0 }
    }

    /// Marks what was being verified before and is missing now, where a piece did not match in between: one whose write
    /// failed is missing again as well, and nothing was wrong with it.
    pub fn mark_bad(&mut self, before: &Self) {
        if self.pieces != before.pieces {
            return;
        }
        let thrown = self.failed > before.failed;
        for (now, then) in self.cells.iter_mut().zip(&before.cells) {
            let lost = thrown
                && then.state == PieceState::Verifying
                && matches!(now.state, PieceState::Missing | PieceState::Requested)
                && now.filled <= then.filled;
            now.bad = lost || then.bad && now.state != PieceState::Verified;
        }
    }
}

fn cell(pieces: &[u8], sources: &[Source; SLOTS]) -> Cell {
    let mut cell = Cell::MISSING;
    let mut verified = 0_usize;
    for byte in pieces {
        match state_of(*byte) {
            PieceState::Verified => {
                if verified == 0 {
                    cell.slot = slot_of(*byte);
                    cell.source = sources[usize::from(cell.slot)];
                }
                verified += 1;
            }
            state if state as u8 > cell.state as u8 => cell.state = state,
            _ => {}
        }
    }
    cell.filled = (verified * 255 / pieces.len().max(1)) as u8;
    if verified == pieces.len() {
        cell.state = PieceState::Verified;
    }
    cell
}

/// What kind of path each slot's peer is on. A peer that has left was direct: relays are told as long as they last.
fn sources(view: &TransferView) -> [Source; SLOTS] {
    let mut sources = [Source::Direct; SLOTS];
    sources[0] = Source::Here;
    for peer in &view.torrent.peers {
        if let Some(place) = sources.get_mut(usize::from(peer.slot)) {
            *place = source(&view.paths, peer.conn);
        }
    }
    sources
}

fn source(paths: &BTreeMap<ConnId, crate::client::PathInfo>, conn: ConnId) -> Source {
    match paths.get(&conn).map(|path| path.kind) {
        Some(PathKind::Relayed) => Source::Relayed,
        Some(PathKind::Lan | PathKind::Direct) | None => Source::Direct,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIED: u8 = PieceState::Verified as u8;

    #[test]
    fn each_piece_is_a_cell_up_to_the_bound_and_then_runs() {
        let cells = |pieces: usize| Cells::from_field(&vec![VERIFIED; pieces], &[Source::Direct; SLOTS]);
        assert_eq!((cells(4_000).cells.len(), cells(4_000).run), (4_000, 1));
        assert_eq!((cells(4_001).cells.len(), cells(4_001).run), (2_001, 2));
        assert!(cells(1_999_999).cells.len() <= CELLS_MAX);
        assert_eq!(cells(0).cells.len(), 0);
    }

    #[test]
    fn a_run_is_verified_only_when_all_of_it_is() {
        let mut field = vec![VERIFIED | 3 << 3; 8_000];
        field[1] = PieceState::Received as u8;
        let cells = Cells::from_field(&field, &[Source::Relayed; SLOTS]);
        let first = cells.cells[0];
        assert_eq!((first.state, first.filled, first.slot), (PieceState::Received, 127, 3));
        assert_eq!(cells.cells[1].state, PieceState::Verified);
        assert_eq!(cells.cells[1].source, Source::Relayed);
    }

    #[test]
    fn hashing_fills_from_the_front_and_ends_full() {
        let half = Cells::fraction(50, 100, 10);
        assert_eq!(half.cells.iter().filter(|cell| cell.state == PieceState::Verified).count(), 5);
        assert_eq!(half.cells[5].state, PieceState::Verifying);
        let all = Cells::fraction(100, 100, 10);
        assert!(all.cells.iter().all(|cell| cell.state == PieceState::Verified));
        assert_eq!(Cells::fraction(0, 0, 0).cells.len(), 0);
    }

    #[test]
    fn a_piece_thrown_away_is_marked_until_it_is_right() {
        let field = |state: PieceState, failed: u32| Cells {
            failed,
            ..Cells::from_field(&[state as u8], &[Source::Direct; SLOTS])
        };
        let mut unwritten = field(PieceState::Missing, 0);
        unwritten.mark_bad(&field(PieceState::Verifying, 0));
        assert!(!unwritten.cells[0].bad, "a write that failed");
        let mut thrown = field(PieceState::Requested, 1);
        thrown.mark_bad(&field(PieceState::Verifying, 0));
        assert!(thrown.cells[0].bad);
        let mut again = field(PieceState::Received, 1);
        again.mark_bad(&thrown);
        assert!(again.cells[0].bad);
        let mut right = field(PieceState::Verified, 1);
        right.mark_bad(&again);
        assert!(!right.cells[0].bad);
    }
}
