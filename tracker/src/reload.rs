//! Files that are read again while the tracker runs: lists, and the certificate.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::interval;
use tracing::{info, warn};

use crate::observe::events::Kind;
use crate::state::AppState;

/// How often files are looked at. A change is in force when it was seen twice.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Looks at the files until the shutdown, and reads all of them on SIGHUP. In a terminal and without such files, SIGHUP ends
/// the process as ever, so that no tracker stays behind a terminal that was closed; a service it never ends.
pub(crate) async fn keep(state: Arc<AppState>) {
    let certificates = state.certificates.clone().filter(|certificates| !certificates.are_generated());
    if !state.access.is_watching() && certificates.is_none() && std::io::stdin().is_terminal() {
        return;
    }
    let mut hangup = signal(SignalKind::hangup())
        .inspect_err(
            |error| warn!(%error, "SIGHUP cannot be listened to; files are read again when they change"),
        )
        .ok();
    let mut ticks = interval(LOOK_INTERVAL);
    loop {
        let all = tokio::select! {
            () = state.shutdown.cancelled() => return,
            _ = ticks.tick() => false,
            () = asked(&mut hangup) => {
                info!("SIGHUP: reading lists and certificate again");
                true
            }
        };
        let (state, certificates) = (state.clone(), certificates.clone());
        // Reading waits for the disk.
        let looked = tokio::task::spawn_blocking(move || {
            state.access.look(all);
            if let Some(text) = certificates.and_then(|certificates| certificates.look(all)) {
                state.observe.events.note(Kind::Certificate, None, || text);
            }
        });
        if let Err(error) = looked.await {
            warn!(%error, "files could not be read again");
        }
    }
}

async fn asked(hangup: &mut Option<Signal>) {
    if let Some(hangup) = hangup
        && hangup.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}
