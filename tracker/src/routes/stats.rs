//! `/stats.json`, with bittorrent-tracker's field names and a few of our own; `/stats` shows the same to people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse as _;
use http::header::{self, HeaderMap};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::client_name::client_name;
use crate::frontend::{Rejected, rejections};
use crate::html;
use crate::seed::Seeder;
use crate::state::AppState;
use crate::turn::Turn;

/// Numbers of now and since the start.
pub(crate) async fn json(State(state): State<Arc<AppState>>) -> Json<Value> {
    Json(numbers(&state))
}

/// The same as a page, or as JSON if the client asks for that.
pub(crate) async fn page(State(state): State<Arc<AppState>>, headers: HeaderMap) -> Response<Body> {
    let numbers = numbers(&state);
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accept.contains("application/json") && !accept.contains("text/html") {
        return Json(numbers).into_response();
    }
    let mut rows = String::new();
    for (name, value) in numbers.as_object().into_iter().flatten().filter(|(_, value)| value.is_number()) {
        let _ = writeln!(rows, "<tr><td>{name}</td><td>{value}</td></tr>");
    }
    let head = "<thead><tr><th scope=\"col\">Number</th><th scope=\"col\">Value</th></tr></thead>";
    let body = format!("<table>\n{head}\n<tbody>\n{rows}</tbody>\n</table>");
    html::described_page(StatusCode::OK, "Tracker", &summary(&numbers), &body)
}

/// One number a line, in the order of bittorrent-tracker's page, for who reads that page line by line.
fn summary(numbers: &Value) -> String {
    let mut summary = format!("{} torrents ({} active)", numbers["torrents"], numbers["activeTorrents"]);
    for (name, field) in [
        ("Connected peers", "peersAll"),
        ("Peers that only seed", "peersSeederOnly"),
        ("Peers that only leech", "peersLeecherOnly"),
        ("Peers that do both", "peersSeederAndLeecher"),
        ("IPv4 peers", "peersIPv4"),
        ("IPv6 peers", "peersIPv6"),
    ] {
        let _ = write!(summary, "\n{name}: {}", numbers[field]);
    }
    summary
}

fn numbers(state: &AppState) -> Value {
    let stats = state.stats();
    let mut clients: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for (prefix, peers) in &stats.clients {
        let (name, version) = client_name(prefix);
        *clients.entry(name).or_default().entry(version).or_default() += peers;
    }
    let (counters, traffic) = (stats.counters, &state.traffic);
    json!({
        "torrents": stats.torrents,
        // Swarms without members do not exist here.
        "activeTorrents": stats.torrents,
        "peersAll": stats.peers,
        "peersSeederOnly": stats.seeders_only,
        "peersLeecherOnly": stats.leechers_only,
        "peersSeederAndLeecher": stats.both,
        "peersIPv4": stats.ipv4,
        "peersIPv6": stats.ipv6,
        "partialSeeds": stats.partial_seeds,
        "clients": clients,
        "peersByAddress": stats.addresses,
        "sockets": stats.sockets,
        "pendingOffers": stats.pending_offers,
        "announces": counters.announces,
        "announcesRefused": counters.announces_refused(),
        "offersRelayed": counters.offers_relayed,
        "offersUnwanted": counters.offers_unwanted,
        "offersExpired": counters.offers_expired,
        "answersRelayed": counters.answers_relayed,
        "answersUnexpected": counters.answers_unexpected,
        "scrapes": counters.scrapes,
        "membersExpired": counters.members_expired,
        "announcesHttp": traffic.http_announces.get(),
        "announcesUdp": traffic.udp_announces.get(),
        "scrapesHttp": traffic.http_scrapes.get(),
        "scrapesUdp": traffic.udp_scrapes.get(),
        "connectsUdp": traffic.udp_connects.get(),
        "unprovenUdp": traffic.udp_unproven.get(),
        "garbageUdp": traffic.udp_garbage.get(),
        "lostUdp": traffic.udp_lost.get(),
        "stunAnswered": state.stun.answered.get(),
        "stunRefused": state.stun.refused.get(),
        "relayed": state.turn.as_ref().map_or(0, Turn::len),
        "requestsPaced": traffic.rejections.get(Rejected::RequestsOfAddress),
        "rejections": rejections::all(traffic, &counters).collect::<BTreeMap<_, _>>(),
        "malformedRequests": traffic.rejections.get(Rejected::Malformed),
        "filesSeeded": state.seeder.as_ref().map_or(0, Seeder::seeded),
        "uptimeSeconds": state.clock.now().as_millis() / 1_000,
        "cluster": state.cluster.as_ref().map(|cluster| cluster.status().to_json()),
    })
}
