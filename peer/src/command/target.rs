//! What `download` and `info` are given: a file, a link, a hash, an address.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use shared::magnet::{Link, LinkError};
use shared::metainfo::Metainfo;
use shared::{limits, url};

use crate::ending;

/// What it turned out to be.
#[derive(Debug)]
pub(super) enum Target {
    /// A `.torrent`, read and checked.
    Torrent {
        /// As it came.
        torrent: Bytes,
        /// What it says.
        metainfo: Box<Metainfo>,
    },
    /// A magnet link, a share link, an info-hash.
    Link {
        /// As it was typed.
        text: String,
        /// What it says.
        link: Box<Link>,
    },
    /// An address in the web that names no torrent in its fragment.
    Web(String),
}

/// Finds out what `what` is. Contacts nobody.
pub(super) fn read(what: &str) -> anyhow::Result<Target> {
    let path = Path::new(what);
    if path.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return read_torrent(path);
    }
    match Link::parse(what) {
        Ok(link) => Ok(Target::Link { text: what.to_owned(), link: Box::new(link) }),
        Err(LinkError::NoTorrent(_)) if !what.contains('#') => {
            let url = url::check(what, url::WEB_SCHEMES).map_err(|error| ending::usage(error.to_string()))?;
            Ok(Target::Web(url))
        }
        Err(LinkError::Unknown(_)) if what.ends_with(".torrent") || what.contains('/') => {
            Err(ending::not_found(format!("there is no file {what}, and it is no link")))
        }
        Err(error) => Err(ending::usage(error.to_string())),
    }
}

fn read_torrent(path: &Path) -> anyhow::Result<Target> {
    let shown = path.display();
    let mut torrent = Vec::new();
    let file = File::open(path).with_context(|| format!("cannot read {shown}"))?;
    // One byte more than is allowed, so that what is longer is seen to be.
    file.take(limits::TORRENT_MAX as u64 + 1)
        .read_to_end(&mut torrent)
        .with_context(|| format!("cannot read {shown}"))?;
    parsed(torrent.into()).with_context(|| format!("{shown} is no .torrent that can be used"))
}

/// Checks a `.torrent`.
pub(super) fn parsed(torrent: Bytes) -> anyhow::Result<Target> {
    let metainfo = Box::new(Metainfo::parse(&torrent)?);
    Ok(Target::Torrent { torrent, metainfo })
}
