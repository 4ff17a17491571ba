//! Members at addresses that fell silent are found by going through all, a part each second: that needs no list of them in the
//! order in which they announced, which would be a quarter of what they take.

use core::net::SocketAddr;
use core::time::Duration;

use shared::time::Instant;

use super::Swarms;
use super::address::At;
use super::change::Held;
use super::peers::{Entry, FOREVER, Peers, Second, Swept};
use super::torrent::TorrentSlot;
use super::totals::Totals;

/// Everybody is looked at within this many seconds. Who expired before that is told to nobody, but counted.
const ROUND: usize = 30;

/// At least so many are looked at in a second.
const LEAST: usize = 1_024;

/// How far the round is.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    torrent: TorrentSlot,
    within: Within,
    next: Second,
}

/// How far within the torrent: up to these places, `None` for all.
#[derive(Clone, Copy, Debug)]
enum Within {
    V4(Option<u32>),
    V6(Option<u32>),
}

impl Default for Within {
    fn default() -> Self {
        Self::V4(None)
    }
}

impl Sweep {
    /// When the next part is due.
    pub(super) fn next(&self) -> Instant {
        Instant::ORIGIN + Duration::from_secs(u64::from(self.next))
    }
}

/// The second that has begun.
pub(super) fn second(now: Instant) -> Second {
    Second::try_from(now.as_millis() / 1_000).unwrap_or(FOREVER).min(FOREVER)
}

impl Swarms {
    /// Goes on with the round, if a second is over.
    pub(super) fn sweep_addresses(&mut self, now: Instant) {
        let now = second(now);
        if now < self.sweep.next {
            return;
        }
        self.sweep.next = now + 1;
        if self.addresses == 0 {
            return;
        }
        let slots = self.torrents.slots() as usize;
        let mut budget = (self.addresses + slots).div_ceil(ROUND).max(LEAST);
        let mut finished = 0;
        while budget > 0 && finished <= slots {
            let looked = self.sweep_torrent(now, budget);
            budget = budget.saturating_sub(looked.max(1));
            if matches!(self.sweep.within, Within::V4(None)) {
                finished += 1;
            }
        }
    }

    /// Goes on within one torrent. Returns how many were looked at.
    fn sweep_torrent(&mut self, now: Second, budget: usize) -> usize {
        let slot = self.sweep.torrent;
        if slot >= self.torrents.slots() {
            self.sweep.torrent = 0;
            return 0;
        }
        let Some(torrent) = self.torrents.get_mut(slot) else {
            self.sweep.torrent += 1;
            self.sweep.within = Within::default();
            return 0;
        };
        let mut gone = 0;
        let info_hash = torrent.info_hash;
        let (totals, counters, log) = (&self.totals, &mut self.counters, &mut self.log);
        let (keys, neighbours) = (&self.keys, &mut self.neighbours);
        let mut left = |at: SocketAddr, held| {
            gone += 1;
            counters.members_expired += 1;
            totals.networks.left(at.ip(), &info_hash);
            log.address(&info_hash, at, Some((0, held)), None);
            if let Some(neighbours) = neighbours {
                neighbours.remove(keys, slot, at);
            }
        };
        let looked = match self.sweep.within {
            Within::V4(from) => {
                let swept = torrent.v4.sweep(keys, from, budget, |entry| expired(now, entry, &mut left));
                self.sweep.within = match (swept.next, &torrent.v6) {
                    (None, Some(_)) => Within::V6(None),
                    (next, _) => Within::V4(next),
                };
                swept.looked
            }
            Within::V6(from) => {
                let mut sweep = |peers: &mut Box<Peers<18>>| {
                    peers.sweep(keys, from, budget, |entry| expired(now, entry, &mut left))
                };
                let Swept { next, looked } =
                    torrent.v6.as_mut().map_or(Swept { next: None, looked: 0 }, &mut sweep);
                self.sweep.within = next.map_or(Within::V4(None), |next| Within::V6(Some(next)));
                looked
            }
        };
        self.addresses -= gone;
        Totals::addresses_left(&self.totals, gone);
        if matches!(self.sweep.within, Within::V4(None)) {
            self.torrents.drop_unused(&self.keys, slot);
            self.sweep.torrent += 1;
        }
        looked
    }
}

fn expired<const N: usize>(now: Second, entry: &Entry<N>, left: &mut impl FnMut(SocketAddr, Held)) -> bool
where
    Entry<N>: At,
{
    let expired = entry.expires() <= now;
    if expired {
        left(SocketAddr::new(entry.ip(), entry.port()), entry.held().1);
    }
    expired
}
