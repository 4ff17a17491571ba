use super::path::PathError;
use crate::bencode::{DecodeError, Value};
use crate::layout::LayoutError;
use crate::limits;

/// Why bytes are not the metainfo of a torrent that we could take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetainfoError {
    /// Too long.
    #[error("expected at most {max} bytes of metainfo, got {got}")]
    TooLong {
        /// Most.
        max: usize,
        /// How many came.
        got: usize,
    },
    /// Not bencode.
    #[error("not a torrent: {0}")]
    Bencode(#[from] DecodeError),
    /// A key that has to be there is not.
    #[error("expected the key {0:?} in the metainfo, got none")]
    Missing(&'static str),
    /// A value of the wrong kind.
    #[error("expected {expected} as {key} in the metainfo, got {got}")]
    Kind {
        /// What it is the value of.
        key: &'static str,
        /// What should have been there.
        expected: &'static str,
        /// What was.
        got: &'static str,
    },
    /// A length below zero.
    #[error("expected a length of at least 0 in the metainfo, got {0}")]
    Negative(i64),
    /// `length` and `files` together, so that it is unclear which is meant.
    #[error("expected either a single file or a list of files in the metainfo, got both")]
    SingleAndSeveral,
    /// A torrent of version 2 without a version 1 half (BEP 52).
    #[error("expected a torrent of version 1 or a hybrid, got one of version 2 only")]
    VersionTwo,
    /// Too many files.
    #[error("expected at most {max} files in the torrent, got more", max = limits::FILES_MAX)]
    Files,
    /// Lengths that make no torrent.
    #[error("{0}")]
    Layout(#[from] LayoutError),
    /// Not one SHA-1 for each piece.
    #[error("expected {expected} bytes of piece hashes, got {got}")]
    Pieces {
        /// Twenty for each piece that the lengths make.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// A name that is refused.
    #[error("file {file} of the torrent: {error}")]
    Path {
        /// Which, from 0; the torrent's own name counts as file 0.
        file: usize,
        /// Why.
        error: PathError,
    },
}

pub(super) const fn kind(key: &'static str, expected: &'static str, got: Value<'_>) -> MetainfoError {
    MetainfoError::Kind { key, expected, got: got.kind() }
}
