//! SIGINT and SIGTERM: the first ends things cleanly, the second at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::ending::Ending;

/// Signals from when this is made: none that comes before anybody waits is lost.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Returns when the process is asked to end, once for each time it is asked.
    pub(super) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for `ending`, unless somebody asks once more: then the process ends at once.
    pub(super) async fn patiently(mut self, ending: impl Future<Output = ()>) {
        tokio::select! {
            () = ending => {}
            () = self.asked() => std::process::exit(Ending::Interrupted.code().into()),
        }
    }
}
