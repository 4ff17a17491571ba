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
        let (name, version) = client(prefix);
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
        "clients": clients,
        "peersByAddress": stats.addresses,
        "sockets": stats.sockets,
        "pendingOffers": stats.pending_offers,
        "announces": counters.announces,
        "announcesRefused": counters.announces_refused,
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
        "stunAnswered": state.stun.answered.get(),
        "stunRefused": state.stun.refused.get(),
        "relayed": state.turn.as_ref().map_or(0, Turn::len),
        "requestsPaced": traffic.paced.get(),
        "malformedRequests": state.malformed(),
        "filesSeeded": state.seeder.as_ref().map_or(0, Seeder::seeded),
        "uptimeSeconds": state.clock.now().as_millis() / 1_000,
        "cluster": state.cluster.as_ref().map(|cluster| cluster.status().to_json()),
    })
}

/// Name and version of a program that marks its peer_id in Azureus's style: `-`, two letters, four characters of the
/// version, `-` (BEP 20).
fn client(prefix: &[u8]) -> (String, String) {
    let (b'-', Some(&[a, b, v0, v1, v2, v3, b'-'])) =
        (prefix[0], prefix.get(1..8).and_then(|rest| rest.first_chunk()))
    else {
        return unknown(prefix);
    };
    let name = match [a, b] {
        [b'W', b'W'] => "WebTorrent",
        [b'W', b'D'] => "WebTorrent Desktop",
        [b'P', b'M'] => return ("Piecemeal".to_owned(), digits([v0, v1, v2, v3])),
        letters if letters.iter().all(u8::is_ascii_alphanumeric) => {
            return (String::from_utf8_lossy(&letters).into_owned(), digits([v0, v1, v2, v3]));
        }
        _ => return unknown(prefix),
    };
    // WebTorrent writes two digits for the major and two for the minor number.
    let pair = |tens: u8, ones: u8| match tens {
        b'0' => char::from(ones).to_string(),
        _ => digits([tens, ones]),
    };
    (name.to_owned(), format!("{}.{}", pair(v0, v1), pair(v2, v3)))
}

fn unknown(prefix: &[u8]) -> (String, String) {
    ("unknown".to_owned(), prefix.iter().copied().map(printable).collect())
}

fn digits<const N: usize>(bytes: [u8; N]) -> String {
    bytes.into_iter().map(printable).collect()
}

fn printable(byte: u8) -> char {
    if byte.is_ascii_graphic() { char::from(byte) } else { '?' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_by_their_prefix() {
        for (prefix, name, version) in [
            (b"-WW0091-", "WebTorrent", "0.91"),
            (b"-WW0300-", "WebTorrent", "3.0"),
            (b"-WW1203-", "WebTorrent", "12.3"),
            (b"-qB4650-", "qB", "4650"),
            (b"-PM0010-", "Piecemeal", "0010"),
            (b"-\0\xff1234-", "unknown", "-??1234-"),
            (b"M7-9-2--", "unknown", "M7-9-2--"),
        ] {
            assert_eq!(client(prefix), (name.to_owned(), version.to_owned()));
        }
    }
}
