//! `/api/live`, `/api/events` and `/api/swarms/…`: what the dashboard shows. For who may see it, see [`access`].

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use shared::id::InfoHash;

use crate::observe::access::{self, Asker, Secret};
use crate::observe::live::{Live, Watcher};
use crate::observe::swarm_view::SwarmView;
use crate::state::AppState;

/// A comment is sent when nothing else was for so long, so that whoever is gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Server-sent events: `begin` once, with the numbers of the last two minutes and the latest events; `tick` every second.
pub(crate) async fn live(State(state): State<Arc<AppState>>, asker: Asker) -> Response {
    if let Err(refusal) = access::check(&state, Secret::Dashboard, &asker) {
        return *refusal;
    }
    let Some(watcher) = Live::watch(&state) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many dashboards are open\n").into_response();
    };
    let first = message("begin", &Live::beginning(&state));
    let feed = Feed { waiting: VecDeque::from([first]), watcher, state };
    let messages = stream::unfold(feed, |mut feed| async move {
        let message = feed.next().await?;
        Some((Ok::<_, Infallible>(message), feed))
    });
    Sse::new(messages).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

struct Feed {
    waiting: VecDeque<Message>,
    watcher: Watcher,
    state: Arc<AppState>,
}

impl Feed {
    /// The next message; `None` at the tracker's end. Whoever reads slowly misses numbers, and none waits in memory.
    async fn next(&mut self) -> Option<Message> {
        if let Some(message) = self.waiting.pop_front() {
            return Some(message);
        }
        tokio::select! {
            () = self.state.shutdown.cancelled() => return None,
            changed = self.watcher.ticks.changed() => changed.ok()?,
        }
        let tick = self.watcher.ticks.borrow_and_update().clone()?;
        Some(message("tick", &tick.json))
    }
}

fn message(name: &str, json: &Bytes) -> Message {
    Message::default().event(name).data(String::from_utf8_lossy(json))
}

/// The events that are kept.
pub(crate) async fn events(State(state): State<Arc<AppState>>, asker: Asker) -> Response {
    match access::check(&state, Secret::Dashboard, &asker) {
        Ok(()) => Json(state.observe.events.since(0, usize::MAX).0).into_response(),
        Err(refusal) => *refusal,
    }
}

/// One swarm: its members, how far they are, and what flows between them.
pub(crate) async fn swarm(
    State(state): State<Arc<AppState>>,
    asker: Asker,
    Path(info_hash): Path<String>,
) -> Response {
    if let Err(refusal) = access::check(&state, Secret::Dashboard, &asker) {
        return *refusal;
    }
    match info_hash.parse::<InfoHash>() {
        Ok(info_hash) => Json(SwarmView::now(&state, info_hash)).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}
