//! Browsers and networks that lack something: each works, or says why not and what to do.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::browser::{Options, Tab};
use e2e::files;
use e2e::page::{self, By};
use e2e::runner::{Context, Test};
use e2e::tracker;
use serde_json::json;

const LONG: Duration = Duration::from_secs(90);
const SOON: Duration = Duration::from_secs(20);

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("without_webrtc", without_webrtc),
        Test::new("without_opfs", without_opfs),
        Test::new("quota_too_small", quota),
        Test::new("disk_full_half_way", disk_full_half_way),
        Test::new("malformed_links", malformed),
        Test::new("self_signed_certificate_accepted", certificate_accepted),
        Test::new("self_signed_certificate_refused", certificate_refused),
        Test::new("plain_http_on_the_lan", plain_http),
        Test::new("nobody_has_it", nobody),
        Test::new("only_through_the_relay", through_the_relay),
    ]
}

/// Waits until the page says something that contains one of the words, in a place meant for it.
async fn says(tab: &Tab, words: &[&str]) -> Result<String> {
    let expression = format!(
        "(() => {{
            const places = [...document.querySelectorAll('[data-testid=error], [data-testid=notice], [role=alert], [role=status]')];
            const said = places.map((it) => it.innerText).join('\\n');
            return {}.some((word) => said.toLowerCase().includes(word)) ? said : null;
        }})()",
        json!(words.iter().map(|word| word.to_lowercase()).collect::<Vec<_>>())
    );
    tab.wait(&format!("message with one of {words:?}"), &expression, SOON).await
}

async fn without_webrtc(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let tab = context.profile("bare").await?.tab().await?;
    tab.before_every_page("delete window.RTCPeerConnection; delete window.webkitRTCPeerConnection;").await?;
    tab.goto(&tracker.origin()).await?;
    says(&tab, &["webrtc"]).await?;
    Ok(())
}

/// Chromium as it would be without a private file system.
const NO_OPFS: &str = "--disable-blink-features=FileSystemAccessOriginPrivate";

async fn without_opfs(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (file, sha256) = context.file("memory.bin", 10_000_000, 70)?;
    let seed = context.profile("seed").await?.tab().await?;
    page::open(&seed, &tracker.origin()).await?;
    let link = page::share(&seed, &[&file], By::Choosing).await?;
    let options = Options { flags: vec![NO_OPFS.to_owned()], ..Options::default() };
    let tab = context.profile_with("bare", &options).await?.tab().await?;
    tab.goto(&link).await?;
    let missing: bool = tab.eval("!('getDirectory' in navigator.storage)").await?;
    ensure!(missing, "OPFS is still there");
    says(&tab, &["memory"]).await?;
    page::press_download(&tab).await?;
    page::complete(&tab, LONG).await?;
    let (_, saved) = page::save(&tab, "memory.bin", LONG).await?;
    ensure!(files::sha256(&saved)? == sha256, "the saved file differs from the original");
    Ok(())
}

async fn set_quota(tab: &Tab, origin: &str, bytes: u64) -> Result<()> {
    tab.cdp("Storage.overrideQuotaForOrigin", json!({ "origin": origin, "quotaSize": bytes })).await?;
    Ok(())
}

async fn quota(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (file, _) = context.file("large.bin", 60_000_000, 71)?;
    let seed = context.profile("seed").await?.tab().await?;
    page::open(&seed, &tracker.origin()).await?;
    let link = page::share(&seed, &[&file], By::Choosing).await?;
    let tab = context.profile("full").await?.tab().await?;
    set_quota(&tab, &tracker.origin(), 20_000_000).await?;
    tab.goto(&link).await?;
    // Before anything is fetched the page may say so; when Download is pressed nonetheless, it has to.
    if page::press_download(&tab).await.is_ok() {
        tab.wait::<bool>("state", "document.querySelector('[data-testid=transfer]') !== null", SOON).await?;
    }
    says(&tab, &["space", "room", "storage is full"]).await?;
    let verified = page::transfer(&tab).await?.map_or(0, |transfer| transfer.verified);
    ensure!(verified < 60_000_000, "a file of 60 MB is complete in a quota of 20 MB");
    Ok(())
}

/// From now on writes fail as they do on a full disk. The quota itself cannot run out half way: files get their full
/// length before their first byte.
const DISK_FULL: &str = "FileSystemSyncAccessHandle.prototype.write =
    () => { throw new DOMException('no space left', 'QuotaExceededError'); }";

/// What was verified before the disk was full is kept, and the download goes on when there is space again.
async fn disk_full_half_way(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (file, sha256) = context.file("large.bin", 100_000_000, 72)?;
    let seed = context.profile("seed").await?.tab().await?;
    page::open(&seed, &tracker.origin()).await?;
    let link = page::share(&seed, &[&file], By::Choosing).await?;
    let tab = context.profile("full").await?.tab().await?;
    page::download(&tab, &link).await?;
    page::wait_transfer(&tab, "a tenth", LONG, |transfer| transfer.verified > 10_000_000).await?;
    tab.profile().cdp().eval_in_workers(DISK_FULL).await?;
    says(&tab, &["space", "room", "storage is full"]).await?;
    let kept = page::transfer(&tab).await?.context("no transfer")?.verified;
    ensure!(kept < 100_000_000, "the download was over before the disk was full");
    tab.reload().await?;
    let resumed = "document.querySelector('[data-testid=transfer]')?.dataset.verifiedBytes > 0";
    tab.wait::<bool>("verified pieces after a reload", resumed, SOON).await?;
    let whole = page::complete(&tab, LONG).await?;
    let fresh = whole.downloaded - whole.wasted;
    ensure!(
        fresh <= whole.total - kept,
        "{fresh} bytes were fetched with {kept} of {} verified",
        whole.total
    );
    let (_, saved) = page::save(&tab, "large.bin", LONG).await?;
    ensure!(files::sha256(&saved)? == sha256, "the saved file differs from the original");
    Ok(())
}

async fn malformed(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let tab = context.profile("reader").await?.tab().await?;
    for fragment in [
        "magnet:?xt=urn:btih:nonsense",
        "magnet:?dn=no-hash-at-all",
        "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef0123456",
        "magnet:?xt=urn:btmh:1220aaaa",
        "0123456789",
        "%E0%A4%A",
    ] {
        tab.goto("about:blank").await?;
        tab.goto(&format!("{}/#{fragment}", tracker.origin())).await?;
        says(&tab, &["link"]).await.with_context(|| format!("the fragment {fragment}"))?;
    }
    // And it is no dead end.
    tab.goto("about:blank").await?;
    page::open(&tab, &tracker.origin()).await
}

async fn certificate_accepted(context: Arc<Context>) -> Result<()> {
    let host = context.lan()?;
    let options = tracker::Options { host: host.to_owned(), ..tracker::Options::default() };
    let tracker = context.tracker_with(&options).await?;
    let accepting = Options { any_certificate: true, ..Options::default() };
    let (file, sha256) = context.file("tls.bin", 20_000_000, 73)?;
    let seed = context.profile_with("seed", &accepting).await?.tab().await?;
    page::open(&seed, &tracker.tls_origin()).await?;
    let link = page::share(&seed, &[&file], By::Choosing).await?;
    ensure!(link.contains("tr=wss"), "the link of an https page names no wss tracker: {link}");
    let tab = context.profile_with("leech", &accepting).await?.tab().await?;
    page::download(&tab, &link).await?;
    page::complete(&tab, LONG).await?;
    let (_, saved) = page::save(&tab, "tls.bin", LONG).await?;
    ensure!(files::sha256(&saved)? == sha256, "the saved file differs from the original");
    Ok(())
}

/// The browser warns; who goes on nonetheless, as people do on a LAN, can still download and save.
async fn certificate_refused(context: Arc<Context>) -> Result<()> {
    let host = context.lan()?;
    let options = tracker::Options { host: host.to_owned(), ..tracker::Options::default() };
    let tracker = context.tracker_with(&options).await?;
    let fingerprint =
        tracker.log().to_lowercase().contains("fingerprint") || tracker.log().contains("SHA-256");
    ensure!(fingerprint, "the tracker prints no fingerprint:\n{}", tracker.log());
    let (file, sha256) = context.file("tls.bin", 5_000_000, 74)?;
    let mut tabs = Vec::new();
    for name in ["seed", "leech"] {
        let tab = context.profile(name).await?.tab().await?;
        // The driver calls the browser's warning a page, or an error: its releases differ.
        let refused = tab.goto(&tracker.tls_origin()).await.err().map(|error| format!("{error:#}"));
        let shown: String = tab.eval("document.body.innerText").await?;
        ensure!(
            refused.iter().chain([&shown]).any(|said| said.contains("ERR_CERT")),
            "a certificate that nobody signed is accepted without a word: {refused:?}, {shown}"
        );
        tab.eval::<()>("void document.querySelector('#details-button').click()").await.ok();
        tab.eval::<()>("void document.querySelector('#proceed-link').click()").await.ok();
        page::ready(&tab).await?;
        tabs.push(tab);
    }
    let link = page::share(&tabs[0], &[&file], By::Choosing).await?;
    page::download(&tabs[1], &link).await?;
    page::complete(&tabs[1], LONG).await?;
    let (_, saved) = page::save(&tabs[1], "tls.bin", LONG).await?;
    ensure!(files::sha256(&saved)? == sha256, "the saved file differs from the original");
    Ok(())
}

async fn plain_http(context: Arc<Context>) -> Result<()> {
    let host = context.lan()?;
    let options = tracker::Options { host: host.to_owned(), ..tracker::Options::default() };
    let tracker = context.tracker_with(&options).await?;
    let (file, sha256) = context.file("lan.bin", 5_000_000, 75)?;
    let seed = context.profile("seed").await?.tab().await?;
    page::open(&seed, &tracker.origin()).await?;
    let secure: bool = seed.eval("isSecureContext").await?;
    ensure!(!secure, "plain http on a LAN address is a secure context");
    let said = says(&seed, &["https"]).await?;
    ensure!(said.contains("memory") || said.contains("MB"), "no word of what is off: {said}");
    let link = page::share(&seed, &[&file], By::Choosing).await?;
    let tab = context.profile("leech").await?.tab().await?;
    page::download(&tab, &link).await?;
    page::complete(&tab, LONG).await?;
    let (_, saved) = page::save(&tab, "lan.bin", LONG).await?;
    ensure!(files::sha256(&saved)? == sha256, "the saved file differs from the original");
    Ok(())
}

/// A link to something that nobody has says what it waits for.
async fn nobody(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let tab = context.profile("alone").await?.tab().await?;
    let link = format!("{}/#magnet:?xt=urn:btih:{}&dn=nothing", tracker.origin(), "5a".repeat(20));
    tab.goto(&link).await?;
    let transfer =
        page::wait_transfer(&tab, "waiting transfer", SOON, |transfer| transfer.state == "connecting")
            .await?;
    ensure!(transfer.infohash == "5a".repeat(20), "data-infohash is {}", transfer.infohash);
    let waits =
        "/wait|nobody|looking|no one/i.test(document.querySelector('[data-testid=transfer]').innerText)";
    tab.wait::<bool>("word of what is waited for", waits, SOON).await?;
    Ok(())
}

/// Every connection of the page may only go by way of a relay, as between two networks that let nothing in.
const RELAY_ONLY: &str = "(() => {
    const Real = RTCPeerConnection;
    globalThis.RTCPeerConnection = class extends Real {
        constructor(configuration = {}, ...rest) { super({ ...configuration, iceTransportPolicy: 'relay' }, ...rest); }
    };
})()";

/// Two that cannot meet meet through the tracker's relay, whose name and password come with the page.
async fn through_the_relay(context: Arc<Context>) -> Result<()> {
    let host = context.lan()?;
    let arguments = vec!["--turn".to_owned(), format!("{host}:0")];
    let options = tracker::Options { host: host.to_owned(), arguments, ..tracker::Options::default() };
    let tracker = context.tracker_with(&options).await?;
    let (file, sha256) = context.file("relayed.bin", 5_000_000, 76)?;
    let seed = context.profile("seed").await?.tab().await?;
    seed.before_every_page(RELAY_ONLY).await?;
    page::open(&seed, &tracker.origin()).await?;
    let link = page::share(&seed, &[&file], By::Choosing).await?;
    let tab = context.profile("leech").await?.tab().await?;
    tab.before_every_page(RELAY_ONLY).await?;
    page::download(&tab, &link).await?;
    page::complete(&tab, LONG).await?;
    let (_, stats) = tracker.get("/stats.json").await?;
    let stats: serde_json::Value = serde_json::from_str(&stats)?;
    ensure!(stats["relayed"].as_u64() >= Some(2), "{} are relayed", stats["relayed"]);
    let (_, saved) = page::save(&tab, "relayed.bin", LONG).await?;
    ensure!(files::sha256(&saved)? == sha256, "the saved file differs from the original");
    Ok(())
}
