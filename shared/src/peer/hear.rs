use bytes::Bytes;

use super::pieces::Told;
use super::pipeline::Matched;
use super::{CloseReason, Peer, Shaken};
use crate::bitfield::Bitfield;
use crate::id::PeerId;
use crate::layout::{BlockRef, Layout, PieceIndex};
use crate::limits;
use crate::time::Instant;
use crate::wire::extension::metadata::MetadataMessage;
use crate::wire::extension::pex::PexMessage;
use crate::wire::extension::{ExtendedHandshake, Ids, donthave};
use crate::wire::{Message, Request, Reserved};

/// What the torrent has to know of what a peer said.
#[derive(Debug)]
pub enum Heard {
    /// It shook hands.
    Shaken(PeerId),
    /// It said what it speaks, whether it has the metadata, and on which TCP port it listens.
    Extended {
        /// The port.
        port: Option<u16>,
    },
    /// It said which pieces it has.
    Pieces,
    /// It got these pieces.
    Gained(Vec<PieceIndex>),
    /// It lost a piece.
    Lost(PieceIndex),
    /// It chokes us; these requests are not answered.
    Choked(Vec<BlockRef>),
    /// It does not choke us.
    Unchoked,
    /// It wants something now, or nothing any more.
    Wanting,
    /// It will not answer this request.
    Rejected(BlockRef),
    /// It may be asked for this piece while it chokes us.
    AllowedFast,
    /// A block came.
    Block {
        /// Which.
        block: BlockRef,
        /// Its bytes.
        bytes: Bytes,
    },
    /// It asked for a block, which waits in its queue.
    Request,
    /// It said whom it is connected to.
    Exchanged(PexMessage),
    /// It sent, refused, or wants a block of metadata.
    Metadata(MetadataMessage),
}

impl From<Told> for Heard {
    fn from(told: Told) -> Self {
        match told {
            Told::First => Self::Pieces,
            Told::Gained(pieces) => Self::Gained(pieces),
        }
    }
}

/// What the torrent knows of its pieces, once it has the metadata.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Where things are.
    pub layout: &'a Layout,
    /// What is verified here.
    pub have: &'a Bitfield,
}

impl Peer {
    /// The next thing that the bytes it sent say. An error ends the connection.
    pub fn hear(&mut self, now: Instant, known: Option<Known<'_>>) -> Result<Option<Heard>, CloseReason> {
        if self.shaken.is_none() {
            let Some(theirs) = self.framer.handshake()? else { return Ok(None) };
            if theirs.info_hash != self.info_hash {
                return Err(CloseReason::InfoHash { expected: self.info_hash, got: theirs.info_hash });
            }
            self.shaken = Some(Shaken {
                peer_id: theirs.peer_id,
                at: now,
                fast: theirs.reserved.fast() && Reserved::OURS.fast(),
                extended: theirs.reserved.extended() && Reserved::OURS.extended(),
            });
            if let Some(known) = known {
                self.pieces.settle(known.layout)?;
            }
            return Ok(Some(Heard::Shaken(theirs.peer_id)));
        }
        while let Some(message) = self.framer.message()? {
            if let Some(heard) = self.interpret(message, now, known)? {
                return Ok(Some(heard));
            }
        }
        Ok(None)
    }

    fn interpret(
        &mut self,
        message: Message,
        now: Instant,
        known: Option<Known<'_>>,
    ) -> Result<Option<Heard>, CloseReason> {
        if message.is_fast() && !self.shaken.is_some_and(|shaken| shaken.fast) {
            return Err(CloseReason::FastNotNegotiated);
        }
        let layout = known.map(|known| known.layout);
        Ok(match message {
            Message::KeepAlive | Message::Port(_) | Message::Suggest(_) | Message::Unknown { .. } => None,
            Message::Choke => {
                self.choking = true;
                Some(Heard::Choked(self.pipeline.cancel_all()))
            }
            Message::Unchoke => {
                self.choking = false;
                self.refusals.forget();
                Some(Heard::Unchoked)
            }
            Message::Interested | Message::NotInterested => {
                let wanting = matches!(message, Message::Interested);
                let changed = wanting != self.wanting;
                self.wanting = wanting;
                changed.then_some(Heard::Wanting)
            }
            Message::Have(number) => {
                self.pieces.change(number, true, layout)?.map(|piece| Heard::Gained(vec![piece]))
            }
            Message::Bitfield(bytes) => Some(self.pieces.bitfield(&bytes, layout)?.into()),
            Message::HaveAll => Some(self.pieces.all(layout)?.into()),
            Message::HaveNone => Some(self.pieces.none()?.into()),
            Message::Request(request) => self.asked(request, known)?,
            Message::Piece { piece, begin, block } => Some(self.block(now, piece, begin, block, layout)?),
            Message::Cancel(request) => {
                if !self.upload.cancel(request) {
                    self.outbox.cancel(request);
                }
                None
            }
            Message::Reject(request) => {
                let block = layout.and_then(|at| at.block_at(request.piece, request.begin, request.length));
                let block = block.filter(|block| self.pipeline.rejected(*block));
                block.map(|block| {
                    // Asked for again at once it would be refused again at once.
                    self.refusals.add(block.piece, now);
                    Heard::Rejected(block)
                })
            }
            Message::AllowedFast(number) => self.allowed(number, layout),
            Message::Extended { id, payload } => self.extended(now, id, &payload, layout)?,
        })
    }

    fn allowed(&mut self, number: u32, layout: Option<&Layout>) -> Option<Heard> {
        let piece = layout.and_then(|layout| layout.piece(number))?;
        if self.allowed_fast.len() >= limits::ALLOWED_FAST_MAX {
            return None;
        }
        self.allowed_fast.insert(piece).then_some(Heard::AllowedFast)
    }

    fn asked(&mut self, request: Request, known: Option<Known<'_>>) -> Result<Option<Heard>, CloseReason> {
        let Request { piece, begin, length } = request;
        let Some(known) = known else {
            self.refuse(request);
            return Ok(None);
        };
        let index = known.layout.piece(piece).filter(|index| known.layout.contains(*index, begin, length));
        let Some(index) = index.filter(|_| length <= limits::REQUEST_LENGTH_MAX) else {
            return Err(CloseReason::RequestOutOfRange { piece, begin, length });
        };
        if self.choked || !known.have.has(index) {
            self.refuse(request);
            return Ok(None);
        }
        if !self.upload.push(request) {
            if !self.shaken.is_some_and(|shaken| shaken.fast) {
                return Err(CloseReason::RequestFlood);
            }
            self.refuse(request);
            return Ok(None);
        }
        Ok(Some(Heard::Request))
    }

    fn block(
        &mut self,
        now: Instant,
        piece: u32,
        begin: u32,
        bytes: Bytes,
        layout: Option<&Layout>,
    ) -> Result<Heard, CloseReason> {
        let unrequested = CloseReason::UnrequestedBlock { piece, begin, length: bytes.len() };
        let block = layout.and_then(|layout| layout.block_at(piece, begin, bytes.len() as u32));
        let block = block.ok_or_else(|| unrequested.clone())?;
        if self.pipeline.received(block, now) == Matched::Unasked {
            return Err(unrequested);
        }
        self.refusals.given();
        self.down.add(now, bytes.len() as u64);
        Ok(Heard::Block { block, bytes })
    }

    fn extended(
        &mut self,
        now: Instant,
        id: u8,
        payload: &Bytes,
        layout: Option<&Layout>,
    ) -> Result<Option<Heard>, CloseReason> {
        if id == 0 {
            let theirs = ExtendedHandshake::decode(payload)?;
            self.remote_ids = theirs.ids;
            self.metadata_size = theirs.metadata_size.or(self.metadata_size);
            self.client = theirs.version.or(self.client.take());
            if let Some(reqq) = theirs.reqq {
                self.pipeline.set_limit(reqq);
            }
            self.plan_exchange(now);
            return Ok(Some(Heard::Extended { port: theirs.port }));
        }
        if Some(id) == Ids::OURS.metadata {
            return Ok(Some(Heard::Metadata(MetadataMessage::decode(payload)?)));
        }
        if Some(id) == Ids::OURS.donthave {
            let number = donthave::decode(payload)?;
            return Ok(self.pieces.change(number, false, layout)?.map(Heard::Lost));
        }
        if Some(id) == Ids::WITH_PEX.pex && self.exchange.hears(now) {
            return Ok(Some(Heard::Exchanged(PexMessage::decode(payload)?)));
        }
        Ok(None)
    }
}
