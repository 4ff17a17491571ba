//! One connection to a remote peer: what was agreed, what each side has and wants, what is on its way.

mod close;
mod exchange;
mod hear;
mod outbox;
mod pieces;
mod pipeline;
mod refusals;
mod upload;

pub use close::CloseReason;
pub use hear::{Heard, Known};
pub use outbox::{Flushed, Outbox};
pub use pieces::Pieces;
pub use pipeline::{Matched, Pipeline};
pub use upload::{Read, Upload};

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use exchange::Exchange;
use refusals::Refusals;

use crate::id::{ConnId, InfoHash, PeerId};
use crate::layout::{BlockRef, PieceIndex};
use crate::limits;
use crate::rate::RateMeter;
use crate::time::Instant;
use crate::wire::extension::metadata::MetadataMessage;
use crate::wire::extension::{ExtendedHandshake, Ids};
use crate::wire::{Framer, Handshake, Message, Request, client_name};

/// Longest wait for a handshake on an open connection; stock WebTorrent waits 25 s.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(25);

/// Silence after which we send a keep-alive: well below the two minutes after which clients in the wild close.
const KEEP_ALIVE: Duration = Duration::from_secs(100);

/// Silence after which a peer is gone. Stock WebTorrent sends a keep-alive each 55 s, others each two minutes.
const SILENCE_MAX: Duration = Duration::from_secs(150);

/// How long a peer may pause within a message. Stock WebTorrent, asked for a piece that it is still storing, says how
/// long the block is and sends less: whatever came after would be taken for the rest of it.
const MIDWAY_MAX: Duration = Duration::from_secs(20);

/// How long a peer may take nothing of what waits for it.
const STUCK_MAX: Duration = Duration::from_secs(120);

/// How a peer is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// A WebRTC data channel.
    WebRtc,
    /// TCP, in clear.
    Tcp,
    /// Range requests to a web server (BEP 19).
    WebSeed,
}

/// What the handshake said.
#[derive(Clone, Copy, Debug)]
pub struct Shaken {
    /// What the peer calls itself.
    pub peer_id: PeerId,
    /// When it came.
    pub at: Instant,
    /// Both sides speak the fast extension (BEP 6).
    pub fast: bool,
    /// Both sides speak the extension protocol (BEP 10).
    pub extended: bool,
}

/// One connection that is open.
#[derive(Debug)]
pub struct Peer {
    /// Its connection.
    pub conn: ConnId,
    /// We made the offer, the peer answered; or we dialled.
    pub initiated: bool,
    /// The other end of a TCP connection.
    pub address: Option<SocketAddr>,
    /// Where it takes TCP connections, as far as we know.
    pub listens: Option<SocketAddr>,
    /// Small number for colours, 1 to 31; 0 until the handshake.
    pub slot: u8,
    /// Verified pieces of which it gave the larger part.
    pub given: u32,
    /// Pieces that it has and we lack.
    pub missing: u32,
    /// It joined with every piece, and is counted so by the picker.
    pub counted_whole: bool,
    /// Version of the picker at which nothing could be picked for it.
    pub dry_at: u64,
    /// Requests in flight to it.
    pub pipeline: Pipeline,
    /// Requests of it that we serve.
    pub upload: Upload,
    /// What waits to be sent to it.
    pub outbox: Outbox,
    /// Payload from it.
    pub down: RateMeter,
    /// Payload to it.
    pub up: RateMeter,
    /// Blocks of metadata that it asked for.
    pub metadata_wanted: VecDeque<u32>,
    info_hash: InfoHash,
    opened_at: Instant,
    framer: Framer,
    shaken: Option<Shaken>,
    pieces: Pieces,
    remote_ids: Ids,
    metadata_size: Option<u64>,
    client: Option<String>,
    allowed_fast: BTreeSet<PieceIndex>,
    refusals: Refusals,
    exchange: Exchange,
    last_received: Instant,
    choked: bool,
    choking: bool,
    interested_since: Option<Instant>,
    wanting: bool,
    stalled: bool,
}

impl Peer {
    /// A connection that just opened. Our handshake waits in its outbox: both sides send theirs at once.
    pub fn new(conn: ConnId, initiated: bool, ours: Handshake, max_message: usize, now: Instant) -> Self {
        let mut outbox = Outbox::new(max_message, now);
        outbox.raw(|out| ours.encode(out));
        Self {
            conn,
            initiated,
            address: None,
            listens: None,
            slot: 0,
            given: 0,
            missing: 0,
            counted_whole: false,
            dry_at: 0,
            pipeline: Pipeline::new(now),
            upload: Upload::default(),
            outbox,
            down: RateMeter::default(),
            up: RateMeter::default(),
            metadata_wanted: VecDeque::new(),
            info_hash: ours.info_hash,
            opened_at: now,
            framer: Framer::new(),
            shaken: None,
            pieces: Pieces::default(),
            remote_ids: Ids::default(),
            metadata_size: None,
            client: None,
            allowed_fast: BTreeSet::new(),
            refusals: Refusals::default(),
            exchange: Exchange::default(),
            last_received: now,
            choked: true,
            choking: true,
            interested_since: None,
            wanting: false,
            stalled: false,
        }
    }

    /// Takes bytes of its stream; [`Peer::hear`] then tells what is in them.
    pub fn push(&mut self, now: Instant, data: Bytes) {
        self.last_received = now;
        self.framer.push(data);
    }

    /// What its handshake said, once it came.
    pub const fn shaken(&self) -> Option<&Shaken> {
        self.shaken.as_ref()
    }

    /// How it is reached.
    pub const fn transport(&self) -> Transport {
        if self.address.is_some() { Transport::Tcp } else { Transport::WebRtc }
    }

    /// What it calls itself, once its handshake came.
    pub fn peer_id(&self) -> Option<PeerId> {
        self.shaken.map(|shaken| shaken.peer_id)
    }

    /// Which pieces it has.
    pub const fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    /// Which pieces it has, for changes.
    pub const fn pieces_mut(&mut self) -> &mut Pieces {
        &mut self.pieces
    }

    /// Length of the metadata, if it has that and gives it.
    pub fn metadata_size(&self) -> Option<u64> {
        self.metadata_size.filter(|_| self.remote_ids.metadata.is_some())
    }

    /// Program and version.
    pub fn client(&self) -> String {
        let by_id = || self.peer_id().map_or_else(String::new, |id| client_name(&id));
        self.client.clone().filter(|name| !name.is_empty()).unwrap_or_else(by_id)
    }

    /// We choke it.
    pub const fn is_choked(&self) -> bool {
        self.choked
    }

    /// It chokes us.
    pub const fn is_choking(&self) -> bool {
        self.choking
    }

    /// Since when we want something that it has.
    pub const fn interested_since(&self) -> Option<Instant> {
        self.interested_since
    }

    /// It wants something that we have.
    pub const fn is_wanting(&self) -> bool {
        self.wanting
    }

    /// Whether it takes so little that what we have to tell it piles up.
    pub const fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// Whether this piece may be asked of it now.
    pub fn offers(&self, piece: PieceIndex) -> bool {
        let open = !self.choking || self.allowed_fast.contains(&piece);
        open && self.pieces.has(piece) && !self.refusals.covers(piece)
    }

    /// Whether every piece may be.
    pub fn offers_all(&self) -> bool {
        !self.choking && self.refusals.is_empty() && self.pieces.is_complete()
    }

    /// The only pieces that may be, while it chokes us.
    pub fn offers_only(&self) -> Option<&BTreeSet<PieceIndex>> {
        self.choking.then_some(&self.allowed_fast)
    }

    /// Whether it refused so much that it is left alone for a while.
    pub const fn refuses_all(&self) -> bool {
        self.refusals.is_total()
    }

    /// Whether it might give something now.
    pub fn may_give(&self) -> bool {
        self.interested_since.is_some() && (!self.choking || !self.allowed_fast.is_empty())
    }

    /// Appends a message for it.
    pub fn tell(&mut self, message: &Message) {
        if !self.outbox.control(message) {
            self.stalled = true;
        }
    }

    /// Tells what we speak, and what we have: all, none, or which (`bits`). The first messages after the handshakes.
    pub fn introduce(&mut self, ours: &ExtendedHandshake, complete: bool, bits: Option<Vec<u8>>) {
        let Some(shaken) = self.shaken else { return };
        self.tell_extended(ours);
        match bits {
            _ if shaken.fast && complete => self.tell(&Message::HaveAll),
            Some(bits) => self.tell(&Message::Bitfield(bits.into())),
            None if shaken.fast => self.tell(&Message::HaveNone),
            None => {}
        }
    }

    /// Sends the extension handshake (again), if the peer speaks the extension protocol.
    pub fn tell_extended(&mut self, ours: &ExtendedHandshake) {
        if self.shaken.is_some_and(|shaken| shaken.extended) {
            self.exchange.offered = ours.ids.pex.is_some();
            let mut payload = Vec::new();
            ours.encode(&mut payload);
            self.tell(&Message::Extended { id: 0, payload: payload.into() });
        }
    }

    /// Sends a request for metadata, or its refusal. Data goes the way of blocks.
    pub fn tell_metadata(&mut self, message: &MetadataMessage) {
        let Some(id) = self.remote_ids.metadata else { return };
        let mut payload = Vec::new();
        message.encode(&mut payload);
        let message = Message::Extended { id, payload: payload.into() };
        match payload_is_large(&message) {
            true => self.outbox.block(message),
            false => self.tell(&message),
        }
    }

    /// Tells our interest, where it changed.
    pub fn set_interested(&mut self, now: Instant, interested: bool) {
        if interested == self.interested_since.is_some() || self.shaken.is_none() {
            return;
        }
        self.interested_since = interested.then_some(now);
        self.tell(if interested { &Message::Interested } else { &Message::NotInterested });
    }

    /// Chokes or unchokes it, where that is a change. Choking refuses all that is queued.
    pub fn set_choked(&mut self, choked: bool) {
        if choked == self.choked || self.shaken.is_none() {
            return;
        }
        self.choked = choked;
        if !choked {
            self.tell(&Message::Unchoke);
            return;
        }
        self.tell(&Message::Choke);
        let mut refused = self.outbox.cancel_all();
        refused.extend(self.upload.cancel_all());
        for request in refused {
            self.refuse(request);
        }
    }

    /// Says that a request will not be answered, if the peer understands that.
    pub fn refuse(&mut self, request: Request) {
        if self.shaken.is_some_and(|shaken| shaken.fast) {
            self.tell(&Message::Reject(request));
        }
    }

    /// Asks for a block.
    pub fn ask(&mut self, block: BlockRef, now: Instant) {
        self.pipeline.sent(block, now);
        self.tell(&Message::Request(request(block)));
    }

    /// Takes a request back.
    pub fn take_back(&mut self, block: BlockRef) {
        if self.pipeline.cancel(block) {
            self.tell_cancel(block);
        }
    }

    /// Says that a request no longer stands.
    pub fn tell_cancel(&mut self, block: BlockRef) {
        self.tell(&Message::Cancel(request(block)));
    }

    /// When it is to have shaken hands.
    pub fn handshake_deadline(&self) -> Option<Instant> {
        self.shaken.is_none().then(|| self.opened_at + HANDSHAKE_TIMEOUT)
    }

    /// When a keep-alive is due. None is while something waits to be sent anyway.
    pub fn keep_alive_at(&self) -> Option<Instant> {
        self.shaken
            .filter(|_| self.outbox.stuck_since().is_none())
            .map(|_| self.outbox.last_sent() + KEEP_ALIVE)
    }

    /// When it is given up on if it takes nothing.
    pub fn stuck_at(&self) -> Option<Instant> {
        self.outbox.stuck_since().map(|since| since + STUCK_MAX)
    }

    /// When it is gone if it stays silent.
    pub fn silent_at(&self) -> Option<Instant> {
        self.shaken.map(|_| self.last_received + SILENCE_MAX)
    }

    /// When its stream is broken off if the message that it began does not go on.
    pub fn broken_off_at(&self) -> Option<Instant> {
        self.framer.is_midway().then(|| self.last_received + MIDWAY_MAX)
    }

    /// When it may be asked again for what it refused.
    pub const fn ask_again_at(&self) -> Option<Instant> {
        self.refusals.until()
    }

    /// It may be asked again for what it refused.
    pub fn ask_again(&mut self) {
        self.refusals.ask_again();
        self.dry_at = 0;
    }

    /// The host slept: silence meanwhile is not held against the peer.
    pub fn woke(&mut self, now: Instant) {
        self.last_received = now;
        self.opened_at = self.opened_at.max(now);
        self.pipeline.woke(now);
        self.outbox.woke(now);
    }
}

/// A block as it is named on the wire.
const fn request(block: BlockRef) -> Request {
    Request { piece: block.piece.get(), begin: block.offset, length: block.length }
}

/// Whether a message is worth holding back while the peer's buffer is full.
fn payload_is_large(message: &Message) -> bool {
    message.encoded_length() > limits::BLOCK_LENGTH as usize / 4
}
