//! Keeps a tracker busy with announces whose offers are read and partly answered, over WebSocket and TLS, and tells what came.
//!
//! Each peer announces, reads everything that comes until the response is there, and announces again: what a tracker relays has
//! to be delivered before it is asked for more. A tester that reads one message for each that it sends measures other things.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use load::client::peer::{Peer, Route, id};
use shared::tracker::ws::Json;
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

use self::counts::Counts;

/// After the last peer has connected, until it is counted: caches and tables fill.
const SETTLE: Duration = Duration::from_secs(2);

/// Who has no response by then announces again: the tracker dropped it.
const RESPONSE_WITHIN: Duration = Duration::from_secs(1);

/// Peers that announce as fast as they are answered.
#[derive(Clone, Debug, Parser)]
struct Args {
    /// Where the tracker listens with TLS.
    server: SocketAddr,
    /// Its certificate, which names `localhost`.
    certificate: PathBuf,
    /// Peers, each with a connection of its own.
    #[arg(long, default_value_t = 100)]
    connections: u32,
    /// Torrents; each announce is of one of them.
    #[arg(long, default_value_t = 1_000)]
    torrents: u64,
    /// Offers of an announce.
    #[arg(long, default_value_t = 10)]
    offers: usize,
    /// Bytes of a session description; browsers write 500 to 4,000.
    #[arg(long, default_value_t = 47)]
    sdp: usize,
    /// One offer in so many is answered; 0 for none.
    #[arg(long, default_value_t = 4)]
    answered: u64,
    /// Seconds, the first few of which are not counted.
    #[arg(long, default_value_t = 14)]
    seconds: u64,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(report) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<String> {
    let begun = Instant::now();
    let route = Route::tls(args.server, &args.certificate)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (tasks, counts) = (LocalSet::new(), Rc::new(Counts::default()));
    let exchange = async {
        for number in 0..args.connections {
            let local = Ipv4Addr::LOCALHOST.into();
            let peer = Peer::open(&route, local, None).await.context("connecting")?;
            let (args, counts) = (args.clone(), counts.clone());
            tokio::task::spawn_local(async move {
                if let Err(error) = busy(peer, number, &args, &counts).await {
                    counts.ended();
                    eprintln!("peer {number} ended: {error:#}");
                }
            });
        }
        sleep(SETTLE).await;
        counts.reset();
        let left = Duration::from_secs(args.seconds).checked_sub(begun.elapsed());
        let left = left.context("connecting took all the time")?;
        sleep(left).await;
        Ok(counts.report(left, args.offers))
    };
    tasks.block_on(&runtime, exchange)
}

/// One peer, until its connection ends.
async fn busy(mut peer: Peer, number: u32, args: &Args, counts: &Counts) -> Result<()> {
    let name = id(&format!("peer{number}"));
    let offers = offers(args);
    let answer = format!(r#""answer":{{"type":"answer","sdp":"{}"}}}}"#, "a".repeat(args.sdp));
    // Which torrents, in an order of its own (a linear congruence; which ones does not matter).
    let mut random = u64::from(number) + 1;
    for round in 0_u64.. {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let torrent = id(&format!("torrent{}", (random >> 33) % args.torrents));
        peer.send_text(format!(
            r#"{{"action":"announce","info_hash":"{torrent}","peer_id":"{name}","numwant":{},"uploaded":0,"downloaded":0,"left":1,"offers":[{}]}}"#,
            args.offers,
            offers.replace("#####", &format!("{:05}", round % 100_000))
        ))
        .await?;
        counts.announced();
        let deadline = Instant::now() + RESPONSE_WITHIN;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(text) = timeout(left, peer.heard_text()).await else {
                counts.unanswered();
                break;
            };
            let text = text?;
            match Heard::parse(&text)? {
                Heard::Offer { info_hash, peer_id, offer_id } => {
                    if counts.offer().is_multiple_of(args.answered) {
                        peer.send_text(format!(
                            r#"{{"action":"announce","info_hash":{info_hash},"peer_id":"{name}","to_peer_id":{peer_id},"offer_id":{offer_id},{answer}"#
                        ))
                        .await?;
                    }
                }
                Heard::Answer => counts.answer(),
                // Of an announce before it, if that was taken for dropped: then the next comes sooner.
                Heard::Response => {
                    counts.response();
                    break;
                }
                Heard::Other => counts.other(),
            }
        }
    }
    Ok(())
}

/// The offers of an announce, with `#####` where its number is to stand.
fn offers(args: &Args) -> String {
    let sdp = "o".repeat(args.sdp);
    let offer = |at: usize| {
        let offer_id = id(&format!("#####.{at}"));
        format!(r#"{{"offer":{{"type":"offer","sdp":"{sdp}"}},"offer_id":"{offer_id}"}}"#)
    };
    (0..args.offers).map(offer).collect::<Vec<_>>().join(",")
}

/// A message of the tracker; values as they were written.
enum Heard<'a> {
    Offer { info_hash: &'a str, peer_id: &'a str, offer_id: &'a str },
    Answer,
    Response,
    Other,
}

impl<'a> Heard<'a> {
    fn parse(text: &'a str) -> Result<Self> {
        let (mut hash, mut peer, mut offer_id) = (None, None, None);
        let mut heard = Self::Other;
        let field = |name: &str, value: Json<'a>| match name {
            "info_hash" => hash = Some(value.get()),
            "peer_id" => peer = Some(value.get()),
            "offer_id" => offer_id = Some(value.get()),
            "offer" => heard = Self::Offer { info_hash: "", peer_id: "", offer_id: "" },
            "answer" => heard = Self::Answer,
            "interval" => heard = Self::Response,
            _ => {}
        };
        Json::parse_object(text, "", field, |_, _, _| {})?;
        if let Self::Offer { .. } = heard {
            ensure!(
                hash.is_some() && peer.is_some() && offer_id.is_some(),
                "an offer without its names: {text}"
            );
            let text = Option::unwrap_or_default;
            heard = Self::Offer { info_hash: text(hash), peer_id: text(peer), offer_id: text(offer_id) };
        }
        Ok(heard)
    }
}

mod counts {
    //! What was sent and what came.

    use std::cell::Cell;
    use std::fmt::Write as _;
    use std::time::Duration;

    #[derive(Debug, Default)]
    pub(super) struct Counts {
        announced: Cell<u64>,
        responses: Cell<u64>,
        offers: Cell<u64>,
        answers: Cell<u64>,
        others: Cell<u64>,
        unanswered: Cell<u64>,
        ended: Cell<u64>,
    }

    fn add(to: &Cell<u64>) -> u64 {
        to.set(to.get() + 1);
        to.get()
    }

    impl Counts {
        pub(super) fn announced(&self) {
            add(&self.announced);
        }

        pub(super) fn response(&self) {
            add(&self.responses);
        }

        /// Returns which it was.
        pub(super) fn offer(&self) -> u64 {
            add(&self.offers)
        }

        pub(super) fn answer(&self) {
            add(&self.answers);
        }

        pub(super) fn other(&self) {
            add(&self.others);
        }

        pub(super) fn unanswered(&self) {
            add(&self.unanswered);
        }

        pub(super) fn ended(&self) {
            add(&self.ended);
        }

        /// Forgets all but the peers that ended.
        pub(super) fn reset(&self) {
            let all = [&self.announced, &self.responses, &self.offers, &self.answers];
            all.into_iter().chain([&self.others, &self.unanswered]).for_each(|count| count.set(0));
        }

        /// In the words of the other testers, per second.
        pub(super) fn report(&self, time: Duration, offers: usize) -> String {
            let per_second = |count: &Cell<u64>| count.get() as f64 / time.as_secs_f64();
            let all = [&self.responses, &self.offers, &self.answers, &self.others];
            let mut text = String::new();
            let mut line = |label: &str, number: f64| {
                let _ = writeln!(text, "{label} {number:.2}");
            };
            line("  - Announce responses:", per_second(&self.responses));
            line("  - Offer responses:", per_second(&self.offers));
            line("  - Answer responses:", per_second(&self.answers));
            line("  - Error responses:", per_second(&self.others));
            line("Offers made:", per_second(&self.announced) * offers as f64);
            line("Announces without a response:", per_second(&self.unanswered));
            line("Peers that ended:", self.ended.get() as f64);
            line("Average responses per second:", all.map(per_second).iter().sum());
            text
        }
    }
}
