//! What is in the database, in memory: requests are judged by it, so that an announce never waits for a disk.

use std::collections::HashMap;

use shared::id::InfoHash;

use super::secret::{Digest, Passkey};
use crate::policy::who::{AccountId, Audience, Claim, Member};

/// What a request carries to show for whom it is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Credential {
    /// Nothing.
    #[default]
    None,
    /// A passkey.
    Passkey(Passkey),
    /// A login: the cookie's, or the one for which an announce token was given out.
    Login(Digest),
    /// An announce token that was not redeemed: good for nothing but a WebSocket, once.
    Token(Digest),
}

/// A torrent that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Permission {
    /// For the admins who look at it.
    pub(crate) title: String,
    pub(crate) audience: Audience,
}

/// A login that holds until it expires.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Login {
    pub(crate) account: AccountId,
    /// Seconds since 1970.
    pub(crate) expires: i64,
}

/// The database in memory.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) members: HashMap<AccountId, Member>,
    pub(crate) passkeys: HashMap<Passkey, AccountId>,
    pub(crate) logins: HashMap<Digest, Login>,
    pub(crate) permissions: HashMap<InfoHash, Permission>,
    /// Whether any of these is for some accounts only.
    pub(crate) has_restricted: bool,
}

impl Book {
    /// For whom a credential stands at this time, in seconds since 1970. `house` is the own peer's passkey.
    pub(crate) fn claim(&self, credential: Credential, house: Passkey, now: i64) -> Claim<'_> {
        let account = match credential {
            Credential::None => return Claim::Nobody,
            Credential::Passkey(passkey) if passkey == house => return Claim::House,
            Credential::Passkey(passkey) => self.passkeys.get(&passkey).copied(),
            Credential::Login(digest) => {
                self.logins.get(&digest).filter(|login| login.expires > now).map(|login| login.account)
            }
            Credential::Token(_) => None,
        };
        account.and_then(|account| self.members.get(&account)).map_or(Claim::Invalid, Claim::Member)
    }

    /// For whom a torrent is, if it is registered.
    pub(crate) fn audience(&self, info_hash: &InfoHash) -> Option<&Audience> {
        self.permissions.get(info_hash).map(|permission| &permission.audience)
    }

    /// The passkey of an account.
    pub(crate) fn passkey(&self, account: AccountId) -> Option<Passkey> {
        self.passkeys.iter().find(|(_, owner)| **owner == account).map(|(passkey, _)| *passkey)
    }
}
