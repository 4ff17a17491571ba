//! Hashing of passwords: Argon2id (RFC 9106), away from the threads that serve, and never too many at once.

use std::sync::{Arc, LazyLock};

use argon2::password_hash::PasswordVerifier as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::AccountError;
use super::secret::random;

/// Hashes at once. Each holds 19 MiB and a core for tens of milliseconds.
const AT_ONCE: usize = 2;

/// Hashes that are under way or wait. Beyond, whoever asks is told to come back: the wait would be seconds.
const WAITING_MAX: usize = 32;

/// KiB of memory, passes and lanes: the first choice of OWASP's password storage cheat sheet.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// What the password of a name that nobody has is compared with, so that it takes as long as any other.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash_now("nobody's", [7; 16]).unwrap_or_default());

/// Who may hash next.
#[derive(Debug)]
pub(super) struct Hashing {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Default for Hashing {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), places: Arc::new(Semaphore::new(WAITING_MAX)) }
    }
}

impl Hashing {
    /// Waits for a turn. [`AccountError::Busy`] if too many do already.
    pub(super) async fn turn(&self) -> Result<Turn, AccountError> {
        let place = self.places.clone().try_acquire_owned().map_err(|error| match error {
            TryAcquireError::NoPermits | TryAcquireError::Closed => AccountError::Busy,
        })?;
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| AccountError::Busy)?;
        Ok(Turn { _place: place, _turn: turn })
    }
}

/// The right to hash once.
#[derive(Debug)]
pub(super) struct Turn {
    _place: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

/// The hash of a password, as a PHC string with a salt of its own. Blocks for tens of milliseconds.
///
/// # Errors
///
/// [`AccountError::Random`].
pub(super) fn hash(password: &str) -> Result<String, AccountError> {
    hash_now(password, random()?)
}

fn hash_now(password: &str, salt: [u8; 16]) -> Result<String, AccountError> {
    let (memory, passes, lanes) = COST;
    let failed = |error: &dyn std::fmt::Display| AccountError::Hash(error.to_string());
    let params = Params::new(memory, passes, lanes, None).map_err(|error| failed(&error))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let password = super::name::normalised(password);
    let hash = argon2.hash_password_with_salt(password.as_bytes(), &salt).map_err(|error| failed(&error))?;
    Ok(hash.to_string())
}

/// Whether this is the password of that hash; with no hash it takes as long, and is not. Blocks.
pub(super) fn verify(password: &str, hash: Option<&str>) -> bool {
    let password = super::name::normalised(password);
    let against = |hash: &str| {
        let parsed = PasswordHash::new(hash).ok();
        parsed.is_some_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    };
    match hash {
        Some(hash) => against(hash),
        None => {
            let _ = against(&NOBODY);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_its_own_hash_only() {
        let (one, two) = (hash("correct horse").unwrap(), hash("correct horse").unwrap());
        assert_ne!(one, two, "each has a salt of its own");
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert!(verify("correct horse", Some(&one)) && verify("correct horse", Some(&two)));
        assert!(!verify("correct horsE", Some(&one)));
        assert!(!verify("nobody's", None) && !verify("x", Some("")) && !verify("x", Some("$argon2id$")));
        assert!(PasswordHash::new(&NOBODY).is_ok(), "an unknown name costs a real comparison");
    }

    #[tokio::test]
    async fn too_many_at_once_are_told_to_come_back() {
        let hashing = Arc::new(Hashing::default());
        let held: Vec<_> = [hashing.turn().await.unwrap(), hashing.turn().await.unwrap()].into();
        let waiting: Vec<_> = (held.len()..WAITING_MAX)
            .map(|_| {
                let hashing = hashing.clone();
                tokio::spawn(async move { hashing.turn().await.is_ok() })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(matches!(hashing.turn().await, Err(AccountError::Busy)));
        drop(held);
        for waiting in waiting {
            assert!(waiting.await.unwrap());
        }
        assert!(hashing.turn().await.is_ok());
    }
}
