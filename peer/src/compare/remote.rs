//! A file of a server that runs already: fetched over every way that the server offers.
//!
//! There is no link of our own to count on, so what lies below our code is modelled; the server's processor time is not
//! known.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{StatusCode, Uri};
use http_body_util::BodyExt as _;
use sha1::{Digest as _, Sha1};
use shared::limits::TORRENT_MAX;
use shared::metainfo::Metainfo;

use super::content::hex;
use super::lane::{Answer, Request, Torrent, Wanted, tls};
use super::model::{Environment, Lane, Run, Site};
use super::pair::PATIENCE;
use super::place::Place;
use super::plan::{self, Step};
use super::process::LaneProcess;
use super::{CompareError, Options, Progress, wire};
use crate::net::counters::Counters;
use crate::net::guard::Guard;
use crate::net::http::{Count, Http};

/// Bytes a second that every way is expected to reach.
const SLOWEST: u64 = 50_000;

/// Which file.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Its address, `http` or `https`.
    pub url: String,
    /// The one certificate that is accepted, PEM; without it, those of public authorities.
    pub certificate: Option<PathBuf>,
}

/// Why a server's file cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// No address of a file.
    #[error("expected the http or https address of a file, got {0:?}")]
    Url(String),
    /// The server gave something else, or nothing.
    #[error("{url}: {error}")]
    Asked {
        /// What was asked for.
        url: String,
        /// In words.
        error: String,
    },
    /// None of the wanted ways is offered.
    #[error("the server offers none of these ways: {0}")]
    NoWay(String),
}

/// What is known of the file before it is measured.
struct Found {
    server: SocketAddr,
    authority: String,
    path: String,
    secure: bool,
    size: u64,
    sha1: String,
    /// The same as a torrent, where the server has one.
    metainfo: Option<Metainfo>,
}

/// Makes all transfers of the plan.
pub(super) async fn run(
    options: &Options,
    remote: &Remote,
    environment: &mut Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Run>, CompareError> {
    let found = find(remote, progress).await?;
    describe(remote, environment);
    let mut ways: Vec<(Site, Lane)> = Vec::new();
    let mut left_out = Vec::new();
    for &lane in &options.lanes {
        match found.lacks(lane) {
            None => ways.push((Site::Tracker, lane)),
            Some(why) => left_out.push(format!("{lane} is left out: {why}")),
        }
    }
    if ways.is_empty() {
        return Err(RemoteError::NoWay(left_out.join("; ")).into());
    }
    left_out.into_iter().for_each(|text| progress(Progress::Notice(text)));
    let steps = plan::steps(&ways, &[found.size], options.repeats, options.seed);
    let (mut runs, mut lanes, mut broken) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
    for (done, step) in steps.iter().enumerate() {
        if broken.contains(&step.lane) {
            continue;
        }
        let run = transfer(options, remote, &found, &mut lanes, step).await;
        let (Step { lane, size, .. }, error) = (*step, run.error.clone());
        progress(Progress::Transfer { done: done + 1, of: steps.len(), lane, size, error });
        if step.run == 0 && !run.ok {
            // A way that the server does not have after all: one failure says so.
            broken.insert(lane);
        }
        if step.run > 0 || !run.ok {
            runs.push(run);
        }
    }
    Ok(runs)
}

fn describe(remote: &Remote, environment: &mut Environment) {
    environment.server.clone_from(&remote.url);
    environment.held_equal = vec![
        "The same file of the same server, and one client for all ways.".to_owned(),
        "Every transfer opens its own connection; nothing is resumed or cached.".to_owned(),
        "Every client hashes what it receives with SHA-1 and writes it to a file; a run counts when the length is right, and over HTTP the hash."
            .to_owned(),
        "One warm-up of each way is discarded; the order of the rest is drawn from the seed.".to_owned(),
    ];
    environment.modelled.push(
        "transport, network, link layer, server egress: computed for full segments on a link of MTU 1500, none lost. \
         Payload, application and security were counted."
            .to_owned(),
    );
    environment.caveats.push(
        "The server runs elsewhere: its processor time is not known, and whatever else it and the network do is in every figure."
            .to_owned(),
    );
}

impl Found {
    /// Why a way cannot be taken, if it cannot.
    fn lacks(&self, lane: Lane) -> Option<&'static str> {
        let tracker = |schemes: &[&str]| {
            let named = self.metainfo.as_ref().map(Metainfo::trackers).unwrap_or_default();
            named.iter().any(|url| schemes.iter().any(|scheme| url.starts_with(scheme)))
        };
        match lane {
            Lane::Http1 | Lane::H2c if self.secure => Some("the address is an https one"),
            Lane::Http1Tls | Lane::Http2 if !self.secure => Some("the address is no https one"),
            Lane::BtTcp | Lane::BtWebRtc | Lane::Hybrid if self.metainfo.is_none() => {
                Some("the server has no .torrent of the file")
            }
            Lane::BtTcp if !tracker(&["http", "udp"]) => Some("its .torrent names no HTTP or UDP tracker"),
            Lane::BtWebRtc if !tracker(&["ws"]) => Some("its .torrent names no WebSocket tracker"),
            _ => None,
        }
    }

    fn torrent(&self, lane: Lane, url: &str) -> Option<Torrent> {
        let metainfo = self.metainfo.as_ref().filter(|_| !lane.is_http())?;
        let web_seeds = if lane == Lane::Hybrid { vec![url.to_owned()] } else { Vec::new() };
        let of_lane = |tracker: &&String| lane != Lane::BtWebRtc || tracker.starts_with("ws");
        Some(Torrent {
            info_hash: metainfo.info_hash().to_string(),
            peers: Vec::new(),
            trackers: metainfo.trackers().iter().filter(of_lane).cloned().collect(),
            web_seeds,
        })
    }
}

/// Fetches the file once, to know its length and hash, and its `.torrent` where a tracker like ours has one.
async fn find(remote: &Remote, progress: &mut dyn FnMut(Progress)) -> Result<Found, CompareError> {
    let url = remote.url.as_str();
    let asked =
        |url: &str, error: &dyn Display| RemoteError::Asked { url: url.to_owned(), error: error.to_string() };
    let wrong = || RemoteError::Url(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let secure = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(wrong().into()),
    };
    let host = uri.host().ok_or_else(wrong)?;
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    // It was typed, so it is meant, wherever it is.
    let guard = Guard { private: true, from: None };
    let addresses = guard.resolve(host, port).await.map_err(|error| asked(url, &error))?;
    let server = *addresses.first().ok_or_else(wrong)?;
    let config =
        tls::client(b"http/1.1", remote.certificate.as_deref()).map_err(|error| asked(url, &error))?;
    let http =
        Http::new(guard, Arc::new(config), Count::new(Arc::<Counters>::default(), |all| &all.web_seed));

    progress(Progress::Notice(format!("fetching {url} once, to know its length and hash")));
    let (mut hash, mut size) = (Sha1::new(), 0);
    let found = each_part(&http, url, |part| {
        hash.update(part);
        size += part.len() as u64;
        true
    });
    match found.await? {
        StatusCode::OK if size > 0 => {}
        StatusCode::OK => return Err(asked(url, &"expected a file that is not empty").into()),
        status => return Err(asked(url, &format!("the server answered {status}")).into()),
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let metainfo = match path.strip_prefix("/files/") {
        Some(name) => {
            let origin = url.strip_suffix(&path).unwrap_or(url);
            torrent(&http, &format!("{origin}/torrents/{name}.torrent"), size).await?
        }
        None => None,
    };
    let authority = uri.authority().map_or(host, |authority| authority.as_str()).to_owned();
    Ok(Found { server, authority, path, secure, size, sha1: hex(&hash.finalize()), metainfo })
}

/// The `.torrent` at an address, if there is one and it is of a file of this length.
async fn torrent(http: &Http, url: &str, size: u64) -> Result<Option<Metainfo>, CompareError> {
    let mut bytes = Vec::new();
    let found = each_part(http, url, |part| {
        bytes.extend_from_slice(part);
        bytes.len() <= TORRENT_MAX
    });
    let found = found.await? == StatusCode::OK;
    let metainfo = Metainfo::parse(&bytes).ok().filter(|metainfo| metainfo.layout().total() == size);
    Ok(metainfo.filter(|_| found))
}

/// Hands over a body as it comes, until `take` wants no more; answers the status.
async fn each_part(
    http: &Http,
    url: &str,
    mut take: impl FnMut(&[u8]) -> bool,
) -> Result<StatusCode, CompareError> {
    let asked = |error: &dyn Display| RemoteError::Asked { url: url.to_owned(), error: error.to_string() };
    let (mut response, _kept) = http.get(url, None).await.map_err(|error| asked(&error))?;
    let silent = |_| asked(&format!("nothing came for {} s", PATIENCE.as_secs()));
    while let Some(frame) = tokio::time::timeout(PATIENCE, response.frame()).await.map_err(silent)? {
        let frame = frame.map_err(|error| asked(&error))?;
        if frame.data_ref().is_some_and(|part| !take(part)) {
            break;
        }
    }
    Ok(response.status())
}

/// One transfer, whatever becomes of it.
async fn transfer(
    options: &Options,
    remote: &Remote,
    found: &Found,
    lanes: &mut BTreeMap<Lane, LaneProcess>,
    step: &Step,
) -> Run {
    let to = options.scratch.join("received");
    let wanted = Wanted {
        path: found.path.clone(),
        size: found.size,
        sha1: found.sha1.clone(),
        to,
        torrent: found.torrent(step.lane, &remote.url),
    };
    let request = Request { files: vec![wanted], linger: false };
    let answer = async {
        let process = match lanes.entry(step.lane) {
            Entry::Occupied(running) => running.into_mut(),
            Entry::Vacant(place) => place.insert(start(options, remote, found, step.lane)?),
        };
        let patience = PATIENCE + Duration::from_secs(found.size / SLOWEST);
        process.ask::<_, Answer>(&request, patience).await
    };
    let outcome = match answer.await {
        Ok(Answer { error: Some(error), .. }) => Err(error),
        Ok(answer) => Ok(answer),
        Err(error) => {
            lanes.remove(&step.lane);
            Err(error.to_string())
        }
    };
    for file in &request.files {
        let _ = std::fs::remove_file(&file.to);
    }
    if let Some(directory) = request.torrents() {
        let _ = std::fs::remove_dir_all(directory);
    }
    match outcome {
        Ok(answer) => step.went(&answer, wire::modelled(&answer.layers), None),
        Err(error) => step.failed(error),
    }
}

fn start(
    options: &Options,
    remote: &Remote,
    found: &Found,
    lane: Lane,
) -> Result<LaneProcess, super::process::ProcessError> {
    let mut arguments = vec![
        "--server".to_owned(),
        found.server.to_string(),
        "--authority".to_owned(),
        found.authority.clone(),
    ];
    if let Some(certificate) = &remote.certificate {
        arguments.extend(["--certificate".to_owned(), certificate.display().to_string()]);
    }
    // Where the server is this host, addresses of this host are what peers can be reached at.
    if found.server.ip().is_loopback() {
        arguments.extend(["--listen".to_owned(), SocketAddr::new(found.server.ip(), 0).to_string()]);
    }
    let errors = options.scratch.join(format!("{lane}.log"));
    LaneProcess::start(&options.peer, &Place { node: None, core: None }, lane, &arguments, errors)
}
