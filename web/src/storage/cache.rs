//! A few chunks that were read last.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

/// Chunks kept: a few peers reading at different places of one torrent, at 1 MiB each.
const CHUNKS: usize = 8;

/// Chunks of one length, aligned to it, the least recently used given up first.
#[derive(Debug)]
pub struct ReadCache {
    chunk: u64,
    /// Most recently used last.
    chunks: VecDeque<(u64, Bytes)>,
}

impl ReadCache {
    /// An empty cache of chunks of this many bytes, at least 1.
    pub fn new(chunk: u32) -> Self {
        Self { chunk: u64::from(chunk.max(1)), chunks: VecDeque::with_capacity(CHUNKS) }
    }

    /// The chunk in which the byte at `offset` lies; may reach over the end of the torrent.
    pub fn chunk_of(&self, offset: u64) -> Range<u64> {
        let start = offset - offset % self.chunk;
        start..start + self.chunk
    }

    /// Takes out the chunk that starts there, if it is cached. To be put back.
    pub fn take(&mut self, start: u64) -> Option<Bytes> {
        let found = self.chunks.iter().position(|(at, _)| *at == start)?;
        self.chunks.remove(found).map(|(_, bytes)| bytes)
    }

    /// Keeps a chunk, as the one used last.
    pub fn put(&mut self, start: u64, bytes: Bytes) {
        if self.chunks.len() == CHUNKS {
            self.chunks.pop_front();
        }
        self.chunks.push_back((start, bytes));
    }

    /// Gives up what a write makes stale.
    pub fn forget(&mut self, written: Range<u64>) {
        let length = self.chunk;
        self.chunks.retain(|(start, _)| start + length <= written.start || *start >= written.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_kept_until_it_is_written_to_or_others_were_used_since() {
        let mut cache = ReadCache::new(10);
        assert_eq!(cache.chunk_of(19), 10..20);
        for start in 0..CHUNKS as u64 {
            cache.put(start * 10, Bytes::from(vec![start as u8; 10]));
        }
        let first = cache.take(0).expect("cached");
        cache.put(0, first);
        cache.put(1_000, Bytes::new());
        assert_eq!(cache.take(10), None, "the one not used for longest");
        cache.forget(29..30);
        assert_eq!(cache.take(20), None);
        assert!(cache.take(0).is_some() && cache.take(30).is_some());
    }
}
