//! The relay's sockets: the port that clients talk to, and one for each that is relayed from.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use shared::stun::{HEADER, is_stun};
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;
use tokio::time::{interval, sleep};
use tracing::{debug, warn};

use super::{TurnConfig, unix_seconds};
use crate::config::Config;
use crate::error::StartError;
use crate::frontend::udp::socket;
use crate::state::AppState;

/// Longest datagram that is relayed: more than any path carries whole, and DTLS sends less than a path carries.
const DATAGRAM_MAX: usize = 4_096;

/// After the system refused to receive, wait before asking again.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// How often what is over is looked for.
const EXPIRY: Duration = Duration::from_secs(5);

/// Ports of a range that are tried for one allocation.
const TRIES: u16 = 64;

/// One that is relayed from. Its task ends with it.
#[derive(Debug)]
pub(crate) struct Socket {
    socket: Arc<UdpSocket>,
    task: AbortHandle,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Opens the port, if one is asked for.
pub(crate) fn open(config: &Config) -> Result<Option<UdpSocket>, StartError> {
    config.turn.as_ref().map(|turn| socket::bind(turn.listen, "--turn")).transpose()
}

/// Relays until the end.
pub(crate) async fn serve(socket: UdpSocket, state: Arc<AppState>) {
    let Some(turn) = &state.turn else { return };
    let socket = Arc::new(socket);
    let (mut datagram, mut reply) = (vec![0; DATAGRAM_MAX], Vec::new());
    let mut expiry = interval(EXPIRY);
    loop {
        let received = tokio::select! {
            () = state.drain.ended().cancelled() => return,
            _ = expiry.tick() => {
                turn.table.lock().expire(state.clock.now());
                continue;
            }
            received = socket.recv_from(&mut datagram) => received,
        };
        match received {
            Ok((length, client)) => {
                let client = SocketAddr::new(client.ip().to_canonical(), client.port());
                answer(&state, &socket, &datagram[..length], client, &mut reply);
            }
            Err(error) => {
                warn!(%error, "cannot receive of those who are relayed");
                sleep(ERROR_PAUSE).await;
            }
        }
    }
}

fn answer(
    state: &Arc<AppState>,
    socket: &Arc<UdpSocket>,
    datagram: &[u8],
    client: SocketAddr,
    reply: &mut Vec<u8>,
) {
    let Some(turn) = &state.turn else { return };
    reply.clear();
    let now = state.clock.now();
    if is_stun(datagram) {
        // A request, but for the bytes to a peer: the class is in two bits.
        let request = datagram.len() >= HEADER && datagram[0] & 1 == 0 && datagram[1] & 0x10 == 0;
        if request && datagram[..2] == [0, 1] {
            state.stun.answer(now, datagram, client, reply);
            return send(socket, reply, client);
        }
        if request && !turn.gate.admit(now, client.ip()) {
            turn.paced.fetch_add(1, Ordering::Relaxed);
            return;
        }
    }
    let relay = {
        let mut table = turn.table.lock();
        let open = || relay_socket(state, socket, &turn.config);
        table.client_sent((now, unix_seconds()), client, datagram, open, reply)
    };
    if let Some(relay) = relay {
        send(&relay.by.socket, relay.bytes, relay.to);
    }
    send(socket, reply, client);
}

/// Sends, or loses it as any line may.
fn send(socket: &UdpSocket, bytes: &[u8], to: SocketAddr) {
    if !bytes.is_empty()
        && let Err(error) = socket.try_send_to(bytes, to)
    {
        debug!(%to, %error, "a datagram was lost");
    }
}

/// A socket to be relayed from, and its address as peers are told it.
fn relay_socket(
    state: &Arc<AppState>,
    listener: &Arc<UdpSocket>,
    config: &TurnConfig,
) -> Option<(Arc<Socket>, SocketAddr)> {
    let bound = match bind(config) {
        Ok(bound) => bound,
        Err(error) => {
            warn!(%error, "no port to relay from");
            return None;
        }
    };
    let at = SocketAddr::new(config.address, bound.local_addr().ok()?.port());
    let socket = Arc::new(bound);
    let task = tokio::spawn(receive(state.clone(), listener.clone(), socket.clone(), at)).abort_handle();
    Some((Arc::new(Socket { socket, task }), at))
}

fn bind(config: &TurnConfig) -> io::Result<UdpSocket> {
    // Where this host has the address itself, no other of its addresses is relayed from.
    let ips = [config.address, IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
    let Some(ports) = &config.ports else { return first(ips.map(|ip| (ip, 0)).into_iter()) };
    let span = u32::from(ports.end() - ports.start()) + 1;
    let begin = rand_port(span);
    let tried = (0..u32::from(TRIES).min(span)).map(|step| (begin + step) % span);
    let places = tried.flat_map(|offset| ips.map(|ip| (ip, ports.start() + offset as u16)));
    first(places)
}

fn first(places: impl Iterator<Item = (IpAddr, u16)>) -> io::Result<UdpSocket> {
    let mut refused = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for place in places {
        let bound = std::net::UdpSocket::bind(place).and_then(|socket| {
            socket.set_nonblocking(true)?;
            UdpSocket::from_std(socket)
        });
        match bound {
            Ok(socket) => return Ok(socket),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// Where in a range the search for a port begins.
fn rand_port(span: u32) -> u32 {
    use std::hash::{BuildHasher as _, RandomState};
    (RandomState::new().hash_one(span) % u64::from(span)) as u32
}

/// Takes what peers send to one socket, until that is given back.
async fn receive(state: Arc<AppState>, listener: Arc<UdpSocket>, socket: Arc<UdpSocket>, at: SocketAddr) {
    let Some(turn) = &state.turn else { return };
    let (mut datagram, mut out) = (vec![0; DATAGRAM_MAX], Vec::new());
    loop {
        match socket.recv_from(&mut datagram).await {
            Ok((length, peer)) => {
                let now = state.clock.now();
                let client = turn.table.lock().peer_sent(now, at, peer, &datagram[..length], &mut out);
                if let Some(client) = client {
                    send(&listener, &out, client);
                }
            }
            // An earlier datagram found nobody: the next may find somebody.
            Err(error) => {
                debug!(%error, "cannot receive of a peer");
                sleep(ERROR_PAUSE).await;
            }
        }
    }
}
