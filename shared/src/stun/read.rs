use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{COOKIE, Class, FINGERPRINT_MASK, HEADER, TransactionId, attribute, crc32};

/// Why bytes are no STUN message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StunError {
    /// Shorter than a header.
    #[error("expected {HEADER} bytes at least, got {0}")]
    Short(usize),
    /// The first two bits, or the cookie, are another protocol's.
    #[error("expected two zero bits and the magic cookie")]
    Foreign,
    /// The header's length is not that of what follows, or no multiple of four.
    #[error("expected {said} bytes after the header in steps of four, got {came}")]
    Length {
        /// What the header says.
        said: usize,
        /// What is there.
        came: usize,
    },
    /// An attribute is longer than the message.
    #[error("expected {said} bytes of attribute {kind:#06x}, got {left}")]
    Attribute {
        /// Which.
        kind: u16,
        /// What it says.
        said: usize,
        /// What is there.
        left: usize,
    },
    /// The checksum is not at the end, or not of this message.
    #[error("expected the fingerprint of this message as its last attribute")]
    Fingerprint,
}

/// A message whose attributes are whole and whose checksum, if it has one, is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is for.
    pub class: Class,
    /// What is asked for, 12 bits.
    pub method: u16,
    /// Ties a response to its request.
    pub transaction: TransactionId,
    bytes: &'a [u8],
    fingerprint: bool,
}

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// What it says.
    pub kind: u16,
    /// Without what fills it up to a multiple of four.
    pub value: &'a [u8],
    /// Where it begins in the message.
    pub at: usize,
}

/// The attributes of a message, in order.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Message<'a> {
    /// Reads a datagram, all of it.
    ///
    /// # Errors
    ///
    /// [`StunError`], for anything that is not one whole message.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, StunError> {
        let Some(header) = bytes.first_chunk::<HEADER>() else { return Err(StunError::Short(bytes.len())) };
        let kind = u16::from_be_bytes([header[0], header[1]]);
        if kind & 0xC000 != 0 || header[4..8] != COOKIE {
            return Err(StunError::Foreign);
        }
        let (said, came) = (usize::from(u16::from_be_bytes([header[2], header[3]])), bytes.len() - HEADER);
        if said != came || !said.is_multiple_of(4) {
            return Err(StunError::Length { said, came });
        }
        let class = match (kind >> 7 & 2) | (kind >> 4 & 1) {
            0 => Class::Request,
            1 => Class::Indication,
            2 => Class::Success,
            _ => Class::Error,
        };
        let method = (kind & 0x000F) | (kind >> 1 & 0x0070) | (kind >> 2 & 0x0F80);
        let mut transaction = [0; 12];
        transaction.copy_from_slice(&header[8..]);
        let mut message =
            Self { class, method, transaction: TransactionId(transaction), bytes, fingerprint: false };
        message.fingerprint = message.check()?;
        Ok(message)
    }

    /// Walks over all attributes; whether the last is a checksum, which is right.
    fn check(&self) -> Result<bool, StunError> {
        let mut attributes = self.attributes();
        while let Some(attribute) = attributes.step()? {
            if attribute.kind == attribute::FINGERPRINT {
                let expected = crc32(&self.bytes[..attribute.at]) ^ FINGERPRINT_MASK;
                let is_last = attributes.at == self.bytes.len();
                if !is_last || attribute.value != expected.to_be_bytes() {
                    return Err(StunError::Fingerprint);
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether it ends with a checksum; then a response has one too.
    pub const fn has_fingerprint(&self) -> bool {
        self.fingerprint
    }

    /// All attributes.
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes { bytes: self.bytes, at: HEADER }
    }

    /// The first attribute of a kind.
    pub fn attribute(&self, kind: u16) -> Option<Attribute<'a>> {
        self.attributes().find(|attribute| attribute.kind == kind)
    }

    /// The address in the first attribute of a kind.
    pub fn address(&self, kind: u16) -> Option<SocketAddr> {
        self.address_in(&self.attribute(kind)?)
    }

    /// What [`super::Writer::integrity`] was given, and what it made of that.
    pub fn integrity(&self) -> Option<(Vec<u8>, [u8; 20])> {
        let attribute = self.attribute(attribute::MESSAGE_INTEGRITY)?;
        let mut covered = self.bytes[..attribute.at].to_vec();
        // The length is that of a message which ends with this attribute, whatever follows.
        let length = (attribute.at + 24 - HEADER) as u16;
        covered[2..4].copy_from_slice(&length.to_be_bytes());
        Some((covered, *attribute.value.first_chunk().filter(|_| attribute.value.len() == 20)?))
    }

    /// The address in one of its attributes (RFC 8489, 14.2).
    pub fn address_in(&self, attribute: &Attribute<'_>) -> Option<SocketAddr> {
        let value = attribute.value;
        let (family, port) = (*value.get(1)?, u16::from_be_bytes(*value.get(2..)?.first_chunk()?));
        let port = port ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
        let ip = match (family, value.len()) {
            (1, 8) => IpAddr::V4(Ipv4Addr::from(masked(*value[4..].first_chunk()?, self.transaction))),
            (2, 20) => IpAddr::V6(Ipv6Addr::from(masked(*value[4..].first_chunk()?, self.transaction))),
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }
}

/// An address combined with cookie and transaction; twice is as if not done.
pub(super) fn masked<const N: usize>(mut address: [u8; N], transaction: TransactionId) -> [u8; N] {
    let mask = COOKIE.iter().chain(&transaction.0);
    address.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    address
}

impl<'a> Attributes<'a> {
    fn step(&mut self) -> Result<Option<Attribute<'a>>, StunError> {
        let at = self.at;
        // The length is a multiple of four: there is a whole head or nothing.
        let Some(head) = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()) else {
            return Ok(None);
        };
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let said = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let left = self.bytes.len() - at - 4;
        if said.next_multiple_of(4) > left {
            return Err(StunError::Attribute { kind, said, left });
        }
        self.at = at + 4 + said.next_multiple_of(4);
        Ok(Some(Attribute { kind, value: &self.bytes[at + 4..at + 4 + said], at }))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().ok().flatten()
    }
}
