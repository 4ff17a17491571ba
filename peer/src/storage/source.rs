//! Files that are shared where they lie.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What tells whether a file is still the one that was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// In bytes.
    pub size: u64,
    modified: (i64, i64),
    inode: (u64, u64),
}

impl Identity {
    /// Of an open file, or of one that was looked at.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            inode: (metadata.dev(), metadata.ino()),
        }
    }
}

/// A file that was hashed where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Where.
    pub path: PathBuf,
    /// What it was when it was hashed.
    pub identity: Identity,
}

impl SourceFile {
    /// Looks at a file that is about to be hashed.
    pub fn look(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected a regular file"));
        }
        Ok(Self { path: path.to_owned(), identity: Identity::of(&metadata) })
    }
}
