//! Screenshots of the page in its main states, dark and light, on a desktop and on a phone, with real transfers.
//! `tour compare` takes those of the Compare page only, `tour dashboard` those of the Dashboard under load.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use data_encoding::BASE64;
use e2e::browser::{Driver, Options, Profile, Tab};
use e2e::page::{self, By};
use e2e::tracker::{self, Tracker};
use e2e::{files, netns, target};
use serde_json::json;

const LONG: Duration = Duration::from_secs(120);
/// Name, width and height in CSS pixels, and whether it is a phone.
const SCREENS: [(&str, u32, u32, bool); 2] = [("desktop", 1280, 860, false), ("phone", 390, 844, true)];
const SCHEMES: [&str; 2] = ["light", "dark"];

fn main() -> ExitCode {
    let outcome = Tracker::executable().and_then(|_| {
        netns::enter();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(tour())
    });
    match outcome {
        Ok(directory) => {
            println!("{}", directory.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn tour() -> Result<PathBuf> {
    let directory = target::artifacts()?.join("tour");
    std::fs::create_dir_all(&directory)?;
    let scratch = tempfile::tempdir_in(target::artifacts()?)?;
    let driver = Driver::start().await?;
    match std::env::args().nth(1).as_deref() {
        Some("compare") => return compare(&driver, &directory, scratch.path()).await.map(|()| directory),
        Some("dashboard") => return dashboard(&driver, &directory, scratch.path()).await.map(|()| directory),
        _ => {}
    }
    let tracker = Tracker::start(&tracker::Options::default(), scratch.path()).await?;
    let file = scratch.path().join("Holiday in the north.mp4");
    files::write_random(&file, 400_000_000, 120)?;
    let folder = scratch.path().join("Slides and data");
    for (number, name) in
        ["talk.pdf", "figures/one.png", "figures/two.png", "data/measured.csv"].iter().enumerate()
    {
        files::write_random(&folder.join(name), 3_000_000 + 777 * number as u64, number as u64)?;
    }
    let start = async |name: &str| -> Result<(Arc<Profile>, Tab)> {
        let profile = Profile::start(&driver, name, &Options::default(), scratch.path()).await?;
        let tab = profile.tab().await?;
        Ok((profile, tab))
    };

    let (seeds, seed) = start("seed").await?;
    page::open(&seed, &tracker.origin()).await?;
    shoot(&seed, &directory, "1-share").await?;
    seed.choose("input#files", &[&file]).await?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    shoot_one(&seed, &directory, "2-hashing").await?;
    let link = page::link(&seed).await?;
    shoot(&seed, &directory, "3-shared").await?;

    let (leeches, leech) = start("leech").await?;
    leech.goto(&link).await?;
    page::wait_transfer(&leech, "offer to download", LONG, |transfer| transfer.state == "ready").await?;
    shoot(&leech, &directory, "4-ready").await?;
    page::press_download(&leech).await?;
    page::wait_transfer(&leech, "a third", LONG, |transfer| transfer.verified * 3 > transfer.total).await?;
    shoot(&leech, &directory, "5-downloading").await?;
    shoot(&seed, &directory, "6-seeding").await?;
    page::complete(&leech, LONG).await?;
    shoot(&leech, &directory, "7-complete").await?;

    let (others, other) = start("other").await?;
    page::open(&other, &tracker.origin()).await?;
    let link = page::share(&other, &[&folder], By::Dropping).await?;
    shoot(&other, &directory, "8-folder-shared").await?;
    page::download(&leech, &link).await?;
    page::complete(&leech, LONG).await?;
    shoot(&leech, &directory, "9-folder-complete").await?;
    other.goto(&format!("{}/#magnet:?xt=urn:btih:{}&dn=Nobody", tracker.origin(), "5a".repeat(20))).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    shoot(&other, &directory, "10-nobody").await?;
    other.goto(&format!("{}/#magnet:?xt=urn:btih:nonsense", tracker.origin())).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    shoot(&other, &directory, "11-malformed").await?;
    for profile in [seeds, leeches, others] {
        profile.quit().await;
    }
    compare(&driver, &directory, scratch.path()).await?;
    dashboard(&driver, &directory, scratch.path()).await?;
    Ok(directory)
}

/// The Dashboard while many real peers share a file, and while files are fetched over HTTP.
async fn dashboard(driver: &Driver, directory: &Path, scratch: &Path) -> Result<()> {
    let served = scratch.join("served");
    files::write_random(&served.join("campus-image.iso"), 300_000_000, 140)?;
    let options = tracker::Options { files: Some(served), ..tracker::Options::default() };
    let tracker = Tracker::start(&options, scratch).await?;
    let profile = Profile::start(driver, "operator", &Options::default(), scratch).await?;
    let tab = profile.tab().await?;
    page::open(&tab, &format!("{}/#/dashboard", tracker.origin())).await?;
    tab.wait::<bool>("feed", "!!document.querySelector('[data-testid=dashboard] .dot.on')", LONG).await?;
    shoot_one(&tab, directory, "15-dashboard-idle").await?;
    let mut crowd = tokio::process::Command::new(e2e::peer::executable()?)
        .args(["stress", "--peers", "40", "--upload-limit", "150k", "--tracker", &tracker.announce()])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("starting peer stress")?;
    let url = format!("{}/files/campus-image.iso", tracker.origin());
    let mut fetch = tokio::process::Command::new("curl")
        .args(["-s", "-o", "/dev/null", "--limit-rate", "8M", &url])
        .kill_on_drop(true)
        .spawn()
        .context("starting curl")?;
    tab.wait::<bool>("flows", "document.querySelectorAll('[data-testid=flow]').length > 5", LONG).await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    shoot(&tab, directory, "16-dashboard-busy").await?;
    fetch.kill().await?;
    crowd.kill().await?;
    profile.quit().await;
    Ok(())
}

/// The Compare page: before a certificate is trusted, as it runs, and with what it found.
async fn compare(driver: &Driver, directory: &Path, scratch: &Path) -> Result<()> {
    let served = scratch.join("published");
    files::write_random(&served.join("campus-image.iso"), 100_000_000, 130)?;
    files::write_random(&served.join("slides.pdf"), 3_000_000, 131)?;
    let options = tracker::Options { files: Some(served), ..tracker::Options::default() };
    let tracker = Tracker::start(&options, scratch).await?;
    let address = format!("{}/#/compare", tracker.origin());
    let wait = async |tab: &Tab, expression: &str| tab.wait::<bool>(expression, expression, LONG).await;

    let stranger = Profile::start(driver, "stranger", &Options::default(), scratch).await?;
    let tab = stranger.tab().await?;
    page::open(&tab, &address).await?;
    wait(&tab, "!!document.querySelector('[data-testid=compare-certificate]')").await?;
    shoot(&tab, directory, "12-compare-certificate").await?;
    stranger.quit().await;

    let trusting = Options { any_certificate: true, ..Options::default() };
    let profile = Profile::start(driver, "trusting", &trusting, scratch).await?;
    let tab = profile.tab().await?;
    page::open(&tab, &address).await?;
    wait(&tab, "!!document.querySelector('[data-lane=http2][data-access=open]')").await?;
    tab.click("[data-testid=compare-open-seed]").await?;
    wait(&tab, "document.querySelector('[data-testid=compare-seed]')?.dataset.ready === 'true'").await?;
    tab.click("[data-testid=compare-start]").await?;
    wait(&tab, "!!document.querySelector('[data-testid=compare-row]')").await?;
    shoot_one(&tab, directory, "13-compare-running").await?;
    wait(&tab, "document.querySelector('[data-testid=compare-stage]')?.dataset.state === 'done'").await?;
    shoot(&tab, directory, "14-compare-done").await?;
    profile.quit().await;
    Ok(())
}

/// All screens and schemes.
async fn shoot(tab: &Tab, directory: &Path, name: &str) -> Result<()> {
    for screen in SCREENS {
        for scheme in SCHEMES {
            capture(tab, directory, name, screen, scheme).await?;
        }
    }
    Ok(())
}

/// One of them, for a state that does not last.
async fn shoot_one(tab: &Tab, directory: &Path, name: &str) -> Result<()> {
    capture(tab, directory, name, SCREENS[0], SCHEMES[0]).await
}

async fn capture(
    tab: &Tab,
    directory: &Path,
    name: &str,
    screen: (&str, u32, u32, bool),
    scheme: &str,
) -> Result<()> {
    let (screen, width, height, mobile) = screen;
    let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
    tab.cdp("Emulation.setDeviceMetricsOverride", metrics).await?;
    let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
    tab.cdp("Emulation.setEmulatedMedia", media).await?;
    let shot =
        tab.cdp("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true })).await?;
    let png = BASE64.decode(shot["data"].as_str().context("no screenshot")?.as_bytes())?;
    std::fs::write(directory.join(format!("{name}-{screen}-{scheme}.png")), png)?;
    tab.cdp("Emulation.clearDeviceMetricsOverride", json!({})).await?;
    Ok(())
}
