//! What private mode is started with.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

/// Options of private mode. All off, there are no accounts.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Private mode")]
pub struct AccountOptions {
    /// Refuse every announce, scrape and download without an account. Make the first with `tracker account add NAME`, or by
    /// the link that the tracker prints at its start.
    #[arg(long, env = "PIECEMEAL_REQUIRE_LOGIN", value_parser = BoolishValueParser::new())]
    pub require_login: bool,

    /// Keep accounts, but demand one only for torrents that are restricted to some of them.
    #[arg(long, env = "PIECEMEAL_ACCOUNTS", value_parser = BoolishValueParser::new())]
    pub accounts: bool,

    /// Who may make an account on the page: everybody, those whom an admin invited, or nobody.
    #[arg(long, value_name = "WHO", value_enum, default_value_t, env = "PIECEMEAL_REGISTRATION")]
    pub registration: Registration,

    /// Take announces only for torrents that an admin registered, and for published files.
    #[arg(long, env = "PIECEMEAL_REGISTERED_TORRENTS_ONLY", value_parser = BoolishValueParser::new())]
    pub registered_torrents_only: bool,
}

impl AccountOptions {
    /// Whether any of it wants accounts.
    pub(crate) const fn are_wanted(&self) -> bool {
        self.require_login || self.accounts || self.registered_torrents_only
    }

    /// With the directory where accounts are kept.
    pub(crate) const fn into_config(self, data: PathBuf) -> AccountsConfig {
        let Self { require_login, registration, registered_torrents_only, .. } = self;
        AccountsConfig { data, require_login, registration, registered_torrents_only }
    }
}

/// Private mode.
#[derive(Clone, Debug)]
pub struct AccountsConfig {
    /// Directory of the tracker's own, where the database is; made if it is missing.
    pub data: PathBuf,
    /// Nothing without an account.
    pub require_login: bool,
    /// Who may make one.
    pub registration: Registration,
    /// No swarms but those of registered torrents.
    pub registered_torrents_only: bool,
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Everybody.
    Open,
    /// Whoever has an invitation, which is good once.
    #[default]
    Invite,
    /// Nobody: admins make them.
    Closed,
}
