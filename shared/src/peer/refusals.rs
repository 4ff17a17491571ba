use core::time::Duration;
use std::collections::BTreeSet;

use crate::layout::PieceIndex;
use crate::time::Instant;

/// Refusals without a block between them after which the peer is asked for nothing. Stock WebTorrent, while it is still
/// storing what it says it has, refuses every piece in turn.
const IN_A_ROW_MAX: u32 = 8;

/// How long a peer that refuses is left alone; doubled each time it refuses again.
const WAIT: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// What a peer has and yet refused to give (BEP 6), until it is asked again.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    pieces: BTreeSet<PieceIndex>,
    in_a_row: u32,
    rounds: u32,
    until: Option<Instant>,
}

impl Refusals {
    /// The peer refused a block of this piece.
    pub(super) fn add(&mut self, piece: PieceIndex, now: Instant) {
        self.pieces.insert(piece);
        self.in_a_row += 1;
        let wait = (WAIT.0 * 2_u32.pow(self.rounds.min(8))).min(WAIT.1);
        self.until.get_or_insert(now + wait);
    }

    /// The peer gave a block.
    pub(super) const fn given(&mut self) {
        (self.in_a_row, self.rounds) = (0, 0);
    }

    /// The peer unchoked us: what it refused before, it may give.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Whether the peer should not be asked for this piece now.
    pub(super) fn covers(&self, piece: PieceIndex) -> bool {
        self.is_total() || self.pieces.contains(&piece)
    }

    /// Whether the peer should not be asked for anything now.
    pub(super) const fn is_total(&self) -> bool {
        self.in_a_row >= IN_A_ROW_MAX
    }

    /// Whether the peer refuses nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// When the peer may be asked again for what it refused.
    pub(super) const fn until(&self) -> Option<Instant> {
        self.until
    }

    /// The wait is over.
    pub(super) fn ask_again(&mut self) {
        self.pieces.clear();
        (self.in_a_row, self.until) = (0, None);
        self.rounds += 1;
    }
}
