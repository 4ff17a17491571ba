//! A fixed number of bits, one a piece.

use crate::layout::PieceIndex;

/// What was wrong with a bitfield from the wire.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BitfieldError {
    /// Not as many bytes as the torrent's pieces need.
    #[error("expected a bitfield of {expected} bytes, got {got}")]
    Length {
        /// Bytes for one bit a piece.
        expected: usize,
        /// Bytes that came.
        got: usize,
    },
}

/// Which pieces somebody has. Knows how many, so that counting costs nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitfield {
    /// Piece 0 is the highest bit of the first word, so that the words written big-endian are the wire's bytes.
    words: Vec<u64>,
    len: u32,
    ones: u32,
}

impl Bitfield {
    /// No piece of `len`.
    pub fn new(len: u32) -> Self {
        Self { words: vec![0; len.div_ceil(64) as usize], len, ones: 0 }
    }

    /// All pieces of `len`.
    pub fn full(len: u32) -> Self {
        let mut words = vec![u64::MAX; len.div_ceil(64) as usize];
        mask_spare(&mut words, len);
        Self { words, len, ones: len }
    }

    /// Reads a bitfield of exactly the bytes that `len` pieces need (BEP 3). Spare bits at the end are taken as 0,
    /// whatever they are: clients in the wild set them.
    pub fn from_wire(bytes: &[u8], len: u32) -> Result<Self, BitfieldError> {
        let expected = len.div_ceil(8) as usize;
        if bytes.len() != expected {
            return Err(BitfieldError::Length { expected, got: bytes.len() });
        }
        let mut words: Vec<u64> = bytes
            .chunks(8)
            .map(|chunk| {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                u64::from_be_bytes(word)
            })
            .collect();
        mask_spare(&mut words, len);
        let ones = words.iter().map(|word| word.count_ones()).sum();
        Ok(Self { words, len, ones })
    }

    /// The bytes that stand on the wire (BEP 3).
    pub fn to_wire(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.truncate(self.len.div_ceil(8) as usize);
        bytes
    }

    /// Number of pieces, had or not.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Number of pieces had.
    pub const fn count(&self) -> u32 {
        self.ones
    }

    /// Whether no piece is had.
    pub const fn is_empty(&self) -> bool {
        self.ones == 0
    }

    /// Whether every piece is had.
    pub const fn is_full(&self) -> bool {
        self.ones == self.len
    }

    /// Whether this piece is had; false for a piece of a longer torrent.
    pub fn has(&self, piece: PieceIndex) -> bool {
        self.words.get(piece.index() / 64).is_some_and(|word| word & bit(piece) != 0)
    }

    /// Sets a piece; answers whether that changed anything.
    pub fn insert(&mut self, piece: PieceIndex) -> bool {
        if piece.get() >= self.len || self.has(piece) {
            return false;
        }
        self.words[piece.index() / 64] |= bit(piece);
        self.ones += 1;
        true
    }

    /// Clears a piece; answers whether that changed anything.
    pub fn remove(&mut self, piece: PieceIndex) -> bool {
        if !self.has(piece) {
            return false;
        }
        self.words[piece.index() / 64] &= !bit(piece);
        self.ones -= 1;
        true
    }

    /// Numbers of the pieces had, in order.
    pub fn ones(&self) -> impl Iterator<Item = u32> + '_ {
        numbers(self.words.iter().copied())
    }

    /// Numbers of pieces had here and not in `other`, in order.
    pub fn beyond<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u32> + 'a {
        numbers(self.words_beyond(other))
    }

    /// Number of pieces had here and not in `other`.
    pub fn count_beyond(&self, other: &Self) -> u32 {
        self.words_beyond(other).map(u64::count_ones).sum()
    }

    fn words_beyond<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u64> + 'a {
        let theirs = other.words.iter().copied().chain(core::iter::repeat(0));
        self.words.iter().zip(theirs).map(|(ours, theirs)| ours & !theirs)
    }
}

/// Numbers of the bits that are set, the highest bit of the first word being 0.
fn numbers(words: impl Iterator<Item = u64>) -> impl Iterator<Item = u32> {
    words.enumerate().flat_map(|(number, word)| {
        let mut rest = word;
        core::iter::from_fn(move || {
            let lead = rest.leading_zeros();
            rest &= !(1_u64.checked_shl(63_u32.wrapping_sub(lead)).unwrap_or(0));
            (lead < 64).then(|| number as u32 * 64 + lead)
        })
    })
}

const fn bit(piece: PieceIndex) -> u64 {
    1 << (63 - piece.get() % 64)
}

/// Clears the bits after the last piece.
fn mask_spare(words: &mut [u64], len: u32) {
    let used = len % 64;
    if let (Some(last), 1..) = (words.last_mut(), used) {
        *last &= u64::MAX << (64 - used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use proptest::prelude::*;

    fn layout(pieces: u32) -> Layout {
        Layout::new(16_384, [u64::from(pieces) * 16_384]).expect("valid")
    }

    proptest! {
        #[test]
        fn a_bitfield_behaves_like_a_set(len in 1_u32..300, picks in prop::collection::vec((0_u32..300, any::<bool>()), 0..200)) {
            let layout = layout(len);
            let mut model = std::collections::BTreeSet::new();
            let mut bits = Bitfield::new(len);
            for (number, insert) in picks {
                let Some(piece) = layout.piece(number) else { continue };
                if insert {
                    prop_assert_eq!(bits.insert(piece), model.insert(number));
                } else {
                    prop_assert_eq!(bits.remove(piece), model.remove(&number));
                }
                prop_assert_eq!(bits.has(piece), model.contains(&number));
            }
            prop_assert_eq!(bits.count() as usize, model.len());
            prop_assert_eq!(bits.ones().collect::<Vec<_>>(), model.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(Bitfield::from_wire(&bits.to_wire(), len), Ok(bits.clone()));
            prop_assert_eq!(Bitfield::full(len).count_beyond(&bits), len - bits.count());
            prop_assert_eq!(Bitfield::full(len).beyond(&bits).count() as u32, len - bits.count());
            prop_assert!(Bitfield::full(len).beyond(&bits).all(|number| bits.ones().all(|had| had != number)));
        }
    }

    #[test]
    fn piece_0_is_the_highest_bit_of_the_first_byte() {
        let layout = layout(9);
        let mut bits = Bitfield::new(9);
        bits.insert(layout.piece(0).expect("in range"));
        bits.insert(layout.piece(8).expect("in range"));
        assert_eq!(bits.to_wire(), [0x80, 0x80]);
    }

    #[test]
    fn spare_bits_are_dropped_and_a_wrong_length_refused() {
        assert_eq!(Bitfield::from_wire(&[0xff, 0xff], 9), Ok(Bitfield::full(9)));
        assert!(Bitfield::full(9).is_full());
        assert_eq!(Bitfield::from_wire(&[0xff], 9), Err(BitfieldError::Length { expected: 2, got: 1 }));
    }
}
