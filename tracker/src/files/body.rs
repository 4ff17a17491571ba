//! The bytes of a response, read from a file as fast as the connection takes them.
//!
//! Reads are large and happen on the threads for blocking work, one ahead of what is being written, into buffers that
//! are used again: a gigabyte costs a few thousand hops between threads and no allocation.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::task::{JoinHandle, spawn_blocking};

use super::Permit;
use super::range::ByteRange;
use crate::compare::Transfer;
use crate::listener::connection::Use;

/// Bytes of one read. Larger ones leave the processor's cache before they are written, smaller ones cost more hops.
const CHUNK: usize = 256 * 1024;

/// Buffers of one response: being read into, waiting, and being written.
const SPARE_MAX: usize = 3;

/// A part of a response.
#[derive(Debug)]
pub(super) enum Part {
    /// Of ours: headers between the ranges.
    Text(Bytes),
    /// Of the file.
    File(ByteRange),
}

/// Bytes of all parts.
pub(super) fn length(parts: &[Part]) -> u64 {
    let length = |part: &Part| match part {
        Part::Text(text) => text.len() as u64,
        Part::File(range) => range.len(),
    };
    parts.iter().map(length).sum()
}

/// A response made of parts of one file.
#[derive(Debug)]
pub(super) struct FileBody {
    file: Arc<File>,
    parts: VecDeque<Part>,
    reading: Option<JoinHandle<io::Result<Buffer>>>,
    spare: Spare,
    remaining: u64,
    under_way: UnderWay,
    _permit: Permit,
}

/// Of the request that a body answers.
#[derive(Debug)]
pub(super) struct UnderWay {
    /// If it is measured.
    pub(super) transfer: Option<Arc<Transfer>>,
    #[expect(dead_code, reason = "held, not read: until it is dropped, the request is under way")]
    pub(super) request: Use,
}

type Spare = Arc<Mutex<Vec<Vec<u8>>>>;

/// A filled buffer; gives its memory back for the next read.
#[derive(Debug)]
struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
    spare: Spare,
}

impl FileBody {
    pub(super) fn new(file: File, parts: Vec<Part>, under_way: UnderWay, permit: Permit) -> Self {
        let remaining = length(&parts);
        let mut body = Self {
            file: Arc::new(file),
            parts: parts.into(),
            reading: None,
            spare: Spare::default(),
            remaining,
            under_way,
            _permit: permit,
        };
        body.read_ahead();
        body
    }

    /// Starts the next read, if the next part is of the file and none is under way.
    fn read_ahead(&mut self) {
        let Some(Part::File(range)) = self.parts.front_mut() else { return };
        if self.reading.is_some() {
            return;
        }
        let offset = range.start;
        let length = range.len().min(CHUNK as u64);
        range.start += length;
        if range.start == range.end {
            self.parts.pop_front();
        }
        let length = length as usize;
        let (file, spare) = (self.file.clone(), self.spare.clone());
        self.reading = Some(spawn_blocking(move || Buffer::read(&file, offset, length, spare)));
    }
}

impl Buffer {
    fn read(file: &File, offset: u64, length: usize, spare: Spare) -> io::Result<Self> {
        let mut bytes = spare.lock().pop().unwrap_or_default();
        if bytes.len() < length {
            bytes.resize(length, 0);
        }
        std::os::unix::fs::FileExt::read_exact_at(file, &mut bytes[..length], offset)?;
        Ok(Self { bytes, filled: length, spare })
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut spare = self.spare.lock();
        if spare.len() < SPARE_MAX {
            spare.push(core::mem::take(&mut self.bytes));
        }
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let bytes = if let Some(reading) = &mut self.reading {
            let read = ready!(Pin::new(reading).poll(cx)).map_err(io::Error::other);
            self.reading = None;
            match read.flatten() {
                Ok(buffer) => Bytes::from_owner(buffer),
                Err(error) => {
                    tracing::warn!(%error, "a file cannot be read to its end; was it changed while it was served?");
                    self.parts.clear();
                    return Poll::Ready(Some(Err(error)));
                }
            }
        } else if let Some(Part::Text(text)) = self.parts.pop_front() {
            text
        } else {
            return Poll::Ready(None);
        };
        self.read_ahead();
        self.remaining -= bytes.len() as u64;
        if let Some(transfer) = &self.under_way.transfer {
            transfer.count(bytes.len());
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.reading.is_none() && self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}
