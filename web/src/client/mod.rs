//! The page's handle on the engine worker: the only code of the page that talks to it.

mod bridge;
mod held;
mod save;
mod site;
mod state;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use futures_channel::oneshot;
use gloo_timers::callback::Interval;
use leptos::prelude::*;
use send_wrapper::SendWrapper;
use shared::engine::Command;
use shared::id::{ConnId, InfoHash};
use shared::magnet::Link;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::PageTransitionEvent;

use crate::compare::wire::Traffic;
use crate::net::rtc;
use crate::platform::listener::Listener;
use crate::platform::scope;
use crate::protocol::{StartOptions, ToWorker};
use crate::text;
use bridge::Bridge;
pub(crate) use bridge::WORKER_URL;
use save::Saver;
pub(crate) use save::anchor as download;
pub use site::{MEMORY_CAP_BYTES, SiteAccounts, SiteConfig, announce_url, same_server};
pub use state::{
    Backing, Capabilities, Creation, CreationId, CreationState, Level, Notice, PageState, PathInfo, PathKind,
    Quota, Stored, Transfer, TransferView, WorkerState,
};

/// How often the browser is asked which way the packets take.
const PATHS_EVERY_MS: u32 = 2_000;

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
    inner: SendWrapper<Rc<Inner>>,
}

struct Inner {
    bridge: Rc<Bridge>,
    saver: Saver,
    next_creation: Cell<u32>,
    _paths: Interval,
    _leave: Option<Listener>,
}

impl Client {
    /// Starts the engine worker. Once a tab.
    pub fn start() -> Self {
        let state = PageState::default();
        state.capabilities.set(site::capabilities());
        let (bridge, loaded) = Bridge::start(state.clone());
        let saver = Saver::new();
        start_saver(saver.clone(), state.clone());
        spawn_local(start_engine(Rc::clone(&bridge), loaded));

        let paths = {
            let bridge = Rc::clone(&bridge);
            Interval::new(PATHS_EVERY_MS, move || {
                let bridge = Rc::clone(&bridge);
                if !bridge.connections.is_empty() {
                    spawn_local(async move { bridge.set_paths(rtc::paths(&bridge.connections).await) });
                }
            })
        };
        let leave = {
            let bridge = Rc::clone(&bridge);
            let goodbye = move |_: PageTransitionEvent| bridge.post(ToWorker::Shutdown, Vec::new());
            // A page without a window could not have come this far; the tracker notices the closed socket anyway.
            scope::window().ok().and_then(|window| Listener::new(&window, "pagehide", goodbye).ok())
        };
        let inner = Inner { bridge, saver, next_creation: Cell::new(0), _paths: paths, _leave: leave };
        Self { state, inner: SendWrapper::new(Rc::new(inner)) }
    }

    /// A client whose state nobody writes, for made-up views.
    #[cfg(feature = "demo")]
    pub fn detached() -> Self {
        Self { state: PageState::default(), ..Self::start() }
    }

    /// What to show.
    pub fn state(&self) -> &PageState {
        &self.state
    }

    /// Hashes files in place and seeds them. Several files, or one in a folder, become one torrent of several files,
    /// named as [`shared::metainfo::builder::Builder::new`] says unless `name` is given.
    pub fn share(&self, files: Vec<SharedFile>, name: Option<String>) -> CreationId {
        let id = CreationId(self.inner.next_creation.replace(self.inner.next_creation.get().wrapping_add(1)));
        let handles: Vec<JsValue> = files.iter().map(|file| file.file.clone().into()).collect();
        let paths = files.into_iter().map(|file| file.path).collect();
        self.inner.bridge.post(ToWorker::Share { id, name, paths }, handles);
        id
    }

    /// Gives up a creation, or takes one that failed or is done off the list.
    pub fn cancel(&self, creation: CreationId) {
        self.state.creations.update(|all| all.retain(|one| one.id != creation));
        self.post(ToWorker::CancelShare(creation));
    }

    /// Adds what a share link, magnet link or bare info-hash names, and connects to its trackers and ours. Nothing is
    /// fetched but the metadata until [`Client::start_download`], unless this browser's storage holds an interrupted
    /// download of it. The link is parsed here, so that what is wrong with it shows at once.
    pub fn open_link(&self, link: &str) -> Result<InfoHash, String> {
        let torrent = link.parse::<Link>().map_err(|error| error.to_string())?.info_hash;
        self.post(ToWorker::OpenLink { torrent, link: link.to_owned() });
        Ok(torrent)
    }

    /// Adds a whole `.torrent`, like [`Client::open_link`], without the trackers of others that it names; answers it as
    /// a link with all of them. It is read by the worker, which knows how.
    pub async fn open_torrent(&self, metainfo: Vec<u8>) -> Result<String, String> {
        let opened = self.inner.bridge.open_torrent(metainfo);
        opened.await.unwrap_or_else(|_| Err(text::WORKER_FAILED.to_owned()))
    }

    /// Downloads a torrent that is ready, paused or failed.
    pub fn start_download(&self, torrent: InfoHash) {
        self.command(Command::Start(torrent));
    }

    /// Stops fetching and giving; what is verified stays.
    pub fn pause(&self, torrent: InfoHash) {
        self.command(Command::Pause(torrent));
    }

    /// Goes on after [`Client::pause`].
    pub fn resume(&self, torrent: InfoHash) {
        self.command(Command::Start(torrent));
    }

    /// Takes a torrent off the list; with `erase` its stored bytes go too (files that were shared in place are never
    /// touched).
    pub fn remove(&self, torrent: InfoHash, erase: bool) {
        self.command(Command::Remove { torrent, erase });
    }

    /// Asks the trackers for peers now.
    pub fn reannounce(&self, torrent: InfoHash) {
        self.command(Command::Reannounce(torrent));
    }

    /// Goes on with what an earlier tab left: downloads the rest, or seeds it where it is complete.
    pub fn resume_stored(&self, torrent: InfoHash, slot: u32) {
        self.post(ToWorker::ResumeStored { torrent, slot });
    }

    /// Deletes what an earlier tab left.
    pub fn discard_stored(&self, torrent: InfoHash, slot: u32) {
        self.post(ToWorker::DiscardStored { torrent, slot });
    }

    /// Saves a whole, verified file by the browser's own download, after those that were asked for before. To be called
    /// from a click.
    pub fn save(&self, torrent: InfoHash, file: usize) {
        self.save_answer(torrent, move |request| ToWorker::File { request, torrent, file });
    }

    /// Saves the `.torrent`, trackers included, by the browser's own download.
    pub fn save_torrent_file(&self, torrent: InfoHash) {
        self.save_answer(torrent, move |request| ToWorker::TorrentFile { request, torrent });
    }

    /// Announce URLs of servers that are told how far this tab's transfers are, if they ask.
    pub fn report_to(&self, trackers: Vec<String>) {
        self.command(Command::ReportTo(trackers));
    }

    /// Somebody logged in here, or out: the tracker is asked anew, for them.
    pub fn logged_in(&self, is: bool) {
        self.post(ToWorker::LoggedIn(is));
    }

    /// Limits in bytes a second over all torrents; `None` is no limit.
    pub fn set_limits(&self, upload: Option<u64>, download: Option<u64>) {
        self.command(Command::SetLimits { upload, download });
    }

    /// Gives a command to the engine as it is.
    pub fn command(&self, command: Command) {
        self.post(ToWorker::Command(command));
    }

    /// Whether traffic is kept of connections that end, for [`Client::traffic`].
    pub fn meter(&self, on: bool) {
        self.inner.bridge.connections.meter(on);
    }

    /// What the browser has counted of each connection, those included that ended since [`Client::meter`].
    pub async fn traffic(&self) -> BTreeMap<ConnId, Traffic> {
        self.inner.bridge.connections.traffic().await
    }

    /// Puts something that a person should be told on the list.
    pub fn tell(&self, level: Level, text: String) {
        self.inner.bridge.notice(level, None, text);
    }

    /// Takes a notice off the list.
    pub fn dismiss(&self, notice: u64) {
        self.state.notices.update(|notices| notices.retain(|other| other.id != notice));
    }

    /// Asks for the file when it is its turn, not before: in memory each is a copy.
    fn save_answer(&self, torrent: InfoHash, ask: impl FnOnce(u32) -> ToWorker + 'static) {
        let bridge = Rc::clone(&self.inner.bridge);
        self.inner.saver.queue(move |turn| {
            let told = Rc::clone(&bridge);
            let then = move |answer: Result<(String, web_sys::Blob), String>| {
                let saved = answer
                    .and_then(|(name, blob)| turn.offer(&name, blob).map_err(|error| error.to_string()));
                if let Err(reason) = saved {
                    leptos::logging::error!("{torrent}: {reason}");
                    told.notice(Level::Error, Some(torrent), text::NOT_SAVED.to_owned());
                }
            };
            bridge.ask_file(ask, Box::new(then));
        });
    }

    fn post(&self, message: ToWorker) {
        self.inner.bridge.post(message, Vec::new());
    }
}

/// Waits for the worker and for the server's configuration, then lets the worker begin.
async fn start_engine(bridge: Rc<Bridge>, loaded: oneshot::Receiver<()>) {
    let (config, ice_servers) = site::config().await;
    let accounts = config.accounts.is_some();
    bridge.state.site.set(config);
    bridge.connections.set_ice_servers(ice_servers);
    if loaded.await.is_err() {
        return;
    }
    let capabilities = bridge.state.capabilities.get_untracked();
    if capabilities.webrtc && !site::query_has("channel", "relay") {
        // A browser that cannot transfer channels throws here, and the page relays.
        if let Err(error) = site::probe_channel(&bridge) {
            leptos::logging::log!("data channels stay on the page: {error}");
        }
    }
    match site::tracker() {
        Ok(tracker) => bridge.open_outbox(ToWorker::Start(StartOptions {
            tracker,
            capabilities,
            force_memory: site::query_has("storage", "memory"),
            held: held::recall(),
            accounts,
        })),
        // A page that was given by no server has none to ask.
        Err(error) => bridge.fail(&error.to_string()),
    }
}

fn start_saver(saver: Saver, state: PageState) {
    spawn_local(async move {
        match saver.register().await {
            Ok(()) => state.capabilities.update(|ours| ours.service_worker = true),
            Err(error) => leptos::logging::log!("files are saved without the service worker: {error}"),
        }
    });
}
