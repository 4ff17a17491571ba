//! Does what the engine says.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use shared::engine::{Effect, EffectFailure, EffectResult, Event, Input, Output};
use shared::id::{ConnId, EffectId, InfoHash};
use shared::metainfo::Metainfo;

use super::pump::{Pump, Route};
use crate::net::tcp::{self, Link};
use crate::net::transport::{DataTransport, TransportError};
use crate::net::web_seed::Fetch;
use crate::storage::{Store, Work};

impl Pump {
    pub(super) fn perform(&mut self, output: Output) {
        match output {
            // The drain ends with it.
            Output::Timeout(_) => {}
            Output::Send { conn, data } => self.send(conn, data),
            Output::Close { conn, reason: _ } => self.close(conn),
            Output::Dial { conn, address } => {
                let link = Link::new();
                self.routes.insert(conn, Route::Tcp(link.clone()));
                tcp::dial(conn, self.guard.from, address, link, self.reports.clone());
            }
            Output::TrackerConnect { tracker, url } => self.connect_tracker(tracker, url),
            Output::TrackerSend { tracker, text } => {
                if let Some(socket) = self.sockets.get(&tracker) {
                    // One that has ended says so by its own report.
                    let _ = socket.texts.send(text);
                }
            }
            Output::TrackerClose(tracker) => drop(self.sockets.remove(&tracker)),
            Output::Effect { id, effect } => {
                self.remember(id, &effect);
                self.effect(id, effect);
            }
            Output::Event(event) => self.event(event),
        }
    }

    fn effect(&mut self, id: EffectId, effect: Effect) {
        match effect {
            Effect::Offer { conn } => {
                self.describe(id, conn, |webrtc| webrtc.offer(conn), EffectResult::Sdp);
            }
            Effect::Answer { conn, sdp } => {
                self.describe(id, conn, |webrtc| webrtc.answer(conn, sdp), EffectResult::Sdp);
            }
            Effect::Accept { conn, sdp } => {
                self.describe(id, conn, |webrtc| webrtc.accept(conn, sdp), |()| EffectResult::Done);
            }
            Effect::Open { torrent, metainfo } => self.open(id, torrent, metainfo),
            Effect::Read { torrent, offset, length } => self.work(id, torrent, Work::Read { offset, length }),
            Effect::Check { torrent, offset, length } => {
                self.work(id, torrent, Work::Check { offset, length });
            }
            Effect::Write { torrent, offset, blocks } => {
                self.work(id, torrent, Work::Write { offset, blocks });
            }
            Effect::Persist { torrent, record } => self.work(id, torrent, Work::Persist { record }),
            Effect::Close { torrent, erase } => self.work(id, torrent, Work::Close { erase }),
            Effect::Hash { blocks } => {
                let results = self.results.clone();
                self.hashing.hash(blocks, move |digest| results.done(id, EffectResult::Digest(digest)));
            }
            Effect::Announce { url, request } => self.announce(id, url, request),
            Effect::Fetch { conn, url, offset, length } => {
                self.fetch(id, Fetch { conn, url, offset, length });
            }
        }
    }

    /// Asks the WebRTC transport for something that takes a while.
    fn describe<T, F>(
        &mut self,
        id: EffectId,
        conn: ConnId,
        ask: impl FnOnce(&dyn DataTransport) -> F,
        then: fn(T) -> EffectResult,
    ) where
        T: Send + 'static,
        F: Future<Output = Result<T, TransportError>> + Send + 'static,
    {
        let Some(webrtc) = self.webrtc.as_ref().map(Arc::as_ref) else {
            let failure = EffectFailure::Unsupported("this client makes no WebRTC connections".to_owned());
            return self.results.failed(id, failure);
        };
        self.routes.insert(conn, Route::Channel);
        let (described, results) = (ask(webrtc), self.results.clone());
        tokio::spawn(async move {
            results.done(
                id,
                match described.await {
                    Ok(value) => then(value),
                    Err(error) => EffectResult::Failed(EffectFailure::Failed(error.to_string())),
                },
            );
        });
    }

    fn open(&mut self, id: EffectId, torrent: InfoHash, metainfo: Arc<Metainfo>) {
        self.stores.retain(|of, store| *of == torrent || !store.is_idle());
        let (options, results) = (self.storage.clone(), self.results.clone());
        let store = self.stores.entry(torrent).or_insert_with(|| {
            Store::new(options, metainfo, Box::new(move |id, result| results.done(id, result)))
        });
        store.give(id, Work::Open { place: self.places.get(&torrent).cloned().unwrap_or_default() });
    }

    fn work(&self, id: EffectId, torrent: InfoHash, work: Work) {
        match (self.stores.get(&torrent), work) {
            (Some(store), work) => store.give(id, work),
            // One that was never opened has nothing to lose.
            (None, Work::Close { .. }) => self.results.done(id, EffectResult::Done),
            (None, _) => {
                self.results.failed(id, EffectFailure::Failed("the storage is not open".to_owned()));
            }
        }
    }

    fn send(&mut self, conn: ConnId, data: Bytes) {
        match self.routes.get(&conn) {
            Some(Route::Tcp(link)) => {
                if let Some(buffered) = link.send(data) {
                    self.next.push_back(Input::ConnectionWritable { conn, buffered });
                }
            }
            Some(Route::Channel) => {
                if let Some(webrtc) = &self.webrtc {
                    webrtc.send(conn, data);
                }
            }
            // Nothing is sent to a web seed but what is asked of it.
            Some(Route::Fetch { .. }) => {}
            // It has closed, and the engine hears of it next.
            None => {}
        }
    }

    fn close(&mut self, conn: ConnId) {
        match self.routes.remove(&conn) {
            Some(Route::Tcp(link)) => link.close(),
            Some(Route::Fetch { id, task }) => {
                task.abort();
                // Of one that was over by then the engine has heard already.
                self.results.failed(id, EffectFailure::Failed("broken off".to_owned()));
            }
            Some(Route::Channel) => {
                if let Some(webrtc) = &self.webrtc {
                    webrtc.close(conn);
                }
            }
            None => {}
        }
    }

    fn event(&mut self, event: Event) {
        if let Event::Removed(torrent) = &event {
            self.places.remove(torrent);
        }
        match &event {
            Event::Failed { torrent, failure } => tracing::warn!(%torrent, %failure, "torrent stopped"),
            Event::Refused { reason, .. } => tracing::warn!(%reason, "command refused"),
            Event::TrackerWarning { tracker, text } => tracing::info!(%tracker, %text, "tracker says"),
            other => tracing::debug!(event = ?other),
        }
        // Nobody need be listening.
        let _ = self.events.send(event);
    }
}
