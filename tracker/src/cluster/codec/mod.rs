//! What the nodes of a cluster say to each other, as bytes.
//!
//! A message is three bytes of magic, the version, the sender, the kind, and what the kind needs. Whole numbers without a fixed width are
//! LEB128. Each message has one form: what is read and written again is the same.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

use shared::id::{InfoHash, PeerId};

use super::digest::{Digest, Parts};
use crate::swarm::change::{Held, Key};

/// The version that this program speaks. Nodes of another are not understood, and do without each other.
pub const VERSION: u8 = 2;

const MAGIC: [u8; 3] = *b"PMC";

/// Longest message, in bytes: a batch of [`ENTRIES_MAX`] changes of the longest kind stays below it, and one relay does.
pub const MESSAGE_MAX: usize = 256 * 1024;

/// Members in one message; each takes about 28 bytes, 72 at most.
pub const ENTRIES_MAX: usize = 2_048;

/// Bytes of relays after which the next message begins. With one more offer of the longest it still is within [`MESSAGE_MAX`].
pub const RELAYS_BYTES: usize = 64 * 1024;

/// Longest name of a node, in bytes.
pub const NAME_MAX: usize = 64;

/// Addresses, and as many of each gate's buckets, in one tally: those that are nearest to their bound.
pub const TALLY_MAX: usize = 4_096;

/// Longest offer_id, in bytes: what a peer's may be in characters, four bytes each.
const OFFER_ID_BYTES: usize = 4 * shared::tracker::ws::OFFER_ID_MAX;

/// A node from its start to its end; drawn at random, so that no two have the same and none has one twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl core::fmt::Debug for NodeId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{self}")
    }
}

impl core::fmt::Display for NodeId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A member as it is, or that it left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which membership.
    pub key: Key,
    /// As it is; `None` if it ended.
    pub now: Option<Held>,
    /// Seconds since it announced, where it is a member at an address; 0 if it ended.
    pub age: u32,
    /// Whether it ended whichever node's it was; only where it is a member at an address.
    pub anywhere: bool,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The sender lives.
    Hello {
        /// The last batch that it published.
        seq: u64,
        /// How people call it.
        name: String,
    },
    /// The sender ends.
    Bye,
    /// What changed at the sender.
    Batch {
        /// One more than that of the batch before.
        seq: u64,
        /// In the order in which it happened, as far as one member is concerned.
        changes: Vec<Entry>,
    },
    /// What the sender's members come to.
    Digest {
        /// After this batch.
        seq: u64,
        /// By part.
        digest: Box<Digest>,
    },
    /// What the sender's clients take of the bounds that hold for all nodes together.
    Tally(Tally),
    /// The sender wants to have all members of the receiver in these parts.
    Ask {
        /// The sender's number for what comes back.
        session: u64,
        /// Which parts, at least one.
        parts: Parts,
    },
    /// The sender has taken a chunk.
    Ack {
        /// Of which request.
        session: u64,
        /// Which chunk.
        chunk: u32,
    },
    /// Some of the members that the receiver asked for.
    Chunk {
        /// Of which request.
        session: u64,
        /// From 0 on.
        number: u32,
        /// After this batch.
        seq: u64,
        /// Whether it is the last.
        last: bool,
        /// Members; none that left.
        members: Vec<Entry>,
    },
    /// For sockets of the receiver.
    Relays(Vec<Relay>),
}

/// What the clients of one node take of bounds that hold for all nodes together; only what is worth telling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Addresses (IPv6: networks of 64 bits) with the WebSockets that they have now, mapped into IPv6; ascending.
    pub sockets: Vec<(u128, u32)>,
    /// Buckets of the gate with the requests that it let through since the last tally; ascending.
    pub requests: Vec<(u16, u32)>,
    /// The same of the gate for messages over WebSocket.
    pub messages: Vec<(u16, u32)>,
}

/// An offer or an answer on its way to a socket of another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// The receiver's socket.
    pub to: u64,
    /// The sender's.
    pub from: u64,
    /// In which swarm.
    pub info_hash: InfoHash,
    /// Who offers or answers.
    pub peer_id: PeerId,
    /// Whose offer it answers; `None` if it is an offer.
    pub answers: Option<PeerId>,
    /// As the offerer chose it.
    pub offer_id: String,
    /// The offer or the answer: JSON, which is not looked at here.
    pub payload: String,
}

impl Relay {
    /// Bytes that it takes, or a few more.
    pub fn weight(&self) -> usize {
        self.payload.len() + self.offer_id.len() + 80
    }
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No message of such nodes.
    #[error("expected a message of a node, got something else")]
    Magic,
    /// Of a program that speaks another version.
    #[error(
        "expected version {VERSION} of what nodes say to each other, got {0}: do all nodes run the same release?"
    )]
    Version(u8),
    /// Longer than any.
    #[error("expected at most {MESSAGE_MAX} bytes, got {0}")]
    Long(usize),
    /// It ends before what it announced.
    #[error("expected {0}, got the end of the message")]
    Ends(&'static str),
    /// More follows.
    #[error("expected the end of the message, got {0} more bytes")]
    Rest(usize),
    /// A field has a value that it cannot have.
    #[error("expected {0}, got something else")]
    Value(&'static str),
    /// More of something than its bound.
    #[error("expected at most {max} {what}, got {got}")]
    Many {
        /// Of what.
        what: &'static str,
        /// The bound.
        max: usize,
        /// How many there are.
        got: u64,
    },
}

/// A message and who sent it.
///
/// # Errors
///
/// [`DecodeError`] says what was expected.
pub fn decode(bytes: &[u8]) -> Result<(NodeId, Message), DecodeError> {
    reader::message(bytes)
}

/// The message as it is sent. What is longer than its bound is cut, so that others can read it.
pub fn encode(from: NodeId, message: &Message) -> Vec<u8> {
    writer::message(from, message)
}
