//! The whole engine between strangers, a tracker, a host and a clock that do whatever the bytes say.

use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;
use sha1::{Digest as _, Sha1};

use crate::engine::{
    ClosedBy, Command, Config, Effect, EffectFailure, EffectResult, Engine, Input, Opened, Origin, Output,
};
use crate::id::{ConnId, EffectId, InfoHash, PeerId, TrackerId};
use crate::limits;
use crate::metainfo::Metainfo;
use crate::metainfo::builder::Builder;
use crate::time::{Instant, UnixTime};
use crate::tracker::AnnounceResponse;
use crate::tracker::ws::{Json, Response};
use crate::wire::{Handshake, Message, Request};

/// Outputs of one drain. The engine answers each input with a bounded number of them.
const OUTPUTS_MAX: usize = 20_000;

/// Lengths of the two files: several pieces each, the last of which is short.
const LENGTHS: [usize; 2] = [70_001, 40_000];

/// Interprets bytes as things that happen to an engine, and panics where it breaks its word: a drain without end, a
/// message longer than the remote takes, a deadline that had passed, counts that do not agree.
pub fn engine_ops(data: &[u8]) {
    let mut run = Run::new();
    let mut bytes = Source(data);
    while let Some(op) = bytes.byte() {
        run.step(op, &mut bytes);
    }
}

/// Bytes, taken from the front; zeros after the end.
struct Source<'a>(&'a [u8]);

impl Source<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn small(&mut self) -> usize {
        self.byte().unwrap_or_default().into()
    }

    fn take(&mut self, length: usize) -> Bytes {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        Bytes::copy_from_slice(taken)
    }

    /// One of several things, or none where there are none.
    fn one_of<T: Copy>(&mut self, things: &[T]) -> Option<T> {
        let at = self.small();
        things.get(at.checked_rem(things.len())?).copied()
    }
}

struct Run {
    engine: Engine,
    now: Instant,
    torrents: [InfoHash; 2],
    contents: [Vec<u8>; 2],
    effects: Vec<(EffectId, Effect)>,
    conns: Vec<ConnId>,
    trackers: Vec<TrackerId>,
    strangers: u8,
    /// Connections that came in.
    incoming: u32,
}

impl Run {
    /// An engine that seeds one file and fetches another.
    fn new() -> Self {
        let contents =
            LENGTHS.map(|length| (0..length).map(|at| (at * 31 + length) as u8).collect::<Vec<_>>());
        let made = [0, 1].map(|number| metainfo(&contents[number], number));
        let now = Instant::from_millis(1_000);
        let config = Config { dials: true, web_seeds: true, listen_port: Some(6_881), ..Config::default() };
        let mut run = Self {
            engine: Engine::new(config, [7; 32], now, UnixTime(1_700_000_000)),
            now,
            torrents: [0, 1]
                .map(|number| made[number].as_ref().map_or(InfoHash([0; 20]), Metainfo::info_hash)),
            contents,
            effects: Vec::new(),
            conns: Vec::new(),
            trackers: Vec::new(),
            strangers: 0,
            incoming: 0,
        };
        let trackers = ["ws", "http"].map(|scheme| format!("{scheme}://tracker.test/announce")).to_vec();
        let web_seeds = ["http://one.test/", "http://two.test/file", "http://10.0.0.1/"].map(str::to_owned);
        for (number, metainfo) in made.into_iter().flatten().enumerate() {
            let Ok(metainfo) = metainfo.with_web_seeds(&web_seeds) else { continue };
            let torrent = Bytes::from(metainfo.to_torrent(&trackers));
            let origin = if number == 0 { Origin::Complete(torrent) } else { Origin::Metainfo(torrent) };
            run.input(Input::Command(Command::Add { origin, trackers: trackers.clone(), start: true }));
        }
        for _ in 0..4 {
            run.finish(0, true);
        }
        if let Some(tracker) = run.trackers.first().copied() {
            run.input(Input::TrackerOpened(tracker));
        }
        run
    }

    fn step(&mut self, op: u8, bytes: &mut Source<'_>) {
        match op % 17 {
            0 => {
                let wait = bytes.small() as u64;
                self.now = self.now + Duration::from_millis(wait * wait * 4);
                self.input(Input::Timeout);
            }
            1 => {
                let max_message = [1, 100, 16_384, 262_144][bytes.small() % 4];
                self.on_conn(bytes, |conn, _| Input::ConnectionOpened { conn, max_message });
            }
            2 => self.on_conn(bytes, |conn, bytes| {
                let length = bytes.small();
                Input::ConnectionData { conn, data: bytes.take(length) }
            }),
            3 => {
                let torrent = self.torrents[bytes.small() % 2];
                let peer_id = PeerId([bytes.byte().unwrap_or_default(); 20]);
                let mut data = Vec::new();
                Handshake::new(torrent, peer_id).encode(&mut data);
                self.on_conn(bytes, |conn, _| Input::ConnectionData { conn, data: data.into() });
            }
            4 | 5 => {
                let mut data = Vec::new();
                self.message(bytes).encode(&mut data);
                self.on_conn(bytes, |conn, _| Input::ConnectionData { conn, data: data.into() });
            }
            6 | 7 => {
                let at = bytes.small();
                self.finish(at, op % 17 == 6 || !at.is_multiple_of(4));
            }
            8 => self.on_conn(bytes, |conn, _| Input::ConnectionClosed { conn, by: ClosedBy::Remote }),
            9 => {
                let buffered = bytes.small() * limits::SEND_BUFFER_HIGH / 256;
                self.on_conn(bytes, |conn, _| Input::ConnectionWritable { conn, buffered });
            }
            10 => {
                let length = bytes.small();
                let text = String::from_utf8_lossy(&bytes.take(length)).into_owned();
                self.on_tracker(bytes, |tracker| Input::TrackerMessage { tracker, text });
            }
            11 => self.offer(bytes),
            12 => {
                let input = match bytes.small() % 2 {
                    0 => Input::TrackerOpened,
                    _ => |tracker| Input::TrackerClosed { tracker, reason: String::new() },
                };
                self.on_tracker(bytes, input);
            }
            13 => self.command(bytes),
            14 => self.web_seed(bytes),
            15 => {
                let conn = ConnId(ConnId::INCOMING.0 + self.incoming);
                self.incoming += 1;
                self.conns.push(conn);
                let info_hash = self.torrents[bytes.small() % 2];
                self.input(Input::ConnectionIncoming { conn, address: address(bytes), info_hash });
            }
            _ => {
                let addresses = (0..bytes.small() % 8).map(|_| address(bytes)).collect();
                let torrent = self.torrents[bytes.small() % 2];
                self.input(Input::Command(Command::AddPeers { torrent, addresses }));
            }
        }
    }

    fn on_conn(&mut self, bytes: &mut Source<'_>, input: impl FnOnce(ConnId, &mut Source<'_>) -> Input) {
        if let Some(conn) = bytes.one_of(&self.conns) {
            let input = input(conn, bytes);
            self.input(input);
        }
    }

    fn on_tracker(&mut self, bytes: &mut Source<'_>, input: impl FnOnce(TrackerId) -> Input) {
        if let Some(tracker) = bytes.one_of(&self.trackers) {
            self.input(input(tracker));
        }
    }

    /// A message that is well formed, and now and then makes sense.
    fn message(&self, bytes: &mut Source<'_>) -> Message {
        let (kind, piece) = (bytes.small(), (bytes.small() % 6) as u32);
        let block = |begin: usize| Request { piece, begin: begin as u32, length: limits::BLOCK_LENGTH };
        match kind % 13 {
            0 => Message::Choke,
            1 => Message::Unchoke,
            2 => Message::Interested,
            3 => Message::NotInterested,
            4 => Message::Have(piece),
            5 => Message::HaveAll,
            6 => Message::HaveNone,
            7 => Message::Bitfield(bytes.take(1)),
            8 => Message::Request(block(bytes.small() * 64)),
            9 => Message::Cancel(block(0)),
            10 => Message::Reject(block(0)),
            11 => {
                // Of the file that is fetched, right or with one wrong byte.
                let start = piece as usize * limits::BLOCK_LENGTH as usize;
                let whole = &self.contents[1];
                let end = whole.len().min(start + limits::BLOCK_LENGTH as usize);
                let mut block = whole.get(start..end).unwrap_or_default().to_vec();
                if bytes.small().is_multiple_of(3)
                    && let Some(first) = block.first_mut()
                {
                    *first ^= 1;
                }
                Message::Piece { piece, begin: 0, block: block.into() }
            }
            _ => {
                let (id, length) = (bytes.byte().unwrap_or_default() % 5, bytes.small());
                Message::Extended { id, payload: bytes.take(length) }
            }
        }
    }

    /// Bytes of the file that is fetched from a web seed: all, some, or one too many; right, or with one wrong byte.
    fn web_seed(&mut self, bytes: &mut Source<'_>) {
        let fetch = |(_, effect): &(EffectId, Effect)| match effect {
            Effect::Fetch { conn, offset, length, .. } => Some((*conn, *offset as usize, *length as usize)),
            _ => None,
        };
        let fetches: Vec<_> = self.effects.iter().filter_map(fetch).collect();
        let Some((conn, offset, length)) = bytes.one_of(&fetches) else { return };
        let (how, wrong) = (bytes.small(), bytes.small());
        let length = match how % 8 {
            0 => 1,
            1 => length / 2,
            2 => length + 1,
            _ => length,
        };
        let whole = &self.contents[1];
        let mut data = whole.get(offset..whole.len().min(offset + length)).unwrap_or_default().to_vec();
        data.resize(length, 0);
        if wrong.is_multiple_of(3)
            && let Some(byte) = data.get_mut(wrong)
        {
            *byte ^= 1;
        }
        self.input(Input::ConnectionData { conn, data: data.into() });
    }

    fn offer(&mut self, bytes: &mut Source<'_>) {
        self.strangers = self.strangers.wrapping_add(1);
        let Ok(offer) = Json::parse(r#"{"type":"offer","sdp":"v=0"}"#) else { return };
        let response = Response::Offer {
            info_hash: self.torrents[bytes.small() % 2],
            peer_id: PeerId([self.strangers; 20]),
            offer_id: "o".into(),
            offer,
        };
        self.on_tracker(bytes, |tracker| Input::TrackerMessage { tracker, text: response.to_json() });
    }

    fn command(&mut self, bytes: &mut Source<'_>) {
        let torrent = self.torrents[bytes.small() % 2];
        let limit = Some(bytes.small() as u64 * 1_000).filter(|limit| *limit > 0);
        let command = match bytes.small() % 8 {
            0 => Command::Pause(torrent),
            1 => Command::Remove { torrent, erase: limit.is_some() },
            2 => Command::Reannounce(torrent),
            3 => Command::SetLimits { upload: limit, download: None },
            4 => Command::SetLimits { upload: None, download: limit },
            5 => {
                Command::Add { origin: Origin::Link(torrent.to_string()), trackers: Vec::new(), start: true }
            }
            _ => Command::Start(torrent),
        };
        self.input(Input::Command(command));
    }

    /// Ends an effect that is under way, as a host would or with a failure.
    fn finish(&mut self, at: usize, well: bool) {
        if self.effects.is_empty() {
            return;
        }
        let (id, effect) = self.effects.remove(at % self.effects.len());
        let failed = EffectResult::Failed(EffectFailure::Failed("no".to_owned()));
        let result = if well { self.result(effect) } else { failed };
        self.input(Input::EffectDone { id, result });
    }

    fn result(&self, effect: Effect) -> EffectResult {
        // Dials only once somebody came in: before, which connection an operation means does not depend on them.
        let named = if self.incoming > 0 { 40 } else { 0 };
        match effect {
            Effect::Open { .. } => EffectResult::Opened(Opened::default()),
            Effect::Read { torrent, offset, length } => {
                let whole = &self.contents[usize::from(torrent != self.torrents[0])];
                let bytes = whole.get(offset as usize..offset as usize + length as usize);
                EffectResult::Bytes(Bytes::copy_from_slice(bytes.unwrap_or_default()))
            }
            Effect::Hash { blocks } => {
                let mut sha1 = Sha1::new();
                blocks.iter().for_each(|block| sha1.update(block));
                EffectResult::Digest(sha1.finalize().into())
            }
            Effect::Check { .. } => EffectResult::Digest([0; 20]),
            Effect::Offer { .. } | Effect::Answer { .. } => EffectResult::Sdp("v=0".to_owned()),
            Effect::Write { .. } | Effect::Persist { .. } | Effect::Close { .. } | Effect::Accept { .. } => {
                EffectResult::Done
            }
            Effect::Announce { .. } => EffectResult::Announced(Box::new(AnnounceResponse {
                peers: (0..named)
                    .map(|port| SocketAddr::new([8, 0, 0, 1 + port as u8 % 12].into(), port))
                    .collect(),
                ..AnnounceResponse::default()
            })),
            Effect::Fetch { .. } => EffectResult::Done,
        }
    }

    fn input(&mut self, input: Input) {
        self.engine.handle_input(self.now, input);
        for _ in 0..OUTPUTS_MAX {
            match self.engine.poll_output() {
                Output::Timeout(next) => {
                    assert!(
                        next.is_none_or(|(at, _)| at >= self.now),
                        "{next:?} had passed at {:?}",
                        self.now
                    );
                    return self.engine.check();
                }
                Output::Send { data, .. } => assert!(data.len() <= limits::SEND_MESSAGE_MAX),
                Output::Effect { id, effect } => {
                    if let Effect::Offer { conn } | Effect::Answer { conn, .. } = &effect {
                        self.conns.push(*conn);
                    }
                    self.effects.push((id, effect));
                }
                Output::Dial { conn, .. } => self.conns.push(conn),
                Output::TrackerConnect { tracker, .. } => self.trackers.push(tracker),
                Output::Close { .. }
                | Output::TrackerSend { .. }
                | Output::TrackerClose(_)
                | Output::Event(_) => {}
            }
        }
        panic!("a drain without end");
    }
}

/// One of few addresses, so that some are met again.
fn address(bytes: &mut Source<'_>) -> SocketAddr {
    let (ip, port) = (bytes.byte().unwrap_or_default() % 16, bytes.byte().unwrap_or_default() % 4);
    SocketAddr::new([8, 0, 0, ip].into(), port.into())
}

fn metainfo(contents: &[u8], number: usize) -> Option<Metainfo> {
    let files = [(vec![format!("file {number}")], contents.len() as u64)];
    let mut builder = Builder::new(None, &files).ok()?;
    let layout = builder.layout().clone();
    for piece in layout.all_pieces() {
        let start = layout.piece_offset(piece) as usize;
        let end = start + layout.piece_size(piece) as usize;
        builder.set_hash(piece, Sha1::digest(&contents[start..end]).into());
    }
    builder.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_reach_what_a_web_seed_gives_rightly_and_wrongly() {
        for (wrong, failed) in [(1, 0), (0, 1)] {
            let mut run = Run::new();
            // Its failures of the beginning are waited for.
            let operations =
                [&[0, 200][..], &[14, 0, 4, wrong, 14, 1, 4, wrong], &[6, 0].repeat(20)].concat();
            let mut bytes = Source(&operations);
            while let Some(op) = bytes.byte() {
                run.step(op, &mut bytes);
            }
            let snapshot = run.engine.snapshot(run.now);
            let torrent = snapshot.torrents.iter().find(|it| it.info_hash == run.torrents[1]);
            let torrent = torrent.expect("it is there");
            assert!(torrent.verified_bytes > 0, "{:?}", torrent.web_seeds);
            assert_eq!(torrent.failed_pieces, failed);
        }
    }

    /// Whether the operations can say anything about transfers depends on whether they can make one.
    #[test]
    fn operations_reach_a_verified_piece_and_one_that_fails() {
        // A stranger's offer; every description is made; its connection opens, shakes hands, has all and unchokes.
        let connect =
            [&[11, 1, 0][..], &[6, 0].repeat(8), &[1, 3, 7, 3, 1, 1, 7, 4, 5, 0, 7, 4, 1, 0, 7]].concat();
        let (mut verified, mut failed) = (0, 0);
        for right in [1, 0] {
            let mut run = Run::new();
            let pieces = (0..6).flat_map(|piece| [4, 11, piece, right, 7, 6, 0, 6, 0, 6, 0]);
            let operations: Vec<u8> = connect.iter().copied().chain(pieces).collect();
            let mut bytes = Source(&operations);
            while let Some(op) = bytes.byte() {
                run.step(op, &mut bytes);
            }
            let snapshot = run.engine.snapshot(run.now);
            verified += snapshot
                .torrents
                .iter()
                .find(|it| it.info_hash == run.torrents[1])
                .map_or(0, |it| it.verified_bytes);
            failed += snapshot.torrents.iter().map(|it| it.failed_pieces).sum::<u32>();
        }
        assert!(verified > 0 && failed > 0, "{verified} bytes verified, {failed} pieces failed");
    }
}
