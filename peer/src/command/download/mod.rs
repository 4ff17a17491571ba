//! `peer download`: fetches what a link, a `.torrent` or an address names.

mod exact_source;
mod torrent;
mod web;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use shared::engine::Origin;
use shared::magnet::Link;

use super::signals::Signals;
use super::target::{self, Target};
use crate::cli::network::{self, DEFAULT_TRACKER, NetworkArgs, authority, is_private, tracker_of};
use crate::cli::{flag, values};
use crate::ending::EXIT_CODES;
use crate::output::{JSON_ENDED, Output};
use torrent::Torrent;

/// Fetches what a link, a .torrent or an address names, piece by piece, from everyone who has some of it.
///
/// Started again after it was interrupted, it goes on from the pieces that are verified. The address of a file that is no
/// torrent is fetched over plain HTTP, and goes on where it was if the server can.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = download_help())]
pub(crate) struct Args {
    /// A share link, a magnet link, an info-hash, a .torrent file, or the URL of a .torrent or of any file.
    #[arg(value_name = "LINK|HASH|FILE.torrent|URL")]
    what: String,

    /// Directory to download to; made if it is missing.
    #[arg(long, short, value_name = "DIR", default_value = ".", env = "PIECEMEAL_OUT")]
    out: PathBuf,

    /// Address of a peer. May be repeated.
    #[arg(long = "peer", value_name = "HOST:PORT", env = "PIECEMEAL_PEER", value_delimiter = ' ', value_parser = peer)]
    peers: Vec<String>,

    /// Go on giving when everything is there, until interrupted.
    #[arg(long, env = "PIECEMEAL_SEED", value_parser = flag())]
    seed: bool,

    /// Give up when nothing has come for so long. Exit code 3 if nothing came at all, else 1.
    #[arg(long, value_name = "DURATION", env = "PIECEMEAL_TIMEOUT", value_parser = values::duration)]
    timeout: Option<Duration>,

    /// Write over files that are in the way and have nothing in common with what is fetched.
    #[arg(long, env = "PIECEMEAL_OVERWRITE", value_parser = flag())]
    overwrite: bool,

    #[command(flatten)]
    network: NetworkArgs,
}

fn peer(text: &str) -> Result<String, String> {
    shared::url::check_host_port(text)
        .ok_or_else(|| format!("expected a host and a port such as 192.168.1.2:6881, got {text:?}"))
}

fn download_help() -> String {
    format!(
        "JSON: {{\"ok\", \"path\", \"name\", \"info_hash\" (null over HTTP), \"bytes\", \"verified\", \"resumed\" (bytes that \
         were here before), \"downloaded\", \"wasted\", \"uploaded\", \"seconds\", \"bytes_per_second\", \"peers\" and \
         \"web_seeds\" (that gave something)}}; with --json-lines before that an `event` \"progress\" a second, with \"phase\", \"waiting\" (why it \
         does not move, or null), \"bytes\", \"verified\", \"bytes_per_second\", \"peers\". {JSON_ENDED} An interrupted \
         download ends with those fields too.\n\n\
         {EXIT_CODES}\n\n\
         Example:\n  peer download 'http://192.168.1.2:8080/#magnet:?xt=urn:btih:…' --out ~/Downloads"
    )
}

pub(crate) fn run(args: &Args, output: &Output) -> anyhow::Result<()> {
    let target = target::read(&args.what)?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start threads")?;
    runtime.block_on(download(args, target, output))
}

async fn download(args: &Args, target: Target, output: &Output) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("cannot listen to signals")?;
    let origin = match target {
        Target::Torrent { torrent, .. } => Origin::Metainfo(torrent),
        Target::Link { text, .. } => Origin::Link(text),
        Target::Web(url) => match web::fetch(args, &url, &mut signals, output).await? {
            web::Got::Torrent(torrent) => {
                target::parsed(torrent.clone())
                    .with_context(|| format!("{url} is no .torrent that can be used"))?;
                Origin::Metainfo(torrent)
            }
            web::Got::File => return Ok(()),
        },
    };
    let mut trackers = args.network.trackers.clone();
    if trackers.is_empty() && args.peers.is_empty() && names_nobody(&origin) {
        let page = tracker_of(&args.what);
        let tracker = page.unwrap_or_else(|| DEFAULT_TRACKER.to_owned());
        output.note(&format!("no tracker is named: asking {tracker}"));
        trackers.push(tracker);
    }
    let mut private = false;
    let page = Some(args.what.as_str()).filter(|what| what.contains("://")).and_then(authority);
    let typed = args.network.trackers.iter().filter_map(|tracker| authority(tracker));
    for typed in typed.chain(args.peers.iter().map(String::as_str)).chain(page) {
        private |= is_private(typed).await;
    }
    private |= trackers.iter().any(|tracker| tracker == DEFAULT_TRACKER);
    if !private && !args.network.allow_private {
        tell_of_private(&origin, output).await;
    }
    let peers = network::resolved(&args.peers).await?;
    Torrent { args, origin, trackers, peers, private }.fetch(signals, output).await
}

/// Says which places named by a link or `.torrent` are left alone, since a stranger may have named them.
async fn tell_of_private(origin: &Origin, output: &Output) {
    let named = match origin {
        Origin::Link(text) => Link::parse(text)
            .map(|link| [link.trackers, link.web_seeds, link.sources].concat())
            .unwrap_or_default(),
        Origin::Metainfo(torrent) | Origin::Complete(torrent) => shared::metainfo::Metainfo::parse(torrent)
            .map(|metainfo| [metainfo.trackers(), metainfo.web_seeds()].concat())
            .unwrap_or_default(),
    };
    for url in named {
        if is_private(authority(&url).unwrap_or_default()).await {
            output.note(&format!("{url} is in a private network and not asked; --allow-private asks it"));
        }
    }
}

/// Whether what was given names neither a tracker nor anything else to get it from.
fn names_nobody(origin: &Origin) -> bool {
    match origin {
        Origin::Link(text) => Link::parse(text).is_ok_and(|link| {
            [link.trackers, link.peers, link.web_seeds, link.sources].iter().all(Vec::is_empty)
        }),
        Origin::Metainfo(torrent) | Origin::Complete(torrent) => shared::metainfo::Metainfo::parse(torrent)
            .is_ok_and(|metainfo| metainfo.trackers().is_empty() && metainfo.web_seeds().is_empty()),
    }
}
