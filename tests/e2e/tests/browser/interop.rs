//! Stock WebTorrent downloads from our page, and our page from it, through our tracker.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::files;
use e2e::page::{self, By};
use e2e::runner::{Context, Test};
use e2e::stock::Stock;

const LONG: Duration = Duration::from_secs(90);
/// Lengths that put a boundary of two files into the middle of a piece, and again into the middle of a block.
const FOLDER: [(&str, u64); 3] = [("one.bin", 3_000_001), ("sub/two.bin", 70_000), ("three.bin", 5_000_017)];

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("stock_downloads_a_file_from_us", file_to_stock),
        Test::new("stock_downloads_a_folder_from_us", folder_to_stock),
        Test::new("we_download_a_file_from_stock", file_from_stock),
        Test::new("we_download_three_files_from_stock", files_from_stock),
        Test::new("stock_and_we_share_a_swarm", mixed),
    ]
}

fn magnet(link: &str) -> Result<&str> {
    Ok(link.split_once('#').context("the link has no fragment")?.1)
}

async fn file_to_stock(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (file, sha256) = context.file("ours.bin", 30_000_000, 20)?;
    let (ours, theirs) =
        (context.profile("ours").await?.tab().await?, context.profile("stock").await?.tab().await?);
    page::open(&ours, &tracker.origin()).await?;
    let link = page::share(&ours, &[&file], By::Dropping).await?;
    let stock = Stock::open(&theirs, context.site()).await?;
    stock.download(magnet(&link)?, &tracker.announce()).await?;
    stock.done(LONG).await?;
    let found = stock.files().await?;
    ensure!(found.len() == 1 && found[0].sha256 == sha256, "stock has {found:?}, expected {sha256}");
    Ok(())
}

async fn folder_to_stock(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let mut expected = Vec::new();
    for (number, (name, length)) in FOLDER.iter().enumerate() {
        let (_, sha256) = context.file(&format!("folder/{name}"), *length, 30 + number as u64)?;
        expected.push((format!("folder/{name}"), sha256));
    }
    let folder = context.scratch().join("files").join("folder");
    let (ours, theirs) =
        (context.profile("ours").await?.tab().await?, context.profile("stock").await?.tab().await?);
    page::open(&ours, &tracker.origin()).await?;
    let link = page::share(&ours, &[&folder], By::Dropping).await?;
    let stock = Stock::open(&theirs, context.site()).await?;
    stock.download(magnet(&link)?, &tracker.announce()).await?;
    stock.done(LONG).await?;
    let mut found: Vec<_> = stock.files().await?.into_iter().map(|file| (file.path, file.sha256)).collect();
    found.sort();
    expected.sort();
    ensure!(found == expected, "stock has {found:?}, expected {expected:?}");
    Ok(())
}

async fn file_from_stock(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (file, sha256) = context.file("theirs.bin", 30_000_000, 40)?;
    let (ours, theirs) =
        (context.profile("ours").await?.tab().await?, context.profile("stock").await?.tab().await?);
    let stock = Stock::open(&theirs, context.site()).await?;
    let magnet = stock.seed(&[&file], "theirs.bin", &tracker.announce(), false).await?;
    page::download(&ours, &format!("{}/#{magnet}", tracker.origin())).await?;
    page::complete(&ours, LONG).await?;
    let (name, saved) = page::save(&ours, "theirs.bin", LONG).await?;
    ensure!(name == "theirs.bin", "the browser would save it as {name}");
    ensure!(files::sha256(&saved)? == sha256, "the saved file differs from the original");
    Ok(())
}

async fn files_from_stock(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let mut made = Vec::new();
    for (number, (name, length)) in FOLDER.iter().enumerate() {
        let name = Path::new(name).file_name().and_then(|name| name.to_str()).context("no name")?;
        let (path, sha256) = context.file(name, *length, 50 + number as u64)?;
        made.push((name, path, sha256));
    }
    let (ours, theirs) =
        (context.profile("ours").await?.tab().await?, context.profile("stock").await?.tab().await?);
    let stock = Stock::open(&theirs, context.site()).await?;
    let paths: Vec<&Path> = made.iter().map(|(_, path, _)| path.as_path()).collect();
    let magnet = stock.seed(&paths, "three files", &tracker.announce(), false).await?;
    page::download(&ours, &format!("{}/#{magnet}", tracker.origin())).await?;
    page::complete(&ours, LONG).await?;
    let savable = page::savable(&ours).await?;
    ensure!(savable.len() == made.len(), "there are {savable:?} to save, expected {} files", made.len());
    for (name, _, sha256) in &made {
        let path =
            savable.iter().find(|path| path.ends_with(name)).with_context(|| format!("no {name} to save"))?;
        let (_, saved) = page::save(&ours, path, LONG).await?;
        ensure!(files::sha256(&saved)? == *sha256, "the saved {name} differs from the original");
    }
    Ok(())
}

/// A stock seed, a stock leech and ours: whoever has a piece gives it.
async fn mixed(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (file, sha256) = context.file("mixed.bin", 40_000_000, 60)?;
    let seed_tab = context.profile("stock-seed").await?.tab().await?;
    let leech_tab = context.profile("stock-leech").await?.tab().await?;
    let ours = context.profile("ours").await?.tab().await?;
    let seed = Stock::open(&seed_tab, context.site()).await?;
    let leech = Stock::open(&leech_tab, context.site()).await?;
    let magnet = seed.seed(&[&file], "mixed.bin", &tracker.announce(), false).await?;
    page::download(&ours, &format!("{}/#{magnet}", tracker.origin())).await?;
    page::complete(&ours, LONG).await?;
    seed_tab.goto("about:blank").await?;
    // Only ours has it now; a downloaded torrent goes on giving.
    leech.download(&magnet, &tracker.announce()).await?;
    leech.done(LONG).await?;
    let found = leech.files().await?;
    ensure!(found.len() == 1 && found[0].sha256 == sha256, "stock has {found:?}, expected {sha256}");
    Ok(())
}
