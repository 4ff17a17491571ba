//! The native peer's built executable, used as people use it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::target;

/// Names the executable to test.
const EXECUTABLE: &str = "PIECEMEAL_PEER_EXECUTABLE";

/// How long a seed may take to hash its files.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Which kind of peers it speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Browsers, and native peers that can be introduced as they are.
    WebRtc,
    /// All other BitTorrent programs.
    Tcp,
}

/// A running `peer seed`; it ends when this is dropped.
#[derive(Debug)]
pub struct Seed {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Magnet link of what is shared.
    pub magnet: String,
    /// Link of the page, if its tracker has one.
    pub link: Option<String>,
}

/// What `peer download` reported.
#[derive(Clone, Debug, Deserialize)]
pub struct Report {
    /// Whether everything is there.
    pub ok: bool,
    /// Verified bytes.
    pub verified: u64,
    /// Payload bytes that came from peers.
    pub downloaded: u64,
    /// Payload bytes that came twice or did not match.
    pub wasted: u64,
    /// Seconds from start to end.
    pub seconds: f64,
}

/// Path of the executable under test.
///
/// # Errors
/// There is none; says how to build it.
pub fn executable() -> Result<PathBuf> {
    let path = match std::env::var_os(EXECUTABLE) {
        Some(path) => PathBuf::from(path),
        None => target::directory()?.join("release").join("peer"),
    };
    ensure!(
        path.is_file(),
        "{} does not exist: run `cargo build --release -p peer`, or set {EXECUTABLE}",
        path.display()
    );
    Ok(path)
}

/// The executable with what seeding and downloading take; its log goes to `scratch`, which is kept when a test fails.
fn command(verb: &str, transport: Transport, scratch: &Path) -> Result<Command> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(scratch.join("peer.log"))?;
    let mut command = Command::new(executable()?);
    // Some variables of the harness are flags of the peer.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PIECEMEAL_") {
            command.env_remove(name);
        }
    }
    let transport = match transport {
        Transport::WebRtc => "webrtc",
        Transport::Tcp => "tcp",
    };
    command
        .args([verb, "--json-lines", "--transport", transport, "--log", "warn,peer=debug"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true);
    Ok(command)
}

impl Seed {
    /// Seeds a file or folder over WebRTC, and waits until it says so.
    pub async fn start(path: &Path, announce: &str, scratch: &Path) -> Result<Self> {
        Self::start_over(Transport::WebRtc, path, &["--tracker", announce], scratch).await
    }

    /// Seeds a file or folder over one kind of transport, and waits until it says so.
    pub async fn start_over(
        transport: Transport,
        path: &Path,
        arguments: &[&str],
        scratch: &Path,
    ) -> Result<Self> {
        let mut process = command("seed", transport, scratch)?
            .arg("--no-qr")
            .args(arguments)
            .arg(path)
            .spawn()
            .context("starting the peer")?;
        let output = process.stdout.take().context("the peer has no output")?;
        let mut lines = BufReader::new(output).lines();
        let sharing = tokio::time::timeout(READY_WITHIN, sharing(&mut lines)).await??;
        let text = |name: &str| sharing[name].as_str().map(str::to_owned);
        let magnet = text("magnet").with_context(|| format!("expected a magnet link in {sharing}"))?;
        Ok(Self { magnet, link: text("page_link"), process, lines })
    }

    /// Ends it as Ctrl+C does; gives the payload bytes that it gave.
    pub async fn stop(mut self) -> Result<u64> {
        let id = self.process.id().context("the peer has ended by itself")?;
        ensure!(
            Command::new("kill").args(["-INT", &id.to_string()]).status().await?.success(),
            "kill failed"
        );
        let mut last = Value::Null;
        while let Some(line) = self.lines.next_line().await? {
            last = serde_json::from_str(&line)?;
        }
        let status = self.process.wait().await?;
        ensure!(status.success(), "the peer ended with {status}: {last}");
        last["torrents"][0]["uploaded"].as_u64().with_context(|| format!("expected torrents in {last}"))
    }
}

async fn sharing(lines: &mut Lines<BufReader<ChildStdout>>) -> Result<Value> {
    loop {
        let line = lines.next_line().await?.context("the peer ended before it shared")?;
        let value: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        if value["event"] == "sharing" {
            return Ok(value);
        }
    }
}

/// Downloads what a link names into `directory`, over WebRTC, and waits for the end.
pub async fn download(link: &str, announce: &str, directory: &Path, within: Duration) -> Result<Report> {
    download_over(Transport::WebRtc, link, &["--tracker", announce], directory, within).await
}

/// Downloads what a link or `.torrent` names into `directory`, over one kind of transport, and waits for the end.
pub async fn download_over(
    transport: Transport,
    link: &str,
    arguments: &[&str],
    directory: &Path,
    within: Duration,
) -> Result<Report> {
    let scratch = directory.parent().context("expected a directory inside the test's")?;
    let download = command("download", transport, scratch)?
        .args(arguments)
        .arg("--out")
        .arg(directory)
        .arg(link)
        .output();
    let Ok(done) = tokio::time::timeout(within, download).await else {
        bail!("the native download has not ended within {within:?}")
    };
    let done = done.context("starting the peer")?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    ensure!(done.status.success(), "the native download ended with {}: {said}", done.status);
    let last = said.lines().last().context("the peer said nothing")?;
    serde_json::from_str(last).with_context(|| last.to_owned())
}

/// Makes the `.torrent` of a path, and gives its info-hash.
pub async fn create(path: &Path, torrent: &Path, announce: &[&str]) -> Result<String> {
    let mut command = Command::new(executable()?);
    command.args(["create", "--json", "--out"]).arg(torrent);
    announce.iter().for_each(|url| {
        command.args(["--tracker", url]);
    });
    let done = command.arg(path).output().await.context("starting the peer")?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    ensure!(done.status.success(), "peer create ended with {}: {said}", done.status);
    let said: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
    said["info_hash"].as_str().map(str::to_owned).with_context(|| format!("no info_hash in {said}"))
}
