//! One pump: whatever happens is queued, and one loop takes it in, one thing after the other.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use shared::bitfield::Bitfield;
use shared::engine::{Command, Effect, EffectFailure, EffectResult, Engine, Event, Input, Output, Snapshot};
use shared::id::{ConnId, EffectId, InfoHash, PeerId, TrackerId};
use shared::metainfo::Metainfo;
use shared::rng::Rng;
use shared::time::Instant;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::task::TaskTracker;

use super::options::{Options, StartError};
use crate::clock::Clock;
use crate::hash::Pool;
use crate::net::counters::Counters;
use crate::net::guard::Guard;
use crate::net::http::{Count, Http};
use crate::net::tcp::{self, Link, Links};
use crate::net::tls;
use crate::net::tracker_socket::Heard;
use crate::net::transport::{DataTransport, Reports};
use crate::storage::{self, Place, Store};

/// What a handle asks for.
#[derive(Debug)]
pub(super) enum Arrival {
    Add { info_hash: InfoHash, place: Place, command: Command },
    Command(Command),
    Snapshot(oneshot::Sender<Snapshot>),
    Metainfo(InfoHash, oneshot::Sender<Option<Arc<Metainfo>>>),
    Have(InfoHash, oneshot::Sender<Option<Bitfield>>),
    Shutdown(oneshot::Sender<()>),
}

/// Reports of connections that may wait: at most so many reads of a socket are in memory beside what the engine holds.
const REPORTS_QUEUED: usize = 64;

/// What trackers' sockets told that may wait; further messages wait in their sockets.
const TOLD_QUEUED: usize = 64;

/// The engine and everything that does what it says.
pub(super) struct Pump {
    pub(super) engine: Engine,
    pub(super) clock: Clock,
    pub(super) deadline: Option<Instant>,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) counters: Arc<Counters>,
    pub(super) guard: Guard,
    pub(super) tls: Arc<ClientConfig>,
    /// For trackers, and for web seeds: counted apart.
    pub(super) http: Http,
    pub(super) web_seeds: Http,
    /// For what is drawn outside of the engine: transactions of UDP trackers.
    pub(super) rng: Rng,
    pub(super) sockets: BTreeMap<TrackerId, Socket>,
    pub(super) sockets_made: u64,
    /// Sockets of trackers that are open, or say goodbye.
    pub(super) talking: TaskTracker,
    /// The last announce over HTTP or UDP of each torrent to each tracker.
    pub(super) announcing: BTreeMap<(String, InfoHash), JoinHandle<()>>,
    pub(super) places: BTreeMap<InfoHash, Place>,
    pub(super) storage: storage::Options,
    pub(super) stores: BTreeMap<InfoHash, Store>,
    pub(super) hashing: Arc<Pool>,
    pub(super) webrtc: Option<Arc<dyn DataTransport>>,
    pub(super) routes: HashMap<ConnId, Route>,
    /// Inputs that came of doing what the engine said; taken in before anything else.
    pub(super) next: VecDeque<Input>,
    pub(super) results: Results,
    results_arriving: mpsc::UnboundedReceiver<Input>,
    pub(super) told: mpsc::Sender<Told>,
    told_arriving: mpsc::Receiver<Told>,
    pub(super) reports: Reports,
    links: Links,
    reports_arriving: mpsc::Receiver<Input>,
    listening: Option<JoinHandle<()>>,
    /// Effects that are worth waiting for when the client ends.
    pub(super) unfinished: BTreeSet<EffectId>,
    /// Who waits for the end.
    ending: Vec<oneshot::Sender<()>>,
}

/// How a connection is reached.
#[derive(Debug)]
pub(super) enum Route {
    /// A data channel of the WebRTC transport.
    Channel,
    /// TCP.
    Tcp(Link),
    /// A web seed that is being fetched from.
    Fetch { id: EffectId, task: AbortHandle },
}

/// The socket of a tracker: the next one of the same tracker has another number.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) number: u64,
    pub(super) texts: mpsc::UnboundedSender<String>,
}

/// What the socket of a tracker told, by its number.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) tracker: TrackerId,
    pub(super) number: u64,
    pub(super) heard: Heard,
}

/// A started pump, and what its handles tell.
pub(super) struct Started {
    pub(super) pump: Pump,
    pub(super) local_address: Option<SocketAddr>,
}

/// Where effects say what came of them. How many wait is bounded by the engine: it has so many under way.
#[derive(Clone, Debug)]
pub(super) struct Results(mpsc::UnboundedSender<Input>);

impl Results {
    /// Tells what came of an effect; nobody may be left to hear it.
    pub(super) fn done(&self, id: EffectId, result: EffectResult) {
        let _ = self.0.send(Input::EffectDone { id, result });
    }

    pub(super) fn failed(&self, id: EffectId, failure: EffectFailure) {
        self.done(id, EffectResult::Failed(failure));
    }
}

impl Pump {
    pub(super) fn start(
        options: Options,
        events: broadcast::Sender<Event>,
        counters: Arc<Counters>,
    ) -> Result<Started, StartError> {
        let Options { engine: mut config, listen, webrtc, storage, trust } = options;
        let tls = tls::client(&trust, &[b"http/1.1"])?;
        let (results, results_arriving) = mpsc::unbounded_channel();
        let (told, told_arriving) = mpsc::channel(TOLD_QUEUED);
        let (reports, reports_arriving) = mpsc::channel(REPORTS_QUEUED);
        let reports = Reports::new(reports, Arc::clone(&counters));
        let webrtc = webrtc.map(|start| start(reports.clone())).transpose()?;
        config.offers = webrtc.is_some();
        config.sparse = true;
        let listener = match listen {
            Some(address) => {
                Some(tcp::listen(address).map_err(|error| StartError::Listen { address, error })?)
            }
            None => None,
        };
        let local_address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        config.listen_port = local_address.map(|address| address.port());
        let from = local_address.map(|address| address.ip());
        // From loopback nothing leads to another host.
        let from = from.filter(|from| !from.is_unspecified() && !from.is_loopback());
        let guard = Guard { private: config.private_addresses, from };
        let links = Links::default();
        let listening =
            listener.map(|listener| tokio::spawn(tcp::accept(listener, links.clone(), reports.clone())));
        let clock = Clock::start();
        let engine = Engine::new(config, seed()?, clock.now(), Clock::unix());
        let http = |of| Http::new(guard, Arc::clone(&tls), Count::new(Arc::clone(&counters), of));
        let (http, web_seeds) = (http(|counters| &counters.tracker), http(|counters| &counters.web_seed));
        let pump = Self {
            engine,
            clock,
            deadline: None,
            events,
            counters,
            guard,
            http,
            web_seeds,
            tls,
            rng: Rng::from_seed(seed()?),
            sockets: BTreeMap::new(),
            sockets_made: 0,
            talking: TaskTracker::new(),
            announcing: BTreeMap::new(),
            storage,
            stores: BTreeMap::new(),
            hashing: Arc::new(Pool::start()),
            places: BTreeMap::new(),
            webrtc,
            routes: HashMap::new(),
            next: VecDeque::new(),
            results: Results(results),
            results_arriving,
            told,
            told_arriving,
            listening,
            links,
            reports,
            reports_arriving,
            unfinished: BTreeSet::new(),
            ending: Vec::new(),
        };
        Ok(Started { pump, local_address })
    }

    pub(super) fn peer_id(&self) -> PeerId {
        self.engine.peer_id()
    }

    /// Takes in what happens until the last handle is gone, or until it was asked to end and everything is said and done.
    pub(super) async fn run(mut self, mut arriving: mpsc::UnboundedReceiver<Arrival>) {
        let mut alarm = std::pin::pin!(tokio::time::sleep_until(self.clock.at(Instant::ORIGIN)));
        let mut armed = Instant::ORIGIN;
        let (mut results, mut reports) = (Vec::new(), Vec::new());
        loop {
            // An alarm that is early is harmless, and setting it costs more than being called once too often.
            if let Some(deadline) = self.deadline
                && (deadline < armed || alarm.is_elapsed())
            {
                armed = deadline;
                alarm.as_mut().reset(self.clock.at(deadline));
            }
            tokio::select! {
                biased;
                arrival = arriving.recv() => match arrival {
                    Some(arrival) => self.arrive(arrival),
                    None => return,
                },
                _ = self.results_arriving.recv_many(&mut results, 256) => {
                    results.drain(..).for_each(|input| self.input(input));
                }
                _ = self.reports_arriving.recv_many(&mut reports, REPORTS_QUEUED) => {
                    reports.drain(..).for_each(|input| self.input(input));
                }
                Some(told) = self.told_arriving.recv() => {
                    if let Some(input) = self.heard(told) {
                        self.input(input);
                    }
                }
                () = &mut alarm, if self.deadline.is_some() => self.input(Input::Timeout),
            }
            if !self.ending.is_empty() && self.unfinished.is_empty() {
                break;
            }
        }
        self.end().await;
    }

    /// Says the last goodbyes.
    async fn end(self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
        // None of them waits to be heard; what was given to them leaves first.
        drop((self.told_arriving, self.sockets));
        self.talking.close();
        let webrtc = async {
            if let Some(webrtc) = &self.webrtc {
                webrtc.shutdown().await;
            }
        };
        tokio::join!(self.talking.wait(), webrtc);
        for ended in self.ending {
            let _ = ended.send(());
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Add { info_hash, place, command } => {
                self.places.entry(info_hash).or_insert(place);
                self.input(Input::Command(command));
            }
            Arrival::Command(command) => self.input(Input::Command(command)),
            Arrival::Snapshot(answer) => drop(answer.send(self.engine.snapshot(self.clock.now()))),
            Arrival::Metainfo(torrent, answer) => drop(answer.send(self.engine.metainfo(&torrent))),
            Arrival::Have(torrent, answer) => drop(answer.send(self.engine.have(&torrent).cloned())),
            Arrival::Shutdown(answer) => {
                self.ending.push(answer);
                if self.ending.len() == 1 {
                    self.input(Input::Command(Command::Shutdown));
                }
            }
        }
    }

    /// Lets the engine hear of something, and does what it says.
    fn input(&mut self, input: Input) {
        self.take_in(input);
        while let Some(input) = self.next.pop_front() {
            self.take_in(input);
        }
    }

    fn take_in(&mut self, input: Input) {
        match &input {
            Input::ConnectionIncoming { conn, .. } => {
                if let Some(link) = self.links.take(*conn) {
                    self.routes.insert(*conn, Route::Tcp(link));
                }
            }
            Input::ConnectionClosed { conn, .. } => drop(self.routes.remove(conn)),
            Input::EffectDone { id, .. } => drop(self.unfinished.remove(id)),
            _ => {}
        }
        self.engine.handle_input(self.clock.now(), input);
        loop {
            match self.engine.poll_output() {
                Output::Timeout(next) => {
                    self.deadline = next.map(|(deadline, _)| deadline);
                    return;
                }
                output => self.perform(output),
            }
        }
    }

    pub(super) fn remember(&mut self, id: EffectId, effect: &Effect) {
        use Effect::{Announce, Close, Persist, Write};
        if matches!(effect, Announce { .. } | Close { .. } | Persist { .. } | Write { .. }) {
            self.unfinished.insert(id);
        }
    }
}

/// All that the engine draws follows from it.
fn seed() -> Result<[u8; 32], StartError> {
    let mut seed = [0; 32];
    let mut filled = 0;
    while filled < seed.len() {
        let got = rustix::rand::getrandom(&mut seed[filled..], rustix::rand::GetRandomFlags::empty());
        filled += got.map_err(|errno| StartError::Random(errno.into()))?;
    }
    Ok(seed)
}
