//! When the tracker ends.

use std::io;

/// Returns when the process is asked to end: SIGINT (Ctrl-C) or SIGTERM.
///
/// # Errors
///
/// If signals cannot be listened to.
#[cfg(unix)]
pub async fn requested() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Returns when the process is asked to end: Ctrl-C.
///
/// # Errors
///
/// If signals cannot be listened to.
#[cfg(not(unix))]
pub async fn requested() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
