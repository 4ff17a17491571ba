//! Does what the engine says.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use shared::engine::{ClosedBy, Effect, EffectFailure, EffectResult, Event, Input, Output};
use shared::id::{ConnId, EffectId};

use super::pump::{Pump, Route};
use crate::net::transport::{DataTransport, TransportError};

impl Pump {
    pub(super) fn perform(&mut self, output: Output) {
        match output {
            // The drain ends with it.
            Output::Timeout(_) => {}
            Output::Send { conn, data } => self.send(conn, data),
            Output::Close { conn, reason: _ } => self.close(conn),
            Output::Dial { conn, address: _ } => {
                self.next.push_back(Input::ConnectionClosed { conn, by: ClosedBy::Unreachable });
            }
            Output::TrackerConnect { tracker, url: _ } => {
                let reason = "trackers are not spoken to yet".to_owned();
                self.next.push_back(Input::TrackerClosed { tracker, reason });
            }
            Output::TrackerSend { .. } | Output::TrackerClose(_) => {}
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
            Effect::Open { .. }
            | Effect::Read { .. }
            | Effect::Check { .. }
            | Effect::Write { .. }
            | Effect::Persist { .. }
            | Effect::Hash { .. }
            | Effect::Announce { .. }
            | Effect::Fetch { .. } => {
                let failure = EffectFailure::Unsupported("not built in yet".to_owned());
                self.results.failed(id, failure);
            }
            Effect::Close { .. } => self.results.done(id, EffectResult::Done),
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

    fn send(&self, conn: ConnId, data: Bytes) {
        match self.routes.get(&conn) {
            Some(Route::Channel) => {
                if let Some(webrtc) = &self.webrtc {
                    webrtc.send(conn, data);
                }
            }
            // It has closed, and the engine hears of it next.
            None => {}
        }
    }

    fn close(&mut self, conn: ConnId) {
        match self.routes.remove(&conn) {
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
