//! `/config.json`: what the page must know about the tracker that served it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::state::AppState;

/// `iceServers` as `RTCPeerConnection` takes them, the path of the tracker's WebSocket, the ports (null where there is
/// none), the certificate's fingerprint and whether the tracker made it itself, whether `/files/` exists, and the version.
pub(crate) async fn config(State(state): State<Arc<AppState>>) -> Json<Value> {
    let ports = state.ports;
    let port = |address: Option<SocketAddr>| address.map(|address| address.port());
    Json(json!({
        "iceServers": state.config.ice_servers,
        "announcePath": "/announce",
        "ports": {
            "clear": port(Some(ports.clear)),
            "tls": port(ports.tls),
            "tlsHttp1": port(ports.tls_http1),
        },
        "udpPort": state.ports.udp.map(|address| address.port()),
        "tlsPort": port(ports.tls),
        "certificateFingerprint": state.fingerprint,
        "certificateGenerated": state.certificate_generated,
        "files": state.files.is_some(),
        "version": env!("CARGO_PKG_VERSION"),
    }))
}
