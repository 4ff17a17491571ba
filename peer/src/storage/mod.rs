//! Where torrents lie.

mod beneath;
mod check;
mod download;
mod in_place;
mod record;
mod source;
mod store;

use std::fs::File;
use std::io;
use std::path::PathBuf;

use rustix::buffer::spare_capacity;
use shared::engine::EffectFailure;

pub(crate) use download::kept_torrent;
pub use source::{Identity, SourceFile};
pub(crate) use store::{Store, Work};

/// How storage is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where downloads go: a single-file torrent becomes a file in it, one of several files a folder. Made when it is
    /// missing. What must be known to go on later is kept in `.piecemeal` within it.
    pub directory: PathBuf,
    /// Files that are there already, and have nothing in common with the torrent, are overwritten. Off, the torrent fails
    /// with their name before a byte of them is touched.
    pub overwrite: bool,
}

impl Options {
    /// Downloads to `directory`, overwrites nothing.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), overwrite: false }
    }
}

/// Where one torrent lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// In the client's download directory.
    #[default]
    Downloads,
    /// In this directory, as if it were the download directory.
    Directory(PathBuf),
    /// Where these files are, which were hashed there and are only read: one for each file of the torrent, in its order.
    /// One that has changed since then ends the torrent ([`shared::engine::EffectFailure::Changed`]).
    Files(Vec<SourceFile>),
}

/// Why something could not be done with a torrent's storage.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no space: {needed} bytes needed, {available:?} available")]
    NoSpace { needed: u64, available: Option<u64> },
    #[error("{0}")]
    Changed(String),
    #[error("{0:?} is there already and is another file; move it away, or have it overwritten")]
    Exists(String),
    #[error("expected {0:?} to be a file, or nothing")]
    Kind(String),
    #[error("expected another name than {0:?}, which is where downloads keep what they need to go on")]
    Name(String),
    #[error("this torrent is being downloaded to {} by another program, or by another client of this one", .0.display())]
    Locked(PathBuf),
    #[error("expected zeros in the padding file {0:?}")]
    Padding(String),
}

impl From<StorageError> for EffectFailure {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NoSpace { needed, available } => Self::NoSpace { needed, available },
            StorageError::Changed(name) => Self::Changed(name),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// Appends `length` bytes from `offset` of a file; fewer are an error.
fn read_exact(file: &File, bytes: &mut Vec<u8>, length: usize, mut offset: u64) -> io::Result<()> {
    let end = bytes.len() + length;
    bytes.reserve_exact(length);
    while bytes.len() < end {
        // What is reserved may be a little more than asked for.
        let room = end - bytes.len();
        let read = if bytes.capacity() - bytes.len() == room {
            rustix::io::pread(file, spare_capacity(bytes), offset)
        } else {
            let start = bytes.len();
            bytes.resize(end, 0);
            let read = rustix::io::pread(file, &mut bytes[start..], offset);
            bytes.truncate(start + *read.as_ref().unwrap_or(&0));
            read
        };
        match read {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => offset += read as u64,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
