//! `cargo xtask bench tracker`: our tracker and others under the same load, in turn.
//!
//! The server runs on one core, the tester on another. What is compared is responses per second of the server's processor time,
//! so that a tester which is the limit does not make two servers look alike; the mix of messages and the peers in a response are
//! printed beside, so that nobody wins by answering less.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use super::anchors::Anchors;
use super::pinned::Pinned;
use super::tester::{Load, Told};
use crate::command::build;
use crate::page::Flavour;
use crate::shell;
use crate::workspace::Workspace;

/// The first seconds are not counted: connections are opened, memory is taken.
const RAMP: Duration = Duration::from_secs(4);

/// A tester that did not come to an end after so many times its duration is ended.
const PATIENCE: u32 = 4;

/// Ports: of each server its own, since one that was closed is not free at once.
const PORTS: u16 = 34_800;

/// Options of ours that take away bounds which a single address with everything would hit.
const UNBOUND: &str = include_str!("../../../../tests/load/unbound.options");

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Times that each is measured, in turn
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 14)]
    seconds: u32,
    /// Only these loads: ws, ws-offers, ws-exchange, http, udp
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Cores of the server, as taskset takes them
    #[arg(long, default_value = "0")]
    server_cores: String,
    /// Cores of the load tester
    #[arg(long, default_value = "1")]
    tester_cores: String,
    /// Measure ours alone
    #[arg(long)]
    without_others: bool,
    /// Take this executable of ours rather than build one
    #[arg(long)]
    tracker: Option<PathBuf>,
}

/// One measurement.
#[derive(Clone, Debug, Serialize)]
struct Measured {
    load: &'static str,
    server: String,
    round: u32,
    /// Responses per second of the server's processor time.
    per_core_second: f64,
    /// Part of a core that the server took.
    processor: f64,
    /// Most bytes in memory.
    resident: u64,
    told: Told,
}

pub(super) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let ours = match &options.tracker {
        Some(path) => path.clone(),
        None => build::tracker(workspace, Flavour::Release)?,
    };
    let bench = Bench::new(workspace, options, ours)?;
    let chosen = |load: &Load| options.only.is_empty() || options.only.iter().any(|key| key == load.key());
    let loads: Vec<_> = Load::ALL.into_iter().filter(chosen).collect();
    let mut all = Vec::new();
    for round in 1..=options.rounds {
        for (number, load) in loads.iter().enumerate() {
            let mut servers = vec![None];
            if !options.without_others {
                servers.extend(bench.anchors.server(load.anchor()).map(Some));
            }
            for (which, server) in servers.into_iter().enumerate() {
                let port = PORTS + (number * 4 + which * 2) as u16;
                let measured = bench.measure(*load, server.as_deref(), round, port);
                match measured.with_context(|| format!("{}, round {round}", load.name())) {
                    Ok(measured) => {
                        shell::say(&line(&measured));
                        all.push(measured);
                    }
                    Err(error) => shell::say(&format!("{error:#}")),
                }
            }
        }
    }
    println!("{}", table(&loads, &all));
    let path = workspace.target.join("bench-tracker.json");
    fs::write(&path, serde_json::to_vec_pretty(&all)?)?;
    shell::say(&format!("all figures are in {}", workspace.display(&path)));
    Ok(ExitCode::SUCCESS)
}

struct Bench<'a> {
    options: &'a Options,
    anchors: Anchors,
    ours: PathBuf,
    /// The tester that is ours.
    exchange: PathBuf,
    directory: PathBuf,
}

impl<'a> Bench<'a> {
    fn new(workspace: &Workspace, options: &'a Options, ours: PathBuf) -> Result<Self> {
        let directory = workspace.target.join("bench-tracker");
        fs::create_dir_all(&directory)?;
        let exchange = build::exchange(workspace)?;
        Ok(Self { options, anchors: Anchors::find()?, ours, exchange, directory })
    }

    fn measure(&self, load: Load, anchor: Option<&Path>, round: u32, port: u16) -> Result<Measured> {
        let certificate = self.anchors.certificate()?;
        let name = anchor.map_or_else(|| "piecemeal".to_owned(), |_| load.anchor().to_owned());
        let file = |what: &str| self.directory.join(format!("{}.{name}.{what}", load.key()));
        let text = |path: &Path| path.display().to_string();
        let command = match anchor {
            Some(program) => {
                let (chain, key) = certificate.paths();
                let configuration = load.anchor_configuration(port, (&text(chain), &text(key)));
                fs::write(file("toml"), configuration)?;
                vec![text(program), "-c".to_owned(), text(&file("toml"))]
            }
            None => self.our_command(load, port, certificate.paths()),
        };
        let mut server = Pinned::start(&self.options.server_cores, &command, &file("server.log"))?;
        server.until_listening((load != Load::Udp).then_some(port))?;
        fs::write(file("load.toml"), load.configuration(port, self.options.seconds))?;
        let command = match load.tester() {
            Some(tester) => {
                vec![text(&self.anchors.program(tester)?), "-c".to_owned(), text(&file("load.toml"))]
            }
            None => {
                let (server, seconds) = (format!("127.0.0.1:{port}"), self.options.seconds.to_string());
                let (chain, _) = certificate.paths();
                vec![text(&self.exchange), server, text(chain), "--seconds".to_owned(), seconds]
            }
        };
        let mut tester = Pinned::start(&self.options.tester_cores, &command, &file("load.log"))?;
        let (processor, resident) = watch(&server, &mut tester, self.options.seconds)?;
        let told = Told::read(&fs::read_to_string(file("load.log"))?).with_context(|| {
            format!("the load tester did not come to an end; see {}", file("load.log").display())
        })?;
        let per_core_second = told.responses / processor;
        Ok(Measured { load: load.key(), server: name, round, per_core_second, processor, resident, told })
    }

    fn our_command(&self, load: Load, port: u16, (chain, key): (&Path, &Path)) -> Vec<String> {
        let text = |path: &Path| path.display().to_string();
        let at = |port: u16| format!("127.0.0.1:{port}");
        let clear = if load.is_tls() { port + 1 } else { port };
        let mut command = vec![text(&self.ours), "--listen".to_owned(), at(clear)];
        if load.is_tls() {
            let more = ["--listen-tls", &at(port), "--cert", &text(chain), "--key", &text(key)];
            command.extend(more.map(str::to_owned));
        } else {
            command.push("--no-tls".to_owned());
        }
        command.extend(["--log", "warn", "--data", &text(&self.directory.join("data"))].map(str::to_owned));
        command.extend(UNBOUND.split_whitespace().map(str::to_owned));
        command
    }
}

/// Waits for the tester's end. What part of a core the server took after the ramp, and its most memory.
fn watch(server: &Pinned, tester: &mut Pinned, seconds: u32) -> Result<(f64, u64)> {
    let started = Instant::now();
    let (mut resident, mut first, mut last) = (0, None, None);
    while !tester.has_ended()? && started.elapsed() < Duration::from_secs(u64::from(seconds * PATIENCE)) {
        thread::sleep(Duration::from_millis(500));
        resident = resident.max(server.resident().unwrap_or_default());
        let Some(processor) = server.processor_seconds() else { continue };
        let now = (Instant::now(), processor);
        if started.elapsed() >= RAMP && !tester.has_ended()? {
            first = first.or(Some(now));
            last = Some(now);
        }
    }
    let ((begun, before), (ended, after)) = first.zip(last).context("the run was too short to measure")?;
    Ok(((after - before) / (ended - begun).as_secs_f64(), resident))
}

fn line(measured: &Measured) -> String {
    let Measured { load, server, round, per_core_second, processor, resident, told } = measured;
    let peers = told.peers.map_or_else(String::new, |peers| format!(", {peers:.1} peers each"));
    let made = told.made.map_or_else(String::new, |made| format!(" of {:.1} k", made / 1e3));
    format!(
        "{load} {server} {round}: {:.1} k responses a core-second ({:.1} k/s at {:.0} % of a core, {} MB); announces {:.1} k{peers}, \
         offers {:.1} k{made}, answers {:.1} k, connects {:.1} k, errors {:.0}",
        per_core_second / 1e3,
        told.responses / 1e3,
        processor * 100.0,
        resident / 1_000_000,
        told.announces / 1e3,
        told.offers / 1e3,
        told.answers / 1e3,
        told.connects / 1e3,
        told.errors
    )
}

/// Medians, ours beside theirs.
fn table(loads: &[Load], all: &[Measured]) -> String {
    let mut text = String::from("| load | ours | beside | ratio |\n| --- | --- | --- | --- |\n");
    for load in loads {
        let median = |server: &str| {
            let of = |m: &&Measured| m.load == load.key() && m.server == server;
            let mut rates: Vec<_> = all.iter().filter(of).map(|m| m.per_core_second).collect();
            rates.sort_by(f64::total_cmp);
            rates.get(rates.len() / 2).copied()
        };
        let shown =
            |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.1} k", rate / 1e3));
        let (ours, theirs) = (median("piecemeal"), median(load.anchor()));
        let ratio =
            ours.zip(theirs).map_or_else(|| "-".to_owned(), |(ours, theirs)| format!("{:.2}", ours / theirs));
        text.push_str(&format!(
            "| {} | {} | {} {} | {ratio} |\n",
            load.name(),
            shown(ours),
            load.anchor(),
            shown(theirs)
        ));
    }
    text.push_str("\nResponses a second of the server's processor time; medians.\n");
    text
}
