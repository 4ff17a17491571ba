//! Figures of the page in real Chromium: rate beside stock WebTorrent and the raw data channel, memory, load, HTTP.

mod http;
mod load;
mod memory;
mod rate;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use e2e::browser::Driver;
use e2e::netns;
use e2e::site::Site;
use e2e::tracker::Tracker;
use e2e::{stock, target};
use serde_json::{Map, Value};
use tempfile::TempDir;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Two tabs: ours, stock WebTorrent, alternating.
    Rate,
    /// The raw data channel.
    Raw,
    /// A large file between two tabs of ours, and the memory of their processes.
    Memory,
    /// Time until files can be dropped, and sizes of everything the page loads.
    Load,
    /// curl downloads over HTTP/1.1 and HTTP/2.
    Http,
}

/// Figures of the page in real Chromium.
#[derive(Debug, Parser)]
struct Arguments {
    /// Measure only these.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<What>,
    /// Runs of each rate.
    #[arg(long, default_value_t = 5)]
    runs: u32,
    /// Size of the file for the rate, in units of 1,000,000 bytes.
    #[arg(long, default_value_t = 192)]
    mb: u64,
    /// Size of the file for the memory, in units of 1,000,000,000 bytes.
    #[arg(long, default_value_t = 4)]
    memory_gb: u64,
    /// Measure the memory of stock WebTorrent with the same file, too.
    #[arg(long)]
    stock_memory: bool,
    /// Query of our page's address, e.g. `channel=relay`.
    #[arg(long)]
    query: Option<String>,
    /// Where the figures are written as JSON; `target/e2e/bench-transfer.json` if absent.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What a measurement has to work with.
struct Bench {
    driver: Driver,
    site: Site,
    scratch: TempDir,
    query: Option<String>,
}

impl Bench {
    async fn tracker(&self) -> Result<Tracker> {
        Tracker::start(&e2e::tracker::Options::default(), self.scratch.path()).await
    }

    /// Our page's address.
    fn home(&self, tracker: &Tracker) -> String {
        match &self.query {
            Some(query) => format!("{}/?{query}", tracker.origin()),
            None => tracker.origin(),
        }
    }
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
    Tracker::executable()?;
    let webtorrent = stock::install()?;
    let network = netns::enter();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let figures = runtime.block_on(async {
        tokio::select! {
            figures = measure(&arguments, webtorrent) => figures,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        }
    })?;
    let path = match arguments.json {
        Some(path) => path,
        None => target::artifacts()?.join("bench-transfer.json"),
    };
    std::fs::write(&path, serde_json::to_string_pretty(&figures)?)?;
    println!("\n{} (network: {network:?})", path.display());
    Ok(())
}

async fn measure(arguments: &Arguments, webtorrent: PathBuf) -> Result<Value> {
    let parent = target::artifacts()?.join("tmp");
    std::fs::create_dir_all(&parent)?;
    let bench = Bench {
        driver: Driver::start().await?,
        site: Site::start(webtorrent).await?,
        scratch: tempfile::tempdir_in(parent)?,
        query: arguments.query.clone(),
    };
    let wanted = |what: What| arguments.only.is_empty() || arguments.only.contains(&what);
    let mut figures = Map::new();
    figures.insert("load_average_before".to_owned(), load_average()?.into());
    if wanted(What::Load) {
        figures.insert("load".to_owned(), load::measure(&bench, arguments.runs).await?);
    }
    if wanted(What::Http) {
        figures.insert("http".to_owned(), http::measure(&bench).await?);
    }
    if wanted(What::Raw) {
        figures.insert("raw".to_owned(), rate::raw(&bench, arguments.runs).await?);
    }
    if wanted(What::Rate) {
        let bytes = arguments.mb * 1_000_000;
        figures.insert("rate".to_owned(), rate::compare(&bench, arguments.runs, bytes).await?);
    }
    if wanted(What::Memory) {
        let bytes = arguments.memory_gb * 1_000_000_000;
        figures.insert("memory".to_owned(), memory::measure(&bench, bytes, arguments.stock_memory).await?);
    }
    Ok(Value::Object(figures))
}

/// The first figure of `/proc/loadavg`: whether others were using the machine.
fn load_average() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    let first = text.split(' ').next().and_then(|number| number.parse().ok());
    let load = first.context("/proc/loadavg does not begin with a number")?;
    println!("load average at the start: {load}");
    Ok(load)
}

/// The middle value.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[length / 2],
        length => f64::midpoint(sorted[length / 2 - 1], sorted[length / 2]),
    }
}
