//! More than two: tabs that help each other, leave half way, come back, or lie.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::browser::Tab;
use e2e::files;
use e2e::page::{self, By};
use e2e::runner::{Context, Test};
use e2e::stock::Stock;
use e2e::tracker::Tracker;
use tokio::task::JoinHandle;

const SIZE: u64 = 100_000_000;
const LONG: Duration = Duration::from_secs(120);

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("one_seed_and_three_tabs", three_tabs).within(Duration::from_secs(300)),
        Test::new("another_seed_takes_over", another_seed),
        Test::new("reloaded_tab_goes_on", reloaded),
        Test::new("two_downloads_of_one_profile", two_downloads),
        Test::new("corrupt_peer_is_banned", corrupt).within(Duration::from_secs(240)),
        Test::new("tracker_comes_back", tracker_comes_back).within(Duration::from_secs(300)),
        Test::new("tracker_is_restarted", tracker_is_restarted).within(Duration::from_secs(300)),
    ]
}

/// Shares a random file in a fresh browser.
async fn seed(context: &Context, name: &str, tracker: &Tracker, file: &Path) -> Result<(Tab, String)> {
    let tab = context.profile(name).await?.tab().await?;
    page::open(&tab, &tracker.origin()).await?;
    let link = page::share(&tab, &[file], By::Choosing).await?;
    Ok((tab, link))
}

async fn saved_is(tab: &Tab, path: &str, sha256: &str) -> Result<()> {
    let (_, saved) = page::save(tab, path, LONG).await?;
    let found = files::sha256(&saved)?;
    ensure!(found == sha256, "{path}: the saved file has SHA-256 {found}, the original {sha256}");
    Ok(())
}

/// Verified pieces by the peer that gave them, the highest count seen of each.
type Given = BTreeMap<String, u64>;

/// Counts from now until the transfer is complete: a peer's row goes when the peer does.
fn count_givers(tab: Tab) -> JoinHandle<Result<Given>> {
    tokio::spawn(async move {
        let mut given = Given::new();
        loop {
            let whole = page::transfer(&tab).await?.is_some_and(|it| it.total > 0 && it.verified == it.total);
            for peer in page::peers(&tab).await? {
                let seen = given.entry(peer.id).or_default();
                *seen = peer.given.max(*seen);
            }
            if whole {
                return Ok(given);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
}

async fn three_tabs(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (file, sha256) = context.file("swarm.bin", SIZE, 5)?;
    let (seed_tab, link) = seed(&context, "seed", &tracker, &file).await?;
    let mut leeches: Vec<(Tab, JoinHandle<Result<Given>>)> = Vec::new();
    for (name, tenths) in [("first", 0), ("second", 2), ("third", 4)] {
        if let Some((tab, _)) = leeches.first() {
            // The later ones join when the first one has something to give.
            let enough = move |transfer: &page::Transfer| transfer.verified * 10 >= transfer.total * tenths;
            page::wait_transfer(tab, "part of the file in the first tab", LONG, enough).await?;
        }
        let tab = context.profile(name).await?.tab().await?;
        page::download(&tab, &link).await?;
        leeches.push((tab.clone(), count_givers(tab)));
    }
    let mut received = 0;
    let mut all_given = Vec::new();
    for (number, (tab, givers)) in leeches.into_iter().enumerate() {
        page::complete(&tab, LONG).await?;
        let given = tokio::time::timeout(LONG, givers).await???;
        received += page::transfer(&tab).await?.context("no transfer")?.downloaded;
        println!("       tab {}: verified pieces by giver: {:?}", number + 1, given.values());
        saved_is(&tab, "swarm.bin", &sha256).await?;
        all_given.push(given);
    }
    let uploaded = page::transfer(&seed_tab).await?.context("the seed shows no transfer")?.uploaded;
    println!("       the seed gave {uploaded} bytes; the three tabs got {received}");
    ensure!(received >= 3 * SIZE, "three tabs got {received} bytes, less than three files");
    ensure!(uploaded < received, "all {received} bytes came from the seed ({uploaded})");
    for (number, given) in all_given.iter().enumerate().skip(1) {
        let givers = given.values().filter(|pieces| **pieces > 0).count();
        ensure!(givers >= 2, "tab {} got all its pieces from one peer: {given:?}", number + 1);
    }
    Ok(())
}

async fn another_seed(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (file, sha256) = context.file("handed-over.bin", SIZE, 6)?;
    let (first, link) = seed(&context, "first", &tracker, &file).await?;
    let tab = context.profile("leech").await?.tab().await?;
    page::download(&tab, &link).await?;
    let half = |transfer: &page::Transfer| transfer.total > 0 && transfer.verified * 2 >= transfer.total;
    page::wait_transfer(&tab, "half of the file", LONG, half).await?;
    first.close().await?;
    let alone = |transfer: &page::Transfer| transfer.peers == 0;
    let left = page::wait_transfer(&tab, "loss of the only peer", Duration::from_secs(30), alone).await?;
    ensure!(left.verified < left.total, "the download was over before the seed had gone");
    let (_second, again) = seed(&context, "second", &tracker, &file).await?;
    ensure!(again == link, "the same file has two links: {link} and {again}");
    let whole = page::complete(&tab, LONG).await?;
    let fresh = whole.downloaded - whole.wasted;
    ensure!(fresh <= SIZE, "{fresh} bytes were fetched for a file of {SIZE}");
    saved_is(&tab, "handed-over.bin", &sha256).await
}

async fn reloaded(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (file, sha256) = context.file("reloaded.bin", SIZE, 7)?;
    let (_seed, link) = seed(&context, "seed", &tracker, &file).await?;
    let tab = context.profile("leech").await?.tab().await?;
    page::download(&tab, &link).await?;
    let half = |transfer: &page::Transfer| transfer.total > 0 && transfer.verified * 2 >= transfer.total;
    let before = page::wait_transfer(&tab, "half of the file", LONG, half).await?;
    ensure!(before.verified < before.total, "the download was over before the reload");
    tab.reload().await?;
    let whole = page::complete(&tab, LONG).await?;
    let (fresh, missing) = (whole.downloaded - whole.wasted, whole.total - before.verified);
    println!(
        "       {} of {SIZE} bytes were verified; {fresh} were fetched after the reload",
        before.verified
    );
    ensure!(fresh > 0, "the count of fetched bytes says nothing");
    ensure!(fresh <= missing, "after the reload {missing} bytes were missing, but {fresh} were fetched");
    saved_is(&tab, "reloaded.bin", &sha256).await
}

/// Two tabs of one profile fetch the same torrent at once: each has storage of its own.
async fn two_downloads(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (file, sha256) = context.file("twice.bin", 30_000_000, 8)?;
    let (_seed, link) = seed(&context, "seed", &tracker, &file).await?;
    let profile = context.profile("leeches").await?;
    let (one, two) = (profile.tab().await?, profile.tab().await?);
    page::download(&one, &link).await?;
    page::download(&two, &link).await?;
    for tab in [&one, &two] {
        page::complete(tab, LONG).await?;
        saved_is(tab, "twice.bin", &sha256).await?;
    }
    Ok(())
}

async fn corrupt(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (file, sha256) = context.file("bad.bin", 20_000_000, 9)?;
    let (liar_tab, good_tab) =
        (context.profile("liar").await?.tab().await?, context.profile("good").await?.tab().await?);
    let liar = Stock::open(&liar_tab, context.site()).await?;
    let good = Stock::open(&good_tab, context.site()).await?;
    let magnet = liar.seed(&[&file], "bad.bin", &tracker.announce(), true).await?;
    let tab = context.profile("leech").await?.tab().await?;
    page::open(&tab, &tracker.origin()).await?;
    page::download(&tab, &format!("{}/#{magnet}", tracker.origin())).await?;
    // The liar has the tab for itself, so it is certain that the tab is lied to.
    let lied_to = |transfer: &page::Transfer| transfer.failed_pieces > 0;
    page::wait_transfer(&tab, "piece that does not match", LONG, lied_to).await?;
    let banned = |transfer: &page::Transfer| transfer.banned > 0 && transfer.peers == 0;
    let alone = page::wait_transfer(&tab, "ban of the liar", Duration::from_secs(30), banned).await?;
    ensure!(alone.verified == 0, "{} bytes of a liar count as verified", alone.verified);
    good.seed(&[&file], "bad.bin", &tracker.announce(), false).await?;
    let whole = page::complete(&tab, LONG).await?;
    println!("       {} pieces did not match, {} peers banned", whole.failed_pieces, whole.banned);
    ensure!(good.state().await?.uploaded > 0.0, "the good seed gave nothing");
    saved_is(&tab, "bad.bin", &sha256).await
}

/// The tracker goes away and comes back at the same address: whoever opens the link then still finds the seed.
async fn tracker_comes_back(context: Arc<Context>) -> Result<()> {
    let options = e2e::tracker::Options::default();
    let tracker = Tracker::start(&options, context.scratch()).await?;
    let (port, tls_port) = tracker.ports();
    let (file, sha256) = context.file("again.bin", 5_000_000, 10)?;
    let (_seed, link) = seed(&context, "seed", &tracker, &file).await?;
    tracker.wait_peers(1, Duration::from_secs(10)).await?;
    tracker.kill().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let tracker = Tracker::start_on(port, tls_port, &options, context.scratch()).await?;
    tracker.wait_peers(1, Duration::from_secs(90)).await?;
    let tab = context.profile("leech").await?.tab().await?;
    page::download(&tab, &link).await?;
    page::complete(&tab, LONG).await?;
    saved_is(&tab, "again.bin", &sha256).await
}

/// The tracker is restarted in the middle, as for an update: those who were there are back within seconds, without a hand, and
/// who comes then meets them.
async fn tracker_is_restarted(context: Arc<Context>) -> Result<()> {
    let options = e2e::tracker::Options::default();
    let tracker = Tracker::start(&options, context.scratch()).await?;
    let (port, tls_port) = tracker.ports();
    let (file, sha256) = context.file("restart.bin", 5_000_000, 11)?;
    let (_seed, link) = seed(&context, "seed", &tracker, &file).await?;
    tracker.wait_peers(1, Duration::from_secs(10)).await?;
    let took = tracker.terminate().await?;
    ensure!(took < Duration::from_secs(5), "it took {took:?} to end with one peer");
    let tracker = Tracker::start_on(port, tls_port, &options, context.scratch()).await?;
    // It asks to come back after one second, and has said so to nobody else; one more is the spread.
    let begun = std::time::Instant::now();
    tracker.wait_peers(1, Duration::from_secs(10)).await?;
    println!("       ended in {took:?}, the seed was back {:?} after the start", begun.elapsed());
    let tab = context.profile("leech").await?.tab().await?;
    page::download(&tab, &link).await?;
    page::complete(&tab, LONG).await?;
    saved_is(&tab, "restart.bin", &sha256).await
}
