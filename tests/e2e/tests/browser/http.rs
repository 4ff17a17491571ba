//! The tracker's downloads, by curl, and what a browser makes of them.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use e2e::files;
use e2e::runner::{Context, Test};
use e2e::tracker;
use tokio::process::Command;

const SIZE: u64 = 10_000_000;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("curl_downloads_over_four_lanes", lanes),
        Test::new("curl_gets_ranges_and_nothing_outside", ranges),
        Test::new("served_html_never_runs", never_runs),
    ]
}

async fn curl(arguments: &[&str]) -> Result<String> {
    let output = Command::new("curl").args(["-sk", "--max-time", "20"]).args(arguments).output().await;
    Ok(String::from_utf8_lossy(&output.context("running curl (Debian: apt install curl)")?.stdout)
        .into_owned())
}

async fn serving(context: &Context) -> Result<(tracker::Tracker, String)> {
    let (_, sha256) = context.file("served/large.bin", SIZE, 110)?;
    let directory = context.scratch().join("files").join("served");
    context.file("secret.bin", 10, 111)?;
    std::fs::write(directory.join("page.html"), "<script>document.title = 'ran'</script>")?;
    std::os::unix::fs::symlink("../secret.bin", directory.join("way-out"))?;
    let options = tracker::Options { files: Some(directory), ..tracker::Options::default() };
    Ok((context.tracker_with(&options).await?, sha256))
}

async fn lanes(context: Arc<Context>) -> Result<()> {
    let (tracker, sha256) = serving(&context).await?;
    let (clear, tls) = (tracker.origin(), tracker.tls_origin());
    let target = context.scratch().join("fetched.bin");
    let into = target.to_str().context("the path is not UTF-8")?;
    for (origin, flag, version) in [
        (&clear, "--http1.1", "1.1"),
        (&clear, "--http2-prior-knowledge", "2"),
        (&tls, "--http1.1", "1.1"),
        (&tls, "--http2", "2"),
    ] {
        let address = format!("{origin}/files/large.bin");
        let said = curl(&[flag, "-o", into, "-w", "%{http_code} %{http_version}", &address]).await?;
        ensure!(said == format!("200 {version}"), "{flag} {address}: {said}");
        ensure!(files::sha256(Path::new(into))? == sha256, "{flag} {address}: other bytes than the original");
    }
    Ok(())
}

async fn ranges(context: Arc<Context>) -> Result<()> {
    let (tracker, _) = serving(&context).await?;
    let original = std::fs::read(context.scratch().join("files/served/large.bin"))?;
    let target = context.scratch().join("part.bin");
    let into = target.to_str().context("the path is not UTF-8")?;
    let address = format!("{}/files/large.bin", tracker.origin());
    let code = curl(&["-r", "1000-70000", "-o", into, "-w", "%{http_code}", &address]).await?;
    ensure!(code == "206", "a range is answered with {code}");
    ensure!(std::fs::read(&target)? == original[1000..=70_000], "the range has other bytes");
    let code = curl(&["-r", "0-9,20-29", "-o", into, "-w", "%{http_code}", &address]).await?;
    let body = std::fs::read(&target)?;
    ensure!(code == "206", "two ranges are answered with {code}");
    ensure!(body.windows(10).any(|part| part == &original[20..30]), "the second range is missing");
    let code = curl(&["-r", "99999999-", "-o", into, "-w", "%{http_code}", &address]).await?;
    ensure!(code == "416", "a range beyond the end is answered with {code}");
    let head = curl(&["-I", &address]).await?.to_lowercase();
    for part in
        ["content-length: 10000000", "accept-ranges: bytes", "etag: ", "x-content-type-options: nosniff"]
    {
        ensure!(head.contains(part), "HEAD lacks {part}:\n{head}");
    }
    for path in
        ["way-out", "../secret.bin", "%2e%2e/secret.bin", "..%2fsecret.bin", "%2e%2e%2fsecret.bin", ".hidden"]
    {
        let address = format!("{}/files/{path}", tracker.origin());
        let code = curl(&["--path-as-is", "-o", "/dev/null", "-w", "%{http_code}", &address]).await?;
        ensure!(code.starts_with('4'), "{path} is answered with {code}");
    }
    Ok(())
}

/// A stranger's page in `/files/` is downloaded, or shown without scripts; it never runs on this origin.
async fn never_runs(context: Arc<Context>) -> Result<()> {
    let (tracker, _) = serving(&context).await?;
    let profile = context.profile("victim").await?;
    let tab = profile.open(&tracker.origin()).await?;
    let address = format!("{}/files/page.html", tracker.origin());
    // Chromium ends the navigation when it turns into a download.
    tab.goto(&address).await.ok();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let title: String = tab.eval("document.title").await?;
    ensure!(title != "ran", "a script of a served file ran on the tracker's origin");
    let head = curl(&["-I", &address]).await?.to_lowercase();
    ensure!(head.starts_with("http/1.1 200"), "the page is not served:\n{head}");
    let safe = head.contains("content-disposition: attachment") || head.contains("sandbox");
    ensure!(safe, "neither attachment nor sandbox:\n{head}");
    context.tolerate("/files/page.html");
    Ok(())
}
