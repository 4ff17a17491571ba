//! The browser's private file system: one file for each of the torrent's, written in place, beside the `.torrent` and
//! the resume record. A directory for each torrent and tab, held under a lock, see [`super::library`].

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use shared::engine::Opened;
use shared::layout::{FileRange, Layout};
use shared::limits;
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, FileSystemDirectoryHandle};

use super::library::Claim;
use super::record::{self, META, RECORD};
use super::{Storage, StorageError, quota};
use crate::client::Backing;
use crate::platform::JsError;
use crate::platform::files::{self, SyncFile};

/// Files held open at once. Each costs the browser a handle and a message to open; a torrent may have 100,000.
const OPEN_MAX: usize = 64;

/// Reading 256 KiB costs little more than reading a block of 16 KiB.
const READ_AHEAD: u32 = 256 * 1024;

/// Bytes written by one call: a piece of the largest size we create.
const WRITE_MAX: usize = 4 * 1024 * 1024;

/// A torrent's directory.
pub struct Opfs {
    claim: Claim,
    layout: Rc<Layout>,
    torrent: Bytes,
    /// `None` until something is stored: looking at a link stores nothing.
    directory: Option<FileSystemDirectoryHandle>,
    /// Most recently used last.
    open: VecDeque<(usize, SyncFile)>,
    record: Option<SyncFile>,
    opened: Opened,
    /// Files that are known to have their full length.
    grown: BTreeSet<usize>,
    scratch: Vec<u8>,
    /// Bytes that are missing, until it is known that they have room.
    unweighed: Option<u64>,
}

impl Opfs {
    /// Takes over a claimed directory, or will make it. `torrent` is the `.torrent` that is kept beside the files.
    pub async fn open(claim: Claim, layout: Rc<Layout>, torrent: Bytes) -> Result<Self, StorageError> {
        let directory = claim.existing().await?;
        let mut opened = Opened::default();
        let mut stored_bytes = 0;
        if let Some(directory) = &directory {
            (opened.record, _) = self::record(directory).await?;
            stored_bytes = self::stored_bytes(directory).await?;
            opened.check = stored_bytes > 0;
        }
        let unweighed = Some(layout.total().saturating_sub(stored_bytes));
        Ok(Self {
            claim,
            layout,
            torrent,
            directory,
            open: VecDeque::new(),
            record: None,
            opened,
            grown: BTreeSet::new(),
            scratch: Vec::new(),
            unweighed,
        })
    }

    /// Before the first byte is written: whether all that is missing has room. A download that fails at nine tenths
    /// helps nobody.
    async fn weigh(&mut self) -> Result<(), StorageError> {
        let Some(needed) = self.unweighed else { return Ok(()) };
        if let Some(quota) = quota::estimate().await
            && quota.free() < needed
        {
            return Err(StorageError::NoSpace { needed, available: Some(quota.free()) });
        }
        self.unweighed = None;
        Ok(())
    }

    /// Which of the torrent's directories this is.
    pub fn slot(&self) -> u32 {
        self.claim.slot()
    }

    async fn directory(&mut self) -> Result<&FileSystemDirectoryHandle, StorageError> {
        let directory = match self.directory.take() {
            Some(directory) => directory,
            None => self.claim.create().await?,
        };
        Ok(self.directory.insert(directory))
    }

    /// The file, opened; made where it was not there.
    async fn handle(&mut self, file: usize) -> Result<&SyncFile, StorageError> {
        if let Some(at) = self.open.iter().position(|(open, _)| *open == file) {
            if at + 1 < self.open.len()
                && let Some(entry) = self.open.remove(at)
            {
                self.open.push_back(entry);
            }
        } else {
            let directory = self.directory().await?;
            let handle = files::file(directory, &file.to_string(), true).await?;
            let opened = SyncFile::open(&handle).await?;
            if self.open.len() == OPEN_MAX {
                self.open.pop_front();
            }
            self.open.push_back((file, opened));
        }
        self.open.back().map(|(_, handle)| handle).ok_or(StorageError::Unsupported("a file that is open"))
    }

    async fn write_bytes(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let ranges: Vec<FileRange> = self.layout.file_ranges(offset, bytes.len() as u64).collect();
        let mut rest = bytes;
        for range in ranges {
            let (part, after) = rest.split_at(range.length as usize);
            let whole = self.layout.files().get(range.file).map_or(0, |span| span.length);
            let grown = self.grown.contains(&range.file);
            let file = self.handle(range.file).await?;
            // At its full length from the start: a file that grows asks the browser for more quota as it does.
            let reserved = if grown || file.size()? >= whole { Ok(()) } else { file.truncate(whole) };
            if let Err(error) = reserved.and_then(|()| file.write(range.offset, part)) {
                return Err(full(error, part.len() as u64).await);
            }
            self.grown.insert(range.file);
            rest = after;
        }
        Ok(())
    }

    async fn record(&mut self) -> Result<&SyncFile, StorageError> {
        let record = match self.record.take() {
            Some(record) => record,
            None => {
                // The record makes the directory worth finding again, so what it needs for that comes first.
                self.write_meta().await?;
                let directory = self.directory().await?;
                SyncFile::open(&files::file(directory, RECORD, true).await?).await?
            }
        };
        Ok(self.record.insert(record))
    }

    async fn write_meta(&mut self) -> Result<(), StorageError> {
        let torrent = self.torrent.clone();
        let directory = self.directory().await?;
        let meta = SyncFile::open(&files::file(directory, META, true).await?).await?;
        meta.write(0, &torrent)?;
        meta.truncate(torrent.len() as u64)?;
        meta.flush()?;
        Ok(())
    }

    /// Keeps another `.torrent` beside the files: of the same content, with other trackers. Nothing is written where
    /// nothing is stored yet.
    pub async fn keep_torrent(&mut self, torrent: Bytes) -> Result<(), StorageError> {
        self.torrent = torrent;
        if self.record.is_some() || self.opened.record.is_some() { self.write_meta().await } else { Ok(()) }
    }
}

/// What a directory has under a name, as a disk-backed file.
async fn stored_file(directory: &FileSystemDirectoryHandle, name: &str) -> Result<web_sys::File, JsError> {
    let handle = files::file(directory, name, false).await?;
    Ok(JsFuture::from(handle.get_file()).await?.unchecked_into())
}

/// All of a small file.
async fn whole(file: &web_sys::File) -> Result<Bytes, JsError> {
    // Far above any record and any `.torrent`; a larger file is not one of ours.
    let length = (file.size() as u64).min(limits::TORRENT_MAX as u64);
    let buffer = files::read(file, 0, length).await?;
    Ok(files::bytes_of(&buffer))
}

/// All of a small file of a directory that no tab holds; `None` where there is none.
async fn small(directory: &FileSystemDirectoryHandle, name: &str) -> Result<Option<(Bytes, u64)>, JsError> {
    match stored_file(directory, name).await {
        Ok(file) => Ok(Some((whole(&file).await?, (file.last_modified() / 1e3) as u64))),
        Err(error) if error.is("NotFoundError") => Ok(None),
        Err(error) => Err(error),
    }
}

/// The `.torrent` in a directory.
pub async fn meta(directory: &FileSystemDirectoryHandle) -> Result<Option<Bytes>, JsError> {
    Ok(small(directory, META).await?.map(|(meta, _)| meta))
}

/// The record in a directory, and when it was written, in seconds since 1970 (0 where there is none).
pub async fn record(directory: &FileSystemDirectoryHandle) -> Result<(Option<Bytes>, u64), JsError> {
    let found = small(directory, RECORD).await?;
    Ok(found.map_or((None, 0), |(stored, touched)| (record::parse(&stored), touched)))
}

/// Bytes in the files of a directory, record and `.torrent` not counted.
pub async fn stored_bytes(directory: &FileSystemDirectoryHandle) -> Result<u64, JsError> {
    let mut bytes = 0;
    for name in files::names(directory).await? {
        if name != RECORD && name != META {
            bytes += stored_file(directory, &name).await?.size() as u64;
        }
    }
    Ok(bytes)
}

impl Storage for Opfs {
    fn backing(&self) -> Backing {
        Backing::Opfs
    }

    fn opened(&self) -> Opened {
        self.opened.clone()
    }

    async fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), StorageError> {
        let length = into.len() as u64;
        if self.directory.is_none() {
            return Err(StorageError::Range { offset, length });
        }
        let ranges: Vec<FileRange> = self.layout.file_ranges(offset, length).collect();
        let mut rest = into;
        for range in ranges {
            let (part, after) = rest.split_at_mut(range.length as usize);
            let read = self.handle(range.file).await?.read(range.offset, part)?;
            if read < part.len() {
                // A read-ahead may reach over what was written so far; what is asked for was written.
                part[read..].fill(0);
                if read == 0 {
                    return Err(StorageError::Range { offset, length });
                }
            }
            rest = after;
        }
        Ok(())
    }

    async fn write(&mut self, offset: u64, blocks: &[Bytes]) -> Result<(), StorageError> {
        self.weigh().await?;
        // One call a piece: each costs far more than the copy.
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut at = offset;
        for blocks in batches(blocks) {
            scratch.clear();
            blocks.iter().for_each(|block| scratch.extend_from_slice(block));
            self.write_bytes(at, &scratch).await?;
            at += scratch.len() as u64;
        }
        self.scratch = scratch;
        Ok(())
    }

    async fn persist(&mut self, bytes: &Bytes) -> Result<(), StorageError> {
        match record::write(self.record().await?, bytes) {
            Ok(()) => {
                self.opened = Opened { record: Some(bytes.clone()), check: true };
                Ok(())
            }
            Err(error) => Err(full(error, bytes.len() as u64).await),
        }
    }

    async fn file(&mut self, file: usize) -> Result<Blob, StorageError> {
        if file >= self.layout.files().len() {
            return Err(StorageError::Unsupported("no such file"));
        }
        let directory = self.directory().await?;
        let handle = files::file(directory, &file.to_string(), true).await?;
        let file = JsFuture::from(handle.get_file()).await.map_err(JsError::from)?;
        Ok(file.unchecked_into())
    }

    async fn close(mut self, erase: bool) -> Result<(), StorageError> {
        for (_, file) in self.open.drain(..) {
            if !erase {
                file.flush()?;
            }
        }
        if let Some(record) = self.record.take()
            && !erase
        {
            record.flush()?;
        }
        if erase {
            self.claim.erase().await?;
        }
        Ok(())
    }

    fn read_ahead(&self) -> u32 {
        READ_AHEAD
    }
}

/// Cuts blocks into runs of at most [`WRITE_MAX`] bytes, or of one block.
fn batches(blocks: &[Bytes]) -> impl Iterator<Item = &[Bytes]> {
    let mut rest = blocks;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |block: &&Bytes| {
            bytes += block.len();
            bytes <= WRITE_MAX
        };
        let count = rest.iter().take_while(fits).count().max(1).min(rest.len());
        let (batch, after) = rest.split_at(count);
        rest = after;
        (!batch.is_empty()).then_some(batch)
    })
}

/// A failure to write, with the numbers where it is for want of space.
async fn full(error: JsError, needed: u64) -> StorageError {
    if !quota::is_full(&error) {
        return error.into();
    }
    let available = quota::estimate().await.map(|quota| quota.free());
    StorageError::NoSpace { needed, available }
}
