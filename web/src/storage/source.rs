//! Files that somebody shared, read by slices where they lie.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use futures_util::future::try_join_all;
use js_sys::Uint8Array;
use shared::engine::Opened;
use shared::layout::{FileRange, Layout};
use web_sys::{Blob, File};

use super::{Storage, StorageError};
use crate::client::Backing;
use crate::platform::{JsError, files};

/// A slice costs about a millisecond to read, and four for a megabyte: so whole megabytes are read.
const READ_AHEAD: u32 = 1024 * 1024;

/// Blobs kept of a torrent's files; each is a handle in the browser.
const BLOBS_MAX: usize = 64;

/// Shared files, in the order of the torrent's.
#[derive(Clone)]
pub struct Source {
    layout: Rc<Layout>,
    files: Rc<[File]>,
    /// Each file as a blob, once it was read from: cutting a `File` asks the browser for its state every time and waits
    /// for the answer, cutting this does not. It can be read until the file changes.
    blobs: Rc<RefCell<BTreeMap<usize, Blob>>>,
}

impl Source {
    /// Fails unless there is one file of the right length for each of the layout's.
    pub fn new(layout: Rc<Layout>, files: Rc<[File]>) -> Result<Self, StorageError> {
        if layout.files().len() != files.len() {
            return Err(StorageError::Unsupported("as many shared files as the torrent has"));
        }
        for (span, file) in layout.files().iter().zip(files.iter()) {
            if span.length != file.size() as u64 {
                return Err(StorageError::Changed(file.name()));
            }
        }
        Ok(Self { layout, files, blobs: Rc::default() })
    }

    fn blob(&self, number: usize, file: &File) -> Result<Blob, JsError> {
        if let Some(blob) = self.blobs.borrow().get(&number) {
            return Ok(blob.clone());
        }
        let blob = file.slice_with_f64_and_f64(0.0, file.size())?;
        let mut blobs = self.blobs.borrow_mut();
        if blobs.len() == BLOBS_MAX {
            blobs.pop_first();
        }
        blobs.insert(number, blob.clone());
        Ok(blob)
    }

    async fn read_range(&self, offset: u64, into: &mut [u8]) -> Result<(), StorageError> {
        let ranges: Vec<FileRange> = self.layout.file_ranges(offset, into.len() as u64).collect();
        let mut rest = into;
        for range in ranges {
            let (part, after) = rest.split_at_mut(range.length as usize);
            self.read_part(range, part).await?;
            rest = after;
        }
        Ok(())
    }

    /// Reads a part of one file into `into`.
    async fn read_part(&self, range: FileRange, into: &mut [u8]) -> Result<(), StorageError> {
        let file = self.files.get(range.file).ok_or(StorageError::Unsupported("no such file"))?;
        let blob = self.blob(range.file, file).map_err(|error| failure(error, file))?;
        let buffer = files::read(&blob, range.offset, range.length).await;
        let buffer = buffer.map_err(|error| failure(error, file))?;
        Uint8Array::new(&buffer).copy_to(into);
        Ok(())
    }
}

/// The browser refuses to read a file whose time or length is not what it was when it was chosen.
pub(crate) fn failure(error: JsError, file: &File) -> StorageError {
    if error.is("NotReadableError") || error.is("NotFoundError") {
        StorageError::Changed(file.name())
    } else {
        StorageError::Browser(error)
    }
}

impl Storage for Source {
    fn backing(&self) -> Backing {
        Backing::Source
    }

    fn opened(&self) -> Opened {
        Opened::default()
    }

    async fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), StorageError> {
        self.read_range(offset, into).await
    }

    async fn read_all(&mut self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, StorageError> {
        let this = &*self;
        let reads = ranges.iter().map(async |range: &Range<u64>| {
            let mut bytes = BytesMut::zeroed((range.end - range.start) as usize);
            this.read_range(range.start, &mut bytes).await?;
            Ok(bytes.freeze())
        });
        try_join_all(reads).await
    }

    async fn write(&mut self, _offset: u64, _blocks: &[Bytes]) -> Result<(), StorageError> {
        Err(StorageError::Unsupported("a shared file is never written to"))
    }

    async fn persist(&mut self, _record: &Bytes) -> Result<(), StorageError> {
        // The files are complete by definition, and gone with the tab: there is nothing to resume.
        Ok(())
    }

    async fn file(&mut self, file: usize) -> Result<Blob, StorageError> {
        let file = self.files.get(file).ok_or(StorageError::Unsupported("no such file"))?;
        Ok(file.clone().into())
    }

    async fn close(self, _erase: bool) -> Result<(), StorageError> {
        Ok(())
    }

    fn read_ahead(&self) -> u32 {
        READ_AHEAD
    }
}
