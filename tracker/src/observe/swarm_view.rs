//! One swarm as a picture: who is in it, how far each is, and who gives whom.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Instant;

use serde::Serialize;
use shared::id::{InfoHash, PeerId};
use shared::tracker::ws::report::{DhtState, Path, TrackerLink};

use super::reports::Kept;
use crate::client_name::client_name;
use crate::seed::Seeder;
use crate::state::AppState;
use crate::swarm::{Counts, SocketId};

/// Peers that are shown; of a larger swarm those who report, and some others.
const PEERS_MAX: usize = 200;

/// How the tracker's own seed, and its web server, are named.
const SERVER: &str = "server";

/// One swarm at one moment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SwarmView {
    pub(crate) info_hash: String,
    pub(crate) seeds: u32,
    pub(crate) leeches: u32,
    /// Those of the leeches that want no more.
    pub(crate) partial_seeds: u32,
    /// At most [`PEERS_MAX`].
    pub(crate) peers: Vec<PeerView>,
    /// Real flows of the last report.
    pub(crate) flows: Vec<Flow>,
}

/// One member.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PeerView {
    /// Of this run of the tracker: nobody is found by it.
    pub(crate) id: String,
    /// `websocket` or `address`, by which it announces; `server` is this tracker's own.
    pub(crate) kind: &'static str,
    pub(crate) client: String,
    pub(crate) seed: bool,
    /// 0 to 1; null of a leecher that does not report.
    pub(crate) progress: Option<f64>,
    /// What it says of itself, if it does.
    pub(crate) report: Option<ReportView>,
}

/// A report as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReportView {
    downloaded: u64,
    uploaded: u64,
    pieces_done: u32,
    pieces: u32,
    size: u64,
    down_rate: u64,
    up_rate: u64,
    web_rate: u64,
    /// Uploaded for each byte downloaded; of who has downloaded nothing, for each byte of the torrent.
    ratio: Option<f64>,
    dht: DhtState,
    dht_peers: u32,
    tracker: TrackerLink,
    age_ms: u64,
}

/// Bytes on their way.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Flow {
    from: String,
    to: String,
    /// Payload bytes a second, as the receiver says, or else the giver.
    rate: u64,
    /// `webrtc`, `tcp` or `http`.
    path: &'static str,
}

impl SwarmView {
    /// The swarm of now; empty if there is none.
    pub(crate) fn now(state: &AppState, info_hash: InfoHash) -> Self {
        let now = Instant::now();
        let reports = state.observe.reports.of_swarm(&info_hash, now);
        let reporting: BTreeSet<(SocketId, PeerId)> =
            reports.iter().map(|(socket, kept)| (*socket, kept.report.peer_id)).collect();
        let (counts, mut roster) = state.swarms.roster(&info_hash, PEERS_MAX, &reporting);
        let own = state.seeder.as_ref().map(Seeder::peer_id);
        roster.sort_by_key(|member| member.peer_id);
        // A peer that just connected again is there twice for a moment.
        roster.dedup_by_key(|member| member.peer_id);
        let names = |peer_id: &PeerId| match own == Some(*peer_id) {
            true => SERVER.to_owned(),
            false => state.observe.name(peer_id),
        };
        let of: BTreeMap<PeerId, &Kept> =
            reports.iter().map(|(_, kept)| (kept.report.peer_id, kept)).collect();
        let Counts { complete, incomplete, partial } = counts;
        let peers = roster.iter().map(|member| {
            let kept = of.get(&member.peer_id).filter(|_| member.websocket);
            let report = kept.map(|kept| ReportView::new(kept, now));
            let known =
                report.as_ref().and_then(|report| part(report.pieces_done.into(), report.pieces.into()));
            let (program, version) = client_name(&member.peer_id.0[..8]);
            PeerView {
                id: names(&member.peer_id),
                kind: match (own == Some(member.peer_id), member.websocket) {
                    (true, _) => SERVER,
                    (_, true) => "websocket",
                    (_, false) => "address",
                },
                client: format!("{program} {version}"),
                seed: member.role.is_seed(),
                progress: if member.role.is_seed() { Some(1.0) } else { known },
                report,
            }
        });
        let peers: Vec<_> = peers.collect();
        let shown: HashSet<&str> = peers.iter().map(|peer| peer.id.as_str()).collect();
        let flows = flows(reports.iter().map(|(_, kept)| kept), &names);
        let flows = flows.into_iter().filter(|flow| {
            let is_shown = |id: &str| id == SERVER || shown.contains(id);
            is_shown(&flow.from) && is_shown(&flow.to)
        });
        let flows = flows.collect();
        Self {
            info_hash: info_hash.to_string(),
            seeds: complete,
            leeches: incomplete,
            partial_seeds: partial,
            peers,
            flows,
        }
    }
}

impl ReportView {
    fn new(kept: &Kept, now: Instant) -> Self {
        let report = &kept.report;
        let base = if report.downloaded > 0 { report.downloaded } else { report.size };
        Self {
            downloaded: report.downloaded,
            uploaded: report.uploaded,
            pieces_done: report.pieces_done,
            pieces: report.pieces,
            size: report.size,
            down_rate: report.down_rate,
            up_rate: report.up_rate,
            web_rate: report.web_rate,
            ratio: part(report.uploaded, base),
            dht: report.dht,
            dht_peers: report.dht_peers,
            tracker: report.tracker,
            age_ms: u64::try_from(now.saturating_duration_since(kept.at).as_millis()).unwrap_or(u64::MAX),
        }
    }
}

fn part(of: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| of as f64 / whole as f64)
}

/// Each flow once: what the receiver says of it counts more than what the giver says.
fn flows<'a>(reports: impl Iterator<Item = &'a Kept>, name: &impl Fn(&PeerId) -> String) -> Vec<Flow> {
    let mut by_ends: BTreeMap<(String, String, &'static str), (u64, bool)> = BTreeMap::new();
    for Kept { report, .. } in reports {
        let own = name(&report.peer_id);
        if report.web_rate > 0 {
            by_ends.insert((SERVER.to_owned(), own.clone(), "http"), (report.web_rate, true));
        }
        for exchange in &report.exchanges {
            let (other, path) = (name(&exchange.peer_id), path(exchange.path));
            if exchange.down > 0 {
                by_ends.insert((other.clone(), own.clone(), path), (exchange.down, true));
            }
            if exchange.up > 0 {
                let said = by_ends.entry((own.clone(), other, path)).or_insert((exchange.up, false));
                if !said.1 {
                    said.0 = exchange.up;
                }
            }
        }
    }
    by_ends.into_iter().map(|((from, to, path), (rate, _))| Flow { from, to, rate, path }).collect()
}

const fn path(path: Path) -> &'static str {
    match path {
        Path::Webrtc => "webrtc",
        Path::Tcp => "tcp",
    }
}

#[cfg(test)]
mod tests {
    use shared::tracker::ws::Report;

    use super::*;

    fn kept(own: char, web_rate: u64, exchanges: &str) -> Kept {
        let id = |name: char| name.to_string().repeat(20);
        let text = format!(
            r#"{{"action":"report","info_hash":"{}","peer_id":"{}","web_rate":{web_rate},"exchanges":[{exchanges}]}}"#,
            id('t'),
            id(own)
        );
        Kept { report: Report::parse(&text).unwrap(), at: Instant::now() }
    }

    fn exchange(other: char, down: u64, up: u64) -> String {
        format!(r#"{{"peer_id":"{}","path":"webrtc","down":{down},"up":{up}}}"#, other.to_string().repeat(20))
    }

    #[test]
    fn a_flow_is_shown_once_and_as_its_receiver_says() {
        let name = |peer: &PeerId| char::from(peer.0[0]).to_string();
        let giver = kept('a', 0, &exchange('b', 0, 900));
        let receiver = kept('b', 50, &exchange('a', 800, 0));
        let other = kept('c', 0, &exchange('x', 0, 7));
        let flow =
            |from: &str, to: &str, rate, path| Flow { from: from.to_owned(), to: to.to_owned(), rate, path };
        let expected =
            [flow("a", "b", 800, "webrtc"), flow("c", "x", 7, "webrtc"), flow(SERVER, "b", 50, "http")];
        for order in [[&giver, &receiver, &other], [&other, &receiver, &giver]] {
            assert_eq!(flows(order.into_iter(), &name), expected);
        }
    }
}
