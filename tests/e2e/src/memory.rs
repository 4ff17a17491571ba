//! Memory of a browser's processes, read from `/proc`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::browser::Profile;

/// Memory of one process, in bytes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Memory {
    /// Resident, shared pages counted whole.
    pub rss: u64,
    /// Resident, shared pages divided by who shares them.
    pub pss: u64,
}

impl Memory {
    fn peak(self, other: Self) -> Self {
        Self { rss: self.rss.max(other.rss), pss: self.pss.max(other.pss) }
    }

    fn plus(self, other: Self) -> Self {
        Self { rss: self.rss + other.rss, pss: self.pss + other.pss }
    }
}

/// Highest values seen.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Peak {
    /// The largest renderer, which is the tab's own process in a browser with one tab. A browser keeps a spare one, and
    /// changes processes when a tab goes to another site, so it is looked for at each sample.
    pub tab: Memory,
    /// All processes of the browser together.
    pub browser: Memory,
}

/// Process ids of a browser: of its renderers, and of all.
async fn processes(profile: &Profile) -> Result<(Vec<u32>, Vec<u32>)> {
    let answer = profile.cdp().call(None, "SystemInfo.getProcessInfo", json!({})).await?;
    let list = answer["processInfo"].as_array().context("no processInfo")?;
    let id = |entry: &serde_json::Value| entry["id"].as_u64().and_then(|id| u32::try_from(id).ok());
    let renderers = list.iter().filter(|entry| entry["type"] == "renderer");
    Ok((renderers.filter_map(id).collect(), list.iter().filter_map(id).collect()))
}

/// Memory of a process; zero when it has ended.
pub fn of(process: u32) -> Memory {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let field = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
    };
    Memory { rss: field("Rss:"), pss: field("Pss:") }
}

/// Watches a browser's memory until it is told to stop.
#[derive(Debug)]
pub struct Sampler {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Peak>,
}

impl Sampler {
    /// Samples every `every`, from now on.
    pub async fn start(profile: &Arc<Profile>, every: Duration) -> Result<Self> {
        processes(profile).await?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, profile) = (Arc::clone(&stop), Arc::clone(profile));
        let task = tokio::spawn(async move {
            let mut peak = Peak::default();
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((renderers, all)) = processes(&profile).await {
                    peak.tab = renderers.into_iter().map(of).fold(peak.tab, Memory::peak);
                    let sum = all.into_iter().map(of).fold(Memory::default(), Memory::plus);
                    peak.browser = peak.browser.peak(sum);
                }
                tokio::time::sleep(every).await;
            }
            peak
        });
        Ok(Self { stop, task })
    }

    /// Stops and gives the highest values.
    pub async fn stop(self) -> Result<Peak> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.context("sampling memory")
    }
}
