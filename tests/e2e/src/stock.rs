//! Stock WebTorrent in a page, as npm has it: the other side of every interoperability test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::json;

use crate::browser::Tab;
use crate::target;

/// The release that we test against.
pub const VERSION: &str = "3.0.21";

/// Fetches the release by npm unless it is here; gives the path of its browser build.
///
/// Only the package itself: its browser build carries what it needs, and none of its scripts is run.
pub fn install() -> Result<PathBuf> {
    let directory = target::artifacts()?.join("npm");
    let root = directory.join(format!("webtorrent-{VERSION}"));
    let script = root.join("dist").join("webtorrent.min.js");
    if script.is_file() {
        return Ok(script);
    }
    std::fs::create_dir_all(&root)?;
    println!("fetching webtorrent {VERSION} by npm, once");
    let packed = Command::new("npm")
        .args(["pack", "--silent", "--ignore-scripts", &format!("webtorrent@{VERSION}")])
        .current_dir(&directory)
        .stderr(Stdio::inherit())
        .output()
        .context("running npm (Debian: apt install npm)")?;
    ensure!(packed.status.success(), "npm pack webtorrent@{VERSION} ended with {}", packed.status);
    let name = String::from_utf8_lossy(&packed.stdout);
    let name = name.lines().last().context("npm pack named no file")?.trim();
    let unpacked = Command::new("tar")
        .args(["-xzf", name, "--strip-components=1", "-C"])
        .arg(&root)
        .current_dir(&directory)
        .status()
        .context("running tar")?;
    ensure!(unpacked.success() && script.is_file(), "unpacking {name} did not give {}", script.display());
    Ok(script)
}

/// Where a stock torrent stands.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// All pieces are there.
    pub done: bool,
    /// From 0 to 1.
    pub progress: f64,
    /// Payload bytes from peers, thrown-away ones included.
    pub received: f64,
    /// Payload bytes to peers.
    pub uploaded: f64,
    /// Connected peers.
    pub peers: u32,
    /// Milliseconds from the metadata to the last piece, once done.
    pub transfer_ms: Option<f64>,
    /// Milliseconds from the first payload byte to the last piece, once done.
    pub first_byte_ms: Option<f64>,
    /// Milliseconds from `add` to the last piece, once done.
    pub total_ms: Option<f64>,
}

/// A file as a stock page has it after a download.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StockFile {
    /// Path inside the torrent.
    pub path: String,
    /// SHA-256 in hex.
    pub sha256: String,
}

/// A tab with the stock page.
#[derive(Debug)]
pub struct Stock<'a> {
    tab: &'a Tab,
}

impl<'a> Stock<'a> {
    /// Opens the page in `tab`.
    pub async fn open(tab: &'a Tab, site: &str) -> Result<Self> {
        tab.goto(&format!("{site}/stock")).await?;
        tab.wait::<bool>("WebTorrent", "'stock' in window", Duration::from_secs(20)).await?;
        Ok(Self { tab })
    }

    /// Seeds files; gives the magnet link. `corrupt` serves every piece with one wrong byte.
    pub async fn seed(&self, files: &[&Path], name: &str, announce: &str, corrupt: bool) -> Result<String> {
        self.tab.choose("#files", files).await?;
        let options = json!({ "name": name, "announce": [announce], "corrupt": corrupt });
        self.tab.eval(&format!("stock.seed({options})")).await
    }

    /// Starts a download.
    pub async fn download(&self, magnet: &str, announce: &str) -> Result<()> {
        self.tab.eval::<bool>(&format!("stock.download({}, {})", json!(magnet), json!([announce]))).await?;
        Ok(())
    }

    /// Where it stands.
    pub async fn state(&self) -> Result<State> {
        self.tab.eval("stock.state()").await
    }

    /// Waits until everything is there.
    pub async fn done(&self, within: Duration) -> Result<State> {
        self.tab.wait::<bool>("end of the stock download", "stock.state().done", within).await?;
        self.state().await
    }

    /// Its files with their hashes, in the torrent's order.
    pub async fn files(&self) -> Result<Vec<StockFile>> {
        self.tab.eval("stock.hashes()").await
    }
}
