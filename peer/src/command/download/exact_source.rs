//! The `.torrent` that a magnet link names beside its hash (`xs`): with it, the files are known before a peer is.

use std::time::Duration;

use anyhow::ensure;
use bytes::Bytes;
use shared::id::InfoHash;
use shared::metainfo::Metainfo;

use super::web::{SILENCE, whole};
use crate::command::http;

/// Fetches the first of these that is the `.torrent` of this hash, and says of the others why they are not. They are a
/// stranger's word: addresses that are not in the public internet are asked only if `private`.
pub(super) async fn fetch(
    sources: Vec<String>,
    info_hash: InfoHash,
    private: bool,
    timeout: Option<Duration>,
    say: impl Fn(&str),
) -> Option<Bytes> {
    for url in sources {
        match one(&url, info_hash, private, timeout.unwrap_or(SILENCE)).await {
            Ok(torrent) => return Some(torrent),
            Err(error) => say(&format!("no .torrent from {url}: {error:#}")),
        }
    }
    None
}

async fn one(url: &str, expected: InfoHash, private: bool, silence: Duration) -> anyhow::Result<Bytes> {
    let response = http::get_named(url, private).await?;
    ensure!(response.status.is_success(), "the server answered {}", response.status);
    let torrent = whole(response, silence).await?;
    let got = Metainfo::parse(&torrent)?.info_hash();
    ensure!(got == expected, "expected the .torrent of {expected}, got that of {got}");
    Ok(torrent)
}
