//! Names of files, made safe: the one place where that is done, for torrents that come in and for those made here.
//!
//! A torrent from a stranger should still download, so a name that some file system could not hold is changed, always
//! in the same way. What only makes sense as an attempt to write elsewhere is refused, and with it the torrent.
//!
//! Refused, see [`PathError`]: a part that is `..`; NUL or `/` within a part (so also absolute paths); a path of no
//! parts; more than [`limits::PATH_PARTS_MAX`] parts.
//!
//! Changed, in this order, for each part:
//! 1. What is not UTF-8 becomes U+FFFD, and the whole is normalised to NFC.
//! 2. Each control, each character that turns the direction of writing, and each of `\ < > : " | ? *` becomes `_`
//!    (so a drive letter `C:` is a folder `C_`).
//! 3. Dots and spaces at the end, which Windows drops, become `_`.
//! 4. A device name of Windows, with or without extension, gets `_` in front.
//! 5. More than [`limits::NAME_MAX`] bytes are cut to that; the extension stays.
//!
//! Parts that are empty or `.` are left out. Then, over the whole torrent, in the order of its files ([`Tree`]): two
//! names that differ only by case or Unicode form are the same name; folders with the same name are one folder, spelt
//! as it came first; a file whose name is taken by a file or folder, and a folder whose name is taken by a file, gets
//! ` (2)`, ` (3)` and so on before the extension.

use std::collections::BTreeMap;

use icu_normalizer::ComposingNormalizerBorrowed;

use crate::{limits, text};

/// Why a name cannot be made safe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// `..`, a way out of the torrent's folder.
    #[error("expected a file name, got \"..\"")]
    Parent,
    /// A path within what should be one part of a path.
    #[error("expected a file name without \"/\", got {0:?}")]
    Separator(String),
    /// NUL, where other programs believe that a name ends.
    #[error("expected a file name without NUL, got {0:?}")]
    Nul(String),
    /// Nothing that could be a name.
    #[error("expected a file name, got none")]
    Empty,
    /// Too many folders within each other.
    #[error("expected at most {max} parts in a path, got {0}", max = limits::PATH_PARTS_MAX)]
    Deep(usize),
}

/// One part of a path, made safe; `None` if it stands for nothing (empty or `.`).
pub fn safe_part(part: &[u8]) -> Result<Option<String>, PathError> {
    let lossy = String::from_utf8_lossy(part);
    if matches!(lossy.as_ref(), "" | ".") {
        return Ok(None);
    }
    if lossy == ".." {
        return Err(PathError::Parent);
    }
    let normal: String = if lossy.is_ascii() { lossy.into_owned() } else { nfc(&lossy) };
    if normal.contains('\0') {
        return Err(PathError::Nul(text::shown(&normal, QUOTED_MAX)));
    }
    if normal.contains('/') {
        return Err(PathError::Separator(text::shown(&normal, QUOTED_MAX)));
    }
    let mut safe: String = normal.chars().map(|c| if is_unsafe(c) { '_' } else { c }).collect();
    let kept = safe.trim_end_matches(['.', ' ']).len();
    let dropped = safe.len() - kept;
    safe.truncate(kept);
    safe.extend(core::iter::repeat_n('_', dropped));
    if is_device(&safe) {
        safe.insert(0, '_');
    }
    Ok(Some(fit(&safe, "")))
}

/// A whole path, each part made safe.
pub fn safe_path<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<String>, PathError> {
    let mut safe = Vec::new();
    for part in parts {
        if safe.len() == limits::PATH_PARTS_MAX {
            return Err(PathError::Deep(safe.len() + 1));
        }
        safe.extend(safe_part(part)?);
    }
    if safe.is_empty() { Err(PathError::Empty) } else { Ok(safe) }
}

/// How much of a stranger's name an error repeats, in characters.
const QUOTED_MAX: usize = 64;

fn is_unsafe(c: char) -> bool {
    text::is_treacherous(c) || matches!(c, '\\' | '<' | '>' | ':' | '"' | '|' | '?' | '*')
}

/// Whether Windows takes a name for a device, whatever its extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$") {
        return true;
    }
    let number = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    let mut rest = number.unwrap_or_default().chars();
    matches!((rest.next(), rest.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
}

/// `name` with `suffix` before its extension, cut so that the whole fits into [`limits::NAME_MAX`] bytes.
fn fit(name: &str, suffix: &str) -> String {
    /// An "extension" longer than this is a part of the name.
    const EXTENSION_MAX: usize = 32;
    let dot = name.rfind('.').filter(|dot| *dot > 0 && name.len() - dot <= EXTENSION_MAX);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let room = limits::NAME_MAX - extension.len() - suffix.len();
    let cut = if stem.len() > room { stem.floor_char_boundary(room) } else { stem.len() };
    let mut stem = stem[..cut].to_owned();
    if extension.is_empty() && suffix.is_empty() && cut < name.len() {
        // The cut may have bared a dot or space.
        let kept = stem.trim_end_matches(['.', ' ']).len();
        let bared = stem.len() - kept;
        stem.truncate(kept);
        stem.extend(core::iter::repeat_n('_', bared));
    }
    stem + suffix + extension
}

/// Under which names are the same on a file system that ignores case and Unicode form.
fn folded(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    nfc(&name.to_uppercase().to_lowercase())
}

/// In the composed form (Unicode, annex 15), which is what people type.
fn nfc(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(text).into_owned()
}

/// Gives each file of a torrent a path of its own.
#[derive(Debug, Default)]
pub struct Tree {
    /// Folders by parent and by the name that was asked for, with the name that they got. Folder 0 is the torrent's.
    folders: BTreeMap<(u32, String), (u32, String)>,
    /// Names in use, by parent; with the number that the next of the same name tries.
    taken: BTreeMap<(u32, String), u32>,
    count: u32,
}

impl Tree {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The path of the next file, from a path whose parts are safe.
    pub fn place(&mut self, mut path: Vec<String>) -> Vec<String> {
        let mut parent = 0;
        let folders = path.len().saturating_sub(1);
        for part in &mut path[..folders] {
            let asked = (parent, folded(part));
            if let Some((folder, name)) = self.folders.get(&asked) {
                (parent, *part) = (*folder, name.clone());
                continue;
            }
            *part = self.free(parent, core::mem::take(part));
            self.count += 1;
            parent = self.count;
            self.folders.insert(asked, (parent, part.clone()));
        }
        if let Some(name) = path.last_mut() {
            *name = self.free(parent, core::mem::take(name));
        }
        path
    }

    /// The name itself, or the first numbered form of it that is free; takes it.
    fn free(&mut self, parent: u32, name: String) -> String {
        let asked = (parent, folded(&name));
        let Some(next) = self.taken.get(&asked) else {
            self.taken.insert(asked, 2);
            return name;
        };
        let mut number = *next;
        let (numbered, key) = loop {
            let numbered = fit(&name, &format!(" ({number})"));
            number += 1;
            let key = (parent, folded(&numbered));
            if !self.taken.contains_key(&key) {
                break (numbered, key);
            }
        };
        self.taken.insert(asked, number);
        self.taken.insert(key, 2);
        numbered
    }
}
