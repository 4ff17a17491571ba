//! A copy on disk beside its torrent: which pieces match. Unlike hashing for a new torrent, files may be missing or short.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use sha1::{Digest as _, Sha1};
use shared::layout::PieceIndex;
use shared::metainfo::{FileEntry, Metainfo};

/// Bytes read at a time.
const READ: usize = 128 * 1024;

/// For each piece, whether the copy at `root` (the file, or the folder) has it. `counter` counts bytes looked at.
pub(super) fn matching(metainfo: &Metainfo, root: &Path, threads: usize, counter: &AtomicU64) -> Vec<bool> {
    let layout = metainfo.layout();
    let next = AtomicU32::new(0);
    let work = || {
        let mut reader = Reader { metainfo, root, open: None, buffer: vec![0; READ] };
        let mut found = Vec::new();
        while let Some(piece) = layout.piece(next.fetch_add(1, Ordering::Relaxed)) {
            if reader.hash(piece).as_ref() == Some(metainfo.piece_hash(piece)) {
                found.push(piece);
            }
            counter.fetch_add(u64::from(layout.piece_size(piece)), Ordering::Relaxed);
        }
        found
    };
    let mut matching = vec![false; layout.pieces() as usize];
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let others = others.into_iter().filter_map(|thread| thread.join().ok()).flatten();
        work().into_iter().chain(others).for_each(|piece| matching[piece.index()] = true);
    });
    matching
}

/// Where a file of the torrent is to be.
pub(super) fn path_of(metainfo: &Metainfo, root: &Path, file: &FileEntry) -> PathBuf {
    if metainfo.is_folder() {
        file.path.iter().fold(root.to_owned(), |path, part| path.join(part))
    } else {
        root.to_owned()
    }
}

/// What one thread reads with: one open file at a time; `None` in it for one that cannot be opened.
struct Reader<'a> {
    metainfo: &'a Metainfo,
    root: &'a Path,
    open: Option<(usize, Option<File>)>,
    buffer: Vec<u8>,
}

impl Reader<'_> {
    /// SHA-1 of what is there of a piece, if all of it is.
    fn hash(&mut self, piece: PieceIndex) -> Option<[u8; 20]> {
        let mut sha1 = Sha1::new();
        let layout = self.metainfo.layout();
        let (offset, length) = (layout.piece_offset(piece), u64::from(layout.piece_size(piece)));
        for range in layout.file_ranges(offset, length) {
            let padding = self.metainfo.files().get(range.file)?.padding;
            let (mut at, mut left) = (range.offset, range.length);
            while left > 0 {
                let take = READ.min(usize::try_from(left).unwrap_or(READ));
                if padding {
                    self.buffer[..take].fill(0);
                } else {
                    self.open(range.file);
                    let (_, file) = self.open.as_ref()?;
                    file.as_ref()?.read_exact_at(&mut self.buffer[..take], at).ok()?;
                }
                sha1.update(&self.buffer[..take]);
                (at, left) = (at + take as u64, left - take as u64);
            }
        }
        Some(sha1.finalize().into())
    }

    fn open(&mut self, number: usize) {
        if self.open.as_ref().is_some_and(|(open, _)| *open == number) {
            return;
        }
        let path = self.metainfo.files().get(number).map(|file| path_of(self.metainfo, self.root, file));
        self.open = Some((number, path.and_then(|path| File::open(path).ok())));
    }
}
