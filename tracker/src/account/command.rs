//! `tracker account …`: accounts from the command line, whether the tracker runs or not.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::secret::random;
use super::store::{Change, Store};
use super::{name, password, unix_now};
use crate::policy::who::{AccountId, Role};

/// Makes and changes accounts. A tracker that runs takes it over within seconds.
#[derive(Clone, Debug, Subcommand)]
pub enum AccountCommand {
    /// Make an account. The first is an admin's. Its password is read from standard input, or asked for.
    Add {
        /// Letters a-z, digits, `.`, `-`, `_`.
        name: String,
        /// What it may do.
        #[arg(long, value_enum, default_value_t = RoleName::Member)]
        role: RoleName,
        /// Draw a password and print it.
        #[arg(long)]
        generate: bool,
    },
    /// Change a password. All logins of the account end.
    Passwd {
        /// Whose.
        name: String,
        /// Draw a password and print it.
        #[arg(long)]
        generate: bool,
    },
    /// Print all accounts: name, role, state, groups, and the bytes that their peers claim.
    List,
    /// Refuse an account everything. Its logins end.
    Disable {
        /// Which.
        name: String,
    },
    /// Let a disabled account in again.
    Enable {
        /// Which.
        name: String,
    },
    /// Make an account an admin's or a member's.
    Role {
        /// Which.
        name: String,
        /// What it may do.
        role: RoleName,
    },
    /// Say to which groups an account belongs, instead of those before.
    Groups {
        /// Which.
        name: String,
        /// None: to no group.
        groups: Vec<String>,
    },
    /// Renew a passkey: announce URLs with the old one hold no longer.
    Passkey {
        /// Whose.
        name: String,
    },
}

/// What an account may do.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RoleName {
    /// Announce and download.
    Member,
    /// Decide about accounts and torrents, too.
    Admin,
}

impl From<RoleName> for Role {
    fn from(role: RoleName) -> Self {
        match role {
            RoleName::Member => Self::Member,
            RoleName::Admin => Self::Admin,
        }
    }
}

impl AccountCommand {
    /// Does it to the database in `data`. What is to be printed.
    ///
    /// # Errors
    ///
    /// What is wrong, for the one who typed it.
    pub fn run(self, data: &Path) -> anyhow::Result<String> {
        let mut store = Store::open(data)?;
        match self {
            Self::Add { name, role, generate } => {
                let name = name::account(&name)?;
                if store.password(&name)?.is_some() {
                    bail!(
                        "there is an account {name} already; `tracker account passwd {name}` changes its password"
                    );
                }
                let (chosen, said) = choose(&name, generate)?;
                store.add(unix_now(), &name, &password::hash(&chosen)?, role.into())?;
                let listed = store.list()?;
                let role = if listed.iter().any(|it| it.name == name && it.role == Role::Admin) {
                    "an admin"
                } else {
                    "a member"
                };
                Ok(format!("{name} is {role}\n{said}"))
            }
            Self::Passwd { name, generate } => {
                let (name, account) = find(&store, &name)?;
                let (chosen, said) = choose(&name, generate)?;
                store.set_password(account, &password::hash(&chosen)?)?;
                Ok(format!("{name} has another password, and was logged out everywhere\n{said}"))
            }
            Self::List => list(&store),
            Self::Disable { name } => {
                changed(&mut store, &name, Change { disabled: Some(true), ..Change::default() })
            }
            Self::Enable { name } => {
                changed(&mut store, &name, Change { disabled: Some(false), ..Change::default() })
            }
            Self::Role { name, role } => {
                changed(&mut store, &name, Change { role: Some(role.into()), ..Change::default() })
            }
            Self::Groups { name, groups } => {
                let groups = groups.iter().map(|group| name::group(group)).collect::<Result<_, _>>()?;
                changed(&mut store, &name, Change { groups: Some(groups), ..Change::default() })
            }
            Self::Passkey { name } => {
                let (name, account) = find(&store, &name)?;
                store.renew_passkey(account)?;
                Ok(format!("{name} has another passkey, and sees it on the page\n"))
            }
        }
    }
}

fn find(store: &Store, name: &str) -> anyhow::Result<(String, AccountId)> {
    let name = name::account(name)?;
    let (account, _) = store
        .password(&name)?
        .with_context(|| format!("there is no account {name}; see `tracker account list`"))?;
    Ok((name, account))
}

fn changed(store: &mut Store, name: &str, change: Change) -> anyhow::Result<String> {
    let (_, account) = find(store, name)?;
    store.change(account, &change)?;
    list(store)
}

fn list(store: &Store) -> anyhow::Result<String> {
    let accounts = store.list()?;
    let width = accounts.iter().map(|account| account.name.len()).max().unwrap_or_default();
    let line = |account: &super::Listed| {
        let role = if account.role == Role::Admin { "admin" } else { "member" };
        let state = if account.disabled { "disabled" } else { "enabled" };
        let groups: Vec<&str> = account.groups.iter().map(String::as_str).collect();
        let (up, down) = (account.uploaded, account.downloaded);
        format!(
            "{:width$}  {role:<6}  {state:<8}  up {up}  down {down}  {}\n",
            account.name,
            groups.join(",")
        )
    };
    Ok(match accounts.is_empty() {
        true => "no accounts; make the first with `tracker account add NAME`\n".to_owned(),
        false => accounts.iter().map(line).collect(),
    })
}

/// A password, and what is to be said about it.
fn choose(name: &str, generate: bool) -> anyhow::Result<(String, String)> {
    if generate {
        let drawn = data_encoding::BASE32_NOPAD.encode(&random::<15>()?).to_lowercase();
        return Ok((drawn.clone(), format!("password: {drawn}\n")));
    }
    let chosen = read_password(&format!("Password of {name}: "))?;
    name::check_password(name, &chosen)?;
    if io::stdin().is_terminal() && read_password("Once more: ")? != chosen {
        bail!("the two passwords differ; nothing was changed");
    }
    Ok((chosen, String::new()))
}

/// A line of standard input; not shown while it is typed.
fn read_password(prompt: &str) -> anyhow::Result<String> {
    let stdin = io::stdin();
    let shown = if stdin.is_terminal() { Some(tcgetattr(&stdin).context("the terminal")?) } else { None };
    if let Some(shown) = &shown {
        eprint!("{prompt}");
        io::stderr().flush()?;
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden).context("the terminal")?;
    }
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    if let Some(shown) = &shown {
        tcsetattr(&stdin, OptionalActions::Flush, shown).context("the terminal")?;
    }
    read.context("standard input")?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}
