//! Announce and scrape over UDP (BEP 15), with options behind the announce (BEP 41). Everything is big-endian. The same
//! packets go over IPv4 and IPv6; only the addresses of peers differ, by the family of the packet itself.

pub mod client;
mod request;
mod response;

pub use request::{Packet, UdpRequest};
pub use response::UdpResponse;

/// What a connect request says in place of a connection id.
pub const PROTOCOL_ID: u64 = 0x0417_2710_1980;

/// Length of a connect request, and of the reply to it: whoever forges its address gains nothing.
pub const CONNECT_LENGTH: usize = 16;

/// Longest datagram that is read. An announce with options has up to 98 + 2 × 255 bytes or so; a scrape of all swarms 1 496.
pub const DATAGRAM_MAX: usize = 2_048;

const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;
const ERROR: u32 = 3;

/// Why a datagram is no packet of this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UdpError {
    /// Too short for what it says it is.
    #[error("expected at least {expected} bytes, got {got}")]
    Short {
        /// Fewest bytes of this packet.
        expected: usize,
        /// Its length.
        got: usize,
    },
    /// Neither connect, announce, scrape nor, in a reply, error.
    #[error("expected an action from 0 to 3, got {0}")]
    Action(u32),
    /// A connect request without [`PROTOCOL_ID`].
    #[error("expected the protocol id {expected:#x}, got {0:#x}", expected = PROTOCOL_ID)]
    Protocol(u64),
    /// An announce whose event is none.
    #[error("expected an event from 0 to 4, got {0}")]
    Event(u32),
    /// A scrape that names more than [`crate::limits::SCRAPE_HASHES_MAX`] swarms.
    #[error("expected at most {max} swarms, got {0}", max = crate::limits::SCRAPE_HASHES_MAX)]
    TooMany(usize),
    /// A list of peers that is no whole number of addresses.
    #[error("{0}")]
    Peers(#[from] super::compact::CompactError),
}

/// Reads from the front of a datagram whose length was checked.
struct Reader<'a> {
    datagram: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    const fn new(datagram: &'a [u8]) -> Self {
        Self { datagram, rest: datagram }
    }

    /// The next `N` bytes; `whole` is what the packet has at least.
    fn take<const N: usize>(&mut self, whole: usize) -> Result<[u8; N], UdpError> {
        let short = UdpError::Short { expected: whole, got: self.datagram.len() };
        let (taken, rest) = self.rest.split_first_chunk().ok_or(short)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u16(&mut self, whole: usize) -> Result<u16, UdpError> {
        self.take(whole).map(u16::from_be_bytes)
    }

    fn u32(&mut self, whole: usize) -> Result<u32, UdpError> {
        self.take(whole).map(u32::from_be_bytes)
    }

    fn u64(&mut self, whole: usize) -> Result<u64, UdpError> {
        self.take(whole).map(u64::from_be_bytes)
    }
}
