//! Files as people give them: dropped (folders included), pasted, or chosen.

use js_sys::{Array, Promise, Reflect};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DataTransfer, File, FileList, FileSystemDirectoryEntry, FileSystemDirectoryReader, FileSystemEntry,
    FileSystemFileEntry,
};

use crate::client::SharedFile;

/// What a drop or a paste held.
#[derive(Default)]
pub struct Given {
    entries: Vec<FileSystemEntry>,
    files: Vec<File>,
    /// Text, trimmed: a link, perhaps.
    pub text: String,
}

/// A file or folder could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected files that the browser can read")]
pub struct Unreadable;

impl Given {
    /// Takes what there is. Must be called within the event: the browser empties the transfer afterwards.
    pub fn take(transfer: &DataTransfer) -> Self {
        let mut given = Self::default();
        let items = transfer.items();
        for place in 0..items.length() {
            let Some(item) = items.get(place).filter(|item| item.kind() == "file") else { continue };
            match item.webkit_get_as_entry() {
                Ok(Some(entry)) => given.entries.push(entry),
                _ => given.files.extend(item.get_as_file().ok().flatten()),
            }
        }
        if given.is_empty() {
            given.files = transfer.files().map(|list| listed(&list)).unwrap_or_default();
        }
        let text = transfer.get_data("text/uri-list").ok().filter(|text| !text.is_empty());
        let text = text.or_else(|| transfer.get_data("text/plain").ok()).unwrap_or_default();
        text.trim().clone_into(&mut given.text);
        given
    }

    /// Whether there was no file.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.files.is_empty()
    }

    /// All files, those in folders too, by path: so that the same folder is always the same torrent.
    pub async fn files(self) -> Result<Vec<SharedFile>, Unreadable> {
        let mut found = Vec::new();
        for entry in self.entries {
            walk(entry, &mut found).await.map_err(|_| Unreadable)?;
        }
        found.extend(self.files.into_iter().map(|file| SharedFile { path: vec![file.name()], file }));
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }
}

/// Files of an `<input>`: with their folders if a folder was chosen.
pub fn chosen(list: &FileList) -> Vec<SharedFile> {
    let mut files: Vec<SharedFile> = listed(list)
        .into_iter()
        .map(|file| {
            let relative =
                Reflect::get(&file, &"webkitRelativePath".into()).ok().and_then(|path| path.as_string());
            let path = match relative.filter(|path| !path.is_empty()) {
                Some(path) => path.split('/').map(str::to_owned).collect(),
                None => vec![file.name()],
            };
            SharedFile { path, file }
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn listed(list: &FileList) -> Vec<File> {
    (0..list.length()).filter_map(|place| list.get(place)).collect()
}

/// Collects what is below an entry. Depth comes from a real file system, so the stack of folders is bounded by it.
async fn walk(root: FileSystemEntry, found: &mut Vec<SharedFile>) -> Result<(), JsValue> {
    let mut left = vec![(Vec::new(), root)];
    while let Some((mut path, entry)) = left.pop() {
        path.push(entry.name());
        if entry.is_directory() {
            // Asked of the entry, not of its class: Chromium has that under another name.
            let folder: &FileSystemDirectoryEntry = entry.unchecked_ref();
            for child in children(&folder.create_reader()).await? {
                left.push((path.clone(), child));
            }
        } else {
            let file = file_of(entry.unchecked_into()).await?;
            found.push(SharedFile { path, file });
        }
    }
    Ok(())
}

/// All children of a folder; the browser gives at most a hundred at a time, and none at the end.
async fn children(reader: &FileSystemDirectoryReader) -> Result<Vec<FileSystemEntry>, JsValue> {
    let mut all = Vec::new();
    loop {
        let batch = called(|done, failed| {
            let _ = reader.read_entries_with_callback_and_callback(done, failed);
        })
        .await?;
        let batch: Array = batch.unchecked_into();
        if batch.length() == 0 {
            return Ok(all);
        }
        all.extend(batch.iter().map(JsCast::unchecked_into));
    }
}

async fn file_of(entry: FileSystemFileEntry) -> Result<File, JsValue> {
    let file = called(|done, failed| entry.file_with_callback_and_callback(done, failed)).await?;
    Ok(file.unchecked_into())
}

/// An old interface of two callbacks, as a future.
async fn called(start: impl Fn(&js_sys::Function, &js_sys::Function)) -> Result<JsValue, JsValue> {
    JsFuture::from(Promise::new(&mut |done, failed| start(&done, &failed))).await
}
