//! A file that is read again when it changes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::{Mutex, RwLock};
use tracing::{info, warn};

use super::list::{BadLine, said};
use crate::stamp::Watch;

/// Longest file that is read: some eight hundred thousand info-hashes.
const BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It cannot be read.
    #[error("{option} {path}: {error}. Name a file that exists and that this user may read", path = .path.display())]
    Read {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Lines of it are wrong.
    #[error("{option}: {said}")]
    Lines {
        /// The option that names it.
        option: &'static str,
        /// Each wrong line, with file and number.
        said: String,
    },
}

/// What a file said when it was last right.
#[derive(Debug)]
pub(super) struct Watched<T> {
    option: &'static str,
    path: PathBuf,
    parse: fn(&str) -> Result<T, Vec<BadLine>>,
    current: RwLock<T>,
    watch: Mutex<Watch>,
}

impl<T> Watched<T> {
    /// Reads it for the first time.
    pub(super) fn open(
        option: &'static str,
        path: PathBuf,
        parse: fn(&str) -> Result<T, Vec<BadLine>>,
    ) -> Result<Self, ListError> {
        let watch = Watch::new(vec![path.clone()]);
        let current = load(option, &path, parse)?;
        Ok(Self { option, path, parse, current: RwLock::new(current), watch: Mutex::new(watch) })
    }

    /// Asks what it said.
    pub(super) fn read<R>(&self, ask: impl FnOnce(&T) -> R) -> R {
        ask(&self.current.read())
    }

    /// Reads it again if it has changed, or if `all` are to be read. What is wrong is said, and changes nothing.
    pub(super) fn look(&self, all: bool) {
        if !self.watch.lock().has_changed(all) {
            return;
        }
        match load(self.option, &self.path, self.parse) {
            Ok(list) => {
                *self.current.write() = list;
                info!(path = %self.path.display(), "{} was read again", self.option);
            }
            Err(error) => warn!("{error}; the list before stays in force"),
        }
    }
}

fn load<T>(
    option: &'static str,
    path: &Path,
    parse: fn(&str) -> Result<T, Vec<BadLine>>,
) -> Result<T, ListError> {
    let text = text(path).map_err(|error| ListError::Read { option, path: path.to_owned(), error })?;
    parse(&text).map_err(|wrong| ListError::Lines { option, said: said(path, &wrong) })
}

fn text(path: &Path) -> io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = fs::File::open(path)?.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    if read as u64 > BYTES_MAX {
        return Err(io::Error::other(format!("longer than {BYTES_MAX} bytes")));
    }
    Ok(text)
}
