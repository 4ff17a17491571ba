//! Why a transfer does not move, in the words of the page.

use shared::engine::{EffectFailure, Phase, TorrentSnapshot, TrackerSnapshot, TrackerState, Waiting};
use shared::units::percent;
use shared::url::without_key;

use super::units;

/// Milliseconds without peers after which it is said that nobody is there.
const NOBODY_AFTER_MS: u64 = 3_000;
/// Milliseconds of failing to connect after which the network is named as the reason.
const CONNECT_AFTER_MS: u64 = 8_000;
/// Milliseconds without a byte after which it is said.
const SILENT_AFTER_MS: u64 = 15_000;
/// Milliseconds of being choked after which it is said.
const CHOKED_AFTER_MS: u64 = 3_000;

/// What a download waits for or is doing besides moving bytes; `None` while it simply runs.
pub(crate) fn of_download(torrent: &TorrentSnapshot) -> Option<String> {
    match torrent.phase {
        Phase::Checking => Some("checking what is already here…".to_owned()),
        Phase::Connecting => Some(waiting(torrent).unwrap_or_else(|| LOOKING.to_owned())),
        Phase::Metadata => Some(match &torrent.waiting {
            Some(Waiting::Pieces) => "connected, but nobody here has the list of files yet".to_owned(),
            Some(Waiting::Data { .. } | Waiting::Unchoke { .. }) | None => FETCHING_LIST.to_owned(),
            Some(_) => waiting(torrent).unwrap_or_else(|| FETCHING_LIST.to_owned()),
        }),
        Phase::Downloading => waiting(torrent),
        Phase::Ready | Phase::Complete | Phase::Seeding | Phase::Paused | Phase::Error => None,
    }
}

const LOOKING: &str = "looking for people who have this file…";
const FETCHING_LIST: &str = "connected, fetching the list of files…";

fn waiting(torrent: &TorrentSnapshot) -> Option<String> {
    let kept = || percent(torrent.verified_bytes, torrent.total_bytes);
    if let (Some(Waiting::Peers { .. }), Some(reason)) = (&torrent.waiting, refused(torrent)) {
        return Some(format!("the tracker does not let us in: {reason}"));
    }
    match torrent.waiting.as_ref()? {
        Waiting::Tracker { retry_ms } => Some(tracker_unreachable(torrent, *retry_ms)),
        Waiting::Peers { since_ms } if *since_ms < NOBODY_AFTER_MS => Some(LOOKING.to_owned()),
        Waiting::Peers { .. } if torrent.verified_bytes > 0 => Some(format!(
            "the sender left at {} %; what is verified is safe, and this goes on when they return",
            kept()
        )),
        Waiting::Peers { .. } => {
            Some("nobody with this file is online right now; it starts the moment they come back".to_owned())
        }
        Waiting::Connection { since_ms, failed } if *since_ms >= CONNECT_AFTER_MS || *failed > 2 => {
            Some("found them, but your networks won't connect directly (firewall or NAT)".to_owned())
        }
        Waiting::Connection { .. } => Some("found someone, connecting…".to_owned()),
        Waiting::Pieces => Some("connected, but nobody here has the missing pieces".to_owned()),
        Waiting::Unchoke { since_ms } => (*since_ms >= CHOKED_AFTER_MS)
            .then(|| "connected; they are sending to others first, our turn comes".to_owned()),
        Waiting::Data { since_ms } => (*since_ms >= SILENT_AFTER_MS)
            .then(|| format!("no data for {} s; {} % is safe here", since_ms / 1_000, kept())),
    }
}

/// What a tracker says that refuses us, where none takes us.
fn refused(torrent: &TorrentSnapshot) -> Option<&str> {
    let refuses = |tracker: &&TrackerSnapshot| tracker.state == TrackerState::Refused;
    let first = torrent.trackers.iter().find(refuses)?;
    let others = torrent.trackers.iter().any(|tracker| tracker.state == TrackerState::Working);
    first.message.as_deref().filter(|_| !others)
}

/// Where no tracker works, that is the news for whoever shares.
pub(crate) fn of_seed(torrent: &TorrentSnapshot) -> Option<String> {
    let any = |state| torrent.trackers.iter().any(|tracker| tracker.state == state);
    if any(TrackerState::Working) || any(TrackerState::Connecting) || !any(TrackerState::Unreachable) {
        return None;
    }
    let retry_ms = torrent.trackers.iter().filter_map(|tracker| tracker.next_ms).min().unwrap_or(0);
    Some(tracker_unreachable(torrent, retry_ms))
}

fn tracker_unreachable(torrent: &TorrentSnapshot, retry_ms: u64) -> String {
    let trackers = &torrent.trackers;
    let unreachable = trackers.iter().find(|tracker| tracker.state == TrackerState::Unreachable);
    let refused = trackers.iter().find(|tracker| tracker.state == TrackerState::Refused);
    match (unreachable.or(refused).or(trackers.first()), retry_ms) {
        (None, _) => {
            "no meeting server is named: nobody can be found. Name one with --tracker, or a --peer".to_owned()
        }
        (Some(tracker), 0) => {
            format!("can't reach the meeting server ({}); retrying now", without_key(&tracker.url))
        }
        (Some(tracker), ms) => {
            let (url, seconds) = (without_key(&tracker.url), ms.div_ceil(1_000));
            format!("can't reach the meeting server ({url}); retrying in {seconds} s")
        }
    }
}

/// Why a transfer stopped: whose side it is, what is safe, what can be done.
pub(crate) fn of_failure(failure: &EffectFailure) -> String {
    match failure {
        EffectFailure::NoSpace { needed, available: Some(available) } if available < needed => format!(
            "not enough space: {} are needed, {} are free. What is verified is safe",
            units::bytes(*needed),
            units::bytes(*available)
        ),
        EffectFailure::NoSpace { .. } => {
            "not enough space: the disk is full. What is verified is safe; make room, then try again"
                .to_owned()
        }
        EffectFailure::Changed(name) => format!("{name} was changed, moved or deleted since it was hashed"),
        EffectFailure::Refused(text) | EffectFailure::Unsupported(text) | EffectFailure::Failed(text) => {
            text.clone()
        }
    }
}

/// `↓ 12.4 MB/s ↑ 0 B/s · 3 people`.
pub(crate) fn rates(torrent: &TorrentSnapshot) -> String {
    let mut text = format!("↓ {}", units::rate(torrent.down_rate));
    if torrent.up_rate > 0 {
        text.push_str(&format!(" ↑ {}", units::rate(torrent.up_rate)));
    }
    text + " · " + &people(torrent.peers.len())
}

/// `3 people`.
pub(crate) fn people(count: usize) -> String {
    units::plural(count as u64, "person", "people")
}
