//! How soon files can be dropped, and what has to be loaded for that.

use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e::browser::{Options, Profile};
use e2e::page;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{Bench, median};

/// Notes when the drop zone works, in milliseconds after the navigation began.
const CLOCK: &str = "(() => {
    const look = () => {
        if (window.readyAfter === undefined && document.querySelector('[data-ready=true]')) {
            window.readyAfter = performance.now();
        }
    };
    new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
})()";

pub(crate) async fn measure(bench: &Bench, runs: u32) -> Result<Value> {
    let tracker = bench.tracker().await?;
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    let mut sizes = Value::Null;
    for run in 0..runs {
        let profile =
            Profile::start(&bench.driver, "load", &Options::default(), bench.scratch.path()).await?;
        let tab = profile.tab().await?;
        tab.before_every_page(CLOCK).await?;
        page::open(&tab, &bench.home(&tracker)).await?;
        let ready = "window.readyAfter ?? null";
        cold.push(tab.wait::<f64>("ready drop zone", ready, Duration::from_secs(20)).await?);
        tab.reload().await?;
        warm.push(tab.wait::<f64>("ready drop zone", ready, Duration::from_secs(20)).await?);
        if run == 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            sizes = weigh(&profile, &tracker.origin()).await?;
        }
        profile.quit().await;
    }
    println!(
        "\ndrop zone works after: {:.0} ms cold, {:.0} ms warm (median of {runs})",
        median(&cold),
        median(&warm)
    );
    Ok(json!({ "cold_ms": cold, "warm_ms": warm, "cold_median": median(&cold), "warm_median": median(&warm),
        "sizes": sizes }))
}

/// Bytes of everything that the page and its worker fetched, plain and with brotli.
async fn weigh(profile: &Profile, origin: &str) -> Result<Value> {
    println!("\n{:>9} {:>9}", "plain", "brotli");
    let mut rows = Vec::new();
    let (mut plain_sum, mut brotli_sum) = (0, 0);
    for address in profile.cdp().fetched() {
        if !address.starts_with(origin) {
            continue;
        }
        let (plain, brotli) = (size(&address, "identity").await?, size(&address, "br").await?);
        let path = address.trim_start_matches(origin);
        println!("{plain:>9} {brotli:>9}  {path}");
        plain_sum += plain;
        brotli_sum += brotli;
        rows.push(json!({ "path": path, "plain": plain, "brotli": brotli }));
    }
    println!("{plain_sum:>9} {brotli_sum:>9}  together");
    Ok(Value::Array(rows))
}

async fn size(address: &str, encoding: &str) -> Result<u64> {
    let output = Command::new("curl")
        .args([
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{size_download}",
            "-H",
            &format!("Accept-Encoding: {encoding}"),
            address,
        ])
        .output()
        .await
        .context("running curl")?;
    String::from_utf8_lossy(&output.stdout).trim().parse().with_context(|| format!("the size of {address}"))
}
