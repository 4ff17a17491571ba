//! Many receivers: each with a line of its own, and the server's uplink as narrow; who sends decides what it takes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::bounds::Distribution;
use super::content::Content;
use super::lab::shaping::Shaping;
use super::lab::{Lab, LabError};
use super::lane::{Answer, Request, Share, Shared, Torrent, Wanted};
use super::model::{Environment, Lane, Mode, Receivers};
use super::place::Place;
use super::process::{LaneProcess, Tracker};
use super::wire::{ETHERNET_HEADER, MTU, SEGMENT};
use super::{CompareError, Options, Progress};
use futures_util::future::join_all;
use shared::limits::PIECE_LENGTH_MAX_CREATED;
use shared::statistics::median;

/// Port of every peer, in a namespace where nobody else has any.
const PORT: u16 = 6881;

/// A file has so many pieces at least: with few, the last one would decide.
const PIECES: u64 = 400;

/// Shortest piece that is worth its hash.
const SHORTEST_PIECE: u64 = 16 * 1024;

/// Beyond this many bounds nothing is waited for any longer, with [`STARTING`] on top.
const PATIENCE: f64 = 5.0;
/// For processes to start, and peers to find each other.
const STARTING: Duration = Duration::from_secs(60);

/// The frame around a full segment.
const FRAME: u64 = MTU + ETHERNET_HEADER;

/// What is tried with many receivers.
#[derive(Clone, Debug)]
pub struct Many {
    /// How many.
    pub numbers: Vec<u32>,
    /// Size of the file, bytes.
    pub size: u64,
    /// Rates of a receiver's uplink and, one case each, of the server's; bytes of frames a second.
    pub receiver_uplink: u64,
    /// See `receiver_uplink`.
    pub server_uplinks: Vec<u64>,
    /// Rate of every downlink, bytes of frames a second.
    pub downlink: u64,
}

impl Many {
    /// Length of the torrent's pieces: the longest power of two that makes [`PIECES`] and that is made at all.
    fn piece_length(&self) -> u32 {
        let longest = (self.size / PIECES).max(SHORTEST_PIECE);
        let length = u32::try_from(1_u64 << longest.ilog2()).unwrap_or(u32::MAX);
        length.min(PIECE_LENGTH_MAX_CREATED)
    }
}

/// One transfer to some receivers, before it is known how it went.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    lane: Lane,
    n: u32,
    server_uplink: u64,
}

/// What came of it.
struct Outcome {
    /// When each receiver had everything, seconds from when it began.
    seconds: Vec<f64>,
    /// Bytes that the server put on the wire.
    server_sent: u64,
    pieces: u32,
}

/// Makes all transfers to many receivers that are asked for.
pub(super) async fn run(
    options: &Options,
    many: &Many,
    environment: &mut Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Receivers>, CompareError> {
    match Lab::pair() {
        Ok(_) => {}
        Err(error @ (LabError::Rights(_) | LabError::Missing { .. })) => {
            progress(Progress::Notice(format!("no comparison with many receivers: {error}")));
            return Ok(Vec::new());
        }
        Err(error) => return Err(error.into()),
    }
    describe(environment);
    let lanes = options.lanes.iter().copied().filter(|lane| is_for_many(*lane)).collect::<Vec<_>>();
    let mut numbers = many.numbers.clone();
    numbers.sort_unstable();
    numbers.dedup();
    let of = numbers.len() * lanes.len() * many.server_uplinks.len();
    let mut list = Vec::new();
    let mut done = 0;
    for &server_uplink in &many.server_uplinks {
        for &lane in &lanes {
            for &n in &numbers {
                let attempt = Attempt { lane, n, server_uplink };
                let outcome = transfer(options, many, attempt).await;
                let receivers = evaluate(many, attempt, outcome);
                done += 1;
                let error = receivers.error.clone();
                progress(Progress::Receivers { done, of, lane, n, error });
                list.push(receivers);
            }
        }
    }
    Ok(list)
}

/// Those that are worth it: one server of HTTP, whose uplink takes the same time whichever version it speaks, and peers.
const fn is_for_many(lane: Lane) -> bool {
    matches!(lane, Lane::Http1 | Lane::BtTcp | Lane::BtWebRtc)
}

fn describe(environment: &mut Environment) {
    environment.held_equal.push(
        "Many receivers: the same rates for every lane, up and down, at each line of a switch; all start at once, and whoever \
         has everything goes on giving until the last one has it."
            .to_owned(),
    );
    environment.modelled.push(format!(
        "Bounds, the same for every lane of a mode: the shaped rates times {SEGMENT}/{FRAME}, what headers of full TCP segments \
         leave for content, as the wire bytes of HTTP/1.1 show. What is sent twice, and acknowledgements on the uplinks of \
         receivers, are not taken off."
    ));
}

fn evaluate(many: &Many, attempt: Attempt, outcome: Result<Outcome, CompareError>) -> Receivers {
    let Attempt { lane, n, server_uplink } = attempt;
    let mode = if lane.is_http() { Mode::ClientServer } else { Mode::P2p };
    let bound = bound(many, attempt);
    let (outcome, error) = match outcome {
        Ok(outcome) => (Some(outcome), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Receivers {
        mode,
        lane,
        n,
        size: many.size,
        ok: outcome.is_some(),
        error,
        seconds_last: outcome.as_ref().map(|outcome| outcome.seconds.iter().copied().fold(0.0, f64::max)),
        seconds_median: outcome.as_ref().and_then(|outcome| median(&outcome.seconds)),
        server_egress: outcome.as_ref().map(|outcome| outcome.server_sent),
        bound_seconds: bound,
        server_uplink,
        receiver_uplink: many.receiver_uplink,
        receiver_downlink: many.downlink,
        pieces: outcome.map_or(0, |outcome| outcome.pieces),
    }
}

/// Of headers alone: what a lane sends twice is its own, and would flatter it here.
fn bound(many: &Many, attempt: Attempt) -> f64 {
    let distribution = Distribution {
        size: many.size as f64,
        receivers: attempt.n,
        server_uplink: attempt.server_uplink as f64,
        receiver_uplink: many.receiver_uplink as f64,
        slowest_downlink: many.downlink as f64,
    }
    .scaled(SEGMENT as f64 / FRAME as f64);
    if attempt.lane.is_http() { distribution.client_server() } else { distribution.p2p() }
}

/// One transfer: a network, its processes, and everything down again.
async fn transfer(options: &Options, many: &Many, attempt: Attempt) -> Result<Outcome, CompareError> {
    let Attempt { lane, n, server_uplink } = attempt;
    let place = options.scratch.join("many");
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |error| CompareError::Scratch { path, error }
    };
    let served = place.join("served");
    std::fs::create_dir_all(&served).map_err(unusable(&served))?;
    let content = Content::generate(&served, options.seed, many.size, 0).map_err(unusable(&served))?;
    let server = Shaping { up: server_uplink, down: many.downlink };
    let receiver = Shaping { up: many.receiver_uplink, down: many.downlink };
    let lab = Lab::star(n, server, receiver)?;
    let mut network = Network::start(options, &lab, &place, &content, many, lane).await?;
    let moved = network.run(&content, bound(many, attempt)).await;
    drop(network);
    // What was received is checked by then; the next transfer starts with an empty place.
    std::fs::remove_dir_all(&place).map_err(unusable(&place))?;
    moved
}

/// The processes of one transfer.
struct Network<'lab> {
    lab: &'lab Lab,
    tracker: Tracker,
    /// Alive as long as its torrent is to be had.
    _seed: Option<LaneProcess>,
    torrent: Option<Shared>,
    receivers: Vec<LaneProcess>,
    place: PathBuf,
    lane: Lane,
}

impl<'lab> Network<'lab> {
    async fn start(
        options: &Options,
        lab: &'lab Lab,
        place: &Path,
        content: &Content,
        many: &Many,
        lane: Lane,
    ) -> Result<Self, CompareError> {
        let server = Place { node: Some(lab.server()), core: None };
        let served = place.join("served");
        let tracker = Tracker::start(&options.tracker, &server, &served, &place.join("tracker")).await?;
        let listen = |place: &Place<'_>| SocketAddr::new(place.address(), PORT).to_string();
        let (mut seed, mut torrent) = (None, None);
        if !lane.is_http() {
            let arguments = ["--share".to_owned(), "--listen".to_owned(), listen(&server)];
            let errors = place.join("seed.log");
            let mut process = LaneProcess::start(&options.peer, &server, lane, &arguments, errors)?;
            let trackers = trackers(lane, &tracker);
            let piece_length = Some(many.piece_length());
            let share = Share { file: content.path.clone(), trackers, piece_length };
            let shared: Shared = process.ask(&share, STARTING).await?;
            if let Some(error) = shared.error {
                return Err(CompareError::Share { path: content.path.clone(), error });
            }
            (seed, torrent) = (Some(process), Some(shared));
        }
        let mut receivers = Vec::new();
        for (number, node) in lab.clients().iter().enumerate() {
            let at = Place { node: Some(node), core: None };
            let clear = tracker.clear.to_string();
            let arguments = ["--server", &clear, "--authority", &clear, "--listen", &listen(&at)];
            let errors = place.join(format!("receiver-{number}.log"));
            let arguments = arguments.map(str::to_owned);
            receivers.push(LaneProcess::start(&options.peer, &at, lane, &arguments, errors)?);
        }
        Ok(Self { lab, tracker, _seed: seed, torrent, receivers, place: place.to_owned(), lane })
    }

    /// All receivers at once.
    async fn run(&mut self, content: &Content, bound: f64) -> Result<Outcome, CompareError> {
        let patience = STARTING + Duration::from_secs_f64(bound * PATIENCE);
        let lab = self.lab;
        let sent =
            || lab.server().counters().map(|counters| counters.sent_bytes).map_err(CompareError::Counters);
        let mut requests = Vec::new();
        for number in 0..self.lab.clients().len() {
            requests.push(self.request(content, number)?);
        }
        // Who answers is there: starting a process is no part of a transfer.
        let nothing = Request { files: Vec::new(), linger: false };
        let there = self.receivers.iter_mut().map(|receiver| receiver.ask::<_, Answer>(&nothing, STARTING));
        for answer in join_all(there).await {
            answer?;
        }
        let before = sent()?;
        let asked = self.receivers.iter_mut().zip(&requests);
        let asked = asked.map(|(receiver, request)| receiver.ask::<_, Answer>(request, patience));
        let answers = join_all(asked).await;
        let after = sent()?;
        let mut seconds = Vec::new();
        for answer in answers {
            let answer = answer?;
            if let Some(error) = answer.error {
                return Err(CompareError::Receiver(error));
            }
            // Its own figure: until it answers, it closes connections.
            seconds.push(answer.seconds);
        }
        Ok(Outcome {
            seconds,
            server_sent: after - before,
            pieces: self.torrent.as_ref().map_or(0, |torrent| torrent.pieces),
        })
    }

    fn request(&self, content: &Content, number: usize) -> Result<Request, CompareError> {
        let directory = self.place.join(format!("receiver-{number}"));
        std::fs::create_dir_all(&directory)
            .map_err(|error| CompareError::Scratch { path: directory.clone(), error })?;
        let torrent = self.torrent.as_ref().map(|shared| {
            let others = self.lab.clients().iter().enumerate().filter(|(other, _)| *other != number);
            let others = others.map(|(_, node)| SocketAddr::new(node.address().into(), PORT));
            let peers = match self.lane {
                Lane::BtTcp => shared.address.into_iter().chain(others).collect(),
                _ => Vec::new(),
            };
            let trackers = trackers(self.lane, &self.tracker);
            Torrent { info_hash: shared.info_hash.clone(), peers, trackers, web_seeds: Vec::new() }
        });
        let wanted = Wanted {
            path: format!("/files/{}", content.name),
            size: content.size,
            sha1: content.sha1.clone(),
            to: directory.join(&content.name),
            torrent,
        };
        Ok(Request { files: vec![wanted], linger: true })
    }
}

/// Where peers of a lane find each other, unless they are told.
fn trackers(lane: Lane, tracker: &Tracker) -> Vec<String> {
    match lane {
        Lane::BtWebRtc => vec![format!("ws://{}/announce", tracker.clear)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many() -> Many {
        Many {
            numbers: vec![1, 16],
            size: 26_214_400,
            receiver_uplink: 2_500_000,
            server_uplinks: vec![2_500_000],
            downlink: 10_000_000,
        }
    }

    #[test]
    fn a_file_has_four_hundred_pieces() {
        assert_eq!(many().piece_length(), 65_536);
        assert_eq!(Many { size: 1_000, ..many() }.piece_length(), 16_384);
        assert_eq!(
            Many { size: 64_000_000_000, ..many() }.piece_length(),
            4_194_304,
            "no longer ones are made"
        );
        for size in [26_214_399, 30_000_000, 100_000_000] {
            let length = Many { size, ..many() }.piece_length();
            assert!(size / u64::from(length) >= PIECES && length.is_power_of_two(), "{size}: {length}");
        }
    }

    #[test]
    fn bounds_are_of_content() {
        let attempt = |lane, n| Attempt { lane, n, server_uplink: 2_500_000 };
        // Of a frame of 1514 bytes, 1448 are content.
        let alone = 26_214_400.0 / (2_500_000.0 * 1448.0 / 1514.0);
        for (lane, n, expected) in [
            (Lane::BtTcp, 16, alone),
            (Lane::BtWebRtc, 16, alone),
            (Lane::Http1, 1, alone),
            (Lane::H2c, 16, 16.0 * alone),
        ] {
            let bound = bound(&many(), attempt(lane, n));
            assert!((bound - expected).abs() < 1e-9, "{lane}, {n}: {bound}");
        }
    }

    #[test]
    fn what_goes_wrong_is_in_the_report() {
        let attempt = Attempt { lane: Lane::BtTcp, n: 2, server_uplink: 1 };
        let failed = evaluate(&many(), attempt, Err(CompareError::Receiver("no".to_owned())));
        assert!(!failed.ok && failed.seconds_last.is_none());
        assert_eq!(failed.error.as_deref(), Some("a receiver: no"));
    }
}
