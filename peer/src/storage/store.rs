//! A torrent's storage as the pump sees it: things to be done, in order, on the runtime's threads for blocking work.
//!
//! What only reads may go side by side; what writes waits for what was given before it, and what was given after it waits.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use shared::engine::{EffectFailure, EffectResult};
use shared::id::EffectId;
use shared::metainfo::Metainfo;

use super::download::Download;
use super::in_place::InPlace;
use super::{Options, Place, StorageError};

/// Something to be done with a torrent's storage.
#[derive(Debug)]
pub(crate) enum Work {
    Open { place: Place },
    Read { offset: u64, length: u32 },
    Check { offset: u64, length: u32 },
    Write { offset: u64, blocks: Vec<Bytes> },
    Persist { record: Bytes },
    Close { erase: bool },
}

impl Work {
    const fn only_reads(&self) -> bool {
        matches!(self, Self::Read { .. } | Self::Check { .. })
    }
}

/// Hears what came of each.
pub(crate) type Done = Box<dyn Fn(EffectId, EffectResult) + Send + Sync>;

/// A handle on a torrent's storage.
#[derive(Clone)]
pub(crate) struct Store(Arc<Shared>);

struct Shared {
    options: Options,
    metainfo: Arc<Metainfo>,
    done: Done,
    /// Threads that read at once.
    readers_max: usize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(EffectId, Work)>,
    backend: Option<Arc<Backend>>,
    /// Threads at work here.
    workers: usize,
    /// Works under way that read; with one that writes there is none.
    reading: usize,
    writing: bool,
}

#[derive(Debug)]
enum Backend {
    Download(Box<Download>),
    InPlace(InPlace),
}

impl Store {
    /// A storage that is opened when [`Work::Open`] is given.
    pub(crate) fn new(options: Options, metainfo: Arc<Metainfo>, done: Done) -> Self {
        let readers_max = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Shared { options, metainfo, done, readers_max, queue: Mutex::default() }))
    }

    /// Nothing is open and nothing is to be done.
    pub(crate) fn is_idle(&self) -> bool {
        let queue = self.0.queue.lock();
        queue.backend.is_none() && queue.workers == 0 && queue.waiting.is_empty()
    }

    /// Queues something; how much waits is bounded by the engine.
    pub(crate) fn give(&self, id: EffectId, work: Work) {
        let mut queue = self.0.queue.lock();
        queue.waiting.push_back((id, work));
        let useful =
            if queue.waiting.iter().all(|(_, work)| work.only_reads()) { self.0.readers_max } else { 1 };
        if queue.workers < useful {
            queue.workers += 1;
            drop(queue);
            let shared = Arc::clone(&self.0);
            tokio::task::spawn_blocking(move || shared.work());
        }
    }
}

impl Shared {
    fn work(&self) {
        while let Some((id, work, backend)) = self.next() {
            let reads = work.only_reads();
            let result = self.perform(work, backend.as_deref());
            // A storage that was closed is not held open while that is told.
            drop(backend);
            let mut queue = self.queue.lock();
            if reads {
                queue.reading -= 1;
            } else {
                queue.writing = false;
            }
            drop(queue);
            (self.done)(id, result);
        }
    }

    /// The next that may be done now. A thread that finds none ends: the last one at work finds what waits for it.
    fn next(&self) -> Option<(EffectId, Work, Option<Arc<Backend>>)> {
        let mut queue = self.queue.lock();
        let may = queue
            .waiting
            .front()
            .is_some_and(|(_, work)| !queue.writing && (work.only_reads() || queue.reading == 0));
        let next = if may { queue.waiting.pop_front() } else { None };
        let Some((id, work)) = next else {
            queue.workers -= 1;
            return None;
        };
        if work.only_reads() {
            queue.reading += 1;
        } else {
            queue.writing = true;
        }
        let backend = queue.backend.clone();
        Some((id, work, backend))
    }

    fn perform(&self, work: Work, backend: Option<&Backend>) -> EffectResult {
        let Some(backend) = backend else {
            return match work {
                Work::Open { place } => outcome(self.open(place), EffectResult::Opened),
                Work::Close { .. } => EffectResult::Done,
                _ => EffectResult::Failed(EffectFailure::Failed("the storage is not open".to_owned())),
            };
        };
        match work {
            Work::Open { place } => outcome(self.open(place), EffectResult::Opened),
            Work::Read { offset, length } => {
                outcome(backend.read(offset, length), |bytes| EffectResult::Bytes(bytes.into()))
            }
            Work::Check { offset, length } => check(backend, offset, length),
            Work::Write { offset, blocks } => {
                outcome(backend.write(offset, &blocks), |()| EffectResult::Done)
            }
            Work::Persist { record } => outcome(backend.persist(&record), |()| EffectResult::Done),
            Work::Close { erase } => {
                self.queue.lock().backend = None;
                outcome(backend.close(erase), |()| EffectResult::Done)
            }
        }
    }

    fn open(&self, place: Place) -> Result<shared::engine::Opened, StorageError> {
        let metainfo = Arc::clone(&self.metainfo);
        let (backend, opened) = match place {
            Place::Files(files) => {
                (Backend::InPlace(InPlace::open(metainfo, files)?), shared::engine::Opened::default())
            }
            Place::Downloads => self.download(self.options.clone())?,
            Place::Directory(directory) => self.download(Options { directory, ..self.options.clone() })?,
        };
        self.queue.lock().backend = Some(Arc::new(backend));
        Ok(opened)
    }

    fn download(&self, options: Options) -> Result<(Backend, shared::engine::Opened), StorageError> {
        let download = Download::open(&options, Arc::clone(&self.metainfo))?;
        let opened = download.opened();
        Ok((Backend::Download(Box::new(download)), opened))
    }
}

impl Backend {
    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, StorageError> {
        match self {
            Self::Download(download) => download.read(offset, length),
            Self::InPlace(files) => files.read(offset, length),
        }
    }

    fn write(&self, offset: u64, blocks: &[Bytes]) -> Result<(), StorageError> {
        match self {
            Self::Download(download) => download.write(offset, blocks),
            // All of it was here when it was added: nothing is fetched.
            Self::InPlace(_) => Err(StorageError::Changed("a file that is shared where it lies".to_owned())),
        }
    }

    fn persist(&self, record: &[u8]) -> Result<(), StorageError> {
        match self {
            Self::Download(download) => download.persist(record),
            // It is hashed anew when it is shared again.
            Self::InPlace(_) => Ok(()),
        }
    }

    fn close(&self, erase: bool) -> Result<(), StorageError> {
        match self {
            Self::Download(download) => download.close(erase),
            // They were here before us.
            Self::InPlace(_) => Ok(()),
        }
    }
}

/// SHA-1 of stored bytes; a failure where some of them were never written.
fn check(backend: &Backend, offset: u64, length: u32) -> EffectResult {
    let Backend::Download(download) = backend else {
        // All of it was hashed when it was added.
        return EffectResult::Failed(EffectFailure::Unsupported("checking files where they lie".to_owned()));
    };
    match download.check(offset, length) {
        Ok(Some(digest)) => EffectResult::Digest(digest),
        Ok(None) => EffectResult::Failed(EffectFailure::Failed("these bytes were never written".to_owned())),
        Err(error) => EffectResult::Failed(error.into()),
    }
}

fn outcome<T>(result: Result<T, StorageError>, then: impl FnOnce(T) -> EffectResult) -> EffectResult {
    result.map_or_else(|error| EffectResult::Failed(error.into()), then)
}
