//! Metainfo (BEP 3): what a `.torrent` holds.
//!
//! [`Metainfo`] is read from a whole `.torrent` or from an info dictionary that came from peers (BEP 9). Whoever holds
//! one may rely on it: the lengths fit, every piece has its hash, every file has a path that is safe ([`path`]) and
//! that no other file of the torrent has. The info-hash is always over the info dictionary's bytes as they came.
//!
//! Only version 1 is understood; of a hybrid (BEP 52) the version 1 half.

pub mod builder;
mod error;
mod info;
pub mod path;

use bytes::Bytes;
use sha1::{Digest as _, Sha1};

pub use error::MetainfoError;

use crate::bencode::{Dictionary, Order, Value, Writer, decode, decode_prefix};
use crate::id::InfoHash;
use crate::layout::{Layout, PieceIndex};
use crate::{limits, text, url};

/// Metainfo of a torrent, parsed and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metainfo {
    info_hash: InfoHash,
    info: Bytes,
    /// The SHA-1 of every piece, one after the other; a part of `info`.
    hashes: Bytes,
    name: String,
    folder: bool,
    files: Vec<FileEntry>,
    layout: Layout,
    private: bool,
    trackers: Vec<String>,
    web_seeds: Vec<String>,
    comment: Option<String>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Where it lies within the torrent, each part safe; at least one part. The torrent's name is not in it, except
    /// for a torrent that is a single file, where it is the only part.
    pub path: Vec<String>,
    /// Length in bytes; may be 0.
    pub length: u64,
    /// It only fills up a piece (BEP 47): nobody wants to see it.
    pub padding: bool,
}

impl Metainfo {
    /// Reads a whole `.torrent`. Unsorted keys and bytes after its end are tolerated, because both exist in the wild.
    pub fn parse(torrent: &[u8]) -> Result<Self, MetainfoError> {
        if torrent.len() > limits::TORRENT_MAX {
            return Err(MetainfoError::TooLong { max: limits::TORRENT_MAX, got: torrent.len() });
        }
        let (value, _) = decode_prefix(torrent, Order::Any)?;
        let outer = value.dictionary().ok_or_else(|| error::kind("the torrent", "a dictionary", value))?;
        let info = outer.get(b"info").ok_or(MetainfoError::Missing("info"))?;
        let info = info.dictionary().ok_or_else(|| error::kind("info", "a dictionary", info))?;
        let mut metainfo = Self::from_info(Bytes::copy_from_slice(info.raw()))?;
        metainfo.trackers = trackers(outer);
        metainfo.web_seeds = urls(outer.get(b"url-list"), url::WEB_SCHEMES, limits::WEB_SEEDS_PER_TORRENT);
        metainfo.comment = outer.get(b"comment").and_then(Value::bytes).and_then(comment);
        Ok(metainfo)
    }

    /// Reads an info dictionary, and nothing after it. The caller compares the info-hash.
    pub fn from_info(info: Bytes) -> Result<Self, MetainfoError> {
        if info.len() > limits::METADATA_MAX {
            return Err(MetainfoError::TooLong { max: limits::METADATA_MAX, got: info.len() });
        }
        let info_hash = InfoHash(Sha1::digest(&info).into());
        let value = decode(&info, Order::Any)?;
        let dictionary = value.dictionary().ok_or_else(|| error::kind("info", "a dictionary", value))?;
        let read = info::read(dictionary, &info_hash)?;
        let hashes = info.slice_ref(read.hashes);
        let info::Info { name, folder, files, layout, private, .. } = read;
        let (trackers, web_seeds, comment) = (Vec::new(), Vec::new(), None);
        Ok(Self {
            info_hash,
            hashes,
            name,
            folder,
            files,
            layout,
            private,
            trackers,
            web_seeds,
            comment,
            info,
        })
    }

    /// The torrent's identity.
    pub const fn info_hash(&self) -> InfoHash {
        self.info_hash
    }

    /// Name of the file, or of the folder that holds the files; safe, never empty.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a folder with files, as opposed to a single file.
    pub const fn is_folder(&self) -> bool {
        self.folder
    }

    /// Pieces, blocks and files as ranges of bytes.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The files, in the order of the layout's.
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// SHA-1 of a piece.
    pub fn piece_hash(&self, piece: PieceIndex) -> &[u8; 20] {
        static NO_HASH: [u8; 20] = [0; 20];
        // Checked when it was read: as many hashes as the layout has pieces, and a PieceIndex is of a layout.
        self.hashes.as_chunks().0.get(piece.index()).unwrap_or(&NO_HASH)
    }

    /// The info dictionary, as it came.
    pub const fn info_bytes(&self) -> &Bytes {
        &self.info
    }

    /// Announce URLs that the `.torrent` named, checked ([`url::check`]), each once, tiers flattened; at most
    /// [`limits::TRACKERS_PER_TORRENT`].
    pub fn trackers(&self) -> &[String] {
        &self.trackers
    }

    /// Web seeds that the `.torrent` named (BEP 19), checked, each once; at most [`limits::WEB_SEEDS_PER_TORRENT`].
    pub fn web_seeds(&self) -> &[String] {
        &self.web_seeds
    }

    /// The same torrent with these web seeds in place of those it named; each is checked, and the number bounded.
    ///
    /// # Errors
    ///
    /// What is wrong with the first that is no such URL.
    pub fn with_web_seeds(mut self, web_seeds: &[String]) -> Result<Self, url::UrlError> {
        self.web_seeds.clear();
        for web_seed in web_seeds.iter().take(limits::WEB_SEEDS_PER_TORRENT) {
            let url = url::check(web_seed, url::WEB_SCHEMES)?;
            if !self.web_seeds.contains(&url) {
                self.web_seeds.push(url);
            }
        }
        Ok(self)
    }

    /// What whoever made it had to say of it; safe to show, at most [`limits::COMMENT_MAX`] characters, not empty.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// The same torrent with another comment, made safe as in [`Metainfo::comment`].
    #[must_use]
    pub fn with_comment(mut self, text: &str) -> Self {
        self.comment = comment(text.as_bytes());
        self
    }

    /// Whether peers may be had from its own trackers only (BEP 27).
    pub const fn is_private(&self) -> bool {
        self.private
    }

    /// A whole `.torrent` with these trackers, each in a tier of its own (BEP 12), its web seeds and its comment.
    pub fn to_torrent(&self, trackers: &[String]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.info.len() + 512);
        Writer::new(&mut out).dictionary(|entries| {
            if let Some(first) = trackers.first() {
                entries.key("announce").bytes(first);
                entries.key("announce-list").list(|tiers| {
                    for tracker in trackers {
                        tiers.list(|tier| tier.bytes(tracker));
                    }
                });
            }
            if let Some(comment) = &self.comment {
                entries.key("comment").bytes(comment);
            }
            entries.key("info").raw(&self.info);
            if !self.web_seeds.is_empty() {
                entries.key("url-list").list(|urls| self.web_seeds.iter().for_each(|url| urls.bytes(url)));
            }
        });
        out
    }
}

/// A comment made safe to show; `None` if nothing is left of it.
fn comment(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.get(..4 * limits::COMMENT_MAX).unwrap_or(bytes);
    let shown = text::shown(String::from_utf8_lossy(bytes).trim(), limits::COMMENT_MAX);
    (!shown.is_empty()).then_some(shown)
}

/// `announce` and `announce-list` as one list. What is no URL of a tracker is left out: it could not be used anyway.
fn trackers(outer: Dictionary<'_>) -> Vec<String> {
    let mut found = urls(outer.get(b"announce"), url::TRACKER_SCHEMES, limits::TRACKERS_PER_TORRENT);
    for tier in outer.get(b"announce-list").and_then(Value::list).into_iter().flatten() {
        for tracker in urls(Some(tier), url::TRACKER_SCHEMES, limits::TRACKERS_PER_TORRENT) {
            if found.len() < limits::TRACKERS_PER_TORRENT && !found.contains(&tracker) {
                found.push(tracker);
            }
        }
    }
    found
}

/// The URLs in a text or in a list of texts, each once.
fn urls(value: Option<Value<'_>>, schemes: &'static [&'static str], most: usize) -> Vec<String> {
    let mut found = Vec::new();
    let items = value.and_then(Value::list).into_iter().flatten();
    for item in value.filter(|value| value.list().is_none()).into_iter().chain(items) {
        let Some(Ok(url)) = item.text().map(|text| url::check(text, schemes)) else { continue };
        if found.len() < most && !found.contains(&url) {
            found.push(url);
        }
    }
    found
}

#[cfg(test)]
mod tests;
