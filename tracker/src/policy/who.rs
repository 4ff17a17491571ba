//! Private mode: which account may announce, download and administer.
//!
//! A request makes a [`Claim`]: nothing, a credential that holds, or one that does not. [`decide`] is the only place that
//! says what follows from it.

use std::collections::BTreeSet;

/// An account's number in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AccountId(pub(crate) i64);

/// What an account may do by its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Announces and downloads.
    #[default]
    Member,
    /// Decides about accounts and torrents too, and is bound by no torrent's permission.
    Admin,
}

/// What is known of an account where it asks for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: AccountId,
    pub(crate) name: String,
    pub(crate) role: Role,
    /// May do nothing.
    pub(crate) disabled: bool,
    pub(crate) groups: BTreeSet<String>,
}

/// For whom a registered torrent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// For whoever may announce at all.
    Everyone,
    /// For these alone, and for admins.
    Only { accounts: BTreeSet<AccountId>, groups: BTreeSet<String> },
}

/// By whom a request says that it is made, once that was looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Claim<'a> {
    /// It says nothing.
    Nobody,
    /// It carries a passkey, token or login that does not hold, or no longer.
    Invalid,
    /// The tracker's own peer.
    House,
    /// An account.
    Member(&'a Member),
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask<'a> {
    /// To take part in a swarm; with the torrent's permission, if it is registered.
    Announce(Option<&'a Audience>),
    /// The numbers of swarms.
    Scrape,
    /// A published file; with the permission of its torrent, if it is registered.
    Download(Option<&'a Audience>),
    /// To decide about accounts and torrents.
    Administer,
}

/// What the operator wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Nothing without an account.
    pub(crate) require_login: bool,
    /// No swarms but those of torrents that an admin registered.
    pub(crate) registered_only: bool,
}

/// Why something is not granted. The text says what to do, [`Denied::code`] is for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error(
        "login required: this tracker is private. Log in on its page, or use the announce URL with your passkey"
    )]
    LoginRequired,
    #[error(
        "unknown passkey or ended login: copy your announce URL anew from your account's page, or log in again"
    )]
    Invalid,
    #[error("this account is disabled: ask the people who run this tracker")]
    Disabled,
    #[error("this torrent is not registered here: ask the people who run this tracker to add it")]
    NotRegistered,
    #[error("this torrent is not for your account: ask the people who run this tracker")]
    Restricted,
    #[error("only an admin may do this")]
    AdminOnly,
}

impl Denied {
    /// One word, which stays the same when the text is written better.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::LoginRequired => "login_required",
            Self::Invalid => "credential_invalid",
            Self::Disabled => "account_disabled",
            Self::NotRegistered => "torrent_not_registered",
            Self::Restricted => "torrent_restricted",
            Self::AdminOnly => "admin_only",
        }
    }

    /// Whether logging in may help.
    pub(crate) const fn wants_login(self) -> bool {
        matches!(self, Self::LoginRequired | Self::Invalid)
    }
}

/// Whether `claim` is granted what it asks for.
///
/// # Errors
///
/// [`Denied`], the first reason of: who asks, what for, which torrent.
pub(crate) fn decide(rules: Rules, claim: Claim<'_>, ask: Ask<'_>) -> Result<(), Denied> {
    let member = match claim {
        Claim::House => return Ok(()),
        Claim::Invalid => return Err(Denied::Invalid),
        Claim::Nobody if rules.require_login => return Err(Denied::LoginRequired),
        Claim::Nobody => None,
        Claim::Member(member) if member.disabled => return Err(Denied::Disabled),
        Claim::Member(member) => Some(member),
    };
    if member.is_some_and(|member| member.role == Role::Admin) {
        return match ask {
            Ask::Announce(None) if rules.registered_only => Err(Denied::NotRegistered),
            _ => Ok(()),
        };
    }
    match ask {
        Ask::Administer if member.is_none() => Err(Denied::LoginRequired),
        Ask::Administer => Err(Denied::AdminOnly),
        Ask::Announce(None) if rules.registered_only => Err(Denied::NotRegistered),
        Ask::Announce(Some(audience)) | Ask::Download(Some(audience)) => included(audience, member),
        // What the operator publishes needs no further registration.
        Ask::Announce(None) | Ask::Download(None) | Ask::Scrape => Ok(()),
    }
}

fn included(audience: &Audience, member: Option<&Member>) -> Result<(), Denied> {
    let Audience::Only { accounts, groups } = audience else { return Ok(()) };
    let Some(member) = member else { return Err(Denied::LoginRequired) };
    if accounts.contains(&member.id) || !groups.is_disjoint(&member.groups) {
        Ok(())
    } else {
        Err(Denied::Restricted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Rules = Rules { require_login: false, registered_only: false };
    const PRIVATE: Rules = Rules { require_login: true, registered_only: false };
    const REGISTERED: Rules = Rules { require_login: true, registered_only: true };

    fn member(id: i64, role: Role, groups: &[&str]) -> Member {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        Member { id: AccountId(id), name: format!("m{id}"), role, disabled: false, groups }
    }

    fn only(accounts: &[i64], groups: &[&str]) -> Audience {
        Audience::Only {
            accounts: accounts.iter().copied().map(AccountId).collect(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        }
    }

    #[test]
    fn without_private_mode_everybody_may_do_everything_but_administer() {
        for ask in [Ask::Announce(None), Ask::Scrape, Ask::Download(None)] {
            assert_eq!(decide(OPEN, Claim::Nobody, ask), Ok(()));
        }
        assert_eq!(decide(OPEN, Claim::Nobody, Ask::Administer), Err(Denied::LoginRequired));
        // A wrong passkey is told, not ignored: its owner would believe that it counts.
        assert_eq!(decide(OPEN, Claim::Invalid, Ask::Announce(None)), Err(Denied::Invalid));
    }

    #[test]
    fn private_mode_refuses_everything_without_an_account() {
        let everyone = Audience::Everyone;
        for ask in [
            Ask::Announce(None),
            Ask::Announce(Some(&everyone)),
            Ask::Scrape,
            Ask::Download(None),
            Ask::Download(Some(&everyone)),
            Ask::Administer,
        ] {
            assert_eq!(decide(PRIVATE, Claim::Nobody, ask), Err(Denied::LoginRequired), "{ask:?}");
            assert_eq!(decide(PRIVATE, Claim::Invalid, ask), Err(Denied::Invalid), "{ask:?}");
            let disabled = Member { disabled: true, ..member(1, Role::Admin, &[]) };
            assert_eq!(decide(PRIVATE, Claim::Member(&disabled), ask), Err(Denied::Disabled), "{ask:?}");
            assert_eq!(decide(PRIVATE, Claim::House, ask), Ok(()), "{ask:?}");
            let admin = member(1, Role::Admin, &[]);
            assert_eq!(decide(PRIVATE, Claim::Member(&admin), ask), Ok(()), "{ask:?}");
        }
        let member = member(1, Role::Member, &[]);
        assert_eq!(decide(PRIVATE, Claim::Member(&member), Ask::Announce(None)), Ok(()));
        assert_eq!(decide(PRIVATE, Claim::Member(&member), Ask::Administer), Err(Denied::AdminOnly));
    }

    #[test]
    fn a_restricted_torrent_is_for_those_it_names() {
        for rules in [OPEN, PRIVATE, REGISTERED] {
            let may = |member: &Member, audience: &Audience| {
                let announces = decide(rules, Claim::Member(member), Ask::Announce(Some(audience)));
                assert_eq!(announces, decide(rules, Claim::Member(member), Ask::Download(Some(audience))));
                announces
            };
            let (one, two) = (member(1, Role::Member, &["film", "art"]), member(2, Role::Member, &["chess"]));
            assert_eq!(may(&one, &only(&[1], &[])), Ok(()));
            assert_eq!(may(&two, &only(&[1], &[])), Err(Denied::Restricted));
            assert_eq!(may(&two, &only(&[1], &["chess"])), Ok(()));
            assert_eq!(may(&one, &only(&[], &[])), Err(Denied::Restricted));
            assert_eq!(may(&member(3, Role::Admin, &[]), &only(&[], &[])), Ok(()));
            let nobody = decide(rules, Claim::Nobody, Ask::Announce(Some(&only(&[1], &[]))));
            assert_eq!(nobody, Err(Denied::LoginRequired));
        }
    }

    #[test]
    fn with_registered_torrents_only_even_an_admin_registers_first() {
        for role in [Role::Member, Role::Admin] {
            let member = member(1, role, &[]);
            let may = |ask| decide(REGISTERED, Claim::Member(&member), ask);
            assert_eq!(may(Ask::Announce(None)), Err(Denied::NotRegistered));
            assert_eq!(may(Ask::Announce(Some(&Audience::Everyone))), Ok(()));
            assert_eq!(may(Ask::Download(None)), Ok(()));
        }
    }
}
