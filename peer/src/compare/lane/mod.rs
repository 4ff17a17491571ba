//! One way for the bytes to go, as a process of its own on the receiver's side.
//!
//! The process is told on its standard input what to fetch, one JSON object a line, and answers each with one: what it
//! took, and what it counted. So it can be put into a network namespace and onto a core, and a lane's start is no part of
//! what is measured.

mod bt;
mod count;
mod http;
pub(super) mod tls;

use std::io::{self, BufRead as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

use rustix::time::{ClockId, clock_gettime};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(super) use self::http::H2_WINDOW;
use super::model::Lane;
use super::wire::Layers;

/// What a lane's process is started with. The verb is hidden: it speaks with `compare`, not with people.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Which way.
    pub lane: Lane,
    /// Address of the HTTP server.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub server: SocketAddr,
    /// Name of the server, for Host and TLS.
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    pub authority: String,
    /// Where a BitTorrent peer listens; of WebRTC only the address counts.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Share files rather than fetch them.
    #[arg(long)]
    pub share: bool,
    /// The one certificate that is accepted, PEM; without it, those of public authorities.
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
}

/// A file to fetch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// Path and query on the server, percent-encoded.
    pub path: String,
    /// Length, bytes.
    pub size: u64,
    /// SHA-1, hexadecimal. Empty: not known; only the length is checked.
    pub sha1: String,
    /// Where to put it.
    pub to: PathBuf,
    /// The same as a torrent, for lanes that want one.
    #[serde(default)]
    pub torrent: Option<Torrent>,
}

/// Where a torrent can be had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Torrent {
    /// Which.
    pub info_hash: String,
    /// Peers that are dialled.
    pub peers: Vec<SocketAddr>,
    /// Announce URLs.
    pub trackers: Vec<String>,
    /// Web seeds, URLs.
    pub web_seeds: Vec<String>,
}

/// What a lane's process is told: files to fetch at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// The files.
    pub files: Vec<Wanted>,
    /// Give on what has arrived until the process ends.
    #[serde(default)]
    pub linger: bool,
}

impl Request {
    /// Where a lane that takes torrents puts the files. Whoever asks removes it: what that takes is no part of a transfer.
    pub fn torrents(&self) -> Option<PathBuf> {
        self.files.first().map(|first| first.to.with_extension("torrents"))
    }
}

/// What a process that shares is told: a file to share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Share {
    /// The file.
    pub file: PathBuf,
    /// Announce URLs.
    pub trackers: Vec<String>,
    /// Length of a piece, unless it is to follow from the size.
    pub piece_length: Option<u32>,
}

/// What it answers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Shared {
    /// What went wrong, one line.
    pub error: Option<String>,
    /// The torrent.
    pub info_hash: String,
    /// Its pieces.
    pub pieces: u32,
    /// Where the process takes TCP connections.
    pub address: Option<SocketAddr>,
}

/// What it answers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    /// What went wrong, one line.
    pub error: Option<String>,
    /// From before the connection was opened to the last byte checked and written.
    pub seconds: f64,
    /// From there to the first byte of content.
    pub ttfb_seconds: f64,
    /// Processor time of this process meanwhile.
    pub cpu_seconds: f64,
    /// Bytes by layer.
    pub layers: Layers,
}

/// Why a transfer is not counted, or a lane's process could not go on.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// The other side cannot be reached.
    #[error("cannot connect to {server}: {error}")]
    Connect {
        /// Its address.
        server: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// TLS cannot be set up, or the handshake failed.
    #[error("TLS with {server} failed: {error}")]
    Tls {
        /// Its address.
        server: SocketAddr,
        /// What the library said.
        error: String,
    },
    /// HTTP went wrong before the content began.
    #[error("HTTP with {server} failed: {error}")]
    Http {
        /// Its address.
        server: SocketAddr,
        /// What the library said.
        error: String,
    },
    /// The server has no such file, or does not give it.
    #[error("expected status 200 for {path}, got {status}")]
    Status {
        /// What was asked for.
        path: String,
        /// What was answered.
        status: u16,
    },
    /// The server announces another length than the file has.
    #[error("expected {expected} bytes of {path}, the server announces {announced}")]
    Length {
        /// What was asked for.
        path: String,
        /// Its length.
        expected: u64,
        /// What the server says.
        announced: u64,
    },
    /// More came than the file has.
    #[error("expected {expected} bytes of {path}, the server sends more")]
    Longer {
        /// What was asked for.
        path: String,
        /// Its length.
        expected: u64,
    },
    /// The transfer ended early.
    #[error("{path} ended after {received} of {expected} bytes{}", .error.as_ref().map(|error| format!(": {error}")).unwrap_or_default())]
    Truncated {
        /// What was asked for.
        path: String,
        /// Its length.
        expected: u64,
        /// What came.
        received: u64,
        /// What the library said, if it ended with an error.
        error: Option<String>,
    },
    /// All bytes came, but not the right ones.
    #[error("expected SHA-1 {expected} of {path}, got {got}")]
    Hash {
        /// What was asked for.
        path: String,
        /// Of the file.
        expected: String,
        /// Of what came.
        got: String,
    },
    /// The file cannot be written.
    #[error("cannot write {path}: {error}", path = .path.display())]
    Write {
        /// Where to.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The process that asks is gone, or says what cannot be understood.
    #[error("expected requests on standard input, one JSON object a line: {0}")]
    Input(String),
    /// A torrent that was not to be had.
    #[error("BitTorrent: {0}")]
    Torrent(String),
}

/// Answers requests until standard input ends.
///
/// # Errors
///
/// Standard input or output is unusable. What goes wrong with one transfer is in its answer.
pub fn serve(args: &Args) -> Result<(), LaneError> {
    let runtime = if args.lane.is_http() {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    } else {
        // A peer goes on giving while this thread waits for standard input.
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()
    };
    let runtime = runtime.map_err(broken)?;
    let failed = |error: &LaneError| Some(error.to_string());
    if args.share {
        let seed = runtime.block_on(bt::Seed::new(args))?;
        return answer(|share: Share| {
            let shared = runtime.block_on(seed.share(&share));
            shared.unwrap_or_else(|error| Shared { error: failed(&error), ..Shared::default() })
        });
    }
    let mut lane =
        if args.lane.is_http() { Way::Http(http::Client::new(args)?) } else { Way::Bt(bt::Peer::new(args)) };
    answer(|request: Request| {
        let cpu = processor_seconds();
        let fetched = runtime.block_on(async {
            match &mut lane {
                Way::Http(client) => client.fetch(&request).await,
                Way::Bt(peer) => peer.fetch(&request).await,
            }
        });
        let mut answer =
            fetched.unwrap_or_else(|error| Answer { error: failed(&error), ..Answer::default() });
        answer.cpu_seconds = processor_seconds() - cpu;
        answer
    })
}

/// What a process fetches with.
enum Way {
    Http(http::Client),
    Bt(bt::Peer),
}

/// Takes in what it is asked, a line each, and answers with a line each.
fn answer<Q: DeserializeOwned, A: Serialize>(mut to: impl FnMut(Q) -> A) -> Result<(), LaneError> {
    for line in io::stdin().lock().lines() {
        let question = serde_json::from_str(&line.map_err(broken)?);
        let answer = to(question.map_err(|error| LaneError::Input(error.to_string()))?);
        let answer = serde_json::to_string(&answer).map_err(|error| LaneError::Input(error.to_string()))?;
        let mut out = io::stdout().lock();
        writeln!(out, "{answer}").and_then(|()| out.flush()).map_err(broken)?;
    }
    Ok(())
}

fn broken(error: io::Error) -> LaneError {
    LaneError::Input(error.to_string())
}

/// Processor time of this process so far, user and system.
fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
