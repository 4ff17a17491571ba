//! Bytes in memory, outside the wasm heap: for pages without a secure context and browsers without a private file system.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use js_sys::{Array, Uint8Array};
use shared::engine::Opened;
use shared::layout::Layout;
use web_sys::{Blob, BlobPropertyBag};

use super::{Storage, StorageError};
use crate::client::Backing;
use crate::platform::JsError;

/// Bytes in one buffer.
const CHUNK: u64 = 1024 * 1024;

/// A torrent in memory. Nothing of it survives the tab.
pub struct Memory {
    layout: Rc<Layout>,
    cap: u64,
    chunks: BTreeMap<u64, Uint8Array>,
    record: Option<Bytes>,
}

impl Memory {
    /// Nothing yet. Of a torrent larger than `cap` bytes nothing can be written: the tab would be ended without a word.
    pub const fn new(layout: Rc<Layout>, cap: u64) -> Self {
        Self { layout, cap, chunks: BTreeMap::new(), record: None }
    }

    fn chunk(&mut self, number: u64) -> &Uint8Array {
        let length = CHUNK.min(self.layout.total() - number * CHUNK) as u32;
        self.chunks.entry(number).or_insert_with(|| Uint8Array::new_with_length(length))
    }
}

/// Cuts a range into the parts that lie in one chunk: number, first byte in the chunk, length.
fn parts(offset: u64, length: u64) -> impl Iterator<Item = (u64, u32, usize)> {
    let end = offset + length;
    let mut at = offset;
    std::iter::from_fn(move || {
        let number = at / CHUNK;
        let until = end.min((number + 1) * CHUNK);
        let part = (at < end).then(|| (number, (at % CHUNK) as u32, (until - at) as usize));
        at = until;
        part
    })
}

impl Storage for Memory {
    fn backing(&self) -> Backing {
        Backing::Memory
    }

    fn opened(&self) -> Opened {
        Opened { record: self.record.clone(), check: false }
    }

    async fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), StorageError> {
        let length = into.len() as u64;
        let mut rest = into;
        for (number, from, length_in_chunk) in parts(offset, length) {
            let chunk = self.chunks.get(&number).ok_or(StorageError::Range { offset, length })?;
            let (part, after) = rest.split_at_mut(length_in_chunk);
            chunk.subarray(from, from + length_in_chunk as u32).copy_to(part);
            rest = after;
        }
        Ok(())
    }

    async fn write(&mut self, offset: u64, blocks: &[Bytes]) -> Result<(), StorageError> {
        // Not before: a link is looked at before anybody knows whether it is downloaded.
        if self.layout.total() > self.cap {
            return Err(StorageError::NoSpace { needed: self.layout.total(), available: Some(self.cap) });
        }
        let mut at = offset;
        for block in blocks {
            let mut rest = &block[..];
            for (number, from, length) in parts(at, block.len() as u64) {
                let (part, after) = rest.split_at(length);
                self.chunk(number).subarray(from, from + length as u32).copy_from(part);
                rest = after;
            }
            at += block.len() as u64;
        }
        Ok(())
    }

    async fn persist(&mut self, record: &Bytes) -> Result<(), StorageError> {
        self.record = Some(record.clone());
        Ok(())
    }

    async fn file(&mut self, file: usize) -> Result<Blob, StorageError> {
        let span = *self.layout.files().get(file).ok_or(StorageError::Unsupported("no such file"))?;
        let bytes = Array::new();
        for (number, from, length) in parts(span.offset, span.length) {
            let chunk = self.chunks.get(&number);
            let chunk = chunk.ok_or(StorageError::Range { offset: span.offset, length: span.length })?;
            bytes.push(&chunk.subarray(from, from + length as u32));
        }
        let options = BlobPropertyBag::new();
        options.set_type("application/octet-stream");
        let blob = Blob::new_with_u8_array_sequence_and_options(&bytes, &options).map_err(JsError::from)?;
        Ok(blob)
    }

    async fn close(self, _erase: bool) -> Result<(), StorageError> {
        Ok(())
    }

    fn read_ahead(&self) -> u32 {
        // The bytes are in memory already; a chunk of the wire's block length costs no more than it must.
        shared::limits::BLOCK_LENGTH
    }
}
