//! Keeps a tracker process busy with everything that strangers do, for half an hour, and tells whether its memory is stable.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Parser;
use load::client::http;
use load::client::peer::{Peer, Route, id, offer};
use load::client::udp::Udp;
use load::memory::{Verdict, resident};
use load::process::Tracker;
use serde_json::{Value, json};
use shared::id::{InfoHash, PeerId};
use shared::rng::Rng;
use shared::stun::{BINDING, Class, TransactionId, Writer};
use shared::tracker::announce::{AnnounceRequest, Event};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Swarms of peers over WebSocket, and of those over HTTP and UDP.
const SWARMS: u64 = 50;

/// Longest life of a socket, seconds.
const LIFE: u64 = 30;

/// Bytes of a socket's receive buffer at a peer that does not read.
const DEAF_BUFFER: u32 = 4_096;

/// A tracker under mixed load, and its memory.
#[derive(Debug, Parser)]
struct Args {
    /// How long.
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// Peers over WebSocket at once; half of them over TLS. They stay for half a minute at most.
    #[arg(long, default_value_t = 300)]
    peers: usize,
    /// Announces a second over HTTP, and four times as many over UDP.
    #[arg(long, default_value_t = 50)]
    announces: u64,
    /// Seconds between two looks at the memory.
    #[arg(long, default_value_t = 5)]
    every: u64,
    /// The program under test.
    #[arg(long, default_value = "target/release/tracker")]
    tracker: PathBuf,
    /// Where each look is written, as CSV.
    #[arg(long, default_value = "target/soak.csv")]
    csv: PathBuf,
    /// Further arguments for the tracker.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// What was done.
#[derive(Debug, Default)]
struct Done {
    sockets: AtomicU64,
    answers: AtomicU64,
    http: AtomicU64,
    udp: AtomicU64,
    deaf: AtomicU64,
    garbage: AtomicU64,
    failed: AtomicU64,
}

struct Load {
    tracker: SocketAddr,
    tls: SocketAddr,
    clear_route: Route,
    tls_route: Route,
    done: Done,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<bool> {
    // The shortest interval there is: whoever comes over HTTP or UDP is forgotten after a minute, so that swarms neither grow
    // nor stand still.
    let mut arguments = vec!["--interval".to_owned(), "5".to_owned()];
    arguments.extend(args.arguments.iter().cloned());
    let mut tracker = Tracker::start(&args.tracker, &arguments).await?;
    let load = Arc::new(Load {
        tracker: tracker.clear,
        tls: tracker.tls,
        clear_route: Route::clear(tracker.clear),
        tls_route: Route::tls(tracker.tls, &tracker.certificate())?,
        done: Done::default(),
    });
    begin(&load, &args);
    let mut csv = std::fs::File::create(&args.csv).with_context(|| args.csv.display().to_string())?;
    writeln!(csv, "seconds,resident_kb,sockets,peers,pending_offers,announces,answers,health_ms")?;
    let (begun, mut samples) = (Instant::now(), Vec::new());
    let end = Duration::from_secs_f64(args.minutes * 60.0);
    while begun.elapsed() < end {
        sleep(Duration::from_secs(args.every)).await;
        tracker.check()?;
        let asked = Instant::now();
        let health = http::get(tracker.clear, "/health").await.context("/health")?;
        anyhow::ensure!(health.starts_with(b"ok"), "/health does not say ok");
        let delay = asked.elapsed().as_secs_f64() * 1_000.0;
        let memory = resident(tracker.id())?;
        samples.push(memory);
        let stats = tracker.stats().await?;
        let number = |name: &str| stats[name].as_u64().unwrap_or_default();
        writeln!(
            csv,
            "{:.0},{},{},{},{},{},{},{delay:.1}",
            begun.elapsed().as_secs_f64(),
            memory / 1024,
            number("sockets"),
            number("peersAll"),
            number("pendingOffers"),
            number("announces"),
            number("answersRelayed"),
        )?;
    }
    Ok(report(&args, &load.done, &samples, &tracker.stats().await?))
}

fn report(args: &Args, done: &Done, samples: &[u64], stats: &Value) -> bool {
    println!("{done:?}");
    // What each peer calls itself is drawn at random.
    let numbers = stats.as_object().into_iter().flatten().filter(|(_, value)| value.is_number());
    let numbers: Vec<String> = numbers.map(|(name, value)| format!("{name} {value}")).collect();
    println!("{}", numbers.join(", "));
    let step = (samples.len() / 30).max(1);
    let curve: Vec<String> = samples.iter().step_by(step).map(|bytes| (bytes >> 10).to_string()).collect();
    println!("resident memory, kB, every {} s: {}", step as u64 * args.every, curve.join(" "));
    let Some(verdict) = Verdict::of(samples) else {
        println!("too short for a verdict");
        return true;
    };
    println!(
        "median of the second fifth {} kB, of the last {} kB, bound {} kB: {}",
        verdict.early >> 10,
        verdict.late >> 10,
        verdict.bound >> 10,
        if verdict.is_stable() { "stable" } else { "IT GROWS" }
    );
    verdict.is_stable()
}

/// Begins everything; it goes on until the program ends.
fn begin(load: &Arc<Load>, args: &Args) {
    let mut rng = Rng::from_seed([7; 32]);
    let mut fork = || {
        let mut seed = [0; 32];
        rng.fill(&mut seed);
        Rng::from_seed(seed)
    };
    for number in 0..args.peers {
        tokio::spawn(churn(load.clone(), number, fork()));
    }
    for number in 0..8 {
        tokio::spawn(deaf(load.clone(), number));
    }
    tokio::spawn(over_http(load.clone(), args.announces, fork()));
    tokio::spawn(over_udp(load.clone(), args.announces * 4, fork()));
    for _ in 0..4 {
        tokio::spawn(garbage(load.clone(), fork()));
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn some_loopback(rng: &mut Rng) -> IpAddr {
    Ipv4Addr::new(127, 0, 2, rng.below(250) as u8 + 1).into()
}

/// One peer after the other: connects, announces with offers, answers what comes, and leaves with or without a word.
async fn churn(load: Arc<Load>, number: usize, mut rng: Rng) {
    let mut life = 0;
    loop {
        life += 1;
        let route = if number.is_multiple_of(2) { &load.clear_route } else { &load.tls_route };
        let lives = Duration::from_millis(500 + rng.below(LIFE * 1_000));
        let local = some_loopback(&mut rng);
        match Peer::open(route, local, None).await {
            Ok(mut peer) => {
                count(&load.done.sockets);
                let name = format!("{number}-{life}");
                let _ = timeout(lives, live(&load, &mut peer, &name, &mut rng)).await;
                if rng.below(2) == 0 {
                    peer.close().await;
                }
            }
            Err(_) => {
                count(&load.done.failed);
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn live(load: &Load, peer: &mut Peer, name: &str, rng: &mut Rng) -> Result<()> {
    let torrent = format!("soak{}", rng.below(SWARMS));
    let mut event = "started";
    for round in 0_u64.. {
        let offers: Vec<Value> = (0..rng.below(11)).map(|n| offer(&format!("{name}-{round}-{n}"))).collect();
        peer.announce(&torrent, name, event, &offers).await?;
        event = if rng.below(20) == 0 { "completed" } else { "" };
        if rng.below(10) == 0 {
            peer.send(json!({"action": "scrape", "info_hash": id(&torrent)})).await?;
        }
        let pause = Duration::from_millis(1_000 + rng.below(4_000));
        let _ = timeout(pause, async {
            while let Ok(heard) = peer.heard().await {
                // One in five is never answered.
                if heard.get("offer").is_some()
                    && !heard["offer_id"].as_str().unwrap_or_default().contains("0-")
                {
                    peer.answer(name, &heard).await?;
                    count(&load.done.answers);
                }
            }
            anyhow::Ok(())
        })
        .await;
    }
    Ok(())
}

/// One after the other that joins a swarm and reads nothing, until the tracker has enough of it.
async fn deaf(load: Arc<Load>, number: usize) {
    loop {
        let local = IpAddr::V4(Ipv4Addr::new(127, 0, 3, 1));
        if let Ok(mut peer) = Peer::open(&load.clear_route, local, Some(DEAF_BUFFER)).await {
            count(&load.done.deaf);
            let talk = async {
                for round in 0_u64.. {
                    let torrent = format!("soak{}", round % SWARMS);
                    peer.announce(&torrent, &format!("deaf{number}"), "started", &[offer("deaf")]).await?;
                    sleep(Duration::from_millis(20)).await;
                }
                anyhow::Ok(())
            };
            // It ends when the tracker closes the socket, or takes no more.
            let _ = timeout(Duration::from_secs(120), talk).await;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

fn hash(rng: &mut Rng) -> InfoHash {
    let number = rng.below(SWARMS * 10) as u16;
    let mut hash = [b'h'; 20];
    hash[..2].copy_from_slice(&number.to_be_bytes());
    InfoHash(hash)
}

async fn over_http(load: Arc<Load>, per_second: u64, mut rng: Rng) {
    let pause = Duration::from_secs(1) / u32::try_from(per_second.max(1)).unwrap_or(u32::MAX);
    let mut connection = None;
    loop {
        sleep(pause).await;
        if connection.is_none() {
            connection = http::Connection::open(load.tracker).await.ok();
        }
        let Some(open) = &mut connection else { continue };
        let escaped: String = hash(&mut rng).0.iter().map(|byte| format!("%{byte:02x}")).collect();
        let target = match rng.below(10) {
            0 => format!("/scrape?info_hash={escaped}"),
            1 => "/stats.json".to_owned(),
            _ => format!(
                "/announce?info_hash={escaped}&peer_id=-SK0001-{:012}&port={}&left={}&event={}",
                rng.below(1 << 30),
                1_024 + rng.below(20_000),
                rng.below(2),
                if rng.below(4) == 0 { "stopped" } else { "started" },
            ),
        };
        match open.get(&target).await {
            Ok(_) => count(&load.done.http),
            Err(_) => {
                count(&load.done.failed);
                connection = None;
            }
        }
        if rng.below(200) == 0 {
            connection = None;
        }
    }
}

async fn over_udp(load: Arc<Load>, per_second: u64, mut rng: Rng) {
    let pause = Duration::from_secs(1) / u32::try_from(per_second.max(1)).unwrap_or(u32::MAX);
    loop {
        let Ok(client) = Udp::connect(some_loopback(&mut rng), load.tracker).await else {
            count(&load.done.failed);
            continue;
        };
        for _ in 0..50 {
            sleep(pause).await;
            let mut name = [0; 20];
            rng.fill(&mut name);
            let request = AnnounceRequest {
                info_hash: hash(&mut rng),
                peer_id: PeerId(name),
                port: 1_024 + rng.below(60_000) as u16,
                uploaded: 0,
                downloaded: 0,
                left: Some(rng.below(2)),
                event: if rng.below(4) == 0 { Event::Stopped } else { Event::Started },
                wanted: None,
                key: 0,
                tracker_id: None,
            };
            match client.announce(request).await {
                Ok(_) => count(&load.done.udp),
                Err(_) => count(&load.done.failed),
            }
        }
        if client.scrape(vec![hash(&mut rng), hash(&mut rng)]).await.is_ok() {
            count(&load.done.udp);
        }
    }
}

/// What is no request of any protocol, at every door.
async fn garbage(load: Arc<Load>, mut rng: Rng) {
    loop {
        sleep(Duration::from_millis(50 + rng.below(100))).await;
        let mut bytes = vec![0; rng.below(2_000) as usize];
        rng.fill(&mut bytes);
        count(&load.done.garbage);
        let thrown = match rng.below(6) {
            0 => thrown(load.tracker, &bytes).await,
            1 => thrown(load.tls, &bytes).await,
            2 => half_open(load.tls).await,
            3 => datagrams(&load, &bytes, &mut rng).await,
            4 => {
                let nested = format!("{}1{}", "[".repeat(30_000), "]".repeat(30_000));
                said(&load, &[nested, "{\"action\":\"announce\",\"offers\":[null]}".to_owned()]).await
            }
            _ => {
                said(&load, &[format!("{{\"action\":\"announce\",\"x\":\"{}\"}}", "y".repeat(200_000))]).await
            }
        };
        // It may refuse at any point.
        drop(thrown);
    }
}

async fn thrown(at: SocketAddr, bytes: &[u8]) -> Result<()> {
    let mut stream = TcpStream::connect(at).await?;
    stream.write_all(bytes).await?;
    sleep(Duration::from_millis(100)).await;
    Ok(())
}

/// A connection on which nothing comes.
async fn half_open(at: SocketAddr) -> Result<()> {
    let stream = TcpStream::connect(at).await?;
    tokio::spawn(async move {
        sleep(Duration::from_secs(20)).await;
        drop(stream);
    });
    Ok(())
}

async fn datagrams(load: &Load, bytes: &[u8], rng: &mut Rng) -> Result<()> {
    let client = Udp::connect(some_loopback(rng), load.tracker).await?;
    client.garbage(bytes).await?;
    let mut binding = Vec::new();
    Writer::new(&mut binding, Class::Request, BINDING, TransactionId([3; 12]));
    client.garbage(&binding).await
}

async fn said(load: &Load, texts: &[String]) -> Result<()> {
    let mut peer = Peer::open(&load.clear_route, Ipv4Addr::LOCALHOST.into(), None).await?;
    for text in texts {
        peer.send_text(text.clone()).await?;
    }
    let _ = timeout(Duration::from_millis(200), peer.heard()).await;
    Ok(())
}
