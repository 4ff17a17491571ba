//! One file over TCP, each side pinned to a core of its own.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::netns::PEER_ADDRESSES;
use e2e::{files, foreign, peer};
use serde_json::{Value, json};

use crate::process::Watched;

const LONG: Duration = Duration::from_secs(300);
/// Where our seed listens; libtorrent chooses and says.
const PORT: u16 = 6_881;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Ours,
    Libtorrent,
}

struct Scene {
    file: PathBuf,
    torrent: PathBuf,
    sha256: String,
    python: PathBuf,
    ours: PathBuf,
}

pub(crate) async fn measure(scratch: &Path, bytes: u64, runs: usize) -> Result<Value> {
    let file = scratch.join("seed").join("payload.bin");
    let sha256 = files::write_random(&file, bytes, 7)?;
    let torrent = scratch.join("payload.torrent");
    peer::create(&file, &torrent, &[]).await?;
    let scene =
        Scene { file, torrent, sha256, python: foreign::libtorrent_python()?, ours: peer::executable()? };
    use Side::{Libtorrent, Ours};
    let pairs = [(Ours, Ours), (Libtorrent, Libtorrent), (Ours, Libtorrent), (Libtorrent, Ours)];
    let mut found: Vec<Vec<(f64, f64, f64)>> = vec![Vec::new(); pairs.len()];
    for run in 0..runs {
        for turn in 0..pairs.len() {
            let number = (turn + run) % pairs.len();
            let (from, to) = pairs[number];
            let (seconds, seed_cpu, leech_cpu) = once(&scene, scratch, from, to).await?;
            println!(
                "{from:?} to {to:?}: {:.0} MB/s, processor seconds {seed_cpu:.2} and {leech_cpu:.2}",
                bytes as f64 / 1e6 / seconds
            );
            found[number].push((seconds, seed_cpu, leech_cpu));
        }
    }
    let shown = pairs.iter().zip(&found).map(|((from, to), runs)| {
        let of = |pick: fn(&(f64, f64, f64)) -> f64| median(runs.iter().map(pick).collect());
        let rate = bytes as f64 / of(|run| run.0);
        json!({ "from": format!("{from:?}"), "to": format!("{to:?}"), "bytes": bytes, "runs": runs,
            "bytes_per_second": rate, "seed_cpu_seconds": of(|run| run.1), "leech_cpu_seconds": of(|run| run.2) })
    });
    let shown: Vec<Value> = shown.collect();
    let rate = |number: usize| shown[number]["bytes_per_second"].as_f64().unwrap_or(f64::NAN);
    println!("ours to ours / libtorrent to libtorrent: {:.2}", rate(0) / rate(1));
    Ok(Value::Array(shown))
}

async fn once(scene: &Scene, scratch: &Path, from: Side, to: Side) -> Result<(f64, f64, f64)> {
    let directory = scene.file.parent().context("the file lies nowhere")?;
    let seed_at = PEER_ADDRESSES[0];
    let (seed, port) = match from {
        Side::Ours => {
            let listen = format!("{seed_at}:{PORT}");
            let arguments = ["seed", "--json-lines", "--transport", "tcp", "--listen", &listen];
            let mut seed =
                Watched::start(0, scene.ours.as_os_str(), &with(&arguments, &[scene.file.as_os_str()]))?;
            seed.line(LONG, |line| line.contains("\"sharing\"").then_some(())).await?;
            (seed, PORT)
        }
        Side::Libtorrent => {
            let mut seed = libtorrent(scene, 0, seed_at, directory, None)?;
            let port: u16 = seed.line(LONG, |line| line.strip_prefix("ready ")?.parse().ok()).await?;
            seed.line(LONG, |line| line.strip_prefix("complete ").map(drop)).await?;
            (seed, port)
        }
    };
    let before = seed.taken().cpu;
    let remote = format!("{seed_at}:{port}");
    let into = tempfile::tempdir_in(scratch)?;
    let (mut leech, seconds): (Watched, f64);
    match to {
        Side::Ours => {
            let listen = format!("{}:0", PEER_ADDRESSES[1]);
            let arguments =
                ["download", "--json", "--transport", "tcp", "--listen", &listen, "--peer", &remote, "--out"];
            let places = [into.path().as_os_str(), scene.torrent.as_os_str()];
            leech = Watched::start(1, scene.ours.as_os_str(), &with(&arguments, &places))?;
            let said: Value = leech.line(LONG, |line| serde_json::from_str(line).ok()).await?;
            ensure!(said["ok"] == true, "peer download said {said}");
            seconds = said["seconds"].as_f64().context("no seconds")?;
        }
        Side::Libtorrent => {
            leech = libtorrent(scene, 1, PEER_ADDRESSES[1], into.path(), Some(&remote))?;
            seconds = leech.line(LONG, |line| line.strip_prefix("complete ")?.parse().ok()).await?;
        }
    }
    // libtorrent says that it has everything before it has written the last of it.
    let end = Instant::now() + LONG;
    while files::sha256(&into.path().join("payload.bin"))? != scene.sha256 {
        ensure!(Instant::now() < end, "what {to:?} has from {from:?} differs from the original");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let leech_cpu = leech.kill().await?.cpu;
    let seed_cpu = seed.taken().cpu - before;
    seed.kill().await?;
    Ok((seconds, seed_cpu, leech_cpu))
}

fn libtorrent(
    scene: &Scene,
    core: usize,
    address: &str,
    directory: &Path,
    remote: Option<&str>,
) -> Result<Watched> {
    let places = [OsStr::new(foreign::LIBTORRENT_PEER), OsStr::new(address), scene.torrent.as_os_str()];
    let mut arguments = with(&[], &places);
    arguments.push(directory.into());
    arguments.extend(remote.map(OsString::from));
    Watched::start(core, scene.python.as_os_str(), &arguments)
}

fn with(words: &[&str], places: &[&OsStr]) -> Vec<OsString> {
    words.iter().map(OsString::from).chain(places.iter().map(OsString::from)).collect()
}

/// The middle value.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
