-- Version 1. Times are seconds since 1970. Later versions are further files, see store.rs.

CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- PHC string of Argon2id.
    password TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('member', 'admin')),
    disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    -- Readable, since its owner has to see it again.
    passkey BLOB NOT NULL UNIQUE CHECK (length(passkey) = 16),
    created INTEGER NOT NULL,
    -- Bytes, as the peers of the account claim.
    uploaded INTEGER NOT NULL DEFAULT 0,
    downloaded INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE account_groups (
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    PRIMARY KEY (account, name)
) STRICT, WITHOUT ROWID;

-- Of tokens there is the SHA-256 only.
CREATE TABLE logins (
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX logins_of_account ON logins (account);

CREATE TABLE invitations (
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
    role TEXT NOT NULL CHECK (role IN ('member', 'admin')),
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Torrents that are registered; `everyone` or those that the next two tables name.
CREATE TABLE permissions (
    info_hash BLOB PRIMARY KEY CHECK (length(info_hash) = 20),
    title TEXT NOT NULL,
    everyone INTEGER NOT NULL CHECK (everyone IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE permitted_accounts (
    info_hash BLOB NOT NULL REFERENCES permissions (info_hash) ON DELETE CASCADE,
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    PRIMARY KEY (info_hash, account)
) STRICT, WITHOUT ROWID;

CREATE TABLE permitted_groups (
    info_hash BLOB NOT NULL REFERENCES permissions (info_hash) ON DELETE CASCADE,
    name TEXT NOT NULL,
    PRIMARY KEY (info_hash, name)
) STRICT, WITHOUT ROWID;
