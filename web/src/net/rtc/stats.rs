//! Which way the packets take, from `getStats()`.

use std::collections::BTreeMap;

use js_sys::{Map, Promise};
use shared::id::ConnId;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::RtcPeerConnection;

use super::Connections;
use crate::client::{PathInfo, PathKind};
use crate::compare::http::count;
use crate::compare::wire::{Both, Traffic};
use crate::platform::scope::property;

/// The path of each connection that has one.
pub async fn paths(connections: &Connections) -> BTreeMap<ConnId, PathInfo> {
    let mut paths = BTreeMap::new();
    for (conn, peer) in connections.all() {
        if let Some(path) = path(peer.pc()).await {
            paths.insert(conn, path);
        }
    }
    paths
}

/// What each connection has carried, and what those have that ended, of whom there are reports already.
pub(super) async fn traffic(
    connections: &Connections,
    ended: Vec<(ConnId, Promise<JsValue>)>,
) -> BTreeMap<ConnId, Traffic> {
    let open = connections.all().into_iter();
    let asked = open.map(|(conn, peer)| (conn, peer.pc().get_stats().unchecked_into::<Promise<JsValue>>()));
    let mut traffic = BTreeMap::new();
    for (conn, report) in ended.into_iter().chain(asked.collect::<Vec<_>>()) {
        if let Ok(report) = JsFuture::from(report).await {
            traffic.insert(conn, carried(&report.unchecked_into()));
        }
    }
    traffic
}

/// Firefox has no transports in its report, but the pair that is used.
fn carried(report: &Map) -> Traffic {
    let entries: Vec<JsValue> = js_sys::try_iter(&report.values())
        .ok()
        .flatten()
        .map_or_else(Vec::new, |all| all.filter_map(Result::ok).collect());
    let of = |kind: &'static str| {
        entries
            .iter()
            .filter(move |entry| property(entry, "type").as_string().is_some_and(|found| found == kind))
    };
    let both =
        |entry: &JsValue, sent, received| Both { sent: count(entry, sent), received: count(entry, received) };
    let sum = |kind, sent, received| {
        of(kind).map(|entry| both(entry, sent, received)).fold(Both::default(), Both::plus)
    };
    let mut traffic = Traffic {
        datagrams: sum("transport", "bytesSent", "bytesReceived"),
        packets: sum("transport", "packetsSent", "packetsReceived"),
        messages: sum("data-channel", "bytesSent", "bytesReceived"),
    };
    if traffic.datagrams == Both::default() {
        traffic.datagrams = sum("candidate-pair", "bytesSent", "bytesReceived");
        traffic.packets = sum("candidate-pair", "packetsSent", "packetsReceived");
    }
    traffic
}

async fn path(pc: &RtcPeerConnection) -> Option<PathInfo> {
    // A connection that was closed meanwhile has no statistics, and no path either.
    let report: Map = JsFuture::from(pc.get_stats()).await.ok()?.unchecked_into();
    let pair = selected_pair(&report)?;
    let local = entry(&report, &property(&pair, "localCandidateId"))?;
    let remote = entry(&report, &property(&pair, "remoteCandidateId"))?;
    let rtt_us = property(&pair, "currentRoundTripTime").as_f64().map(|seconds| (seconds * 1e6) as u32);
    Some(PathInfo { kind: kind(&local, &remote), rtt_us })
}

fn entry(report: &Map, id: &JsValue) -> Option<JsValue> {
    let entry = report.get(id);
    (!entry.is_undefined()).then_some(entry)
}

/// The pair in use: named by the transport in Chromium and Safari, marked `selected` in Firefox.
fn selected_pair(report: &Map) -> Option<JsValue> {
    let entries: Vec<JsValue> = js_sys::try_iter(&report.values()).ok()??.filter_map(Result::ok).collect();
    let is =
        |entry: &JsValue, kind: &str| property(entry, "type").as_string().is_some_and(|found| found == kind);
    let named = entries
        .iter()
        .filter(|entry| is(entry, "transport"))
        .find_map(|transport| entry_of(report, &property(transport, "selectedCandidatePairId")));
    named.or_else(|| {
        let pair = |entry: &&JsValue| is(entry, "candidate-pair") && property(entry, "selected").is_truthy();
        entries.iter().find(pair).cloned()
    })
}

fn entry_of(report: &Map, id: &JsValue) -> Option<JsValue> {
    if id.is_undefined() { None } else { entry(report, id) }
}

fn kind(local: &JsValue, remote: &JsValue) -> PathKind {
    let kind_of = |candidate: &JsValue| property(candidate, "candidateType").as_string().unwrap_or_default();
    if kind_of(local) == "relay" || kind_of(remote) == "relay" {
        return PathKind::Relayed;
    }
    if is_near(local, &kind_of(local)) && is_near(remote, &kind_of(remote)) {
        PathKind::Lan
    } else {
        PathKind::Direct
    }
}

/// Whether a candidate is an address of a local network. The browser hides addresses that it gave out as mDNS names,
/// and those of remotes that it learnt from packets only.
fn is_near(candidate: &JsValue, kind: &str) -> bool {
    let address = ["address", "ip"].into_iter().find_map(|name| property(candidate, name).as_string());
    match address.filter(|address| !address.is_empty()) {
        Some(address) => is_private(&address),
        None => matches!(kind, "host" | "prflx"),
    }
}

fn is_private(address: &str) -> bool {
    if address.ends_with(".local") {
        return true;
    }
    match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(v4)) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
        Ok(std::net::IpAddr::V6(v6)) => {
            v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_private;

    #[test]
    fn addresses_of_local_networks_are_told_from_others() {
        for near in
            ["10.77.0.1", "192.168.1.9", "172.16.0.1", "169.254.3.4", "127.0.0.1", "fe80::1", "fd00::2"]
        {
            assert!(is_private(near), "{near}");
        }
        assert!(is_private("0b3c9a1e-2f55-4c9e-a8a5-3c5f6f1f8a0e.local"));
        for far in ["8.8.8.8", "172.32.0.1", "2001:db8::1", "nonsense"] {
            assert!(!is_private(far), "{far}");
        }
    }
}
