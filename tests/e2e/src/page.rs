//! Our page, driven by the hooks that are part of its contract, and by nothing else.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde::Deserialize;

use crate::browser::Tab;

/// How files get onto the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Chosen in `input#files`.
    Choosing,
    /// Dropped on the page.
    Dropping,
}

/// `[data-testid=transfer]` as it stands.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    /// `connecting`, `metadata`, `ready`, `downloading`, `complete`, `seeding`, `paused` or `error`.
    pub state: String,
    /// Forty hex digits.
    pub infohash: String,
    /// Bytes of verified, written pieces.
    pub verified: u64,
    /// Bytes of the torrent.
    pub total: u64,
    /// Connected peers.
    pub peers: u32,
    /// Payload bytes from peers since the tab was opened.
    pub downloaded: u64,
    /// Payload bytes to peers since the tab was opened.
    pub uploaded: u64,
    /// Payload bytes that came twice or did not match.
    pub wasted: u64,
    /// Peers banned.
    pub banned: u32,
    /// Pieces that did not match.
    pub failed_pieces: u32,
    /// `worker` or `relay`: where the data channels end.
    pub channel: String,
    /// What it shows.
    pub text: String,
}

/// One row of the peers table.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// Forty hex digits.
    pub id: String,
    /// Program and version.
    pub client: String,
    /// Payload bytes from it.
    pub downloaded: u64,
    /// Verified pieces of which it gave the larger part.
    pub given: u64,
}

const TRANSFER: &str = r#"(() => {
    const it = document.querySelector("[data-testid=transfer]");
    if (!it) return null;
    const { dataset } = it;
    const number = (name) => Number(dataset[name] ?? 0);
    return { state: dataset.state ?? "", infohash: dataset.infohash ?? "", verified: number("verifiedBytes"),
        total: number("totalBytes"), peers: number("peers"), downloaded: number("downloaded"),
        uploaded: number("uploaded"), wasted: number("wasted"), banned: number("banned"),
        failedPieces: number("failedPieces"), channel: dataset.channel ?? "", text: it.innerText };
})()"#;

const PEERS: &str = r#"[...document.querySelectorAll("[data-testid=peer]")].map(({ dataset }) => ({
    id: dataset.peerId ?? "", client: dataset.client ?? "", downloaded: Number(dataset.downloaded ?? 0),
    given: Number(dataset.given ?? 0) }))"#;

const LINK: &str = r#"(() => {
    const it = document.querySelector("[data-testid=share-link]");
    return it ? it.value ?? it.innerText : null;
})()"#;

/// Opens the page and waits until files can be dropped on it.
pub async fn open(tab: &Tab, address: &str) -> Result<()> {
    tab.goto(address).await?;
    ready(tab).await
}

/// Waits until files can be dropped or chosen.
pub async fn ready(tab: &Tab) -> Result<()> {
    let expression = "document.querySelector('[data-ready=true]') && document.querySelector('input#files')?.type === 'file'";
    tab.wait::<bool>("working drop zone", expression, Duration::from_secs(30)).await?;
    Ok(())
}

/// Gives files to the page and waits for the link.
pub async fn share(tab: &Tab, files: &[&Path], by: By) -> Result<String> {
    match by {
        By::Choosing => tab.choose("input#files", files).await?,
        By::Dropping => tab.drop_on("main", files).await?,
    }
    link(tab).await
}

/// Waits for the link of what was given to the page.
pub async fn link(tab: &Tab) -> Result<String> {
    let link: String = tab.wait("share link", LINK, Duration::from_secs(60)).await?;
    ensure!(link.contains("#magnet:?xt=urn:btih:"), "the share link is {link}");
    Ok(link)
}

/// The transfer shown, if one is.
pub async fn transfer(tab: &Tab) -> Result<Option<Transfer>> {
    tab.eval(TRANSFER).await
}

/// The peers shown.
pub async fn peers(tab: &Tab) -> Result<Vec<Peer>> {
    tab.eval(PEERS).await
}

/// Waits until the transfer satisfies a condition.
///
/// # Errors
/// Not in time, or the transfer is in state `error`.
pub async fn wait_transfer<F>(tab: &Tab, what: &str, within: Duration, condition: F) -> Result<Transfer>
where
    F: Fn(&Transfer) -> bool,
{
    let end = Instant::now() + within;
    loop {
        let transfer = transfer(tab).await?;
        match &transfer {
            Some(transfer) if condition(transfer) => return Ok(transfer.clone()),
            Some(transfer) if transfer.state == "error" => bail!("no {what}: {}", transfer.text),
            _ => {}
        }
        if Instant::now() >= end {
            bail!("{}: no {what} within {within:?}: {transfer:?}", tab.profile().name());
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
}

/// Opens a link and presses Download once the page offers it.
pub async fn download(tab: &Tab, link: &str) -> Result<()> {
    tab.goto(link).await?;
    press_download(tab).await
}

/// Presses Download once the page offers it.
pub async fn press_download(tab: &Tab) -> Result<()> {
    let expression = "(() => { const it = document.querySelector('[data-testid=download]'); return it && !it.disabled; })()";
    tab.wait::<bool>("Download button", expression, Duration::from_secs(60)).await?;
    tab.click("[data-testid=download]").await
}

/// Waits until every piece is verified and written.
pub async fn complete(tab: &Tab, within: Duration) -> Result<Transfer> {
    let whole = |transfer: &Transfer| {
        matches!(transfer.state.as_str(), "complete" | "seeding")
            && transfer.total > 0
            && transfer.verified == transfer.total
    };
    wait_transfer(tab, "complete transfer", within, whole).await
}

/// Paths for which a Save button is shown.
pub async fn savable(tab: &Tab) -> Result<Vec<String>> {
    tab.eval("[...document.querySelectorAll('[data-testid=save]')].map((it) => it.dataset.path)").await
}

/// Saves the file `path` of the torrent; gives the name the browser was told, and where the bytes are.
pub async fn save(tab: &Tab, path: &str, within: Duration) -> Result<(String, PathBuf)> {
    let before = tab.profile().cdp().downloads().len();
    tab.click(&format!("[data-testid=save][data-path={path:?}]")).await?;
    tab.profile().download(before, within).await
}
