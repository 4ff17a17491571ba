//! When the tracker ends.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Returns when the process is asked to end: SIGINT (Ctrl-C) or SIGTERM.
///
/// # Errors
///
/// If signals cannot be listened to.
pub async fn requested() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
