//! Whom to give to: tit for tat while fetching, fairly while only giving.
//!
//! Pure: sees a snapshot of the peers, answers with those to be unchoked.

mod leech;
mod optimistic;
mod seed;

pub use optimistic::Optimistic;

use std::collections::BTreeSet;

use crate::id::ConnId;
use crate::rng::Rng;
use crate::time::Instant;

/// What the choker has to know about one peer.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Its connection.
    pub conn: ConnId,
    /// It wants something that we have.
    pub wanting: bool,
    /// We let it have it at present.
    pub unchoked: bool,
    /// Bytes a second that it gives us.
    pub down_rate: u64,
    /// Bytes a second that we give it.
    pub up_rate: u64,
    /// Bytes that we have given it.
    pub uploaded: u64,
}

/// Decides at each round (10 s) who is unchoked.
#[derive(Debug)]
pub struct Choker {
    optimistic: Optimistic,
    rng: Rng,
}

impl Choker {
    /// A choker that draws from this generator.
    pub const fn new(rng: Rng) -> Self {
        Self { optimistic: Optimistic::new(), rng }
    }

    /// The peers to be unchoked from now on: at most `slots`, wanting ones only. One slot (two of eight and more) goes
    /// by turns to peers that have not earned it, so that newcomers can show what they give.
    pub fn round(
        &mut self,
        now: Instant,
        candidates: &[Candidate],
        slots: usize,
        seeding: bool,
    ) -> BTreeSet<ConnId> {
        let wanting: Vec<Candidate> = candidates.iter().copied().filter(|peer| peer.wanting).collect();
        if wanting.len() <= slots {
            return wanting.iter().map(|peer| peer.conn).collect();
        }
        let turns = optimistic_slots(slots);
        let mut ranked = wanting;
        self.rng.shuffle(&mut ranked);
        if seeding {
            seed::rank(&mut ranked);
        } else {
            leech::rank(&mut ranked);
        }
        let mut chosen: BTreeSet<ConnId> =
            ranked.iter().take(slots.saturating_sub(turns)).map(|peer| peer.conn).collect();
        let rest: Vec<ConnId> =
            ranked.iter().map(|peer| peer.conn).filter(|conn| !chosen.contains(conn)).collect();
        chosen.extend(self.optimistic.choose(now, &rest, turns.min(slots), &mut self.rng));
        chosen
    }

    /// Peers for slots that are free between two rounds: chosen by chance among wanting, choked ones.
    pub fn fill(&mut self, candidates: &[Candidate], slots: usize) -> Vec<ConnId> {
        let taken = candidates.iter().filter(|peer| peer.unchoked && peer.wanting).count();
        let mut waiting: Vec<ConnId> =
            candidates.iter().filter(|peer| peer.wanting && !peer.unchoked).map(|peer| peer.conn).collect();
        self.rng.shuffle(&mut waiting);
        waiting.truncate(slots.saturating_sub(taken));
        waiting
    }
}

const fn optimistic_slots(slots: usize) -> usize {
    match slots {
        0 => 0,
        1..8 => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u32, down_rate: u64, up_rate: u64) -> Candidate {
        Candidate { conn: ConnId(number), wanting: true, unchoked: false, down_rate, up_rate, uploaded: 0 }
    }

    fn choker() -> Choker {
        Choker::new(Rng::from_seed([3; 32]))
    }

    #[test]
    fn everybody_who_wants_is_unchoked_while_there_are_slots() {
        let mut idle = peer(2, 0, 0);
        idle.wanting = false;
        let chosen = choker().round(Instant::ORIGIN, &[peer(1, 0, 0), idle, peer(3, 0, 0)], 4, false);
        assert_eq!(chosen, BTreeSet::from([ConnId(1), ConnId(3)]));
    }

    #[test]
    fn those_who_give_most_keep_their_slots_and_one_goes_by_turns() {
        let peers: Vec<_> = (0..20).map(|number| peer(number, u64::from(number) * 1_000, 0)).collect();
        let mut choker = choker();
        let mut others = BTreeSet::new();
        for round in 0..30 {
            let now = Instant::from_millis(round * 10_000);
            let chosen = choker.round(now, &peers, 4, false);
            assert_eq!(chosen.len(), 4);
            assert!((17..20).all(|number| chosen.contains(&ConnId(number))), "{chosen:?}");
            others.extend(chosen.into_iter().filter(|conn| conn.0 < 17));
        }
        assert!(others.len() >= 6, "thirty rounds are ten turns: {others:?}");
    }

    #[test]
    fn while_seeding_everybody_gets_a_turn() {
        let peers: Vec<_> = (0..12).map(|number| peer(number, 0, 0)).collect();
        let mut choker = choker();
        let mut seen = BTreeSet::new();
        for round in 0..120 {
            seen.extend(choker.round(Instant::from_millis(round * 10_000), &peers, 4, true));
        }
        assert_eq!(seen.len(), 12);
    }

    #[test]
    fn free_slots_are_filled_at_once_and_no_more_than_there_are() {
        let mut peers: Vec<_> = (0..6).map(|number| peer(number, 0, 0)).collect();
        peers[0].unchoked = true;
        peers[1].wanting = false;
        let filled = choker().fill(&peers, 4);
        assert_eq!(filled.len(), 3);
        assert!(!filled.contains(&ConnId(0)) && !filled.contains(&ConnId(1)));
    }

    #[test]
    fn no_slots_means_nobody() {
        assert!(choker().round(Instant::ORIGIN, &[peer(1, 5, 5)], 0, false).is_empty());
        assert!(choker().fill(&[peer(1, 5, 5)], 0).is_empty());
    }
}
