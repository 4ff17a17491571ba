//! The raw data channel between two tabs: what no protocol on top of it can exceed.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::browser::Tab;

/// Where the channel's ends live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the page.
    Page,
    /// In a dedicated worker.
    Worker,
}

/// Bytes a second of `total` bytes from one tab to the other in messages of `size` bytes.
pub async fn rate(from: &Tab, to: &Tab, site: &str, place: Place, total: u64, size: u32) -> Result<f64> {
    let within = Duration::from_secs(120);
    let in_worker = place == Place::Worker;
    for tab in [from, to] {
        tab.goto("about:blank").await?;
        tab.goto(&format!("{site}/raw")).await?;
        tab.wait::<bool>("raw page", "'raw' in window", within).await?;
    }
    let offer: Value = from.eval(&format!("raw.offer({in_worker})")).await?;
    let answer: Value = to.eval(&format!("raw.answer({offer}, {in_worker})")).await?;
    from.eval::<bool>(&format!("raw.accept({answer})")).await?;
    for tab in [from, to] {
        tab.wait::<bool>("open data channel", "raw.state().open", within).await?;
    }
    to.eval::<bool>(&format!("raw.expect({total})")).await?;
    if in_worker {
        let expecting = format!("raw.state().expecting === {total}");
        to.wait::<bool>("worker", &expecting, within).await?;
    }
    from.eval::<bool>(&format!("raw.send({}, {})", json!(total), json!(size))).await?;
    to.wait::<bool>("last byte", &format!("raw.state().received >= {total}"), within).await?;
    let milliseconds: f64 = to.eval("raw.state().milliseconds").await?;
    ensure!(milliseconds > 0.0, "{total} bytes arrived in no time");
    Ok(total as f64 / (milliseconds / 1000.0))
}
