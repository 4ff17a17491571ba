//! A process that is pinned to a core and watched: what it says, and the processor time and memory it takes.

use std::ffi::OsStr;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;

/// Time between two looks at what a process takes; as much of its last moment is missed.
const LOOK: Duration = Duration::from_millis(10);

/// Ticks of a second in `/proc/PID/stat` (`getconf CLK_TCK`).
const TICKS: f64 = 100.0;

/// What a process took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    /// Seconds of processor time, of all its threads.
    pub(crate) cpu: f64,
    /// Most bytes resident at once.
    pub(crate) peak: u64,
}

/// A running process; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Watched {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    taken: Arc<Mutex<Taken>>,
    watch: JoinHandle<()>,
}

impl Watched {
    /// Starts a program on one core.
    pub(crate) fn start<S: AsRef<OsStr>>(core: usize, program: &OsStr, arguments: &[S]) -> Result<Self> {
        let mut child = Command::new("taskset")
            .args(["-c", &core.to_string()])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting taskset (Debian: apt install util-linux)")?;
        let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let process = child.id().context("it has ended already")?;
        let taken = Arc::new(Mutex::new(Taken::default()));
        let noted = Arc::clone(&taken);
        let watch = tokio::spawn(async move {
            while let Some(now) = look(process) {
                *noted.lock().unwrap_or_else(PoisonError::into_inner) = now;
                tokio::time::sleep(LOOK).await;
            }
        });
        Ok(Self { child, lines, taken, watch })
    }

    /// The first line for which `wanted` gives something.
    pub(crate) async fn line<T>(
        &mut self,
        within: Duration,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> Result<T> {
        let find = async {
            let mut last = String::new();
            while let Some(line) = self.lines.next_line().await? {
                if let Some(found) = wanted(&line) {
                    return Ok(found);
                }
                last = line;
            }
            bail!("it ended without saying so; its last line: {last}")
        };
        tokio::time::timeout(within, find).await.with_context(|| format!("not within {within:?}"))?
    }

    /// What it took so far.
    pub(crate) fn taken(&self) -> Taken {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it with SIGKILL and waits until it is gone.
    pub(crate) async fn kill(mut self) -> Result<Taken> {
        self.child.kill().await?;
        self.watch.abort();
        Ok(self.taken())
    }
}

fn look(process: u32) -> Option<Taken> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if fields.first() == Some(&"Z") {
        return None;
    }
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let peak = peak.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024;
    Some(Taken { cpu: ticks / TICKS, peak })
}
