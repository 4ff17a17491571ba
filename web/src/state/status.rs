//! What a transfer is doing or waiting for, in words: one sentence, what can be done about it, and what was checked.

use shared::engine::{Phase, TorrentSnapshot, TrackerState, Waiting};

use crate::client::{Backing, PathKind, TransferView};
use crate::{text, units};

/// How a status line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is as it should be.
    Calm,
    /// It does not move, for a reason outside this tab.
    Waiting,
    /// Something went wrong.
    Wrong,
}

/// What can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Announce now.
    Retry,
    /// Copy what a helper would need to know.
    Diagnostics,
}

/// One sentence and what goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How it looks.
    pub tone: Tone,
    /// The sentence.
    pub text: String,
    /// What can be done.
    pub remedy: Option<Remedy>,
    /// Whether to list what was checked: tracker, network, peers.
    pub checks: bool,
}

/// Milliseconds without peers after which it is said that nobody is there.
const NOBODY_AFTER_MS: u64 = 3_000;
/// Milliseconds of failing to connect after which the network is named as the reason.
const CONNECT_AFTER_MS: u64 = 8_000;
/// Milliseconds without a byte after which it is said.
const SILENT_AFTER_MS: u64 = 15_000;
/// Milliseconds of being choked after which it is said.
const CHOKED_AFTER_MS: u64 = 3_000;

/// What to say of a transfer; nothing while it simply runs.
pub fn status(view: &TransferView) -> Option<Status> {
    let said = said(view);
    let moves = matches!(view.torrent.phase, Phase::Downloading | Phase::Complete | Phase::Seeding);
    match said {
        None if moves && all_relayed(view) => Some(calm(text::RELAYED)),
        Some(said) if moves && said.tone == Tone::Calm && all_relayed(view) => {
            Some(Status { text: [&said.text, " ", text::RELAYED].concat(), ..said })
        }
        said => said,
    }
}

fn said(view: &TransferView) -> Option<Status> {
    let torrent = &view.torrent;
    match torrent.phase {
        Phase::Error => Some(wrong(view.failure.clone().unwrap_or_else(|| text::FAILED.to_owned()))),
        Phase::Paused => Some(calm(paused(view))),
        Phase::Checking => Some(calm(text::CHECKING)),
        Phase::Seeding => {
            Some(calm(if torrent.peers.is_empty() { text::WAITING_FOR_SOMEONE } else { text::KEEP_OPEN }))
                .map(|status| tracker_trouble(torrent).unwrap_or(status))
        }
        Phase::Complete => Some(calm(text::HELP_OTHERS)),
        Phase::Ready => tracker_trouble(torrent),
        Phase::Connecting => Some(waiting(view).unwrap_or_else(|| calm(text::LOOKING))),
        Phase::Metadata => Some(match &torrent.waiting {
            Some(Waiting::Pieces) => held(text::NO_LIST),
            Some(Waiting::Data { .. } | Waiting::Unchoke { .. }) | None => calm(text::FETCHING_LIST),
            Some(_) => waiting(view).unwrap_or_else(|| calm(text::FETCHING_LIST)),
        }),
        Phase::Downloading => waiting(view),
    }
}

fn waiting(view: &TransferView) -> Option<Status> {
    let torrent = &view.torrent;
    let percent = units::percent(torrent.verified_bytes, torrent.total_bytes);
    let kept = text::kept(view.backing == Backing::Opfs);
    match torrent.waiting.as_ref()? {
        Waiting::Tracker { retry_ms } => Some(unreachable(torrent, *retry_ms)),
        Waiting::Peers { since_ms } if *since_ms < NOBODY_AFTER_MS => Some(calm(text::LOOKING)),
        Waiting::Peers { .. } if torrent.verified_bytes > 0 => Some(Status {
            remedy: Some(Remedy::Retry),
            checks: true,
            ..held(text::sender_left(percent, kept))
        }),
        Waiting::Peers { .. } => {
            Some(Status { remedy: Some(Remedy::Retry), checks: true, ..held(text::NOBODY_ONLINE) })
        }
        Waiting::Connection { since_ms, failed } if *since_ms >= CONNECT_AFTER_MS || *failed > 2 => {
            Some(Status { remedy: Some(Remedy::Diagnostics), checks: true, ..held(text::WONT_CONNECT) })
        }
        Waiting::Connection { .. } => Some(calm(text::FOUND_THEM)),
        Waiting::Pieces => Some(held(text::NO_PIECES)),
        Waiting::Unchoke { since_ms } => (*since_ms >= CHOKED_AFTER_MS).then(|| calm(text::NOT_OUR_TURN)),
        Waiting::Data { since_ms } => (*since_ms >= SILENT_AFTER_MS)
            .then(|| text::no_data(*since_ms, torrent.peers.len() > 1, percent, kept))
            .map(|line| Status { remedy: Some(Remedy::Retry), ..held(line) }),
    }
}

/// Whether everybody who is connected is so through a relay.
fn all_relayed(view: &TransferView) -> bool {
    let kind = |conn| view.paths.get(conn).map(|path| path.kind);
    let peers = &view.torrent.peers;
    !peers.is_empty() && peers.iter().all(|peer| kind(&peer.conn) == Some(PathKind::Relayed))
}

fn paused(view: &TransferView) -> String {
    let percent = units::percent(view.torrent.verified_bytes, view.torrent.total_bytes);
    match view.backing {
        Backing::Source => text::SHARE_PAUSED.to_owned(),
        backing => text::paused(percent, text::kept(backing == Backing::Opfs)),
    }
}

/// Where no tracker works and nobody is connected, that is the news, whatever the phase.
fn tracker_trouble(torrent: &TorrentSnapshot) -> Option<Status> {
    let any = |state| torrent.trackers.iter().any(|tracker| tracker.state == state);
    if any(TrackerState::Working) || any(TrackerState::Connecting) || !any(TrackerState::Unreachable) {
        return None;
    }
    let retry_ms = torrent.trackers.iter().filter_map(|tracker| tracker.next_ms).min().unwrap_or(0);
    Some(unreachable(torrent, retry_ms))
}

fn unreachable(torrent: &TorrentSnapshot, retry_ms: u64) -> Status {
    let tracker = torrent
        .trackers
        .iter()
        .find(|tracker| tracker.state == TrackerState::Unreachable)
        .or(torrent.trackers.first())
        .map_or("", |tracker| tracker.url.as_str());
    Status { remedy: Some(Remedy::Retry), ..held(text::tracker_unreachable(tracker, retry_ms)) }
}

fn calm(text: impl Into<String>) -> Status {
    Status { tone: Tone::Calm, text: text.into(), remedy: None, checks: false }
}

fn held(text: impl Into<String>) -> Status {
    Status { tone: Tone::Waiting, ..calm(text) }
}

fn wrong(text: String) -> Status {
    Status { tone: Tone::Wrong, remedy: Some(Remedy::Diagnostics), ..calm(text) }
}

/// The word of the page's contract for a phase: `data-state`.
pub const fn state_word(phase: Phase, has_metadata: bool) -> &'static str {
    match phase {
        Phase::Connecting => "connecting",
        Phase::Metadata => "metadata",
        Phase::Checking if has_metadata => "ready",
        Phase::Checking => "metadata",
        Phase::Ready => "ready",
        Phase::Downloading => "downloading",
        Phase::Complete => "complete",
        Phase::Seeding => "seeding",
        Phase::Paused => "paused",
        Phase::Error => "error",
    }
}

/// The word for what it waits for: `data-waiting`.
pub const fn waiting_word(waiting: Option<&Waiting>) -> &'static str {
    match waiting {
        None => "",
        Some(Waiting::Tracker { .. }) => "tracker",
        Some(Waiting::Peers { .. }) => "peers",
        Some(Waiting::Connection { .. }) => "connection",
        Some(Waiting::Pieces) => "pieces",
        Some(Waiting::Unchoke { .. }) => "unchoke",
        Some(Waiting::Data { .. }) => "data",
    }
}
