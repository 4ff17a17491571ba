//! One receiver: every lane and size in turn, and what each transfer costs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::content::Content;
use super::environment;
use super::lab::counters::Counters;
use super::lab::{Lab, LabError};
use super::lane::{Answer, Request, Wanted};
use super::model::{CpuSeconds, Environment, Lane, Run};
use super::place::Place;
use super::plan::{self, Step};
use super::process::{LaneProcess, Tracker};
use super::wire::{self, Layers};
use super::{CompareError, Options, Progress};

/// A link on which nothing moved for this long is quiet: what belonged to a transfer has been counted.
const QUIET: Duration = Duration::from_millis(10);
/// It is not waited for longer; a delayed acknowledgement comes within 40 ms.
const QUIET_AT_MOST: Duration = Duration::from_millis(500);

/// A transfer may take this long, and as long as its bytes take at [`SLOWEST`].
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes a second that every lane is expected to reach.
const SLOWEST: u64 = 500_000;

/// Frames of more than this on average were never on a wire of this MTU.
const FRAME_MAX: u64 = wire::MTU + wire::ETHERNET_HEADER;

/// Makes all transfers of the plan.
pub(super) async fn run(
    options: &Options,
    environment: &mut Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Run>, CompareError> {
    let lab = network(options, environment, progress)?;
    let mut bench = Bench::new(options, lab.as_ref()).await?;
    let steps = plan::steps(&options.lanes, &options.sizes, options.repeats, options.seed);
    let mut runs = Vec::new();
    for (done, step) in steps.iter().enumerate() {
        let run = bench.transfer(step).await?;
        let Step { lane, size, .. } = *step;
        let error = run.error.clone();
        progress(Progress::Transfer { done: done + 1, of: steps.len(), lane, size, error });
        // A warm-up that fails is no warm-up: it is shown, and so is every run after it.
        if step.run > 0 || !run.ok {
            runs.push(run);
        }
    }
    Ok(runs)
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
            progress(Progress::Notice(error.to_string()));
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
    lanes: BTreeMap<Lane, LaneProcess>,
    contents: BTreeMap<u64, Vec<Content>>,
    served: PathBuf,
    received: PathBuf,
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
        let (lanes, contents) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { options, lab, client, tracker, lanes, contents, served, received })
    }

    /// One transfer, whatever becomes of it.
    async fn transfer(&mut self, step: &Step) -> Result<Run, CompareError> {
        let request = self.request(step.size)?;
        let patience = PATIENCE + Duration::from_secs(step.size * u64::from(self.options.parallel) / SLOWEST);
        self.quiet().await?;
        let processor = self.tracker.processor().ok();
        let before = self.reading()?;
        let answer = self.lane(step.lane)?.ask(&request, patience).await;
        if answer.is_err() {
            // It will be started anew: a lane that hangs or ends once must not spoil the rest.
            self.lanes.remove(&step.lane);
        }
        self.quiet().await?;
        let after = self.reading()?;
        let spent = match (processor, self.tracker.processor().ok()) {
            (Some(before), Some(after)) => after.since(before),
            _ => 0.0,
        };
        for file in &request.files {
            // It may not have come to be.
            let _ = std::fs::remove_file(&file.to);
        }
        let moved = Reading { client: after.client - before.client, server: after.server - before.server };
        let outcome = match answer {
            Ok(Answer { error: Some(error), .. }) => Err(error),
            Ok(answer) => Ok(answer),
            Err(error) => Err(error.to_string()),
        };
        Ok(self.evaluate(step, outcome, &moved, spent))
    }

    fn evaluate(&self, step: &Step, outcome: Result<Answer, String>, moved: &Reading, server: f64) -> Run {
        let failed = |error| Run {
            lane: step.lane,
            size: step.size,
            run: step.run,
            ok: false,
            error: Some(error),
            seconds: None,
            ttfb_seconds: None,
            goodput: None,
            server_egress: None,
            cpu_seconds: None,
            wire: None,
        };
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) => return failed(error),
        };
        let frame = wire::mean_frame(&moved.client);
        if frame > FRAME_MAX {
            return failed(format!(
                "frames of {frame} bytes on a link of MTU {}: offloads are on",
                wire::MTU
            ));
        }
        let layers: &Layers = &answer.layers;
        let wire = match self.lab {
            Some(_) => wire::measured(layers, &moved.client, &moved.server),
            None => wire::modelled(layers),
        };
        Run {
            lane: step.lane,
            size: step.size,
            run: step.run,
            ok: true,
            error: None,
            seconds: Some(answer.seconds),
            ttfb_seconds: Some(answer.ttfb_seconds),
            goodput: Some(layers.payload as f64 / answer.seconds.max(f64::MIN_POSITIVE)),
            server_egress: Some(wire.received),
            cpu_seconds: Some(CpuSeconds { server, client: answer.cpu_seconds }),
            wire: Some(wire),
        }
    }

    /// The files of a size, made when they are first wanted.
    fn request(&mut self, size: u64) -> Result<Request, CompareError> {
        let contents = match self.contents.entry(size) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let made = (0..self.options.parallel.max(1))
                    .map(|number| Content::generate(&self.served, self.options.seed, size, number))
                    .collect::<Result<_, _>>()
                    .map_err(|error| CompareError::Scratch { path: self.served.clone(), error })?;
                place.insert(made)
            }
        };
        let files = contents.iter().map(|content| Wanted {
            path: format!("/files/{}", content.name),
            size,
            sha1: content.sha1.clone(),
            to: self.received.join(&content.name),
        });
        Ok(Request { files: files.collect() })
    }

    fn lane(&mut self, lane: Lane) -> Result<&mut LaneProcess, CompareError> {
        match self.lanes.entry(lane) {
            std::collections::btree_map::Entry::Occupied(running) => Ok(running.into_mut()),
            std::collections::btree_map::Entry::Vacant(place) => {
                let server = if lane.is_encrypted() { self.tracker.tls } else { self.tracker.clear };
                let certificate = self.tracker.certificate.display().to_string();
                let arguments = ["--server", &server.to_string(), "--authority", &server.to_string()];
                let mut arguments = arguments.map(str::to_owned).to_vec();
                arguments.extend(["--certificate".to_owned(), certificate]);
                let errors = self.options.scratch.join(format!("{lane}.log"));
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
