//! STUN messages (RFC 8489): what a browser asks to learn its public address; and those of TURN (RFC 8656), by which it asks
//! for one to be relayed from.
//!
//! Pure: bytes in, bytes out. [`is_stun`] tells such a datagram from one of a tracker's (BEP 15), which may come to the
//! same port; [`answer_binding`] is the whole of a server that only tells where a request came from.

mod channel;
mod read;
#[cfg(test)]
mod tests;
mod write;

use core::net::SocketAddr;

pub use self::channel::{CHANNELS, channel_data, put_channel_data};
pub use self::read::{Attribute, Attributes, Message, StunError};
pub use self::write::Writer;

/// Bytes of a header.
pub const HEADER: usize = 20;

/// Stands in each message after its length.
const COOKIE: [u8; 4] = 0x2112_A442_u32.to_be_bytes();

/// What the checksum at the end is combined with, so that it is no other protocol's by chance.
const FINGERPRINT_MASK: u32 = 0x5354_554E;

/// The method that asks for an address.
pub const BINDING: u16 = 0x001;

/// The methods of TURN (RFC 8656, 17).
pub mod method {
    /// Asks for an address to be relayed from.
    pub const ALLOCATE: u16 = 0x003;
    /// Keeps it, or gives it back.
    pub const REFRESH: u16 = 0x004;
    /// Bytes to a peer.
    pub const SEND: u16 = 0x006;
    /// Bytes from a peer.
    pub const DATA: u16 = 0x007;
    /// Lets a peer send.
    pub const CREATE_PERMISSION: u16 = 0x008;
    /// Gives a peer a number, for shorter heads.
    pub const CHANNEL_BIND: u16 = 0x009;
}

/// Kinds of attributes; those below 0x8000 must be understood by who receives them.
pub mod attribute {
    /// Who asks.
    pub const USERNAME: u16 = 0x0006;
    /// HMAC-SHA1 over what comes before it.
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    /// A status code and its reason.
    pub const ERROR_CODE: u16 = 0x0009;
    /// Kinds that were not understood.
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
    /// Number of a channel.
    pub const CHANNEL_NUMBER: u16 = 0x000C;
    /// Seconds.
    pub const LIFETIME: u16 = 0x000D;
    /// A peer's address.
    pub const XOR_PEER_ADDRESS: u16 = 0x0012;
    /// Bytes to or from a peer.
    pub const DATA: u16 = 0x0013;
    /// The address that is relayed from.
    pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    /// The family it is to have.
    pub const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
    /// The protocol to peers.
    pub const REQUESTED_TRANSPORT: u16 = 0x0019;
    /// For which accounts a name is good.
    pub const REALM: u16 = 0x0014;
    /// What shows that a request is no old one.
    pub const NONCE: u16 = 0x0015;
    /// HMAC-SHA256 over what comes before it.
    pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001C;
    /// The asker's address, in a form that meddling routers do not recognise.
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    /// A checksum over what comes before it.
    pub const FINGERPRINT: u16 = 0x8028;
}

/// Most kinds that one refusal names: each took four bytes of the request at least, and takes two of the reply.
const UNKNOWN_MAX: usize = 8;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It wants a response.
    Request,
    /// It wants none.
    Indication,
    /// What was asked for.
    Success,
    /// Why not.
    Error,
}

/// Ties a response to its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub [u8; 12]);

/// Whether a datagram can be nothing else: the first two bits are zero, and the magic cookie is in its place. A connection
/// id of BEP 15 looks so once in 2^34 times, and a connect request never.
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.len() >= HEADER && datagram[0] & 0xC0 == 0 && datagram[4..8] == COOKIE
}

/// Answers a Binding request from `remote` (RFC 8489, 12.1). `false`, and nothing written, for what is no such request: an
/// indication, a response, another method, or a message that is damaged.
///
/// A reply is at most 24 bytes longer than its request, and at most 2.2 times as long: whoever gives somebody else's
/// address as its own gains little.
pub fn answer_binding(datagram: &[u8], remote: SocketAddr, reply: &mut Vec<u8>) -> bool {
    let Ok(message) = Message::parse(datagram) else { return false };
    if (message.class, message.method) != (Class::Request, BINDING) {
        return false;
    }
    let unknown = |attribute: &Attribute<'_>| {
        use attribute::{MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256, NONCE, REALM, USERNAME};
        let known =
            [USERNAME, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256, REALM, NONCE].contains(&attribute.kind);
        attribute.kind < 0x8000 && !known
    };
    let unknown = message.attributes().filter(unknown).map(|attribute| attribute.kind);
    let unknown: Vec<u16> = unknown.take(UNKNOWN_MAX).collect();
    let class = if unknown.is_empty() { Class::Success } else { Class::Error };
    let mut writer = Writer::new(reply, class, BINDING, message.transaction);
    if unknown.is_empty() {
        writer.address(attribute::XOR_MAPPED_ADDRESS, remote);
    } else {
        writer.error(420, "");
        writer.attribute(attribute::UNKNOWN_ATTRIBUTES, |value| {
            value.extend(unknown.iter().flat_map(|kind| kind.to_be_bytes()));
        });
    }
    if message.has_fingerprint() {
        writer.fingerprint();
    }
    true
}

/// CRC-32 as in ISO 3309, bit by bit: messages are short.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(u32::MAX, step)
}
