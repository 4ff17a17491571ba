//! The peer wire protocol: BEP 3, with the fast extension (BEP 6), the extension protocol (BEP 10), metadata from
//! peers (BEP 9) and lt_donthave.
//!
//! A connection is a stream of bytes: boundaries between data-channel messages mean nothing, a message may hold a
//! part of one wire message or hundreds of them. [`Framer`] turns chunks into messages, [`Message::encode`] messages
//! into bytes. Whether a message may come at this moment (fast messages only when negotiated, indices within the
//! torrent, no flood) is for the peer's state machine to judge.

mod client;
pub mod extension;
mod framer;
mod handshake;
mod message;

pub use client::client_name;
pub use framer::Framer;
pub use handshake::{Handshake, Reserved};
pub use message::{Message, Request};

use crate::limits;

#[cfg(test)]
mod tests;

/// What was wrong with bytes from a peer. Each ends the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The stream does not begin with a BitTorrent handshake.
    #[error("expected a BitTorrent handshake, got the byte {got:#04x} at position {at}")]
    Protocol {
        /// Position of the first byte that differs, 0 to 19.
        at: usize,
        /// That byte.
        got: u8,
    },
    /// A message longer than any.
    #[error("expected a message of at most {max} bytes, got a length of {got}", max = limits::WIRE_MESSAGE_MAX)]
    TooLong {
        /// The length it claims.
        got: u32,
    },
    /// A message with a length that its kind cannot have.
    #[error("expected a message {id} of {min} to {max} bytes, got a length of {got}")]
    Length {
        /// Kind of message.
        id: u8,
        /// Least length, the id included.
        min: u32,
        /// Greatest length, the id included.
        max: u32,
        /// The length it claims.
        got: u32,
    },
}
