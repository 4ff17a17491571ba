//! A few chunks that were read last.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

/// Bytes kept: what a few peers that read at different places of one torrent want next.
const CACHED_MAX: u64 = 8 * 1024 * 1024;

/// Chunks of one length, aligned to it, the least recently used given up first.
#[derive(Debug)]
pub struct ReadCache {
    chunk: u64,
    most: usize,
    /// Most recently used last.
    chunks: VecDeque<(u64, Bytes)>,
}

impl ReadCache {
    /// An empty cache of chunks of this many bytes, at least 1.
    pub fn new(chunk: u32) -> Self {
        let chunk = u64::from(chunk.max(1));
        Self { chunk, most: (CACHED_MAX / chunk).clamp(1, 1024) as usize, chunks: VecDeque::new() }
    }

    /// The chunk in which the byte at `offset` lies; may reach over the end of the torrent.
    pub fn chunk_of(&self, offset: u64) -> Range<u64> {
        let start = offset - offset % self.chunk;
        start..start + self.chunk
    }

    /// Whether the chunk that starts there is cached.
    pub fn has(&self, start: u64) -> bool {
        self.chunks.iter().any(|(at, _)| *at == start)
    }

    /// Takes out the chunk that starts there, if it is cached. To be put back.
    pub fn take(&mut self, start: u64) -> Option<Bytes> {
        let found = self.chunks.iter().position(|(at, _)| *at == start)?;
        self.chunks.remove(found).map(|(_, bytes)| bytes)
    }

    /// Keeps a chunk, as the one used last.
    pub fn put(&mut self, start: u64, bytes: Bytes) {
        if self.chunks.len() == self.most {
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
        let mut cache = ReadCache::new(2 * 1024 * 1024);
        cache.chunk = 10;
        assert_eq!((cache.most, cache.chunk_of(19)), (4, 10..20));
        for start in 0..4_u8 {
            cache.put(u64::from(start) * 10, Bytes::from(vec![start; 10]));
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
