//! The info dictionary (BEP 3), with the attributes of BEP 47.

use super::error::kind;
use super::path::{PathError, Tree, safe_part, safe_path};
use super::{FileEntry, MetainfoError};
use crate::bencode::{Dictionary, Value};
use crate::id::InfoHash;
use crate::layout::Layout;
use crate::limits;

/// What an info dictionary says.
pub(super) struct Info<'a> {
    pub(super) hashes: &'a [u8],
    pub(super) name: String,
    pub(super) folder: bool,
    pub(super) files: Vec<FileEntry>,
    pub(super) layout: Layout,
    pub(super) private: bool,
}

/// Reads and checks an info dictionary. A torrent without a name of its own is called by its info-hash.
pub(super) fn read<'a>(info: Dictionary<'a>, info_hash: &InfoHash) -> Result<Info<'a>, MetainfoError> {
    let hashes = match required(info, "pieces") {
        Err(MetainfoError::Missing(_)) if info.get(b"file tree").is_some() => {
            return Err(MetainfoError::VersionTwo);
        }
        value => bytes("pieces", value?)?,
    };
    let piece_length = length(required(info, "piece length")?, "piece length")?;
    let name = name(info, info_hash)?;
    let (folder, files) = match (info.get(b"length"), info.get(b"files")) {
        (Some(_), Some(_)) => return Err(MetainfoError::SingleAndSeveral),
        (Some(value), None) => {
            let length = length(value, "length")?;
            (false, vec![FileEntry { path: vec![name.clone()], length, padding: false }])
        }
        (None, Some(value)) => (true, files(value)?),
        (None, None) => return Err(MetainfoError::Missing("length")),
    };
    let layout = Layout::new(piece_length, files.iter().map(|file| file.length))?;
    let expected = layout.pieces() as usize * 20;
    if hashes.len() != expected {
        return Err(MetainfoError::Pieces { expected, got: hashes.len() });
    }
    let private = info.get(b"private").and_then(Value::integer) == Some(1);
    Ok(Info { hashes, name, folder, files, layout, private })
}

fn name(info: Dictionary<'_>, info_hash: &InfoHash) -> Result<String, MetainfoError> {
    // Old torrents say it twice: once in whatever the maker's encoding was, once in UTF-8.
    let name =
        info.get(b"name.utf-8").or_else(|| info.get(b"name")).and_then(Value::bytes).unwrap_or_default();
    let safe = safe_part(name).map_err(|error| MetainfoError::Path { file: 0, error })?;
    Ok(safe.unwrap_or_else(|| info_hash.to_string()))
}

fn files(value: Value<'_>) -> Result<Vec<FileEntry>, MetainfoError> {
    let list = value.list().ok_or_else(|| kind("files", "a list", value))?;
    let mut tree = Tree::new();
    let mut files = Vec::new();
    for value in list {
        if files.len() == limits::FILES_MAX {
            return Err(MetainfoError::Files);
        }
        let file = value.dictionary().ok_or_else(|| kind("a file", "a dictionary", value))?;
        let length = length(required(file, "length")?, "length")?;
        let path = file_path(file, files.len())?;
        let attributes = file.get(b"attr").and_then(Value::bytes).unwrap_or_default();
        files.push(FileEntry { path: tree.place(path), length, padding: attributes.contains(&b'p') });
    }
    Ok(files)
}

fn file_path(file: Dictionary<'_>, number: usize) -> Result<Vec<String>, MetainfoError> {
    let value = file.get(b"path.utf-8").map_or_else(|| required(file, "path"), Ok)?;
    let list = value.list().ok_or_else(|| kind("path", "a list", value))?;
    let refused = |error| MetainfoError::Path { file: number, error };
    let count = list.iter().take(limits::PATH_PARTS_MAX + 1).count();
    if count > limits::PATH_PARTS_MAX {
        return Err(refused(PathError::Deep(count)));
    }
    let parts: Vec<&[u8]> = list.iter().map(|part| bytes("path", part)).collect::<Result<_, _>>()?;
    safe_path(parts).map_err(refused)
}

fn required<'a>(dictionary: Dictionary<'a>, key: &'static str) -> Result<Value<'a>, MetainfoError> {
    dictionary.get(key.as_bytes()).ok_or(MetainfoError::Missing(key))
}

fn bytes<'a>(key: &'static str, value: Value<'a>) -> Result<&'a [u8], MetainfoError> {
    value.bytes().ok_or_else(|| kind(key, "a byte string", value))
}

fn length(value: Value<'_>, key: &'static str) -> Result<u64, MetainfoError> {
    let number = value.integer().ok_or_else(|| kind(key, "an integer", value))?;
    u64::try_from(number).map_err(|_| MetainfoError::Negative(number))
}
