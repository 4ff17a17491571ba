//! What holds after every mutation; checked in tests and by the simulator.

use super::Picker;
use crate::bitfield::Bitfield;

impl Picker {
    /// Asserts that every piece is in exactly one state and that all counts agree; `have` is what is verified and
    /// written.
    pub fn check(&self, have: &Bitfield) {
        self.availability.check();
        let mut held = 0;
        for piece in self.layout.all_pieces() {
            let states = [
                have.has(piece),
                self.availability.in_pool(piece.get()),
                self.begun.contains_key(&piece),
                self.whole.contains(&piece),
            ];
            let count = states.iter().filter(|state| **state).count();
            assert_eq!(
                count, 1,
                "piece {piece} is had, in the pool, begun or whole, and only one of them: {states:?}"
            );
            if states[2] || states[3] {
                held += u64::from(self.layout.piece_size(piece));
            }
        }
        assert_eq!(held, self.held, "bytes in memory are counted");
        for (piece, begun) in &self.begun {
            begun.check();
            assert!(!begun.is_whole(), "a whole piece is not among the begun ones");
            assert_eq!(
                self.open.get(&begun.order) == Some(piece),
                begun.free() > 0,
                "a piece is open while blocks are free"
            );
        }
        for piece in self.open.values() {
            assert!(self.begun.contains_key(piece), "an open piece is begun");
        }
        for (block, owners) in &self.extra {
            let owner = self.begun.get(&block.piece).and_then(|begun| begun.owner(block.number()));
            assert!(owner.is_some(), "only an asked block has more owners");
            assert!(
                !owners.is_empty() && !owners.contains(&owner.unwrap_or(crate::id::ConnId(0))),
                "owners differ"
            );
        }
    }
}
