//! BitTorrent lanes: one client for each transfer, and the process that shares.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use shared::engine::{Command, Event, Origin, Phase};
use shared::id::InfoHash;
use shared::magnet::Link;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::super::model::Lane;
use super::super::wire::Layers;
use super::{Answer, Args, LaneError, Request, Share, Shared, Wanted};
use crate::client::{Add, Client, Options};
use crate::create::{Choices, Sources};
use crate::hash::Progress;
use crate::net::counters::Totals;
use crate::net::rtc::{self, Rtc};
use crate::storage::Place;

/// What DTLS 1.2 with AES-GCM adds to a datagram: record header, explicit nonce, tag.
const DTLS_OVERHEAD: u64 = 13 + 8 + 16;

/// A transfer in which nothing happens for so long is given up.
const STALLED: Duration = Duration::from_secs(60);

/// Fetches over one of the BitTorrent lanes.
pub(super) struct Peer {
    lane: Lane,
    listen: Option<SocketAddr>,
    /// What has arrived and is given on: kept until the process ends.
    lingering: Vec<Client>,
}

/// When the first and the last piece were verified and written.
#[derive(Clone, Copy, Debug)]
struct Times {
    first: Instant,
    last: Instant,
}

impl Peer {
    pub(super) const fn new(args: &Args) -> Self {
        Self { lane: args.lane, listen: args.listen, lingering: Vec::new() }
    }

    /// Fetches all files at once, each a torrent of its own.
    pub(super) async fn fetch(&mut self, request: &Request) -> Result<Answer, LaneError> {
        let Some(directory) = request.torrents() else { return Ok(Answer::default()) };
        let started = Instant::now();
        let client = start(self.lane, self.listen, &directory).await?;
        let fetched = fetch(&client, &request.files).await;
        let mut totals = client.counters();
        if request.linger && fetched.is_ok() {
            self.lingering.push(client);
        } else {
            client.shutdown().await;
            totals = client.counters();
        }
        let times = fetched?;
        let since = |time: Instant| (time - started).as_secs_f64();
        let payload = request.files.iter().map(|file| file.size).sum();
        Ok(Answer {
            seconds: since(times.last),
            ttfb_seconds: since(times.first),
            layers: Layers {
                // As soon as one source has given what another was asked for.
                broken_off: self.lane == Lane::Hybrid,
                ..layers(payload, &totals)
            },
            ..Answer::default()
        })
    }
}

/// A client as a lane needs it.
async fn start(lane: Lane, listen: Option<SocketAddr>, directory: &Path) -> Result<Client, LaneError> {
    let mut options = Options::new(directory);
    options.engine.private_addresses = true;
    options.engine.dials = lane != Lane::BtWebRtc;
    options.engine.web_seeds = lane == Lane::Hybrid;
    options.listen = listen.filter(|_| lane != Lane::BtWebRtc);
    if lane == Lane::BtWebRtc {
        let loopback = listen.is_some_and(|address| address.ip().is_loopback());
        options.webrtc = Some(Rtc::start(rtc::Options { loopback, ..rtc::Options::default() }));
    }
    Client::start(options).await.map_err(|error| LaneError::Torrent(error.to_string()))
}

async fn fetch(client: &Client, files: &[Wanted]) -> Result<Times, LaneError> {
    let failed = |error: String| LaneError::Torrent(error);
    let mut events = client.events();
    let mut missing = Vec::new();
    for wanted in files {
        let source =
            wanted.torrent.as_ref().ok_or_else(|| failed("expected a torrent to fetch".to_owned()))?;
        let mut link = Link::parse(&source.info_hash).map_err(|error| failed(error.to_string()))?;
        link.trackers.clone_from(&source.trackers);
        link.web_seeds.clone_from(&source.web_seeds);
        let add = Add::download(Origin::Link(link.to_magnet()));
        let torrent = client.add(add).await.map_err(|error| failed(error.to_string()))?;
        if !source.peers.is_empty() {
            client.command(Command::AddPeers { torrent, addresses: source.peers.clone() });
        }
        missing.push(torrent);
    }
    let mut first = None;
    while !missing.is_empty() {
        match next(&mut events).await? {
            Event::PieceVerified { .. } => {
                first.get_or_insert_with(Instant::now);
            }
            Event::Phase { torrent, phase: Phase::Complete | Phase::Seeding } => {
                missing.retain(|other| *other != torrent);
            }
            Event::Failed { failure, .. } => return Err(failed(format!("{failure:?}"))),
            Event::Refused { reason, .. } => return Err(failed(reason)),
            _ => {}
        }
    }
    let last = Instant::now();
    Ok(Times { first: first.unwrap_or(last), last })
}

async fn next(events: &mut Receiver<Event>) -> Result<Event, LaneError> {
    loop {
        match timeout(STALLED, events.recv()).await {
            Ok(Ok(event)) => return Ok(event),
            // Events of pieces, more than this loop could take: the last of all is not among those that are lost.
            Ok(Err(RecvError::Lagged(_))) => {}
            Ok(Err(RecvError::Closed)) => return Err(LaneError::Torrent("the client has ended".to_owned())),
            Err(_) => {
                let text = format!("nothing has happened for {} s", STALLED.as_secs());
                return Err(LaneError::Torrent(text));
            }
        }
    }
}

/// From what the client counts where it passes. Trackers and web seeds are asked in clear here.
fn layers(payload: u64, totals: &Totals) -> Layers {
    let Totals { tcp, channel, datagram, datagrams, web_seed, tracker, tcp_connections, .. } = *totals;
    let plain_sent = tcp.sent + web_seed.sent + tracker.sent;
    let plain_received = tcp.received + web_seed.received + tracker.received;
    let datagram_bytes = datagram.sent + datagram.received;
    let dtls = DTLS_OVERHEAD * (datagrams.sent + datagrams.received);
    Layers {
        payload,
        above_sent: plain_sent + channel.sent,
        above_received: plain_received + channel.received,
        below_sent: plain_sent + datagram.sent,
        below_received: plain_received + datagram.received,
        sctp: datagram_bytes.saturating_sub(channel.sent + channel.received + dtls),
        connections: tcp_connections,
        datagrams: datagrams.sent + datagrams.received,
        ..Layers::default()
    }
}

/// Shares files from one process, for as long as it lives.
pub(super) struct Seed {
    client: Client,
}

impl Seed {
    pub(super) async fn new(args: &Args) -> Result<Self, LaneError> {
        // Nothing is downloaded; the directory is not touched.
        Ok(Self { client: start(args.lane, args.listen, &std::env::temp_dir()).await? })
    }

    /// Hashes and shares one file; says by which info-hash and where it can be had.
    pub(super) async fn share(&self, share: &Share) -> Result<Shared, LaneError> {
        let failed = |error: String| LaneError::Torrent(error);
        let Share { file: path, trackers, piece_length } = share.clone();
        let choices = Choices { piece_length, ..Choices::default() };
        let created = tokio::task::spawn_blocking(move || {
            let threads = std::thread::available_parallelism().map_or(1, usize::from);
            Sources::find(&path)?.create(&choices, threads, &Progress::default())
        });
        let created = created.await.map_err(|error| failed(error.to_string()))?;
        let created = created.map_err(|error| failed(error.to_string()))?;
        let origin = Origin::Complete(Bytes::from(created.metainfo.to_torrent(&trackers)));
        let add = Add { origin, trackers, start: true, place: Place::Files(created.files) };
        let torrent: InfoHash = self.client.add(add).await.map_err(|error| failed(error.to_string()))?;
        Ok(Shared {
            error: None,
            info_hash: torrent.to_string(),
            pieces: created.metainfo.layout().pieces(),
            address: self.client.local_address(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::counters::Both;

    #[test]
    fn what_the_client_counts_is_put_into_layers() {
        let both = |sent, received| Both { sent, received };
        let totals =
            Totals { tcp: both(100, 10_200), tracker: both(50, 60), tcp_connections: 1, ..Totals::default() };
        let over_tcp = layers(10_000, &totals);
        assert_eq!((over_tcp.above_sent, over_tcp.above_received), (150, 10_260));
        assert_eq!((over_tcp.below_sent, over_tcp.below_received, over_tcp.sctp), (150, 10_260, 0));
        let totals = Totals {
            channel: both(100, 10_200),
            datagram: both(1_000, 11_500),
            datagrams: both(10, 10),
            ..Totals::default()
        };
        let over_channel = layers(10_000, &totals);
        assert_eq!(over_channel.sctp, 12_500 - 10_300 - 20 * 37);
        assert_eq!(over_channel.above_received, 10_200);
    }
}
