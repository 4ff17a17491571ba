//! `/health`: whether the tracker takes requests.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;

use crate::state::AppState;

/// `200 ok`, or `503 shutting down` while connections are drained, so that nobody new is sent here.
pub(crate) async fn health(State(state): State<Arc<AppState>>) -> (StatusCode, &'static str) {
    if state.shutdown.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}
