//! Made-up transfers, to look at every view and state without a peer: `?demo=NAME`. Only with the feature `demo`.

use std::collections::BTreeMap;

use leptos::prelude::*;
use shared::engine::{
    EffectFailure, FileSnapshot, PeerSnapshot, Phase, PieceState, TorrentSnapshot, TrackerSnapshot,
    TrackerState, Transport, Waiting,
};
use shared::id::{ConnId, InfoHash, PeerId};

use super::{Creating, Ui};
use crate::client::{
    Backing, Capabilities, Client, Creation, CreationId, CreationState, Level, Notice, PathInfo, PathKind,
    Quota, Stored, Transfer, TransferView, WorkerState,
};
use crate::document;
use crate::routes::Route;
use crate::text;

const HASH: InfoHash = InfoHash([
    0x3b, 0x24, 0x55, 0x04, 0xcf, 0x5f, 0x11, 0xbb, 0xdb, 0xe1, 0x20, 0x1c, 0xea, 0x6a, 0x6b, 0xf4, 0x5a,
    0xee, 0x1b, 0xc0,
]);
const PIECE: u32 = 1 << 20;

/// A client whose state is made up, as the query of the address says.
pub fn start() -> Client {
    let client = Client::detached();
    let state = client.state();
    let demo = name();
    state.worker.set(WorkerState::Ready);
    state.capabilities.set(Capabilities {
        secure_context: demo != "plain",
        webrtc: demo != "nowebrtc",
        opfs: demo != "plain",
        transferable_channels: true,
        service_worker: demo != "plain",
        quota: Some(Quota { quota: 212_000_000_000, usage: 31_000_000 }),
        persisted: Some(true),
        memory_cap_bytes: 500_000_000,
        hash_threads: 4,
        complete: true,
    });
    let view = match demo.as_str() {
        "sharing" => Some(sharing(3)),
        "waiting" => Some(sharing(0)),
        "looking" => Some(linked(Phase::Connecting, Some(Waiting::Peers { since_ms: 1_000 }))),
        "nobody" => Some(linked(Phase::Connecting, Some(Waiting::Peers { since_ms: 9_000 }))),
        "firewall" => {
            Some(linked(Phase::Connecting, Some(Waiting::Connection { since_ms: 9_000, failed: 2 })))
        }
        "tracker" => Some(no_tracker()),
        "ready" => Some(fetched(Phase::Ready, 0)),
        "transfer" => Some(fetched(Phase::Downloading, 62)),
        "huge" => Some(huge()),
        "left" => Some(left()),
        "done" => Some(fetched(Phase::Complete, 100)),
        "paused" => Some(fetched(Phase::Paused, 40)),
        "error" => Some(failed()),
        _ => None,
    };
    if let Some(view) = view {
        add(&client, view);
    }
    if demo == "list" {
        list(&client);
    }
    client
}

/// Puts the page on the view that the made-up state is for.
pub fn place(ui: Ui) {
    let route = match name().as_str() {
        "" | "share" | "plain" | "nowebrtc" => return,
        "hash" => {
            hashing(ui);
            Route::Share(None)
        }
        "sharing" | "waiting" => Route::Share(Some(HASH)),
        "list" => Route::Transfers,
        "settings" => Route::Settings,
        "broken" => Route::Link("magnet:?xt=urn:btih:nonsense".to_owned()),
        _ => Route::Link(foreign_link()),
    };
    let history = ui.histories.of(HASH);
    for second in 0..90_u64 {
        let wave = 9_000_000 + (second * 7_919 % 23) * 180_000 - second % 17 * 90_000;
        history.update(|history| {
            history.note(second * 1_000, if second < 6 { second * 1_500_000 } else { wave }, wave / 6);
        });
    }
    document::replace_fragment(&route.fragment());
    ui.route.set(route);
}

fn name() -> String {
    let query = document::window().location().search().unwrap_or_default();
    query.strip_prefix("?demo=").unwrap_or_default().to_owned()
}

fn foreign_link() -> String {
    let own = super::server::Server::here().announce;
    [
        "magnet:?xt=urn:btih:",
        &HASH.to_string(),
        "&dn=Field%20recordings&xl=1243000000&tr=",
        &own,
        "&tr=wss%3A%2F%2Ftracker.example.org",
    ]
    .concat()
}

fn add(client: &Client, view: TransferView) {
    let row = Transfer { info_hash: view.torrent.info_hash, view: ArcRwSignal::new(view) };
    client.state().transfers.update(|rows| rows.push(row));
}

fn list(client: &Client) {
    for (place, (name, view)) in [
        ("Field recordings", fetched(Phase::Downloading, 62)),
        ("debian-live-13.1.0-amd64-xfce.iso", huge()),
        ("Lecture 07 – sound.mp4", sharing(2)),
        ("Holiday pictures", fetched(Phase::Paused, 40)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut view = view;
        view.torrent.name = Some(name.to_owned());
        view.torrent.info_hash.0[0] = place as u8;
        add(client, view);
    }
    client.state().stored.set(vec![
        Stored {
            info_hash: InfoHash([9; 20]),
            slot: 0,
            name: "survey-2026.tar".to_owned(),
            total_bytes: 4_200_000_000,
            verified_bytes: 2_940_000_000,
            touched: 0,
        },
        Stored {
            info_hash: InfoHash([8; 20]),
            slot: 0,
            name: "Course slides".to_owned(),
            total_bytes: 812_000_000,
            verified_bytes: 812_000_000,
            touched: 0,
        },
    ]);
    client.state().notices.set(vec![Notice {
        id: 1,
        level: Level::Warning,
        torrent: None,
        text: "The tracker refused an announce: too many offers. The next one carries fewer.".to_owned(),
    }]);
}

fn hashing(ui: Ui) {
    ui.client().state().creations.set(vec![Creation {
        id: CreationId(1),
        name: "Field recordings".to_owned(),
        files: 3,
        total_bytes: 1_243_000_000,
        hashed_bytes: 771_000_000,
        rate: 640_000_000,
        state: CreationState::Hashing,
    }]);
    ui.creating.set(Some(Creating {
        id: CreationId(1),
        files: files(0)
            .into_iter()
            .map(|file| (["Field recordings/", &file.path].concat(), file.length))
            .collect(),
    }));
}

fn files(percent: u64) -> Vec<FileSnapshot> {
    let file =
        |path: &str, length: u64, verified: u64| FileSnapshot { path: path.to_owned(), length, verified };
    vec![
        file("dawn/marsh-0512.flac", 512_000_000, 512_000_000 * (percent * 2).min(100) / 100),
        file("dawn/reeds-0540.flac", 498_000_000, 498_000_000 * percent.saturating_mul(percent) / 10_000),
        file("notes and locations.pdf", 233_000_000, 233_000_000 * percent.saturating_sub(60).min(40) / 40),
    ]
}

fn peer(slot: u8, client: &str, pieces: u32, down: u64, up: u64, given: u32) -> PeerSnapshot {
    PeerSnapshot {
        conn: ConnId(u32::from(slot)),
        peer_id: PeerId([slot; 20]),
        transport: Transport::WebRtc,
        address: None,
        client: client.to_owned(),
        slot,
        pieces,
        down_rate: down,
        up_rate: up,
        downloaded: u64::from(given) * u64::from(PIECE),
        uploaded: up * 40,
        given,
        choked: false,
        choking: false,
        interested: true,
        wanting: up > 0,
        pending: 12,
        rtt_ms: Some(18),
        connected_ms: 94_000 - u64::from(slot) * 20_000,
    }
}

fn tracker() -> TrackerSnapshot {
    TrackerSnapshot {
        url: super::server::Server::here().announce,
        state: TrackerState::Working,
        seeds: Some(1),
        leechers: Some(3),
        next_ms: Some(108_000),
        message: None,
    }
}

fn empty(phase: Phase) -> TransferView {
    TransferView {
        torrent: TorrentSnapshot {
            info_hash: HASH,
            name: Some("Field recordings".to_owned()),
            phase,
            error: None,
            waiting: None,
            total_bytes: 1_243_000_000,
            verified_bytes: 0,
            pieces: 0,
            verified_pieces: 0,
            piece_length: 0,
            down_rate: 0,
            up_rate: 0,
            downloaded: 0,
            uploaded: 0,
            wasted: 0,
            eta_ms: None,
            peers: Vec::new(),
            known_addresses: 0,
            refused_addresses: 0,
            trackers: vec![tracker()],
            web_seeds: Vec::new(),
            files: Vec::new(),
            field: Vec::new(),
            availability: (0, 0.0),
            magnet: foreign_link(),
            banned: 0,
            fulfilled: 0,
            failed_pieces: 0,
        },
        padding: Vec::new(),
        failure: None,
        paths: BTreeMap::new(),
        backing: Backing::None,
        direct: true,
    }
}

fn linked(phase: Phase, waiting: Option<Waiting>) -> TransferView {
    let mut view = empty(phase);
    view.torrent.waiting = waiting;
    view
}

fn no_tracker() -> TransferView {
    let mut view = linked(Phase::Connecting, Some(Waiting::Tracker { retry_ms: 4_000 }));
    view.torrent.trackers[0].state = TrackerState::Unreachable;
    view.torrent.trackers[0].next_ms = Some(4_000);
    view
}

/// A number that looks drawn at random.
const fn mixed(place: u32) -> u32 {
    let mut mixed = place.wrapping_mul(0x9e37_79b1);
    mixed ^= mixed >> 15;
    mixed = mixed.wrapping_mul(0x85eb_ca6b);
    mixed ^ mixed >> 13
}

fn fetched(phase: Phase, percent: u32) -> TransferView {
    let mut view = empty(phase);
    let pieces = view.torrent.total_bytes.div_ceil(u64::from(PIECE)) as u32;
    let torrent = &mut view.torrent;
    (torrent.pieces, torrent.piece_length) = (pieces, PIECE);
    torrent.field = (0..pieces)
        .map(|place| {
            let draw = mixed(place) % 1_000;
            let nearer = if place < pieces / 3 { 150 } else { 0 };
            let slot = [1, 2, 2, 3, 1, 1][(mixed(place + 7_777) % 6) as usize];
            if percent == 100 || percent > 0 && draw < percent * 10 + nearer - 30 {
                PieceState::Verified as u8 | slot << 3
            } else if percent > 0 && percent < 100 && phase == Phase::Downloading && draw > 940 {
                [PieceState::Requested, PieceState::Received, PieceState::Received, PieceState::Verifying]
                    [(draw % 4) as usize] as u8
            } else {
                PieceState::Missing as u8
            }
        })
        .collect();
    torrent.verified_pieces =
        torrent.field.iter().filter(|byte| **byte & 7 == PieceState::Verified as u8).count() as u32;
    torrent.verified_bytes = (u64::from(torrent.verified_pieces) * u64::from(PIECE)).min(torrent.total_bytes);
    torrent.files = files(u64::from(percent));
    torrent.downloaded = torrent.verified_bytes + 3_100_000;
    torrent.uploaded = torrent.verified_bytes / 5;
    torrent.wasted = 48_000;
    if phase != Phase::Paused {
        torrent.peers = vec![
            peer(1, "Piecemeal 0.1.0", pieces, 7_900_000, 0, torrent.verified_pieces / 2),
            peer(2, "WebTorrent 3.0.21", pieces * 7 / 10, 3_400_000, 1_200_000, torrent.verified_pieces / 3),
            peer(3, "Piecemeal 0.1.0", pieces * 4 / 10, 1_100_000, 640_000, torrent.verified_pieces / 6),
        ];
        torrent.availability = (1, 2.1);
        view.paths = paths();
    }
    if phase == Phase::Downloading {
        torrent.down_rate = 12_400_000;
        torrent.up_rate = 1_840_000;
        torrent.eta_ms = Some(38_000);
    }
    view.backing = Backing::Opfs;
    view
}

fn paths() -> BTreeMap<ConnId, PathInfo> {
    BTreeMap::from([
        (ConnId(1), PathInfo { kind: PathKind::Lan, rtt_us: Some(2_800) }),
        (ConnId(2), PathInfo { kind: PathKind::Direct, rtt_us: Some(18_300) }),
        (ConnId(3), PathInfo { kind: PathKind::Relayed, rtt_us: Some(61_000) }),
    ])
}

fn huge() -> TransferView {
    let mut view = fetched(Phase::Downloading, 62);
    let torrent = &mut view.torrent;
    let pieces = 18_240;
    torrent.name = Some("debian-live-13.1.0-amd64-xfce.iso".to_owned());
    torrent.field = (0..pieces)
        .map(|place| {
            if mixed(place / 9) % 100 < 48 || mixed(place) % 100 < 20 {
                PieceState::Verified as u8 | ((place / 700 % 3 + 1) as u8) << 3
            } else {
                0
            }
        })
        .collect();
    torrent.pieces = pieces;
    torrent.total_bytes = u64::from(pieces) * u64::from(PIECE);
    torrent.verified_pieces = torrent.field.iter().filter(|byte| **byte > 0).count() as u32;
    torrent.verified_bytes = u64::from(torrent.verified_pieces) * u64::from(PIECE);
    torrent.files = vec![FileSnapshot {
        path: "debian-live-13.1.0-amd64-xfce.iso".to_owned(),
        length: torrent.total_bytes,
        verified: torrent.verified_bytes,
    }];
    torrent.eta_ms = Some(601_000);
    view
}

fn left() -> TransferView {
    let mut view = fetched(Phase::Downloading, 62);
    view.torrent.peers.clear();
    view.torrent.down_rate = 0;
    view.torrent.eta_ms = None;
    view.torrent.failed_pieces = 1;
    view.torrent.banned = 1;
    view.torrent.waiting = Some(Waiting::Peers { since_ms: 8_000 });
    view
}

fn failed() -> TransferView {
    let mut view = fetched(Phase::Error, 40);
    view.failure =
        Some(text::failure(&EffectFailure::NoSpace { needed: 747_000_000, available: Some(19_000_000) }));
    view
}

fn sharing(receivers: u8) -> TransferView {
    let mut view = fetched(Phase::Seeding, 100);
    let torrent = &mut view.torrent;
    for byte in &mut torrent.field {
        *byte = PieceState::Verified as u8;
    }
    let pieces = torrent.pieces;
    torrent.downloaded = 0;
    torrent.peers = [
        peer(1, "Piecemeal 0.1.0", pieces * 62 / 100, 0, 7_900_000, 0),
        peer(2, "WebTorrent 3.0.21", pieces * 31 / 100, 0, 3_400_000, 0),
        peer(3, "Piecemeal 0.1.0", pieces, 0, 0, 0),
    ]
    .into_iter()
    .take(usize::from(receivers))
    .collect();
    torrent.up_rate = if receivers > 0 { 11_300_000 } else { 0 };
    torrent.uploaded = if receivers > 0 { 2_320_000_000 } else { 0 };
    view.torrent.fulfilled = u32::from(receivers > 2);
    view.backing = Backing::Source;
    view
}
