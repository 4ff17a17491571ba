//! A torrent whose files lie where they were hashed. They are only read.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
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
            read_exact(&file, &mut bytes, want, range.offset)
                .map_err(|error| self.failed(range.file, error))?;
            // After the read: what is written meanwhile shows.
            if Identity::of(&file.metadata()?) != self.files[range.file].identity {
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
        let file = File::open(&self.files[number].path).map_err(|error| self.failed(number, error))?;
        let file = Arc::new(file);
        if open.len() == OPEN_MAX {
            open.pop_front();
        }
        open.push_back((number, Arc::clone(&file)));
        Ok(file)
    }

    /// Other troubles than these may pass: the file is still what it was.
    fn failed(&self, number: usize, error: io::Error) -> StorageError {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => self.changed(number),
            _ => StorageError::Io(error),
        }
    }

    fn changed(&self, number: usize) -> StorageError {
        StorageError::Changed(self.files[number].path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use shared::metainfo::builder::Builder;

    use super::*;

    #[test]
    fn only_a_file_that_is_gone_is_said_to_be() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        std::fs::write(&path, b"abcd").unwrap();
        let mut builder = Builder::new(None, &[(vec!["x".to_owned()], 4)]).unwrap();
        for piece in builder.layout().all_pieces() {
            builder.set_hash(piece, [1; 20]);
        }
        let metainfo = Arc::new(builder.finish().unwrap());
        let file = SourceFile::look(&path).unwrap();
        let read = |path| {
            let file = SourceFile { path, identity: file.identity };
            InPlace::open(metainfo.clone(), vec![file]).unwrap().read(0, 4)
        };
        assert_eq!(read(path.clone()).unwrap(), b"abcd");
        let gone = read(directory.path().join("y"));
        assert!(matches!(gone, Err(StorageError::Changed(_))), "{gone:?}");
        // It cannot be looked at, hence is not known to be gone.
        let failed = read(path.join("y"));
        assert!(matches!(failed, Err(StorageError::Io(_))), "{failed:?}");
    }
}
