//! What strangers do, each from an address of its own.

mod connections;
mod http;
mod messages;
mod theft;
mod udp;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shared::rng::Rng;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Where the tracker is.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) clear: SocketAddr,
    pub(crate) tls: SocketAddr,
    pub(crate) udp: SocketAddr,
    /// How long each attacker rests after each thing that it does.
    pub(crate) rest: Duration,
}

/// One attacker: where to, where from, its own dice, and how often it did it.
#[derive(Clone)]
struct Attacker {
    target: Target,
    from: Ipv4Addr,
    tally: Arc<AtomicU64>,
    seed: u8,
}

impl Attacker {
    /// Counts what it did, and rests.
    async fn did_it(&self) {
        self.tally.fetch_add(1, Ordering::Relaxed);
        if self.target.rest > Duration::ZERO {
            sleep(self.target.rest).await;
        }
    }

    fn rng(&self) -> Rng {
        Rng::from_seed([self.seed; 32])
    }
}

pub(crate) struct Attackers {
    tasks: Vec<JoinHandle<()>>,
    tallies: Vec<(&'static str, Arc<AtomicU64>)>,
}

impl Attackers {
    /// Calls them off; how often each attack was made.
    pub(crate) async fn end(self) -> Vec<(&'static str, u64)> {
        self.tasks.iter().for_each(JoinHandle::abort);
        for task in self.tasks {
            if let Err(error) = task.await {
                assert!(error.is_cancelled(), "{error}");
            }
        }
        self.tallies.iter().map(|(name, tally)| (*name, tally.load(Ordering::Relaxed))).collect()
    }

    fn add<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        target: &Target,
        name: &'static str,
        attackers: u8,
        attack: impl Fn(Attacker) -> F,
    ) {
        // To find out which of them does the harm.
        if std::env::var("PIECEMEAL_TORTURE_ONLY").is_ok_and(|only| !name.contains(&only)) {
            return;
        }
        let tally = Arc::new(AtomicU64::new(0));
        let number = self.tallies.len() as u8 + 1;
        for seed in 0..attackers {
            let from = Ipv4Addr::new(127, 0, number, seed + 1);
            self.tasks.push(tokio::spawn(attack(Attacker {
                target: *target,
                from,
                tally: tally.clone(),
                seed,
            })));
        }
        self.tallies.push((name, tally));
    }
}

/// All of them at once.
pub(crate) fn begin(target: &Target) -> Attackers {
    let mut all = Attackers { tasks: Vec::new(), tallies: Vec::new() };
    all.add(target, "TCP connections that say nothing", 4, connections::silent);
    all.add(target, "TLS handshakes that stop half way", 4, connections::half_handshakes);
    all.add(target, "requests and upgrades that stop half way", 4, connections::half_requests);
    all.add(target, "frames that stop half way", 4, connections::half_frames);
    all.add(target, "connections that come and go", 2, connections::churn);
    all.add(target, "streams of random bytes", 4, connections::garbage);
    all.add(target, "bytes one at a time", 2, connections::dribble);
    all.add(target, "replies asked for and never read", 4, messages::deaf);
    all.add(target, "announces of one socket, as many as go", 4, messages::flood);
    all.add(target, "messages of the longest, deepest and oddest kind", 4, messages::odd);
    all.add(target, "frames that no client sends", 2, messages::wrong_frames);
    all.add(target, "messages that end other trackers", 1, messages::fatal_elsewhere);
    all.add(target, "peer_ids taken, then left behind", 2, theft::peer_ids);
    all.add(target, "answers to what others were offered", 2, theft::answers);
    all.add(target, "HTTP announces, as many as go", 4, http::flood);
    all.add(target, "HTTP requests of the odd kind", 2, http::odd);
    all.add(target, "HTTP/2 streams opened and reset", 2, http::reset);
    all.add(target, "datagrams with stolen and made up ids", 2, udp::forged);
    all.add(target, "UDP announces, 5,000 a second", 2, udp::flood);
    all
}
