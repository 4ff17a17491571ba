//! The page's handle on the engine worker: the only code of the page that talks to it.

mod state;

use bytes::Bytes;
use leptos::prelude::*;
use send_wrapper::SendWrapper;
use shared::id::InfoHash;
use std::rc::Rc;

pub use state::{
    Backing, Capabilities, Creation, CreationId, CreationState, Level, Notice, PageState, PathInfo, PathKind,
    Quota, Stored, Transfer, TransferView, WorkerState,
};

/// A file that somebody dropped, chose or pasted.
#[derive(Clone, Debug)]
pub struct SharedFile {
    /// Its path below the dropped folder, folder name first; only its name where it was dropped by itself.
    pub path: Vec<String>,
    /// The browser's handle; read by slices, never as a whole.
    pub file: web_sys::File,
}

/// A handle on the engine worker, given to components by context (`expect_context::<Client>()`). Cheap to clone.
///
/// Commands return at once; what comes of them shows in [`PageState`]. They may be given before the worker is ready:
/// they wait for it.
#[derive(Clone)]
pub struct Client {
    state: PageState,
    _inner: SendWrapper<Rc<()>>,
}

impl Client {
    /// Starts the engine worker. Once a tab.
    pub fn start() -> Self {
        Self { state: PageState::default(), _inner: SendWrapper::new(Rc::new(())) }
    }

    /// What to show.
    pub fn state(&self) -> &PageState {
        &self.state
    }

    /// Hashes files in place and seeds them. Several files, or one in a folder, become one torrent of several files.
    /// The first part of the first path names it where `name` is `None`.
    pub fn share(&self, files: Vec<SharedFile>, name: Option<String>) -> CreationId {
        let _ = (files, name);
        CreationId(0)
    }

    /// Gives up a creation, or takes one that failed or is done off the list.
    pub fn cancel(&self, creation: CreationId) {
        let _ = creation;
    }

    /// Adds what a share link, magnet link or bare info-hash names, and connects to its trackers and ours. Nothing is
    /// fetched but the metadata until [`Client::start_download`], unless the tab was downloading it before a reload.
    /// The link is parsed here, so that what is wrong with it shows at once.
    pub fn open_link(&self, link: &str) -> Result<InfoHash, String> {
        let _ = link;
        Err("not yet".to_owned())
    }

    /// Adds a whole `.torrent`, like [`Client::open_link`].
    pub fn open_torrent(&self, torrent: Vec<u8>) -> Result<InfoHash, String> {
        let _ = Bytes::from(torrent);
        Err("not yet".to_owned())
    }

    /// Downloads a torrent that is ready, paused or failed.
    pub fn start_download(&self, torrent: InfoHash) {
        let _ = torrent;
    }

    /// Stops fetching and giving; what is verified stays.
    pub fn pause(&self, torrent: InfoHash) {
        let _ = torrent;
    }

    /// Goes on after [`Client::pause`].
    pub fn resume(&self, torrent: InfoHash) {
        self.start_download(torrent);
    }

    /// Takes a torrent off the list; with `erase` its stored bytes go too (files that were shared in place are never
    /// touched).
    pub fn remove(&self, torrent: InfoHash, erase: bool) {
        let _ = (torrent, erase);
    }

    /// Asks the trackers for peers now.
    pub fn reannounce(&self, torrent: InfoHash) {
        let _ = torrent;
    }

    /// Goes on with what an earlier tab left: downloads the rest, or seeds it where it is complete.
    pub fn resume_stored(&self, torrent: InfoHash, slot: u32) {
        let _ = (torrent, slot);
    }

    /// Deletes what an earlier tab left.
    pub fn discard_stored(&self, torrent: InfoHash, slot: u32) {
        let _ = (torrent, slot);
    }

    /// Saves a whole, verified file by the browser's own download. To be called from a click.
    pub fn save(&self, torrent: InfoHash, file: usize) {
        let _ = (torrent, file);
    }

    /// Saves the `.torrent`, trackers included, by the browser's own download.
    pub fn save_torrent_file(&self, torrent: InfoHash) {
        let _ = torrent;
    }

    /// Limits in bytes a second over all torrents; `None` is no limit.
    pub fn set_limits(&self, upload: Option<u64>, download: Option<u64>) {
        let _ = (upload, download);
    }

    /// Takes a notice off the list.
    pub fn dismiss(&self, notice: u64) {
        self.state.notices.update(|notices| notices.retain(|other| other.id != notice));
    }
}
