//! A download: files in a directory, written piece by piece, and what must be known to go on with it.
//!
//! A write is acknowledged when the system has the bytes: the end of this process, however sudden, loses none of them. The
//! end of the system may (a power cut): what it had not yet put on the disk. A record from another run of the system is
//! therefore believed only if the storage was closed, which waits for the disk; otherwise every piece is checked.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use rustix::fs::{FileType, FlockOperation, Stat, fdatasync, fstatvfs};
use rustix::io::Errno;
use shared::engine::Opened;
use shared::id::InfoHash;
use shared::limits;
use shared::metainfo::Metainfo;

use super::beneath::{Access, Root};
use super::check::{Hashing, has_hole};
use super::record::{self, Record};
use super::{Options, StorageError, read_exact};

/// What is kept beside downloads, within their directory: a folder for each torrent, named after its info-hash.
pub(super) const STATE: &str = ".piecemeal";

/// The `.torrent` within that folder.
const TORRENT: &str = "torrent";

/// Files of one torrent that are open at once.
const OPEN_MAX: usize = 64;

/// Most buffers in one write (`IOV_MAX`).
const VECTORS_MAX: usize = 1_024;

/// What a file is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Not there.
    Absent,
    /// There, but without a byte of contents, however long: made for a download, perhaps by another program.
    Empty,
    /// Made by this download, or by an earlier run of it.
    Ours,
    /// Was there before, without a record, and no piece of it matched so far.
    Foreign,
}

#[derive(Debug)]
pub(super) struct Download {
    root: Root,
    /// Holds the lock as long as it is open.
    state: Root,
    metainfo: Arc<Metainfo>,
    /// Path of each file in the root.
    paths: Vec<Vec<String>>,
    overwrite: bool,
    opened: Opened,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    standing: Vec<Standing>,
    open: VecDeque<(usize, bool, Arc<File>)>,
    record: Record,
    /// Not known to lie on the disk: written to since it was opened, or by a run that was not closed.
    dirty: Vec<bool>,
    /// Pieces that were checked.
    checked: u32,
    /// Room was looked for.
    roomy: bool,
}

impl Download {
    pub(super) fn open(options: &Options, metainfo: Arc<Metainfo>) -> Result<Self, StorageError> {
        if metainfo.name().eq_ignore_ascii_case(STATE) {
            return Err(StorageError::Name(metainfo.name().to_owned()));
        }
        let root = Root::open(&options.directory)?;
        let name = metainfo.info_hash().to_string();
        let state = root.directory(STATE)?.directory(&name)?;
        rustix::fs::flock(state.fd(), FlockOperation::NonBlockingLockExclusive).map_err(
            |errno| match errno {
                Errno::WOULDBLOCK => StorageError::Locked(options.directory.clone()),
                other => StorageError::Io(other.into()),
            },
        )?;
        let files = metainfo.files();
        let path = |parts: &Vec<String>| {
            let folder = metainfo.is_folder().then(|| metainfo.name().to_owned());
            folder.into_iter().chain(parts.iter().cloned()).collect::<Vec<_>>()
        };
        let paths: Vec<_> = files.iter().map(|file| path(&file.path)).collect();
        let mut found = Vec::with_capacity(files.len());
        for (path, file) in paths.iter().zip(files) {
            found.push(if file.padding { None } else { look(&root, path)? });
        }
        let believed = read_record(&state).filter(|record| is_believed(record, &found, &metainfo));
        let mut standing = Vec::with_capacity(files.len());
        for (number, stat) in found.iter().enumerate() {
            standing.push(match stat {
                None => Standing::Absent,
                Some(_) if believed.as_ref().is_some_and(|record| has_bit(&record.made, number)) => {
                    Standing::Ours
                }
                Some(stat) if is_empty(stat) => Standing::Empty,
                Some(_) => Standing::Foreign,
            });
        }
        let there = found.iter().flatten().any(|stat| !is_empty(stat));
        // One that was not closed may have pieces that were written after the record was.
        let check = there && believed.as_ref().is_none_or(|record| record.closed.is_none());
        let opened = Opened { record: believed.as_ref().map(|record| record.engine.clone().into()), check };
        let closed = believed.as_ref().is_some_and(|record| record.closed.is_some());
        let dirty = found.iter().map(|stat| stat.is_some() && !closed).collect();
        let engine = believed.map(|record| record.engine).unwrap_or_default();
        let record = Record { engine, boot: record::boot(), closed: None, made: Vec::new() };
        let inner = Inner { open: VecDeque::new(), dirty, standing, record, checked: 0, roomy: false };
        let overwrite = options.overwrite;
        let this = Self { root, state, metainfo, paths, overwrite, opened, inner: Mutex::new(inner) };
        this.make_empty_files()?;
        this.state.replace(TORRENT, &this.metainfo.to_torrent(this.metainfo.trackers()))?;
        Ok(this)
    }

    /// Makes the files without contents, which no piece would.
    fn make_empty_files(&self) -> Result<(), StorageError> {
        let mut inner = self.inner.lock();
        for (number, file) in self.metainfo.files().iter().enumerate() {
            if file.length == 0 && !file.padding && inner.standing[number] == Standing::Absent {
                self.root.file(&self.paths[number], Access::Create)?;
                inner.standing[number] = Standing::Ours;
            }
        }
        Ok(())
    }

    pub(super) fn opened(&self) -> Opened {
        self.opened.clone()
    }

    /// Reads bytes of the torrent, all of which must be there.
    pub(super) fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, StorageError> {
        let mut bytes = Vec::with_capacity(length as usize);
        for range in self.metainfo.layout().file_ranges(offset, u64::from(length)) {
            let want = usize::try_from(range.length).unwrap_or(usize::MAX);
            if self.metainfo.files()[range.file].padding {
                bytes.resize(bytes.len() + want, 0);
                continue;
            }
            let file = self.file(range.file, false)?;
            read_exact(&file, &mut bytes, want, range.offset)?;
        }
        Ok(bytes)
    }

    /// SHA-1 of bytes of the torrent; `None`, at once, if some of them were never written. Takes little memory, however
    /// many they are. A file in which a piece matches is one that this download goes on with.
    pub(super) fn check(&self, offset: u64, length: u32) -> Result<Option<[u8; 20]>, StorageError> {
        let digest = match self.digest(offset, u64::from(length)) {
            Err(StorageError::Io(error))
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) =>
            {
                None
            }
            other => other?,
        };
        self.checked(offset, length, digest.as_ref());
        Ok(digest)
    }

    fn digest(&self, offset: u64, length: u64) -> Result<Option<[u8; 20]>, StorageError> {
        let layout = self.metainfo.layout();
        let padding = |number: usize| self.metainfo.files()[number].padding;
        for range in layout.file_ranges(offset, length).filter(|range| !padding(range.file)) {
            let file = self.file(range.file, false)?;
            if has_hole(&file, range.offset, range.length)? {
                return Ok(None);
            }
        }
        let mut hashing = Hashing::new();
        for range in layout.file_ranges(offset, length) {
            if padding(range.file) {
                hashing.zeros(range.length);
            } else {
                let file = self.file(range.file, false)?;
                hashing.file(&file, range.offset, range.length)?;
            }
        }
        Ok(Some(hashing.digest()))
    }

    fn checked(&self, offset: u64, length: u32, digest: Option<&[u8; 20]>) {
        let layout = self.metainfo.layout();
        let mut inner = self.inner.lock();
        inner.checked += 1;
        let number = u32::try_from(offset / u64::from(layout.piece_length())).unwrap_or(u32::MAX);
        let Some(piece) = layout.piece(number) else { return };
        if layout.piece_offset(piece) == offset && Some(self.metainfo.piece_hash(piece)) == digest {
            for range in layout.file_ranges(offset, u64::from(length)) {
                inner.standing[range.file] = Standing::Ours;
            }
        }
    }

    /// Writes blocks of the torrent, one after the other.
    pub(super) fn write(&self, offset: u64, blocks: &[Bytes]) -> Result<(), StorageError> {
        let length: u64 = blocks.iter().map(|block| block.len() as u64).sum();
        self.admit()?;
        let mut rest = Blocks { blocks, skip: 0 };
        for range in self.metainfo.layout().file_ranges(offset, length) {
            let part = rest.take(usize::try_from(range.length).unwrap_or(usize::MAX));
            if self.metainfo.files()[range.file].padding {
                // Read as zeros, always; a torrent whose padding is none cannot be given back as it came.
                if part.iter().any(|slice| slice.iter().any(|byte| *byte != 0)) {
                    return Err(StorageError::Padding(self.paths[range.file].join("/")));
                }
                continue;
            }
            let file = self.file(range.file, true)?;
            write_all(&file, part, range.offset).map_err(|error| self.full(error))?;
            self.inner.lock().dirty[range.file] = true;
        }
        Ok(())
    }

    /// Replaces the record.
    pub(super) fn persist(&self, engine: &[u8]) -> Result<(), StorageError> {
        let mut inner = self.inner.lock();
        inner.record.engine = engine.to_vec();
        inner.record.made = made(&inner.standing);
        self.state.replace("resume", &inner.record.encode()).map_err(|error| self.full(error))
    }

    /// Closes it; with `erase`, deletes what it made.
    pub(super) fn close(&self, erase: bool) -> Result<(), StorageError> {
        let mut inner = self.inner.lock();
        inner.open.clear();
        if erase {
            for (path, standing) in self.paths.iter().zip(&inner.standing) {
                if *standing == Standing::Ours {
                    self.root.remove(path)?;
                }
            }
            let state = [STATE.to_owned(), self.metainfo.info_hash().to_string()];
            for name in ["resume", TORRENT] {
                self.root.remove(&[&state[..], &[name.to_owned()]].concat())?;
            }
            return Ok(());
        }
        let mut stamps = Vec::with_capacity(self.paths.len());
        for (number, path) in self.paths.iter().enumerate() {
            let ours = inner.standing[number] == Standing::Ours;
            if ours && inner.dirty[number] {
                fdatasync(self.root.file(path, Access::Write)?).map_err(io::Error::from)?;
            }
            let stat = if ours { look(&self.root, path)? } else { None };
            stamps.push(stat.map(|stat| stamp(&stat)).unwrap_or_default());
        }
        if !inner.record.engine.is_empty() {
            inner.record.closed = Some(stamps);
            inner.record.made = made(&inner.standing);
            self.state.replace("resume", &inner.record.encode())?;
        }
        Ok(())
    }

    /// Whether anything may be written: nothing that somebody else put there is destroyed, and there is room.
    fn admit(&self) -> Result<(), StorageError> {
        let mut inner = self.inner.lock();
        let all_checked = inner.checked >= self.metainfo.layout().pieces();
        let foreign = inner.standing.iter().position(|standing| *standing == Standing::Foreign);
        if let Some(number) = foreign.filter(|_| all_checked && !self.overwrite) {
            return Err(StorageError::Exists(self.paths[number].join("/")));
        }
        if !inner.roomy {
            let (needed, available) = self.room()?;
            if needed > available {
                return Err(StorageError::NoSpace { needed, available: Some(available) });
            }
            inner.roomy = true;
        }
        Ok(())
    }

    /// Bytes that the files still take, and that the file system has.
    fn room(&self) -> Result<(u64, u64), StorageError> {
        let mut needed = self.metainfo.layout().total();
        for path in &self.paths {
            let blocks = look(&self.root, path)?.map_or(0, |stat| stat.st_blocks);
            needed = needed.saturating_sub(u64::try_from(blocks).unwrap_or(0) * 512);
        }
        let system = fstatvfs(self.root.fd()).map_err(io::Error::from)?;
        Ok((needed, system.f_bavail.saturating_mul(system.f_frsize)))
    }

    /// Says how much is missing, of an error that says that the disk is full.
    fn full(&self, error: io::Error) -> StorageError {
        if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return StorageError::Io(error);
        }
        match self.room() {
            Ok((needed, available)) => StorageError::NoSpace { needed, available: Some(available) },
            Err(_) => StorageError::NoSpace { needed: self.metainfo.layout().total(), available: None },
        }
    }

    /// A file, open; the last that were used stay open.
    fn file(&self, number: usize, write: bool) -> Result<Arc<File>, StorageError> {
        let mut inner = self.inner.lock();
        let usable = |entry: &&(usize, bool, Arc<File>)| entry.0 == number && (entry.1 || !write);
        if let Some((_, _, file)) = inner.open.iter().find(usable) {
            return Ok(Arc::clone(file));
        }
        let path = &self.paths[number];
        let length = self.metainfo.layout().files()[number].length;
        let file = match (write, inner.standing[number]) {
            (false, _) => self.root.file(path, Access::Read)?,
            (true, Standing::Absent) => {
                let file = self.root.file(path, Access::Create)?;
                file.set_len(length)?;
                inner.standing[number] = Standing::Ours;
                file
            }
            (true, Standing::Foreign) if !self.overwrite => {
                return Err(StorageError::Exists(path.join("/")));
            }
            (true, Standing::Ours | Standing::Empty | Standing::Foreign) => {
                let file = self.root.file(path, Access::Write)?;
                if file.metadata()?.len() != length {
                    file.set_len(length)?;
                }
                inner.standing[number] = Standing::Ours;
                file
            }
        };
        let file = Arc::new(file);
        inner.open.retain(|entry| entry.0 != number);
        if inner.open.len() == OPEN_MAX {
            inner.open.pop_front();
        }
        inner.open.push_back((number, write, Arc::clone(&file)));
        Ok(file)
    }
}

/// Blocks, of which parts are taken one after the other.
struct Blocks<'a> {
    blocks: &'a [Bytes],
    /// Bytes of the first that are taken already.
    skip: usize,
}

impl<'a> Blocks<'a> {
    fn take(&mut self, mut length: usize) -> Vec<IoSlice<'a>> {
        let mut taken = Vec::with_capacity(self.blocks.len());
        while length > 0
            && let Some((first, others)) = self.blocks.split_first()
        {
            let whole = &first[self.skip..];
            let part = &whole[..whole.len().min(length)];
            length -= part.len();
            self.skip += part.len();
            if self.skip == first.len() {
                (self.blocks, self.skip) = (others, 0);
            }
            taken.push(IoSlice::new(part));
        }
        taken
    }
}

fn write_all(file: &File, mut slices: Vec<IoSlice<'_>>, mut offset: u64) -> io::Result<()> {
    let mut slices = &mut slices[..];
    while !slices.is_empty() {
        match rustix::io::pwritev(file, &slices[..slices.len().min(VECTORS_MAX)], offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                offset += written as u64;
                IoSlice::advance_slices(&mut slices, written);
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn look(root: &Root, path: &[String]) -> Result<Option<Stat>, StorageError> {
    let stat = root.look(path)?;
    match stat.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
        None | Some(FileType::RegularFile) => Ok(stat),
        Some(_) => Err(StorageError::Kind(path.join("/"))),
    }
}

/// Of a short file the contents may lie beside its name, in no block.
fn is_empty(stat: &Stat) -> bool {
    const SHORT: i64 = 64 * 1024;
    stat.st_size == 0 || (stat.st_blocks == 0 && stat.st_size > SHORT)
}

/// The `.torrent` that an earlier download to this directory kept, if it is one of this torrent.
pub(crate) fn kept_torrent(directory: &Path, torrent: InfoHash) -> Option<Bytes> {
    // Nothing is made by looking.
    directory.join(STATE).symlink_metadata().ok().filter(std::fs::Metadata::is_dir)?;
    let path = [STATE.to_owned(), torrent.to_string(), TORRENT.to_owned()];
    let file = Root::open(directory).ok()?.file(&path, Access::Read).ok()?;
    let length =
        usize::try_from(file.metadata().ok()?.len()).ok().filter(|len| *len <= limits::TORRENT_MAX)?;
    let mut bytes = Vec::new();
    read_exact(&file, &mut bytes, length, 0).ok()?;
    Metainfo::parse(&bytes).ok().filter(|metainfo| metainfo.info_hash() == torrent)?;
    Some(bytes.into())
}

fn read_record(state: &Root) -> Option<Record> {
    let file = state.file(&["resume".to_owned()], Access::Read).ok()?;
    let length =
        usize::try_from(file.metadata().ok()?.len()).ok().filter(|len| *len <= record::RECORD_MAX)?;
    let mut bytes = Vec::with_capacity(length);
    read_exact(&file, &mut bytes, length, 0).ok()?;
    Record::decode(&bytes)
}

/// Whether the files are still what a record says of them, as far as that can be told without reading them.
fn is_believed(record: &Record, found: &[Option<Stat>], metainfo: &Metainfo) -> bool {
    let whole = |number: usize| {
        let length = metainfo.layout().files()[number].length;
        found[number].as_ref().is_some_and(|stat| u64::try_from(stat.st_size) == Ok(length))
    };
    let made = (0..found.len()).filter(|number| has_bit(&record.made, *number));
    let kept = match &record.closed {
        None => record.boot == record::boot(),
        Some(stamps) => stamps.len() == found.len(),
    };
    kept && made.into_iter().all(|number| {
        let stamped = record.closed.as_ref().and_then(|stamps| stamps.get(number));
        let unchanged =
            found[number].as_ref().is_some_and(|stat| stamped.is_none_or(|was| *was == stamp(stat)));
        metainfo.files()[number].padding || (whole(number) && unchanged)
    })
}

fn stamp(stat: &Stat) -> Vec<u8> {
    format!("{}.{}", stat.st_mtime, stat.st_mtime_nsec).into_bytes()
}

fn made(standing: &[Standing]) -> Vec<u8> {
    let mut bits = vec![0; standing.len().div_ceil(8)];
    for (number, standing) in standing.iter().enumerate() {
        if *standing == Standing::Ours {
            bits[number / 8] |= 0x80 >> (number % 8);
        }
    }
    bits
}

fn has_bit(bits: &[u8], number: usize) -> bool {
    bits.get(number / 8).is_some_and(|byte| byte & (0x80 >> (number % 8)) != 0)
}

#[cfg(test)]
mod tests {
    use shared::metainfo::builder::Builder;

    use super::*;

    #[test]
    fn what_a_run_left_that_was_not_closed_is_synced() {
        let directory = tempfile::tempdir().unwrap();
        let mut builder = Builder::new(None, &[(vec!["x".to_owned()], 4)]).unwrap();
        for piece in builder.layout().all_pieces() {
            builder.set_hash(piece, [1; 20]);
        }
        let metainfo = Arc::new(builder.finish().unwrap());
        let open = || Download::open(&Options::new(directory.path()), metainfo.clone()).unwrap();
        let download = open();
        download.write(0, &[Bytes::from_static(b"abcd")]).unwrap();
        download.persist(b"record").unwrap();
        drop(download);
        let download = open();
        assert_eq!(download.inner.lock().dirty, [true]);
        download.persist(b"record").unwrap();
        download.close(false).unwrap();
        drop(download);
        assert_eq!(open().inner.lock().dirty, [false]);
    }
}
