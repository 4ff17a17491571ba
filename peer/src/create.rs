//! Files and folders on their way to become a torrent.
//!
//! The same files make the same info-hash here and on the page: names, order and piece length follow the rules of
//! [`shared::metainfo::builder`], and a folder's files are named from the folder on, as a browser names dropped ones.

use std::io;
use std::path::{Path, PathBuf};

use shared::limits;
use shared::metainfo::Metainfo;
use shared::metainfo::builder::{BuildError, Builder};

use crate::hash::{self, HashError, Progress};
use crate::storage::{Identity, SourceFile};

/// What lies at a path: a file, or all files of a folder and of the folders within it, hidden ones included.
#[derive(Clone, Debug)]
pub struct Sources {
    files: Vec<SourceFile>,
    /// Where each file stands within the torrent: the folder's own name first.
    paths: Vec<Vec<String>>,
    skipped: Vec<Skipped>,
}

/// Something within a folder that does not become part of the torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where.
    pub path: PathBuf,
    /// Why.
    pub reason: SkipReason,
}

/// Why something is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// Symbolic links are not followed: what they lead to may lie anywhere.
    Symlink,
    /// A socket, a pipe, a device.
    Special,
}

/// What may be chosen of a new torrent. The default is what the page makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// In place of the name of the file or folder.
    pub name: Option<String>,
    /// In place of the one that follows from the total length; a power of two, see [`Builder::with_piece_length`].
    pub piece_length: Option<u32>,
    /// Peers may be had from its own trackers only (BEP 27).
    pub private: bool,
}

/// Why a path makes no torrent.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// It cannot be read.
    #[error("{}: {error}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is neither a file nor a folder.
    #[error("{}: expected a file or a folder", .0.display())]
    Special(PathBuf),
    /// A folder without a file in it.
    #[error("{}: there is no file in it", .0.display())]
    Empty(PathBuf),
    /// More files than a torrent may have.
    #[error("{}: expected at most {max} files in it", .0.display(), max = limits::FILES_MAX)]
    TooMany(PathBuf),
    /// The files cannot be described as a torrent.
    #[error("{0}")]
    Build(#[from] BuildError),
    /// They cannot be hashed.
    #[error("{0}")]
    Hash(#[from] HashError),
}

/// A torrent, and the files that it was made of, in its order.
#[derive(Clone, Debug)]
pub struct Created {
    /// The torrent; it names no trackers.
    pub metainfo: Metainfo,
    /// One for each of its files.
    pub files: Vec<SourceFile>,
}

impl Sources {
    /// Looks at what lies at `path`. A link that `path` itself is is followed, those within a folder are not.
    pub fn find(path: &Path) -> Result<Self, CreateError> {
        // `.` and `..` have no name; what they stand for has.
        let whole = std::fs::canonicalize(path).map_err(failed(path))?;
        let named = if path.file_name().is_some() { path } else { &whole };
        let name = named.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let metadata = std::fs::metadata(path).map_err(failed(path))?;
        let mut found = Self { files: Vec::new(), paths: Vec::new(), skipped: Vec::new() };
        if metadata.is_dir() {
            found.walk(path, name)?;
        } else if metadata.is_file() {
            found.files.push(SourceFile { path: path.to_owned(), identity: Identity::of(&metadata) });
            found.paths.push(vec![name]);
        } else {
            return Err(CreateError::Special(path.to_owned()));
        }
        if found.files.is_empty() {
            return Err(CreateError::Empty(path.to_owned()));
        }
        Ok(found)
    }

    /// Files that were found.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// Bytes in all files together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.identity.size))
    }

    /// What was found and left out, in order of path.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Hashes the files, on `threads` threads, and makes the torrent. Blocks the thread.
    pub fn create(
        self,
        choices: &Choices,
        threads: usize,
        progress: &Progress,
    ) -> Result<Created, CreateError> {
        let described: Vec<(Vec<String>, u64)> =
            self.paths.into_iter().zip(&self.files).map(|(path, file)| (path, file.identity.size)).collect();
        let mut builder = Builder::new(choices.name.as_deref(), &described)?.with_private(choices.private);
        if let Some(length) = choices.piece_length {
            builder = builder.with_piece_length(length)?;
        }
        let files: Vec<SourceFile> =
            builder.order().iter().filter_map(|at| self.files.get(*at).cloned()).collect();
        let layout = builder.layout().clone();
        let hashes = hash::pieces(&layout, &files, threads, progress)?;
        for (piece, hash) in layout.all_pieces().zip(hashes) {
            builder.set_hash(piece, hash);
        }
        Ok(Created { metainfo: builder.finish()?, files })
    }

    fn walk(&mut self, root: &Path, name: String) -> Result<(), CreateError> {
        let mut folders = vec![(root.to_owned(), vec![name])];
        while let Some((folder, within)) = folders.pop() {
            for entry in std::fs::read_dir(&folder).map_err(failed(&folder))? {
                let entry = entry.map_err(failed(&folder))?;
                let path = entry.path();
                // Of the entry itself, not of what it leads to.
                let metadata = entry.metadata().map_err(failed(&path))?;
                let mut below = within.clone();
                below.push(entry.file_name().to_string_lossy().into_owned());
                if metadata.is_dir() {
                    folders.push((path, below));
                } else if metadata.is_file() {
                    if self.files.len() == limits::FILES_MAX {
                        return Err(CreateError::TooMany(root.to_owned()));
                    }
                    self.files.push(SourceFile { path, identity: Identity::of(&metadata) });
                    self.paths.push(below);
                } else {
                    let reason =
                        if metadata.is_symlink() { SkipReason::Symlink } else { SkipReason::Special };
                    self.skipped.push(Skipped { path, reason });
                }
            }
        }
        self.skipped.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(())
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> CreateError + '_ {
    |error| CreateError::Io { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(path: &Path) -> Created {
        let sources = Sources::find(path).expect("readable");
        sources.create(&Choices::default(), 2, &Progress::default()).expect("a torrent")
    }

    #[test]
    fn a_folder_is_taken_whole_and_in_order_but_without_what_links_lead_to() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("trip");
        std::fs::create_dir_all(root.join("b/deep")).expect("made");
        for (path, contents) in [("z", "zz"), ("b/deep/x", "x"), (".hidden", "h"), ("b/empty", "")] {
            std::fs::write(root.join(path), contents).expect("written");
        }
        std::os::unix::fs::symlink("/etc", root.join("link")).expect("linked");
        let sources = Sources::find(&root).expect("readable");
        assert_eq!((sources.bytes(), sources.files().len()), (4, 4));
        let skipped = Skipped { path: root.join("link"), reason: SkipReason::Symlink };
        assert_eq!(sources.skipped(), [skipped]);
        let created = create(&root);
        let paths: Vec<String> = created.metainfo.files().iter().map(|file| file.path.join("/")).collect();
        assert_eq!(paths, [".hidden", "b/deep/x", "b/empty", "z"]);
        assert_eq!(created.metainfo.name(), "trip");
        assert_eq!(created.files[3].path, root.join("z"));
        assert_eq!(create(&root.join("b/..")).metainfo.info_hash(), created.metainfo.info_hash());
    }

    #[test]
    fn what_makes_no_torrent_is_said_with_its_path() {
        let directory = tempfile::tempdir().expect("a directory");
        let error =
            |path: &Path| Sources::find(path).map(|found| found.bytes()).expect_err("refused").to_string();
        assert!(error(&directory.path().join("gone")).contains("gone: No such file"));
        assert!(error(directory.path()).ends_with("there is no file in it"));
        assert!(error(Path::new("/dev/null")).ends_with("expected a file or a folder"));
    }
}
