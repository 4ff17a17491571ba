//! What trackers that ask for it are told of our progress.

use super::{Engine, PeerSnapshot, TorrentSnapshot, TrackerState, Transport, WebSeedSnapshot};
use crate::id::PeerId;
use crate::limits;
use crate::torrent::Action;
use crate::tracker::ws::report::{DhtState, Exchange, Path, TrackerLink};
use crate::tracker::ws::{ClientMessage, Report};

impl Engine {
    /// Tells whoever it is due to, of each torrent that takes part there.
    pub(super) fn report_due(&mut self) {
        for tracker in self.trackers.reports_due(self.ctx.now) {
            for info_hash in self.torrents_of(tracker) {
                let Some(torrent) = self.torrents.get(&info_hash).filter(|torrent| torrent.is_active())
                else {
                    continue;
                };
                let report = report(self.ctx.peer_id, torrent.snapshot(self.ctx.now, |_| None));
                let message = Box::new(ClientMessage::Report(report));
                self.ctx.actions.push_back(Action::Tell { tracker, message });
            }
        }
    }
}

fn report(peer_id: PeerId, torrent: TorrentSnapshot) -> Report {
    let web_rate = torrent.web_seeds.iter().map(|seed: &WebSeedSnapshot| seed.down_rate).sum();
    Report {
        info_hash: torrent.info_hash,
        peer_id,
        downloaded: torrent.downloaded,
        uploaded: torrent.uploaded,
        pieces_done: torrent.verified_pieces,
        pieces: torrent.pieces,
        size: torrent.total_bytes,
        down_rate: torrent.down_rate,
        up_rate: torrent.up_rate,
        web_rate,
        dht: DhtState::Off,
        dht_peers: 0,
        tracker: link(&torrent),
        exchanges: exchanges(&torrent.peers),
    }
}

fn link(torrent: &TorrentSnapshot) -> TrackerLink {
    let any = |state| torrent.trackers.iter().any(|tracker| tracker.state == state);
    if any(TrackerState::Working) {
        TrackerLink::Working
    } else if any(TrackerState::Connecting) {
        TrackerLink::Connecting
    } else {
        TrackerLink::Unreachable
    }
}

/// Those who move the most bytes.
fn exchanges(peers: &[PeerSnapshot]) -> Vec<Exchange> {
    let mut moving: Vec<&PeerSnapshot> =
        peers.iter().filter(|peer| peer.down_rate + peer.up_rate > 0).collect();
    moving.sort_by_key(|peer| core::cmp::Reverse(peer.down_rate + peer.up_rate));
    let exchange = |peer: &PeerSnapshot| {
        let path = match peer.transport {
            Transport::WebRtc => Path::Webrtc,
            Transport::Tcp => Path::Tcp,
            Transport::WebSeed => return None,
        };
        Some(Exchange { peer_id: peer.peer_id, path, down: peer.down_rate, up: peer.up_rate })
    };
    moving.into_iter().filter_map(exchange).take(limits::REPORT_PEERS_MAX).collect()
}
