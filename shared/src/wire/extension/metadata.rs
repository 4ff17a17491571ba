//! `ut_metadata`: the info dictionary, in blocks of 16 KiB, from peers (BEP 9).

use bytes::Bytes;

use super::ExtensionError;
use crate::bencode::{Dictionary, Order, Writer, decode_prefix};

/// Bytes in each block of metadata but the last (BEP 9).
pub const BLOCK_LENGTH: usize = 16 * 1024;

/// One message of the extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataMessage {
    /// Asks for a block.
    Request {
        /// Number of the block.
        piece: u32,
    },
    /// A block.
    Data {
        /// Number of the block.
        piece: u32,
        /// Length of the whole info dictionary, as far as the sender says.
        total_size: Option<u64>,
        /// The bytes, 1 to [`BLOCK_LENGTH`].
        block: Bytes,
    },
    /// The sender does not have, or does not give, a block.
    Reject {
        /// Number of the block.
        piece: u32,
    },
    /// A kind that we do not know; BEP 9 says to pass it over.
    Unknown {
        /// `msg_type`.
        kind: i64,
    },
}

impl MetadataMessage {
    /// Appends the payload of the message. The last value of the dictionary is an integer, always: stock WebTorrent
    /// takes the first `ee` for the dictionary's end.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (kind, piece, total_size) = match self {
            Self::Request { piece } => (0, *piece, None),
            Self::Data { piece, total_size, .. } => (1, *piece, *total_size),
            Self::Reject { piece } => (2, *piece, None),
            Self::Unknown { kind } => (*kind, 0, None),
        };
        Writer::new(out).dictionary(|entries| {
            entries.key("msg_type").integer(kind);
            entries.key("piece").integer(piece);
            if let Some(size) = total_size {
                entries.key("total_size").integer(size);
            }
        });
        if let Self::Data { block, .. } = self {
            out.extend_from_slice(block);
        }
    }

    /// Reads the payload of the message; a block is a part of it, not a copy.
    pub fn decode(payload: &Bytes) -> Result<Self, ExtensionError> {
        let (value, rest) = decode_prefix(payload, Order::Any)?;
        let dictionary = value.dictionary().ok_or_else(|| ExtensionError::NotADictionary(value.kind()))?;
        let kind = integer(dictionary, "msg_type")?.ok_or(ExtensionError::Missing("msg_type"))?;
        if !(0..=2).contains(&kind) {
            return Ok(Self::Unknown { kind });
        }
        let piece = integer(dictionary, "piece")?.ok_or(ExtensionError::Missing("piece"))?;
        let piece = u32::try_from(piece).map_err(|_| ExtensionError::Value {
            key: "piece",
            expected: "0 to 4294967295",
            got: piece.to_string(),
        })?;
        if kind == 1 && (rest.is_empty() || rest.len() > BLOCK_LENGTH) {
            return Err(ExtensionError::Length { min: 1, max: BLOCK_LENGTH, got: rest.len() });
        }
        Ok(match kind {
            0 => Self::Request { piece },
            1 => Self::Data {
                piece,
                total_size: integer(dictionary, "total_size")?
                    .and_then(|size| u64::try_from(size).ok())
                    .filter(|size| *size > 0),
                block: payload.slice(payload.len() - rest.len()..),
            },
            _ => Self::Reject { piece },
        })
    }
}

fn integer(dictionary: Dictionary<'_>, key: &'static str) -> Result<Option<i64>, ExtensionError> {
    let Some(value) = dictionary.get(key.as_bytes()) else { return Ok(None) };
    value.integer().map(Some).ok_or_else(|| ExtensionError::Value {
        key,
        expected: "an integer",
        got: value.kind().to_owned(),
    })
}
