//! Memory of two tabs that move a large file.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::files;
use e2e::memory::{Memory, Peak, Sampler};
use e2e::page;
use e2e::stock::Stock;
use serde_json::{Value, json};

use crate::Bench;
use crate::rate::pair;

const LONG: Duration = Duration::from_secs(3600);
const EVERY: Duration = Duration::from_millis(500);

/// Peak memory of both tabs of ours, above an empty tab's; of stock WebTorrent too, if asked for.
pub(crate) async fn measure(bench: &Bench, bytes: u64, with_stock: bool) -> Result<Value> {
    let file = bench.scratch.path().join("large.bin");
    files::write_random(&file, bytes, 98)?;
    println!("\nmemory with a file of {} GB, MB above an empty tab", bytes as f64 / 1e9);
    let empty = empty(bench).await?;
    let mut figures =
        json!({ "bytes": bytes, "empty": empty, "ours": ours(bench, &file, empty, bytes).await? });
    if with_stock {
        // It may well not survive; that is a figure too.
        figures["stock"] = match stock(bench, &file, empty).await {
            Ok(figures) => figures,
            Err(error) => format!("{error:#}").into(),
        };
    }
    std::fs::remove_file(&file)?;
    Ok(figures)
}

async fn empty(bench: &Bench) -> Result<Peak> {
    let [(one, from), (two, _)] = pair(bench).await?;
    from.goto(bench.site.origin()).await?;
    let sampler = Sampler::start(&one, EVERY).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let peak = sampler.stop().await?;
    one.quit().await;
    two.quit().await;
    println!("empty tab: {}", show(peak.tab, Memory::default()));
    Ok(peak)
}

async fn ours(bench: &Bench, file: &Path, empty: Peak, bytes: u64) -> Result<Value> {
    let tracker = bench.tracker().await?;
    let [(one, from), (two, to)] = pair(bench).await?;
    page::open(&from, &bench.home(&tracker)).await?;
    let seed = Sampler::start(&one, EVERY).await?;
    let started = Instant::now();
    from.choose("input#files", &[file]).await?;
    let link: String = loop {
        // Hashing takes longer than the ordinary wait for a link.
        match page::link(&from).await {
            Ok(link) => break link,
            Err(error) => ensure!(started.elapsed() < LONG, "no link: {error:#}"),
        }
    };
    let hashing = started.elapsed().as_secs_f64();
    page::open(&to, &bench.home(&tracker)).await?;
    let leech = Sampler::start(&two, EVERY).await?;
    let (_, fragment) = link.split_once('#').unwrap_or_default();
    page::download(&to, &format!("{}#{fragment}", bench.home(&tracker))).await?;
    let started = Instant::now();
    page::complete(&to, LONG).await?;
    let transfer = started.elapsed().as_secs_f64();
    let saved = if to.eval::<bool>("document.querySelector('[data-testid=save]') !== null").await? {
        let (_, path) = page::save(&to, "large.bin", LONG).await?;
        Some(files::sha256(&path)? == files::sha256(file)?)
    } else {
        None
    };
    let (seed, leech) = (seed.stop().await?, leech.stop().await?);
    one.quit().await;
    two.quit().await;
    let rate = bytes as f64 / 1e6 / transfer;
    println!("ours, seeding:     {}", show(seed.tab, empty.tab));
    println!("ours, downloading: {}", show(leech.tab, empty.tab));
    println!("hashing {hashing:.1} s; transfer {transfer:.1} s, {rate:.1} MB/s; saved and equal: {saved:?}");
    Ok(
        json!({ "seed": seed, "leech": leech, "hashing_s": hashing, "transfer_s": transfer, "saved_equal": saved }),
    )
}

async fn stock(bench: &Bench, file: &Path, empty: Peak) -> Result<Value> {
    let tracker = bench.tracker().await?;
    let [(one, from), (two, to)] = pair(bench).await?;
    let seeding = Stock::open(&from, bench.site.origin()).await?;
    let leeching = Stock::open(&to, bench.site.origin()).await?;
    let (seed, leech) = (Sampler::start(&one, EVERY).await?, Sampler::start(&two, EVERY).await?);
    let magnet = seeding.seed(&[file], "large.bin", &tracker.announce(), false).await?;
    leeching.download(&magnet, &tracker.announce()).await?;
    let done = leeching.done(LONG).await;
    let (seed, leech) = (seed.stop().await?, leech.stop().await?);
    one.quit().await;
    two.quit().await;
    println!("stock, seeding:     {}", show(seed.tab, empty.tab));
    println!("stock, downloading: {}", show(leech.tab, empty.tab));
    Ok(json!({ "seed": seed, "leech": leech, "transfer_ms": done?.total_ms }))
}

fn show(peak: Memory, empty: Memory) -> String {
    let above = |value: u64, empty: u64| (value as f64 - empty as f64) / 1e6;
    format!("PSS {:7.1}, RSS {:7.1}", above(peak.pss, empty.pss), above(peak.rss, empty.rss))
}
