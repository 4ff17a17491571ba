//! TCP between native hosts, and a tracker that they ask over HTTP.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use core::time::Duration;

use bytes::Bytes;
use shared::engine::{ClosedBy, EffectFailure, EffectResult, Input};
use shared::id::{ConnId, EffectId};
use shared::limits;
use shared::tracker::{AnnounceRequest, AnnounceResponse, Event};
use shared::wire::Handshake;

use crate::net::LinkId;
use crate::world::{Happening, World};

/// The announce URL of the simulated tracker over HTTP.
pub const HTTP_URL: &str = "http://tracker.sim/announce";

/// The port on which every native host listens.
pub const PORT: u16 = 6_881;

/// Where a host listens.
pub fn address(host: usize) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::new(8, 0, (host >> 8) as u8, host as u8).into(), PORT)
}

/// Which host listens at an address, if it is that of a host.
fn host_at(address: &SocketAddr) -> Option<usize> {
    let SocketAddr::V4(address) = address else { return None };
    let [8, 0, high, low] = address.ip().octets() else { return None };
    (address.port() == PORT).then(|| usize::from(high) << 8 | usize::from(low))
}

/// Whoever announced over HTTP and did not say that it stops: the killed stay, as they would for an hour or so.
#[derive(Debug, Default)]
pub struct HttpTracker {
    members: BTreeMap<usize, bool>,
}

impl HttpTracker {
    /// Its process ended: it knows nobody any more.
    pub fn forget(&mut self) {
        self.members.clear();
    }

    fn announce(&mut self, host: usize, request: &AnnounceRequest) -> AnnounceResponse {
        let peers =
            self.members.keys().filter(|other| **other != host).map(|other| address(*other)).collect();
        match request.event {
            Event::Stopped => self.members.remove(&host),
            _ => self.members.insert(host, request.left == Some(0)),
        };
        let complete = self.members.values().filter(|complete| **complete).count() as u32;
        let incomplete = Some(self.members.len() as u32 - complete);
        AnnounceResponse {
            interval: 60,
            complete: Some(complete),
            incomplete,
            peers,
            ..AnnounceResponse::default()
        }
    }
}

impl World {
    pub(crate) fn announce(&mut self, host: usize, life: u32, id: EffectId, request: &AnnounceRequest) {
        let result = if self.tracker.is_up() && !self.hosts[host].isolated {
            EffectResult::Announced(Box::new(self.http.announce(host, request)))
        } else {
            EffectResult::Failed(EffectFailure::Failed("connection refused".to_owned()))
        };
        self.at(self.now + Duration::from_millis(20), Happening::Done(host, life, id, result));
    }

    pub(crate) fn dial(&mut self, host: usize, conn: ConnId, to: &SocketAddr) {
        let life = self.hosts[host].life;
        let listening = host_at(to).filter(|other| {
            let there = self.hosts.get(*other).filter(|there| !there.isolated && there.running.is_some());
            there.is_some_and(|there| there.plan.config.dials)
        });
        let link = listening.filter(|_| !self.hosts[host].isolated).and_then(|other| {
            let there = &mut self.hosts[other];
            let running = there.running.as_mut()?;
            let remote = ConnId(ConnId::INCOMING.0 + running.incoming);
            running.incoming += 1;
            self.net.link((host, life, conn), (other, there.life, remote))
        });
        match link {
            Some(link) => {
                let when = self.now + self.net.get(link).latency * 2;
                self.at(when, Happening::TcpOpens(link));
            }
            None => self.at(self.now + Duration::from_secs(3), unreachable(host, life, conn)),
        }
    }

    /// The dialling side may send; the other learns of it by what comes.
    pub(crate) fn tcp_opens(&mut self, link: LinkId) {
        let ends = self.net.get(link).ends.clone();
        let alive = ends.iter().all(|end| {
            let host = &self.hosts[end.host];
            host.life == end.life && host.running.is_some() && !host.isolated
        });
        let [dialling, listening] = ends;
        if !alive || self.net.get(link).lost {
            self.at(self.now, unreachable(dialling.host, dialling.life, dialling.conn));
            return;
        }
        self.net.get(link).ends.iter_mut().for_each(|end| end.open = true);
        let max_message = self.net.max_message();
        if let Some(running) = &mut self.hosts[listening.host].running {
            running.begun.insert(listening.conn, Vec::new());
        }
        if let Some(running) = &mut self.hosts[dialling.host].running {
            running.open.insert(dialling.conn, max_message);
        }
        self.input(dialling.host, Input::ConnectionOpened { conn: dialling.conn, max_message });
    }

    /// Bytes of a connection that has come in: the host reads the handshake before it tells the engine. Answers what the
    /// engine is to be told now.
    pub(crate) fn read_handshake(
        &mut self,
        host: usize,
        from: usize,
        conn: ConnId,
        data: Bytes,
    ) -> Option<Bytes> {
        let running = self.hosts[host].running.as_mut()?;
        let Some(begun) = running.begun.get_mut(&conn) else { return Some(data) };
        begun.extend_from_slice(&data);
        let info_hash = Handshake::decode(begun.first_chunk::<{ Handshake::LENGTH }>()?).ok()?.info_hash;
        let data = running.begun.remove(&conn)?;
        running.open.insert(conn, limits::SEND_MESSAGE_MAX);
        let mut address = address(from);
        address.set_port(50_000);
        self.input(host, Input::ConnectionIncoming { conn, address, info_hash });
        Some(data.into())
    }
}

fn unreachable(host: usize, life: u32, conn: ConnId) -> Happening {
    Happening::Input(host, life, Input::ConnectionClosed { conn, by: ClosedBy::Unreachable })
}
