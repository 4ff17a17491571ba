//! Swarms over a restart: who is reached at an address is written to the data directory at the end, and every few minutes in case
//! the end is not an orderly one, and read at the start. Without it a client would be alone for as long as the announce interval.
//!
//! Members on a WebSocket are not kept: their sockets are gone, and they come back by themselves.

mod file;
mod format;
mod swarms;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

pub use self::format::{SnapshotError, Writer, read};
use crate::state::AppState;
use crate::swarm::address::Kept;

/// Options of it.
#[derive(Clone, Debug, Args)]
pub struct SnapshotArgs {
    /// Every so many seconds, and at the end, the swarms of peers over HTTP and UDP are written to the --data directory, from
    /// where the next start reads them; 0 for never. It holds addresses of peers.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, env = "PIECEMEAL_SNAPSHOT_INTERVAL")]
    pub snapshot_interval: u64,
}

/// Where snapshots are kept, and how often they are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotConfig {
    /// The file.
    pub path: PathBuf,
    /// Time between two.
    pub interval: Duration,
}

impl SnapshotArgs {
    /// What follows from it: a file in `data`, one for each `port`, so that two trackers can share the directory.
    pub fn config(&self, data: Option<&Path>, port: u16) -> Option<SnapshotConfig> {
        let path = data?.join(format!("swarms-{port}.snapshot"));
        let interval = Duration::from_secs(self.snapshot_interval);
        (!interval.is_zero()).then_some(SnapshotConfig { path, interval })
    }
}

/// Brings back what was kept, if it is still good. One that is damaged costs what it held, never the start.
pub(crate) fn restore(state: &AppState) {
    let Some(SnapshotConfig { path, .. }) = &state.config.snapshot else { return };
    let mut restored = 0;
    let now = state.clock.now();
    let most = state.config.swarm.members;
    let ended = file::open(path).map_err(SnapshotError::from).and_then(|file| {
        let Some(file) = file else { return Ok(None) };
        let each = |info_hash: &_, completed, members: &[Kept]| {
            restored += swarms::restore(state, now, info_hash, completed, members);
        };
        read(file, unix_seconds(), most, each).map(Some)
    });
    match ended {
        Ok(None) => {}
        Ok(Some(kept)) => {
            info!(peers = restored, refused = kept - restored, "swarms of the last run are back")
        }
        Err(error) => {
            warn!(path = %path.display(), peers = restored, %error, "the snapshot of the last run could not be read to its end");
        }
    }
}

/// Makes a snapshot in each interval, until the end.
pub(crate) async fn keep(state: Arc<AppState>) {
    let Some(SnapshotConfig { interval, .. }) = state.config.snapshot else { return };
    loop {
        tokio::select! {
            () = state.drain.ended().cancelled() => return,
            () = sleep(interval) => save(&state).await,
        }
    }
}

/// Makes one. Requests wait for no longer than it takes to copy a part of the swarms.
pub(crate) async fn save(state: &Arc<AppState>) {
    let Some(SnapshotConfig { path, .. }) = state.config.snapshot.clone() else { return };
    let begun = Instant::now();
    let saved = {
        let (path, state) = (path.clone(), state.clone());
        spawn_blocking(move || {
            file::replace(&path, |out| {
                let mut writer = Writer::new(out, unix_seconds())?;
                swarms::save(&state, state.clock.now(), &mut writer)?;
                writer.finish()
            })
        })
    };
    match saved.await {
        Ok(Ok(peers)) => info!(peers, millis = begun.elapsed().as_millis(), "swarms are written down"),
        Ok(Err(error)) => {
            warn!(path = %path.display(), %error, "swarms cannot be written down; a restart would lose them")
        }
        Err(error) => warn!(%error, "writing swarms down failed"),
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_has_a_file_and_zero_seconds_none() {
        let config = |seconds| SnapshotArgs { snapshot_interval: seconds }.config(Some(Path::new("/d")), 80);
        let expected =
            SnapshotConfig { path: "/d/swarms-80.snapshot".into(), interval: Duration::from_secs(9) };
        assert_eq!((config(9), config(0)), (Some(expected), None));
        assert_eq!(SnapshotArgs { snapshot_interval: 9 }.config(None, 80), None);
    }
}
