//! `/compare/ID.json`: what a transfer that was begun with `?lane=ID` cost.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, Uri};

use crate::files::cors;
use crate::host;
use crate::state::AppState;

/// [`crate::compare::Report`]; 404 if there is no such transfer, or not any more.
pub(crate) async fn report(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if host::is_misled(&state.config, &uri, &headers) {
        return host::misled().into_response();
    }
    let report = name.strip_suffix(".json").and_then(|id| state.transfers.report(id));
    let mut response = match report {
        Some(report) => Json(report).into_response(),
        None => {
            (StatusCode::NOT_FOUND, "no such transfer was measured, or it was long ago\n").into_response()
        }
    };
    cors::allow(&state, &uri, &headers, response.headers_mut());
    response
}
