//! The info dictionary from peers (BEP 9), for torrents that began as a link.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::{Context, Torrent};
use crate::id::{ConnId, PeerId};
use crate::limits;
use crate::metainfo::Metainfo;
use crate::peer::Peer;
use crate::time::Instant;
use crate::wire::extension::metadata::{BLOCK_LENGTH, MetadataMessage};

/// Blocks asked of one peer at once: half a megabyte, as much as a link with a long round trip needs.
const ASKED_MAX: usize = 32;

/// Wait for a block of metadata until it is asked of somebody else.
const BLOCK_TIMEOUT: Duration = Duration::from_secs(15);

/// Blocks that a peer may refuse before it is left alone.
const REFUSALS_MAX: u32 = 8;

/// Metadata on its way: of one length, from all peers that name that length.
#[derive(Debug, Default)]
pub(super) struct MetadataFetch {
    size: usize,
    blocks: Vec<Option<(Bytes, PeerId)>>,
    asked: BTreeMap<u32, (ConnId, Instant)>,
    refusals: BTreeMap<ConnId, u32>,
    /// After a mismatch with several givers: the one peer that is asked, so that its author is known.
    alone: Option<ConnId>,
    /// Whether there was a mismatch with several givers.
    suspicious: bool,
    /// Lengths that led to nothing that matches.
    wrong_sizes: BTreeSet<usize>,
}

impl MetadataFetch {
    /// A peer left: what it was asked for is for others.
    pub(super) fn left(&mut self, conn: ConnId) {
        self.asked.retain(|_, (of, _)| *of != conn);
        self.refusals.remove(&conn);
        if self.alone == Some(conn) {
            self.alone = None;
            self.blocks.iter_mut().for_each(|block| *block = None);
            self.asked.clear();
        }
    }

    /// When a block has been waited for long enough.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.asked.values().map(|(_, at)| *at + BLOCK_TIMEOUT).min()
    }

    fn begin(&mut self, size: usize) {
        self.size = size;
        self.blocks = vec![None; size.div_ceil(BLOCK_LENGTH)];
        self.asked.clear();
        self.alone = None;
    }

    fn refuses(&self, conn: ConnId) -> bool {
        self.refusals.get(&conn).is_some_and(|count| *count >= REFUSALS_MAX)
    }

    fn block_length(&self, number: u32) -> usize {
        self.size.saturating_sub(number as usize * BLOCK_LENGTH).min(BLOCK_LENGTH)
    }
}

impl Torrent {
    /// Asks peers for metadata that is missing.
    pub(super) fn fetch_metadata(&mut self, ctx: &Context) {
        if self.meta.is_some() || !self.is_active() {
            return;
        }
        let fetch = &mut self.fetch;
        let size_of = |peer: &Peer| {
            let size = peer.metadata_size().and_then(|size| usize::try_from(size).ok())?;
            (size <= limits::METADATA_MAX).then_some(size)
        };
        if fetch.size == 0 {
            let sizes = self.peers.values().filter_map(size_of);
            let Some(size) = sizes.filter(|size| !fetch.wrong_sizes.contains(size)).min() else { return };
            fetch.begin(size);
        }
        let mut givers: Vec<ConnId> = self
            .peers
            .values()
            .filter(|peer| size_of(peer) == Some(fetch.size))
            .map(|peer| peer.conn)
            .collect();
        givers.retain(|conn| !fetch.refuses(*conn));
        if fetch.suspicious {
            fetch.alone = fetch.alone.filter(|conn| givers.contains(conn)).or(givers.first().copied());
            givers.retain(|conn| Some(*conn) == fetch.alone);
        }
        if givers.is_empty() {
            // Nobody is left who names this length; somebody may name another.
            if fetch.asked.is_empty() {
                fetch.size = 0;
            }
            return;
        }
        let mut next = 0;
        for number in 0..fetch.blocks.len() as u32 {
            if fetch.blocks[number as usize].is_some() || fetch.asked.contains_key(&number) {
                continue;
            }
            let load = |conn: &ConnId| fetch.asked.values().filter(|(of, _)| of == conn).count();
            let turn = (0..givers.len()).map(|step| givers[(next + step) % givers.len()]);
            let Some(conn) = turn.into_iter().find(|conn| load(conn) < ASKED_MAX) else { break };
            next += 1;
            fetch.asked.insert(number, (conn, ctx.now));
            if let Some(peer) = self.peers.get_mut(&conn) {
                peer.tell_metadata(&MetadataMessage::Request { piece: number });
                self.dirty.insert(conn);
            }
        }
    }

    /// A peer sent, refused, or wants a block of metadata.
    pub(super) fn metadata_came(&mut self, ctx: &mut Context, conn: ConnId, message: MetadataMessage) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        match message {
            MetadataMessage::Request { piece } => {
                if self.meta.is_some() && peer.metadata_wanted.len() < limits::METADATA_REQUESTS_MAX {
                    peer.metadata_wanted.push_back(piece);
                } else {
                    peer.tell_metadata(&MetadataMessage::Reject { piece });
                }
            }
            MetadataMessage::Data { piece, total_size: _, block } => {
                let from = peer.peer_id();
                let asked = self.fetch.asked.get(&piece).is_some_and(|(of, _)| *of == conn);
                // A block that was given up on, or that nobody asked for, is not worth an argument.
                if let (Some(from), true, None) = (from, asked, &self.meta) {
                    self.fetch.asked.remove(&piece);
                    if block.len() == self.fetch.block_length(piece) {
                        self.fetch.blocks[piece as usize] = Some((block, from));
                    } else {
                        *self.fetch.refusals.entry(conn).or_default() += 1;
                    }
                    self.metadata_whole(ctx);
                    self.fetch_metadata(ctx);
                }
            }
            MetadataMessage::Reject { piece } => {
                if self.fetch.asked.get(&piece).is_some_and(|(of, _)| *of == conn) {
                    self.fetch.asked.remove(&piece);
                    *self.fetch.refusals.entry(conn).or_default() += 1;
                    self.fetch_metadata(ctx);
                }
            }
            MetadataMessage::Unknown { .. } => {}
        }
    }

    /// Blocks that were waited for long enough are asked of others.
    pub(super) fn metadata_timeout(&mut self, ctx: &Context) {
        let late: Vec<(u32, ConnId)> = self
            .fetch
            .asked
            .iter()
            .filter(|(_, (_, at))| *at + BLOCK_TIMEOUT <= ctx.now)
            .map(|(number, (conn, _))| (*number, *conn))
            .collect();
        if late.is_empty() {
            return;
        }
        for (number, conn) in late {
            self.fetch.asked.remove(&number);
            *self.fetch.refusals.entry(conn).or_default() += 1;
        }
        self.fetch_metadata(ctx);
    }

    /// When every block is here: verifies the whole against the info-hash.
    fn metadata_whole(&mut self, ctx: &mut Context) {
        if self.fetch.size == 0 || self.fetch.blocks.iter().any(Option::is_none) {
            return;
        }
        let (blocks, givers): (Vec<Bytes>, BTreeSet<PeerId>) =
            self.fetch.blocks.iter().flatten().cloned().unzip();
        let info = Bytes::from(blocks.concat());
        match Metainfo::from_info(info) {
            Ok(meta) if meta.info_hash() == self.info_hash => self.learn(ctx, Arc::new(meta)),
            // The hash matches, so this is the torrent that was asked for, and it is not one that we can take.
            Err(error) if matches_hash(&blocks, self.info_hash) => {
                self.fail(ctx, super::EffectFailure::Unsupported(error.to_string()));
            }
            _ => self.metadata_mismatch(ctx, &givers),
        }
    }

    fn metadata_mismatch(&mut self, ctx: &mut Context, givers: &BTreeSet<PeerId>) {
        let size = self.fetch.size;
        self.fetch.begin(size);
        self.fetch.suspicious = true;
        if let (1, Some(giver)) = (givers.len(), givers.first()) {
            self.ban(ctx, *giver);
        }
        let named = |peer: &Peer| peer.metadata_size() == Some(size as u64);
        if !self.peers.values().any(named) {
            self.fetch.wrong_sizes.insert(size);
            self.fetch.size = 0;
        }
    }
}

fn matches_hash(blocks: &[Bytes], info_hash: crate::id::InfoHash) -> bool {
    use sha1::{Digest as _, Sha1};
    let mut sha1 = Sha1::new();
    blocks.iter().for_each(|block| sha1.update(block));
    sha1.finalize()[..] == info_hash.0
}
