//! A disk in memory that keeps what was written across a host's restart, and can be full or lie.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha1::{Digest as _, Sha1};
use shared::engine::{Effect, EffectFailure, EffectResult, Opened};
use shared::id::InfoHash;

/// One host's disk.
#[derive(Debug)]
pub struct Disk {
    torrents: BTreeMap<InfoHash, Stored>,
    room: u64,
    corrupts: Option<u64>,
    reads: u64,
}

#[derive(Debug, Default)]
struct Stored {
    bytes: Vec<u8>,
    written: Vec<(u64, u64)>,
    record: Option<Bytes>,
    open: bool,
}

impl Disk {
    /// An empty disk that holds `room` bytes and, if told so, flips one byte in one of `corrupts` reads.
    pub fn new(room: u64, corrupts: Option<u64>) -> Self {
        Self { torrents: BTreeMap::new(), room, corrupts, reads: 0 }
    }

    /// Puts a whole torrent's bytes there, as a person's own file.
    pub fn put(&mut self, torrent: InfoHash, bytes: Vec<u8>) {
        let written = vec![(0, bytes.len() as u64)];
        self.torrents.insert(torrent, Stored { bytes, written, record: None, open: false });
    }

    /// Sets the room to this many bytes.
    pub fn resize(&mut self, room: u64) {
        self.room = room;
    }

    /// What is stored of a torrent; bytes never written are zero.
    pub fn bytes(&self, torrent: &InfoHash) -> Option<&[u8]> {
        self.torrents.get(torrent).map(|stored| stored.bytes.as_slice())
    }

    /// The process ended: nothing is open any more, everything written stays.
    pub fn crash(&mut self) {
        for stored in self.torrents.values_mut() {
            stored.open = false;
        }
    }

    /// Does a storage effect; `None` for effects that are not for a disk.
    pub fn perform(&mut self, effect: &Effect) -> Option<EffectResult> {
        Some(match effect {
            Effect::Open { torrent, metainfo } => {
                let stored = self.torrents.entry(*torrent).or_default();
                stored.bytes.resize(metainfo.layout().total() as usize, 0);
                stored.open = true;
                EffectResult::Opened(Opened { record: stored.record.clone(), check: false })
            }
            Effect::Read { torrent, offset, length } => self.read(torrent, *offset, *length),
            Effect::Check { torrent, offset, length } => match self.read(torrent, *offset, *length) {
                EffectResult::Bytes(bytes) => EffectResult::Digest(Sha1::digest(&bytes).into()),
                failed => failed,
            },
            Effect::Hash { blocks } => {
                let mut sha1 = Sha1::new();
                blocks.iter().for_each(|block| sha1.update(block));
                EffectResult::Digest(sha1.finalize().into())
            }
            Effect::Write { torrent, offset, blocks } => self.write(torrent, *offset, blocks),
            Effect::Persist { torrent, record } => match self.torrents.get_mut(torrent) {
                Some(stored) if stored.open => {
                    stored.record = Some(record.clone());
                    EffectResult::Done
                }
                _ => closed(),
            },
            Effect::Close { torrent, erase } => {
                if *erase {
                    self.torrents.remove(torrent);
                } else if let Some(stored) = self.torrents.get_mut(torrent) {
                    stored.open = false;
                }
                EffectResult::Done
            }
            Effect::Offer { .. }
            | Effect::Answer { .. }
            | Effect::Accept { .. }
            | Effect::Announce { .. }
            | Effect::Fetch { .. } => return None,
        })
    }

    fn read(&mut self, torrent: &InfoHash, offset: u64, length: u32) -> EffectResult {
        self.reads += 1;
        let Some(stored) = self.torrents.get(torrent).filter(|stored| stored.open) else { return closed() };
        let end = offset + u64::from(length);
        let known = stored.written.iter().any(|(from, to)| *from <= offset && end <= *to);
        assert!(
            known || covered(&stored.written, offset, end),
            "the engine read bytes that it never wrote: {offset}+{length}"
        );
        let mut bytes = stored.bytes[offset as usize..end as usize].to_vec();
        if self.corrupts.is_some_and(|one_in| self.reads.is_multiple_of(one_in)) {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0xff;
        }
        EffectResult::Bytes(bytes.into())
    }

    fn write(&mut self, torrent: &InfoHash, offset: u64, blocks: &[Bytes]) -> EffectResult {
        let used: u64 =
            self.torrents.values().flat_map(|stored| &stored.written).map(|(from, to)| to - from).sum();
        let Some(stored) = self.torrents.get_mut(torrent).filter(|stored| stored.open) else {
            return closed();
        };
        let length: u64 = blocks.iter().map(|block| block.len() as u64).sum();
        if used + length > self.room {
            let available = Some(self.room.saturating_sub(used));
            return EffectResult::Failed(EffectFailure::NoSpace { needed: length, available });
        }
        let mut at = offset as usize;
        for block in blocks {
            stored.bytes[at..at + block.len()].copy_from_slice(block);
            at += block.len();
        }
        stored.written.push((offset, offset + length));
        EffectResult::Done
    }
}

/// Whether the union of `spans` holds all of `from..to`.
fn covered(spans: &[(u64, u64)], from: u64, to: u64) -> bool {
    let mut spans = spans.to_vec();
    spans.sort_unstable();
    let mut reached = from;
    for (start, end) in spans {
        if start <= reached && end > reached {
            reached = end;
        }
    }
    reached >= to
}

fn closed() -> EffectResult {
    EffectResult::Failed(EffectFailure::Failed("the storage is not open".to_owned()))
}
