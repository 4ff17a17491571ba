//! The tracker's built executable, started as people start it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use crate::target;

/// Names the executable to test.
const EXECUTABLE: &str = "PIECEMEAL_TRACKER";
/// Names a directory with the built page, to be served instead of the one in the executable.
const PAGE: &str = "PIECEMEAL_PAGE";

/// How a tracker is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address that it listens on.
    pub host: String,
    /// Directory for `--files`.
    pub files: Option<PathBuf>,
    /// Further arguments.
    pub arguments: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), files: None, arguments: Vec::new() }
    }
}

/// The running executable; it ends when nobody holds it any more.
pub type Process = Arc<Mutex<Child>>;

/// A running tracker.
#[derive(Debug)]
pub struct Tracker {
    host: String,
    port: u16,
    tls_port: u16,
    process: Process,
    log: PathBuf,
}

impl Tracker {
    /// Path of the executable under test.
    ///
    /// # Errors
    /// There is none; says how to build it.
    pub fn executable() -> Result<PathBuf> {
        let path = match std::env::var_os(EXECUTABLE) {
            Some(path) => PathBuf::from(path),
            None => target::directory()?.join("release").join("tracker"),
        };
        ensure!(
            path.is_file(),
            "{} does not exist: run `cargo xtask build`, or set {EXECUTABLE}",
            path.display()
        );
        Ok(path)
    }

    /// Starts one on free ports and waits until it answers. Its data and its log are put into `scratch`.
    pub async fn start(options: &Options, scratch: &Path) -> Result<Self> {
        let [port, tls_port] = free_ports(&options.host)?;
        Self::start_on(port, tls_port, options, scratch).await
    }

    /// Starts one on given ports, so that a tracker can come back where it was.
    pub async fn start_on(port: u16, tls_port: u16, options: &Options, scratch: &Path) -> Result<Self> {
        let log = scratch.join(format!("tracker-{port}.log"));
        let output = std::fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let mut command = Command::new(Self::executable()?);
        command
            .args(["--listen", &format!("{}:{port}", options.host)])
            .args(["--listen-tls", &format!("{}:{tls_port}", options.host)])
            .arg("--data")
            .arg(scratch.join(format!("tracker-{port}-data")));
        if let Some(files) = &options.files {
            command.arg("--files").arg(files);
        }
        if let Some(page) = std::env::var_os(PAGE) {
            command.arg("--page").arg(page);
        }
        let process = command
            .args(&options.arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .context("starting the tracker")?;
        let process = Arc::new(Mutex::new(process));
        let tracker = Self { host: options.host.clone(), port, tls_port, process, log };
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if tracker.get("/health").await.is_ok_and(|(status, _)| status == 200) {
                return Ok(tracker);
            }
            if let Some(status) = tracker.process.lock().await.try_wait()? {
                bail!("the tracker ended with {status}:\n{}", tracker.log());
            }
            ensure!(Instant::now() < end, "the tracker does not answer /health:\n{}", tracker.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// `http://host:port`.
    pub fn origin(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }

    /// `https://host:port`.
    pub fn tls_origin(&self) -> String {
        format!("https://{}:{}", self.host, self.tls_port)
    }

    /// `ws://host:port/announce`.
    pub fn announce(&self) -> String {
        format!("ws://{}:{}/announce", self.host, self.port)
    }

    /// Ports in clear and with TLS.
    pub fn ports(&self) -> (u16, u16) {
        (self.port, self.tls_port)
    }

    /// The running executable.
    pub fn process(&self) -> Process {
        Arc::clone(&self.process)
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it at once.
    pub async fn kill(self) -> Result<()> {
        self.process.lock().await.kill().await.context("ending the tracker")
    }

    /// Asks it to end (SIGTERM), and waits until it has; how long that took.
    pub async fn terminate(self) -> Result<Duration> {
        let begun = Instant::now();
        let mut process = self.process.lock().await;
        let id = process.id().context("the tracker ended by itself")?;
        let sent = Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        ensure!(sent.success(), "kill -TERM {id} ended with {sent}");
        let ended = tokio::time::timeout(Duration::from_secs(30), process.wait()).await;
        let status = ended.context("the tracker does not end")??;
        ensure!(status.success(), "the tracker ended with {status}:\n{}", self.log());
        Ok(begun.elapsed())
    }

    /// Status and body of a GET.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.host);
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await??;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of headers")?;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Ok((status.context("the answer has no status")?, body.to_owned()))
    }

    /// Waits until `/stats.json` counts `expected` peers.
    pub async fn wait_peers(&self, expected: u64, within: Duration) -> Result<()> {
        let end = Instant::now() + within;
        loop {
            let (_, body) = self.get("/stats.json").await?;
            let stats: Value =
                serde_json::from_str(&body).with_context(|| format!("/stats.json is {body}"))?;
            if stats["peersAll"] == expected {
                return Ok(());
            }
            ensure!(
                Instant::now() < end,
                "the tracker counts {} peers, expected {expected}",
                stats["peersAll"]
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Two ports that nobody listens on at this moment.
pub fn free_ports(host: &str) -> Result<[u16; 2]> {
    let listen =
        || TcpListener::bind((host, 0)).with_context(|| format!("looking for a free port on {host}"));
    let (one, two) = (listen()?, listen()?);
    Ok([one.local_addr()?.port(), two.local_addr()?.port()])
}
