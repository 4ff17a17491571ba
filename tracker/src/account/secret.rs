//! Random secrets: how they are drawn, written and recognised. None of them shows itself in a log.

use std::fmt;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use rustls::crypto::aws_lc_rs;
use sha2::{Digest as _, Sha256};

use super::AccountError;

/// Characters of a passkey.
pub(crate) const PASSKEY_LENGTH: usize = 32;

/// What a token begins with, so that none is taken for another part of a path.
const TOKEN_PREFIX: &str = "t-";

/// Characters of a token: the prefix, and 32 bytes in base64url.
pub(crate) const TOKEN_LENGTH: usize = TOKEN_PREFIX.len() + 43;

/// A part of an announce URL that stands for an account: 128 bits, as 32 digits `0-9a-f`. It is kept readable, since its
/// owner has to see it again.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Passkey(pub(crate) [u8; 16]);

/// 256 bits that are shown once and kept as a [`Digest`] only: a login's cookie, an announce token, an invitation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token([u8; 32]);

/// SHA-256 of a token. Whoever reads it, in memory or on disk, cannot use it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest(pub(crate) [u8; 32]);

impl Passkey {
    pub(crate) fn draw() -> Result<Self, AccountError> {
        random().map(Self)
    }

    /// Exactly 32 hexadecimal digits; some programs write addresses in capitals.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != PASSKEY_LENGTH {
            return None;
        }
        HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }

    /// As it stands in an announce URL.
    pub(crate) fn to_text(self) -> String {
        HEXLOWER.encode(&self.0)
    }
}

impl Token {
    pub(crate) fn draw() -> Result<Self, AccountError> {
        random().map(Self)
    }

    /// `t-` and 43 characters of base64url.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != TOKEN_LENGTH {
            return None;
        }
        let encoded = text.strip_prefix(TOKEN_PREFIX)?;
        BASE64URL_NOPAD.decode(encoded.as_bytes()).ok()?.try_into().ok().map(Self)
    }

    pub(crate) fn to_text(self) -> String {
        format!("{TOKEN_PREFIX}{}", BASE64URL_NOPAD.encode(&self.0))
    }

    pub(crate) fn digest(self) -> Digest {
        Digest(Sha256::digest(self.0).into())
    }
}

macro_rules! silent {
    ($($kind:ident),*) => {$(
        impl fmt::Debug for $kind {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(concat!(stringify!($kind), "(…)"))
            }
        }
    )*};
}
silent!(Passkey, Token, Digest);

/// Bytes of the system's generator.
pub(super) fn random<const N: usize>() -> Result<[u8; N], AccountError> {
    let mut bytes = [0; N];
    aws_lc_rs::default_provider().secure_random.fill(&mut bytes).map_err(|_| AccountError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_secret_shows_itself() {
        let (passkey, token) = (Passkey([0xab; 16]), Token([0xab; 32]));
        assert_eq!(format!("{passkey:?} {token:?} {:?}", token.digest()), "Passkey(…) Token(…) Digest(…)");
    }

    proptest! {
        #[test]
        fn secrets_are_read_as_they_are_written(key: [u8; 16], token: [u8; 32]) {
            let text = Passkey(key).to_text();
            prop_assert_eq!(text.len(), PASSKEY_LENGTH);
            prop_assert_eq!(Passkey::parse(&text), Some(Passkey(key)));
            prop_assert_eq!(Passkey::parse(&text.to_uppercase()), Some(Passkey(key)));
            let text = Token(token).to_text();
            prop_assert_eq!(text.len(), TOKEN_LENGTH);
            prop_assert_eq!(Token::parse(&text), Some(Token(token)));
        }

        #[test]
        fn any_text_is_read_as_itself_or_refused(text in "[0-9a-f]{30,34}|t-[a-zA-Z0-9_-]{41,45}|.{0,50}") {
            if let Some(passkey) = Passkey::parse(&text) {
                prop_assert_eq!(passkey.to_text(), text.to_lowercase());
            }
            if let Some(token) = Token::parse(&text) {
                prop_assert_eq!(token.to_text(), text);
            }
        }
    }
}
