//! The database of accounts: one SQLite file in the tracker's data directory. Blocks; nothing that peers wait for asks it.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use shared::id::InfoHash;

use super::AccountError;
use super::book::{Book, Login, Permission};
use super::secret::{Digest, Passkey};
use crate::policy::who::{AccountId, Audience, Member, Role};

/// Name of the file below the data directory.
const FILE: &str = "accounts.sqlite";

/// What brings a database from each version to the next.
const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];

/// How long to wait for another process, such as `tracker account`, to finish a write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Logins of one account at once; with one more, the oldest ends.
const LOGINS_MAX: u32 = 20;

/// Invitations at once.
pub(crate) const INVITATIONS_MAX: u32 = 1_000;

/// Why the database cannot be used. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file or its directory cannot be made.
    #[error("cannot keep accounts in {path}: {error}. Name a directory that this user may write with --data", path = .path.display())]
    Place {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// SQLite refuses.
    #[error("the database of accounts: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A later release made it.
    #[error("the database of accounts has version {found}, this tracker knows up to {}: use the newer release that made it", MIGRATIONS.len())]
    Newer {
        /// Its version.
        found: i64,
    },
}

/// An account as admins see it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Listed {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) disabled: bool,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) created: i64,
    /// Bytes, as its peers claim.
    pub(crate) uploaded: i64,
    pub(crate) downloaded: i64,
}

/// What is changed of an account; `None` stays.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    pub(crate) role: Option<Role>,
    pub(crate) disabled: Option<bool>,
    pub(crate) groups: Option<Vec<String>>,
}

/// The open database.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Connection,
}

impl Store {
    /// Opens or makes the database in `data`, readable by this user only, and brings it to this version.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub(crate) fn open(data: &Path) -> Result<Self, StoreError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| StoreError::Place { path, error }
        };
        if !data.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(failed(data))?;
        }
        let path = data.join(FILE);
        // SQLite gives what it puts beside the file the file's own mode.
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(&path)(error)),
            _ => {}
        }
        fs::File::open(&path).map_err(failed(&path))?;
        Self::prepare(Connection::open(&path)?)
    }

    fn prepare(mut connection: Connection) -> Result<Self, StoreError> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        // Two processes may open it for the first time at once.
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let version = usize::try_from(found).unwrap_or(usize::MAX);
        let Some(missing) = MIGRATIONS.get(version..) else { return Err(StoreError::Newer { found }) };
        for migration in missing {
            transaction.execute_batch(migration)?;
        }
        transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
        transaction.commit()?;
        Ok(Self { connection })
    }

    /// A number that changes whenever another process wrote.
    pub(crate) fn version(&self) -> Result<i64, StoreError> {
        Ok(self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    /// All that requests are judged by.
    pub(crate) fn book(&self, now: i64) -> Result<Book, StoreError> {
        let mut book = Book::default();
        let groups = self.groups()?;
        let mut statement =
            self.connection.prepare("SELECT id, name, role, disabled, passkey FROM accounts")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let id = AccountId(row.get(0)?);
            book.passkeys.insert(Passkey(row.get(4)?), id);
            let groups = groups.get(&id).cloned().unwrap_or_default();
            let member = Member { id, name: row.get(1)?, role: role(row, 2)?, disabled: row.get(3)?, groups };
            book.members.insert(id, member);
        }
        let mut statement =
            self.connection.prepare("SELECT digest, account, expires FROM logins WHERE expires > ?1")?;
        let mut rows = statement.query([now])?;
        while let Some(row) = rows.next()? {
            let login = Login { account: AccountId(row.get(1)?), expires: row.get(2)? };
            book.logins.insert(Digest(row.get(0)?), login);
        }
        book.permissions = self.permissions()?;
        book.has_restricted = book.permissions.values().any(|it| it.audience != Audience::Everyone);
        Ok(book)
    }

    fn groups(&self) -> Result<HashMap<AccountId, BTreeSet<String>>, StoreError> {
        let mut groups: HashMap<AccountId, BTreeSet<String>> = HashMap::new();
        let mut statement = self.connection.prepare("SELECT account, name FROM account_groups")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            groups.entry(AccountId(row.get(0)?)).or_default().insert(row.get(1)?);
        }
        Ok(groups)
    }

    fn permissions(&self) -> Result<HashMap<InfoHash, Permission>, StoreError> {
        let mut permissions = HashMap::new();
        let mut statement = self.connection.prepare("SELECT info_hash, title, everyone FROM permissions")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (accounts, groups) = (BTreeSet::new(), BTreeSet::new());
            let audience = if row.get(2)? { Audience::Everyone } else { Audience::Only { accounts, groups } };
            permissions.insert(InfoHash(row.get(0)?), Permission { title: row.get(1)?, audience });
        }
        let mut statement = self.connection.prepare("SELECT info_hash, account FROM permitted_accounts")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let permission = permissions.get_mut(&InfoHash(row.get(0)?));
            if let Some(Audience::Only { accounts, .. }) =
                permission.map(|it: &mut Permission| &mut it.audience)
            {
                accounts.insert(AccountId(row.get(1)?));
            }
        }
        let mut statement = self.connection.prepare("SELECT info_hash, name FROM permitted_groups")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let permission = permissions.get_mut(&InfoHash(row.get(0)?));
            if let Some(Audience::Only { groups, .. }) =
                permission.map(|it: &mut Permission| &mut it.audience)
            {
                groups.insert(row.get(1)?);
            }
        }
        Ok(permissions)
    }

    /// Number and hashed password of the account of this name.
    pub(crate) fn password(&self, name: &str) -> Result<Option<(AccountId, String)>, StoreError> {
        let sql = "SELECT id, password FROM accounts WHERE name = ?1";
        let found = self.connection.query_row(sql, [name], |row| Ok((AccountId(row.get(0)?), row.get(1)?)));
        Ok(found.optional()?)
    }

    /// All accounts by name.
    pub(crate) fn list(&self) -> Result<Vec<Listed>, StoreError> {
        let mut groups = self.groups()?;
        let sql =
            "SELECT id, name, role, disabled, created, uploaded, downloaded FROM accounts ORDER BY name";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut list = Vec::new();
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            list.push(Listed {
                id,
                name: row.get(1)?,
                role: role(row, 2)?,
                disabled: row.get(3)?,
                groups: groups.remove(&AccountId(id)).unwrap_or_default(),
                created: row.get(4)?,
                uploaded: row.get(5)?,
                downloaded: row.get(6)?,
            });
        }
        Ok(list)
    }

    /// Enters an account. The first is an admin's. [`AccountError::Taken`] if the name has an owner.
    pub(crate) fn add(
        &self,
        now: i64,
        name: &str,
        password: &str,
        role: Role,
    ) -> Result<AccountId, AccountError> {
        let passkey = Passkey::draw()?;
        let sql = "INSERT INTO accounts (name, password, role, passkey, created) \
                   SELECT ?1, ?2, iif(EXISTS (SELECT 1 FROM accounts), ?3, 'admin'), ?4, ?5 \
                   WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE name = ?1)";
        let added = self
            .connection
            .execute(sql, params![name, password, role_text(role), passkey.0, now])
            .map_err(StoreError::from)?;
        if added == 0 {
            return Err(AccountError::Taken);
        }
        Ok(AccountId(self.connection.last_insert_rowid()))
    }

    /// Another password. All logins end.
    pub(crate) fn set_password(&mut self, account: AccountId, password: &str) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        transaction
            .execute("UPDATE accounts SET password = ?2 WHERE id = ?1", params![account.0, password])?;
        transaction.execute("DELETE FROM logins WHERE account = ?1", [account.0])?;
        Ok(transaction.commit()?)
    }

    /// Another passkey; the old one holds no longer.
    pub(crate) fn renew_passkey(&self, account: AccountId) -> Result<Passkey, AccountError> {
        let passkey = Passkey::draw()?;
        let sql = "UPDATE accounts SET passkey = ?2 WHERE id = ?1";
        self.connection.execute(sql, params![account.0, passkey.0]).map_err(StoreError::from)?;
        Ok(passkey)
    }

    /// Changes an account. [`AccountError::Unknown`], or [`AccountError::LastAdmin`] if none would be left.
    pub(crate) fn change(&mut self, account: AccountId, change: &Change) -> Result<(), AccountError> {
        let transaction = self.connection.transaction().map_err(StoreError::from)?;
        let changed = transaction
            .execute(
                "UPDATE accounts SET role = coalesce(?2, role), disabled = coalesce(?3, disabled) WHERE id = ?1",
                params![account.0, change.role.map(role_text), change.disabled],
            )
            .map_err(StoreError::from)?;
        if changed == 0 {
            return Err(AccountError::Unknown);
        }
        if change.disabled == Some(true) {
            let sql = "DELETE FROM logins WHERE account = ?1";
            transaction.execute(sql, [account.0]).map_err(StoreError::from)?;
        }
        if let Some(groups) = &change.groups {
            let sql = "DELETE FROM account_groups WHERE account = ?1";
            transaction.execute(sql, [account.0]).map_err(StoreError::from)?;
            for group in groups {
                let sql = "INSERT OR IGNORE INTO account_groups (account, name) VALUES (?1, ?2)";
                transaction.execute(sql, params![account.0, group]).map_err(StoreError::from)?;
            }
        }
        let admins = "SELECT count(*) FROM accounts WHERE role = 'admin' AND disabled = 0";
        let admins: i64 = transaction.query_row(admins, [], |row| row.get(0)).map_err(StoreError::from)?;
        // Dropped, it is rolled back.
        if admins == 0 {
            return Err(AccountError::LastAdmin);
        }
        Ok(transaction.commit().map_err(StoreError::from)?)
    }

    /// Enters a login; the oldest of too many ends.
    pub(crate) fn log_in(
        &mut self,
        now: i64,
        expires: i64,
        account: AccountId,
        digest: Digest,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        transaction.execute("DELETE FROM logins WHERE expires <= ?1", [now])?;
        let sql = "INSERT INTO logins (digest, account, created, expires) VALUES (?1, ?2, ?3, ?4)";
        transaction.execute(sql, params![digest.0, account.0, now, expires])?;
        let sql = "DELETE FROM logins WHERE digest IN \
                   (SELECT digest FROM logins WHERE account = ?1 ORDER BY created DESC, digest LIMIT -1 OFFSET ?2)";
        transaction.execute(sql, params![account.0, LOGINS_MAX])?;
        Ok(transaction.commit()?)
    }

    /// Ends a login.
    pub(crate) fn log_out(&self, digest: Digest) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM logins WHERE digest = ?1", [digest.0])?;
        Ok(())
    }

    /// Enters an invitation. [`AccountError::TooMany`] if there are [`INVITATIONS_MAX`].
    pub(crate) fn invite(
        &self,
        now: i64,
        expires: i64,
        role: Role,
        digest: Digest,
    ) -> Result<(), AccountError> {
        let execute = |sql, params: &[&dyn rusqlite::ToSql]| {
            self.connection.execute(sql, params).map_err(StoreError::from)
        };
        execute("DELETE FROM invitations WHERE expires <= ?1", &[&now])?;
        let sql = "INSERT INTO invitations (digest, role, expires) \
                   SELECT ?1, ?2, ?3 WHERE (SELECT count(*) FROM invitations) < ?4";
        match execute(sql, &[&digest.0, &role_text(role), &expires, &INVITATIONS_MAX])? {
            0 => Err(AccountError::TooMany),
            _ => Ok(()),
        }
    }

    /// For which role an invitation is, if it holds.
    pub(crate) fn invited(&self, now: i64, digest: Digest) -> Result<Option<Role>, StoreError> {
        let sql = "SELECT role FROM invitations WHERE digest = ?1 AND expires > ?2";
        Ok(self.connection.query_row(sql, params![digest.0, now], |row| role(row, 0)).optional()?)
    }

    /// Uses an invitation up, and says for which role it was.
    pub(crate) fn redeem(&self, now: i64, digest: Digest) -> Result<Option<Role>, StoreError> {
        let sql = "DELETE FROM invitations WHERE digest = ?1 AND expires > ?2 RETURNING role";
        Ok(self.connection.query_row(sql, params![digest.0, now], |row| role(row, 0)).optional()?)
    }

    /// Registers a torrent, or changes for whom it is.
    pub(crate) fn permit(
        &mut self,
        info_hash: &InfoHash,
        Permission { title, audience }: &Permission,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        transaction.execute("DELETE FROM permissions WHERE info_hash = ?1", [info_hash.0])?;
        let everyone = *audience == Audience::Everyone;
        let sql = "INSERT INTO permissions (info_hash, title, everyone) VALUES (?1, ?2, ?3)";
        transaction.execute(sql, params![info_hash.0, title, everyone])?;
        if let Audience::Only { accounts, groups } = audience {
            for account in accounts {
                let sql = "INSERT INTO permitted_accounts (info_hash, account) VALUES (?1, ?2)";
                transaction.execute(sql, params![info_hash.0, account.0])?;
            }
            for group in groups {
                let sql = "INSERT INTO permitted_groups (info_hash, name) VALUES (?1, ?2)";
                transaction.execute(sql, params![info_hash.0, group])?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Takes a torrent's registration away. Whether there was one.
    pub(crate) fn unpermit(&self, info_hash: &InfoHash) -> Result<bool, StoreError> {
        Ok(self.connection.execute("DELETE FROM permissions WHERE info_hash = ?1", [info_hash.0])? > 0)
    }

    /// Adds bytes to what accounts moved.
    pub(crate) fn add_totals(&mut self, totals: &HashMap<AccountId, (u64, u64)>) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        // A claim is never a reason to fail: what does not fit is as much as there can be.
        let sql = "UPDATE accounts SET uploaded = min(uploaded, 9223372036854775807 - ?2) + ?2, \
                   downloaded = min(downloaded, 9223372036854775807 - ?3) + ?3 WHERE id = ?1";
        for (account, (uploaded, downloaded)) in totals {
            let bytes = |bytes: &u64| i64::try_from(*bytes).unwrap_or(i64::MAX);
            transaction.execute(sql, params![account.0, bytes(uploaded), bytes(downloaded)])?;
        }
        Ok(transaction.commit()?)
    }
}

const fn role_text(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Admin => "admin",
    }
}

/// The column says one of two words, the schema sees to that.
fn role(row: &Row<'_>, column: usize) -> rusqlite::Result<Role> {
    Ok(if row.get_ref(column)?.as_str()? == "admin" { Role::Admin } else { Role::Member })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("data")).unwrap();
        (directory, store)
    }

    #[test]
    fn the_file_is_its_users_alone_and_survives_being_opened_again() {
        let (directory, store) = store();
        store.add(1, "ann", "hash", Role::Member).unwrap();
        let data = directory.path().join("data");
        for name in [FILE, "accounts.sqlite-wal", "accounts.sqlite-shm"] {
            let mode = fs::metadata(data.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
        drop(store);
        assert_eq!(Store::open(&data).unwrap().list().unwrap()[0].name, "ann");
    }

    #[test]
    fn a_database_of_a_later_release_is_left_alone() {
        let (directory, store) = store();
        store.connection.pragma_update(None, "user_version", 99).unwrap();
        drop(store);
        let error = Store::open(&directory.path().join("data")).unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 99 }), "{error}");
    }

    #[test]
    fn the_first_account_is_an_admins_and_one_always_remains() {
        let (_directory, mut store) = store();
        let ann = store.add(1, "ann", "hash", Role::Member).unwrap();
        let bob = store.add(2, "bob", "hash", Role::Member).unwrap();
        assert!(matches!(store.add(3, "ann", "hash", Role::Admin), Err(AccountError::Taken)));
        let roles: Vec<_> = store.list().unwrap().into_iter().map(|it| (it.name, it.role)).collect();
        assert_eq!(roles, [("ann".to_owned(), Role::Admin), ("bob".to_owned(), Role::Member)]);
        for change in [
            Change { role: Some(Role::Member), ..Change::default() },
            Change { disabled: Some(true), ..Change::default() },
        ] {
            assert!(matches!(store.change(ann, &change), Err(AccountError::LastAdmin)));
            assert!(matches!(store.change(AccountId(99), &change), Err(AccountError::Unknown)));
        }
        store.change(bob, &Change { role: Some(Role::Admin), ..Change::default() }).unwrap();
        store.change(ann, &Change { disabled: Some(true), ..Change::default() }).unwrap();
        assert!(store.book(0).unwrap().members[&ann].disabled);
    }

    #[test]
    fn logins_end_by_time_number_password_and_disabling() {
        let (_directory, mut store) = store();
        let ann = store.add(1, "ann", "hash", Role::Member).unwrap();
        let bob = store.add(1, "bob", "hash", Role::Member).unwrap();
        let logins = |store: &Store, now| store.book(now).unwrap().logins.len();
        for number in 0..30 {
            store.log_in(i64::from(number), 1_000, ann, Digest([number; 32])).unwrap();
        }
        store.log_in(5, 500, bob, Digest([99; 32])).unwrap();
        assert_eq!(logins(&store, 0), 21);
        assert!(!store.book(0).unwrap().logins.contains_key(&Digest([9; 32])), "the oldest ended");
        assert_eq!((logins(&store, 500), logins(&store, 1_000)), (20, 0));
        store.log_out(Digest([29; 32])).unwrap();
        assert_eq!(logins(&store, 0), 20);
        store.set_password(ann, "other").unwrap();
        assert_eq!(logins(&store, 0), 1);
        store.change(bob, &Change { disabled: Some(true), ..Change::default() }).unwrap();
        assert_eq!(logins(&store, 0), 0);
    }

    #[test]
    fn an_invitation_is_good_once_and_for_a_while() {
        let (_directory, store) = store();
        store.invite(0, 100, Role::Admin, Digest([1; 32])).unwrap();
        assert_eq!(store.redeem(100, Digest([1; 32])).unwrap(), None);
        assert_eq!(store.redeem(99, Digest([2; 32])).unwrap(), None);
        assert_eq!(store.redeem(99, Digest([1; 32])).unwrap(), Some(Role::Admin));
        assert_eq!(store.redeem(99, Digest([1; 32])).unwrap(), None);
    }

    #[test]
    fn permissions_and_totals_are_kept() {
        let (_directory, mut store) = store();
        let ann = store.add(1, "ann", "hash", Role::Member).unwrap();
        let hash = InfoHash([7; 20]);
        let audience = Audience::Only { accounts: [ann].into(), groups: ["art".to_owned()].into() };
        let permission = Permission { title: "x".to_owned(), audience };
        store.permit(&hash, &Permission { title: "y".to_owned(), audience: Audience::Everyone }).unwrap();
        store.permit(&hash, &permission).unwrap();
        assert_eq!(store.book(0).unwrap().permissions, HashMap::from([(hash, permission)]));
        assert!(store.unpermit(&hash).unwrap() && !store.unpermit(&hash).unwrap());
        for _ in 0..2 {
            store.add_totals(&HashMap::from([(ann, (u64::MAX, 5))])).unwrap();
        }
        let listed = &store.list().unwrap()[0];
        assert_eq!((listed.uploaded, listed.downloaded), (i64::MAX, 10));
    }

    #[test]
    fn another_process_is_noticed() {
        let (directory, store) = store();
        let before = store.version().unwrap();
        let other = Store::open(&directory.path().join("data")).unwrap();
        other.add(1, "ann", "hash", Role::Member).unwrap();
        assert_ne!(store.version().unwrap(), before);
    }
}
