//! Private mode: accounts, their logins and passkeys, and for whom torrents are.
//!
//! `Accounts` is what the frontends ask. Everything that requests are judged by is in memory (`book`); the database
//! (`store`) is written and read behind it, on threads that may block. Who may do what is `policy::who`'s.

mod admission;
mod attempts;
mod book;
pub mod command;
mod credential;
mod error;
mod login;
mod name;
mod options;
mod password;
mod same_origin;
mod secret;
mod store;
mod tokens;
mod totals;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, RwLock};
use shared::id::InfoHash;
use shared::tracker::announce::AnnounceRequest;
use tracing::{info, warn};

use self::attempts::Attempts;
use self::book::Book;
pub(crate) use self::book::Credential;
use self::credential::of_url_data;
pub(crate) use self::credential::{of_cookie, of_download, set_cookie, strip};
pub(crate) use self::error::AccountError;
pub(crate) use self::login::{LOGIN_SECONDS, Me};
pub use self::options::{AccountOptions, AccountsConfig, Registration};
use self::password::Hashing;
pub(crate) use self::same_origin::{Foreign, check as check_origin};
use self::secret::{Passkey, Token};
use self::store::Store;
pub use self::store::StoreError;
pub(crate) use self::store::{Change, Listed};
use self::tokens::Tokens;
use self::totals::Totals;
use crate::error::StartError;
use crate::policy::who::{Ask, Audience, Claim, Denied, Rules, decide};
use crate::state::AppState;

/// How often is looked for what `tracker account` changed, and totals are written.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Accounts, if there are any: a tracker without private mode has none, and grants everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    rules: Rules,
    registration: Registration,
    store: Mutex<Store>,
    book: RwLock<Book>,
    tokens: Mutex<Tokens>,
    /// Guesses of passwords.
    guesses: Mutex<Attempts>,
    /// New accounts, and guesses of invitations.
    registrations: Mutex<Attempts>,
    hashing: Hashing,
    totals: Mutex<Totals>,
    /// Of the tracker's own peer.
    house: Passkey,
    /// Makes the first account, while there is none.
    setup: Option<Token>,
    /// Torrents of published files: they count as registered.
    published: RwLock<HashSet<InfoHash>>,
}

/// What somebody wants.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wish<'a> {
    /// To take part in this swarm.
    Announce(&'a InfoHash),
    /// To read numbers of swarms.
    Scrape,
    /// To download a published file, which is this torrent, if that is known.
    Download(Option<&'a InfoHash>),
    /// To decide about accounts and torrents.
    Administer,
}

impl Accounts {
    /// Opens the database, if private mode is wanted.
    ///
    /// # Errors
    ///
    /// [`StartError::Accounts`], [`StartError::Random`].
    pub(crate) fn open(config: Option<&AccountsConfig>) -> Result<Self, StartError> {
        let Some(config) = config else { return Ok(Self(None)) };
        let store = Store::open(&config.data)?;
        let book = store.book(unix_now())?;
        let setup =
            if book.members.is_empty() { Some(Token::draw().map_err(|_| StartError::Random)?) } else { None };
        info!(accounts = book.members.len(), required = config.require_login, "private mode");
        Ok(Self(Some(Arc::new(Inner {
            rules: Rules {
                require_login: config.require_login,
                registered_only: config.registered_torrents_only,
            },
            registration: config.registration,
            store: Mutex::new(store),
            book: RwLock::new(book),
            tokens: Mutex::default(),
            guesses: Mutex::default(),
            registrations: Mutex::default(),
            hashing: Hashing::default(),
            totals: Mutex::default(),
            house: Passkey::draw().map_err(|_| StartError::Random)?,
            setup,
            published: RwLock::default(),
        }))))
    }

    /// Whether this credential may have what it wants. Cheap: it looks into memory.
    ///
    /// # Errors
    ///
    /// [`Denied`].
    pub(crate) fn may(&self, credential: Credential, wish: Wish<'_>) -> Result<(), Denied> {
        let Some(inner) = &self.0 else { return Ok(()) };
        let book = inner.book.read();
        let claim = book.claim(credential, inner.house, unix_now());
        let ask = match wish {
            Wish::Announce(info_hash) => Ask::Announce(book.audience(info_hash).or_else(|| {
                let is_published = inner.rules.registered_only && inner.published.read().contains(info_hash);
                is_published.then_some(&Audience::Everyone)
            })),
            Wish::Scrape => Ask::Scrape,
            Wish::Download(info_hash) => Ask::Download(info_hash.and_then(|it| book.audience(it))),
            Wish::Administer => Ask::Administer,
        };
        decide(inner.rules, claim, ask)
    }

    /// Counts what a peer says that it moved, for the account that this credential stands for.
    fn moved(&self, credential: Credential, request: &AnnounceRequest) {
        let Some(inner) = &self.0 else { return };
        let account = match inner.book.read().claim(credential, inner.house, unix_now()) {
            Claim::Member(member) => member.id,
            _ => return,
        };
        inner.totals.lock().count(account, request);
    }

    /// Whether a credential that held when its socket was opened still does.
    pub(crate) fn holds(&self, credential: Credential) -> bool {
        let Some(inner) = &self.0 else { return true };
        match inner.book.read().claim(credential, inner.house, unix_now()) {
            Claim::Nobody | Claim::House => true,
            Claim::Invalid => false,
            Claim::Member(member) => !member.disabled,
        }
    }

    /// For a WebSocket that is opened: an announce token is used up, and stands for its login from here on.
    pub(crate) fn entering(&self, credential: Option<Credential>) -> Credential {
        match (&self.0, credential) {
            (Some(inner), Some(Credential::Token(digest))) => inner.tokens.lock().redeem(digest),
            // Without private mode a key in the path says nothing.
            (Some(_), Some(credential)) => credential,
            (None, _) | (_, None) => Credential::None,
        }
    }

    /// Whether some torrents are for some accounts only, so that a file's torrent has to be known before it is given away.
    pub(crate) fn has_restricted_torrents(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.book.read().has_restricted)
    }

    /// A published file is this torrent.
    pub(crate) fn publish(&self, info_hash: InfoHash) {
        if let Some(inner) = self.0.as_ref().filter(|inner| inner.rules.registered_only) {
            inner.published.write().insert(info_hash);
        }
    }

    /// The path at which the tracker's own peer announces.
    pub(crate) fn house_path(&self) -> String {
        match &self.0 {
            Some(inner) => format!("/{}/announce", inner.house.to_text()),
            None => "/announce".to_owned(),
        }
    }

    /// The code that makes the first account, while there is none.
    pub(crate) fn setup_code(&self) -> Option<String> {
        let inner = self.0.as_ref()?;
        let setup = inner.setup.filter(|_| inner.book.read().members.is_empty())?;
        Some(setup.to_text())
    }

    /// Whether there are accounts, whether all need one, and who may make one.
    pub(crate) fn describe(&self) -> Option<(bool, Registration)> {
        self.0.as_ref().map(|inner| (inner.rules.require_login, inner.registration))
    }

    /// Writes to the database on a thread that may block, then judges by what it holds.
    async fn write<T, F>(&self, write: F) -> Result<T, AccountError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Store) -> Result<T, AccountError> + Send + 'static,
    {
        let inner = self.0.clone().ok_or(AccountError::Unknown)?;
        let written = tokio::task::spawn_blocking(move || {
            let mut store = inner.store.lock();
            let result = write(&mut store);
            // One after the other, under the store's lock: an older book never replaces a newer one.
            let book = store.book(unix_now())?;
            *inner.book.write() = book;
            result
        });
        written.await.map_err(|error| AccountError::Hash(error.to_string()))?
    }
}

/// Takes over what other processes change, until the tracker ends.
pub(crate) async fn watch(state: Arc<AppState>) {
    let Some(inner) = &state.accounts.0 else { return };
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = None;
    loop {
        tokio::select! {
            () = state.shutdown.cancelled() => return,
            _ = looks.tick() => {}
        }
        let looker = inner.clone();
        let looked = tokio::task::spawn_blocking(move || looker.look(seen)).await;
        match looked {
            Ok(Ok(version)) => seen = Some(version),
            Ok(Err(error)) => warn!(%error, "cannot read the accounts; those known go on"),
            Err(error) => warn!(%error, "cannot read the accounts; those known go on"),
        }
    }
}

impl Inner {
    fn look(&self, seen: Option<i64>) -> Result<i64, StoreError> {
        let mut store = self.store.lock();
        let totals = self.totals.lock().take();
        if !totals.is_empty() {
            store.add_totals(&totals)?;
        }
        let version = store.version()?;
        if seen.is_some_and(|seen| seen != version) {
            *self.book.write() = store.book(unix_now())?;
        }
        Ok(version)
    }
}

/// Seconds since 1970.
fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
