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

/// Blocks asked of one peer at once: a quarter of a megabyte, which a slow peer gives within the time-out.
const ASKED_MAX: usize = 16;

/// Wait for a block of metadata until it is asked of somebody else.
const BLOCK_TIMEOUT: Duration = Duration::from_secs(20);

/// Blocks that a peer may refuse before it is left alone.
const REFUSALS_MAX: u32 = 8;

/// Refusals that a round counts for of which a block does not come in time: two such, and others are asked.
const LATE_REFUSALS: u32 = REFUSALS_MAX / 2;

/// How long refusals are remembered after the last: a peer that was busy, or asleep, may give after all.
const REFUSALS_TTL: Duration = Duration::from_secs(60);

/// Metadata on its way: of one length, from all peers that name that length.
#[derive(Debug, Default)]
pub(super) struct MetadataFetch {
    size: usize,
    blocks: Vec<Option<(Bytes, PeerId)>>,
    asked: BTreeMap<u32, (ConnId, Instant)>,
    /// How many of each, and until when they are remembered.
    refusals: BTreeMap<ConnId, (u32, Instant)>,
    /// After a mismatch with several givers: the one peer that is asked, so that its author is known.
    alone: Option<ConnId>,
    /// Whether there was a mismatch with several givers.
    suspicious: bool,
}

impl MetadataFetch {
    /// A peer left: what it was asked for is for others.
    pub(super) fn left(&mut self, conn: ConnId) {
        self.asked.retain(|_, (of, _)| *of != conn);
        self.refusals.remove(&conn);
        if self.alone == Some(conn) {
            self.choose(None);
        }
    }

    /// The host slept: what did not come meanwhile is not held against anybody.
    pub(super) fn woke(&mut self, now: Instant) {
        self.asked.values_mut().for_each(|(_, at)| *at = now);
        self.refusals.clear();
    }

    /// Asks this peer alone. What came before of another is dropped: the whole is to have one author.
    fn choose(&mut self, alone: Option<ConnId>) {
        if alone != self.alone {
            self.alone = alone;
            self.blocks.iter_mut().for_each(|block| *block = None);
            self.asked.clear();
        }
    }

    /// When a block has been waited for long enough, or a peer may be asked again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let late = self.asked.values().map(|(_, at)| *at + BLOCK_TIMEOUT);
        late.chain(self.refusals.values().map(|(_, until)| *until)).min()
    }

    fn begin(&mut self, size: usize) {
        self.size = size;
        self.blocks = vec![None; size.div_ceil(BLOCK_LENGTH)];
        self.asked.clear();
        self.alone = None;
    }

    fn refuses(&self, conn: ConnId, now: Instant) -> bool {
        self.refusals.get(&conn).is_some_and(|(count, until)| *count >= REFUSALS_MAX && now < *until)
    }

    fn refused(&mut self, conn: ConnId, count: u32, now: Instant) {
        let (refusals, until) = self.refusals.entry(conn).or_insert((0, now));
        (*refusals, *until) = (refusals.saturating_add(count), now + REFUSALS_TTL);
    }

    /// Whether a peer names a length that we take and has not refused what we asked for.
    pub(super) fn gives(&self, peer: &Peer, now: Instant) -> bool {
        size_of(peer).is_some() && !self.refuses(peer.conn, now)
    }

    /// A peer said anew what it has: what it refused before, it may give.
    pub(super) fn heard_anew(&mut self, conn: ConnId) {
        self.refusals.remove(&conn);
    }

    /// Keeps a block, also one that came too late; not one that is here, or comes from a peer that is not asked.
    fn take(&mut self, conn: ConnId, from: PeerId, number: u32, block: &Bytes, now: Instant) {
        let right = block.len() == self.block_length(number);
        if self.asked.get(&number).is_some_and(|(of, _)| *of == conn) {
            self.asked.remove(&number);
            if !right {
                self.refused(conn, LATE_REFUSALS, now);
            }
        }
        let trusted = self.alone.is_none_or(|alone| alone == conn);
        if let Some(slot) = self.blocks.get_mut(number as usize).filter(|slot| slot.is_none())
            && right
            && trusted
        {
            // As with blocks of pieces: kept as it is, it would hold on to all that came with it.
            *slot = Some((Bytes::copy_from_slice(block), from));
            self.asked.remove(&number);
        }
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
        let mut givers = givers(&self.peers, fetch, fetch.size, ctx.now);
        if givers.is_empty() {
            // Nobody is left who names this length; somebody may name another.
            let Some(size) = most_named(&self.peers, fetch, ctx.now) else { return };
            fetch.begin(size);
            givers = self::givers(&self.peers, fetch, size, ctx.now);
        }
        if fetch.suspicious {
            fetch.choose(fetch.alone.filter(|conn| givers.contains(conn)).or(givers.first().copied()));
            givers.retain(|conn| Some(*conn) == fetch.alone);
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
                if let (Some(from), None) = (peer.peer_id(), &self.meta) {
                    self.fetch.take(conn, from, piece, &block, ctx.now);
                    self.metadata_whole(ctx);
                    self.fetch_metadata(ctx);
                }
            }
            MetadataMessage::Reject { piece } => {
                if self.fetch.asked.get(&piece).is_some_and(|(of, _)| *of == conn) {
                    self.fetch.asked.remove(&piece);
                    self.fetch.refused(conn, 1, ctx.now);
                    self.fetch_metadata(ctx);
                }
            }
            MetadataMessage::Unknown { .. } => {}
        }
    }

    /// Blocks that were waited for long enough are asked of others, with all else that the same peer was asked for: a
    /// pause is one, however many blocks it holds up. Refusals that are old enough are forgotten.
    pub(super) fn metadata_timeout(&mut self, ctx: &Context) {
        let fetch = &mut self.fetch;
        if fetch.deadline().is_none_or(|at| at > ctx.now) {
            return;
        }
        fetch.refusals.retain(|_, (_, until)| ctx.now < *until);
        let late = fetch.asked.values().filter(|(_, at)| *at + BLOCK_TIMEOUT <= ctx.now);
        let late: BTreeSet<ConnId> = late.map(|(conn, _)| *conn).collect();
        fetch.asked.retain(|_, (conn, _)| !late.contains(conn));
        for conn in late {
            fetch.refused(conn, LATE_REFUSALS, ctx.now);
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
            Ok(meta) if meta.info_hash() == self.info_hash => {
                // Kept with the metadata, so that they are known when the torrent is opened again.
                let web_seeds: Vec<String> = self.web_seeds.urls().map(ToOwned::to_owned).collect();
                match meta.with_web_seeds(&web_seeds) {
                    Ok(meta) => self.learn(ctx, Arc::new(meta)),
                    Err(error) => self.fail(ctx, super::EffectFailure::Unsupported(error.to_string())),
                }
            }
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
            let connected = self.peers.values().find(|peer| peer.peer_id() == Some(*giver));
            let ip = connected.and_then(|peer| peer.address).map(|address| address.ip());
            self.ban(ctx, *giver, ip);
        }
    }
}

/// Length of the metadata that a peer gives, if it is one that we take.
fn size_of(peer: &Peer) -> Option<usize> {
    let size = usize::try_from(peer.metadata_size()?).ok()?;
    (size <= limits::METADATA_MAX).then_some(size)
}

/// Peers that give metadata of this length.
fn givers(peers: &BTreeMap<ConnId, Peer>, fetch: &MetadataFetch, size: usize, now: Instant) -> Vec<ConnId> {
    let gives = |(_, peer): &(&ConnId, &Peer)| size_of(peer) == Some(size) && fetch.gives(peer, now);
    peers.iter().filter(gives).map(|(conn, _)| *conn).collect()
}

/// The length that most peers name; of several, the least.
fn most_named(peers: &BTreeMap<ConnId, Peer>, fetch: &MetadataFetch, now: Instant) -> Option<usize> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for (_, peer) in peers.iter().filter(|(_, peer)| fetch.gives(peer, now)) {
        if let Some(size) = size_of(peer) {
            *counts.entry(size).or_default() += 1;
        }
    }
    counts.into_iter().min_by_key(|(_, count)| core::cmp::Reverse(*count)).map(|(size, _)| size)
}

fn matches_hash(blocks: &[Bytes], info_hash: crate::id::InfoHash) -> bool {
    use sha1::{Digest as _, Sha1};
    let mut sha1 = Sha1::new();
    blocks.iter().for_each(|block| sha1.update(block));
    sha1.finalize()[..] == info_hash.0
}
