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

/// What a word about many pieces means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The first word.
    First,
    /// A later one: these are new.
    Gained(Vec<PieceIndex>),
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

    /// It has no piece. Only as the first word about pieces.
    pub const fn none(&mut self) -> Result<Told, CloseReason> {
        match self {
            Self::Early { said: true, .. } | Self::Known { said: true, .. } => Err(CloseReason::LateBitfield),
            Self::Early { said, .. } | Self::Known { said, .. } => {
                *said = true;
                Ok(Told::First)
            }
        }
    }

    /// It has every piece. `layout` once that is known.
    pub fn all(&mut self, layout: Option<&Layout>) -> Result<Told, CloseReason> {
        match self {
            Self::Early { all, said, .. } => {
                (*all, *said) = (true, true);
                Ok(Told::First)
            }
            // Five bytes that may come again and again.
            Self::Known { has, said: true } if has.is_full() => Ok(Told::Gained(Vec::new())),
            Self::Known { has, .. } => {
                let every = Bitfield::full(has.len());
                Ok(self.told(every, layout))
            }
        }
    }

    /// It has these. As a later word they are pieces that it got, as in as many HAVEs: so aria2 tells of several at once.
    pub fn bitfield(&mut self, bytes: &[u8], layout: Option<&Layout>) -> Result<Told, CloseReason> {
        match self {
            Self::Early { bits, bitfield, said, .. } => {
                if bitfield.is_some_and(|length| length != bytes.len()) {
                    return Err(CloseReason::LateBitfield);
                }
                bits.resize(bits.len().max(bytes.len()), 0);
                bits.iter_mut().zip(bytes).for_each(|(bit, more)| *bit |= more);
                *bitfield = Some(bytes.len());
                *said = true;
                Ok(Told::First)
            }
            Self::Known { has, .. } => {
                let these = Bitfield::from_wire(bytes, has.len())?;
                Ok(self.told(these, layout))
            }
        }
    }

    fn told(&mut self, these: Bitfield, layout: Option<&Layout>) -> Told {
        let Self::Known { has, said } = self else { return Told::First };
        if !core::mem::replace(said, true) {
            *has = these;
            return Told::First;
        }
        let gained: Vec<PieceIndex> = these.beyond(has).filter_map(|number| layout?.piece(number)).collect();
        gained.iter().for_each(|piece| {
            has.insert(*piece);
        });
        Told::Gained(gained)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_bitfield_is_as_many_haves_and_takes_nothing_back() {
        let layout = Layout::new(16_384, [10 * 16_384]).expect("valid");
        let piece = |number| layout.piece(number).expect("in range");
        let mut pieces = Pieces::default();
        pieces.settle(&layout).expect("nothing was said");
        assert_eq!(pieces.none(), Ok(Told::First));
        assert_eq!(pieces.change(3, true, Some(&layout)), Ok(Some(piece(3))));
        let told = pieces.bitfield(&[0b1100_0000, 0], Some(&layout));
        assert_eq!(told, Ok(Told::Gained(vec![piece(0), piece(1)])));
        assert!(pieces.has(piece(3)), "what it had it still has");
        assert_eq!(pieces.bitfield(&[0b1100_0000, 0], Some(&layout)), Ok(Told::Gained(Vec::new())));
        assert!(matches!(pieces.all(Some(&layout)), Ok(Told::Gained(gained)) if gained.len() == 7));
        assert!(pieces.is_complete());
        assert_eq!(pieces.none(), Err(CloseReason::LateBitfield));
    }

    #[test]
    fn before_the_metadata_later_words_add_up() {
        let layout = Layout::new(16_384, [10 * 16_384]).expect("valid");
        let mut pieces = Pieces::default();
        assert_eq!(pieces.change(9, true, None), Ok(None));
        assert_eq!(pieces.bitfield(&[0x80, 0], None), Ok(Told::First));
        assert_eq!(pieces.bitfield(&[0x80], None), Err(CloseReason::LateBitfield));
        pieces.settle(&layout).expect("sound");
        assert_eq!(pieces.known().map(|has| has.ones().collect::<Vec<_>>()), Some(vec![0, 9]));
    }
}
