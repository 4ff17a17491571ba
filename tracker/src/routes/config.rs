//! `/config.json`: what the page must know about the tracker that served it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::{HeaderMap, Uri};
use serde_json::{Value, json};

use crate::account::of_cookie;
use crate::listener::connection::Use;
use crate::observe::access::{self, Asker, Secret};
use crate::state::AppState;
use crate::{host, stun};

/// `iceServers` as `RTCPeerConnection` takes them, the path of the tracker's WebSocket, the ports (null where there is
/// none), the certificate's fingerprint and whether the tracker made it itself, whether `/files/` exists, of private mode whether a
/// login is `required` and who may register (null without), whether who asks may see the dashboard, and the version.
pub(crate) async fn config(
    State(state): State<Arc<AppState>>,
    connection: Option<Extension<Use>>,
    asker: Asker,
    uri: Uri,
    headers: HeaderMap,
) -> Json<Value> {
    let is_tls = connection.is_some_and(|Extension(connection)| connection.is_tls());
    let ports = state.ports;
    let port = |address: Option<SocketAddr>| address.map(|address| address.port());
    Json(json!({
        "iceServers": ice_servers(&state, &uri, &headers, is_tls),
        "announcePath": "/announce",
        "ports": {
            "clear": port(Some(ports.clear)),
            "tls": port(ports.tls),
            "tlsHttp1": port(ports.tls_http1),
        },
        "udpPort": state.ports.udp.map(|address| address.port()),
        "tlsPort": port(ports.tls),
        "certificateFingerprint": state.certificates.as_ref().map(|certificates| certificates.fingerprint()),
        "certificateGenerated": state.certificates.as_ref().is_some_and(|certificates| certificates.are_generated()),
        "files": state.files.is_some(),
        "accounts": state.accounts.describe().map(|(required, registration)| {
            json!({ "required": required, "registration": registration })
        }),
        "dashboard": access::is_allowed(&state, Secret::Dashboard, &asker),
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

/// The tracker's own, under the host by which the page called it, and what the operator named beside. No third party's. Where a
/// login is required, the relay is for those who are logged in.
fn ice_servers(state: &AppState, uri: &Uri, headers: &HeaderMap, is_tls: bool) -> Vec<Value> {
    let own = state.stun_address().zip(host::host(uri, headers));
    let own = own.and_then(|(address, host)| stun::url(host, address)).map(|url| json!({ "urls": url }));
    let relay =
        state.turn.as_ref().zip(host::host(uri, headers)).filter(|_| may_relay(state, headers, is_tls));
    let relay = relay.and_then(|(turn, host)| turn.ice_server(host));
    own.into_iter().chain(relay).chain(state.config.ice_servers.iter().cloned()).collect()
}

fn may_relay(state: &AppState, headers: &HeaderMap, is_tls: bool) -> bool {
    let required = state.accounts.describe().is_some_and(|(required, _)| required);
    !required || state.accounts.me(of_cookie(headers, is_tls)).is_ok()
}
