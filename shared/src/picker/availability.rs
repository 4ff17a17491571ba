//! How many connected peers have each piece, and the pool of untouched pieces in that order.
//!
//! A peer that has everything is only counted: it changes the order of nothing, and comes and goes in no time.

use core::ops::Range;

use crate::rng::Rng;

/// Position of a piece that is not in the pool.
const NOWHERE: u32 = u32::MAX;

/// Counts for all pieces, and the pool sorted by count. Each change moves one piece between neighbouring buckets, so
/// it costs the number of buckets at most, never the number of pieces.
#[derive(Debug)]
pub(super) struct Availability {
    /// For each piece, how many of the peers that lack something have it.
    counts: Vec<u16>,
    /// For each count, how many pieces have it; pieces outside the pool included.
    pub(super) histogram: Vec<u32>,
    /// Peers that have everything.
    complete: u32,
    /// The pool, fewest copies first.
    order: Vec<u32>,
    /// For each piece its place in `order`, or [`NOWHERE`].
    position: Vec<u32>,
    /// For each count, where its bucket begins in `order`; one more entry at the end.
    starts: Vec<u32>,
}

impl Availability {
    pub(super) fn new(
        pieces: u32,
        missing: impl Iterator<Item = crate::layout::PieceIndex>,
        rng: &mut Rng,
    ) -> Self {
        let mut order: Vec<u32> = missing.map(crate::layout::PieceIndex::get).collect();
        rng.shuffle(&mut order);
        let mut position = vec![NOWHERE; pieces as usize];
        for (place, number) in order.iter().enumerate() {
            position[*number as usize] = place as u32;
        }
        let starts = vec![0, order.len() as u32];
        Self {
            counts: vec![0; pieces as usize],
            histogram: vec![pieces],
            complete: 0,
            order,
            position,
            starts,
        }
    }

    pub(super) const fn complete_joined(&mut self) {
        self.complete += 1;
    }

    pub(super) const fn complete_left(&mut self) {
        self.complete = self.complete.saturating_sub(1);
    }

    /// One more peer has this piece.
    pub(super) fn more(&mut self, number: u32, rng: &mut Rng) {
        let Some(count) = self.counts.get_mut(number as usize) else { return };
        let bucket = usize::from(*count);
        *count = count.saturating_add(1);
        self.count_moved(bucket, bucket + 1);
        if self.position[number as usize] != NOWHERE {
            self.extend_to(bucket + 1);
            let last = self.starts[bucket + 1] - 1;
            self.swap(self.position[number as usize], last);
            self.starts[bucket + 1] -= 1;
            self.mix(number, bucket + 1, rng);
        }
    }

    /// One peer less has this piece.
    pub(super) fn fewer(&mut self, number: u32, rng: &mut Rng) {
        let Some(count) = self.counts.get_mut(number as usize).filter(|count| **count > 0) else { return };
        let bucket = usize::from(*count);
        *count -= 1;
        self.count_moved(bucket, bucket - 1);
        if self.position[number as usize] != NOWHERE {
            self.swap(self.position[number as usize], self.starts[bucket]);
            self.starts[bucket] += 1;
            self.mix(number, bucket - 1, rng);
        }
    }

    /// Takes a piece out of the pool.
    pub(super) fn take(&mut self, number: u32) {
        let mut hole = self.position[number as usize];
        if hole == NOWHERE {
            return;
        }
        for bucket in usize::from(self.counts[number as usize])..self.starts.len() - 1 {
            let last = self.starts[bucket + 1] - 1;
            self.swap(hole, last);
            self.starts[bucket + 1] -= 1;
            hole = last;
        }
        self.order.pop();
        self.position[number as usize] = NOWHERE;
    }

    /// Puts a piece into the pool.
    pub(super) fn give(&mut self, number: u32, rng: &mut Rng) {
        if self.position[number as usize] != NOWHERE {
            return;
        }
        let bucket = usize::from(self.counts[number as usize]);
        self.extend_to(bucket);
        let mut hole = self.order.len() as u32;
        self.order.push(number);
        self.position[number as usize] = hole;
        for later in (bucket + 1..self.starts.len()).rev() {
            let first = self.starts[later];
            self.swap(hole, first);
            self.starts[later] += 1;
            hole = first;
        }
        self.mix(number, bucket, rng);
    }

    /// The untouched piece with the fewest copies that passes `offered`; with `all`, every piece does. `whole` is for
    /// a peer that is counted as having everything.
    pub(super) fn rarest(&self, all: bool, whole: bool, offered: impl Fn(u32) -> bool) -> Option<u32> {
        if all {
            return self.order.first().copied();
        }
        // What nobody counted has cannot be offered by a peer that is counted piece by piece.
        let begin = if whole { 0 } else { self.starts.get(1).map_or(0, |start| *start as usize) };
        self.order[begin..].iter().copied().find(|number| offered(*number))
    }

    /// Of these pieces the untouched one with the fewest copies.
    pub(super) fn rarest_of(&self, few: impl Iterator<Item = u32>) -> Option<u32> {
        let place = |number: &u32| self.position.get(*number as usize).copied().unwrap_or(NOWHERE);
        few.filter(|number| place(number) != NOWHERE).min_by_key(place)
    }

    /// How many of the peers that lack something have this piece.
    pub(super) fn copies(&self, number: u32) -> u16 {
        self.counts.get(number as usize).copied().unwrap_or(0)
    }

    /// Whether a piece of the pool is only with peers that have everything, if with any.
    pub(super) fn lacks_copies(&self) -> bool {
        self.starts.get(1).is_some_and(|end| *end > 0)
    }

    pub(super) fn pool_is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Copies of the rarest piece, and of the average one.
    pub(super) fn summary(&self) -> (u32, f32) {
        let rarest = self.histogram.iter().position(|pieces| *pieces > 0).unwrap_or(0) as u32;
        let copies: u64 =
            self.histogram.iter().zip(0_u64..).map(|(pieces, count)| u64::from(*pieces) * count).sum();
        let average = copies as f32 / self.counts.len().max(1) as f32;
        (self.complete + rarest, self.complete as f32 + average)
    }

    fn count_moved(&mut self, from: usize, to: usize) {
        if self.histogram.len() <= to {
            self.histogram.resize(to + 1, 0);
        }
        self.histogram[from] -= 1;
        self.histogram[to] += 1;
    }

    fn extend_to(&mut self, bucket: usize) {
        let end = self.order.len() as u32;
        if self.starts.len() < bucket + 2 {
            self.starts.resize(bucket + 2, end);
        }
    }

    fn bucket(&self, bucket: usize) -> Range<u32> {
        self.starts[bucket]..self.starts[bucket + 1]
    }

    /// Moves a piece to a random place within its bucket: ties are broken by chance, drawn from the seed.
    fn mix(&mut self, number: u32, bucket: usize, rng: &mut Rng) {
        let places = self.bucket(bucket);
        let place = places.start + rng.below(u64::from(places.end - places.start)) as u32;
        self.swap(self.position[number as usize], place);
    }

    fn swap(&mut self, a: u32, b: u32) {
        if a != b {
            self.order.swap(a as usize, b as usize);
            self.position[self.order[a as usize] as usize] = a;
            self.position[self.order[b as usize] as usize] = b;
        }
    }

    /// Asserts that counts, order and buckets agree.
    pub(super) fn check(&self) {
        assert_eq!(self.starts.first(), Some(&0), "the first bucket begins the pool");
        assert_eq!(
            self.starts.last().copied(),
            Some(self.order.len() as u32),
            "the last bucket ends the pool"
        );
        for bucket in 0..self.starts.len() - 1 {
            assert!(self.starts[bucket] <= self.starts[bucket + 1], "buckets are in order");
            for place in self.bucket(bucket) {
                let number = self.order[place as usize] as usize;
                assert_eq!(
                    usize::from(self.counts[number]),
                    bucket,
                    "piece {number} stands in the bucket of its count"
                );
                assert_eq!(self.position[number], place, "piece {number} knows its place");
            }
        }
        let placed = self.position.iter().filter(|place| **place != NOWHERE).count();
        assert_eq!(placed, self.order.len(), "each piece of the pool stands in it once");
        let mut histogram = vec![0; self.histogram.len()];
        for count in &self.counts {
            histogram[usize::from(*count)] += 1;
        }
        assert_eq!(histogram, self.histogram, "the histogram counts every piece");
    }

    pub(super) const fn pool_size(&self) -> u64 {
        self.order.len() as u64
    }

    pub(super) fn in_pool(&self, number: u32) -> bool {
        self.position[number as usize] != NOWHERE
    }
}
