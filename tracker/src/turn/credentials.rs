//! Names and passwords that are good for some hours, without memory of who has one ("TURN REST API",
//! draft-uberti-behave-turn-rest): the name says until when, and the password is a keyed hash of it.

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use md5::{Digest as _, Md5};
use shared::stun::Message;

/// What the name and password are for.
pub(super) const REALM: &str = "piecemeal";

/// Longest name that is looked at; ours are half as long.
const NAME_MAX: usize = 64;

/// Makes and checks them with a secret of this run.
#[derive(Debug)]
pub(crate) struct Credentials {
    secret: hmac::Key,
}

/// What the page gives to `RTCPeerConnection`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) username: String,
    pub(crate) password: String,
}

impl Credentials {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self { secret: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret) }
    }

    /// One that is good until then, in seconds since 1970. `number` tells those of the same second apart.
    pub(crate) fn issue(&self, until: u64, number: u64) -> Credential {
        let username = format!("{until}:{number:016x}");
        let password = self.password(&username);
        Credential { username, password }
    }

    fn password(&self, username: &str) -> String {
        BASE64.encode(hmac::sign(&self.secret, username.as_bytes()).as_ref())
    }

    /// The key of a name (RFC 8489, 9.2.2), if it is good at `now`.
    pub(super) fn key(&self, now: u64, username: &str) -> Option<Key> {
        let (until, _) = username.split_once(':').filter(|_| username.len() <= NAME_MAX)?;
        if until.parse::<u64>().ok()? < now {
            return None;
        }
        let mut hash = Md5::new();
        for part in [username, ":", REALM, ":", &self.password(username)] {
            hash.update(part.as_bytes());
        }
        Some(Key(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &hash.finalize())))
    }
}

/// Signs and checks messages of one name.
#[derive(Clone, Debug)]
pub(super) struct Key(hmac::Key);

impl Key {
    pub(super) fn sign(&self, covered: &[u8]) -> [u8; 20] {
        let mut hash = [0; 20];
        hash.copy_from_slice(hmac::sign(&self.0, covered).as_ref());
        hash
    }

    /// Whether a message was signed with it. Takes as long whatever is wrong.
    pub(super) fn signed(&self, message: &Message<'_>) -> bool {
        message.integrity().is_some_and(|(covered, hash)| hmac::verify(&self.0, &covered, &hash).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_good_until_its_name_says() {
        let credentials = Credentials::new(b"secret");
        let Credential { username, password } = credentials.issue(1_000, 7);
        assert_eq!(username, "1000:0000000000000007");
        // As any other implementation: base64 of HMAC-SHA1.
        assert_eq!(BASE64.decode(password.as_bytes()).unwrap().len(), 20);
        assert_ne!(Credentials::new(b"other").issue(1_000, 7).password, password);
        assert!(credentials.key(1_000, &username).is_some());
        assert!(credentials.key(1_001, &username).is_none());
        for wrong in ["", "1000", "x:1", "-1:1", &format!("1000:{}", "0".repeat(100))] {
            assert!(credentials.key(0, wrong).is_none(), "{wrong}");
        }
    }
}
