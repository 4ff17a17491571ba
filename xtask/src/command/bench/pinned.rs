//! A program on some processor cores, and what it takes.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Ticks of a second in `/proc` (Linux, on every architecture of today).
const TICKS: f64 = 100.0;

/// Bytes of a page.
const PAGE: u64 = 4_096;

/// A running program; ended when it is dropped.
#[derive(Debug)]
pub(super) struct Pinned(Child);

impl Pinned {
    /// Starts `command` on these cores (as `taskset` names them), with all it says in `log`.
    pub(super) fn start(cores: &str, command: &[String], log: &Path) -> Result<Self> {
        let out = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = Command::new("taskset")
            .args(["-c", cores])
            .args(command)
            .stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out)
            .spawn()
            .context("cannot start taskset; it comes with util-linux")?;
        Ok(Self(child))
    }

    /// Waits until something listens at this TCP port, or for a second where there is none to connect to.
    pub(super) fn until_listening(&mut self, port: Option<u16>) -> Result<()> {
        let Some(port) = port else {
            thread::sleep(Duration::from_secs(1));
            return if self.has_ended()? { bail!("the server ended") } else { Ok(()) };
        };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if self.has_ended()? || started.elapsed() > Duration::from_secs(20) {
                bail!("the server does not listen at port {port}");
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    pub(super) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.0.try_wait()?.is_some())
    }

    /// Seconds of processor time so far, of all its threads.
    pub(super) fn processor_seconds(&self) -> Option<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).ok()?;
        // Behind the name, which may hold anything: state, then numbers of which the 12th and 13th are these.
        let mut numbers = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let ticks = |text: Option<&str>| text?.parse::<f64>().ok();
        Some((ticks(numbers.next())? + ticks(numbers.next())?) / TICKS)
    }

    /// Bytes in memory.
    pub(super) fn resident(&self) -> Option<u64> {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.0.id())).ok()?;
        Some(statm.split_whitespace().nth(1)?.parse::<u64>().ok()? * PAGE)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
