use super::WireError;
use crate::id::{InfoHash, PeerId};

/// First bytes of every handshake: a length and a name (BEP 3).
const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";

/// What both sides send first (BEP 3): 68 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// Which extensions the sender speaks.
    pub reserved: Reserved,
    /// The torrent that this connection is about.
    pub info_hash: InfoHash,
    /// What the sender calls itself.
    pub peer_id: PeerId,
}

impl Handshake {
    /// Bytes on the wire.
    pub const LENGTH: usize = 68;

    /// A handshake that names the extensions that we speak.
    pub const fn new(info_hash: InfoHash, peer_id: PeerId) -> Self {
        Self { reserved: Reserved::OURS, info_hash, peer_id }
    }

    /// Appends its 68 bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(PROTOCOL);
        out.extend_from_slice(&self.reserved.0);
        out.extend_from_slice(&self.info_hash.0);
        out.extend_from_slice(&self.peer_id.0);
    }

    /// Reads 68 bytes.
    pub fn decode(bytes: &[u8; Self::LENGTH]) -> Result<Self, WireError> {
        Self::check_start(bytes)?;
        let mut handshake = Self::new(InfoHash([0; 20]), PeerId([0; 20]));
        handshake.reserved.0.copy_from_slice(&bytes[20..28]);
        handshake.info_hash.0.copy_from_slice(&bytes[28..48]);
        handshake.peer_id.0.copy_from_slice(&bytes[48..68]);
        Ok(handshake)
    }

    /// Checks as much of the protocol's name as has come, so that a stranger of another kind is sent away at its
    /// first byte.
    pub(super) fn check_start(bytes: &[u8]) -> Result<(), WireError> {
        match bytes.iter().zip(PROTOCOL).position(|(got, expected)| got != expected) {
            Some(at) => Err(WireError::Protocol { at, got: bytes[at] }),
            None => Ok(()),
        }
    }
}

/// The eight reserved bytes of a handshake, each bit an extension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved(pub [u8; 8]);

impl Reserved {
    /// The extension protocol and the fast extension.
    pub const OURS: Self = Self([0, 0, 0, 0, 0, 0x10, 0, 0x04]);

    /// The extension protocol (BEP 10).
    pub const fn extended(self) -> bool {
        self.0[5] & 0x10 != 0
    }

    /// The fast extension (BEP 6).
    pub const fn fast(self) -> bool {
        self.0[7] & 0x04 != 0
    }

    /// The DHT (BEP 5).
    pub const fn dht(self) -> bool {
        self.0[7] & 0x01 != 0
    }
}
