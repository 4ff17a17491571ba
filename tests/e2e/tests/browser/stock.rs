//! Stock WebTorrent pages alone, through our tracker: tests the tracker, and the harness.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::raw::{self, Place};
use e2e::runner::{Context, Test};
use e2e::stock::{Stock, StockFile};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("harness_sees_misbehaviour", misbehaviour),
        Test::new("stock_to_stock_through_our_tracker", stock_to_stock),
        Test::new("raw_data_channel_on_page_and_in_worker", raw_channel),
    ]
}

async fn stock_to_stock(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (file, sha256) = context.file("stock.bin", 20_000_000, 1)?;
    let (one, two) = (context.profile("seed").await?, context.profile("leech").await?);
    let (seed_tab, leech_tab) = (one.tab().await?, two.tab().await?);
    let seed = Stock::open(&seed_tab, context.site()).await?;
    let leech = Stock::open(&leech_tab, context.site()).await?;
    let magnet = seed.seed(&[&file], "stock.bin", &tracker.announce(), false).await?;
    tracker.wait_peers(1, Duration::from_secs(20)).await?;
    leech.download(&magnet, &tracker.announce()).await?;
    leech.done(Duration::from_secs(60)).await?;
    let files = leech.files().await?;
    ensure!(files == [StockFile { path: "stock.bin".to_owned(), sha256 }], "the download gave {files:?}");
    seed_tab.goto("about:blank").await?;
    tracker.wait_peers(1, Duration::from_secs(5)).await
}

async fn raw_channel(context: Arc<Context>) -> Result<()> {
    let (one, two) = (context.profile("from").await?, context.profile("to").await?);
    let (from, to) = (one.tab().await?, two.tab().await?);
    for place in [Place::Page, Place::Worker] {
        let rate = raw::rate(&from, &to, context.site(), place, 16 << 20, 65_536).await?;
        ensure!(rate > 1e6, "the raw data channel moves {rate} bytes a second ({place:?})");
    }
    Ok(())
}

/// The other tests rely on it: a violation, an exception and a stranger are seen, on pages and in workers.
async fn misbehaviour(context: Arc<Context>) -> Result<()> {
    let profile = context.profile("bad").await?;
    profile.open(&format!("{}/misbehaves", context.site())).await?;
    let expected =
        ["page csp", "thrown on a page", "thrown in a worker", "contacted http://stranger.invalid"];
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let seen = context.misbehaviour().join("\n");
        let missing: Vec<_> = expected.iter().filter(|words| !seen.contains(**words)).collect();
        if missing.is_empty() {
            break;
        }
        ensure!(Instant::now() < end, "not seen: {missing:?} in:\n{seen}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for words in ["thrown", "stranger.invalid", "script-src", "Content Security Policy"] {
        context.tolerate(words);
    }
    Ok(())
}
