//! Announce tokens: what a page shows when it opens its WebSocket, since a cookie must not count there.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::AccountError;
use super::book::Credential;
use super::secret::{Digest, Token};

/// How long a token may wait to be used.
pub(crate) const TOKEN_LIFETIME: Duration = Duration::from_secs(60);

/// Tokens that wait at once, of all logins.
const WAITING_MAX: usize = 10_000;

/// Tokens of one login that wait at once: a page has one WebSocket, and opens it again at most every few seconds.
const OF_LOGIN_MAX: usize = 32;

/// Tokens that wait, each with its login and the end of its time.
#[derive(Debug, Default)]
pub(super) struct Tokens(HashMap<Digest, (Digest, Instant)>);

impl Tokens {
    /// A token for this login.
    ///
    /// # Errors
    ///
    /// [`AccountError::TooMany`] if too many wait.
    pub(super) fn give(&mut self, login: Digest) -> Result<Token, AccountError> {
        let now = Instant::now();
        self.0.retain(|_, (_, expires)| *expires > now);
        let of_login = self.0.values().filter(|(other, _)| *other == login).count();
        if self.0.len() >= WAITING_MAX || of_login >= OF_LOGIN_MAX {
            return Err(AccountError::TooMany);
        }
        let token = Token::draw()?;
        self.0.insert(token.digest(), (login, now + TOKEN_LIFETIME));
        Ok(token)
    }

    /// Uses a token up; what it stands for from here on. One that does not hold stays what it is: no claim.
    pub(super) fn redeem(&mut self, token: Digest) -> Credential {
        match self.0.remove(&token) {
            Some((login, expires)) if expires > Instant::now() => Credential::Login(login),
            _ => Credential::Token(token),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_once() {
        let mut tokens = Tokens::default();
        let login = Digest([1; 32]);
        let token = tokens.give(login).unwrap().digest();
        assert_eq!(tokens.redeem(token), Credential::Login(login));
        assert_eq!(tokens.redeem(token), Credential::Token(token));
        let late = tokens.give(login).unwrap().digest();
        tokens.0.get_mut(&late).unwrap().1 = Instant::now();
        assert_eq!(tokens.redeem(late), Credential::Token(late));
    }

    #[test]
    fn one_login_has_few_that_wait() {
        let mut tokens = Tokens::default();
        for _ in 0..OF_LOGIN_MAX {
            tokens.give(Digest([1; 32])).unwrap();
        }
        assert!(matches!(tokens.give(Digest([1; 32])), Err(AccountError::TooMany)));
        assert!(tokens.give(Digest([2; 32])).is_ok());
    }
}
