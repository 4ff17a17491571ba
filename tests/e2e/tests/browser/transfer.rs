//! A file dropped in one tab arrives, verified, in another.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::browser::{Options, Profile, Tab};
use e2e::files;
use e2e::page::{self, By};
use e2e::runner::{Context, Test};

const SIZE: u64 = 100_000_000;
const LONG: Duration = Duration::from_secs(90);

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("one_megabyte_from_tab_to_tab", one_megabyte),
        Test::new("two_tabs_of_one_profile", one_profile),
        Test::new("two_profiles", two_profiles),
        Test::new("two_profiles_with_mdns_candidates", mdns),
        Test::new("relayed_channels", relayed),
        Test::new("hidden_tabs_go_on", hidden),
    ]
}

/// Shares in one tab, downloads and saves in the other, compares.
async fn send(context: &Context, from: &Tab, to: &Tab, home: &str, size: u64, by: By) -> Result<()> {
    let (file, sha256) = context.file("payload.bin", size, 2)?;
    page::open(from, home).await?;
    let link = page::share(from, &[&file], by).await?;
    page::download(to, &link).await?;
    let transfer = page::complete(to, LONG).await?;
    ensure!(transfer.total == size, "the transfer has {} bytes, the file {size}", transfer.total);
    ensure!(transfer.text.contains("match the link"), "no word of verification in: {}", transfer.text);
    save_equals(to, "payload.bin", &sha256).await
}

async fn save_equals(tab: &Tab, path: &str, sha256: &str) -> Result<()> {
    let (name, saved) = page::save(tab, path, LONG).await?;
    let expected = Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path);
    ensure!(name == expected, "the browser would save {path} as {name}");
    let found = files::sha256(&saved)?;
    ensure!(found == sha256, "{path}: the saved file has SHA-256 {found}, the original {sha256}");
    Ok(())
}

async fn one_megabyte(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (one, two) = (context.profile("seed").await?, context.profile("leech").await?);
    let (from, to) = (one.tab().await?, two.tab().await?);
    send(&context, &from, &to, &tracker.origin(), 1_000_000, By::Choosing).await?;
    for tab in [&from, &to] {
        let Some(transfer) = page::transfer(tab).await? else { continue };
        ensure!(transfer.channel != "relay", "the data channels are not transferred to the worker");
    }
    Ok(())
}

async fn one_profile(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let profile = context.profile("both").await?;
    let (from, to) = (profile.tab().await?, profile.tab().await?);
    send(&context, &from, &to, &tracker.origin(), SIZE, By::Dropping).await
}

async fn two_profiles(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (one, two) = (context.profile("seed").await?, context.profile("leech").await?);
    let (from, to) = (one.tab().await?, two.tab().await?);
    send(&context, &from, &to, &tracker.origin(), SIZE, By::Choosing).await
}

async fn mdns(context: Arc<Context>) -> Result<()> {
    // Without a network of their own, mDNS names may be answered by somebody else, or by nobody.
    context.lan()?;
    let tracker = context.tracker().await?;
    let options = Options { mdns: true, ..Options::default() };
    let one = context.profile_with("seed", &options).await?;
    let two = context.profile_with("leech", &options).await?;
    let (from, to) = (one.tab().await?, two.tab().await?);
    let candidates: String = to.eval(GATHER).await?;
    ensure!(candidates.contains(".local"), "the candidates are not mDNS names: {candidates}");
    send(&context, &from, &to, &tracker.origin(), SIZE, By::Dropping).await
}

/// The candidates of a connection made on the spot.
const GATHER: &str = "(async () => {
    const connection = new RTCPeerConnection();
    connection.createDataChannel('x');
    await connection.setLocalDescription();
    while (connection.iceGatheringState !== 'complete') await new Promise((done) => setTimeout(done, 20));
    const { sdp } = connection.localDescription;
    connection.close();
    return sdp.split('\\n').filter((line) => line.startsWith('a=candidate')).join(' ') || 'none';
})()";

async fn relayed(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (one, two) = (context.profile("seed").await?, context.profile("leech").await?);
    let (from, to) = (one.tab().await?, two.tab().await?);
    let home = format!("{}/?channel=relay", tracker.origin());
    let (file, sha256) = context.file("payload.bin", 20_000_000, 3)?;
    page::open(&from, &home).await?;
    let link = page::share(&from, &[&file], By::Choosing).await?;
    let (_, fragment) = link.split_once('#').unwrap_or_default();
    page::download(&to, &format!("{home}#{fragment}")).await?;
    let transfer = page::complete(&to, LONG).await?;
    ensure!(transfer.channel == "relay", "data-channel is {:?}, expected \"relay\"", transfer.channel);
    save_equals(&to, "payload.bin", &sha256).await
}

/// Both ends are hidden for as long as the transfer runs, and what they show is current nonetheless.
async fn hidden(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (one, two) = (context.profile("seed").await?, context.profile("leech").await?);
    let (from, to) = (one.tab().await?, two.tab().await?);
    let (file, sha256) = context.file("payload.bin", SIZE, 4)?;
    page::open(&from, &tracker.origin()).await?;
    let link = page::share(&from, &[&file], By::Choosing).await?;
    cover(&one, &from).await?;
    page::download(&to, &link).await?;
    page::wait_transfer(&to, "first piece", LONG, |transfer| transfer.verified > 0).await?;
    let in_front = cover(&two, &to).await?;
    let before = page::transfer(&to).await?.map_or(0, |transfer| transfer.verified);
    ensure!(before < SIZE, "the transfer was over before the tab was hidden");
    page::complete(&to, LONG).await?;
    for tab in [&from, &to] {
        let state: String = tab.eval("document.visibilityState").await?;
        ensure!(state == "hidden", "the tab was {state} at the end");
    }
    in_front.close().await?;
    save_equals(&to, "payload.bin", &sha256).await
}

async fn cover(profile: &Arc<Profile>, tab: &Tab) -> Result<Tab> {
    let in_front = profile.tab_in_front(tab).await?;
    tab.wait::<bool>("hidden tab", "document.visibilityState === 'hidden'", Duration::from_secs(5)).await?;
    Ok(in_front)
}
