use core::time::Duration;

use crate::id::ConnId;
use crate::rng::Rng;
use crate::time::Instant;

/// How long an unearned slot is kept: long enough for a newcomer to fetch a piece and give it back.
const TURN: Duration = Duration::from_secs(30);

/// Peers that hold a slot by turn.
#[derive(Debug, Default)]
pub struct Optimistic {
    holders: Vec<ConnId>,
    since: Option<Instant>,
}

impl Optimistic {
    /// Nobody yet.
    pub const fn new() -> Self {
        Self { holders: Vec::new(), since: None }
    }

    /// Up to `count` of `rest`: the holders while their turn lasts, then others.
    pub(super) fn choose(
        &mut self,
        now: Instant,
        rest: &[ConnId],
        count: usize,
        rng: &mut Rng,
    ) -> Vec<ConnId> {
        let before = core::mem::take(&mut self.holders);
        let over = self.since.is_none_or(|since| now.saturating_since(since) >= TURN);
        if over {
            self.since = Some(now);
        } else {
            self.holders = before.iter().copied().filter(|conn| rest.contains(conn)).take(count).collect();
        }
        let mut others: Vec<ConnId> =
            rest.iter().copied().filter(|conn| !self.holders.contains(conn)).collect();
        rng.shuffle(&mut others);
        // Whoever just had a turn comes last.
        others.sort_by_key(|conn| before.contains(conn));
        others.truncate(count.saturating_sub(self.holders.len()));
        self.holders.extend(others);
        self.holders.clone()
    }
}
