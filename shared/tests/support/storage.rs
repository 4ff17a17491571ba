use std::collections::BTreeMap;

use bytes::Bytes;
use sha1::{Digest as _, Sha1};
use shared::engine::{Effect, EffectFailure, EffectResult, Opened};
use shared::id::InfoHash;

/// Stored torrents of one host, with faults on demand.
#[derive(Default)]
pub struct Storage {
    pub stored: BTreeMap<InfoHash, Vec<u8>>,
    pub records: BTreeMap<InfoHash, Bytes>,
    pub open: BTreeMap<InfoHash, bool>,
    /// Writes that still succeed before the disk is full; `None` is no end.
    pub writes_left: Option<u32>,
    pub reads: Vec<(u64, u32)>,
    pub checks: u32,
    pub writes: u32,
    pub persists: u32,
    /// Reads fail with this.
    pub read_failure: Option<EffectFailure>,
}

impl Storage {
    pub fn put(&mut self, torrent: InfoHash, bytes: Vec<u8>) {
        self.stored.insert(torrent, bytes);
    }

    pub fn get(&self, torrent: InfoHash) -> &[u8] {
        self.stored.get(&torrent).map_or(&[], Vec::as_slice)
    }

    pub fn effect(&mut self, effect: Effect) -> EffectResult {
        match effect {
            Effect::Open { torrent, metainfo } => {
                let had = self.stored.contains_key(&torrent);
                assert_ne!(self.open.insert(torrent, true), Some(true), "storage is opened once");
                self.stored.entry(torrent).or_default().resize(metainfo.layout().total() as usize, 0);
                EffectResult::Opened(Opened { record: self.records.get(&torrent).cloned(), check: had })
            }
            Effect::Read { torrent, offset, length } => {
                self.reads.push((offset, length));
                self.must_be_open(torrent);
                if let Some(failure) = &self.read_failure {
                    return EffectResult::Failed(failure.clone());
                }
                EffectResult::Bytes(Bytes::copy_from_slice(self.range(torrent, offset, length)))
            }
            Effect::Check { torrent, offset, length } => {
                self.checks += 1;
                EffectResult::Digest(Sha1::digest(self.range(torrent, offset, length)).into())
            }
            Effect::Write { torrent, offset, blocks } => {
                self.must_be_open(torrent);
                if self.writes_left == Some(0) {
                    return EffectResult::Failed(EffectFailure::NoSpace { needed: 1, available: Some(0) });
                }
                self.writes_left = self.writes_left.map(|left| left - 1);
                self.writes += 1;
                let bytes = blocks.concat();
                let at = offset as usize;
                let stored = self.stored.get_mut(&torrent).expect("opened");
                stored[at..at + bytes.len()].copy_from_slice(&bytes);
                EffectResult::Done
            }
            Effect::Persist { torrent, record } => {
                self.persists += 1;
                self.records.insert(torrent, record);
                EffectResult::Done
            }
            Effect::Close { torrent, erase } => {
                self.open.insert(torrent, false);
                if erase {
                    self.stored.remove(&torrent);
                    self.records.remove(&torrent);
                }
                EffectResult::Done
            }
            other => panic!("no effect on storage: {other:?}"),
        }
    }

    fn must_be_open(&self, torrent: InfoHash) {
        assert_eq!(self.open.get(&torrent), Some(&true), "storage is open");
    }

    fn range(&self, torrent: InfoHash, offset: u64, length: u32) -> &[u8] {
        let at = offset as usize;
        self.stored
            .get(&torrent)
            .and_then(|bytes| bytes.get(at..at + length as usize))
            .expect("a range that is stored")
    }
}
