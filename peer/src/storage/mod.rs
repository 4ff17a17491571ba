//! Where torrents lie.

mod source;

use std::path::PathBuf;

pub use source::{Identity, SourceFile};

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
