//! `/config.json`: what the page must know about the tracker that served it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::state::AppState;

/// `iceServers` as `RTCPeerConnection` takes them, the path of the tracker's WebSocket, the TLS port (null if there is
/// none) with its certificate's fingerprint, whether `/files/` exists, and the version.
pub(crate) async fn config(State(state): State<Arc<AppState>>) -> Json<Value> {
    Json(json!({
        "iceServers": state.config.ice_servers,
        "announcePath": "/announce",
        "tlsPort": state.tls_address.map(|address| address.port()),
        "certificateFingerprint": state.fingerprint,
        "files": state.files.is_some(),
        "version": env!("CARGO_PKG_VERSION"),
    }))
}
