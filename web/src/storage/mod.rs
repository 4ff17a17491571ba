//! Where the bytes of a torrent lie: one port, three backends.
//!
//! [`opfs`] is the browser's private file system, [`source`] the files that somebody shared, where they lie on the
//! disk, [`memory`] what is left without either. [`conformance`] is the suite that each of them passes.

pub mod cache;
pub mod conformance;
pub mod library;
pub mod memory;
pub mod opfs;
pub mod quota;
pub mod record;
pub mod source;

use std::ops::Range;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use shared::engine::{EffectFailure, Opened};
use shared::layout::Layout;
use web_sys::Blob;

use crate::client::Backing;
use crate::platform::JsError;
use cache::ReadCache;

/// Why storage could not do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The origin's quota, the disk or the memory cap is used up.
    #[error("no space: {needed} bytes needed, {available:?} available")]
    NoSpace {
        /// Bytes that were to be written.
        needed: u64,
        /// Bytes that there are, where that is known.
        available: Option<u64>,
    },
    /// A shared file is gone or was changed.
    #[error("{0} is gone or was changed")]
    Changed(String),
    /// A range outside the torrent, or of bytes that were never written.
    #[error("expected a stored range, got {length} bytes from {offset}")]
    Range {
        /// First byte.
        offset: u64,
        /// Number of bytes.
        length: u64,
    },
    /// It cannot be done with this backend: writing to a shared file.
    #[error("not possible: {0}")]
    Unsupported(&'static str),
    /// Anything else that the browser threw.
    #[error("{0}")]
    Browser(#[from] JsError),
}

impl From<StorageError> for EffectFailure {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NoSpace { needed, available } => Self::NoSpace { needed, available },
            StorageError::Changed(name) => Self::Changed(name),
            StorageError::Unsupported(_) => Self::Unsupported(error.to_string()),
            StorageError::Range { .. } | StorageError::Browser(_) => Self::Failed(error.to_string()),
        }
    }
}

/// Storage of one torrent. All ranges are of the torrent, within its length; calls are made one after the other.
pub trait Storage {
    /// Where the bytes are.
    fn backing(&self) -> Backing;

    /// The resume record that was persisted last, and whether bytes may be there without one.
    fn opened(&self) -> Opened;

    /// Fills `into` from `offset`.
    fn read(&mut self, offset: u64, into: &mut [u8]) -> impl Future<Output = Result<(), StorageError>>;

    /// Reads several ranges, side by side where that is quicker.
    fn read_all(&mut self, ranges: &[Range<u64>]) -> impl Future<Output = Result<Vec<Bytes>, StorageError>> {
        async move {
            let mut read = Vec::with_capacity(ranges.len());
            for range in ranges {
                let mut bytes = BytesMut::zeroed((range.end - range.start) as usize);
                self.read(range.start, &mut bytes).await?;
                read.push(bytes.freeze());
            }
            Ok(read)
        }
    }

    /// Writes `blocks`, one after the other, from `offset`. Afterwards they are there to be read, also after this
    /// process ended (not for [`memory`]).
    fn write(&mut self, offset: u64, blocks: &[Bytes]) -> impl Future<Output = Result<(), StorageError>>;

    /// Replaces the resume record: after a crash in the middle, the old one or the new one is there.
    fn persist(&mut self, record: &Bytes) -> impl Future<Output = Result<(), StorageError>>;

    /// A file as the browser has it, for saving. Stays readable as long as the bytes are not written to.
    fn file(&mut self, file: usize) -> impl Future<Output = Result<Blob, StorageError>>;

    /// Lets go of everything; with `erase`, deletes bytes and record.
    fn close(self, erase: bool) -> impl Future<Output = Result<(), StorageError>>;

    /// Bytes that a read should take at once, because a read costs about the same up to there.
    fn read_ahead(&self) -> u32;
}

/// Any of the backends.
pub enum Backend {
    /// The browser's private file system.
    Opfs(Box<opfs::Opfs>),
    /// Files that somebody shared.
    Source(source::Source),
    /// Memory.
    Memory(memory::Memory),
}

macro_rules! each {
    ($backend:expr, $storage:ident => $call:expr) => {
        match $backend {
            Backend::Opfs($storage) => $call,
            Backend::Source($storage) => $call,
            Backend::Memory($storage) => $call,
        }
    };
}

impl Storage for Backend {
    fn backing(&self) -> Backing {
        each!(self, storage => storage.backing())
    }

    fn opened(&self) -> Opened {
        each!(self, storage => storage.opened())
    }

    async fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), StorageError> {
        each!(self, storage => storage.read(offset, into).await)
    }

    async fn read_all(&mut self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, StorageError> {
        each!(self, storage => storage.read_all(ranges).await)
    }

    async fn write(&mut self, offset: u64, blocks: &[Bytes]) -> Result<(), StorageError> {
        each!(self, storage => storage.write(offset, blocks).await)
    }

    async fn persist(&mut self, record: &Bytes) -> Result<(), StorageError> {
        each!(self, storage => storage.persist(record).await)
    }

    async fn file(&mut self, file: usize) -> Result<Blob, StorageError> {
        each!(self, storage => storage.file(file).await)
    }

    async fn close(self, erase: bool) -> Result<(), StorageError> {
        match self {
            Self::Opfs(storage) => storage.close(erase).await,
            Self::Source(storage) => storage.close(erase).await,
            Self::Memory(storage) => storage.close(erase).await,
        }
    }

    fn read_ahead(&self) -> u32 {
        each!(self, storage => storage.read_ahead())
    }
}

/// Reading less than that at once costs no less.
const SMALLEST_CHUNK: u32 = 128 * 1024;

/// Chunks read at once: the browser answers each after a while, however many there are.
const SIDE_BY_SIDE: usize = 4;

/// A backend with a cache of what was read: peers ask for blocks of 16 KiB, one after the other.
pub struct CachedStorage {
    backend: Backend,
    layout: Rc<Layout>,
    cache: ReadCache,
}

impl CachedStorage {
    /// Puts a cache before `backend`.
    pub fn new(backend: Backend, layout: Rc<Layout>) -> Self {
        // Pieces are asked for in any order: what is read beyond a piece is for nothing.
        let chunk = backend.read_ahead().min(layout.piece_length().max(SMALLEST_CHUNK));
        let cache = ReadCache::new(chunk.min(backend.read_ahead()));
        Self { backend, layout, cache }
    }

    /// Where the bytes are.
    pub fn backing(&self) -> Backing {
        self.backend.backing()
    }

    /// What was found when it was opened.
    pub fn opened(&self) -> Opened {
        self.backend.opened()
    }

    /// Exactly `length` bytes from `offset`; a part of a cached chunk where they lie in one.
    pub async fn read(&mut self, offset: u64, length: u32) -> Result<Bytes, StorageError> {
        self.check(offset, u64::from(length))?;
        let chunk = self.cache.chunk_of(offset);
        let end = offset + u64::from(length);
        if end > chunk.end {
            return self.read_through(offset, length).await;
        }
        let bytes = match self.cache.take(chunk.start) {
            Some(bytes) => bytes,
            None => {
                let until = chunk.end.min(self.layout.total());
                match self.load(chunk.start, (until - chunk.start) as u32).await {
                    Ok(bytes) => bytes,
                    // Reading ahead ran into what is not there yet.
                    Err(StorageError::Range { .. }) => return self.load(offset, length).await,
                    Err(error) => return Err(error),
                }
            }
        };
        self.cache.put(chunk.start, bytes.clone());
        let from = (offset - chunk.start) as usize;
        Ok(bytes.slice(from..from + length as usize))
    }

    /// Takes the chunks of these blocks into the cache, side by side, unless the first of them is there already: then
    /// nothing has to wait yet. What cannot be read shows when it is read itself.
    pub async fn prepare(&mut self, blocks: impl Iterator<Item = u64>) {
        let mut missing: Vec<Range<u64>> = Vec::with_capacity(SIDE_BY_SIDE);
        for (number, offset) in blocks.enumerate() {
            let chunk = self.cache.chunk_of(offset);
            if self.cache.has(chunk.start) {
                if number == 0 {
                    return;
                }
            } else if chunk.start < self.layout.total()
                && missing.iter().all(|other| other.start != chunk.start)
            {
                missing.push(chunk.start..chunk.end.min(self.layout.total()));
            }
            if missing.len() == SIDE_BY_SIDE {
                break;
            }
        }
        if missing.len() < 2 {
            return;
        }
        if let Ok(read) = self.backend.read_all(&missing).await {
            for (range, bytes) in missing.into_iter().zip(read) {
                self.cache.put(range.start, bytes);
            }
        }
    }

    /// Like [`CachedStorage::read`], past the cache: for bytes that are looked at once.
    pub async fn read_through(&mut self, offset: u64, length: u32) -> Result<Bytes, StorageError> {
        self.check(offset, u64::from(length))?;
        self.load(offset, length).await
    }

    /// See [`Storage::write`].
    pub async fn write(&mut self, offset: u64, blocks: &[Bytes]) -> Result<(), StorageError> {
        let length = blocks.iter().map(|block| block.len() as u64).sum();
        self.check(offset, length)?;
        self.cache.forget(offset..offset + length);
        self.backend.write(offset, blocks).await
    }

    /// See [`Storage::persist`].
    pub async fn persist(&mut self, record: &Bytes) -> Result<(), StorageError> {
        self.backend.persist(record).await
    }

    /// See [`opfs::Opfs::keep_torrent`]; the other backends keep none.
    pub async fn keep_torrent(&mut self, torrent: Bytes) -> Result<(), StorageError> {
        match &mut self.backend {
            Backend::Opfs(opfs) => opfs.keep_torrent(torrent).await,
            Backend::Source(_) | Backend::Memory(_) => Ok(()),
        }
    }

    /// See [`Storage::file`].
    pub async fn file(&mut self, file: usize) -> Result<Blob, StorageError> {
        self.backend.file(file).await
    }

    /// See [`Storage::close`].
    pub async fn close(self, erase: bool) -> Result<(), StorageError> {
        self.backend.close(erase).await
    }

    async fn load(&mut self, offset: u64, length: u32) -> Result<Bytes, StorageError> {
        let mut bytes = BytesMut::zeroed(length as usize);
        self.backend.read(offset, &mut bytes).await?;
        Ok(bytes.freeze())
    }

    fn check(&self, offset: u64, length: u64) -> Result<(), StorageError> {
        let fits = offset.checked_add(length).is_some_and(|end| end <= self.layout.total());
        if fits { Ok(()) } else { Err(StorageError::Range { offset, length }) }
    }
}
