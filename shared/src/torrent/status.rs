//! What a host shows of a torrent.

use core::time::Duration;

use super::timers::owes;
use super::{FileSnapshot, PeerSnapshot, Phase, PieceState, Torrent, TorrentSnapshot, Waiting};
use crate::id::TrackerId;
use crate::peer::Peer;
use crate::time::Instant;

/// A rate says nothing about the time left before this.
const ETA_AFTER: Duration = Duration::from_secs(3);

/// Standing still for less than this is not worth a word.
const STILL: Duration = Duration::from_secs(2);

impl Torrent {
    /// Where it stands; `retry` says when the socket of a tracker is tried again.
    pub fn snapshot(&self, now: Instant, retry: impl Fn(TrackerId) -> Option<Instant>) -> TorrentSnapshot {
        let layout = self.layout();
        let store = self.store.as_ref();
        let total = layout.map_or(self.link_length.unwrap_or(0), |layout| layout.total());
        let verified = store.map_or(0, |store| store.bytes());
        let down_rate = self.down.rate(now);
        TorrentSnapshot {
            info_hash: self.info_hash,
            name: self.meta.as_ref().map(|meta| meta.name().to_owned()).or_else(|| self.link_name.clone()),
            phase: self.phase,
            error: self.failure.as_ref().map(ToString::to_string),
            waiting: self.waiting(now, &retry),
            total_bytes: total,
            verified_bytes: verified,
            pieces: layout.map_or(0, |layout| layout.pieces()),
            verified_pieces: store.map_or(0, |store| store.have().count()),
            piece_length: layout.map_or(0, |layout| layout.piece_length()),
            down_rate,
            up_rate: self.up.rate(now),
            downloaded: self.down.total(),
            uploaded: self.up.total(),
            wasted: self.wasted,
            eta_ms: self.eta(now, total - verified.min(total), down_rate),
            peers: self.peers.values().filter_map(|peer| shown(peer, now)).collect(),
            known_addresses: self.addresses.len() as u32,
            refused_addresses: self.addresses.refused(),
            trackers: self.announcer.snapshot(now, retry),
            web_seeds: self.web_seed_snapshots(now),
            files: self.files(),
            field: self.field(),
            availability: self.picker.as_ref().map_or((0, 0.0), |picker| picker.availability()),
            magnet: self.magnet(),
            banned: self.bans,
            fulfilled: self.fulfilled,
            failed_pieces: self.failed_pieces,
        }
    }

    fn eta(&self, now: Instant, left: u64, rate: u64) -> Option<u64> {
        let settled = now.saturating_since(self.phase_since) >= ETA_AFTER;
        if self.phase != Phase::Downloading || !settled || rate == 0 {
            return None;
        }
        Some((u128::from(left) * 1_000 / u128::from(rate)) as u64)
    }

    fn files(&self) -> Vec<FileSnapshot> {
        let (Some(meta), Some(store)) = (&self.meta, &self.store) else { return Vec::new() };
        let files = meta.files().iter().zip(store.file_bytes());
        files
            .map(|(file, verified)| FileSnapshot {
                path: file.path.join("/"),
                length: file.length,
                verified: *verified,
            })
            .collect()
    }

    fn field(&self) -> Vec<u8> {
        let Some(store) = &self.store else { return Vec::new() };
        let mut field = vec![PieceState::Missing as u8; store.have().len() as usize];
        for number in store.have().ones() {
            let slot = store.given_by().get(number as usize).copied().unwrap_or(0);
            field[number as usize] = PieceState::Verified as u8 | slot << 3;
        }
        if let Some(picker) = &self.picker {
            for (piece, any) in picker.begun() {
                let state = if any { PieceState::Received } else { PieceState::Requested };
                field[piece.index()] = state as u8;
            }
        }
        for piece in store.verifying() {
            field[piece.index()] = PieceState::Verifying as u8;
        }
        field
    }

    /// Whether nobody who is connected gives the metadata, each having had the time to say that they do.
    fn lacks_metadata(&self, now: Instant, shaken: &[&Peer]) -> bool {
        let settled =
            |peer: &Peer| peer.shaken().is_some_and(|shaken| now.saturating_since(shaken.at) >= STILL);
        self.meta.is_none() && shaken.iter().all(|peer| settled(peer) && !self.fetch.gives(peer, now))
    }

    /// What the torrent waits for, where it does not move.
    fn waiting(&self, now: Instant, retry: impl Fn(TrackerId) -> Option<Instant>) -> Option<Waiting> {
        if !matches!(self.phase, Phase::Connecting | Phase::Metadata | Phase::Downloading) {
            return None;
        }
        let since_ms = |since: Instant| now.saturating_since(since).as_millis() as u64;
        if self.web_seeds.is_fetching() {
            let still = now.saturating_since(self.last_block);
            return (still >= STILL).then_some(Waiting::Data { since_ms: still.as_millis() as u64 });
        }
        let shaken: Vec<&Peer> = self.peers.values().filter(|peer| peer.shaken().is_some()).collect();
        if shaken.is_empty() {
            let oldest = self.dials.values().map(|dial| dial.since).min();
            if let Some(since) = oldest {
                return Some(Waiting::Connection { since_ms: since_ms(since), failed: self.failed_dials });
            }
            if !self.announcer.is_connected() {
                if self.announcer.is_trying_first() {
                    return None;
                }
                let next = self.announcer.next_attempt(retry);
                return Some(Waiting::Tracker {
                    retry_ms: next.map_or(0, |at| at.saturating_since(now).as_millis() as u64),
                });
            }
            if self.failed_dials > 0 && self.announcer.may_know_others(self.is_complete()) {
                let since_ms = since_ms(self.dialling_since);
                return Some(Waiting::Connection { since_ms, failed: self.failed_dials });
            }
            return self.alone_since.map(|since| Waiting::Peers { since_ms: since_ms(since) });
        }
        if self.phase != Phase::Downloading {
            return self.lacks_metadata(now, &shaken).then_some(Waiting::Pieces);
        }
        let givers: Vec<&&Peer> = shaken.iter().filter(|peer| peer.missing > 0).collect();
        if givers.is_empty() {
            return Some(Waiting::Pieces);
        }
        if givers.iter().all(|peer| !peer.may_give()) {
            let since = givers.iter().filter_map(|peer| peer.interested_since()).min();
            return Some(Waiting::Unchoke { since_ms: since.map_or(0, since_ms) });
        }
        let still = now.saturating_since(self.last_block);
        (still >= STILL && givers.iter().any(|peer| owes(peer)))
            .then_some(Waiting::Data { since_ms: still.as_millis() as u64 })
    }
}

fn shown(peer: &Peer, now: Instant) -> Option<PeerSnapshot> {
    let shaken = peer.shaken()?;
    Some(PeerSnapshot {
        conn: peer.conn,
        peer_id: shaken.peer_id,
        transport: peer.transport(),
        address: peer.address,
        client: peer.client(),
        slot: peer.slot,
        pieces: peer.pieces().known().map_or(0, |has| has.count()),
        down_rate: peer.down.rate(now),
        up_rate: peer.up.rate(now),
        downloaded: peer.down.total(),
        uploaded: peer.up.total(),
        given: peer.given,
        choked: peer.is_choked(),
        choking: peer.is_choking(),
        interested: peer.interested_since().is_some(),
        wanting: peer.is_wanting(),
        pending: peer.pipeline.len() as u32,
        rtt_ms: peer.pipeline.round_trip().map(|time| time.as_millis() as u32),
        connected_ms: now.saturating_since(shaken.at).as_millis() as u64,
    })
}
