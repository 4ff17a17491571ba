//! `/metrics`: numbers for Prometheus, on the ports for everybody or on one of their own.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};

use super::health;
use crate::observe::access::{self, Asker, Secret};
use crate::observe::exposition;
use crate::state::AppState;

/// All numbers in the OpenMetrics text format.
pub(crate) async fn metrics(State(state): State<Arc<AppState>>, asker: Asker) -> Response {
    if state.config.observe.metrics_listen.is_some() {
        return (StatusCode::NOT_FOUND, "metrics are on the port of --metrics-listen\n").into_response();
    }
    match access::check(&state, Secret::Metrics, &asker) {
        Ok(()) => collected(state).await,
        Err(refusal) => *refusal,
    }
}

/// What the port for metrics answers. Whoever reaches it may read, with the token if there is one: who opened it chose who
/// reaches it.
pub(crate) fn port(state: Arc<AppState>) -> Router {
    Router::new()
        .route("/metrics", get(on_own_port))
        .route("/health", get(health::health))
        .route("/healthz", get(health::health))
        .route("/readyz", get(health::health))
        .layer(from_fn(|request, next: Next| async move {
            let mut response = next.run(request).await;
            response
                .headers_mut()
                .insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            response
        }))
        .with_state(state)
}

async fn on_own_port(State(state): State<Arc<AppState>>, asker: Asker) -> Response {
    if state.config.observe.metrics_token.is_some()
        && let Err(refusal) = access::check(&state, Secret::Metrics, &asker)
    {
        return *refusal;
    }
    collected(state).await
}

async fn collected(state: Arc<AppState>) -> Response {
    // Counting the swarms takes a while where they are large, and reading the process's numbers waits for the system.
    let text = tokio::task::spawn_blocking(move || exposition::text(&state)).await;
    match text {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, exposition::CONTENT_TYPE)], text).into_response(),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n").into_response(),
    }
}
