//! Hashing files into pieces.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;

use sha1::{Digest as _, Sha1};
use shared::layout::{Layout, PieceIndex};

use crate::storage::{Identity, SourceFile};

/// Bytes read at a time: still in the processor's cache when they are hashed.
const READ: usize = 128 * 1024;

/// Bytes that a thread takes on at once, so that small pieces are not handed out one by one, and a disk reads runs.
const RUN: u64 = 4 * 1024 * 1024;

/// Why files could not be hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// [`Progress::cancel`] was called.
    #[error("cancelled")]
    Cancelled,
    /// Lists of different lengths: our caller's mistake.
    #[error("expected {expected} files, got {got}")]
    Files {
        /// Files of the layout.
        expected: usize,
        /// Files given.
        got: usize,
    },
    /// A file is not what it was when it was looked at: it was written to meanwhile.
    #[error("{} was changed while it was hashed", .0.display())]
    Changed(PathBuf),
    /// A file could not be read.
    #[error("{}: {error}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// How far hashing has come, and the means to stop it; shared with whoever watches.
#[derive(Debug, Default)]
pub struct Progress {
    hashed: AtomicU64,
    cancelled: AtomicBool,
}

impl Progress {
    /// Bytes hashed so far.
    pub fn hashed(&self) -> u64 {
        self.hashed.load(Ordering::Relaxed)
    }

    /// Has hashing stop soon, with [`HashError::Cancelled`].
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// SHA-1 of every piece of a torrent of these files, which stand in the order of the layout's. Blocks the thread; works on
/// `threads` threads (at least one) and takes a bounded buffer on each.
pub fn pieces(
    layout: &Layout,
    files: &[SourceFile],
    threads: usize,
    progress: &Progress,
) -> Result<Vec<[u8; 20]>, HashError> {
    if files.len() != layout.files().len() {
        return Err(HashError::Files { expected: layout.files().len(), got: files.len() });
    }
    let run = u32::try_from(RUN / u64::from(layout.piece_length())).unwrap_or(u32::MAX).max(1);
    let runs = layout.pieces().div_ceil(run);
    let next = AtomicU32::new(0);
    let work = || {
        let mut reader = Reader { layout, files, progress, open: None, buffer: vec![0; READ] };
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= runs {
                return Ok(done);
            }
            let first = number * run;
            for number in first..layout.pieces().min(first.saturating_add(run)) {
                let Some(piece) = layout.piece(number) else { continue };
                match reader.hash(piece) {
                    Ok(hash) => done.push((piece, hash)),
                    Err(error) => {
                        next.store(runs, Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
        }
    };
    let parts = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let mut parts = vec![work()];
        let join =
            |thread: ScopedJoinHandle<'_, _>| thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        parts.extend(others.into_iter().map(join));
        parts
    });
    let mut hashes = vec![[0; 20]; layout.pieces() as usize];
    for part in parts {
        for (piece, hash) in part? {
            hashes[piece.index()] = hash;
        }
    }
    // A file that was written to behind the place that was read has hashes of no moment.
    for file in files {
        let now = SourceFile::look(&file.path).map_err(|error| failed(&file.path, error))?;
        if now.identity != file.identity {
            return Err(HashError::Changed(file.path.clone()));
        }
    }
    Ok(hashes)
}

/// What one thread reads with: one open file at a time, however many there are.
struct Reader<'a> {
    layout: &'a Layout,
    files: &'a [SourceFile],
    progress: &'a Progress,
    open: Option<(usize, File)>,
    buffer: Vec<u8>,
}

impl Reader<'_> {
    fn hash(&mut self, piece: PieceIndex) -> Result<[u8; 20], HashError> {
        let mut sha1 = Sha1::new();
        let layout = self.layout;
        let (offset, length) = (layout.piece_offset(piece), u64::from(layout.piece_size(piece)));
        for range in layout.file_ranges(offset, length) {
            let (mut at, mut left) = (range.offset, range.length);
            while left > 0 {
                if self.progress.is_cancelled() {
                    return Err(HashError::Cancelled);
                }
                let take = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                self.open(range.file)?;
                let Some((_, file)) = &self.open else { continue };
                let buffer = &mut self.buffer[..take];
                let path = &self.files[range.file].path;
                file.read_exact_at(buffer, at).map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => HashError::Changed(path.clone()),
                    _ => failed(path, error),
                })?;
                sha1.update(&*buffer);
                at += take as u64;
                left -= take as u64;
                self.progress.hashed.fetch_add(take as u64, Ordering::Relaxed);
            }
        }
        Ok(sha1.finalize().into())
    }

    fn open(&mut self, number: usize) -> Result<(), HashError> {
        if self.open.as_ref().is_some_and(|(open, _)| *open == number) {
            return Ok(());
        }
        let source = &self.files[number];
        let opened = File::open(&source.path).and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = opened.map_err(|error| failed(&source.path, error))?;
        if Identity::of(&metadata) != source.identity {
            return Err(HashError::Changed(source.path.clone()));
        }
        self.open = Some((number, file));
        Ok(())
    }
}

fn failed(path: &Path, error: io::Error) -> HashError {
    HashError::Io { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use shared::metainfo::builder::Builder;

    use super::*;

    #[test]
    fn a_file_that_became_shorter_was_changed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        std::fs::write(&path, [1; 10]).unwrap();
        let file = SourceFile::look(&path).unwrap();
        let builder = Builder::new(None, &[(vec!["x".to_owned()], 20)]).unwrap();
        let hashed = pieces(builder.layout(), &[file], 2, &Progress::default());
        assert!(matches!(&hashed, Err(HashError::Changed(changed)) if *changed == path), "{hashed:?}");
    }
}
