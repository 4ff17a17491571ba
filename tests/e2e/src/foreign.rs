//! BitTorrent programs of others: libtorrent, aria2 and Transmission, started as their users start them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::process::{Child, Command};

use crate::{files, target};

/// A peer on libtorrent; the script says what it takes and what it prints.
pub const LIBTORRENT_PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/libtorrent_peer.py");

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// libtorrent by its Python binding, as qBittorrent and Deluge use it.
    Libtorrent,
    /// aria2.
    Aria2,
    /// Transmission.
    Transmission,
}

/// A running peer; it ends when this is dropped.
#[derive(Debug)]
pub struct Foreign {
    program: Program,
    directory: PathBuf,
    log: PathBuf,
    process: Child,
}

impl Program {
    /// Starts a peer that listens on `address`, for `source`, a `.torrent` or a magnet link. What is in `directory` already
    /// is looked through and given.
    pub fn start(self, address: &str, source: &str, directory: &Path, scratch: &Path) -> Result<Foreign> {
        std::fs::create_dir_all(directory)?;
        let own = tempfile::Builder::new().prefix("foreign-").tempdir_in(scratch)?.keep();
        let log = own.join("log");
        let output = std::fs::File::create(&log)?;
        let mut command = match self {
            Self::Libtorrent => {
                let mut command = Command::new(libtorrent_python()?);
                command.args([LIBTORRENT_PEER, address, source]).arg(directory);
                command
            }
            Self::Aria2 => aria2(address, source, directory),
            Self::Transmission => transmission(address, source, directory, &own)?,
        };
        let process = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                format!("starting {self:?} (Debian: apt install aria2 transmission-cli python3-venv)")
            })?;
        Ok(Foreign { program: self, directory: directory.to_owned(), log, process })
    }
}

impl Foreign {
    /// Waits until a file of the torrent is whole, and gives the seconds it took.
    ///
    /// # Errors
    /// Not in time, or the program ended; with the end of what it said.
    pub async fn complete(&mut self, name: &str, sha256: &str, within: Duration) -> Result<f64> {
        let (path, begun) = (self.directory.join(name), Instant::now());
        loop {
            // What it keeps beside an unfinished file may stay for a while: aria2 looks after its own each minute.
            if path.is_file() && files::sha256(&path).is_ok_and(|found| found == sha256) {
                return Ok(begun.elapsed().as_secs_f64());
            }
            if let Some(status) = self.process.try_wait()? {
                bail!("{:?} ended with {status}: {}", self.program, self.said());
            }
            ensure!(begun.elapsed() < within, "{:?} after {within:?}: {}", self.program, self.said());
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// The end of what it said.
    fn said(&self) -> String {
        let all = std::fs::read_to_string(&self.log).unwrap_or_default().replace('\r', "\n");
        let lines: Vec<&str> = all.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

fn aria2(address: &str, source: &str, directory: &Path) -> Command {
    let mut command = Command::new("aria2c");
    command
        .args(["--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false", "--no-conf=true"])
        .args([
            "--seed-ratio=0.0",
            "--check-integrity=true",
            "--allow-overwrite=true",
            "--summary-interval=0",
        ])
        .args(["--file-allocation=none", "--bt-save-metadata=false", "--bt-tracker-interval=5"])
        .arg(format!("--interface={address}"))
        .arg("--dir")
        .arg(directory)
        .arg(source);
    command
}

/// Transmission keeps to itself by its settings only.
fn transmission(address: &str, source: &str, directory: &Path, own: &Path) -> Result<Command> {
    let settings = serde_json::json!({ "bind-address-ipv4": address, "dht-enabled": false, "lpd-enabled": false,
        "utp-enabled": false, "rpc-enabled": false });
    std::fs::write(own.join("settings.json"), settings.to_string())?;
    let port = std::net::TcpListener::bind((address, 0))?.local_addr()?.port();
    let mut command = Command::new("transmission-cli");
    command.args(["-M", "-et", "-p", &port.to_string(), "-w"]).arg(directory).arg("-g").arg(own).arg(source);
    Ok(command)
}

/// A Python that has libtorrent, in an environment of its own.
///
/// # Errors
/// [`install_libtorrent`] did not run here.
pub fn libtorrent_python() -> Result<PathBuf> {
    let environment = target::artifacts()?.join("libtorrent");
    let python = environment.join("bin").join("python");
    ensure!(python.is_file(), "libtorrent is not installed: {} does not exist", python.display());
    Ok(python)
}

/// Makes what [`Program::Libtorrent`] needs. Call it where the real network is.
///
/// # Errors
/// No Python with venv, or the package cannot be had.
pub fn install_libtorrent() -> Result<()> {
    let environment = target::artifacts()?.join("libtorrent");
    let python = environment.join("bin").join("python");
    let has_it = |python: &Path| {
        let probe = std::process::Command::new(python)
            .args(["-c", "import libtorrent"])
            .stderr(Stdio::null())
            .status();
        probe.is_ok_and(|status| status.success())
    };
    if has_it(&python) {
        return Ok(());
    }
    let run = |program: &Path, arguments: &[&str]| -> Result<()> {
        let status = std::process::Command::new(program).args(arguments).status();
        let status = status.with_context(|| format!("starting {}", program.display()))?;
        ensure!(status.success(), "{} {arguments:?} ended with {status}", program.display());
        Ok(())
    };
    let place = environment.to_str().context("the target directory's path is not UTF-8")?;
    run(Path::new("python3"), &["-m", "venv", place])?;
    run(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "libtorrent==2.1.1"])?;
    ensure!(has_it(&python), "libtorrent was installed and cannot be imported");
    Ok(())
}
