//! Figures of the native peer: BitTorrent over TCP beside libtorrent, over WebRTC beside a bare data
//! channel, and a large download that is killed half way.

mod process;
mod resume;
mod tcp;
mod webrtc;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use e2e::{foreign, netns, peer, target};
use serde_json::{Map, Value};

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// One file over TCP: from ours and from libtorrent, to ours and to libtorrent, in turn.
    Tcp,
    /// One file over WebRTC, beside the bare data channel of the library.
    Webrtc,
    /// A large sparse file, killed half way with SIGKILL and begun again.
    Resume,
}

/// Figures of the native peer.
#[derive(Debug, Parser)]
struct Arguments {
    /// Measure only these.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<What>,
    /// Runs of each pair.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Size of the file over TCP or WebRTC, in units of 1,000,000 bytes.
    #[arg(long, default_value_t = 1_000)]
    mb: u64,
    /// Size of the file that is killed half way, in units of 1,000,000,000 bytes. So much room is needed.
    #[arg(long, default_value_t = 20)]
    resume_gb: u64,
    /// Where the figures are written as JSON; `target/e2e/bench-native.json` if absent.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments = Arguments::parse();
    peer::executable()?;
    foreign::install_libtorrent()?;
    let network = netns::enter();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let figures = runtime.block_on(async {
        tokio::select! {
            figures = measure(&arguments) => figures,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        }
    })?;
    let path = match arguments.json {
        Some(path) => path,
        None => target::artifacts()?.join("bench-native.json"),
    };
    std::fs::write(&path, serde_json::to_string_pretty(&figures)?)?;
    println!("\n{} (network: {network:?})", path.display());
    Ok(())
}

async fn measure(arguments: &Arguments) -> Result<Value> {
    let parent = target::artifacts()?.join("tmp");
    std::fs::create_dir_all(&parent)?;
    let scratch = tempfile::tempdir_in(parent)?;
    let wanted = |what: What| arguments.only.is_empty() || arguments.only.contains(&what);
    let mut figures = Map::new();
    if wanted(What::Tcp) {
        let bytes = arguments.mb * 1_000_000;
        figures.insert("tcp".to_owned(), tcp::measure(scratch.path(), bytes, arguments.runs).await?);
    }
    if wanted(What::Webrtc) {
        let bytes = arguments.mb * 1_000_000;
        figures.insert("webrtc".to_owned(), webrtc::measure(scratch.path(), bytes, arguments.runs).await?);
    }
    if wanted(What::Resume) {
        let bytes = arguments.resume_gb * 1_000_000_000;
        figures.insert("resume".to_owned(), resume::measure(scratch.path(), bytes).await?);
    }
    Ok(Value::Object(figures))
}
