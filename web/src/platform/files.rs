//! Reading files by slices, and the private file system.

use bytes::Bytes;
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, FileReaderSync, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
};
use web_sys::{
    FileSystemGetFileOptions, FileSystemReadWriteOptions, FileSystemRemoveOptions, FileSystemSyncAccessHandle,
};

use super::{JsError, scope};

/// The bytes of an array buffer: the one copy on the way in.
pub fn bytes_of(buffer: &JsValue) -> Bytes {
    Bytes::from(Uint8Array::new(buffer).to_vec())
}

/// Reads a part of a file at once. Workers only.
pub fn read_sync(file: &Blob, offset: u64, length: u64) -> Result<ArrayBuffer, JsError> {
    let slice = slice(file, offset, length)?;
    let buffer = FileReaderSync::new()?.read_as_array_buffer(&slice)?;
    expect_length(buffer, length)
}

/// Reads a part of a file while other things go on.
pub async fn read(file: &Blob, offset: u64, length: u64) -> Result<ArrayBuffer, JsError> {
    let promise = slice(file, offset, length)?.array_buffer();
    let buffer = JsFuture::from(promise).await?;
    expect_length(buffer.unchecked_into(), length)
}

fn slice(file: &Blob, offset: u64, length: u64) -> Result<Blob, JsError> {
    Ok(file.slice_with_f64_and_f64(offset as f64, (offset + length) as f64)?)
}

/// A file that became shorter gives fewer bytes and no error.
fn expect_length(buffer: ArrayBuffer, length: u64) -> Result<ArrayBuffer, JsError> {
    if u64::from(buffer.byte_length()) == length {
        Ok(buffer)
    } else {
        Err(JsError {
            name: "NotReadableError".to_owned(),
            message: format!("expected {length} bytes, got {}", buffer.byte_length()),
        })
    }
}

/// The root of this origin's private file system.
pub async fn root() -> Result<FileSystemDirectoryHandle, JsError> {
    let storage = scope::storage().ok_or_else(|| JsError::unexpected("expected navigator.storage"))?;
    if !scope::property(&storage, "getDirectory").is_function() {
        return Err(JsError::unexpected("expected navigator.storage.getDirectory"));
    }
    Ok(JsFuture::from(storage.get_directory()).await?.unchecked_into())
}

/// A directory in `parent`, made where `create` says so.
pub async fn directory(
    parent: &FileSystemDirectoryHandle,
    name: &str,
    create: bool,
) -> Result<FileSystemDirectoryHandle, JsError> {
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(create);
    Ok(JsFuture::from(parent.get_directory_handle_with_options(name, &options)).await?.unchecked_into())
}

/// A file in `parent`, made where `create` says so.
pub async fn file(
    parent: &FileSystemDirectoryHandle,
    name: &str,
    create: bool,
) -> Result<FileSystemFileHandle, JsError> {
    let options = FileSystemGetFileOptions::new();
    options.set_create(create);
    Ok(JsFuture::from(parent.get_file_handle_with_options(name, &options)).await?.unchecked_into())
}

/// The names in a directory.
pub async fn names(parent: &FileSystemDirectoryHandle) -> Result<Vec<String>, JsError> {
    let keys = parent.keys();
    let mut names = Vec::new();
    loop {
        let step = JsFuture::from(keys.next()?).await?;
        if scope::property(&step, "done").is_truthy() {
            return Ok(names);
        }
        names.extend(scope::property(&step, "value").as_string());
    }
}

/// Removes an entry with everything in it; one that is not there is fine.
pub async fn remove(parent: &FileSystemDirectoryHandle, name: &str) -> Result<(), JsError> {
    let options = FileSystemRemoveOptions::new();
    options.set_recursive(true);
    match JsFuture::from(parent.remove_entry_with_options(name, &options)).await.map_err(JsError::from) {
        Ok(_) => Ok(()),
        Err(error) if error.is("NotFoundError") => Ok(()),
        Err(error) => Err(error),
    }
}

/// A file opened for reading and writing in place, by this worker alone. Closed when dropped.
pub struct SyncFile(FileSystemSyncAccessHandle);

impl SyncFile {
    /// Opens it; fails where anybody else has it open.
    pub async fn open(handle: &FileSystemFileHandle) -> Result<Self, JsError> {
        Ok(Self(JsFuture::from(handle.create_sync_access_handle()).await?.unchecked_into()))
    }

    /// Length in bytes.
    pub fn size(&self) -> Result<u64, JsError> {
        Ok(self.0.get_size()? as u64)
    }

    /// Fills `bytes` from `offset`; answers how many there were.
    pub fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<usize, JsError> {
        Ok(self.0.read_with_u8_array_and_options(bytes, &at(offset))? as usize)
    }

    /// Writes all of `bytes` from `offset`.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), JsError> {
        let written = self.0.write_with_u8_array_and_options(bytes, &at(offset))? as usize;
        if written == bytes.len() {
            return Ok(());
        }
        // A full disk shows as a short write in some browsers.
        Err(JsError {
            name: "QuotaExceededError".to_owned(),
            message: format!("expected to write {} bytes, wrote {written}", bytes.len()),
        })
    }

    /// Cuts or extends the file.
    pub fn truncate(&self, length: u64) -> Result<(), JsError> {
        Ok(self.0.truncate_with_f64(length as f64)?)
    }

    /// Returns once the operating system has been asked to keep it over a power cut.
    pub fn flush(&self) -> Result<(), JsError> {
        Ok(self.0.flush()?)
    }
}

impl Drop for SyncFile {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn at(offset: u64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at_f64(offset as f64);
    options
}
