//! Trackers, and web seeds: what is asked over HTTP, UDP and WebSocket.

use std::sync::Arc;

use shared::engine::Input;
use shared::id::{EffectId, TrackerId};
use shared::tracker::AnnounceRequest;
use tokio::sync::mpsc;

use super::pump::{Pump, Route, Socket, Told};
use crate::net::http::Count;
use crate::net::tracker_socket::{self, Heard};
use crate::net::web_seed::{Fetch, fetch};
use crate::net::{tracker_http, tracker_udp};

impl Pump {
    /// Announces of one torrent to one tracker go one after the other: a `completed` that overtakes a `stopped` would
    /// leave a member behind that is gone.
    pub(super) fn announce(&mut self, id: EffectId, url: String, request: Box<AnnounceRequest>) {
        let results = self.results.clone();
        self.announcing.retain(|_, announcing| !announcing.is_finished());
        let which = (url.clone(), request.info_hash);
        let before = self.announcing.remove(&which);
        let (guard, clock, counters) = (self.guard, self.clock, Arc::clone(&self.counters));
        let rng = self.rng.fork(&format!("udp tracker {id}"));
        let http = self.http.clone();
        let announcing = tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            results.done(
                id,
                if url.starts_with("udp:") {
                    tracker_udp::announce(guard, clock, &url, request, rng, &counters).await
                } else {
                    tracker_http::announce(&http, &url, &request).await
                },
            );
        });
        self.announcing.insert(which, announcing);
    }

    pub(super) fn fetch(&mut self, id: EffectId, what: Fetch) {
        let (reports, http) = (self.reports.clone(), self.web_seeds.clone());
        let conn = what.conn;
        let fetching = tokio::spawn(async move {
            let result = fetch(&http, &what, &reports).await;
            // The way that the bytes took, so that it comes after them.
            let _ = reports.tell(Input::EffectDone { id, result }).await;
        });
        // Of a web seed whose run is over nothing else may be told.
        self.routes.retain(|_, route| !matches!(route, Route::Fetch { task, .. } if task.is_finished()));
        self.routes.insert(conn, Route::Fetch { id, task: fetching.abort_handle() });
    }

    pub(super) fn connect_tracker(&mut self, tracker: TrackerId, url: String) {
        self.sockets_made += 1;
        let number = self.sockets_made;
        let (texts, given) = mpsc::unbounded_channel();
        self.sockets.insert(tracker, Socket { number, texts });
        let told = self.told.clone();
        let heard = move |heard| {
            let told = told.clone();
            async move {
                // Nobody may be left to hear it.
                let _ = told.send(Told { tracker, number, heard }).await;
            }
        };
        let (guard, tls) = (self.guard, Arc::clone(&self.tls));
        let count = Count::new(Arc::clone(&self.counters), |counters| &counters.tracker);
        self.talking.spawn(tracker_socket::run(guard, tls, url, given, heard, count));
    }

    /// What a socket told, unless it is no longer the tracker's.
    pub(super) fn heard(&mut self, Told { tracker, number, heard }: Told) -> Option<Input> {
        self.sockets.get(&tracker).filter(|socket| socket.number == number)?;
        Some(match heard {
            Heard::Opened => Input::TrackerOpened(tracker),
            Heard::Text(text) => Input::TrackerMessage { tracker, text },
            Heard::Closed(reason) => {
                self.sockets.remove(&tracker);
                Input::TrackerClosed { tracker, reason }
            }
        })
    }
}
