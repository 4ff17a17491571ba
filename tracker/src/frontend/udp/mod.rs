//! BitTorrent peers over UDP (BEP 15).
//!
//! Silent towards everybody who has not shown, by a connection id, that it receives at the address it sends from: garbage
//! gets no answer, ids that are old or of another address none or a shorter one (`--udp-unproven`), and the answer to a connect
//! request is as long as that request is at least. So nobody can have the tracker send to a third party more than it is sent.

mod connection;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use shared::tracker::compact::Family;
use shared::tracker::udp::{DATAGRAM_MAX, Packet, UdpRequest, UdpResponse};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::sleep;
use tracing::{debug, warn};

use self::connection::Connections;
use crate::access::Unserved;
use crate::error::StartError;
use crate::frontend::{Rejected, Unproven};
use crate::observe::counts::Loss;
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

/// Datagrams that the system may hold until they are read: a burst of some ten thousand.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// Datagrams that are answered before others have their turn.
const BATCH: usize = 64;

/// After the system refused to receive, wait before asking again.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// Opens a socket. An unspecified IPv6 address takes IPv4 too.
pub(crate) fn bind(address: SocketAddr, option: &'static str) -> Result<UdpSocket, StartError> {
    let open = || -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER) {
            debug!(%error, "the receive buffer keeps its size");
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        UdpSocket::from_std(socket.into())
    };
    open().map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => StartError::InUse { address, option },
        io::ErrorKind::PermissionDenied => StartError::Privileged { address, option },
        _ => StartError::Listen { address, option, error },
    })
}

/// [`bind`] on all addresses of both families, or of IPv4 where the system has no IPv6.
pub(crate) fn bind_all(port: u16, option: &'static str) -> Result<UdpSocket, StartError> {
    match bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), option) {
        Err(StartError::Listen { .. }) => bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), option),
        bound => bound,
    }
}

/// Answers until the shutdown. A reply for which the system has no room is lost, as any datagram may be.
pub(crate) async fn serve(socket: UdpSocket, state: Arc<AppState>) {
    let mut server = Server {
        connections: Connections::default(),
        state: &state,
        reply: Vec::new(),
        found: Found::default(),
    };
    let mut datagram = vec![0; DATAGRAM_MAX];
    loop {
        let readable = tokio::select! {
            () = state.drain.ended().cancelled() => return,
            readable = socket.readable() => readable,
        };
        if let Err(error) = readable.and_then(|()| server.answer_batch(&socket, &mut datagram)) {
            warn!(%error, "cannot receive datagrams");
            sleep(ERROR_PAUSE).await;
        }
        tokio::task::yield_now().await;
    }
}

struct Server<'a> {
    connections: Connections,
    state: &'a AppState,
    /// The datagram to be sent; empty for none.
    reply: Vec<u8>,
    found: Found,
}

impl Server<'_> {
    fn answer_batch(&mut self, socket: &UdpSocket, datagram: &mut [u8]) -> io::Result<()> {
        for _ in 0..BATCH {
            let (length, remote) = match socket.try_recv_from(datagram) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.reply.clear();
            self.answer(&datagram[..length], remote);
            self.state.observe.egress.datagram(length, self.reply.len());
            if !self.reply.is_empty()
                && let Err(error) = socket.try_send_to(&self.reply, remote)
            {
                debug!(%remote, %error, "a reply was lost");
            }
        }
        Ok(())
    }

    /// Writes the reply, if there is one.
    fn answer(&mut self, datagram: &[u8], remote: SocketAddr) {
        let (state, traffic) = (self.state, &self.state.traffic);
        let ip = remote.ip().to_canonical();
        let now = state.clock.now();
        if is_stun(datagram) {
            return state.stun.answer(now, datagram, remote, &mut self.reply);
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
                    UdpResponse::Error(UNPROVEN.to_owned()).encode(
                        transaction,
                        Family::of(ip),
                        &mut self.reply,
                    );
                }
                return traffic.udp_unproven.add();
            }
            if !state.gate.admit(now, ip) {
                traffic.rejections.add(Rejected::RequestsOfAddress);
                return traffic.paced.add();
            }
        }
        if let Err(denied) = may(state, ip, &request) {
            traffic.rejections.add(denied);
            return UdpResponse::Error(denied.to_string()).encode(
                transaction,
                Family::of(ip),
                &mut self.reply,
            );
        }
        let family = Family::of(ip);
        if let Err(denied) = state.accounts.admit_udp(&request) {
            state.observe.lost(Loss::Denied);
            return UdpResponse::Error(denied.to_string()).encode(transaction, family, &mut self.reply);
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
                        return UdpResponse::write_announce(transaction, numbers, run, &mut self.reply);
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
        response.encode(transaction, family, &mut self.reply);
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
