//! `peer compare`: the same bytes over each protocol, and what each costs.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use peer::compare::lane::{self, Args as LaneArgs};
use peer::compare::model::{Lane, Report};
use peer::compare::plan::Size;
use peer::compare::{self, Many, Options, Progress, Remote, report};
use serde::Serialize;

use super::signals::Signals;
use crate::cli::flag;
use crate::ending::{self, EXIT_CODES};
use crate::output::{JSON_ENDED, Output};

/// Sends the same bytes over HTTP/1.1, HTTP/2, BitTorrent and both at once, client and server each in a network namespace of its own, and
/// says what of the wire was content, framing, encryption, transport and headers.
///
/// Namespaces need root or user namespaces; without them everything below the programs' own counters is modelled, and
/// marked so.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = compare_help())]
pub(crate) struct Args {
    /// Ways to send, in a list.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "http1,h2c,bt-tcp,http1-tls,http2,bt-webrtc,hybrid",
        env = "PIECEMEAL_COMPARE_LANES"
    )]
    lanes: Vec<Lane>,

    /// Sizes of the file, in a list: 10k, 1M, 1GB.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "10k,100k,1M,10M,100M",
        env = "PIECEMEAL_COMPARE_SIZES"
    )]
    sizes: Vec<Size>,

    /// Transfers of each lane and size [default: 333 of 10 kB, fewer of larger ones, 5 of 100 MB and more]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000), env = "PIECEMEAL_COMPARE_REPEATS")]
    repeats: Option<u32>,

    /// Transfers at once, of as many files.
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64), env = "PIECEMEAL_COMPARE_PARALLEL")]
    parallel: u32,

    /// Seed of the contents and of the order.
    #[arg(long, value_name = "N", default_value_t = 1, env = "PIECEMEAL_COMPARE_SEED")]
    seed: u64,

    /// The address of a file that a running server has, over http or https: it is fetched over every way that the server
    /// offers, BitTorrent included if it is a tracker like ours. Wire bytes are modelled.
    #[arg(long, value_name = "URL", conflicts_with_all = ["sizes", "parallel", "tracker_binary", "nginx", "receivers"], env = "PIECEMEAL_COMPARE_SERVER")]
    server: Option<String>,

    /// The certificate that the server named by --server may show, PEM [default: those of public authorities]
    #[arg(long, value_name = "FILE", requires = "server", env = "PIECEMEAL_COMPARE_CERTIFICATE")]
    certificate: Option<PathBuf>,

    /// The tracker's executable [default: `tracker` beside this program]
    #[arg(long, value_name = "FILE", env = "PIECEMEAL_TRACKER_BINARY")]
    tracker_binary: Option<PathBuf>,

    /// Directory for contents and what is received; both are removed at the end [default: the system's for such files]
    #[arg(long, value_name = "DIR", env = "PIECEMEAL_COMPARE_DIR")]
    dir: Option<PathBuf>,

    /// Make no network namespaces.
    #[arg(long, env = "PIECEMEAL_COMPARE_NO_NAMESPACES", value_parser = flag())]
    no_namespaces: bool,

    /// Have nginx serve the same files to the same client, and say how it compares.
    #[arg(long, env = "PIECEMEAL_COMPARE_NGINX", value_parser = flag())]
    nginx: bool,

    /// Numbers of receivers, in a list, for the comparison with many: each with a line of limited rate. Needs namespaces.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=64), env = "PIECEMEAL_COMPARE_RECEIVERS")]
    receivers: Vec<u32>,

    /// Size of the file for many receivers; from 6.6 MB up, it has at least 400 pieces.
    #[arg(long, value_name = "SIZE", default_value = "25MiB", env = "PIECEMEAL_COMPARE_RECEIVERS_SIZE")]
    receivers_size: Size,

    /// Rate of each receiver's uplink, bytes a second on the wire.
    #[arg(long, value_name = "RATE", default_value = "2500k", env = "PIECEMEAL_COMPARE_UPLINK")]
    uplink: Size,

    /// Rates of the server's uplink, in a list, a case each [default: --uplink, and ten times that].
    #[arg(long, value_name = "LIST", value_delimiter = ',', env = "PIECEMEAL_COMPARE_SERVER_UPLINK")]
    server_uplink: Vec<Size>,

    /// Rate of every downlink [default: four times the fastest uplink].
    #[arg(long, value_name = "RATE", env = "PIECEMEAL_COMPARE_DOWNLINK")]
    downlink: Option<Size>,

    /// Write the JSON of --json into FILE, beside the table.
    #[arg(long, value_name = "FILE", env = "PIECEMEAL_COMPARE_JSON_FILE")]
    json_file: Option<PathBuf>,

    /// Write one line for each transfer into FILE.
    #[arg(long, value_name = "FILE", env = "PIECEMEAL_COMPARE_CSV")]
    csv: Option<PathBuf>,

    /// Write a report with plots into FILE.
    #[arg(long, value_name = "FILE", env = "PIECEMEAL_COMPARE_HTML")]
    html: Option<PathBuf>,
}

fn compare_help() -> String {
    format!(
        "JSON, bytes and seconds throughout: {{\"ok\", \"environment\": {{…}}, \"runs\": [{{\"lane\", \"size\", \"run\", \"ok\", \
         \"seconds\", \"ttfb_seconds\", \"goodput\", \"server_egress\", \"cpu_seconds\": {{\"server\", \"client\"}}, \"wire\": \
         {{\"payload\", \"application\", \"security\", \"transport\", \"network\", \"link_layer\", \"retransmits\", \"sum\", \"link\", \
         \"sent\", \"received\", \"measured\"}}}}], \"receivers\": [{{\"mode\", \"lane\", \"n\", \"seconds_last\", \"seconds_median\", \
         \"server_egress\", \"bound_seconds\"}}]}}. `sum` is all parts but `retransmits`, which are contained in them; `link` is \
         what the link's own counter says, both directions; `sent` and `received` are the client's. {JSON_ENDED}\n\n\
         {EXIT_CODES}\n\n\
         Example:\n  peer compare --sizes 10k,1M,100M --html report.html"
    )
}

pub(crate) fn run(args: &Args, output: &Output) -> anyhow::Result<()> {
    if args.no_namespaces && !args.receivers.is_empty() {
        return Err(ending::usage("--receivers needs namespaces: leave --no-namespaces out"));
    }
    let files = open(args)?;
    let mut scratch = tempfile::Builder::new();
    scratch.prefix("piecemeal-compare-");
    let scratch = match &args.dir {
        Some(directory) => scratch.tempdir_in(directory),
        None => scratch.tempdir(),
    };
    let scratch = scratch.context("cannot make a directory for the files (--dir names another place)")?;
    let options = options(args, scratch.path())?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start threads")?;
    let compared = runtime.block_on(async {
        let mut signals = Signals::listen().context("cannot listen to signals")?;
        let mut tell = |progress| tell(output, progress);
        tokio::select! {
            compared = compare::run(&options, &mut tell) => Ok(compared?),
            // What is dropped with it ends the processes and takes the network down.
            () = signals.asked() => Err(ending::interrupted("interrupted: nothing was compared")),
        }
    })?;
    output.text(&report::table(&compared));
    // All of them, whatever becomes of the first.
    let written: Vec<anyhow::Result<()>> = files.into_iter().map(|file| file.write(&compared)).collect();
    let written: anyhow::Result<()> = written.into_iter().collect();
    written.map_err(|error| ending::with_report(error, &compared))?;
    let runs = || compared.runs.iter().chain(&compared.beside);
    let failed = failed(&compared);
    if failed > 0 {
        let text = format!("{failed} of {} transfers went wrong", runs().count() + compared.receivers.len());
        return Err(ending::with_report(ending::failed(text), &compared));
    }
    output.end(&compared);
    Ok(())
}

/// Transfers that went wrong.
fn failed(compared: &Report) -> usize {
    let runs = compared.runs.iter().chain(&compared.beside);
    runs.filter(|run| !run.ok).count() + compared.receivers.iter().filter(|many| !many.ok).count()
}

/// A lane's process, which `compare` starts.
pub(crate) fn lane(args: &LaneArgs) -> anyhow::Result<()> {
    Ok(lane::serve(args)?)
}

fn options(args: &Args, scratch: &Path) -> anyhow::Result<Options> {
    let peer = std::env::current_exe().context("this program's own path is unknown")?;
    let tracker = args.tracker_binary.clone().unwrap_or_else(|| peer.with_file_name("tracker"));
    Ok(Options {
        lanes: args.lanes.clone(),
        sizes: args.sizes.iter().map(|size| size.0).collect(),
        repeats: args.repeats,
        parallel: args.parallel,
        seed: args.seed,
        tracker,
        peer,
        scratch: scratch.to_owned(),
        namespaces: !args.no_namespaces,
        nginx: args.nginx,
        many: many(args),
        remote: args.server.clone().map(|url| Remote { url, certificate: args.certificate.clone() }),
    })
}

/// Many receivers, if numbers of them are given.
fn many(args: &Args) -> Option<Many> {
    let uplink = args.uplink.0;
    let mut servers: Vec<u64> = args.server_uplink.iter().map(|rate| rate.0).collect();
    if servers.is_empty() {
        servers = vec![uplink, uplink * 10];
    }
    let fastest = servers.iter().copied().fold(uplink, u64::max);
    (!args.receivers.is_empty()).then(|| Many {
        numbers: args.receivers.clone(),
        size: args.receivers_size.0,
        receiver_uplink: uplink,
        server_uplinks: servers,
        downlink: args.downlink.map_or(fastest * 4, |rate| rate.0),
    })
}

/// A report as text.
type Form = fn(&Report) -> anyhow::Result<String>;

/// A file that was asked for.
struct Wanted<'a> {
    path: &'a Path,
    file: File,
    form: Form,
    /// It was not there before, and is empty.
    is_unused: bool,
}

/// Opens what was asked for: before anything is measured, so that a wrong path costs no measurement. What a file holds stays
/// until there is something to replace it.
fn open(args: &Args) -> anyhow::Result<Vec<Wanted<'_>>> {
    let forms: [(&Option<PathBuf>, Form); 3] = [
        (&args.json_file, json),
        (&args.csv, |compared| Ok(report::csv(compared))),
        (&args.html, |compared| Ok(report::html(compared))),
    ];
    let asked = forms.into_iter().filter_map(|(path, form)| Some((path.as_deref()?, form)));
    asked
        .map(|(path, form)| {
            let is_unused = !path.exists();
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
            let file = file.with_context(|| unwritable(path))?;
            Ok(Wanted { path, file, form, is_unused })
        })
        .collect()
}

impl Wanted<'_> {
    fn write(mut self, compared: &Report) -> anyhow::Result<()> {
        let text = (self.form)(compared)?;
        self.is_unused = false;
        let mut put = || {
            // A pipe has no length.
            if self.file.metadata()?.is_file() {
                self.file.set_len(0)?;
            }
            self.file.write_all(text.as_bytes())
        };
        put().with_context(|| unwritable(self.path))
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        if self.is_unused {
            let _ = std::fs::remove_file(self.path);
        }
    }
}

fn unwritable(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// As `--json` has it.
fn json(compared: &Report) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Ended<'a> {
        ok: bool,
        #[serde(flatten)]
        compared: &'a Report,
    }
    let ended = Ended { ok: failed(compared) == 0, compared };
    serde_json::to_string_pretty(&ended).context("the report cannot be written as JSON")
}

/// Progress, on standard error: every failure; how far it is, only to somebody who looks.
fn tell(output: &Output, progress: Progress) {
    let clear = if output.has_bar() { "\r\x1b[K" } else { "" };
    match progress {
        Progress::Notice(text) => output.note(&format!("{clear}notice: {text}")),
        Progress::Transfer { lane, size, error: Some(error), .. } => {
            output.note(&format!("{clear}failed: {lane}, {}: {error}", Size(size)));
        }
        Progress::Transfer { done, of, lane, size, error: None } if output.has_bar() => {
            let end = if done == of { "\n" } else { "" };
            eprint!("{clear}{done}/{of} transfers, {lane}, {}{end}", Size(size));
        }
        Progress::Receivers { lane, n, error: Some(error), .. } => {
            output.note(&format!("{clear}failed: {lane}, {n} receivers: {error}"));
        }
        Progress::Receivers { done, of, lane, n, error: None } if output.has_bar() => {
            let end = if done == of { "\n" } else { "" };
            eprint!("{clear}{done}/{of} transfers to many, {lane}, {n} receivers{end}");
        }
        Progress::Transfer { .. } | Progress::Receivers { .. } => {}
    }
}
