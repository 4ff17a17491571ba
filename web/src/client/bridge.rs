//! The page's end of the conversation with the engine worker.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use futures_channel::oneshot;
use leptos::prelude::*;
use shared::engine::TorrentSnapshot;
use shared::id::{ConnId, InfoHash};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Blob, Event, MessageEvent, Worker, WorkerOptions, WorkerType};

use super::held;
use super::state::{Level, Notice, PageState, PathInfo, Transfer, TransferView, WorkerState};
use crate::net::rtc::Connections;
use crate::platform::listener::Listener;
use crate::platform::message::{self, Port as _};
use crate::platform::{JsError, scope};
use crate::protocol::{FilesUpdate, FromWorker, ToWorker, TransferUpdate};
use crate::text;

/// Notices that are kept; older ones go.
const NOTICES_MAX: usize = 50;

/// Where the worker's script is; the bundler gives it this name.
pub(crate) const WORKER_URL: &str = "/engine_loader.js";

/// What waits for a [`FromWorker::File`].
pub(super) type OnFile = Box<dyn FnOnce(Result<(String, Blob), String>)>;

/// The worker and everything that depends on it.
pub(super) struct Bridge {
    pub(super) state: PageState,
    pub(super) connections: Connections,
    outbox: Rc<Outbox>,
    requests: RefCell<BTreeMap<u32, OnFile>>,
    opening: RefCell<BTreeMap<u32, oneshot::Sender<Result<String, String>>>>,
    next_request: Cell<u32>,
    next_notice: Cell<u64>,
    listeners: RefCell<Vec<Listener>>,
    loaded: RefCell<Option<oneshot::Sender<()>>>,
    paths: RefCell<BTreeMap<ConnId, PathInfo>>,
}

/// A message with the handles that it gives away and those that it copies.
type Posted = (ToWorker, Vec<JsValue>, Vec<JsValue>);

/// Messages for the worker: kept until it hears them.
#[derive(Default)]
struct Outbox {
    worker: RefCell<Option<Worker>>,
    started: Cell<bool>,
    waiting: RefCell<Vec<Posted>>,
}

impl Outbox {
    fn post(&self, message: ToWorker, moved: Vec<JsValue>, cloned: Vec<JsValue>) -> Result<(), JsError> {
        if !self.started.get() {
            self.waiting.borrow_mut().push((message, moved, cloned));
            return Ok(());
        }
        match &*self.worker.borrow() {
            Some(worker) => worker.post(&message, &moved, &cloned),
            None => Err(JsError::unexpected("the engine worker is gone")),
        }
    }
}

impl Bridge {
    /// Starts the worker. The receiver resolves when it hears messages; what is posted waits for
    /// [`Bridge::open_outbox`].
    pub(super) fn start(state: PageState) -> (Rc<Self>, oneshot::Receiver<()>) {
        let (loaded, on_loaded) = oneshot::channel();
        let outbox: Rc<Outbox> = Rc::default();
        let sink = {
            let outbox = Rc::clone(&outbox);
            Rc::new(move |message: ToWorker, moved: Vec<JsValue>| {
                if let Err(error) = outbox.post(message, moved, Vec::new()) {
                    leptos::logging::warn!("a message to the engine worker was lost: {error}");
                }
            })
        };
        let this = Rc::new(Self {
            state,
            connections: Connections::new(sink),
            outbox,
            requests: RefCell::default(),
            opening: RefCell::default(),
            next_request: Cell::new(0),
            next_notice: Cell::new(0),
            listeners: RefCell::default(),
            loaded: RefCell::new(Some(loaded)),
            paths: RefCell::default(),
        });
        if let Err(error) = this.start_worker() {
            this.fail(&error.to_string());
        }
        (this, on_loaded)
    }

    /// Posts a message; it waits until the worker is started.
    pub(super) fn post(&self, message: ToWorker, cloned: Vec<JsValue>) {
        if let Err(error) = self.outbox.post(message, Vec::new(), cloned) {
            self.lost(&error);
        }
    }

    /// Posts the start message and everything that waited for it.
    pub(super) fn open_outbox(&self, start: ToWorker) {
        self.outbox.started.set(true);
        self.post(start, Vec::new());
        let waiting = std::mem::take(&mut *self.outbox.waiting.borrow_mut());
        for (message, moved, cloned) in waiting {
            if let Err(error) = self.outbox.post(message, moved, cloned) {
                self.lost(&error);
            }
        }
    }

    /// Posts a channel to the worker only to see whether that works. The worker says so in [`FromWorker::Ready`].
    pub(super) fn probe_channel(&self, channel: &JsValue) -> Result<(), JsError> {
        let worker = self.outbox.worker.borrow();
        let worker = worker.as_ref().ok_or_else(|| JsError::unexpected("the engine worker is gone"))?;
        worker.post(&ToWorker::ProbeChannel, std::slice::from_ref(channel), &[])
    }

    /// Asks for a file; `then` is called once.
    pub(super) fn ask_file(&self, ask: impl FnOnce(u32) -> ToWorker, then: OnFile) {
        let request = self.number_request();
        self.requests.borrow_mut().insert(request, then);
        self.post(ask(request), Vec::new());
    }

    /// Has the worker read and open a `.torrent`.
    pub(super) fn open_torrent(&self, metainfo: Vec<u8>) -> oneshot::Receiver<Result<String, String>> {
        let request = self.number_request();
        let (opened, answer) = oneshot::channel();
        self.opening.borrow_mut().insert(request, opened);
        self.post(ToWorker::OpenTorrent { request, metainfo }, Vec::new());
        answer
    }

    /// A message could not be posted. Where the worker is gone, that is said already.
    fn lost(&self, error: &JsError) {
        leptos::logging::error!("the engine could not be asked: {error}");
        if !matches!(self.state.worker.get_untracked(), WorkerState::Failed(_)) {
            self.notice(Level::Error, None, text::NOT_ASKED.to_owned());
        }
    }

    fn number_request(&self) -> u32 {
        self.next_request.replace(self.next_request.get().wrapping_add(1))
    }

    /// Tells a person something.
    pub(super) fn notice(&self, level: Level, torrent: Option<InfoHash>, text: String) {
        let id = self.next_notice.get();
        self.next_notice.set(id + 1);
        self.state.notices.update(|notices| {
            notices.push(Notice { id, level, torrent, text });
            let excess = notices.len().saturating_sub(NOTICES_MAX);
            notices.drain(..excess);
        });
    }

    fn start_worker(self: &Rc<Self>) -> Result<(), JsError> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name("engine");
        let worker = Worker::new_with_options(WORKER_URL, &options)?;
        let message = {
            let this = Rc::downgrade(self);
            Listener::new(&worker, "message", move |event: MessageEvent| {
                let Some(this) = this.upgrade() else { return };
                match message::open(event.data()) {
                    Ok((message, handles)) => this.hear(message, &handles),
                    Err(error) => this.fail(&format!("page and engine do not fit together: {error}")),
                }
            })?
        };
        let error = {
            let this = Rc::downgrade(self);
            Listener::new(&worker, "error", move |event: Event| {
                let Some(this) = this.upgrade() else { return };
                let text = scope::property(&event, "message").as_string();
                this.fail(&text.unwrap_or_else(|| "its script could not be loaded".to_owned()));
            })?
        };
        self.listeners.borrow_mut().extend([message, error]);
        self.outbox.worker.replace(Some(worker));
        Ok(())
    }

    /// The worker cannot go on, or could not begin.
    pub(super) fn fail(&self, reason: &str) {
        self.state.worker.set(WorkerState::Failed(reason.to_owned()));
        self.opening.borrow_mut().clear();
        self.connections.close_all();
    }

    fn hear(&self, message: FromWorker, handles: &[JsValue]) {
        match message {
            FromWorker::Loaded => {
                if let Some(loaded) = self.loaded.borrow_mut().take() {
                    // Nobody waits where the page is on its way out.
                    let _ = loaded.send(());
                }
            }
            FromWorker::Ready { capabilities, stored } => {
                self.connections.set_relay(!capabilities.transferable_channels);
                self.state.capabilities.update(|ours| {
                    // The service worker may have come up while the worker looked around.
                    let service_worker = ours.service_worker;
                    *ours = capabilities;
                    ours.service_worker |= service_worker;
                });
                self.state.stored.set(stored);
                self.state.worker.set(WorkerState::Ready);
            }
            FromWorker::Transfers(updates) => self.show_transfers(updates),
            FromWorker::Creations(creations) => self.state.creations.set(creations),
            FromWorker::Stored(stored) => self.state.stored.set(stored),
            FromWorker::Quota(quota) => self.state.capabilities.update(|ours| ours.quota = quota),
            FromWorker::Held(held) => held::remember(&held),
            FromWorker::Notice { level, torrent, text } => self.notice(level, torrent, text),
            FromWorker::LoginRequired => self.state.login_required.update(|times| *times += 1),
            FromWorker::Persist => self.ask_to_persist(),
            FromWorker::Offer { effect, conn } => self.connections.offer(effect, conn),
            FromWorker::Answer { effect, conn, sdp } => self.connections.answer(effect, conn, sdp),
            FromWorker::Accept { effect, conn, sdp } => self.connections.accept(effect, conn, sdp),
            FromWorker::Send { conn } => {
                if let Some(buffer) = handles.first() {
                    self.connections.send(conn, buffer);
                }
            }
            FromWorker::Close { conn } => self.connections.close(conn),
            FromWorker::TorrentOpened { request, link } => {
                if let Some(opened) = self.opening.borrow_mut().remove(&request) {
                    // Whoever asked may have gone to another view.
                    let _ = opened.send(link);
                }
            }
            FromWorker::File { request, name } => self.hear_file(request, name, handles),
            FromWorker::Died { reason } => self.fail(&reason),
        }
    }

    fn hear_file(&self, request: u32, name: Result<String, String>, handles: &[JsValue]) {
        let Some(then) = self.requests.borrow_mut().remove(&request) else { return };
        let blob = handles.first().cloned().map(JsValue::unchecked_into::<Blob>);
        then(name.and_then(|name| match blob {
            Some(blob) => Ok((name, blob)),
            None => Err("the engine answered without the file".to_owned()),
        }));
    }

    fn ask_to_persist(&self) {
        let capabilities = self.state.capabilities.clone();
        let outbox = Rc::clone(&self.outbox);
        spawn_local(async move {
            let Some(asked) = scope::storage().and_then(|storage| storage.persist().ok()) else { return };
            // A browser that cannot say has promised nothing.
            let granted = JsFuture::from(asked).await.is_ok_and(|granted| granted.is_truthy());
            capabilities.update(|ours| ours.persisted = Some(granted));
            if let Err(error) = outbox.post(ToWorker::Persisted(granted), Vec::new(), Vec::new()) {
                leptos::logging::warn!("a message to the engine worker was lost: {error}");
            }
        });
    }

    /// Takes in what the browser's statistics say of each connection.
    pub(super) fn set_paths(&self, paths: BTreeMap<ConnId, PathInfo>) {
        self.paths.replace(paths);
        for row in self.state.transfers.get_untracked() {
            let paths = row.view.with_untracked(|view| self.paths_of(&view.torrent));
            if row.view.with_untracked(|view| view.paths != paths) {
                row.view.update(|view| view.paths = paths);
            }
        }
    }

    fn paths_of(&self, torrent: &TorrentSnapshot) -> BTreeMap<ConnId, PathInfo> {
        let paths = self.paths.borrow();
        let path = |conn: ConnId| paths.get(&conn).map(|path| (conn, *path));
        torrent.peers.iter().filter_map(|peer| path(peer.conn)).collect()
    }

    fn show_transfers(&self, updates: Vec<TransferUpdate>) {
        let rows = self.state.transfers.get_untracked();
        let same = rows.len() == updates.len()
            && rows.iter().zip(&updates).all(|(row, update)| row.info_hash == update.torrent.info_hash);
        let mut next = Vec::with_capacity(updates.len());
        for update in updates {
            let info_hash = update.torrent.info_hash;
            let old = rows.iter().find(|row| row.info_hash == info_hash);
            let paths = self.paths_of(&update.torrent);
            let mut view = TransferView {
                torrent: update.torrent,
                padding: Vec::new(),
                failure: update.failure,
                paths,
                backing: update.backing,
                direct: update.direct,
            };
            match old {
                Some(row) => {
                    row.view.maybe_update(|shown| renew(shown, view, update.files));
                    next.push(row.clone());
                }
                None => {
                    update.files.apply(&mut view.torrent.files, &mut view.padding);
                    next.push(Transfer { info_hash, view: ArcRwSignal::new(view) });
                }
            }
        }
        if !same {
            self.state.transfers.set(next);
        }
    }
}

/// Makes of what is shown what is new; answers whether that is something else. The files stay where they are: they are
/// many, and few of them change.
fn renew(shown: &mut TransferView, mut view: TransferView, files: FilesUpdate) -> bool {
    let mut kept = std::mem::take(&mut shown.torrent.files);
    let mut padding = std::mem::take(&mut shown.padding);
    let changed = files.apply(&mut kept, &mut padding) | (*shown != view);
    view.torrent.files = kept;
    view.padding = padding;
    *shown = view;
    changed
}
