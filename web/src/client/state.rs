//! What the page shows, as signals. Written only by this module's parent, on messages of the engine worker: so it is
//! current in a hidden tab too.

use std::collections::BTreeMap;

use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use shared::engine::TorrentSnapshot;
use shared::id::{ConnId, InfoHash};

use super::site::SiteConfig;

/// Everything that components read. Cheap to clone: a handful of reference-counted signals.
#[derive(Clone, Debug)]
pub struct PageState {
    /// Whether the engine worker runs.
    pub worker: ArcRwSignal<WorkerState>,
    /// What this browser, tab and address allow. Filled in two steps: at once, then when the worker has looked.
    pub capabilities: ArcRwSignal<Capabilities>,
    /// What the server configures.
    pub site: ArcRwSignal<SiteConfig>,
    /// One row a torrent, in the order in which they were added. This signal changes only when rows come or go;
    /// each row has a signal of its own.
    pub transfers: ArcRwSignal<Vec<Transfer>>,
    /// Files being hashed for a new torrent.
    pub creations: ArcRwSignal<Vec<Creation>>,
    /// What an earlier tab left in this browser's storage and no open tab holds.
    pub stored: ArcRwSignal<Vec<Stored>>,
    /// What a person should be told, oldest first, bounded.
    pub notices: ArcRwSignal<Vec<Notice>>,
    /// How often our own tracker said that it wants a login.
    pub login_required: ArcRwSignal<u32>,
}

impl Default for PageState {
    fn default() -> Self {
        Self {
            worker: ArcRwSignal::new(WorkerState::Starting),
            capabilities: ArcRwSignal::new(Capabilities::default()),
            site: ArcRwSignal::new(SiteConfig::default()),
            transfers: ArcRwSignal::new(Vec::new()),
            creations: ArcRwSignal::new(Vec::new()),
            stored: ArcRwSignal::new(Vec::new()),
            notices: ArcRwSignal::new(Vec::new()),
            login_required: ArcRwSignal::new(0),
        }
    }
}

impl PageState {
    /// The row of a torrent, if there is one. Tracks [`PageState::transfers`] where that matters.
    pub fn transfer(&self, info_hash: InfoHash) -> Option<Transfer> {
        self.transfers.with(|rows| rows.iter().find(|row| row.info_hash == info_hash).cloned())
    }
}

/// Whether the engine worker runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerState {
    /// Its wasm is on the way.
    Starting,
    /// It takes commands.
    Ready,
    /// It could not start, or it died; in words for a person. Nothing works without it.
    Failed(String),
}

/// One row: a torrent's identity for keyed lists, and its view.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// Which torrent: the key of the row.
    pub info_hash: InfoHash,
    /// Changes at most four times a second, and at once when the phase does.
    pub view: ArcRwSignal<TransferView>,
}

impl PartialEq for Transfer {
    fn eq(&self, other: &Self) -> bool {
        self.info_hash == other.info_hash
    }
}

/// What is known of a torrent right now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransferView {
    /// The engine's own view.
    pub torrent: TorrentSnapshot,
    /// Numbers of the files that only pad, in order: not listed, not saved.
    pub padding: Vec<u32>,
    /// Why it stopped, in words for a person, where it did. `torrent.error` is the same as it came.
    pub failure: Option<String>,
    /// How each connection runs, as far as the browser has told.
    pub paths: BTreeMap<ConnId, PathInfo>,
    /// Where its bytes are.
    pub backing: Backing,
    /// Whether data channels live in the worker; otherwise the page relays their bytes.
    pub direct: bool,
}

impl TransferView {
    /// Number of files to list and to save.
    pub const fn listed(&self) -> usize {
        self.torrent.files.len().saturating_sub(self.padding.len())
    }

    /// Their numbers, of the first `count`.
    pub fn listed_files(&self, count: usize) -> Vec<usize> {
        let pads = |file: &usize| self.padding.binary_search(&(*file as u32)).is_ok();
        (0..self.torrent.files.len()).filter(|file| !pads(file)).take(count).collect()
    }
}

/// Where the bytes of a torrent are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backing {
    /// Nowhere yet: its storage was not opened.
    #[default]
    None,
    /// In the browser's private storage: survives a reload.
    Opfs,
    /// In the files that were chosen, where they lie on the disk: gone with the tab, not with the files.
    Source,
    /// In memory: gone with the tab.
    Memory,
}

/// How a connection runs, from the browser's statistics, about every two seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathInfo {
    /// Which kind of path.
    pub kind: PathKind,
    /// Round trip of the path in microseconds, once measured.
    pub rtt_us: Option<u32>,
}

/// Which way the packets take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathKind {
    /// Both ends use an address of a private network, or an mDNS name: the packets stay in the local network.
    Lan,
    /// Straight through the internet.
    Direct,
    /// Through a relay (TURN).
    Relayed,
}

/// What is possible here. Fields that the worker fills are at their default until it has looked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Whether the browser calls this a secure context (https, or localhost). Plain http on a LAN address is none:
    /// no OPFS, no service worker, no clipboard.
    pub secure_context: bool,
    /// Whether there is `RTCPeerConnection`. Without it nothing can be sent or fetched.
    pub webrtc: bool,
    /// Whether the private file system can be used from the worker (tried, not only looked up).
    pub opfs: bool,
    /// Whether data channels go to the worker itself; otherwise the page relays their bytes.
    pub transferable_channels: bool,
    /// Whether a service worker answers saves; otherwise `a[download]`.
    pub service_worker: bool,
    /// Bytes that this origin may store and stores already, if the browser tells.
    pub quota: Option<Quota>,
    /// Whether the browser has promised not to clear our storage under pressure; `None` until asked.
    pub persisted: Option<bool>,
    /// Bytes that a download may have where it must stay in memory (`opfs` false).
    pub memory_cap_bytes: u64,
    /// Threads that hash.
    pub hash_threads: u32,
    /// True once the worker has filled in its part.
    pub complete: bool,
}

/// Storage of this origin, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// What it may use in all.
    pub quota: u64,
    /// What it uses.
    pub usage: u64,
}

impl Quota {
    /// What is left.
    pub const fn free(self) -> u64 {
        self.quota.saturating_sub(self.usage)
    }
}

/// Names a creation within this tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CreationId(pub u32);

/// Files on their way to become a torrent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creation {
    /// Which.
    pub id: CreationId,
    /// Name of the torrent to be.
    pub name: String,
    /// Number of files.
    pub files: u32,
    /// Bytes in all.
    pub total_bytes: u64,
    /// Bytes hashed.
    pub hashed_bytes: u64,
    /// Bytes a second, over the last second or two.
    pub rate: u64,
    /// Where it stands.
    pub state: CreationState,
}

/// Where a creation stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CreationState {
    /// Being hashed.
    Hashing,
    /// Done: it is the transfer of this info-hash now.
    Done {
        /// Of the new torrent.
        info_hash: InfoHash,
    },
    /// It could not be done, in words for a person.
    Failed {
        /// Why.
        reason: String,
    },
}

/// What an earlier tab left in this browser's storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Which torrent.
    pub info_hash: InfoHash,
    /// Which of its directories: two tabs of one browser may each have downloaded it.
    pub slot: u32,
    /// Its name, safe; empty where its `.torrent` is damaged or missing.
    pub name: String,
    /// Bytes in the torrent; those on the disk where its `.torrent` is damaged or missing.
    pub total_bytes: u64,
    /// Bytes of it that were verified when the record was last written; 0 where there is no whole record, and all is
    /// checked when it goes on.
    pub verified_bytes: u64,
    /// Seconds since 1970 when it was last written to.
    pub touched: u64,
}

impl Stored {
    /// Whether all of it is there: to be seeded or saved, not to be fetched.
    pub const fn is_complete(&self) -> bool {
        self.verified_bytes == self.total_bytes
    }
}

/// Something that a person should be told once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Unique within this tab; grows.
    pub id: u64,
    /// How much it matters.
    pub level: Level,
    /// The torrent it is about, if it is about one.
    pub torrent: Option<InfoHash>,
    /// One or two sentences.
    pub text: String,
}

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Good to know.
    Info,
    /// Something is not as it should be, and it goes on.
    Warning,
    /// Something does not work.
    Error,
}
