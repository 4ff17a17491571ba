//! `lt_donthave`: the sender no longer has a piece that it said it had.

use super::ExtensionError;

/// Appends the payload of the message.
pub fn encode(piece: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&piece.to_be_bytes());
}

/// Reads the payload of the message: the number of a piece, not held against a torrent.
pub fn decode(payload: &[u8]) -> Result<u32, ExtensionError> {
    match payload.try_into() {
        Ok(bytes) => Ok(u32::from_be_bytes(bytes)),
        Err(_) => Err(ExtensionError::Length { min: 4, max: 4, got: payload.len() }),
    }
}
