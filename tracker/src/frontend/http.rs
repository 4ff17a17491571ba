//! BitTorrent peers over HTTP: `GET /announce` and `GET /scrape`.
//!
//! Whatever is wrong is said as a bencoded failure with status 200, since clients read nothing else.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Uri, header};
use shared::tracker::AnnounceResponse;
use shared::tracker::http::{
    Peers, Retry, encode_announce, encode_failure, encode_refusal, encode_scrape, parse_announce,
    parse_scrape,
};

use crate::access::Unserved;
use crate::account::{Credential, Wish};
use crate::frontend::Rejected;
use crate::policy::who::Denied;
use crate::state::AppState;
use crate::swarm::address::{Found, Met, Reach};

/// Most peers in one reply; qBittorrent asks for as many.
const PEERS_MAX: usize = 200;

/// An announce may come this many times as often as it should.
const MIN_INTERVAL_PART: u32 = 10;

pub(crate) async fn announce(
    State(state): State<Arc<AppState>>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    credential: Option<Extension<Credential>>,
    uri: Uri,
) -> Response {
    answered(&state, announced(&state, remote, shown(credential), uri.query().unwrap_or_default()))
}

pub(crate) async fn scrape(
    State(state): State<Arc<AppState>>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    credential: Option<Extension<Credential>>,
    uri: Uri,
) -> Response {
    answered(&state, scraped(&state, remote, shown(credential), uri.query().unwrap_or_default()))
}

/// The request is one too many of its address: who asks too often is told so, and has to connect again: the next of a flood of
/// requests costs it a handshake.
pub(super) struct TooMany;

impl TooMany {
    /// Counts it; the reply.
    pub(super) fn reply(&self, state: &AppState) -> Vec<u8> {
        state.traffic.rejections.add(Rejected::RequestsOfAddress);
        encode_failure("too many requests of your address", Some(Retry::Minutes(1)))
    }
}

pub(super) fn announced(
    state: &AppState,
    remote: SocketAddr,
    credential: Credential,
    query: &str,
) -> Result<Vec<u8>, TooMany> {
    state.traffic.http_announces.add();
    let ip = remote.ip().to_canonical();
    let now = state.clock.now();
    if !state.gate.admit(now, ip) {
        return Err(TooMany);
    }
    let announce = match parse_announce(query) {
        Ok(announce) => announce,
        Err(error) => return Ok(malformed(state, &error.to_string())),
    };
    if let Err(denied) = state.accounts.admit(credential, &announce.request) {
        state.traffic.rejections.add(Rejected::Account);
        return Ok(refused(denied));
    }
    if let Err(denied) = state.access.announce(ip, &announce.request.info_hash) {
        return Ok(unserved(state, denied));
    }
    let mut found = Found::default();
    found.clear(!announce.compact && !announce.no_peer_id);
    let met = state.announced(now, ip, &announce.request, (Reach::Both, PEERS_MAX), &mut found);
    let Met { counts, interval } = match met {
        Ok(met) => met,
        Err(refusal) => return Ok(encode_failure(&refusal.to_string(), None)),
    };
    let response = AnnounceResponse {
        interval,
        min_interval: Some(interval / MIN_INTERVAL_PART),
        complete: Some(counts.complete),
        incomplete: Some(counts.incomplete),
        peers: if announce.compact { Vec::new() } else { found.addresses().collect() },
        external_ip: Some(ip),
        tracker_id: None,
        warning: None,
    };
    let ids: Vec<_> = found.ids().collect();
    let runs = Peers::Runs { v4: &found.v4, v6: &found.v6 };
    Ok(encode_announce(&response, if announce.compact { runs } else { Peers::List(&ids) }))
}

pub(super) fn scraped(
    state: &AppState,
    remote: SocketAddr,
    credential: Credential,
    query: &str,
) -> Result<Vec<u8>, TooMany> {
    state.traffic.http_scrapes.add();
    if !state.gate.admit(state.clock.now(), remote.ip()) {
        return Err(TooMany);
    }
    if let Err(denied) = state.accounts.may(credential, Wish::Scrape) {
        state.traffic.rejections.add(Rejected::Account);
        return Ok(refused(denied));
    }
    match parse_scrape(query) {
        Ok(hashes) => {
            if let Err(denied) = state.access.scrape(remote.ip(), &hashes) {
                return Ok(unserved(state, denied));
            }
            let mut files = state.swarms.scraped(&hashes);
            files.retain(|(hash, _)| state.access.torrent(hash).is_ok());
            let seconds = state.config.swarm.address_interval.as_secs();
            Ok(encode_scrape(&files, Some(u32::try_from(seconds).unwrap_or(u32::MAX))))
        }
        Err(error) => Ok(malformed(state, &error.to_string())),
    }
}

fn shown(credential: Option<Extension<Credential>>) -> Credential {
    credential.map(|Extension(credential)| credential).unwrap_or_default()
}

fn refused(denied: Denied) -> Vec<u8> {
    // This URL will never do; what an account or torrent may can change.
    let retry = if denied.wants_login() { Retry::Never } else { Retry::Minutes(60) };
    encode_refusal(&denied.to_string(), denied.code(), retry)
}

fn malformed(state: &AppState, reason: &str) -> Vec<u8> {
    state.traffic.rejections.add(Rejected::Malformed);
    encode_failure(reason, None)
}

fn answered(state: &AppState, reply: Result<Vec<u8>, TooMany>) -> Response {
    let close = [(header::CONNECTION, HeaderValue::from_static("close"))];
    reply.map_or_else(|too_many| (close, bencoded(too_many.reply(state))).into_response(), bencoded)
}

fn unserved(state: &AppState, denied: Unserved) -> Vec<u8> {
    state.traffic.rejections.add(denied);
    encode_failure(&denied.to_string(), None)
}

/// A failure for whoever does not get as far as asking something.
pub(crate) fn failure(reason: &impl std::fmt::Display) -> Response {
    bencoded(encode_failure(&reason.to_string(), None))
}

fn bencoded(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))], body).into_response()
}
