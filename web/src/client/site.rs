//! What the page finds out before anything starts: what this browser and address allow, and what the server configures.

use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use js_sys::Array;
use std::pin::pin;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Response, RtcPeerConnection};

use super::bridge::Bridge;
use super::state::Capabilities;
use crate::platform::JsError;
use crate::platform::scope::{self, property};

/// The server's configuration of this page, from `/config.json`. Everything in it may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteConfig {
    /// Port of the server's TLS listener: over plain http the page links there.
    pub tls_port: Option<u16>,
    /// Port of the one that agrees on HTTP/1.1 only.
    pub tls_http1_port: Option<u16>,
    /// Port of the one in clear.
    pub clear_port: Option<u16>,
    /// SHA-256 fingerprint of the certificate, in hexadecimal pairs.
    pub fingerprint: Option<String>,
    /// Whether the server made the certificate itself, which no browser trusts by itself.
    pub certificate_generated: bool,
    /// Whether this browser may see the server's dashboard.
    pub dashboard: bool,
    /// Its accounts, if it has any.
    pub accounts: Option<SiteAccounts>,
    /// Port where announces over UDP are taken.
    pub udp_port: Option<u16>,
}

/// What the server says of its accounts to everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteAccounts {
    /// Nothing is announced or downloaded without one.
    pub required: bool,
    /// Who may make one: `open`, `invite` or `closed`.
    pub registration: String,
}

/// Bytes that a download may have where it must stay in memory. A tab that asks for much more is ended by the system
/// on a phone, without a word.
pub const MEMORY_CAP_BYTES: u64 = 500_000_000;

/// The configuration comes from the server that gave the page; a server that does not answer by then has none.
const CONFIG_WITHIN_MS: u32 = 2_000;

/// What can be said at once.
pub(super) fn capabilities() -> Capabilities {
    let global = js_sys::global();
    let cores = scope::hardware_concurrency();
    Capabilities {
        secure_context: property(&global, "isSecureContext").is_truthy(),
        webrtc: property(&global, "RTCPeerConnection").is_function(),
        memory_cap_bytes: MEMORY_CAP_BYTES,
        // One core is left for the engine and the page.
        hash_threads: cores.saturating_sub(1).clamp(1, 4),
        ..Capabilities::default()
    }
}

/// The announce URL of this origin.
pub(super) fn tracker() -> Result<String, JsError> {
    Ok(announce_url(&scope::window()?.location().origin()?))
}

/// The announce URL of the server at an origin (`https://host:port`).
pub fn announce_url(origin: &str) -> String {
    match origin.strip_prefix("https://") {
        Some(host) => ["wss://", host, "/announce"].concat(),
        None => ["ws://", origin.strip_prefix("http://").unwrap_or(origin), "/announce"].concat(),
    }
}

/// Whether two URLs are of one server, whatever their paths.
pub fn same_server(one: &str, other: &str) -> bool {
    let host = |url: &str| {
        let rest = url.split_once("://")?.1;
        Some(rest.split(['/', '?', '#']).next().unwrap_or(rest).to_ascii_lowercase())
    };
    host(one).is_some_and(|one| host(other) == Some(one))
}

/// Whether the page's query has this parameter with this value.
pub(super) fn query_has(name: &str, value: &str) -> bool {
    let search = scope::window().ok().and_then(|window| window.location().search().ok()).unwrap_or_default();
    search.trim_start_matches('?').split('&').any(|pair| pair.split_once('=') == Some((name, value)))
}

/// The server's configuration, and its ICE servers as `RTCConfiguration` takes them.
pub(super) async fn config() -> (SiteConfig, JsValue) {
    let answer = match select(pin!(fetch()), TimeoutFuture::new(CONFIG_WITHIN_MS)).await {
        Either::Left((Ok(answer), _)) => answer,
        Either::Left((Err(_), _)) | Either::Right(_) => JsValue::UNDEFINED,
    };
    let servers = if answer.is_object() { property(&answer, "iceServers") } else { JsValue::UNDEFINED };
    let servers = if Array::is_array(&servers) { servers } else { Array::new().into() };
    if !answer.is_object() {
        return (SiteConfig::default(), servers);
    }
    let ports = property(&answer, "ports");
    let named = |name| if ports.is_object() { property(&ports, name) } else { JsValue::UNDEFINED };
    let config = SiteConfig {
        tls_port: port(&property(&answer, "tlsPort")),
        tls_http1_port: port(&named("tlsHttp1")),
        clear_port: port(&named("clear")),
        fingerprint: property(&answer, "certificateFingerprint").as_string(),
        certificate_generated: property(&answer, "certificateGenerated").is_truthy(),
        dashboard: property(&answer, "dashboard").is_truthy(),
        accounts: accounts(&property(&answer, "accounts")),
        udp_port: port(&property(&answer, "udpPort")),
    };
    (config, servers)
}

fn accounts(value: &JsValue) -> Option<SiteAccounts> {
    value.is_object().then(|| SiteAccounts {
        required: property(value, "required").is_truthy(),
        registration: property(value, "registration").as_string().unwrap_or_default(),
    })
}

fn port(value: &JsValue) -> Option<u16> {
    value.as_f64().filter(|port| (1.0..65_536.0).contains(port)).map(|port| port as u16)
}

async fn fetch() -> Result<JsValue, JsError> {
    let response: Response =
        JsFuture::from(scope::window()?.fetch_with_str("/config.json")).await?.unchecked_into();
    if !response.ok() {
        return Err(JsError::unexpected(format!("expected /config.json, got status {}", response.status())));
    }
    Ok(JsFuture::from(response.json()?).await?)
}

/// Tries to give a data channel to the worker. Whether it arrived, the worker says when it is ready.
pub(super) fn probe_channel(bridge: &Bridge) -> Result<(), JsError> {
    let pc = RtcPeerConnection::new()?;
    let channel = pc.create_data_channel("probe");
    let posted = bridge.probe_channel(&channel);
    pc.close();
    posted
}
