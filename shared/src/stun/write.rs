use core::net::{IpAddr, SocketAddr};

use super::read::masked;
use super::{COOKIE, Class, FINGERPRINT_MASK, HEADER, TransactionId, attribute, crc32};

/// Writes one message. It is whole after each attribute.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    transaction: TransactionId,
}

impl<'a> Writer<'a> {
    /// A message without attributes, instead of what `out` held.
    pub fn new(out: &'a mut Vec<u8>, class: Class, method: u16, transaction: TransactionId) -> Self {
        out.clear();
        let class = match class {
            Class::Request => 0x0000,
            Class::Indication => 0x0010,
            Class::Success => 0x0100,
            Class::Error => 0x0110,
        };
        let method = (method & 0x000F) | (method & 0x0070) << 1 | (method & 0x0F80) << 2;
        out.extend_from_slice(&(class | method).to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&COOKIE);
        out.extend_from_slice(&transaction.0);
        Self { out, transaction }
    }

    /// Appends an attribute, whose value `write` appends: less than 64 KiB with all before it.
    pub fn attribute(&mut self, kind: u16, write: impl FnOnce(&mut Vec<u8>)) {
        self.out.extend_from_slice(&kind.to_be_bytes());
        self.out.extend_from_slice(&[0, 0]);
        let start = self.out.len();
        write(self.out);
        let length = self.out.len() - start;
        self.out[start - 2..start].copy_from_slice(&(length as u16).to_be_bytes());
        self.out.resize(start + length.next_multiple_of(4), 0);
        self.set_length(0);
    }

    /// An address (RFC 8489, 14.2); one of IPv4 that is mapped into IPv6 is one of IPv4.
    pub fn address(&mut self, kind: u16, address: SocketAddr) {
        let transaction = self.transaction;
        let port = address.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
        self.attribute(kind, |value| {
            let ip = address.ip().to_canonical();
            value.extend_from_slice(&[0, if ip.is_ipv4() { 1 } else { 2 }]);
            value.extend_from_slice(&port.to_be_bytes());
            match ip {
                IpAddr::V4(v4) => value.extend_from_slice(&masked(v4.octets(), transaction)),
                IpAddr::V6(v6) => value.extend_from_slice(&masked(v6.octets(), transaction)),
            }
        });
    }

    /// A status code from 300 to 699 with its reason (RFC 8489, 14.8).
    pub fn error(&mut self, code: u16, reason: &str) {
        self.attribute(attribute::ERROR_CODE, |value| {
            value.extend_from_slice(&[0, 0, (code / 100) as u8, (code % 100) as u8]);
            value.extend_from_slice(reason.as_bytes());
        });
    }

    /// A keyed hash by whoever knows the key (HMAC-SHA1; RFC 8489, 14.5): of the message up to here.
    pub fn integrity(&mut self, sign: impl FnOnce(&[u8]) -> [u8; 20]) {
        self.set_length(24);
        let hash = sign(self.out);
        self.attribute(attribute::MESSAGE_INTEGRITY, |value| value.extend_from_slice(&hash));
    }

    /// The checksum, as the last attribute (RFC 8489, 14.7).
    pub fn fingerprint(&mut self) {
        // It covers the length that the message has with it.
        self.set_length(8);
        let crc = crc32(self.out) ^ FINGERPRINT_MASK;
        self.attribute(attribute::FINGERPRINT, |value| value.extend_from_slice(&crc.to_be_bytes()));
    }

    fn set_length(&mut self, further: usize) {
        let length = (self.out.len() - HEADER + further) as u16;
        self.out[2..4].copy_from_slice(&length.to_be_bytes());
    }
}
