//! `/health` and `/readyz`: whether the tracker takes requests.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;

use crate::state::AppState;

/// `200 ok`, or `503 shutting down` as soon as the tracker was asked to end, so that nobody new is sent here.
pub(crate) async fn health(State(state): State<Arc<AppState>>) -> (StatusCode, &'static str) {
    if state.drain.is_leaving() {
        (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}
