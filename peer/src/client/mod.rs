//! The client: the engine, in a task of its own, and all that does what it says.
//!
//! One task takes in what happened, one thing after the other, and hands out what the engine wants done (`pump.rs`,
//! `effects.rs`). Sockets, files and hashing are tasks and threads of their own, which tell it what came of it.

mod effects;
mod options;
mod pump;
mod trackers;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shared::bitfield::Bitfield;
use shared::engine::{Command, Event, Origin, Snapshot};
use shared::id::{InfoHash, PeerId};
use shared::magnet::Link;
use shared::metainfo::Metainfo;
use tokio::sync::{broadcast, mpsc, oneshot};

pub use options::{Add, AddError, Options, StartError};

use crate::net::counters::{Counters, Totals};
use crate::storage::{self, Place};
use pump::{Arrival, Pump};

/// Events that a slow receiver may fall behind by. One that falls further behind gets
/// [`broadcast::error::RecvError::Lagged`] with the number that it missed.
const EVENTS_KEPT: usize = 4_096;

/// How long [`Client::shutdown`] waits for goodbyes to trackers and for what is being written.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(8);

/// A handle on a running client; clones are handles on the same one. It runs until [`Client::shutdown`], or until the last
/// handle is dropped, which ends it as a crash would: nothing that was acknowledged is lost, nobody is told.
#[derive(Clone, Debug)]
pub struct Client {
    arrivals: mpsc::UnboundedSender<Arrival>,
    events: broadcast::Sender<Event>,
    counters: Arc<Counters>,
    local_address: Option<SocketAddr>,
    peer_id: PeerId,
    /// Download directory.
    downloads: Arc<PathBuf>,
}

impl Client {
    /// Starts a client on the present runtime.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let counters = Arc::new(Counters::default());
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        let (arrivals, arriving) = mpsc::unbounded_channel();
        let downloads = Arc::new(options.storage.directory.clone());
        let started = Pump::start(options, events.clone(), Arc::clone(&counters))?;
        let (local_address, peer_id) = (started.local_address, started.pump.peer_id());
        tokio::spawn(started.pump.run(arriving));
        Ok(Self { arrivals, events, counters, local_address, peer_id, downloads })
    }

    /// Takes in a torrent. What comes of it is told by [`Client::events`]. One that is here already gains the trackers, and
    /// keeps its place.
    pub async fn add(&self, add: Add) -> Result<InfoHash, AddError> {
        let info_hash = match &add.origin {
            Origin::Link(text) => Link::parse(text)?.info_hash,
            Origin::Metainfo(torrent) | Origin::Complete(torrent) => {
                let metainfo = Metainfo::parse(torrent)?;
                if let Place::Files(files) = &add.place
                    && files.len() != metainfo.files().len()
                {
                    return Err(AddError::Files { expected: metainfo.files().len(), got: files.len() });
                }
                metainfo.info_hash()
            }
        };
        if matches!(add.place, Place::Files(_)) && !matches!(add.origin, Origin::Complete(_)) {
            return Err(AddError::Incomplete);
        }
        let Add { origin, trackers, start, place } = add;
        let kept = match &origin {
            Origin::Link(_) => self.kept_torrent(&place, info_hash).await,
            Origin::Metainfo(_) | Origin::Complete(_) => None,
        };
        let command = Command::Add { origin, trackers, start };
        let add = Arrival::Add { info_hash, place, command };
        // The link first: what it names counts as well.
        let learn = kept.map(|torrent| {
            let origin = Origin::Metainfo(torrent);
            Arrival::Command(Command::Add { origin, trackers: Vec::new(), start })
        });
        for arrival in std::iter::once(add).chain(learn) {
            self.arrivals.send(arrival).map_err(|_| AddError::Ended)?;
        }
        Ok(info_hash)
    }

    /// What an earlier download to the same place left of a torrent: its metadata need not be fetched again.
    async fn kept_torrent(&self, place: &Place, torrent: InfoHash) -> Option<Bytes> {
        let directory = match place {
            Place::Downloads => PathBuf::clone(&self.downloads),
            Place::Directory(directory) => directory.clone(),
            Place::Files(_) => return None,
        };
        let looking = tokio::task::spawn_blocking(move || storage::kept_torrent(&directory, torrent));
        looking.await.ok().flatten()
    }

    /// Gives the engine a command; it is not answered. One that cannot be taken is told by [`Event::Refused`]. Answers
    /// whether the client still runs.
    pub fn command(&self, command: Command) -> bool {
        self.arrivals.send(Arrival::Command(command)).is_ok()
    }

    /// Events from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Everything at one moment; `None` once the client has ended.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        self.ask(Arrival::Snapshot).await
    }

    /// Metadata of a torrent, once it is known.
    pub async fn metainfo(&self, torrent: InfoHash) -> Option<Arc<Metainfo>> {
        self.ask(|answer| Arrival::Metainfo(torrent, answer)).await.flatten()
    }

    /// Pieces of a torrent that are verified and written, once that is known.
    pub async fn have(&self, torrent: InfoHash) -> Option<Bitfield> {
        self.ask(|answer| Arrival::Have(torrent, answer)).await.flatten()
    }

    /// Bytes by layer since the client began.
    pub fn counters(&self) -> Totals {
        self.counters.totals()
    }

    /// Where TCP connections of peers are taken, with the port that was had.
    pub const fn local_address(&self) -> Option<SocketAddr> {
        self.local_address
    }

    /// What this client calls itself.
    pub const fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// Ends the client: trackers are told, connections closed, what is being written is written. Returns when that is
    /// done, or after eight seconds.
    pub async fn shutdown(&self) {
        let ended = self.ask(Arrival::Shutdown);
        let _ = tokio::time::timeout(SHUTDOWN_WITHIN, ended).await;
    }

    async fn ask<T>(&self, arrival: impl FnOnce(oneshot::Sender<T>) -> Arrival) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.arrivals.send(arrival(answer)).ok()?;
        answered.await.ok()
    }
}
