//! The extension protocol (BEP 10): its handshake, and the extensions that we speak.
//!
//! An extension message travels as [`super::Message::Extended`]. Id 0 is the [`ExtendedHandshake`], in which each side
//! says by which id it wants to be sent which extension; an id that arrives is therefore one of [`Ids::OURS`].

pub mod donthave;
mod handshake;
pub mod metadata;
pub mod pex;

pub use handshake::{ExtendedHandshake, Ids};

use crate::bencode::DecodeError;

/// What was wrong with the contents of an extension message. Each ends the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtensionError {
    /// Not bencode.
    #[error("extension message: {0}")]
    Bencode(#[from] DecodeError),
    /// Bencode, but not a dictionary.
    #[error("expected an extension message to be a dictionary, got {0}")]
    NotADictionary(&'static str),
    /// A key that has to be there is not.
    #[error("expected the key {0:?} in an extension message, got none")]
    Missing(&'static str),
    /// A key has a value of the wrong kind or out of range.
    #[error("expected {expected} as {key:?} in an extension message, got {got}")]
    Value {
        /// The key.
        key: &'static str,
        /// What should have been there.
        expected: &'static str,
        /// What was.
        got: String,
    },
    /// Contents of the wrong length.
    #[error("expected {min} to {max} bytes of contents in an extension message, got {got}")]
    Length {
        /// Fewest.
        min: usize,
        /// Most.
        max: usize,
        /// How many came.
        got: usize,
    },
}
