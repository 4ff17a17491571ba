//! Identities: twenty bytes that mean a torrent, a peer or an offer, and small numbers that mean something of ours.

use core::fmt;
use core::str::FromStr;

use data_encoding::{BASE32_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};

/// What was wrong with a text that should have been an identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Neither 40 hexadecimal nor 32 base32 characters.
    #[error("expected 40 hexadecimal or 32 base32 characters, got {0} characters")]
    Length(usize),
    /// The right length, but a character that the alphabet does not have.
    #[error("expected hexadecimal or base32 characters only, got another at position {0}")]
    Character(usize),
}

macro_rules! twenty_bytes {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 20]);

        impl $name {
            /// The twenty bytes.
            pub const fn as_bytes(&self) -> &[u8; 20] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// Accepts 40 hexadecimal characters of either case, or 32 base32 characters (RFC 4648, either case).
            fn from_str(text: &str) -> Result<Self, IdError> {
                let decoded = match text.len() {
                    40 => HEXLOWER_PERMISSIVE.decode(text.as_bytes()),
                    32 => BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()),
                    _ => return Err(IdError::Length(text.chars().count())),
                };
                let bytes = decoded.map_err(|error| IdError::Character(error.position))?;
                bytes.try_into().map(Self).map_err(|bytes: Vec<u8>| IdError::Length(bytes.len()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

twenty_bytes! {
    /// SHA-1 of a torrent's info dictionary, exactly as its bytes stand in the metainfo (BEP 3). Names a torrent
    /// everywhere in the engine: one engine holds each info-hash at most once.
    InfoHash
}
twenty_bytes! {
    /// What a peer calls itself (BEP 20). Public, and proof of nothing.
    PeerId
}
twenty_bytes! {
    /// Correlates an offer with its answer in the WebSocket tracker protocol.
    OfferId
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number! {
    /// A connection to one remote peer, from the moment the engine asks for it. Never reused. The engine numbers those that
    /// it asks for; those that come in are numbered by the host from [`ConnId::INCOMING`].
    ConnId(u32)
}

impl ConnId {
    /// The first connection that came in; the engine's own numbers stay below.
    pub const INCOMING: Self = Self(1 << 31);
}
number! {
    /// One announce URL in use; shared by all torrents that name it. Never reused.
    TrackerId(u32)
}
number! {
    /// Correlates an effect with its result. Never reused.
    EffectId(u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_info_hash_reads_hex_and_base32_of_either_case() {
        let hash = InfoHash([0xa5; 20]);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.to_string().to_uppercase().parse(), Ok(hash));
        let base32 = BASE32_NOPAD.encode(&hash.0);
        assert_eq!(base32.parse(), Ok(hash));
        assert_eq!(base32.to_lowercase().parse(), Ok(hash));
    }

    #[test]
    fn what_is_no_info_hash_says_why() {
        assert_eq!("abc".parse::<InfoHash>(), Err(IdError::Length(3)));
        assert_eq!("zz".repeat(20).parse::<InfoHash>(), Err(IdError::Character(0)));
        assert_eq!("é".repeat(20).parse::<InfoHash>(), Err(IdError::Character(0)));
    }
}
