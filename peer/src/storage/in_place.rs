//! A torrent whose files lie where they were hashed. They are only read.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;

use parking_lot::Mutex;
use shared::metainfo::Metainfo;

use super::{Identity, SourceFile, StorageError, read_exact};

/// Files that are open at once.
const OPEN_MAX: usize = 64;

#[derive(Debug)]
pub(super) struct InPlace {
    metainfo: Arc<Metainfo>,
    files: Vec<SourceFile>,
    open: Mutex<VecDeque<(usize, Arc<File>)>>,
}

impl InPlace {
    pub(super) fn open(metainfo: Arc<Metainfo>, files: Vec<SourceFile>) -> Result<Self, StorageError> {
        let lengths = metainfo.layout().files().iter().map(|span| span.length);
        if files.len() != metainfo.files().len() || !files.iter().map(|file| file.identity.size).eq(lengths) {
            return Err(StorageError::Changed("the files".to_owned()));
        }
        Ok(Self { metainfo, files, open: Mutex::default() })
    }

    /// Reads bytes of the torrent, from files that are what they were when they were hashed.
    pub(super) fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, StorageError> {
        let mut bytes = Vec::with_capacity(length as usize);
        for range in self.metainfo.layout().file_ranges(offset, u64::from(length)) {
            let file = self.file(range.file)?;
            let want = usize::try_from(range.length).unwrap_or(usize::MAX);
            read_exact(&file, &mut bytes, want, range.offset).map_err(|_| self.changed(range.file))?;
            // After the read: what is written meanwhile shows.
            let now = file.metadata().map(|metadata| Identity::of(&metadata));
            if now.ok() != Some(self.files[range.file].identity) {
                return Err(self.changed(range.file));
            }
        }
        Ok(bytes)
    }

    fn file(&self, number: usize) -> Result<Arc<File>, StorageError> {
        let mut open = self.open.lock();
        if let Some((_, file)) = open.iter().find(|(of, _)| *of == number) {
            return Ok(Arc::clone(file));
        }
        let file = File::open(&self.files[number].path).map_err(|_| self.changed(number))?;
        let file = Arc::new(file);
        if open.len() == OPEN_MAX {
            open.pop_front();
        }
        open.push_back((number, Arc::clone(&file)));
        Ok(file)
    }

    fn changed(&self, number: usize) -> StorageError {
        StorageError::Changed(self.files[number].path.display().to_string())
    }
}
