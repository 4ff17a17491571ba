//! Logging in and out, registering, and what an account changes of itself and an admin of all.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use shared::id::InfoHash;
use shared::time::Instant;

use super::book::Permission;
use super::secret::{Digest, Passkey, Token};
use super::store::{Change, Listed, Store};
use super::tokens::TOKEN_LIFETIME;
use super::{AccountError, Accounts, Credential, Inner, Registration, name, password, unix_now};
use crate::policy::who::{AccountId, Audience, Claim, Denied, Member, Role};

/// How long a login holds, in seconds.
pub(crate) const LOGIN_SECONDS: i64 = 30 * 24 * 60 * 60;

/// How long an invitation holds, in seconds.
const INVITATION_SECONDS: i64 = 7 * 24 * 60 * 60;

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub(crate) struct Me {
    pub(crate) member: Member,
    pub(crate) passkey: Passkey,
    login: Digest,
}

impl Accounts {
    fn inner(&self) -> Result<&Arc<Inner>, AccountError> {
        self.0.as_ref().ok_or(AccountError::Unknown)
    }

    /// Who is logged in with this cookie.
    ///
    /// # Errors
    ///
    /// [`Denied`].
    pub(crate) fn me(&self, cookie: Option<Token>) -> Result<Me, AccountError> {
        let inner = self.inner()?;
        let login = cookie.ok_or(Denied::LoginRequired)?.digest();
        let book = inner.book.read();
        match book.claim(Credential::Login(login), inner.house, unix_now()) {
            Claim::Member(member) if member.disabled => Err(Denied::Disabled.into()),
            Claim::Member(member) => {
                let passkey = book.passkey(member.id).ok_or(AccountError::Unknown)?;
                Ok(Me { member: member.clone(), passkey, login })
            }
            _ => Err(Denied::LoginRequired.into()),
        }
    }

    /// An admin who is logged in with this cookie.
    ///
    /// # Errors
    ///
    /// [`Denied`].
    pub(crate) fn admin(&self, cookie: Option<Token>) -> Result<Me, AccountError> {
        let me = self.me(cookie)?;
        self.may(Credential::Login(me.login), super::Wish::Administer)?;
        Ok(me)
    }

    /// A login for whoever knows the password; the token of its cookie. An unknown name is answered as a wrong password
    /// is, and takes as long.
    pub(crate) async fn log_in(
        &self,
        now: Instant,
        ip: IpAddr,
        name: &str,
        given: String,
    ) -> Result<Token, AccountError> {
        // What is no name is the name of nobody.
        let name = name::account(name).unwrap_or_default();
        let account = self.authenticate(now, ip, name, given).await?;
        let is_disabled = self.inner()?.book.read().members.get(&account).is_none_or(|it| it.disabled);
        if is_disabled {
            return Err(Denied::Disabled.into());
        }
        self.enter(account).await
    }

    async fn authenticate(
        &self,
        now: Instant,
        ip: IpAddr,
        name: String,
        given: String,
    ) -> Result<AccountId, AccountError> {
        let inner = self.inner()?.clone();
        inner.guesses.lock().begin(now, ip, &name).map_err(AccountError::Locked)?;
        let turn = inner.hashing.turn().await.inspect_err(|_| inner.guesses.lock().undone(ip, &name))?;
        let (looker, wanted) = (inner.clone(), name.clone());
        let verified = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let known = looker.store.lock().password(&wanted)?;
            let hash = known.as_ref().map(|(_, hash)| hash.as_str());
            let is_right = given.len() <= name::PASSWORD_MAX && password::verify(&given, hash);
            Ok::<_, AccountError>(known.filter(|_| is_right).map(|(account, _)| account))
        });
        let account = verified.await.map_err(|error| AccountError::Hash(error.to_string()))??;
        let account = account.ok_or(AccountError::Wrong)?;
        inner.guesses.lock().succeeded(ip, &name);
        Ok(account)
    }

    async fn enter(&self, account: AccountId) -> Result<Token, AccountError> {
        let token = Token::draw()?;
        let now = unix_now();
        let enter =
            move |store: &mut Store| Ok(store.log_in(now, now + LOGIN_SECONDS, account, token.digest())?);
        self.write(enter).await?;
        Ok(token)
    }

    async fn hashed(&self, password: String) -> Result<String, AccountError> {
        let turn = self.inner()?.hashing.turn().await?;
        let hashed = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            password::hash(&password)
        });
        hashed.await.map_err(|error| AccountError::Hash(error.to_string()))?
    }

    /// Makes an account for whoever may have one, and logs it in. `invitation` is a code of an admin's, or the one that
    /// makes the first account.
    pub(crate) async fn register(
        &self,
        now: Instant,
        ip: IpAddr,
        name: &str,
        chosen: String,
        invitation: Option<&str>,
    ) -> Result<Token, AccountError> {
        let inner = self.inner()?.clone();
        let name = name::account(name)?;
        name::check_password(&name, &chosen)?;
        inner.registrations.lock().begin(now, ip, &name).map_err(AccountError::Locked)?;
        let invitation = invitation.filter(|text| !text.is_empty());
        let digest = match invitation {
            Some(text) => Some(Token::parse(text.trim()).ok_or(AccountError::Invitation)?.digest()),
            None => None,
        };
        let role = self.invited(digest).await?;
        let hash = self.hashed(chosen).await?;
        let owner = name.clone();
        let account = self
            .write(move |store| {
                let account = store.add(unix_now(), &owner, &hash, role)?;
                if let Some(digest) = digest {
                    store.redeem(unix_now(), digest)?;
                }
                Ok(account)
            })
            .await?;
        if digest.is_some() {
            // Whoever was invited is no flood: a class registers from one address.
            inner.registrations.lock().undone(ip, &name);
        }
        self.enter(account).await
    }

    /// The role of a new account, if one may be made.
    async fn invited(&self, digest: Option<Digest>) -> Result<Role, AccountError> {
        let inner = self.inner()?.clone();
        let is_first = inner.book.read().members.is_empty();
        let Some(digest) = digest else {
            // The first account is an admin's, and must not fall to whoever comes by.
            return match inner.registration {
                Registration::Open if !is_first => Ok(Role::Member),
                Registration::Open | Registration::Invite => Err(AccountError::Invitation),
                Registration::Closed => Err(AccountError::RegistrationClosed),
            };
        };
        if is_first && inner.setup.is_some_and(|setup| setup.digest() == digest) {
            return Ok(Role::Admin);
        }
        if inner.registration == Registration::Closed {
            return Err(AccountError::RegistrationClosed);
        }
        let looked = tokio::task::spawn_blocking(move || inner.store.lock().invited(unix_now(), digest));
        let role = looked.await.map_err(|error| AccountError::Hash(error.to_string()))??;
        role.ok_or(AccountError::Invitation)
    }

    /// Ends the login.
    pub(crate) async fn log_out(&self, me: &Me) -> Result<(), AccountError> {
        let login = me.login;
        self.write(move |store| Ok(store.log_out(login)?)).await
    }

    /// Another password. All logins end; the token of a new one.
    pub(crate) async fn change_password(
        &self,
        now: Instant,
        ip: IpAddr,
        me: &Me,
        (current, chosen): (String, String),
    ) -> Result<Token, AccountError> {
        name::check_password(&me.member.name, &chosen)?;
        let account = self.authenticate(now, ip, me.member.name.clone(), current).await?;
        let hash = self.hashed(chosen).await?;
        self.write(move |store| Ok(store.set_password(account, &hash)?)).await?;
        self.enter(account).await
    }

    /// Another passkey; the old one holds no longer.
    pub(crate) async fn renew_passkey(&self, me: &Me) -> Result<Passkey, AccountError> {
        let account = me.member.id;
        self.write(move |store| store.renew_passkey(account)).await
    }

    /// A token with which a page opens its WebSocket, and for how many seconds it waits.
    pub(crate) fn token(&self, me: &Me) -> Result<(Token, u64), AccountError> {
        let token = self.inner()?.tokens.lock().give(me.login)?;
        Ok((token, TOKEN_LIFETIME.as_secs()))
    }

    /// All accounts, for an admin.
    pub(crate) async fn list(&self) -> Result<Vec<Listed>, AccountError> {
        let inner = self.inner()?.clone();
        let listed = tokio::task::spawn_blocking(move || inner.store.lock().list());
        Ok(listed.await.map_err(|error| AccountError::Hash(error.to_string()))??)
    }

    /// Makes an account, for an admin.
    pub(crate) async fn add(&self, name: &str, chosen: String, role: Role) -> Result<(), AccountError> {
        let name = name::account(name)?;
        name::check_password(&name, &chosen)?;
        let hash = self.hashed(chosen).await?;
        self.write(move |store| store.add(unix_now(), &name, &hash, role).map(drop)).await
    }

    /// Changes an account, for an admin.
    pub(crate) async fn change(&self, account: AccountId, mut change: Change) -> Result<(), AccountError> {
        if let Some(groups) = &mut change.groups {
            *groups = groups.iter().map(|group| name::group(group)).collect::<Result<_, _>>()?;
        }
        self.write(move |store| store.change(account, &change)).await
    }

    /// Another password, for an admin. All logins of the account end.
    pub(crate) async fn reset_password(
        &self,
        account: AccountId,
        chosen: String,
    ) -> Result<(), AccountError> {
        let name = self.inner()?.book.read().members.get(&account).map(|member| member.name.clone());
        name::check_password(&name.ok_or(AccountError::Unknown)?, &chosen)?;
        let hash = self.hashed(chosen).await?;
        self.write(move |store| Ok(store.set_password(account, &hash)?)).await
    }

    /// An invitation, for an admin; and the seconds for which it holds.
    pub(crate) async fn invite(&self, role: Role) -> Result<(Token, i64), AccountError> {
        let token = Token::draw()?;
        let now = unix_now();
        let expires = now + INVITATION_SECONDS;
        self.write(move |store| store.invite(now, expires, role, token.digest())).await?;
        Ok((token, INVITATION_SECONDS))
    }

    /// All registered torrents, with the names of the accounts that each is for.
    pub(crate) fn permissions(&self) -> Result<Vec<(InfoHash, Permission, Vec<String>)>, AccountError> {
        let book = self.inner()?.book.read();
        let named = |permission: &Permission| match &permission.audience {
            Audience::Everyone => Vec::new(),
            Audience::Only { accounts, .. } => {
                accounts.iter().filter_map(|id| Some(book.members.get(id)?.name.clone())).collect()
            }
        };
        let list = book.permissions.iter();
        let mut list: Vec<_> = list.map(|(hash, it)| (*hash, it.clone(), named(it))).collect();
        list.sort_by(|a, b| (&a.1.title, a.0.0).cmp(&(&b.1.title, b.0.0)));
        Ok(list)
    }

    /// Registers a torrent for everybody, or for these accounts and groups.
    pub(crate) async fn permit(
        &self,
        info_hash: InfoHash,
        title: String,
        only: Option<(Vec<String>, Vec<String>)>,
    ) -> Result<(), AccountError> {
        let audience = match only {
            None => Audience::Everyone,
            Some((accounts, groups)) => {
                let book = self.inner()?.book.read();
                let find = |name: &String| {
                    let name = name::account(name)?;
                    let found = book.members.values().find(|member| member.name == name);
                    found.map(|member| member.id).ok_or(AccountError::Unknown)
                };
                let accounts = accounts.iter().map(find).collect::<Result<BTreeSet<_>, _>>()?;
                let groups = groups.iter().map(|group| name::group(group)).collect::<Result<_, _>>()?;
                Audience::Only { accounts, groups }
            }
        };
        self.write(move |store| Ok(store.permit(&info_hash, &Permission { title, audience })?)).await
    }

    /// Takes a torrent's registration away.
    pub(crate) async fn unpermit(&self, info_hash: InfoHash) -> Result<bool, AccountError> {
        self.write(move |store| Ok(store.unpermit(&info_hash)?)).await
    }
}
