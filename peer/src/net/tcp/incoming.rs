//! Connections that come in: nobody is let in before the first bytes say which torrent they are about.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use shared::address::{canonical, network};
use shared::engine::Input;
use shared::id::{ConnId, InfoHash};
use shared::wire::Handshake;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::Link;
use crate::net::transport::Reports;

/// Connections that have not said yet what they want.
const STRANGERS_MAX: usize = 128;

/// Of them, from one network: see [`network`].
const STRANGERS_PER_NETWORK: usize = 16;

/// How long a stranger may take to say what it wants.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// As much of a handshake as names the torrent. Some wait with the rest, their peer id, until they know ours.
const NAMED: usize = 48;

/// Pause after the system could not give a connection (too many open files), which it would go on to refuse at once.
const PAUSE: Duration = Duration::from_millis(200);

/// Takes connections until the client has ended.
pub(crate) async fn accept(listener: TcpListener, links: Links, reports: Reports) {
    let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
    let addresses = Addresses::default();
    let next = Arc::new(AtomicU32::new(ConnId::INCOMING.0));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = reports.ended() => return,
        };
        let (stream, address) = match accepted {
            Ok((stream, address)) => (stream, canonical(address)),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                sleep(PAUSE).await;
                continue;
            }
        };
        // Beyond the bound they are closed at once.
        let Ok(permit) = Arc::clone(&strangers).try_acquire_owned() else { continue };
        let Some(place) = addresses.enter(address.ip()) else { continue };
        let (next, links, reports) = (Arc::clone(&next), links.clone(), reports.clone());
        tokio::spawn(async move {
            let named = timeout(HANDSHAKE_WITHIN, named(stream)).await;
            drop((permit, place));
            if let Ok(Some((stream, info_hash, first))) = named {
                let number = next.fetch_add(1, Ordering::Relaxed);
                // After two thousand million of them the numbers are used up.
                if number >= ConnId::INCOMING.0 {
                    let conn = ConnId(number);
                    let link = links.add(conn);
                    let told = Input::ConnectionIncoming { conn, address, info_hash };
                    reports.counters().tcp.add_received(first.len());
                    if reports.tell(told).await.is_ok() && reports.data(conn, first).await.is_ok() {
                        link.carry(conn, stream, reports).await;
                    }
                }
            }
        });
    }
}

/// Reads until the torrent is named; `None` for what is no peer, or one that wants an encrypted stream (MSE).
async fn named(mut stream: TcpStream) -> Option<(TcpStream, InfoHash, Bytes)> {
    let mut first = [0; Handshake::LENGTH];
    let mut got = 0;
    while got < NAMED {
        let read = stream.read(&mut first[got..]).await.ok()?;
        got += read;
        if read == 0 || first[0] != 19 {
            return None;
        }
    }
    let handshake = Handshake::decode(&first).ok()?;
    Some((stream, handshake.info_hash, Bytes::copy_from_slice(&first[..got])))
}

/// Connections that came in and were not yet taken over by the pump, which learns of them by
/// [`Input::ConnectionIncoming`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Links(Arc<Mutex<HashMap<ConnId, Link>>>);

impl Links {
    fn add(&self, conn: ConnId) -> Link {
        let link = Link::new();
        self.0.lock().insert(conn, link.clone());
        link
    }

    /// The link of a connection that just came in.
    pub(crate) fn take(&self, conn: ConnId) -> Option<Link> {
        self.0.lock().remove(&conn)
    }
}

/// How many strangers there are from each network.
#[derive(Clone, Default)]
struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Addresses {
    /// Counts one more, until the answer is dropped; `None` if there are too many.
    fn enter(&self, address: IpAddr) -> Option<Inside> {
        let address = network(address);
        let mut counts = self.0.lock();
        let count = counts.entry(address).or_default();
        if *count == STRANGERS_PER_NETWORK {
            return None;
        }
        *count += 1;
        Some(Inside { addresses: self.clone(), address })
    }
}

struct Inside {
    addresses: Addresses,
    address: IpAddr,
}

impl Drop for Inside {
    fn drop(&mut self) {
        let mut counts = self.addresses.0.lock();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_ipv6_are_counted_as_one() {
        let addresses = Addresses::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let inside: Vec<_> = (0..STRANGERS_PER_NETWORK)
            .map(|number| addresses.enter(address(&format!("2606:1:2:3::{number:x}"))).unwrap())
            .collect();
        assert!(addresses.enter(address("2606:1:2:3:4::")).is_none());
        assert!(addresses.enter(address("2606:1:2:4::")).is_some());
        drop(inside);
        assert!(addresses.0.lock().is_empty());
    }
}
