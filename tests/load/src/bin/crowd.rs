//! Opens many WebSockets to a tracker process of its own, each in a swarm, and tells what an idle one costs.
//!
//! The connections are made by processes of this program, from several addresses of loopback: one process may open no more
//! files than the system allows, and one address has no more than 28,000 ports.

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum};
use load::client::peer::{Peer, Route, offer};
use load::memory::resident;
use load::process::Tracker;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// Connections of one process.
const PER_PROCESS: usize = 10_000;

/// Connections that one process makes at once.
const AT_ONCE: usize = 128;

/// Members of one swarm.
const PER_SWARM: usize = 20;

/// After the last connection, until the memory is read: what is only needed for connecting is given back by then.
const SETTLE: Duration = Duration::from_secs(10);

/// Open files that the tracker keeps for what is no connection.
const TRACKER_FILES: usize = 128;

/// Connections besides the crowd: for its numbers, and for the offers that are timed.
const OWN: usize = 16;

/// Offers whose way is timed.
const OFFERS: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scheme {
    Ws,
    Wss,
}

/// Memory, rate and delay of a tracker with many idle WebSockets.
#[derive(Debug, Parser)]
struct Args {
    /// WebSockets.
    #[arg(long, default_value_t = 20_000)]
    connections: usize,
    /// Over which transports, one after the other.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["ws", "wss"])]
    schemes: Vec<Scheme>,
    /// The program under test.
    #[arg(long, default_value = "target/release/tracker")]
    tracker: PathBuf,
    /// Further arguments for it.
    #[arg(last = true)]
    arguments: Vec<String>,
    /// Be one of the processes that connect: where to, the certificate or `-`, and the numbers of the first and the last.
    #[arg(long, hide = true, num_args = 4)]
    worker: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    raise_open_files();
    let ran = if args.worker.is_empty() { run(&args).await } else { work(&args.worker).await };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Connections that one process can hold: fewer by what the tracker keeps for other files, and by our own.
fn possible() -> usize {
    let maximum = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    usize::try_from(maximum).unwrap_or(usize::MAX).saturating_sub(TRACKER_FILES + OWN)
}

fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Then it stays as it is, and connecting says why it fails.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

async fn run(args: &Args) -> Result<()> {
    let connections = args.connections.min(possible());
    if connections < args.connections {
        println!(
            "{connections} connections and not {}: the system lets no process open more files (ulimit -Hn), and the tracker needs \
             some for other things",
            args.connections
        );
    }
    println!(
        "| over | connections | refused | connections/s | kB before | kB with all | kB each | offer, ms median / worst | gone after, s |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for scheme in &args.schemes {
        measure(args, *scheme, connections).await?;
    }
    Ok(())
}

async fn measure(args: &Args, scheme: Scheme, connections: usize) -> Result<()> {
    let mut arguments = vec!["--max-connections".to_owned(), (connections + OWN).to_string()];
    arguments.extend(["--interval".to_owned(), "600".to_owned()]);
    arguments.extend(args.arguments.iter().cloned());
    let mut tracker = Tracker::start(&args.tracker, &arguments).await?;
    let (server, certificate, route) = match scheme {
        Scheme::Ws => (tracker.clear, "-".to_owned(), Route::clear(tracker.clear)),
        Scheme::Wss => {
            let certificate = tracker.certificate();
            let route = Route::tls(tracker.tls, &certificate)?;
            (tracker.tls, certificate.display().to_string(), route)
        }
    };
    // One that came and went: what is made once is not counted.
    offers(&route, 1).await?;
    sleep(Duration::from_secs(1)).await;
    let before = resident(tracker.id())?;
    let begun = Instant::now();
    let mut workers = Vec::new();
    for first in (0..connections).step_by(PER_PROCESS) {
        let last = (first + PER_PROCESS).min(connections);
        workers.push(Worker::start(server, &certificate, first, last)?);
    }
    let mut open = 0;
    for worker in &mut workers {
        open += worker.opened().await?;
    }
    let took = begun.elapsed().as_secs_f64();
    tracker.check()?;
    sleep(SETTLE).await;
    let with_all = resident(tracker.id())?;
    let counted = tracker.stats().await?;
    ensure!(counted["sockets"] == open, "{open} are open, and the tracker counts {}", counted["sockets"]);
    ensure!(counted["peersAll"] == open, "{open} announced, and the tracker counts {}", counted["peersAll"]);
    let (median, worst) = offers(&route, OFFERS).await?;
    let leaving = Instant::now();
    for worker in workers {
        worker.vanish().await;
    }
    let gone = async {
        while tracker.stats().await?["peersAll"] != 0 {
            sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    };
    timeout(Duration::from_secs(60), gone).await.context("members stay in the swarms")??;
    println!(
        "| {scheme:?} | {open} | {} | {:.0} | {} | {} | {:.1} | {median:.1} / {worst:.1} | {:.1} |",
        connections - open,
        open as f64 / took,
        before / 1024,
        with_all / 1024,
        with_all.saturating_sub(before) as f64 / 1024.0 / open.max(1) as f64,
        leaving.elapsed().as_secs_f64(),
    );
    Ok(())
}

/// Milliseconds from an announce with an offer until its answer is back, by way of two sockets: median and worst.
async fn offers(route: &Route, number: usize) -> Result<(f64, f64)> {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let (mut one, mut two) = (Peer::open(route, local, None).await?, Peer::open(route, local, None).await?);
    two.announce("probe", "two", "started", &[]).await?;
    two.with("interval").await?;
    let mut times = Vec::new();
    for number in 0..number {
        let begun = Instant::now();
        one.announce("probe", "one", "", &[offer(&number.to_string())]).await?;
        let came = two.with("offer").await?;
        two.answer("two", &came).await?;
        one.with("answer").await?;
        times.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    one.close().await;
    two.close().await;
    times.sort_by(f64::total_cmp);
    let at = |place: usize| times.get(place).copied().unwrap_or_default();
    Ok((at(times.len() / 2), at(times.len().saturating_sub(1))))
}

/// One of the processes that connect.
struct Worker {
    child: Child,
}

impl Worker {
    fn start(server: SocketAddr, certificate: &str, first: usize, last: usize) -> Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .arg("--worker")
            .args([&server.to_string(), certificate, &first.to_string(), &last.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting a process that connects")?;
        Ok(Self { child })
    }

    /// How many it has open, once it has tried all.
    async fn opened(&mut self) -> Result<usize> {
        let output = self.child.stdout.as_mut().context("no standard output")?;
        let line =
            BufReader::new(output).lines().next_line().await?.context("a process that connects ended")?;
        line.trim().parse().context("expected a number")
    }

    /// Ends it without a word to the tracker.
    async fn vanish(mut self) {
        // It is gone then, or was before.
        let _ = self.child.kill().await;
    }
}

/// What such a process does: connects, announces, tells how many it has open, and keeps them until it is ended.
async fn work(what: &[String]) -> Result<()> {
    let [server, certificate, first, last] = what else { anyhow::bail!("expected four arguments") };
    let server: SocketAddr = server.parse()?;
    let (first, last): (usize, usize) = (first.parse()?, last.parse()?);
    let route = match certificate.as_str() {
        "-" => Route::clear(server),
        path => Route::tls(server, path.as_ref())?,
    };
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let open = Arc::new(AtomicUsize::new(0));
    for number in first..last {
        let place = places.clone().acquire_owned().await?;
        let (route, open) = (route.clone(), open.clone());
        tokio::spawn(async move {
            let joined = join(&route, number).await;
            // Counted before its place is free: when all are, all are counted.
            open.fetch_add(usize::from(joined.is_ok()), Ordering::Relaxed);
            drop(place);
            match joined {
                Ok(mut peer) => while peer.heard().await.is_ok() {},
                Err(error) if number % 1_000 == 999 => eprintln!("connection {number}: {error:#}"),
                Err(_) => {}
            }
        });
    }
    // All have been tried when all places are free again.
    let _all = places.acquire_many(AT_ONCE as u32).await?;
    println!("{}", open.load(Ordering::Relaxed));
    // It ends when the other does, however that ends.
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

async fn join(route: &Route, number: usize) -> Result<Peer> {
    let local = Ipv4Addr::new(127, 0, 1, (number / 5_000) as u8 + 1);
    let mut peer = Peer::open(route, local.into(), None).await?;
    let torrent = format!("crowd{}", number / PER_SWARM);
    peer.announce(&torrent, &number.to_string(), "started", &[]).await?;
    peer.with("interval").await?;
    Ok(peer)
}
