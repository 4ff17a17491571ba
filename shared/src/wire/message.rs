use bytes::{Buf as _, Bytes};

use super::WireError;
use crate::limits;

/// A part of a piece, as peers name it. Nothing about it is checked against a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request {
    /// Number of the piece.
    pub piece: u32,
    /// First byte, counted from the start of the piece.
    pub begin: u32,
    /// Length in bytes.
    pub length: u32,
}

/// One message after the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Nothing; keeps the connection open (BEP 3).
    KeepAlive,
    /// The sender answers no requests for now (BEP 3).
    Choke,
    /// The sender answers requests (BEP 3).
    Unchoke,
    /// The sender wants something that the receiver has (BEP 3).
    Interested,
    /// The sender wants nothing that the receiver has (BEP 3).
    NotInterested,
    /// The sender has this piece (BEP 3).
    Have(u32),
    /// The pieces that the sender has, first piece in the highest bit of the first byte (BEP 3).
    Bitfield(Bytes),
    /// Asks for a block (BEP 3).
    Request(Request),
    /// A block (BEP 3).
    Piece {
        /// Number of the piece.
        piece: u32,
        /// First byte, counted from the start of the piece.
        begin: u32,
        /// The bytes, 1 to [`limits::REQUEST_LENGTH_MAX`].
        block: Bytes,
    },
    /// Takes a request back (BEP 3).
    Cancel(Request),
    /// The sender's DHT port (BEP 5).
    Port(u16),
    /// The sender would like to give this piece (BEP 6).
    Suggest(u32),
    /// The sender has every piece (BEP 6).
    HaveAll,
    /// The sender has no piece (BEP 6).
    HaveNone,
    /// A request will not be answered (BEP 6).
    Reject(Request),
    /// This piece may be asked for while choked (BEP 6).
    AllowedFast(u32),
    /// A message of an extension (BEP 10).
    Extended {
        /// 0 is the extension handshake; any other is what the receiver said it calls the extension.
        id: u8,
        /// See [`super::extension`].
        payload: Bytes,
    },
    /// A message of a kind that we do not know; its contents are gone.
    Unknown {
        /// Kind of message.
        id: u8,
    },
}

impl Message {
    /// Whether it may be sent only when both sides speak the fast extension (BEP 6).
    pub const fn is_fast(&self) -> bool {
        matches!(
            self,
            Self::Suggest(_) | Self::HaveAll | Self::HaveNone | Self::Reject(_) | Self::AllowedFast(_)
        )
    }

    /// Appends its bytes, the length in front included. An [`Message::Unknown`] is written without contents.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::KeepAlive => out.extend_from_slice(&[0; 4]),
            Self::Choke => head(out, 0, 0),
            Self::Unchoke => head(out, 1, 0),
            Self::Interested => head(out, 2, 0),
            Self::NotInterested => head(out, 3, 0),
            Self::Have(piece) => index(out, 4, *piece),
            Self::Bitfield(bits) => {
                head(out, 5, bits.len());
                out.extend_from_slice(bits);
            }
            Self::Request(request) => triple(out, 6, *request),
            Self::Piece { piece, begin, block } => {
                out.reserve(13 + block.len());
                head(out, 7, 8 + block.len());
                out.extend_from_slice(&piece.to_be_bytes());
                out.extend_from_slice(&begin.to_be_bytes());
                out.extend_from_slice(block);
            }
            Self::Cancel(request) => triple(out, 8, *request),
            Self::Port(port) => {
                head(out, 9, 2);
                out.extend_from_slice(&port.to_be_bytes());
            }
            Self::Suggest(piece) => index(out, 13, *piece),
            Self::HaveAll => head(out, 14, 0),
            Self::HaveNone => head(out, 15, 0),
            Self::Reject(request) => triple(out, 16, *request),
            Self::AllowedFast(piece) => index(out, 17, *piece),
            Self::Extended { id, payload } => {
                head(out, 20, 1 + payload.len());
                out.push(*id);
                out.extend_from_slice(payload);
            }
            Self::Unknown { id } => head(out, *id, 0),
        }
    }

    /// Bytes that [`Message::encode`] appends.
    pub const fn encoded_length(&self) -> usize {
        match self {
            Self::KeepAlive => 4,
            Self::Choke | Self::Unchoke | Self::Interested | Self::NotInterested => 5,
            Self::HaveAll | Self::HaveNone | Self::Unknown { .. } => 5,
            Self::Have(_) | Self::Suggest(_) | Self::AllowedFast(_) => 9,
            Self::Bitfield(bits) => 5 + bits.len(),
            Self::Request(_) | Self::Cancel(_) | Self::Reject(_) => 17,
            Self::Piece { block, .. } => 13 + block.len(),
            Self::Port(_) => 7,
            Self::Extended { payload, .. } => 6 + payload.len(),
        }
    }
}

/// What the id of a message says about the rest of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Bytes after the id that belong to the head: everything of fixed size.
    pub(super) fixed: usize,
    /// Whether the contents after the head are kept.
    pub(super) keep: bool,
}

/// The shape of a message with this id and length (id included), if the length is one that it can have.
pub(super) const fn shape(id: u8, length: u32) -> Result<Shape, WireError> {
    let (fixed, rest) = match id {
        0..=3 | 14 | 15 => (0, 0..=0),
        4 | 13 | 17 => (4, 0..=0),
        5 => (0, 0..=limits::PIECES_MAX.div_ceil(8)),
        6 | 8 | 16 => (12, 0..=0),
        7 => (8, 1..=limits::REQUEST_LENGTH_MAX),
        9 => (2, 0..=0),
        20 => (1, 0..=limits::EXTENDED_MAX),
        _ => return Ok(Shape { fixed: 0, keep: false }),
    };
    let (min, max) = (1 + fixed + *rest.start(), 1 + fixed + *rest.end());
    if length < min || length > max {
        return Err(WireError::Length { id, min, max, got: length });
    }
    Ok(Shape { fixed: fixed as usize, keep: true })
}

/// The message with this id, fixed fields and contents, whose lengths [`shape`] has approved.
pub(super) fn assemble(id: u8, mut fixed: &[u8], contents: Bytes) -> Message {
    match id {
        0 => Message::Choke,
        1 => Message::Unchoke,
        2 => Message::Interested,
        3 => Message::NotInterested,
        4 => Message::Have(fixed.get_u32()),
        5 => Message::Bitfield(contents),
        6 => Message::Request(read_request(fixed)),
        7 => Message::Piece { piece: fixed.get_u32(), begin: fixed.get_u32(), block: contents },
        8 => Message::Cancel(read_request(fixed)),
        9 => Message::Port(fixed.get_u16()),
        13 => Message::Suggest(fixed.get_u32()),
        14 => Message::HaveAll,
        15 => Message::HaveNone,
        16 => Message::Reject(read_request(fixed)),
        17 => Message::AllowedFast(fixed.get_u32()),
        20 => Message::Extended { id: fixed.get_u8(), payload: contents },
        _ => Message::Unknown { id },
    }
}

fn read_request(mut fixed: &[u8]) -> Request {
    Request { piece: fixed.get_u32(), begin: fixed.get_u32(), length: fixed.get_u32() }
}

fn head(out: &mut Vec<u8>, id: u8, contents: usize) {
    out.extend_from_slice(&(1 + contents as u32).to_be_bytes());
    out.push(id);
}

fn index(out: &mut Vec<u8>, id: u8, piece: u32) {
    head(out, id, 4);
    out.extend_from_slice(&piece.to_be_bytes());
}

fn triple(out: &mut Vec<u8>, id: u8, request: Request) {
    head(out, id, 12);
    out.extend_from_slice(&request.piece.to_be_bytes());
    out.extend_from_slice(&request.begin.to_be_bytes());
    out.extend_from_slice(&request.length.to_be_bytes());
}
