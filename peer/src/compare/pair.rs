//! One receiver: every lane and size in turn, and what each transfer costs.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::content::Content;
use super::environment;
use super::lab::counters::Counters;
use super::lab::{Lab, LabError};
use super::lane::{Answer, Request, Share, Shared, Torrent, Wanted};
use super::model::{CpuSeconds, Environment, Lane, Run, Site, Wire};
use super::nginx::Nginx;
use super::place::{Place, Processor};
use super::plan::{self, Step};
use super::process::{LaneProcess, Tracker};
use super::wire::{self, Layers};
use super::{CompareError, Options, Progress};

/// A link on which nothing moved for this long is quiet: what belonged to a transfer has been counted.
const QUIET: Duration = Duration::from_millis(10);
/// It is not waited for longer; a delayed acknowledgement comes within 40 ms.
const QUIET_AT_MOST: Duration = Duration::from_millis(500);

/// A transfer may take this long, and as long as its bytes take at [`SLOWEST`].
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes a second that every lane is expected to reach.
const SLOWEST: u64 = 500_000;

/// Frames of more than this on average were never on a wire of this MTU.
const FRAME_MAX: u64 = wire::MTU + wire::ETHERNET_HEADER;

/// Makes all transfers of the plan: those from the tracker and its peers, and those from the server beside it.
pub(super) async fn run(
    options: &Options,
    environment: &mut Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Vec<Run>, Vec<Run>), CompareError> {
    let lab = network(options, environment, progress)?;
    let mut bench = Bench::new(options, lab.as_ref()).await?;
    environment.beside = bench.nginx.as_ref().map(|nginx| nginx.version.clone());
    let mut ways: Vec<(Site, Lane)> = options.lanes.iter().map(|&lane| (Site::Tracker, lane)).collect();
    if options.nginx {
        ways.extend(options.lanes.iter().filter(|lane| lane.is_http()).map(|&lane| (Site::Nginx, lane)));
    }
    let steps = plan::steps(&ways, &options.sizes, options.repeats, options.seed);
    let (mut runs, mut beside) = (Vec::new(), Vec::new());
    for (done, step) in steps.iter().enumerate() {
        let run = bench.transfer(step).await?;
        let Step { lane, size, .. } = *step;
        let error = run.error.clone();
        progress(Progress::Transfer { done: done + 1, of: steps.len(), lane, size, error });
        // A warm-up that fails is no warm-up: it is shown, and so is every run after it.
        if step.run > 0 || !run.ok {
            match step.site {
                Site::Tracker => runs.push(run),
                Site::Nginx => beside.push(run),
            }
        }
    }
    Ok((runs, beside))
}

/// Namespaces if they can be had; else says why not.
fn network(
    options: &Options,
    environment: &mut Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<Lab>, CompareError> {
    let lab = match options.namespaces.then(Lab::pair) {
        Some(Ok(lab)) => Some(lab),
        Some(Err(error @ (LabError::Rights(_) | LabError::Missing { .. }))) => {
            progress(Progress::Notice(format!("{error}: wire bytes are modelled instead")));
            None
        }
        Some(Err(error)) => return Err(error.into()),
        None => None,
    };
    environment.namespaces = lab.is_some();
    match &lab {
        Some(lab) => {
            let read = |name: &str| lab.clients()[0].run("cat", &[&format!("/proc/sys/net/ipv4/{name}")]);
            let line = environment::tcp_window(&read("tcp_rmem")?, &read("tcp_congestion_control")?);
            environment.windows.insert(0, line);
            environment.held_equal.push(
                "Client and server each in a network namespace and on a core of its own, joined by one link: MTU 1500, \
                 segmentation and receive offloads off."
                    .to_owned(),
            );
            environment.modelled.push(
                "retransmits: the kernel counts segments that were sent again; their bytes are what IP sent beyond headers and what our own code counted.".to_owned(),
            );
            if options.lanes.contains(&Lane::Hybrid) {
                environment.modelled.push(
                    "application of hybrid: what was on its way when a connection was broken off, and that nobody read, is what \
                     IP sent beyond headers, retransmits and what our own code counted."
                        .to_owned(),
                );
            }
            environment.caveats.push(
                "The link has no distance and no rate of its own: goodput is what the processors can do."
                    .to_owned(),
            );
        }
        None => {
            environment.modelled.push(
                "transport, network, link layer, server egress: computed for full segments on a link of MTU 1500, none \
                 lost. Payload, application and security were counted."
                    .to_owned(),
            );
            environment.caveats.push("Over loopback: no distance, no packets of a real size.".to_owned());
        }
    }
    Ok(lab)
}

/// Everything that runs meanwhile.
struct Bench<'a> {
    options: &'a Options,
    lab: Option<&'a Lab>,
    client: Place<'a>,
    tracker: Tracker,
    server: Place<'a>,
    nginx: Option<Nginx>,
    lanes: BTreeMap<(Site, Lane), LaneProcess>,
    /// One for each BitTorrent lane, beside the tracker.
    seeds: BTreeMap<Lane, LaneProcess>,
    /// What they share: by lane, and name of the file.
    torrents: BTreeMap<(Lane, String), Torrent>,
    contents: BTreeMap<u64, Vec<Content>>,
    served: PathBuf,
    received: PathBuf,
}

impl Step {
    /// A transfer that arrived whole.
    pub(super) fn went(&self, answer: &Answer, wire: Wire, cpu_seconds: Option<CpuSeconds>) -> Run {
        Run {
            lane: self.lane,
            size: self.size,
            run: self.run,
            ok: true,
            error: None,
            seconds: Some(answer.seconds),
            ttfb_seconds: Some(answer.ttfb_seconds),
            goodput: Some(answer.layers.payload as f64 / answer.seconds.max(f64::MIN_POSITIVE)),
            server_egress: Some(wire.received),
            cpu_seconds,
            wire: Some(wire),
        }
    }

    /// A transfer that did not.
    pub(super) fn failed(&self, error: String) -> Run {
        Run {
            lane: self.lane,
            size: self.size,
            run: self.run,
            ok: false,
            error: Some(error),
            seconds: None,
            ttfb_seconds: None,
            goodput: None,
            server_egress: None,
            cpu_seconds: None,
            wire: None,
        }
    }
}

/// What the kernel counted on both sides, and the server's processor time.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    client: Counters,
    server: Counters,
}

impl<'a> Bench<'a> {
    async fn new(options: &'a Options, lab: Option<&'a Lab>) -> Result<Self, CompareError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // With one core there is nothing to choose.
        let core = |number| (cores > 1).then_some(number);
        let server = Place { node: lab.map(Lab::server), core: core(0) };
        let client = Place { node: lab.map(|lab| &lab.clients()[0]), core: core(1) };
        let directory = |name: &str| {
            let path = options.scratch.join(name);
            let made = std::fs::create_dir_all(&path);
            made.map(|()| path.clone()).map_err(|error| CompareError::Scratch { path, error })
        };
        let (served, received) = (directory("served")?, directory("received")?);
        let data = options.scratch.join("tracker");
        let tracker = Tracker::start(&options.tracker, &server, &served, &data).await?;
        let nginx = match options.nginx {
            true => {
                let data = options.scratch.join("nginx");
                Some(Nginx::start(&server, &served, &tracker.certificate, &data).await?)
            }
            false => None,
        };
        Ok(Self {
            options,
            nginx,
            lab,
            client,
            tracker,
            server,
            lanes: BTreeMap::new(),
            seeds: BTreeMap::new(),
            torrents: BTreeMap::new(),
            contents: BTreeMap::new(),
            served,
            received,
        })
    }

    /// One transfer, whatever becomes of it.
    async fn transfer(&mut self, step: &Step) -> Result<Run, CompareError> {
        let request = self.request(step).await?;
        let patience = PATIENCE + Duration::from_secs(step.size * u64::from(self.options.parallel) / SLOWEST);
        self.quiet().await?;
        let processor = self.server_processor(step);
        let before = self.reading()?;
        let answer = self.lane(step.site, step.lane)?.ask(&request, patience).await;
        if answer.is_err() {
            // It will be started anew: a lane that hangs or ends once must not spoil the rest.
            self.lanes.remove(&(step.site, step.lane));
        }
        self.quiet().await?;
        let after = self.reading()?;
        let spent = processor.zip(self.server_processor(step)).map(|(before, after)| after.since(before));
        // What was received is checked by then; it may not have come to be.
        for file in &request.files {
            let _ = std::fs::remove_file(&file.to);
        }
        if let Some(directory) = request.torrents() {
            let _ = std::fs::remove_dir_all(directory);
        }
        let moved = Reading { client: after.client - before.client, server: after.server - before.server };
        let outcome = match answer {
            Ok(Answer { error: Some(error), .. }) => Err(error),
            Ok(answer) => Ok(answer),
            Err(error) => Err(error.to_string()),
        };
        Ok(self.evaluate(step, outcome, &moved, spent))
    }

    fn evaluate(
        &self,
        step: &Step,
        outcome: Result<Answer, String>,
        moved: &Reading,
        server: Option<f64>,
    ) -> Run {
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) => return step.failed(error),
        };
        let frame = wire::mean_frame(&moved.client);
        if frame > FRAME_MAX {
            return step
                .failed(format!("frames of {frame} bytes on a link of MTU {}: offloads are on", wire::MTU));
        }
        let layers: &Layers = &answer.layers;
        let wire = match self.lab {
            Some(_) => wire::measured(layers, &moved.client, &moved.server),
            None => wire::modelled(layers),
        };
        let cpu = server.map(|server| CpuSeconds { server, client: answer.cpu_seconds });
        step.went(&answer, wire, cpu)
    }

    /// Processor time of the tracker, and of the lane's seed if it has one.
    fn server_processor(&self, step: &Step) -> Option<Processor> {
        if step.site == Site::Nginx {
            return self.nginx.as_ref()?.processor().ok();
        }
        let tracker = self.tracker.processor().ok()?;
        let Some(seed) = self.seeds.get(&step.lane) else { return Some(tracker) };
        Some(tracker.and(seed.processor().ok()?))
    }

    /// What is to be fetched; files and torrents are made when they are first wanted.
    async fn request(&mut self, step: &Step) -> Result<Request, CompareError> {
        let size = step.size;
        if !self.contents.contains_key(&size) {
            let made = (0..self.options.parallel.max(1))
                .map(|number| Content::generate(&self.served, self.options.seed, size, number))
                .collect::<Result<_, _>>()
                .map_err(|error| CompareError::Scratch { path: self.served.clone(), error })?;
            self.contents.insert(size, made);
        }
        let contents = self.contents.get(&size).cloned().unwrap_or_default();
        let mut files = Vec::new();
        for content in contents {
            let torrent =
                if step.lane.is_http() { None } else { Some(self.torrent(step.lane, &content).await?) };
            let path = format!("/files/{}", content.name);
            let to = self.received.join(&content.name);
            files.push(Wanted { path, size, sha1: content.sha1, to, torrent });
        }
        Ok(Request { files, linger: false })
    }

    /// The torrent of a file, shared by the lane's seed.
    async fn torrent(&mut self, lane: Lane, content: &Content) -> Result<Torrent, CompareError> {
        let key = (lane, content.name.clone());
        if let Some(known) = self.torrents.get(&key) {
            return Ok(known.clone());
        }
        let clear = self.tracker.clear;
        let trackers = match lane {
            Lane::BtWebRtc => vec![format!("ws://{clear}/announce")],
            _ => Vec::new(),
        };
        if !self.seeds.contains_key(&lane) {
            let errors = self.options.scratch.join(format!("{lane}-seed.log"));
            let listen = SocketAddr::new(self.server.address(), 0).to_string();
            let arguments = ["--share", "--listen", &listen].map(str::to_owned);
            let seed = LaneProcess::start(&self.options.peer, &self.server, lane, &arguments, errors)?;
            self.seeds.insert(lane, seed);
        }
        let share = Share { file: content.path.clone(), trackers: trackers.clone(), piece_length: None };
        let patience = PATIENCE + Duration::from_secs(content.size / SLOWEST);
        let shared: Shared = match self.seeds.get_mut(&lane) {
            Some(seed) => seed.ask(&share, patience).await?,
            None => Shared::default(),
        };
        if let Some(error) = shared.error {
            return Err(CompareError::Share { path: content.path.clone(), error });
        }
        let web_seeds = match lane {
            Lane::Hybrid => vec![format!("http://{clear}/files/{}", content.name)],
            _ => Vec::new(),
        };
        let peers = shared.address.into_iter().collect();
        let torrent = Torrent { info_hash: shared.info_hash, peers, trackers, web_seeds };
        self.torrents.insert(key, torrent.clone());
        Ok(torrent)
    }

    fn lane(&mut self, site: Site, lane: Lane) -> Result<&mut LaneProcess, CompareError> {
        match self.lanes.entry((site, lane)) {
            Entry::Occupied(running) => Ok(running.into_mut()),
            Entry::Vacant(place) => {
                let server = match &self.nginx {
                    Some(nginx) if site == Site::Nginx => nginx.address(lane),
                    _ if lane.is_encrypted() => self.tracker.tls,
                    _ => self.tracker.clear,
                };
                let certificate = self.tracker.certificate.display().to_string();
                let listen = SocketAddr::new(self.client.address(), 0).to_string();
                let server = server.to_string();
                let arguments = [
                    "--server",
                    &server,
                    "--authority",
                    &server,
                    "--certificate",
                    &certificate,
                    "--listen",
                    &listen,
                ];
                let errors = self.options.scratch.join(format!("{site:?}-{lane}.log"));
                let arguments = arguments.map(str::to_owned);
                let process = LaneProcess::start(&self.options.peer, &self.client, lane, &arguments, errors)?;
                Ok(place.insert(process))
            }
        }
    }

    fn reading(&self) -> Result<Reading, CompareError> {
        let Some(lab) = self.lab else { return Ok(Reading::default()) };
        let counters = lab.clients()[0].counters().and_then(|client| Ok((client, lab.server().counters()?)));
        let (client, server) = counters.map_err(CompareError::Counters)?;
        Ok(Reading { client, server })
    }

    /// Waits until nothing moves on the link.
    async fn quiet(&self) -> Result<(), CompareError> {
        let Some(lab) = self.lab else { return Ok(()) };
        let read = || lab.clients()[0].counters().map_err(CompareError::Counters);
        let end = Instant::now() + QUIET_AT_MOST;
        let (mut last, mut since) = (read()?, Instant::now());
        while since.elapsed() < QUIET && Instant::now() < end {
            sleep(Duration::from_millis(2)).await;
            let now = read()?;
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
        Ok(())
    }
}
