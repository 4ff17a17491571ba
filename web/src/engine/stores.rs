//! Storage of the engine's torrents: each is a task of its own that does one thing after the other.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use futures_channel::mpsc;
use futures_util::{FutureExt as _, StreamExt as _};
use shared::engine::{EffectFailure, EffectResult};
use shared::id::{EffectId, InfoHash};
use shared::metainfo::Metainfo;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Blob, File};

use super::effects::sha1;
use super::host::Host;
use super::pump::Handle;
use crate::client::Backing;
use crate::platform::timer::breathe;
use crate::protocol::FromWorker;
use crate::storage::library::Library;
use crate::storage::memory::Memory;
use crate::storage::opfs::Opfs;
use crate::storage::source::Source;
use crate::storage::{Backend, CachedStorage, StorageError};

/// Something to be done with a torrent's storage. How many wait is bounded by the engine: requests of peers and
/// pieces in memory are.
#[derive(Debug)]
pub(super) enum Work {
    Read {
        id: EffectId,
        offset: u64,
        length: u32,
    },
    Check {
        id: EffectId,
        offset: u64,
        length: u32,
    },
    Write {
        id: EffectId,
        offset: u64,
        blocks: Vec<Bytes>,
    },
    Persist {
        id: EffectId,
        record: Bytes,
    },
    File {
        request: u32,
        file: usize,
    },
    /// Keeps this `.torrent` beside the files: its trackers or web seeds have changed.
    Torrent(Bytes),
    Close {
        id: EffectId,
        erase: bool,
    },
}

impl Work {
    /// Where it reads, if that is what it does.
    const fn read_offset(&self) -> Option<u64> {
        if let Self::Read { offset, .. } = self { Some(*offset) } else { None }
    }
}

/// Reads looked at before they are done, so that those of several pieces go side by side: a full send buffer's worth.
const LOOK_AHEAD: usize = 64;

/// An open storage, or one that is being opened.
pub(super) struct Store {
    work: mpsc::UnboundedSender<Work>,
    pub(super) metainfo: Arc<Metainfo>,
    pub(super) backing: Backing,
    /// Which of the torrent's directories it is, where it is in the private file system.
    slot: Option<u32>,
    /// Trackers in the `.torrent` that is kept with it.
    trackers: Vec<String>,
}

/// What a storage is opened with.
struct Opening {
    torrent: InfoHash,
    metainfo: Arc<Metainfo>,
    trackers: Vec<String>,
    source: Option<Rc<[File]>>,
    library: Option<Library>,
    memory_cap: u64,
}

impl Host {
    /// Opens a torrent's storage: what was shared where it lies, else the private file system, else memory.
    pub(super) fn open_store(&mut self, id: EffectId, torrent: InfoHash, metainfo: &Arc<Metainfo>) {
        debug_assert!(!self.stores.contains_key(&torrent), "the engine closes before it opens again");
        let (work, todo) = mpsc::unbounded();
        let metainfo = Arc::clone(metainfo);
        let (trackers, _) = self.named_by(torrent);
        let store = Store {
            work,
            metainfo: Arc::clone(&metainfo),
            backing: Backing::None,
            slot: None,
            trackers: trackers.clone(),
        };
        self.stores.insert(torrent, store);
        let opening = Opening {
            torrent,
            metainfo,
            trackers,
            source: self.sources.get(&torrent).cloned(),
            library: self.library.clone(),
            memory_cap: self.capabilities.memory_cap_bytes,
        };
        spawn_local(serve(self.pump.clone(), id, opening, todo));
    }

    /// Gives a storage something to do.
    pub(super) fn work(&self, torrent: InfoHash, work: Work) {
        let refused = match self.stores.get(&torrent) {
            Some(store) => store.work.unbounded_send(work).err().map(mpsc::TrySendError::into_inner),
            None => Some(work),
        };
        if let Some(work) = refused {
            refuse(&self.pump, work);
        }
    }

    /// Closes a torrent's storage; one that is not open has nothing to lose.
    pub(super) fn close_store(&mut self, id: EffectId, torrent: InfoHash, erase: bool) {
        match self.stores.remove(&torrent) {
            Some(store) => {
                if let Err(error) = store.work.unbounded_send(Work::Close { id, erase }) {
                    refuse(&self.pump, error.into_inner());
                }
            }
            None => self.pump.done(id, EffectResult::Done),
        }
    }

    /// Trackers and web seeds of a torrent, for the `.torrent` that is kept or saved.
    pub(super) fn named_by(&self, torrent: InfoHash) -> (Vec<String>, Vec<String>) {
        let snapshot = self.engine.snapshot(self.now);
        let found = snapshot.torrents.into_iter().find(|found| found.info_hash == torrent);
        let Some(found) = found else { return Default::default() };
        let trackers = found.trackers.into_iter().map(|tracker| tracker.url).collect();
        (trackers, found.web_seeds.into_iter().map(|seed| seed.url).collect())
    }

    /// Has the trackers and web seeds that were asked for since the storage was opened kept with it: a transfer that goes on after a
    /// reload asks all of them again.
    pub(super) fn keep_trackers(&mut self, torrent: InfoHash) {
        let (trackers, web_seeds) = self.named_by(torrent);
        let Some(store) = self.stores.get_mut(&torrent) else { return };
        if store.trackers == trackers && store.metainfo.web_seeds() == web_seeds {
            return;
        }
        store.metainfo = Arc::new(with_web_seeds(Metainfo::clone(&store.metainfo), &web_seeds));
        let kept = store.metainfo.to_torrent(&trackers);
        store.trackers = trackers;
        self.work(torrent, Work::Torrent(kept.into()));
    }

    /// Tells the page which directories this tab holds, and what others left.
    pub(super) fn tell_stored(&self) {
        let Some(library) = self.library.clone() else { return };
        let held = self.stores.iter().filter_map(|(torrent, store)| Some((*torrent, store.slot?))).collect();
        self.say(&FromWorker::Held(held));
        let pump = self.pump.clone();
        spawn_local(async move {
            match library.stored().await {
                Ok(stored) => pump.run(move |host| host.say(&FromWorker::Stored(stored))),
                Err(error) => {
                    web_sys::console::error_1(
                        &format!("the stored torrents cannot be listed: {error}").into(),
                    );
                }
            }
        });
    }

    fn store_opened(&mut self, torrent: InfoHash, backing: Backing, slot: Option<u32>) {
        if let Some(store) = self.stores.get_mut(&torrent) {
            store.backing = backing;
            store.slot = slot;
        }
        if slot.is_some() {
            self.tell_stored();
        }
    }
}

async fn serve(pump: Handle, id: EffectId, opening: Opening, mut todo: mpsc::UnboundedReceiver<Work>) {
    let torrent = opening.torrent;
    let (mut storage, slot) = match open(opening).await {
        Ok(opened) => opened,
        Err(error) => {
            pump.run(move |host| drop(host.stores.remove(&torrent)));
            pump.done(id, EffectResult::Failed(error.into()));
            while let Some(work) = todo.next().await {
                refuse(&pump, work);
            }
            return;
        }
    };
    let backing = storage.backing();
    pump.run(move |host| host.store_opened(torrent, backing, slot));
    pump.done(id, opened(&storage));
    let mut waiting: VecDeque<Work> = VecDeque::new();
    loop {
        let next = match waiting.pop_front() {
            Some(work) => Some(work),
            None => todo.next().await,
        };
        let Some(work) = next else { return };
        while waiting.len() < LOOK_AHEAD
            && let Some(Some(work)) = todo.next().now_or_never()
        {
            waiting.push_back(work);
        }
        if let Some(offset) = work.read_offset() {
            let following = waiting.iter().map_while(Work::read_offset);
            storage.prepare(std::iter::once(offset).chain(following)).await;
        }
        let (id, result) = match work {
            Work::Close { id, erase } => {
                let closed = storage.close(erase).await;
                pump.done(id, outcome(closed, |()| EffectResult::Done));
                pump.run(|host| host.tell_stored());
                return;
            }
            Work::File { request, file } => {
                let found = storage.file(file).await;
                pump.run(move |host| host.give_file(torrent, request, file, found));
                continue;
            }
            Work::Torrent(kept) => {
                if let Err(error) = storage.keep_torrent(kept).await {
                    let text = format!("the trackers of {torrent} are not kept: {error}");
                    web_sys::console::warn_1(&text.into());
                }
                continue;
            }
            Work::Read { id, offset, length } => {
                (id, outcome(storage.read(offset, length).await, EffectResult::Bytes))
            }
            Work::Check { id, offset, length } => (id, check(&mut storage, offset, length).await),
            Work::Write { id, offset, blocks } => {
                (id, outcome(storage.write(offset, &blocks).await, |()| EffectResult::Done))
            }
            Work::Persist { id, record } => {
                (id, outcome(storage.persist(&record).await, |()| EffectResult::Done))
            }
        };
        pump.done(id, result);
    }
}

async fn open(opening: Opening) -> Result<(CachedStorage, Option<u32>), StorageError> {
    let layout = Rc::new(opening.metainfo.layout().clone());
    let (backend, slot) = if let Some(files) = opening.source {
        (Backend::Source(Source::new(Rc::clone(&layout), files)?), None)
    } else if let Some(library) = opening.library {
        let claim = library.claim(opening.torrent).await?;
        let torrent = opening.metainfo.to_torrent(&opening.trackers);
        let opfs = Opfs::open(claim, Rc::clone(&layout), torrent.into()).await?;
        let slot = opfs.slot();
        (Backend::Opfs(Box::new(opfs)), Some(slot))
    } else {
        (Backend::Memory(Memory::new(Rc::clone(&layout), opening.memory_cap)), None)
    };
    Ok((CachedStorage::new(backend, layout), slot))
}

fn opened(storage: &CachedStorage) -> EffectResult {
    EffectResult::Opened(storage.opened())
}

/// SHA-1 of stored bytes. Bytes that are not there match nothing.
async fn check(storage: &mut CachedStorage, offset: u64, length: u32) -> EffectResult {
    // A whole torrent is checked piece after piece: peers and the page get their turns between.
    breathe().await;
    match storage.read_through(offset, length).await {
        Ok(bytes) => EffectResult::Digest(sha1(&[bytes])),
        Err(StorageError::Range { .. }) => EffectResult::Digest([0; 20]),
        Err(error) => EffectResult::Failed(error.into()),
    }
}

fn outcome<T>(result: Result<T, StorageError>, then: impl FnOnce(T) -> EffectResult) -> EffectResult {
    result.map_or_else(|error| EffectResult::Failed(error.into()), then)
}

/// Answers work for a storage that is not open.
fn refuse(pump: &Handle, work: Work) {
    let id = match work {
        Work::File { request, .. } => {
            let name = Err("the file is not here".to_owned());
            return pump.run(move |host| host.say(&FromWorker::File { request, name }));
        }
        Work::Close { id, .. } => return pump.done(id, EffectResult::Done),
        Work::Torrent(_) => return,
        Work::Read { id, .. }
        | Work::Check { id, .. }
        | Work::Write { id, .. }
        | Work::Persist { id, .. } => id,
    };
    pump.done(id, EffectResult::Failed(EffectFailure::Failed("the storage is not open".to_owned())));
}

impl Host {
    /// Gives a file to the page, under its own name.
    fn give_file(&self, torrent: InfoHash, request: u32, file: usize, found: Result<Blob, StorageError>) {
        let name = self.stores.get(&torrent).and_then(|store| {
            let entry = store.metainfo.files().get(file)?;
            entry.path.last().cloned()
        });
        match found {
            Ok(blob) => {
                let name = Ok(name.unwrap_or_else(|| torrent.to_string()));
                self.say_with(&FromWorker::File { request, name }, &[], &[blob.into()]);
            }
            Err(error) => self.say(&FromWorker::File { request, name: Err(error.to_string()) }),
        }
    }
}

/// A torrent with these web seeds in place of its own.
pub(super) fn with_web_seeds(metainfo: Metainfo, web_seeds: &[String]) -> Metainfo {
    let plain = metainfo.clone();
    // Each was checked when it came in.
    metainfo.with_web_seeds(web_seeds).unwrap_or(plain)
}
