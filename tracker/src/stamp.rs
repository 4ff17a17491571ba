//! Whether files have changed.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What changes with a file's contents: times of the contents and of the entry, length, and which file it is.
type Stamp = Option<(i64, i64, i64, i64, u64, u64)>;

/// Files that are looked at from time to time.
#[derive(Debug)]
pub(crate) struct Watch {
    paths: Vec<PathBuf>,
    /// How they were when they were last read.
    read: Vec<Stamp>,
    /// How they were when they were last looked at.
    seen: Vec<Stamp>,
}

impl Watch {
    /// Call this before they are read: what changes meanwhile is seen then.
    pub(crate) fn new(paths: Vec<PathBuf>) -> Self {
        let now: Vec<_> = paths.iter().map(|path| stamp(path)).collect();
        Self { paths, read: now.clone(), seen: now }
    }

    /// Whether they are to be read now: they differ from what was read, and not from what was seen the last time, since
    /// what still changes is still being written. In any case, if `all`.
    pub(crate) fn has_changed(&mut self, all: bool) -> bool {
        let now: Vec<_> = self.paths.iter().map(|path| stamp(path)).collect();
        let settled = now == self.seen;
        self.seen.clone_from(&now);
        if all || (settled && now != self.read) {
            self.read = now;
            return true;
        }
        false
    }
}

fn stamp(path: &Path) -> Stamp {
    let found = fs::metadata(path).ok()?;
    Some((found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec(), found.len(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_once_when_it_is_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, "1").unwrap();
        let mut watch = Watch::new(vec![path.clone(), directory.path().join("none")]);
        assert!(!watch.has_changed(false));
        assert!(watch.has_changed(true), "asked for");
        fs::write(&path, "12").unwrap();
        assert!(!watch.has_changed(false), "it may still be written");
        fs::write(&path, "123").unwrap();
        assert!(!watch.has_changed(false), "it is");
        assert!(watch.has_changed(false));
        assert!(!watch.has_changed(false));
        fs::remove_file(&path).unwrap();
        assert!(!watch.has_changed(false));
        assert!(watch.has_changed(false), "it is gone");
    }
}
