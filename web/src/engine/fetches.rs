//! Requests to web seeds that the engine asked for.

use futures_channel::oneshot;
use shared::engine::{EffectFailure, EffectResult, Input};
use shared::id::{ConnId, EffectId};
use wasm_bindgen_futures::spawn_local;
use web_sys::{AbortController, AbortSignal};

use super::host::Host;
use super::pump::Handle;
use crate::net::web_seed::{FetchError, Range};
use crate::platform::JsError;

/// What is fetched from a file.
pub(super) struct Wanted {
    pub(super) url: String,
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// A request; aborted when dropped.
pub(super) struct Fetch(AbortController);

impl Drop for Fetch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Host {
    /// Begins a request whose bytes are data of `conn`.
    pub(super) fn fetch(&mut self, id: EffectId, conn: ConnId, wanted: Wanted) {
        let controller = match AbortController::new() {
            Ok(controller) => controller,
            Err(error) => {
                let why = JsError::from(error).to_string();
                return self.pump.done(id, EffectResult::Failed(EffectFailure::Unsupported(why)));
            }
        };
        let signal = controller.signal();
        self.fetches.insert(conn, Fetch(controller));
        let pump = self.pump.clone();
        spawn_local(async move {
            let result = match read(&pump, conn, &wanted, &signal).await {
                Ok(()) => EffectResult::Done,
                Err(FetchError::Refused(words)) => EffectResult::Failed(EffectFailure::Refused(words)),
                Err(FetchError::Failed(error)) => {
                    EffectResult::Failed(EffectFailure::Failed(error.to_string()))
                }
            };
            // Before the engine hears of it: it may ask for the next on the same connection.
            pump.run(move |host| drop(host.fetches.remove(&conn)));
            pump.done(id, result);
        });
    }
}

/// Reads all that was asked for, each part once the engine has taken the one before.
async fn read(pump: &Handle, conn: ConnId, wanted: &Wanted, signal: &AbortSignal) -> Result<(), FetchError> {
    let mut range = Range::open(&wanted.url, wanted.offset, wanted.length, signal).await?;
    while let Some(data) = range.next().await? {
        pump.input(Input::ConnectionData { conn, data });
        let (taken, is_taken) = oneshot::channel();
        pump.run(move |_| {
            // Nobody waits any more if the worker ends.
            let _ = taken.send(());
        });
        if is_taken.await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}
