//! New torrents.
//!
//! The same files give the same info-hash, whoever shares them and in whichever order they were chosen: files are
//! sorted by path, the piece length follows from the total length alone, and nothing else (no date, no program) is in
//! the info dictionary. A single file gets the info-hash that stock WebTorrent gives it, so both find each other.

use bytes::Bytes;

use super::path::{PathError, Tree, safe_part, safe_path};
use super::{FileEntry, Metainfo, MetainfoError};
use crate::bencode::Writer;
use crate::layout::{Layout, LayoutError, PieceIndex};
use crate::limits;

/// Why files do not make a torrent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// No files at all, or too many.
    #[error("expected 1 to {max} files, got {0}", max = limits::FILES_MAX)]
    Files(usize),
    /// A name that cannot be made safe.
    #[error("file {file}: {error}")]
    Path {
        /// Which, in the order given.
        file: usize,
        /// Why.
        error: PathError,
    },
    /// The name given for the torrent cannot be made safe.
    #[error("name of the torrent: {0}")]
    Name(PathError),
    /// Lengths that make no torrent.
    #[error("{0}")]
    Layout(#[from] LayoutError),
    /// A piece length that is asked for and that we do not create.
    #[error(
        "expected a piece length that is a power of two from {min} to {max}, got {0}",
        min = limits::PIECE_LENGTH_MIN,
        max = limits::PIECE_LENGTH_MAX_CREATED
    )]
    PieceLength(u32),
    /// Pieces without a hash.
    #[error("expected a hash for each piece, got none for {0}")]
    Unhashed(u32),
    /// The result is too large for those who will fetch it.
    #[error("{0}")]
    Metainfo(#[from] MetainfoError),
}

/// A torrent in the making: knows its layout from the start, and gets the hashes of its pieces in any order.
#[derive(Clone, Debug)]
pub struct Builder {
    name: String,
    folder: bool,
    private: bool,
    files: Vec<FileEntry>,
    order: Vec<usize>,
    layout: Layout,
    hashes: Vec<u8>,
    hashed: Vec<bool>,
    missing: u32,
}

impl Builder {
    /// A torrent of these files: path (folders, then the file's name) and length in bytes. Names are made safe as in
    /// [`super::path`].
    ///
    /// - One file whose path is its name makes a single-file torrent.
    /// - Files that all lie in the same first folder make a torrent of that folder.
    /// - Other files make a folder that is named after the first file by path, e.g. `a.txt and 2 more`.
    ///
    /// `name`, where given and not blank, is used in place of the name that follows from these rules.
    pub fn new(name: Option<&str>, files: &[(Vec<String>, u64)]) -> Result<Self, BuildError> {
        if files.is_empty() || files.len() > limits::FILES_MAX {
            return Err(BuildError::Files(files.len()));
        }
        let mut sorted = Vec::with_capacity(files.len());
        for (number, (path, length)) in files.iter().enumerate() {
            let path = safe_path(path.iter().map(String::as_bytes))
                .map_err(|error| BuildError::Path { file: number, error })?;
            sorted.push((path, *length, number));
        }
        sorted.sort();
        let given = match name.map(str::trim).filter(|name| !name.is_empty()) {
            Some(name) => safe_part(name.as_bytes()).map_err(BuildError::Name)?,
            None => None,
        };
        let folder = files.len() > 1 || sorted[0].0.len() > 1;
        let shared = folder && in_one_folder(&sorted);
        let first = &sorted[0].0;
        let natural = if shared || !folder { first[0].clone() } else { loose(first, files.len()) };
        let name = given.unwrap_or(natural);

        let mut tree = Tree::new();
        let (mut entries, mut order) = (Vec::with_capacity(files.len()), Vec::with_capacity(files.len()));
        for (mut path, length, number) in sorted {
            if shared {
                path.remove(0);
            }
            let path = if folder { tree.place(path) } else { vec![name.clone()] };
            entries.push(FileEntry { path, length, padding: false });
            order.push(number);
        }
        let total = files.iter().fold(0_u64, |sum, (_, length)| sum.saturating_add(*length));
        let layout = Layout::new(u64::from(piece_length(total)), entries.iter().map(|file| file.length))?;
        let (hashes, hashed, missing) = unhashed(&layout);
        Ok(Self { name, folder, private: false, files: entries, order, hashes, hashed, missing, layout })
    }

    /// The same with another piece length than follows from the total; another info-hash than anybody else's, hence.
    /// Hashes that were set are forgotten.
    pub fn with_piece_length(mut self, length: u32) -> Result<Self, BuildError> {
        let bounds = limits::PIECE_LENGTH_MIN..=limits::PIECE_LENGTH_MAX_CREATED;
        if !length.is_power_of_two() || !bounds.contains(&length) {
            return Err(BuildError::PieceLength(length));
        }
        self.layout = Layout::new(u64::from(length), self.files.iter().map(|file| file.length))?;
        (self.hashes, self.hashed, self.missing) = unhashed(&self.layout);
        Ok(self)
    }

    /// The same, private or not (BEP 27): a private torrent has another info-hash than one that is not.
    #[must_use]
    pub const fn with_private(mut self, private: bool) -> Self {
        self.private = private;
        self
    }

    /// Name of the torrent.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The files in the order in which the pieces run through them.
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// For each of [`Builder::files`], which of the files given to [`Builder::new`] it is.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// Pieces and files as ranges of bytes.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Sets the SHA-1 of a piece.
    pub fn set_hash(&mut self, piece: PieceIndex, hash: [u8; 20]) {
        let Some(hashed) = self.hashed.get_mut(piece.index()) else { return };
        self.missing -= u32::from(!*hashed);
        *hashed = true;
        if let Some(slot) = self.hashes.as_chunks_mut().0.get_mut(piece.index()) {
            *slot = hash;
        }
    }

    /// Pieces that have no hash yet.
    pub const fn missing(&self) -> u32 {
        self.missing
    }

    /// The torrent, once every piece has its hash.
    pub fn finish(self) -> Result<Metainfo, BuildError> {
        if self.missing > 0 {
            return Err(BuildError::Unhashed(self.missing));
        }
        let mut info = Vec::with_capacity(self.hashes.len() + 128 + self.files.len() * 64);
        Writer::new(&mut info).dictionary(|entries| {
            if self.folder {
                entries.key("files").list(|files| {
                    for file in &self.files {
                        files.dictionary(|entry| {
                            entry.key("length").integer(file.length);
                            entry.key("path").list(|path| file.path.iter().for_each(|part| path.bytes(part)));
                        });
                    }
                });
            } else {
                entries.key("length").integer(self.layout.total());
            }
            entries.key("name").bytes(&self.name);
            entries.key("piece length").integer(self.layout.piece_length());
            entries.key("pieces").bytes(&self.hashes);
            if self.private {
                entries.key("private").integer(1_u32);
            }
        });
        Ok(Metainfo::from_info(Bytes::from(info))?)
    }
}

/// Hashes, which of them are set, and how many are not, before any is.
fn unhashed(layout: &Layout) -> (Vec<u8>, Vec<bool>, u32) {
    let pieces = layout.pieces() as usize;
    (vec![0; pieces * 20], vec![false; pieces], layout.pieces())
}

/// Whether all paths begin with the same folder.
fn in_one_folder(sorted: &[(Vec<String>, u64, usize)]) -> bool {
    let first = &sorted[0].0[0];
    sorted.iter().all(|(path, _, _)| path.len() > 1 && path[0] == *first)
}

/// Name for files that have no folder in common.
fn loose(first: &[String], count: usize) -> String {
    let suffix = format!(" and {} more", count - 1);
    let room = limits::NAME_MAX - suffix.len();
    let name = &first[0];
    format!("{}{suffix}", &name[..name.floor_char_boundary(room)])
}

/// Bytes in a piece of a torrent of `total` bytes: the power of two that is nearest, by ratio, to a 1024th of it, but
/// no less than [`limits::PIECE_LENGTH_MIN`] and no more than [`limits::PIECE_LENGTH_MAX_CREATED`]. That is 700 to
/// 1450 pieces from 12 MiB to 4 GiB; and it is what stock WebTorrent takes.
pub fn piece_length(total: u64) -> u32 {
    let mut length = limits::PIECE_LENGTH_MIN;
    // The next power of two is nearer when total / 1024 is at least length * √2; squared, to stay with integers.
    let target = 2 * u128::from(total.min(1 << 62)).pow(2);
    while length < limits::PIECE_LENGTH_MAX_CREATED && target >= (u128::from(length) * 2 * 1024).pow(2) {
        length *= 2;
    }
    length
}
