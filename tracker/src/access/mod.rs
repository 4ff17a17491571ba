//! Who and what may use the tracker at all: lists of torrents and of addresses, which may change while it runs, and the
//! origins of pages.

mod list;
mod network;
mod watched;

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use http::Uri;
use http::header::{self, HeaderMap};
use shared::id::InfoHash;

pub use self::network::{Network, NetworkError, Networks};
pub use self::watched::ListError;
use self::watched::Watched;
use crate::frontend::Rejected;
use crate::host::host;

/// Options of access.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Access")]
pub struct AccessArgs {
    /// Serve only the torrents of this list: info-hashes, one a line (40 hexadecimal or 32 base32 characters; 64 for v2),
    /// comments behind a #. Read again when it changes, and on SIGHUP; with a wrong line the list before stays.
    #[arg(long, value_name = "FILE", env = "PIECEMEAL_ALLOW_LIST")]
    pub allow_list: Option<PathBuf>,

    /// Do not serve the torrents of this list, which is like that of --allow-list. It comes before that.
    #[arg(long, value_name = "FILE", env = "PIECEMEAL_DENY_LIST")]
    pub deny_list: Option<PathBuf>,

    /// Do not serve these addresses: networks (192.0.2.0/24, 2001:db8::/32), one a line, in a file like the others.
    #[arg(long, value_name = "FILE", env = "PIECEMEAL_DENY_ADDRESSES")]
    pub deny_addresses: Option<PathBuf>,

    /// Pages of these origins (`https://example.org`, `https://*.example.org`) may open WebSockets, besides the tracker's own
    /// [default: all]. Keeps other websites from using this tracker; programs that are no browsers can say what they like.
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',', value_parser = origin, env = "PIECEMEAL_ALLOW_ORIGINS")]
    pub allow_origins: Vec<String>,
}

/// An origin as browsers write it, in lower case.
fn origin(text: &str) -> Result<String, String> {
    let wrong = || {
        format!("expected an origin such as https://example.org or https://*.example.org:8443, got `{text}`")
    };
    let (scheme, host) = text.split_once("://").ok_or_else(wrong)?;
    let host = host.strip_suffix('/').unwrap_or(host);
    let rest = host.strip_prefix("*.").unwrap_or(host);
    if !["http", "https"].contains(&scheme) || rest.is_empty() || rest.contains(['/', '*', '@', ' ']) {
        return Err(wrong());
    }
    Ok(format!("{scheme}://{host}").to_ascii_lowercase())
}

/// Why something is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unserved {
    #[error("this torrent is not on the list of those that this tracker serves")]
    NotListed,
    #[error("this torrent is blocked on this tracker")]
    Blocked,
    #[error("your address is blocked on this tracker")]
    Address,
}

impl From<Unserved> for Rejected {
    fn from(denied: Unserved) -> Self {
        match denied {
            Unserved::NotListed | Unserved::Blocked => Self::Torrent,
            Unserved::Address => Self::Address,
        }
    }
}

/// The lists in force.
#[derive(Debug, Default)]
pub(crate) struct Access {
    allowed: Option<Watched<HashSet<InfoHash>>>,
    denied: Option<Watched<HashSet<InfoHash>>>,
    addresses: Option<Watched<Networks>>,
    /// None for all.
    origins: Vec<String>,
}

impl Access {
    /// Reads the lists.
    ///
    /// # Errors
    ///
    /// [`ListError`] of the first that cannot be used.
    pub(crate) fn new(args: &AccessArgs) -> Result<Self, ListError> {
        let torrents = |option, path: &Option<PathBuf>| {
            path.clone().map(|path| Watched::open(option, path, list::torrents)).transpose()
        };
        let addresses = args.deny_addresses.clone();
        let addresses = addresses.map(|path| Watched::open("--deny-addresses", path, list::networks));
        Ok(Self {
            allowed: torrents("--allow-list", &args.allow_list)?,
            denied: torrents("--deny-list", &args.deny_list)?,
            addresses: addresses.transpose()?,
            origins: args.allow_origins.clone(),
        })
    }

    /// Whether there is a file that may change.
    pub(crate) fn is_watching(&self) -> bool {
        self.allowed.is_some() || self.denied.is_some() || self.addresses.is_some()
    }

    /// Reads again what has changed; everything, if `all`. Waits for the disk.
    pub(crate) fn look(&self, all: bool) {
        self.allowed.iter().chain(&self.denied).for_each(|list| list.look(all));
        self.addresses.iter().for_each(|list| list.look(all));
    }

    /// Whether this address may use the tracker.
    pub(crate) fn address(&self, ip: IpAddr) -> Result<(), Unserved> {
        match &self.addresses {
            Some(list) if list.read(|networks| networks.contains(ip)) => Err(Unserved::Address),
            _ => Ok(()),
        }
    }

    /// Whether this torrent is served.
    pub(crate) fn torrent(&self, info_hash: &InfoHash) -> Result<(), Unserved> {
        let listed = |list: &Watched<HashSet<InfoHash>>| list.read(|hashes| hashes.contains(info_hash));
        if self.denied.as_ref().is_some_and(listed) {
            Err(Unserved::Blocked)
        } else if self.allowed.as_ref().is_some_and(|list| !listed(list)) {
            Err(Unserved::NotListed)
        } else {
            Ok(())
        }
    }

    /// Whether this address may announce this torrent.
    pub(crate) fn announce(&self, ip: IpAddr, info_hash: &InfoHash) -> Result<(), Unserved> {
        self.address(ip).and_then(|()| self.torrent(info_hash))
    }

    /// Whether this address may ask for the numbers of these torrents: of one at least, if any are named.
    pub(crate) fn scrape(&self, ip: IpAddr, hashes: &[InfoHash]) -> Result<(), Unserved> {
        self.address(ip)?;
        match hashes.iter().map(|hash| self.torrent(hash)).reduce(Result::or) {
            Some(Err(denied)) => Err(denied),
            _ => Ok(()),
        }
    }

    /// Whether a page may open a WebSocket. What sends no origin is no browser.
    pub(crate) fn origin(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN).filter(|_| !self.origins.is_empty()) else {
            return true;
        };
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        // The ports may differ: the page of one port may use another's.
        let name =
            authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let name = name.map_or(authority, |(name, _)| name);
        if host(uri, headers).is_some_and(|own| own.eq_ignore_ascii_case(name)) {
            return true;
        }
        self.origins.iter().any(|allowed| match allowed.split_once("://*.") {
            None => *allowed == origin,
            Some((of, parent)) => {
                scheme == of
                    && authority.strip_suffix(parent).is_some_and(|sub| sub.len() > 1 && sub.ends_with('.'))
            }
        })
    }
}

#[cfg(test)]
mod tests;
