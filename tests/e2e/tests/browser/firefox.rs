//! The page in Firefox: what it does there, and that it meets itself in Chromium.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::files;
use e2e::firefox::Firefox;
use e2e::page::{self, By};
use e2e::runner::{Context, Test};
use e2e::tracker;
use serde_json::Value;

const LONG: Duration = Duration::from_secs(90);
const LENGTH: u64 = 20_000_003;

const READY: &str = "document.querySelector('[data-ready=true]') !== null";
const LINK: &str = "(() => { const it = document.querySelector('[data-testid=share-link]'); return it ? it.value ?? it.innerText : null; })()";
const DOWNLOAD: &str = "(() => { const it = document.querySelector('[data-testid=download]'); if (!it || it.disabled) return null; it.click(); return true; })()";
const COMPLETE: &str = "(() => { const it = document.querySelector('[data-testid=transfer]')?.dataset; return it?.state === 'complete' && it.verifiedBytes === it.totalBytes ? it.channel : null; })()";

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("firefox_shares_downloads_and_saves", among_themselves),
        Test::new("firefox_and_chromium_exchange_files", with_chromium),
    ]
}

fn on_lan(context: &Context) -> Result<tracker::Options> {
    Ok(tracker::Options { host: context.lan()?.to_owned(), ..tracker::Options::default() })
}

async fn among_themselves(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker_with(&on_lan(&context)?).await?;
    let (file, sha256) = context.file("firefox.bin", LENGTH, 81)?;
    let mut seed = Firefox::start(context.scratch()).await?;
    let mut leech = Firefox::start(context.scratch()).await?;
    seed.goto(&tracker.origin()).await?;
    seed.wait("drop zone", READY, LONG).await?;
    seed.choose("input#files", &file).await?;
    let link = seed.wait("share link", LINK, LONG).await?;
    leech.goto(link.as_str().context("the link is no text")?).await?;
    leech.wait("Download button", DOWNLOAD, LONG).await?;
    let channel = leech.wait("complete transfer", COMPLETE, LONG).await?;
    ensure!(matches!(channel.as_str(), Some("worker" | "relay")), "the channel ends at {channel}");
    save(&mut leech, &sha256).await
}

async fn with_chromium(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker_with(&on_lan(&context)?).await?;
    let (file, sha256) = context.file("firefox.bin", LENGTH, 82)?;
    let chromium = context.profile("chromium").await?.tab().await?;
    page::open(&chromium, &tracker.origin()).await?;
    let link = page::share(&chromium, &[&file], By::Choosing).await?;
    let mut firefox = Firefox::start(context.scratch()).await?;
    firefox.goto(&link).await?;
    firefox.wait("Download button", DOWNLOAD, LONG).await?;
    firefox.wait("complete transfer", COMPLETE, LONG).await?;
    save(&mut firefox, &sha256).await?;
    // And back: Firefox goes on giving what it has, to a browser that never met the first.
    chromium.goto("about:blank").await?;
    let other = context.profile("other").await?.tab().await?;
    page::download(&other, &link).await?;
    page::complete(&other, LONG).await?;
    let (_, saved) = page::save(&other, "firefox.bin", LONG).await?;
    ensure!(files::sha256(&saved)? == sha256, "what Chromium saved differs from the original");
    Ok(())
}

async fn save(firefox: &mut Firefox, sha256: &str) -> Result<()> {
    let clicked = firefox.eval("document.querySelector('[data-testid=save]').click() ?? true").await?;
    ensure!(clicked == Value::Bool(true), "Save: {clicked}");
    let saved = firefox.saved("firefox.bin", LENGTH, LONG).await?;
    ensure!(files::sha256(&saved)? == sha256, "what Firefox saved differs from the original");
    Ok(())
}
