//! What can go wrong with accounts.

use http::StatusCode;

use super::attempts::Locked;
use super::name::NameError;
use super::store::StoreError;
use crate::policy::who::Denied;

/// Why something about accounts was not done. The text is for people, [`AccountError::code`] for programs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("{0}")]
    Name(#[from] NameError),
    #[error("wrong name or password")]
    Wrong,
    #[error("too many attempts: try again in {} s", .0.seconds)]
    Locked(Locked),
    #[error("somebody has this name already: choose another")]
    Taken,
    #[error("this tracker takes no new accounts: ask the people who run it for one")]
    RegistrationClosed,
    #[error("this invitation does not hold: it was used, has expired, or was copied incompletely")]
    Invitation,
    #[error("there is no such account")]
    Unknown,
    #[error("this is the last admin: make somebody else an admin first")]
    LastAdmin,
    #[error("there are too many of them: wait until some expire")]
    TooMany,
    #[error("too many people log in at this moment: try again in a few seconds")]
    Busy,
    #[error("the system gives no random numbers")]
    Random,
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl AccountError {
    /// One word, which stays the same when the text is written better.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Denied(denied) => denied.code(),
            Self::Name(NameError::Name | NameError::Group) => "name_invalid",
            Self::Name(_) => "password_invalid",
            Self::Wrong => "wrong_credentials",
            Self::Locked(_) => "locked",
            Self::Taken => "name_taken",
            Self::RegistrationClosed => "registration_closed",
            Self::Invitation => "invitation_invalid",
            Self::Unknown => "account_unknown",
            Self::LastAdmin => "last_admin",
            Self::TooMany => "too_many",
            Self::Busy => "busy",
            Self::Random | Self::Hash(_) | Self::Store(_) => "internal",
        }
    }

    /// The status of a response that says so.
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Denied(denied) if denied.wants_login() => StatusCode::UNAUTHORIZED,
            Self::Wrong => StatusCode::UNAUTHORIZED,
            Self::Denied(_) | Self::RegistrationClosed | Self::Invitation => StatusCode::FORBIDDEN,
            Self::Name(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Locked(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Taken | Self::LastAdmin => StatusCode::CONFLICT,
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::TooMany | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Random | Self::Hash(_) | Self::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Seconds after which to try again, if that helps.
    pub(crate) const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Locked(locked) => Some(locked.seconds),
            Self::Busy => Some(5),
            _ => None,
        }
    }
}
