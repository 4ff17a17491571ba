//! Announces over UDP (BEP 15).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use shared::engine::{EffectFailure, EffectResult};
use shared::rng::Rng;
use shared::tracker::AnnounceRequest;
use shared::tracker::compact::Family;
use shared::tracker::udp::client::{Ask, Reply, UdpClient, UdpClientError, UdpOutput};
use tokio::net::UdpSocket;
use tokio::time::timeout_at;

use super::counters::Counters;
use super::guard::Guard;
use crate::clock::Clock;

/// Longest datagram of a tracker that is read: more peers than anybody wants.
const DATAGRAM_MAX: usize = 8 * 1024;

/// Repetitions of a packet: 15 s, then 30 s; who has not answered by then is asked again at the next announce.
const REPETITIONS: u32 = 1;

/// Announces; what came of it is the effect's result.
pub(crate) async fn announce(
    guard: Guard,
    clock: Clock,
    url: &str,
    request: Box<AnnounceRequest>,
    rng: Rng,
    counters: &Counters,
) -> EffectResult {
    match ask(guard, clock, url, request, rng, counters).await {
        Ok(Ok(Reply::Announce(response))) => EffectResult::Announced(response),
        Ok(Ok(Reply::Scrape(_))) => {
            EffectResult::Failed(EffectFailure::Failed("expected peers, got a scrape".to_owned()))
        }
        Ok(Err(UdpClientError::Refused(reason))) => EffectResult::Failed(EffectFailure::Refused(reason)),
        Ok(Err(error)) => EffectResult::Failed(EffectFailure::Failed(error.to_string())),
        Err(reason) => EffectResult::Failed(EffectFailure::Failed(reason)),
    }
}

async fn ask(
    guard: Guard,
    clock: Clock,
    url: &str,
    request: Box<AnnounceRequest>,
    rng: Rng,
    counters: &Counters,
) -> Result<Result<Reply, UdpClientError>, String> {
    let uri: http::Uri = url.parse().map_err(|_| format!("expected a URL, got {url:?}"))?;
    let (Some(host), Some(port)) = (uri.host(), uri.port_u16()) else {
        return Err(format!("expected a host and a port in {url:?}"));
    };
    let addresses = guard.resolve(host, port).await.map_err(|error| error.to_string())?;
    // IPv4 first: of a tracker that has both, that is where most peers are.
    let address = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    let address = *address.ok_or_else(|| format!("{host} has no address"))?;
    let socket = open(guard.from, address).await.map_err(|error| format!("{address}: {error}"))?;
    let family = Family::of(address.ip());
    let mut client = UdpClient::new(clock.now(), Ask::Announce(request), url, family, None, REPETITIONS, rng);
    let mut datagram = vec![0; DATAGRAM_MAX];
    loop {
        match client.poll_output() {
            UdpOutput::Send(packet) => {
                counters.tracker.add_sent(packet.len());
                // One that is lost is repeated; one that cannot be sent says so at the next read.
                let _ = socket.send(&packet).await;
            }
            UdpOutput::Timeout(deadline) => {
                match timeout_at(clock.at(deadline), socket.recv(&mut datagram)).await {
                    Ok(Ok(length)) => {
                        counters.tracker.add_received(length);
                        client.handle_datagram(clock.now(), &datagram[..length]);
                    }
                    Ok(Err(error)) => return Err(format!("{address}: {error}")),
                    Err(_) => client.handle_timeout(clock.now()),
                }
            }
            UdpOutput::Done(result) => return Ok(result),
        }
    }
}

/// A socket that hears nobody but this address, and sends from the one that takes connections.
async fn open(from: Option<IpAddr>, address: SocketAddr) -> io::Result<UdpSocket> {
    let any = match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let from = from.filter(|from| from.is_ipv4() == address.is_ipv4()).unwrap_or(any);
    let socket = UdpSocket::bind((from, 0)).await?;
    socket.connect(address).await?;
    Ok(socket)
}
