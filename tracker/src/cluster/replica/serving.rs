//! A snapshot on its way to another node.

use core::time::Duration;
use std::collections::BTreeMap;

use shared::id::InfoHash;
use shared::time::Instant;

use crate::cluster::codec::{Entry, Message};
use crate::cluster::store::Store;
use crate::swarm::change::Key;

/// Members in one chunk: about 30 kB.
const CHUNK: usize = 1_024;

/// Chunks that were sent and not acknowledged. With a millisecond from node to node it is some hundred MB a second, and what
/// waits for a node that does not read is little.
const WINDOW: u32 = 8;

/// Who acknowledges nothing for so long has given up, and asks again if not.
const STALE_AFTER: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Serving {
    pub(super) session: u64,
    /// Swarms that were not looked at yet. A swarm that begins later is told of by its changes.
    torrents: Vec<InfoHash>,
    /// Members of those that were, without those that changed since: the others are told of these by their changes, which
    /// would come before this older word.
    cut: BTreeMap<Key, Entry>,
    sent: u32,
    acked: u32,
    done: bool,
    touched: Instant,
}

impl Serving {
    pub(super) const fn new(now: Instant, session: u64, torrents: Vec<InfoHash>) -> Self {
        let cut = BTreeMap::new();
        Self { session, torrents, cut, sent: 0, acked: 0, done: false, touched: now }
    }

    pub(super) fn acked(&mut self, now: Instant, chunk: u32) {
        if chunk < self.sent {
            self.acked = self.acked.max(chunk + 1);
            self.touched = now;
        }
    }

    pub(super) fn supersede(&mut self, key: &Key) {
        self.cut.remove(key);
    }

    pub(super) fn is_stale(&self, now: Instant) -> bool {
        now.saturating_since(self.touched) >= STALE_AFTER
    }

    pub(super) const fn is_done(&self) -> bool {
        self.done
    }

    /// The next chunk, unless it is to wait for an acknowledgement.
    pub(super) fn next(&mut self, seq: u64, store: &dyn Store) -> Option<Message> {
        if self.done || self.sent >= self.acked + WINDOW {
            return None;
        }
        while self.cut.len() < CHUNK
            && let Some(info_hash) = self.torrents.pop()
        {
            self.cut.extend(store.own(&info_hash).into_iter().map(|entry| (entry.key, entry)));
        }
        let mut members = Vec::with_capacity(self.cut.len().min(CHUNK));
        while members.len() < CHUNK
            && let Some((_, entry)) = self.cut.pop_first()
        {
            members.push(entry);
        }
        self.done = self.cut.is_empty() && self.torrents.is_empty();
        let number = self.sent;
        self.sent += 1;
        Some(Message::Chunk { session: self.session, number, seq, last: self.done, members })
    }
}
