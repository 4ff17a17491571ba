//! A large sparse file: memory while it is downloaded, and what is fetched again after a SIGKILL half way.

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{netns, peer};
use serde_json::{Value, json};

use crate::process::Watched;

const LONG: Duration = Duration::from_secs(1_800);
const PORT: u16 = 6_882;

pub(crate) async fn measure(scratch: &Path, bytes: u64) -> Result<Value> {
    let file = scratch.join("large.bin");
    File::create(&file)?.set_len(bytes)?;
    let torrent = scratch.join("large.torrent");
    peer::create(&file, &torrent, &[]).await?;
    let ours = peer::executable()?;
    let remote = format!("{}:{PORT}", netns::PEER_ADDRESSES[0]);
    let seed: Vec<OsString> = ["seed", "--json-lines", "--transport", "tcp", "--listen", &remote]
        .iter()
        .map(OsString::from)
        .chain([file.into_os_string()])
        .collect();
    let mut seed = Watched::start(0, ours.as_os_str(), &seed)?;
    seed.line(LONG, |line| line.contains("\"sharing\"").then_some(())).await?;
    let into = scratch.join("out");
    let download: Vec<OsString> =
        ["download", "--json-lines", "--transport", "tcp", "--peer", &remote, "--out"]
            .iter()
            .map(OsString::from)
            .chain([into.into_os_string(), torrent.into_os_string()])
            .collect();
    let mut first = Watched::start(1, ours.as_os_str(), &download)?;
    let half = |line: &str| {
        let said: Value = serde_json::from_str(line).ok()?;
        said["verified"].as_u64().filter(|verified| *verified >= bytes / 2)
    };
    let verified = first.line(LONG, half).await.context("the first half")?;
    let first = first.kill().await?;
    println!("killed with {verified} bytes verified; peak {} MB resident", first.peak / 1_000_000);
    let mut second = Watched::start(1, ours.as_os_str(), &download)?;
    let end: Value = second
        .line(LONG, |line| serde_json::from_str(line).ok().filter(|said: &Value| said["ok"].is_boolean()))
        .await
        .context("the second half")?;
    let second = second.taken();
    let of = |name: &str| end[name].as_u64().with_context(|| format!("no {name} in {end}"));
    let (resumed, downloaded) = (of("resumed")?, of("downloaded")?);
    println!("resumed with {resumed}, downloaded {downloaded}; peak {} MB resident", second.peak / 1_000_000);
    ensure!(end["ok"] == true, "the second run said {end}");
    ensure!(resumed >= verified, "of {verified} verified bytes {resumed} were found again");
    ensure!(
        resumed + downloaded == bytes,
        "{resumed} + {downloaded} bytes, expected {bytes}: some came twice"
    );
    Ok(
        json!({ "bytes": bytes, "verified_when_killed": verified, "resumed": resumed, "downloaded": downloaded,
        "peak_resident": [first.peak, second.peak], "seed_peak_resident": seed.taken().peak,
        "seconds": end["seconds"] }),
    )
}
