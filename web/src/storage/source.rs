//! Files that somebody shared, read by slices where they lie.

use std::rc::Rc;

use bytes::Bytes;
use js_sys::Uint8Array;
use shared::engine::Opened;
use shared::layout::{FileRange, Layout};
use web_sys::{Blob, File};

use super::{Storage, StorageError};
use crate::client::Backing;
use crate::platform::{JsError, files};

/// A slice costs about a millisecond to read, and four for a megabyte: so whole megabytes are read.
const READ_AHEAD: u32 = 1024 * 1024;

/// Shared files, in the order of the torrent's.
#[derive(Clone)]
pub struct Source {
    layout: Rc<Layout>,
    files: Rc<[File]>,
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
        Ok(Self { layout, files })
    }

    /// Reads a part of one file into `into`.
    async fn read_part(&self, range: FileRange, into: &mut [u8]) -> Result<(), StorageError> {
        let file = self.files.get(range.file).ok_or(StorageError::Unsupported("no such file"))?;
        let buffer = files::read(file, range.offset, range.length).await;
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
        let ranges: Vec<FileRange> = self.layout.file_ranges(offset, into.len() as u64).collect();
        let mut rest = into;
        for range in ranges {
            let (part, after) = rest.split_at_mut(range.length as usize);
            self.read_part(range, part).await?;
            rest = after;
        }
        Ok(())
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
