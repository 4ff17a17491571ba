//! Bounds of an address that hold for all nodes together.
//!
//! Each node tells once a second what its clients take of them, of those only that take a tenth of a bound or more. So what is
//! known is a second old, and an address may have nine tenths of a tenth more for each further node: a bound of a thousand
//! holds at somewhat above a thousand.

use std::collections::BTreeMap;

use super::codec::NodeId;

/// The part of a bound from which on an address is worth telling.
pub const WORTH_TELLING: usize = 10;

/// The WebSockets of addresses at the other nodes.
#[derive(Debug, Default)]
pub struct Elsewhere {
    by_node: BTreeMap<NodeId, Vec<(u128, u32)>>,
}

impl Elsewhere {
    /// What a node tells now: all that it has.
    pub fn heard(&mut self, from: NodeId, sockets: Vec<(u128, u32)>) {
        if sockets.is_empty() {
            self.by_node.remove(&from);
        } else {
            self.by_node.insert(from, sockets);
        }
    }

    /// The node is gone, and so are its sockets.
    pub fn forget(&mut self, node: NodeId) {
        self.by_node.remove(&node);
    }

    /// What each address has at all of them together.
    pub fn sum(&self) -> BTreeMap<u128, u32> {
        let mut sum = BTreeMap::<u128, u32>::new();
        for (address, count) in self.by_node.values().flatten() {
            let all = sum.entry(*address).or_default();
            *all = all.saturating_add(*count);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_others_have_is_their_last_word_and_ends_with_them() {
        let mut elsewhere = Elsewhere::default();
        elsewhere.heard(NodeId(1), vec![(7, 100), (8, 5)]);
        elsewhere.heard(NodeId(2), vec![(7, 20)]);
        assert_eq!(elsewhere.sum(), [(7, 120), (8, 5)].into());
        elsewhere.heard(NodeId(1), vec![(7, u32::MAX)]);
        assert_eq!(elsewhere.sum(), [(7, u32::MAX)].into());
        elsewhere.forget(NodeId(1));
        assert_eq!(elsewhere.sum(), [(7, 20)].into());
        elsewhere.heard(NodeId(2), Vec::new());
        assert!(elsewhere.sum().is_empty() && elsewhere.by_node.is_empty());
    }
}
