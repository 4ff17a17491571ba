//! One file over WebRTC between two of our peers, each pinned to a core of its own, beside the bare data channel of the
//! library that they use. The file comes from memory and goes there: a channel has no disk to wait for. The peer that takes
//! hashes what it writes on the same core; a bare channel does not.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::netns::LAN_ADDRESS;
use e2e::tracker::{Options, Tracker};
use e2e::{files, peer, target};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::process::Watched;
use crate::tcp::median;

/// Where files lie in memory.
const MEMORY: &str = "/dev/shm";

const LONG: Duration = Duration::from_secs(300);

/// Rates in bytes a second, and processor seconds of the giving and the taking side.
#[derive(Clone, Copy, Debug)]
struct Run {
    rate: f64,
    cpu: (f64, f64),
}

pub(crate) async fn measure(scratch: &Path, bytes: u64, runs: usize) -> Result<Value> {
    let memory = tempfile::tempdir_in(MEMORY).with_context(|| format!("expected to write to {MEMORY}"))?;
    let scratch_in_memory = memory.path();
    let file = scratch_in_memory.join("seed").join("payload.bin");
    let sha256 = files::write_random(&file, bytes, 8)?;
    let options = Options { host: LAN_ADDRESS.to_owned(), ..Options::default() };
    let tracker = Tracker::start(&options, scratch).await?;
    let (mut channel, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let run = bare(bytes).await?;
        said("data channel", bytes, run);
        channel.push(run);
        let run = two_peers(&file, &sha256, &tracker.announce(), scratch_in_memory, bytes).await?;
        said("two peers", bytes, run);
        peers.push(run);
    }
    let rate = |runs: &[Run]| median(runs.iter().map(|run| run.rate).collect());
    let shown = |runs: &[Run]| {
        json!({ "bytes": bytes, "bytes_per_second": rate(runs), "rates": runs.iter().map(|run| run.rate).collect::<Vec<_>>(),
            "seed_cpu_seconds": median(runs.iter().map(|run| run.cpu.0).collect()),
            "leech_cpu_seconds": median(runs.iter().map(|run| run.cpu.1).collect()) })
    };
    println!("two peers / data channel: {:.2}", rate(&peers) / rate(&channel));
    Ok(json!({ "channel": shown(&channel), "peers": shown(&peers) }))
}

fn said(what: &str, bytes: u64, run: Run) {
    let (rate, (seed, leech)) = (run.rate / 1e6, run.cpu);
    println!(
        "{what}: {rate:.0} MB/s, processor seconds {seed:.2} and {leech:.2} for {:.0} MB",
        bytes as f64 / 1e6
    );
}

/// The library alone, as `peer`'s example measures it with the largest messages.
async fn bare(bytes: u64) -> Result<Run> {
    let example = target::directory()?.join("release").join("examples").join("channel");
    ensure!(
        example.is_file(),
        "{} does not exist: run `cargo build --release -p peer --example channel`",
        example.display()
    );
    let output = Command::new(&example).arg((bytes / 1_000_000).to_string()).output().await?;
    ensure!(output.status.success(), "channel: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().find(|line| line.starts_with("Library") && line.contains("256 KiB"));
    let words: Vec<&str> = line.with_context(|| text.clone())?.split_whitespace().collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<f64>().ok()).context("a number");
    let gigabytes = bytes as f64 / 1e9;
    Ok(Run { rate: number(3)? * 1e6, cpu: (number(4)? * gigabytes, number(5)? * gigabytes) })
}

async fn two_peers(file: &Path, sha256: &str, announce: &str, scratch: &Path, bytes: u64) -> Result<Run> {
    let program = peer::executable()?;
    let path = file.to_str().context("a path in UTF-8")?;
    let arguments = ["seed", "--json-lines", "--transport", "webrtc", "--tracker", announce, path];
    let mut seed = Watched::start(0, program.as_os_str(), &arguments)?;
    let magnet = seed
        .line(LONG, |line| {
            let said: Value = serde_json::from_str(line).ok()?;
            Some(said.get("magnet")?.as_str()?.to_owned())
        })
        .await?;
    let before = seed.taken().cpu;
    let into = tempfile::tempdir_in(scratch)?;
    let out = into.path().to_str().context("a path in UTF-8")?;
    let arguments =
        ["download", "--json", "--transport", "webrtc", "--allow-private", "--out", out, magnet.as_str()];
    let mut leech = Watched::start(1, program.as_os_str(), &arguments)?;
    let said: Value = leech.line(LONG, |line| serde_json::from_str(line).ok()).await?;
    ensure!(said["ok"] == true, "peer download said {said}");
    let seconds = said["seconds"].as_f64().context("no seconds")?;
    ensure!(
        files::sha256(&into.path().join("payload.bin"))? == sha256,
        "what came differs from the original"
    );
    let leech_cpu = leech.kill().await?.cpu;
    let seed_cpu = seed.taken().cpu - before;
    seed.kill().await?;
    Ok(Run { rate: bytes as f64 / seconds, cpu: (seed_cpu, leech_cpu) })
}
