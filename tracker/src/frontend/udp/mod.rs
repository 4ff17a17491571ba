//! BitTorrent peers over UDP (BEP 15).
//!
//! Silent towards everybody who has not shown, by a connection id, that it receives at the address it sends from: garbage
//! gets no answer, ids that are old or of another address none or a shorter one (`--udp-unproven`), and the answer to a connect
//! request is as long as that request is at least. So nobody can have the tracker send to a third party more than it is sent.

mod batch;
mod connection;
pub(crate) mod socket;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use shared::tracker::compact::Family;
use shared::tracker::udp::{Packet, UdpRequest, UdpResponse};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{error, warn};

use self::batch::Batch;
use self::connection::Connections;
use crate::access::Unserved;
use crate::frontend::{Rejected, Unproven};
use crate::state::AppState;
use crate::stun::is_stun;
use crate::swarm::address::{Found, Met, Reach};

/// Longest reply: fits into one packet on every path (IPv6 promises 1 280 bytes, 48 of them headers).
const REPLY_MAX: usize = 1_232;

/// Bytes of an announce's reply before the peers.
const ANNOUNCE_HEAD: usize = 20;

/// What who shows no connection id is told, if it is told something. With the eight bytes before it no longer than the shortest
/// such request, which has 36.
const UNPROVEN: &str = "connect again: id expired";

/// After the system refused to receive, wait before asking again.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// Answers until the shutdown, on all sockets at once. A reply that the system refuses is lost, as any datagram may be.
pub(crate) async fn serve(sockets: Vec<UdpSocket>, state: Arc<AppState>) {
    let connections = Connections::default();
    let mut tasks = JoinSet::new();
    for socket in sockets {
        tasks.spawn(serve_socket(socket, connections.clone(), state.clone()));
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            error!(%error, sockets = tasks.len(), "announces over UDP are answered by one socket fewer");
        }
    }
}

async fn serve_socket(socket: UdpSocket, connections: Connections, state: Arc<AppState>) {
    let mut server = Server { connections, state: &state, found: Found::default() };
    let mut batch = Batch::default();
    loop {
        let readable = tokio::select! {
            () = state.drain.ended().cancelled() => return,
            readable = socket.readable() => readable,
        };
        let answer = |datagram: &[u8], remote, reply: &mut Vec<u8>| server.answer(datagram, remote, reply);
        match readable.and_then(|()| batch.answer(&socket, answer)) {
            Ok(passed) => state.observe.egress.datagrams(passed.received, passed.replied),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => {
                warn!(%error, "cannot receive datagrams");
                sleep(ERROR_PAUSE).await;
                continue;
            }
        }
        state.traffic.udp_lost.add_many(batch.finish(&socket).await);
        tokio::task::yield_now().await;
    }
}

struct Server<'a> {
    connections: Connections,
    state: &'a AppState,
    found: Found,
}

impl Server<'_> {
    /// Appends the reply, if there is one.
    fn answer(&mut self, datagram: &[u8], remote: SocketAddr, reply: &mut Vec<u8>) {
        let (state, traffic) = (self.state, &self.state.traffic);
        let ip = remote.ip().to_canonical();
        let now = state.clock.now();
        if is_stun(datagram) {
            return state.stun.answer(now, datagram, remote, reply);
        }
        let Ok(Packet { transaction, request }) = Packet::parse(datagram) else {
            return traffic.udp_garbage.add();
        };
        let connection = match &request {
            UdpRequest::Connect => None,
            UdpRequest::Announce { connection, .. } | UdpRequest::Scrape { connection, .. } => {
                Some(*connection)
            }
        };
        if let Some(connection) = connection {
            if !self.connections.holds(now, ip, connection) {
                if state.config.strictness.udp_unproven == Unproven::Error {
                    UdpResponse::Error(UNPROVEN.to_owned()).encode(transaction, Family::of(ip), reply);
                }
                return traffic.udp_unproven.add();
            }
            if !state.gate.admit(now, ip) {
                return traffic.rejections.add(Rejected::RequestsOfAddress);
            }
        }
        if let Err(denied) = may(state, ip, &request) {
            traffic.rejections.add(denied);
            return UdpResponse::Error(denied.to_string()).encode(transaction, Family::of(ip), reply);
        }
        let family = Family::of(ip);
        if let Err(denied) = state.accounts.admit_udp(&request) {
            traffic.rejections.add(Rejected::Account);
            return UdpResponse::Error(denied.to_string()).encode(transaction, family, reply);
        }
        let response = match request {
            UdpRequest::Connect => {
                traffic.udp_connects.add();
                UdpResponse::Connect { connection: self.connections.issue(now, ip) }
            }
            UdpRequest::Announce { request, .. } => {
                traffic.udp_announces.add();
                let most = (REPLY_MAX - ANNOUNCE_HEAD) / family.length();
                self.found.clear(false);
                let met = state.announced(now, ip, &request, (Reach::OwnFamily, most), &mut self.found);
                match met {
                    Ok(Met { counts, interval }) => {
                        let run = if family == Family::V4 { &self.found.v4 } else { &self.found.v6 };
                        let numbers = [interval, counts.incomplete, counts.complete];
                        return UdpResponse::write_announce(transaction, numbers, run, reply);
                    }
                    Err(refusal) => UdpResponse::Error(refusal.to_string()),
                }
            }
            UdpRequest::Scrape { hashes, .. } => {
                traffic.udp_scrapes.add();
                let files = state.swarms.scraped(&hashes);
                let shown = |(hash, counts)| {
                    state.access.torrent(&hash).map_or_else(|_| Default::default(), |()| counts)
                };
                UdpResponse::Scrape(files.into_iter().map(shown).collect())
            }
        };
        response.encode(transaction, family, reply);
    }
}

/// Whether this may be asked. Whoever asks for a connection has not shown yet that it is at this address: it hears the
/// reason when it has.
fn may(state: &AppState, ip: IpAddr, request: &UdpRequest) -> Result<(), Unserved> {
    match request {
        UdpRequest::Connect => Ok(()),
        UdpRequest::Announce { request, .. } => state.access.announce(ip, &request.info_hash),
        UdpRequest::Scrape { hashes, .. } => state.access.scrape(ip, hashes),
    }
}
