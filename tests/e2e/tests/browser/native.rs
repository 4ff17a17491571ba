//! The native peer and pages, ours and stock WebTorrent: its data channels by themselves, and whole downloads through our
//! tracker.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::channel::{Offerer, Pair};
use e2e::page::{self, By};
use e2e::peer::{Report, Seed};
use e2e::runner::{Context, Skip, Test};
use e2e::stock::Stock;
use e2e::{browser, files};
use peer::net::rtc;

const LONG: Duration = Duration::from_secs(90);
const LENGTH: u64 = 30_000_001;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("native_channel_with_a_page", channels),
        Test::new("native_channel_with_a_page_that_hides_its_address", hidden_channels),
        Test::new("native_seeds_to_our_page", seed_to_page),
        Test::new("native_seeds_to_a_page_that_hides_its_address", seed_to_hidden_page),
        Test::new("native_downloads_from_our_page", download_from_page),
        Test::new("native_seeds_to_stock", seed_to_stock),
        Test::new("native_downloads_from_stock", download_from_stock),
        Test::new("native_seeds_to_native", seed_to_native),
    ]
}

async fn channels(context: Arc<Context>) -> Result<()> {
    let tab = context.profile("page").await?.tab().await?;
    for offerer in [Offerer::Native, Offerer::Page] {
        tab.goto(context.site()).await?;
        let mut pair = Pair::open(&tab, offerer, rtc::Options::default()).await?;
        ensure!(pair.max_message == 256 * 1024, "Chromium takes {} bytes a message", pair.max_message);
        pair.send(16_000_000, 256 * 1024).await?;
        pair.receive(16_000_000, 256 * 1024).await?;
        pair.receive(2_000_000, 1_113).await?;
        pair.send_and_close(3_000_000, 64 * 1024).await?;
        for how in ["far.channel.close()", "far.pc.close()"] {
            tab.goto(context.site()).await?;
            Pair::open(&tab, offerer, rtc::Options::default()).await?.closed_by_page(how).await?;
        }
    }
    Ok(())
}

/// The page's candidates are mDNS names, which nobody here resolves.
async fn hidden_channels(context: Arc<Context>) -> Result<()> {
    context.lan()?;
    let options = browser::Options { mdns: true, ..browser::Options::default() };
    let tab = context.profile_with("page", &options).await?.tab().await?;
    for offerer in [Offerer::Native, Offerer::Page] {
        tab.goto(context.site()).await?;
        let mut pair = Pair::open(&tab, offerer, rtc::Options::default()).await?;
        ensure!(pair.far_sdp.contains(".local "), "the page hides nothing: {}", pair.far_sdp);
        pair.send(1_000_000, 64 * 1024).await?;
        pair.receive(1_000_000, 64 * 1024).await?;
    }
    Ok(())
}

/// Without the executable these tests cannot run.
fn built() -> Result<()> {
    e2e::peer::executable().map_err(|error| Skip(error.to_string()))?;
    Ok(())
}

fn whole(report: &Report) -> Result<()> {
    ensure!(report.ok && report.verified == LENGTH, "{report:?}, expected {LENGTH} bytes");
    Ok(())
}

async fn seed_to_page(context: Arc<Context>) -> Result<()> {
    seed_to(context, browser::Options::default()).await
}

async fn seed_to_hidden_page(context: Arc<Context>) -> Result<()> {
    context.lan()?;
    seed_to(context, browser::Options { mdns: true, ..browser::Options::default() }).await
}

async fn seed_to(context: Arc<Context>, options: browser::Options) -> Result<()> {
    built()?;
    let tracker = context.tracker().await?;
    let (file, sha256) = context.file("native.bin", LENGTH, 70)?;
    let seed = Seed::start(&file, &tracker.announce(), context.scratch()).await?;
    let tab = context.profile_with("page", &options).await?.tab().await?;
    page::download(&tab, seed.link.as_deref().context("no link of the page")?).await?;
    page::complete(&tab, LONG).await?;
    let (name, saved) = page::save(&tab, "native.bin", LONG).await?;
    ensure!(name == "native.bin", "the browser would save it as {name}");
    ensure!(files::sha256(&saved)? == sha256, "the saved file differs from the original");
    let given = seed.stop().await?;
    ensure!(given >= LENGTH, "the seed says that it gave {given} bytes");
    Ok(())
}

async fn download_from_page(context: Arc<Context>) -> Result<()> {
    built()?;
    let tracker = context.tracker().await?;
    let (file, sha256) = context.file("page.bin", LENGTH, 71)?;
    let tab = context.profile("page").await?.tab().await?;
    page::open(&tab, &tracker.origin()).await?;
    let link = page::share(&tab, &[&file], By::Dropping).await?;
    let into = context.scratch().join("native");
    whole(&e2e::peer::download(&link, &tracker.announce(), &into, LONG).await?)?;
    ensure!(files::sha256(&into.join("page.bin"))? == sha256, "the download differs from the original");
    Ok(())
}

async fn seed_to_stock(context: Arc<Context>) -> Result<()> {
    built()?;
    let tracker = context.tracker().await?;
    let (file, sha256) = context.file("native.bin", LENGTH, 72)?;
    let seed = Seed::start(&file, &tracker.announce(), context.scratch()).await?;
    let tab = context.profile("stock").await?.tab().await?;
    let stock = Stock::open(&tab, context.site()).await?;
    stock.download(&seed.magnet, &tracker.announce()).await?;
    stock.done(LONG).await?;
    let found = stock.files().await?;
    ensure!(found.len() == 1 && found[0].sha256 == sha256, "stock has {found:?}, expected {sha256}");
    Ok(())
}

async fn download_from_stock(context: Arc<Context>) -> Result<()> {
    built()?;
    let tracker = context.tracker().await?;
    let (file, sha256) = context.file("stock.bin", LENGTH, 73)?;
    let tab = context.profile("stock").await?.tab().await?;
    let stock = Stock::open(&tab, context.site()).await?;
    let magnet = stock.seed(&[&file], "stock.bin", &tracker.announce(), false).await?;
    let into = context.scratch().join("native");
    whole(&e2e::peer::download(&magnet, &tracker.announce(), &into, LONG).await?)?;
    ensure!(files::sha256(&into.join("stock.bin"))? == sha256, "the download differs from the original");
    Ok(())
}

async fn seed_to_native(context: Arc<Context>) -> Result<()> {
    built()?;
    let tracker = context.tracker().await?;
    let (file, sha256) = context.file("native.bin", LENGTH, 74)?;
    let seed = Seed::start(&file, &tracker.announce(), context.scratch()).await?;
    let into = context.scratch().join("native");
    whole(&e2e::peer::download(&seed.magnet, &tracker.announce(), &into, LONG).await?)?;
    ensure!(files::sha256(&into.join("native.bin"))? == sha256, "the download differs from the original");
    Ok(())
}
