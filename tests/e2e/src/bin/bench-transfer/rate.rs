//! Rates between two tabs, each in a browser of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::browser::{Options, Profile, Tab};
use e2e::cdp::Watch;
use e2e::page::{self, By};
use e2e::raw::{self, Place};
use e2e::stock::Stock;
use e2e::{files, page as our_page};
use serde_json::{Value, json};

use crate::{Bench, median};

const LONG: Duration = Duration::from_secs(600);
/// Bytes through the raw channel in one run.
const RAW_BYTES: u64 = 64 << 20;

/// Notes on the page's own clock when Download is pressed and when the last piece is there.
const CLOCK: &str = "(() => {
    window.bench = {};
    addEventListener('click', (event) => {
        if (event.target.closest?.('[data-testid=download]')) window.bench.pressed ??= performance.now();
    }, true);
    new MutationObserver(() => {
        const data = document.querySelector('[data-testid=transfer]')?.dataset;
        if (!data || !window.bench.pressed) return;
        if (Number(data.downloaded) > 0) window.bench.firstByte ??= performance.now();
        const whole = data.verifiedBytes === data.totalBytes && Number(data.totalBytes) > 0;
        if (whole && ['complete', 'seeding'].includes(data.state)) window.bench.whole ??= performance.now();
    }).observe(document, { subtree: true, childList: true, attributes: true });
})()";

/// Two fresh browsers, watched as little as possible.
pub(crate) async fn pair(bench: &Bench) -> Result<[(Arc<Profile>, Tab); 2]> {
    let options = Options { watch: Watch::Little, ..Options::default() };
    let one = Profile::start(&bench.driver, "from", &options, bench.scratch.path()).await?;
    let two = Profile::start(&bench.driver, "to", &options, bench.scratch.path()).await?;
    let (from, to) = (one.tab().await?, two.tab().await?);
    Ok([(one, from), (two, to)])
}

/// Seconds that ours takes from the press on Download to the last verified piece.
async fn ours(bench: &Bench, file: &Path) -> Result<f64> {
    let tracker = bench.tracker().await?;
    let [(one, from), (two, to)] = pair(bench).await?;
    page::open(&from, &bench.home(&tracker)).await?;
    let link = page::share(&from, &[file], By::Choosing).await?;
    let (_, fragment) = link.split_once('#').unwrap_or_default();
    to.before_every_page(CLOCK).await?;
    our_page::download(&to, &format!("{}#{fragment}", bench.home(&tracker))).await?;
    to.wait::<f64>("end of our download", "bench.whole", LONG).await?;
    let milliseconds: f64 = to.eval("bench.whole - bench.pressed").await?;
    one.quit().await;
    two.quit().await;
    Ok(milliseconds / 1000.0)
}

/// Seconds that stock WebTorrent takes from the metadata to the last verified piece.
async fn stock(bench: &Bench, file: &Path) -> Result<f64> {
    let tracker = bench.tracker().await?;
    let [(one, from), (two, to)] = pair(bench).await?;
    let seed = Stock::open(&from, bench.site.origin()).await?;
    let leech = Stock::open(&to, bench.site.origin()).await?;
    let magnet = seed.seed(&[file], "bench.bin", &tracker.announce(), false).await?;
    tracker.wait_peers(1, Duration::from_secs(20)).await?;
    leech.download(&magnet, &tracker.announce()).await?;
    let state = leech.done(LONG).await?;
    one.quit().await;
    two.quit().await;
    let milliseconds = state.transfer_ms.unwrap_or(f64::NAN);
    ensure!(milliseconds > 0.0, "the stock page has no times: {state:?}");
    Ok(milliseconds / 1000.0)
}

/// Ours and stock WebTorrent, alternating, on the same file.
pub(crate) async fn compare(bench: &Bench, runs: u32, bytes: u64) -> Result<Value> {
    let file = bench.scratch.path().join("bench.bin");
    files::write_random(&file, bytes, 99)?;
    let megabytes = bytes as f64 / 1e6;
    println!("\ntwo tabs, two profiles, {megabytes} MB, MB/s");
    println!("{:>4} {:>9} {:>9}", "run", "ours", "stock");
    let (mut our_rates, mut stock_rates) = (Vec::new(), Vec::new());
    for run in 1..=runs {
        our_rates.push(megabytes / ours(bench, &file).await?);
        stock_rates.push(megabytes / stock(bench, &file).await?);
        let index = our_rates.len() - 1;
        println!("{run:>4} {:>9.1} {:>9.1}", our_rates[index], stock_rates[index]);
    }
    let ratio = median(&our_rates) / median(&stock_rates);
    println!("{:>4} {:>9.1} {:>9.1}   ratio {ratio:.2}", "med", median(&our_rates), median(&stock_rates));
    Ok(json!({
        "bytes": bytes, "unit": "MB/s", "ours": our_rates, "stock": stock_rates,
        "ours_median": median(&our_rates), "stock_median": median(&stock_rates), "ratio": ratio,
    }))
}

/// The raw data channel with messages of three sizes, on the page and in a worker.
pub(crate) async fn raw(bench: &Bench, runs: u32) -> Result<Value> {
    println!("\nraw data channel, two profiles, {} MB, MB/s (median of {runs})", RAW_BYTES / 1_000_000);
    let [(one, from), (two, to)] = pair(bench).await?;
    let mut rows = Vec::new();
    for place in [Place::Page, Place::Worker] {
        for size in [16_384, 65_536, 262_144] {
            let mut rates = Vec::new();
            for _ in 0..runs {
                let rate = raw::rate(&from, &to, bench.site.origin(), place, RAW_BYTES, size).await?;
                rates.push(rate / 1e6);
            }
            println!("{:>8} {:>4} KiB {:>7.1}", format!("{place:?}"), size / 1024, median(&rates));
            rows.push(json!({ "place": format!("{place:?}"), "message_bytes": size, "rates": rates,
                "median": median(&rates) }));
        }
    }
    one.quit().await;
    two.quit().await;
    Ok(Value::Array(rows))
}
