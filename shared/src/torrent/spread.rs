//! What a seed holds back: a piece that one peer is being given goes to a second only once the first has had the time to
//! pass it on.
//!
//! Peers that lack the same pieces ask a seed for the same ones, and cannot know of each other. What the seed sends twice
//! is missing elsewhere: its uplink is what a young swarm waits for. A peer that takes its request back when it learns
//! of another source gains by the wait; one that does not is soon served as if nothing were held.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use crate::id::ConnId;
use crate::limits;
use crate::time::Instant;

/// How long a piece is kept for the peer that was last given a block of it.
const HOLD: Duration = Duration::from_secs(2);

/// How long after the first peer had the piece: others hear of it and take their requests back.
const GRACE: Duration = Duration::from_millis(500);

/// Pieces held in vain after which nothing is held from a peer any more.
const VAIN_MAX: u32 = 4;

/// A piece on its way to the first who asked.
#[derive(Debug)]
struct Giving {
    to: ConnId,
    /// When a block was last read for it.
    at: Instant,
    /// When somebody said to have it.
    passed: Option<Instant>,
}

impl Giving {
    fn until(&self) -> Instant {
        self.passed.map_or(self.at + HOLD, |passed| passed + GRACE)
    }
}

/// Which pieces are on their way to whom, and whose requests wait for that.
#[derive(Debug, Default)]
pub(super) struct Spread {
    giving: BTreeMap<u32, Giving>,
    /// Requests that wait, by piece and who made them.
    held: BTreeSet<(u32, ConnId)>,
    /// Those that have waited for long enough and are still to be read.
    waited: BTreeSet<(u32, ConnId)>,
    vain: BTreeMap<ConnId, u32>,
    /// No request has waited for long enough before.
    soonest: Option<Instant>,
}

impl Spread {
    /// Whether a request of `conn` for this piece is to wait.
    pub(super) fn holds(&mut self, conn: ConnId, piece: u32, now: Instant) -> bool {
        let Some(giving) = self.giving.get(&piece) else { return false };
        let tried = self.vain.get(&conn).is_some_and(|vain| *vain >= VAIN_MAX);
        if !tried && giving.to != conn && giving.until() > now {
            self.soonest = [self.soonest, Some(giving.until())].into_iter().flatten().min();
            self.held.insert((piece, conn));
            return true;
        }
        let asked = (piece, conn);
        if self.held.remove(&asked) | self.waited.remove(&asked) {
            *self.vain.entry(conn).or_default() += 1;
        }
        false
    }

    /// Blocks of this piece are read for `conn`.
    pub(super) fn given(&mut self, conn: ConnId, piece: u32, now: Instant) {
        // Whoever gives so much at once has no uplink that others wait for.
        if self.giving.len() >= limits::PIECES_GIVEN_MAX && !self.giving.contains_key(&piece) {
            return;
        }
        let giving = self.giving.entry(piece).or_insert(Giving { to: conn, at: now, passed: None });
        if giving.to == conn {
            giving.at = now;
        } else {
            // A third does not wait for the second as well.
            self.passed(piece, now);
        }
    }

    /// A peer has this piece now.
    pub(super) fn passed(&mut self, piece: u32, now: Instant) {
        if let Some(giving) = self.giving.get_mut(&piece).filter(|giving| giving.passed.is_none()) {
            giving.passed = Some(now);
            self.soonest = self.soonest.map(|soonest| soonest.min(giving.until()));
        }
    }

    /// `conn` is given nothing more for now. Answers whose requests need wait no longer.
    pub(super) fn stopped(&mut self, conn: ConnId) -> Vec<ConnId> {
        self.giving.retain(|_, giving| giving.to != conn || giving.passed.is_some());
        self.held.retain(|(_, held)| *held != conn);
        self.waited.retain(|(_, waited)| *waited != conn);
        self.reckon();
        self.held
            .iter()
            .filter(|(piece, _)| !self.giving.contains_key(piece))
            .map(|(_, conn)| *conn)
            .collect()
    }

    /// The connection ended.
    pub(super) fn left(&mut self, conn: ConnId) -> Vec<ConnId> {
        self.vain.remove(&conn);
        self.stopped(conn)
    }

    /// When a request that waits may have waited for long enough.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.soonest
    }

    /// Whose requests have waited for long enough.
    pub(super) fn due(&mut self, now: Instant) -> Vec<ConnId> {
        if self.soonest.is_none_or(|soonest| soonest > now) {
            return Vec::new();
        }
        let giving = &self.giving;
        let due = |piece: &u32| giving.get(piece).is_none_or(|giving| giving.until() <= now);
        let over: Vec<_> = self.held.extract_if(.., |(piece, _)| due(piece)).collect();
        self.waited.extend(&over);
        self.reckon();
        over.into_iter().map(|(_, conn)| conn).collect()
    }

    fn reckon(&mut self) {
        let until = self.held.iter().filter_map(|(piece, _)| self.giving.get(piece)).map(Giving::until);
        self.soonest = until.min();
    }

    /// Forgets what is over, so that no more is remembered than is under way.
    pub(super) fn tidy(&mut self, now: Instant) {
        self.giving.retain(|_, giving| giving.until() > now);
        self.waited.retain(|(piece, _)| self.giving.contains_key(piece));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: ConnId = ConnId(1);
    const SECOND: ConnId = ConnId(2);
    const THIRD: ConnId = ConnId(3);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// The first was given a block of piece 7 at the origin, and the second asked for one.
    fn begun() -> Spread {
        let mut spread = Spread::default();
        assert!(!spread.holds(FIRST, 7, at(0)));
        spread.given(FIRST, 7, at(0));
        assert!(!spread.holds(FIRST, 7, at(1)), "the first gets the rest");
        assert!(spread.holds(SECOND, 7, at(1)));
        assert!(!spread.holds(SECOND, 8, at(1)), "of another piece there is no reason to wait");
        spread
    }

    #[test]
    fn a_second_waits_as_long_as_the_first_gets_blocks_and_no_longer() {
        let mut spread = begun();
        assert_eq!(spread.deadline(), Some(at(2_000)));
        spread.given(FIRST, 7, at(1_500));
        assert!(spread.due(at(2_000)).is_empty());
        assert_eq!(spread.deadline(), Some(at(3_500)));
        assert_eq!(spread.due(at(3_500)), [SECOND]);
        assert_eq!(spread.deadline(), None);
        assert!(!spread.holds(SECOND, 7, at(3_500)));
    }

    #[test]
    fn whoever_does_not_go_elsewhere_is_served_soon_after_the_first_has_the_piece() {
        let mut spread = begun();
        spread.passed(7, at(300));
        assert_eq!(spread.deadline(), Some(at(800)));
        assert_eq!(spread.due(at(800)), [SECOND]);
        assert!(!spread.holds(SECOND, 7, at(800)));
        spread.given(SECOND, 7, at(800));
        assert!(!spread.holds(THIRD, 7, at(801)), "it has a second source by now");
    }

    #[test]
    fn a_third_does_not_wait_for_the_second() {
        let mut spread = begun();
        assert!(spread.holds(THIRD, 7, at(1)));
        assert_eq!(spread.due(at(2_000)), [SECOND, THIRD]);
        spread.given(SECOND, 7, at(2_000));
        assert!(spread.holds(THIRD, 7, at(2_100)));
        assert_eq!(spread.due(at(2_500)), [THIRD]);
        assert!(!spread.holds(THIRD, 7, at(2_500)));
    }

    #[test]
    fn nothing_is_held_from_a_peer_that_always_waited_in_vain() {
        let mut spread = Spread::default();
        for piece in 0..VAIN_MAX {
            spread.given(FIRST, piece, at(0));
            assert!(spread.holds(SECOND, piece, at(1)));
        }
        assert_eq!(spread.due(at(2_000)).len(), VAIN_MAX as usize);
        for piece in 0..VAIN_MAX {
            assert!(!spread.holds(SECOND, piece, at(2_000)));
        }
        spread.given(FIRST, 99, at(2_000));
        assert!(!spread.holds(SECOND, 99, at(2_001)));
        assert!(spread.holds(THIRD, 99, at(2_001)), "others are none of that");
    }

    #[test]
    fn whoever_is_choked_or_leaves_keeps_nobody_waiting() {
        for stopped in [Spread::stopped, Spread::left] {
            let mut spread = begun();
            assert_eq!(stopped(&mut spread, FIRST), [SECOND]);
            assert!(!spread.holds(SECOND, 7, at(2)));
            assert_eq!(spread.deadline(), None);
        }
    }

    #[test]
    fn no_more_is_remembered_than_is_under_way() {
        let mut spread = begun();
        assert_eq!(spread.due(at(2_000)), [SECOND]);
        spread.tidy(at(2_000));
        assert!(spread.giving.is_empty() && spread.held.is_empty() && spread.waited.is_empty());
    }

    #[test]
    fn what_is_kept_account_of_is_bounded() {
        let mut spread = Spread::default();
        let most = limits::PIECES_GIVEN_MAX as u32;
        (0..=most).for_each(|piece| spread.given(FIRST, piece, at(0)));
        assert!(spread.holds(SECOND, most - 1, at(1)));
        assert!(!spread.holds(SECOND, most, at(1)));
    }
}
