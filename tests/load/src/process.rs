//! A tracker of its own, as people start it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::client::http;

/// How long a start may take.
const START_WITHIN: Duration = Duration::from_secs(30);

/// A running tracker; it ends with this.
#[derive(Debug)]
pub struct Tracker {
    child: Child,
    /// The port in clear, over TCP and UDP.
    pub clear: SocketAddr,
    /// The TLS port.
    pub tls: SocketAddr,
    data: TempDir,
}

impl Tracker {
    /// Starts `executable` on free ports of loopback, without a bound on what one address may do: all of it comes from here.
    ///
    /// # Errors
    ///
    /// If it does not start, with what it said.
    pub async fn start(executable: &Path, arguments: &[String]) -> Result<Self> {
        ensure!(
            executable.is_file(),
            "{} does not exist: cargo build --release -p tracker",
            executable.display()
        );
        let data = tempfile::tempdir()?;
        let mut child = Command::new(executable)
            .args(["--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--listen-tls-http1", "off"])
            .args(["--sockets-per-address", "0", "--requests-per-address", "0", "--members-per-address", "0"])
            .args(["--connections-per-address", "0", "--messages-per-address", "0"])
            .arg("--data")
            .arg(data.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", executable.display()))?;
        let mut lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        let (mut clear, mut tls) = (None, None);
        let ports = async {
            while clear.is_none() || tls.is_none() {
                let Some(line) = lines.next_line().await? else {
                    bail!("the tracker ended before it listened")
                };
                let port =
                    || line.trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok());
                if line.contains("page and tracker") {
                    clear = port();
                } else if line.contains("over TLS") {
                    tls = port();
                }
            }
            Ok(())
        };
        timeout(START_WITHIN, ports).await.context("the tracker does not say where it listens")??;
        // Its output has to be read on, or it would find its pipe closed.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let local = |port: Option<u16>| port.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let (clear, tls) = local(clear).zip(local(tls)).context("the tracker says no ports")?;
        Ok(Self { child, clear, tls, data })
    }

    /// Its number in the system; 0 once it has ended.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// The certificate that it made.
    pub fn certificate(&self) -> PathBuf {
        self.data.path().join("certificate.pem")
    }

    /// Whether it is still there.
    ///
    /// # Errors
    ///
    /// If it ended, with its status.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the tracker ended with {status}"),
        }
    }

    /// `/stats.json`.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub async fn stats(&self) -> Result<Value> {
        let body = http::get(self.clear, "/stats.json").await?;
        serde_json::from_slice(&body).context("/stats.json is no JSON")
    }
}
