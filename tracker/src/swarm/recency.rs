//! Entries kept in the order in which they were last touched, so that the stale ones are found without a search.

/// Names an entry of a [`Recency`] until it is removed; then it may name another.
pub(super) type Slot = u32;

const NONE: Slot = Slot::MAX;

/// A slab whose entries form a list from the longest untouched to the most recently touched.
#[derive(Debug)]
pub(super) struct Recency<T> {
    nodes: Vec<Node<T>>,
    free: Vec<Slot>,
    oldest: Slot,
    newest: Slot,
}

#[derive(Debug)]
struct Node<T> {
    value: Option<T>,
    older: Slot,
    newer: Slot,
}

impl<T> Default for Recency<T> {
    fn default() -> Self {
        Self { nodes: Vec::new(), free: Vec::new(), oldest: NONE, newest: NONE }
    }
}

impl<T> Recency<T> {
    pub(super) const fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    pub(super) fn insert(&mut self, value: T) -> Slot {
        let node = Node { value: Some(value), older: NONE, newer: NONE };
        let slot = if let Some(slot) = self.free.pop() {
            self.nodes[slot as usize] = node;
            slot
        } else {
            self.nodes.push(node);
            self.nodes.len() as Slot - 1
        };
        self.link_newest(slot);
        slot
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&T> {
        self.nodes.get(slot as usize)?.value.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.nodes.get_mut(slot as usize)?.value.as_mut()
    }

    /// Puts `value` in the place of an entry, and makes it the most recent one. Returns what was there.
    pub(super) fn replace(&mut self, slot: Slot, value: T) -> Option<T> {
        let old = core::mem::replace(self.get_mut(slot)?, value);
        self.touch(slot);
        Some(old)
    }

    /// Makes the entry the most recent one.
    pub(super) fn touch(&mut self, slot: Slot) {
        if self.get(slot).is_some() && self.newest != slot {
            self.unlink(slot);
            self.link_newest(slot);
        }
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<T> {
        let value = self.nodes.get_mut(slot as usize)?.value.take()?;
        self.unlink(slot);
        self.free.push(slot);
        if self.free.len() == self.nodes.len() {
            // Gives back what a peak has taken; nothing points into an empty slab.
            *self = Self::default();
        }
        Some(value)
    }

    /// The entry that was touched the longest time ago.
    pub(super) fn oldest(&self) -> Option<(Slot, &T)> {
        self.get(self.oldest).map(|value| (self.oldest, value))
    }

    /// All entries, the longest untouched first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        let mut next = self.oldest;
        core::iter::from_fn(move || {
            let node = self.nodes.get(next as usize)?;
            next = node.newer;
            node.value.as_ref()
        })
    }

    fn link_newest(&mut self, slot: Slot) {
        let older = core::mem::replace(&mut self.newest, slot);
        match self.nodes.get_mut(older as usize) {
            Some(node) => node.newer = slot,
            None => self.oldest = slot,
        }
        let node = &mut self.nodes[slot as usize];
        node.older = older;
        node.newer = NONE;
    }

    fn unlink(&mut self, slot: Slot) {
        let Node { older, newer, .. } = self.nodes[slot as usize];
        match self.nodes.get_mut(older as usize) {
            Some(node) => node.newer = newer,
            None => self.oldest = newer,
        }
        match self.nodes.get_mut(newer as usize) {
            Some(node) => node.older = older,
            None => self.newest = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against the obvious model: a vector in which touching and replacing move an entry to the end.
        #[test]
        fn order_is_that_of_the_last_touch(steps in prop::collection::vec((0_u8..4, 0_usize..16), 0..200)) {
            let mut recency = Recency::default();
            let mut model: Vec<(Slot, usize)> = Vec::new();
            for (number, (action, at)) in steps.into_iter().enumerate() {
                match (action, model.is_empty()) {
                    (0, _) | (_, true) => model.push((recency.insert(number), number)),
                    (1, _) => {
                        let entry = model.remove(at % model.len());
                        recency.touch(entry.0);
                        model.push(entry);
                    }
                    (2, _) => {
                        let (slot, value) = model.remove(at % model.len());
                        prop_assert_eq!(recency.replace(slot, number), Some(value));
                        model.push((slot, number));
                    }
                    _ => {
                        let (slot, value) = model.remove(at % model.len());
                        prop_assert_eq!(recency.remove(slot), Some(value));
                        prop_assert_eq!((recency.remove(slot), recency.replace(slot, 0)), (None, None));
                    }
                }
                prop_assert_eq!(recency.len(), model.len());
                prop_assert_eq!(recency.oldest().map(|(slot, value)| (slot, *value)), model.first().copied());
                prop_assert!(recency.iter().copied().eq(model.iter().map(|entry| entry.1)));
            }
        }
    }
}
