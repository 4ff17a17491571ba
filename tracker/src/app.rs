//! Which request goes where.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, FromRequestParts as _, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Uri};
use tracing::info;

use crate::access::Unserved;
use crate::account::Credential;
use crate::frontend::{Rejected, http as http_frontend, ws};
use crate::listener::Place;
use crate::listener::connection::Use;
use crate::state::AppState;
use crate::{files, publication, routes};

/// Bytes of small messages that become one write: one TLS record.
const WRITE_BUFFER: usize = 16 * 1024;

/// All of the tracker behind one service. Requests need a `ConnectInfo<SocketAddr>`.
pub(crate) fn app(state: Arc<AppState>) -> Router {
    Router::new()
        .route("/health", get(routes::health::health))
        .route("/healthz", get(routes::health::health))
        .route("/readyz", get(routes::health::health))
        .route("/metrics", get(routes::metrics::metrics))
        .route("/api", get(routes::api::index))
        .route("/api/", get(routes::api::index))
        .route("/api/openapi.json", get(routes::api::openapi))
        .route("/api/live", get(routes::dashboard::live))
        .route("/api/events", get(routes::dashboard::events))
        .route("/api/swarms/{info_hash}", get(routes::dashboard::swarm))
        .route("/config.json", get(routes::config::config))
        .route("/stats.json", get(routes::stats::json))
        .route("/stats", get(routes::stats::page))
        .route("/compare/{name}", get(routes::compare::report))
        .route("/announce", get(http_frontend::announce))
        .route("/scrape", get(http_frontend::scrape))
        .merge(downloads(&state))
        .merge(routes::account::router())
        .fallback(page)
        .layer(from_fn_with_state(state.clone(), upgrade))
        .with_state(state)
}

/// What is refused without an account in private mode.
fn downloads(state: &Arc<AppState>) -> Router<Arc<AppState>> {
    Router::new()
        .route("/files", any(files::redirect))
        .route("/files/", any(files::serve))
        .route("/files/{*path}", any(files::serve))
        .route("/torrents/{*path}", get(publication::torrent))
        .route_layer(from_fn_with_state(state.clone(), routes::account::downloads))
}

async fn page(State(state): State<Arc<AppState>>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    state.page.respond(&method, uri.path(), &headers)
}

/// Takes every WebSocket, whatever its path: announce URLs in the wild end in `/`, `/announce` and anything else. And
/// puts on every other response what all of them need.
async fn upgrade(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let client = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|client| client.0.ip());
    if let Some(Err(denied)) = client.map(|client| state.access.address(client)) {
        return turned_away(&state, denied, request.uri().path());
    }
    if is_websocket(&request) {
        return websocket(state, request).await;
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers
        .entry(HeaderName::from_static("cross-origin-resource-policy"))
        .or_insert(HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// What somebody gets who may not use the tracker.
fn turned_away(state: &AppState, denied: Unserved, path: &str) -> Response {
    state.traffic.rejections.add(denied);
    match path {
        "/announce" | "/scrape" => http_frontend::failure(&denied),
        _ => (StatusCode::FORBIDDEN, format!("{denied}\n")).into_response(),
    }
}

pub(crate) fn is_websocket(request: &Request) -> bool {
    let upgrades = request.headers().get_all(header::UPGRADE).iter().filter_map(|value| value.to_str().ok());
    upgrades
        .flat_map(|value| value.split(','))
        .any(|protocol| protocol.trim().eq_ignore_ascii_case("websocket"))
}

async fn websocket(state: Arc<AppState>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let Some(ConnectInfo(remote)) = parts.extensions.get::<ConnectInfo<SocketAddr>>().copied() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let connection = parts.extensions.get::<Place>().cloned();
    // Any website may open a WebSocket, and the browser shows its cookies there: they are not looked at.
    let credential = state.accounts.entering(parts.extensions.get::<Credential>().copied());
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &state).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    if state.shutdown.is_cancelled() {
        let wait = [(header::RETRY_AFTER, state.drain.back_in().to_string())];
        return (StatusCode::SERVICE_UNAVAILABLE, wait, "shutting down\n").into_response();
    }
    if !state.access.origin(&parts.uri, &parts.headers) {
        state.traffic.rejections.add(Rejected::Origin);
        info!(%remote, origin = ?parts.headers.get(header::ORIGIN), "a page of another origin; --allow-origins lists those let in");
        return (StatusCode::FORBIDDEN, "pages of this origin may not use this tracker\n").into_response();
    }
    let Some(of_address) = state.sockets.take(remote.ip()) else {
        state.traffic.rejections.add(Rejected::SocketsOfAddress);
        info!(%remote, "too many WebSockets of this address; raise --sockets-per-address if many peers share it");
        return (StatusCode::TOO_MANY_REQUESTS, "too many connections of your address\n").into_response();
    };
    let limits = &state.config.net;
    // What TLS has read is in memory already: a smaller buffer costs no call to the system.
    let is_tls = parts.extensions.get::<Use>().is_some_and(Use::is_tls);
    let read_buffer = if is_tls { limits.read_buffer_bytes.div_ceil(2) } else { limits.read_buffer_bytes };
    upgrade
        .read_buffer_size(read_buffer)
        // Several messages that wait are one write; a queue is written to its end each time.
        .write_buffer_size(WRITE_BUFFER)
        // The default is none: a peer that pings and never reads would have us keep every pong.
        .max_write_buffer_size(limits.message_bytes + WRITE_BUFFER)
        .max_message_size(limits.message_bytes)
        .max_frame_size(limits.message_bytes)
        .on_upgrade(move |socket| {
            // The connection's own task is over by now.
            let tasks = state.tasks.clone();
            // Boxed, since a task keeps room for what is moved in each place where it has been: 1.5 kB less for each socket.
            let served = Box::pin(tasks.track_future(ws::serve(Box::new(socket), remote, credential, state)));
            async move {
                let _ = served.await;
                drop((of_address, connection));
            }
        })
}
