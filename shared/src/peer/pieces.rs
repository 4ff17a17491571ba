use super::CloseReason;
use crate::bitfield::Bitfield;
use crate::layout::{Layout, PieceIndex};
use crate::limits;

/// Which pieces a peer says it has.
///
/// A peer may say so before we know how many pieces there are (a magnet link): what it said is then kept as it came,
/// within bounds, and read once the metadata is there.
#[derive(Debug)]
pub enum Pieces {
    /// The number of pieces is not known.
    Early {
        /// It said that it has all.
        all: bool,
        /// Bits as on the wire, grown as needed.
        bits: Vec<u8>,
        /// Length of the bitfield that it sent.
        bitfield: Option<usize>,
        /// Anything was said.
        said: bool,
    },
    /// The number of pieces is known.
    Known {
        /// What it has.
        has: Bitfield,
        /// Anything was said.
        said: bool,
    },
}

impl Default for Pieces {
    fn default() -> Self {
        Self::Early { all: false, bits: Vec::new(), bitfield: None, said: false }
    }
}

impl Pieces {
    /// The metadata is known: reads what was said before.
    pub fn settle(&mut self, layout: &Layout) -> Result<(), CloseReason> {
        let Self::Early { all, bits, bitfield, said } = self else { return Ok(()) };
        let pieces = layout.pieces();
        let has = if *all {
            Bitfield::full(pieces)
        } else {
            let expected = pieces.div_ceil(8) as usize;
            if let Some(length) = bitfield.filter(|length| *length != expected) {
                return Err(crate::bitfield::BitfieldError::Length { expected, got: length }.into());
            }
            if bits.len() > expected {
                return Err(CloseReason::PieceOutOfRange { pieces, got: bits.len() as u32 * 8 - 1 });
            }
            bits.resize(expected, 0);
            Bitfield::from_wire(bits, pieces)?
        };
        *self = Self::Known { has, said: *said };
        Ok(())
    }

    /// What it has, once that can be known.
    pub const fn known(&self) -> Option<&Bitfield> {
        match self {
            Self::Known { has, .. } => Some(has),
            Self::Early { .. } => None,
        }
    }

    /// Whether it has this piece.
    pub fn has(&self, piece: PieceIndex) -> bool {
        self.known().is_some_and(|has| has.has(piece))
    }

    /// Whether it has every piece.
    pub fn is_complete(&self) -> bool {
        match self {
            Self::Known { has, .. } => has.is_full(),
            Self::Early { all, .. } => *all,
        }
    }

    /// It has all pieces, or none. Only as the first word about pieces.
    pub fn all_or_none(&mut self, every: bool) -> Result<(), CloseReason> {
        match self {
            Self::Early { said: true, .. } | Self::Known { said: true, .. } => Err(CloseReason::LateBitfield),
            Self::Early { all, said, .. } => {
                (*all, *said) = (every, true);
                Ok(())
            }
            Self::Known { has, said } => {
                if every {
                    *has = Bitfield::full(has.len());
                }
                *said = true;
                Ok(())
            }
        }
    }

    /// It has these. Only as the first word about pieces.
    pub fn bitfield(&mut self, bytes: &[u8]) -> Result<(), CloseReason> {
        match self {
            Self::Early { said: true, .. } | Self::Known { said: true, .. } => Err(CloseReason::LateBitfield),
            Self::Early { bits, bitfield, said, .. } => {
                *bits = bytes.to_vec();
                *bitfield = Some(bytes.len());
                *said = true;
                Ok(())
            }
            Self::Known { has, said } => {
                *has = Bitfield::from_wire(bytes, has.len())?;
                *said = true;
                Ok(())
            }
        }
    }

    /// It got, or lost, one piece. Answers the piece if that is a change that can be known.
    pub fn change(
        &mut self,
        number: u32,
        gained: bool,
        layout: Option<&Layout>,
    ) -> Result<Option<PieceIndex>, CloseReason> {
        match self {
            Self::Early { bits, said, .. } => {
                if number >= limits::PIECES_MAX {
                    return Err(CloseReason::PieceOutOfRange { pieces: limits::PIECES_MAX, got: number });
                }
                *said = true;
                let (byte, bit) = (number as usize / 8, 0x80_u8 >> (number % 8));
                if bits.len() <= byte && gained {
                    bits.resize(byte + 1, 0);
                }
                if let Some(byte) = bits.get_mut(byte) {
                    *byte = if gained { *byte | bit } else { *byte & !bit };
                }
                Ok(None)
            }
            Self::Known { has, said } => {
                let out_of_range = CloseReason::PieceOutOfRange { pieces: has.len(), got: number };
                let piece = layout.and_then(|layout| layout.piece(number)).ok_or(out_of_range)?;
                *said = true;
                let changed = if gained { has.insert(piece) } else { has.remove(piece) };
                Ok(changed.then_some(piece))
            }
        }
    }
}
