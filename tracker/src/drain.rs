//! How the tracker ends: it says that it is not ready any more, goes on for a while, sends its peers away each for another
//! time, lets requests finish, and answers over UDP until all of that is done.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clap::Args;
use shared::tracker::ws::reconnect;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::config::NetLimits;
use crate::state::AppState;

/// Peers that are told to come back in the same second: a TLS handshake takes a core about a millisecond.
const BACK_PER_SECOND: u32 = 400;

/// Latest second that anybody is told, below what peers heed: with more than 96,000 peers, more come back in each.
const BACK_WITHIN: u32 = 240;

/// How long the tracker's own peer may take to end.
const GOODBYE_WITHIN: Duration = Duration::from_secs(3);

/// Options of the end.
#[derive(Clone, Debug, Args)]
pub struct DrainArgs {
    /// After SIGTERM, connections get so many seconds to finish; WebSockets are closed at once, with word when to come back.
    #[arg(long, value_name = "SECONDS", default_value_t = NetLimits::default().drain_timeout.as_secs(), env = "PIECEMEAL_DRAIN_TIMEOUT")]
    pub drain_timeout: u64,

    /// After SIGTERM, everything goes on for so many seconds while /health says 503: long enough for a load balancer to notice.
    #[arg(long, value_name = "SECONDS", default_value_t = NetLimits::default().drain_delay.as_secs(), env = "PIECEMEAL_DRAIN_DELAY")]
    pub drain_delay: u64,
}

/// How far the end has come, besides [`AppState::shutdown`], from when on connections are closed.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    leaving: CancellationToken,
    ended: CancellationToken,
    sent_away: AtomicU32,
}

impl Drain {
    /// Whether the end has begun.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.is_cancelled()
    }

    /// When nothing is accepted or answered any more.
    pub(crate) const fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Seconds after which the next peer that is sent away is to come back.
    pub(crate) fn back_in(&self) -> u32 {
        1 + self.sent_away.fetch_add(1, Ordering::Relaxed) / BACK_PER_SECOND % BACK_WITHIN
    }

    /// What the close frame of the next peer says.
    pub(crate) fn goodbye(&self) -> String {
        reconnect::reason(self.back_in())
    }
}

/// Brings everything to its end. `loops` accept and answer until then. Returns whether all connections finished in time.
pub(crate) async fn run(state: &AppState, loops: &TaskTracker) -> bool {
    let limits = &state.config.net;
    state.drain.leaving.cancel();
    if !limits.drain_delay.is_zero() {
        info!(
            seconds = limits.drain_delay.as_secs(),
            "shutting down: not ready any more, and going on for a while"
        );
        sleep(limits.drain_delay).await;
    }
    if let Some(seeder) = &state.seeder {
        // While there is a tracker to say goodbye to.
        let _ = timeout(GOODBYE_WITHIN, seeder.shutdown()).await;
    }
    info!(seconds = limits.drain_timeout.as_secs(), "shutting down: waiting for connections to finish");
    state.shutdown.cancel();
    state.tasks.close();
    let drained = timeout(limits.drain_timeout, state.tasks.wait()).await.is_ok();
    if !drained {
        warn!(connections = state.tasks.len(), "some connections did not finish in time");
    }
    state.drain.ended.cancel();
    loops.close();
    loops.wait().await;
    drained
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_come_back_one_after_the_other() {
        let drain = Drain::default();
        let seconds: Vec<u32> = (0..200_000).map(|_| drain.back_in()).collect();
        assert_eq!(seconds[..BACK_PER_SECOND as usize], [1; BACK_PER_SECOND as usize]);
        assert_eq!(seconds[BACK_PER_SECOND as usize], 2);
        let in_second = |second: u32| seconds.iter().filter(|at| **at == second).count() as u32;
        assert!((1..=BACK_WITHIN).all(|second| in_second(second) <= 3 * BACK_PER_SECOND));
        let latest = seconds.iter().max().copied().map(u64::from).map(Duration::from_secs);
        assert!(latest < Some(reconnect::WAIT_MAX), "peers heed it");
    }
}
