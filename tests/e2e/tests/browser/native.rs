//! The native peer's data channels with those of pages.

use std::sync::Arc;

use anyhow::{Result, ensure};
use e2e::browser;
use e2e::channel::{Offerer, Pair};
use e2e::runner::{Context, Test};
use peer::net::rtc;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("native_channel_with_a_page", channels),
        Test::new("native_channel_with_a_page_that_hides_its_address", hidden_channels),
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
