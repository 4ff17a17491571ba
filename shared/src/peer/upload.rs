use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::outbox::Outbox;
use crate::layout::Layout;
use crate::limits;
use crate::wire::{Message, Request};

/// Requests of one peer on their way through the storage.
///
/// Requests for adjacent bytes are read together, and reading goes on ahead of sending by
/// [`limits::UPLOAD_AHEAD`] at most.
#[derive(Debug, Default)]
pub struct Upload {
    queue: VecDeque<Request>,
    reads: BTreeMap<u64, Reading>,
    reading_bytes: usize,
    next_read: u64,
}

/// One read that is under way.
#[derive(Debug)]
struct Reading {
    offset: u64,
    length: u32,
    /// Still wanted requests within it.
    requests: Vec<Request>,
}

/// A read that the storage is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Number of the read, for [`Upload::read_done`].
    pub number: u64,
    /// First byte in the torrent.
    pub offset: u64,
    /// Number of bytes.
    pub length: u32,
}

impl Upload {
    /// Takes a request; answers `false` when the queue is full.
    pub fn push(&mut self, request: Request) -> bool {
        let reading: usize = self.reads.values().map(|reading| reading.requests.len()).sum();
        if self.queue.len() + reading >= limits::REQUESTS_QUEUED_MAX {
            return false;
        }
        self.queue.push_back(request);
        true
    }

    /// Whether anything is queued or being read.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.reads.is_empty()
    }

    /// Forgets one request; answers whether it was here.
    pub fn cancel(&mut self, request: Request) -> bool {
        if let Some(at) = self.queue.iter().position(|queued| *queued == request) {
            self.queue.remove(at);
            return true;
        }
        for reading in self.reads.values_mut() {
            if let Some(at) = reading.requests.iter().position(|wanted| *wanted == request) {
                reading.requests.swap_remove(at);
                return true;
            }
        }
        false
    }

    /// Forgets all requests, and says which they were.
    pub fn cancel_all(&mut self) -> Vec<Request> {
        let mut cancelled: Vec<Request> = Vec::new();
        for reading in self.reads.values_mut() {
            cancelled.append(&mut reading.requests);
        }
        cancelled.extend(self.queue.drain(..));
        cancelled
    }

    /// What is being read is to be read again: the storage that was to do it is closed.
    pub fn read_again(&mut self) {
        for reading in core::mem::take(&mut self.reads).into_values().rev() {
            reading.requests.into_iter().rev().for_each(|request| self.queue.push_front(request));
        }
        self.reading_bytes = 0;
    }

    /// The next read to do, while there is room ahead of what is sent: of the oldest request for a piece that is not
    /// `held` back, and those that follow it.
    pub fn next_read(
        &mut self,
        layout: &Layout,
        outbox: &Outbox,
        mut held: impl FnMut(u32) -> bool,
    ) -> Option<Read> {
        if self.reading_bytes + outbox.block_bytes() >= limits::UPLOAD_AHEAD {
            return None;
        }
        let at = self.queue.iter().position(|request| !held(request.piece))?;
        let first = self.queue.remove(at)?;
        let offset = position(layout, first)?;
        let mut read = Read { number: self.next_read, offset, length: first.length };
        let mut requests = vec![first];
        while let Some(next) = self.queue.get(at).copied() {
            let adjacent = position(layout, next) == Some(offset + u64::from(read.length));
            let other = next.piece != first.piece && held(next.piece);
            if !adjacent || other || read.length + next.length > limits::READ_LENGTH_MAX {
                break;
            }
            read.length += next.length;
            requests.push(next);
            self.queue.remove(at);
        }
        self.next_read += 1;
        self.reading_bytes += read.length as usize;
        self.reads.insert(read.number, Reading { offset, length: read.length, requests });
        Some(read)
    }

    /// A read is done, or has failed (`None`): hands the blocks that are still wanted to the outbox, and answers with
    /// the requests that cannot be served.
    pub fn read_done(
        &mut self,
        number: u64,
        bytes: Option<&Bytes>,
        layout: &Layout,
        outbox: &mut Outbox,
    ) -> Vec<Request> {
        let Some(reading) = self.reads.remove(&number) else { return Vec::new() };
        self.reading_bytes -= reading.length as usize;
        let Some(bytes) = bytes.filter(|bytes| bytes.len() == reading.length as usize) else {
            return reading.requests;
        };
        for request in reading.requests {
            let Some(at) = position(layout, request).map(|at| (at - reading.offset) as usize) else {
                continue;
            };
            let block = bytes.slice(at..at + request.length as usize);
            outbox.block(Message::Piece { piece: request.piece, begin: request.begin, block });
        }
        Vec::new()
    }
}

/// First byte of a request in the torrent; requests are checked against the layout before they are queued.
fn position(layout: &Layout, request: Request) -> Option<u64> {
    layout.piece(request.piece).map(|piece| layout.piece_offset(piece) + u64::from(request.begin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Instant;

    fn request(piece: u32, begin: u32) -> Request {
        Request { piece, begin, length: 16_384 }
    }

    #[test]
    fn adjacent_requests_are_read_together_across_pieces() {
        let layout = Layout::new(32_768, [32_768 * 4]).expect("valid");
        let mut outbox = Outbox::new(usize::MAX, Instant::ORIGIN);
        let mut upload = Upload::default();
        for wanted in [request(0, 16_384), request(1, 0), request(1, 16_384), request(3, 0)] {
            assert!(upload.push(wanted));
        }
        let read = upload.next_read(&layout, &outbox, |_| false).expect("a read");
        assert_eq!((read.offset, read.length), (16_384, 3 * 16_384));
        assert_eq!(upload.next_read(&layout, &outbox, |_| false).map(|read| read.offset), Some(3 * 32_768));
        assert_eq!(upload.next_read(&layout, &outbox, |_| false), None);
        assert!(upload.cancel(request(1, 0)));
        let bytes = Bytes::from(vec![1; 3 * 16_384]);
        assert!(upload.read_done(read.number, Some(&bytes), &layout, &mut outbox).is_empty());
        assert_eq!(outbox.block_bytes(), 2 * 16_397);
    }

    #[test]
    fn reading_stays_a_bounded_way_ahead_of_sending() {
        let layout = Layout::new(1 << 22, [1 << 26]).expect("valid");
        let outbox = Outbox::new(usize::MAX, Instant::ORIGIN);
        let mut upload = Upload::default();
        for number in 0..limits::REQUESTS_QUEUED_MAX as u32 {
            assert!(upload.push(request(number / 256, number % 256 * 16_384)));
        }
        assert!(!upload.push(request(9, 0)));
        let mut ahead = 0;
        while let Some(read) = upload.next_read(&layout, &outbox, |_| false) {
            ahead += read.length as usize;
        }
        assert!(ahead < limits::UPLOAD_AHEAD + limits::READ_LENGTH_MAX as usize);
    }

    #[test]
    fn a_failed_read_names_what_cannot_be_served() {
        let layout = Layout::new(32_768, [32_768]).expect("valid");
        let mut outbox = Outbox::new(usize::MAX, Instant::ORIGIN);
        let mut upload = Upload::default();
        assert!(upload.push(request(0, 0)));
        let read = upload.next_read(&layout, &outbox, |_| false).expect("a read");
        assert_eq!(upload.read_done(read.number, None, &layout, &mut outbox), [request(0, 0)]);
        let short = Bytes::from_static(b"short");
        assert!(upload.push(request(0, 0)));
        let read = upload.next_read(&layout, &outbox, |_| false).expect("a read");
        assert_eq!(upload.read_done(read.number, Some(&short), &layout, &mut outbox), [request(0, 0)]);
        assert!(upload.is_idle());
    }
}
