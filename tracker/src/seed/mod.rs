//! `--seed`: a peer of this tracker's own that shares the published files where they lie, over WebRTC and TCP.
//!
//! A file is seeded as soon as it is hashed. With more files than a client takes, those are that were asked for last, then
//! the newest: an announce for one that is not makes it one that is. The peer is a member of its swarms over WebSocket as
//! any other; to those who announce over HTTP and UDP it is named by the address that leads them here.

mod keeper;
mod reach;
mod stock;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use parking_lot::Mutex;
use peer::client::{Client, Options};
use peer::net::rtc::{self, Rtc};
use shared::id::{InfoHash, PeerId};
use shared::limits;
use shared::tracker::announce::{AnnounceRequest, Event};
use tokio::sync::Notify;
use tracing::info;

pub(crate) use self::keeper::keep;
pub(crate) use self::stock::Item;
use self::stock::Stock;
use crate::config::{Config, SeedConfig};
use crate::error::StartError;
use crate::swarm::address::Found;

/// The tracker's own peer, and what it shares.
#[derive(Debug)]
pub(crate) struct Seeder {
    client: Client,
    /// Where it takes TCP connections.
    listen: SocketAddr,
    /// What peers beyond this host are told.
    outside: Option<IpAddr>,
    /// This tracker, as the peer reaches it.
    announce: String,
    look_interval: Duration,
    stock: Mutex<Stock>,
    /// The stock wants something done.
    changed: Notify,
}

impl Seeder {
    /// Starts the peer. `clear` is where the tracker's clear port listens, `path` where this peer announces there.
    ///
    /// # Errors
    ///
    /// [`StartError::Seed`].
    pub(crate) async fn start(
        config: &Config,
        seed: &SeedConfig,
        clear: SocketAddr,
        path: &str,
    ) -> Result<Self, StartError> {
        let listen = seed.listen.unwrap_or_else(|| match config.lan {
            true => SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0),
            false => SocketAddr::new(clear.ip(), 0),
        });
        // Nothing is downloaded; the directory is not touched.
        let mut options = Options::new(std::env::temp_dir());
        options.listen = Some(listen);
        options.engine.upload_limit = seed.upload_limit;
        // It waits to be asked, and contacts nobody but this tracker, which may listen on loopback.
        (options.engine.dials, options.engine.web_seeds) = (false, false);
        options.engine.private_addresses = true;
        let announce = format!("ws://{}{path}", here(clear));
        options.engine.report_to = vec![announce.clone()];
        let loopback = !config.lan && clear.ip().is_loopback() && listen.ip().is_loopback();
        options.webrtc = Some(Rtc::start(rtc::Options { loopback, ..rtc::Options::default() }));
        let client = Client::start(options).await?;
        let listen = client.local_address().unwrap_or(listen);
        info!(peers = %listen, "seeding the published files");
        Ok(Self {
            client,
            listen,
            outside: seed.address,
            announce,
            look_interval: seed.look_interval,
            stock: Mutex::new(Stock::new(limits::TORRENTS_MAX)),
            changed: Notify::new(),
        })
    }

    /// Where it takes TCP connections.
    pub(crate) const fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Shares a file that was hashed.
    pub(crate) fn publish(&self, item: Item) {
        self.stock.lock().publish(item);
        self.changed.notify_one();
    }

    pub(crate) fn is_seeded(&self, info_hash: &InfoHash) -> bool {
        self.stock.lock().is_seeded(info_hash)
    }

    /// Files that are shared now.
    pub(crate) fn seeded(&self) -> usize {
        self.stock.lock().seeded()
    }

    /// Somebody announces itself for this torrent, with so many bytes left. Whether it can be had here.
    pub(crate) fn ask(&self, info_hash: &InfoHash, peer: PeerId, left: Option<u64>, event: Event) -> bool {
        let wants = event != Event::Stopped && left != Some(0) && peer != self.client.peer_id();
        let Some(to_do) = wants.then(|| self.stock.lock().ask(info_hash)).flatten() else { return false };
        if to_do {
            self.changed.notify_one();
        }
        true
    }

    /// Puts this peer before the others whom the asker at `ip` is told, of whom there may be `most`.
    pub(crate) fn introduce(&self, ip: IpAddr, request: &AnnounceRequest, most: usize, found: &mut Found) {
        let most = most.min(request.wanted.map_or(most, |wanted| wanted as usize));
        if !self.ask(&request.info_hash, request.peer_id, request.left, request.event) || most == 0 {
            return;
        }
        if let Some(address) = reach::address_for(ip, self.listen, self.outside) {
            found.put_first(address, self.client.peer_id(), most);
        }
    }

    /// What it calls itself.
    pub(crate) const fn peer_id(&self) -> PeerId {
        self.client.peer_id()
    }

    /// Says goodbye to the swarms.
    pub(crate) async fn shutdown(&self) {
        self.client.shutdown().await;
    }
}

/// An address of this host at which a port that listens there is reached.
fn here(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}
