//! Addresses of peers as runs of bytes: 6 each for IPv4 (BEP 23), 18 each for IPv6 (BEP 7), everything big-endian.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of an IPv4 address with its port.
pub const V4_LENGTH: usize = 6;

/// Bytes of an IPv6 address with its port.
pub const V6_LENGTH: usize = 18;

/// Which kind of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The kind of an address; one of IPv4 mapped into IPv6 is of IPv4.
    pub const fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Bytes of an address with its port.
    pub const fn length(self) -> usize {
        match self {
            Self::V4 => V4_LENGTH,
            Self::V6 => V6_LENGTH,
        }
    }
}

/// A run of bytes that is no whole number of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected addresses of {each} bytes each, got {got} bytes")]
pub struct CompactError {
    /// [`Family::length`].
    pub each: usize,
    /// Length of the run.
    pub got: usize,
}

/// The addresses in a run of bytes, as they stand: also those that nobody can dial.
///
/// # Errors
///
/// If the run is no whole number of addresses.
pub fn decode(bytes: &[u8], family: Family) -> Result<impl Iterator<Item = SocketAddr> + '_, CompactError> {
    let each = family.length();
    if !bytes.len().is_multiple_of(each) {
        return Err(CompactError { each, got: bytes.len() });
    }
    Ok(bytes.chunks_exact(each).filter_map(decode_one))
}

/// The one address that 6 or 18 bytes stand for; `None` for another length.
pub fn decode_one(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_last_chunk::<2>()?;
    let ip = if let Ok(v4) = <[u8; 4]>::try_from(ip) {
        IpAddr::V4(Ipv4Addr::from(v4))
    } else {
        // One of IPv4 in the clothes of IPv6 is the same peer.
        IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?)).to_canonical()
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

/// Appends an address in the form of its own kind.
pub fn push(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_the_bytes_of_the_beps() {
        let mut bytes = Vec::new();
        push(&mut bytes, "10.0.0.1:128".parse().unwrap());
        assert_eq!(bytes, [10, 0, 0, 1, 0, 0x80]);
        bytes.clear();
        push(&mut bytes, "[2001:db8::1]:6881".parse().unwrap());
        assert_eq!(bytes, b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1");
        assert_eq!(decode(&bytes[..17], Family::V6).err(), Some(CompactError { each: 18, got: 17 }));
        assert_eq!(decode_one(&bytes[..17]), None);
    }

    #[test]
    fn an_ipv4_address_in_ipv6_is_one_of_ipv4() {
        let bytes = b"\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01\0\x50";
        let read: Vec<_> = decode(bytes, Family::V6).unwrap().collect();
        assert_eq!(read, ["127.0.0.1:80".parse().unwrap()]);
    }

    proptest! {
        #[test]
        fn addresses_survive(v4: Vec<(u32, u16)>, v6: Vec<(u128, u16)>) {
            let v4 = v4.into_iter().map(|(ip, port)| SocketAddr::new(Ipv4Addr::from_bits(ip).into(), port));
            let v6 = v6.into_iter().map(|(ip, port)| SocketAddr::new(Ipv6Addr::from_bits(ip).into(), port));
            let v6 = v6.filter(|address| address.ip().to_canonical() == address.ip());
            for (family, peers) in [(Family::V4, v4.collect::<Vec<_>>()), (Family::V6, v6.collect())] {
                let mut bytes = Vec::new();
                peers.iter().for_each(|peer| push(&mut bytes, *peer));
                prop_assert_eq!(decode(&bytes, family).unwrap().collect::<Vec<_>>(), peers);
            }
        }
    }
}
