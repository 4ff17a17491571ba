//! The host: the engine and everything it needs done.

use std::collections::BTreeMap;
use std::rc::Rc;

use shared::engine::{Config, Engine};
use shared::id::{ConnId, InfoHash, TrackerId};
use shared::time::Instant;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::{DedicatedWorkerGlobalScope, File};

use super::connections::{Closing, Connection};
use super::creation::Creations;
use super::fetches::Fetch;
use super::publish::Publisher;
use super::pump::{Handle, Pump};
use super::stores::Store;
use crate::client::{Capabilities, Level};
use crate::net::tracker_socket::TrackerSocket;
use crate::platform::message::Port as _;
use crate::platform::{JsError, clock, scope};
use crate::protocol::{FromWorker, StartOptions};
use crate::storage::library::Library;
use crate::storage::quota;

/// The engine with its hands.
pub(super) struct Host {
    pub(super) engine: Engine,
    /// When the pump took something in last.
    pub(super) now: Instant,
    /// When the engine wants to be called next.
    pub(super) deadline: Option<Instant>,
    pub(super) pump: Handle,
    pub(super) page: DedicatedWorkerGlobalScope,
    /// Announce URL of this origin.
    pub(super) tracker: String,
    pub(super) capabilities: Capabilities,
    pub(super) library: Option<Library>,
    /// The present socket of each tracker, with its number.
    pub(super) sockets: BTreeMap<TrackerId, Socket>,
    pub(super) sockets_made: u64,
    /// Whether our own tracker is asked for a token before its socket is opened: it has accounts, and somebody is logged in
    /// as far as is known.
    pub(super) asks_token: bool,
    /// Whether our own tracker has accounts.
    pub(super) accounts: bool,
    pub(super) connections: BTreeMap<ConnId, Connection>,
    pub(super) closing: BTreeMap<ConnId, Closing>,
    /// Requests to web seeds under way.
    pub(super) fetches: BTreeMap<ConnId, Fetch>,
    pub(super) stores: BTreeMap<InfoHash, Store>,
    /// Why torrents stopped, in words: of each the last failure.
    pub(super) failures: BTreeMap<InfoHash, String>,
    /// Files that were shared, by the torrent they became, in its order.
    pub(super) sources: BTreeMap<InfoHash, Rc<[File]>>,
    pub(super) creations: Creations,
    pub(super) publisher: Publisher,
    /// Whether the browser was asked to keep our storage.
    pub(super) asked_to_persist: bool,
}

/// The present socket of a tracker.
pub(super) struct Socket {
    /// Of all sockets, which.
    pub(super) number: u64,
    /// Whether it leads to our own tracker.
    pub(super) is_own: bool,
    /// `None` until its address is known.
    pub(super) socket: Option<TrackerSocket>,
}

/// Makes the host, and tells the page once it has looked around.
pub(super) fn begin(pump: &Rc<Pump>, options: StartOptions, probed: bool) -> Result<(), JsError> {
    let page = scope::worker()?;
    let seed = scope::random_bytes()?;
    let handle = pump.handle();
    let StartOptions { tracker, mut capabilities, force_memory, held, accounts } = options;
    capabilities.transferable_channels = probed;
    let pump = Rc::clone(pump);
    spawn_local(async move {
        let opened = if force_memory {
            Err(JsError::unexpected("asked for memory"))
        } else {
            Library::open(held).await
        };
        let library = match opened {
            Ok(library) => Some(library),
            Err(error) => {
                web_sys::console::info_1(
                    &format!("no private file system, downloads stay in memory: {error}").into(),
                );
                None
            }
        };
        capabilities.opfs = library.is_some();
        capabilities.quota = quota::estimate().await;
        capabilities.complete = true;
        let stored = match &library {
            Some(library) => library.stored().await.unwrap_or_default(),
            None => Vec::new(),
        };
        // Which addresses a page may contact is the browser's to say; what a link names is shown first.
        let config = Config { web_seeds: true, private_addresses: true, ..Config::default() };
        let engine = Engine::new(config, seed, pump.clock.now(), clock::unix_time());
        let host = Host {
            engine,
            now: pump.clock.now(),
            deadline: None,
            pump: handle.clone(),
            page,
            tracker,
            creations: Creations::new(capabilities.hash_threads as usize, handle.clone()),
            publisher: Publisher::new(handle),
            capabilities: capabilities.clone(),
            library,
            sockets: BTreeMap::new(),
            sockets_made: 0,
            asks_token: accounts,
            accounts,
            connections: BTreeMap::new(),
            closing: BTreeMap::new(),
            fetches: BTreeMap::new(),
            stores: BTreeMap::new(),
            failures: BTreeMap::new(),
            sources: BTreeMap::new(),
            asked_to_persist: false,
        };
        host.say(&FromWorker::Ready { capabilities, stored });
        pump.begin(host);
    });
    Ok(())
}

impl Host {
    /// After everything that arrived was taken in: tells the engine of buffers that drained without an event, and the
    /// page what is new.
    pub(super) fn settle(&mut self, now: Instant) {
        self.correct_buffers();
        self.publish_when_due(now);
    }

    /// Tells the page something.
    pub(super) fn say(&self, message: &FromWorker) {
        self.say_with(message, &[], &[]);
    }

    /// Tells the page something, with handles beside it: `moved` are given away, `cloned` are not.
    pub(super) fn say_with(&self, message: &FromWorker, moved: &[JsValue], cloned: &[JsValue]) {
        if let Err(error) = self.page.post(message, moved, cloned) {
            web_sys::console::error_1(&format!("a message to the page was lost: {error}").into());
        }
    }

    /// Tells a person something.
    pub(super) fn notice(&self, level: Level, torrent: Option<InfoHash>, text: impl Into<String>) {
        self.say(&FromWorker::Notice { level, torrent, text: text.into() });
    }
}
