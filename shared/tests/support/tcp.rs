use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use shared::engine::{ClosedBy, EffectFailure, EffectResult, Input};
use shared::id::{ConnId, InfoHash};
use shared::time::Instant;
use shared::tracker::{AnnounceRequest, AnnounceResponse, Event};
use shared::wire::Handshake;

use super::World;

/// TCP between hosts, and a tracker over HTTP.
#[derive(Default)]
pub struct Tcp {
    /// Dials: when, by whom, what, to where.
    pub dials: Vec<(Instant, usize, ConnId, SocketAddr)>,
    /// What has come on connections whose host does not know the torrent yet.
    begun: BTreeMap<(usize, ConnId), (SocketAddr, Vec<u8>)>,
    incoming: u32,
    pub tracker: HttpTracker,
}

/// A tracker that answers each announce with everybody else.
#[derive(Default)]
pub struct HttpTracker {
    pub requests: Vec<(Instant, usize, String, AnnounceRequest)>,
    pub members: BTreeMap<InfoHash, BTreeMap<usize, (SocketAddr, bool)>>,
    /// In every answer besides the members.
    pub others: Vec<SocketAddr>,
    pub interval: Option<u32>,
    pub min_interval: Option<u32>,
    pub warning: Option<String>,
    pub fail: Option<EffectFailure>,
    /// Answers nothing.
    pub mute: bool,
}

/// Where a host takes connections.
pub fn address(host: usize) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::new(8, 0, 0, host as u8 + 1).into(), 6_881)
}

/// Some address of the public internet at which nobody is.
pub fn nobody(number: u32) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::from_bits(0x0900_0000 + number).into(), 6_881)
}

impl HttpTracker {
    pub fn events(&self, host: usize) -> Vec<Event> {
        self.requests
            .iter()
            .filter(|(_, of, _, _)| *of == host)
            .map(|(_, _, _, request)| request.event)
            .collect()
    }

    pub fn announce(
        &mut self,
        now: Instant,
        host: usize,
        url: String,
        request: AnnounceRequest,
    ) -> Option<EffectResult> {
        self.requests.push((now, host, url, request.clone()));
        if self.mute {
            return None;
        }
        if let Some(failure) = &self.fail {
            return Some(EffectResult::Failed(failure.clone()));
        }
        let members = self.members.entry(request.info_hash).or_default();
        members.remove(&host);
        if request.event != Event::Stopped {
            let mut at = address(host);
            at.set_port(request.port);
            members.insert(host, (at, request.left == Some(0)));
        }
        let complete = members.values().filter(|(_, complete)| *complete).count() as u32;
        let others = members.iter().filter(|(of, (at, _))| **of != host && at.port() != 0);
        let peers = others.map(|(_, (at, _))| *at).chain(self.others.iter().copied()).collect();
        Some(EffectResult::Announced(Box::new(AnnounceResponse {
            interval: self.interval.unwrap_or(1_800),
            min_interval: self.min_interval,
            complete: Some(complete),
            incomplete: Some(members.len() as u32 - complete),
            peers,
            tracker_id: None,
            external_ip: None,
            warning: self.warning.clone(),
        })))
    }
}

impl World {
    pub fn dial(&mut self, host: usize, conn: ConnId, to: SocketAddr) {
        self.tcp.dials.push((self.now, host, conn, to));
        let listening = (0..self.hosts.len()).find(|other| address(*other) == to && self.hosts[*other].alive);
        let Some(other) = listening.filter(|_| !self.unreachable) else {
            let by = ClosedBy::Unreachable;
            return self.later(host, self.net.latency, Input::ConnectionClosed { conn, by });
        };
        let remote = ConnId(ConnId::INCOMING.0 + self.tcp.incoming);
        self.tcp.incoming += 1;
        self.hosts[host].ends.insert(conn, (other, remote));
        self.hosts[other].ends.insert(remote, (host, conn));
        // From a port of its own, as a connection has.
        let mut from = address(host);
        from.set_port(40_000 + self.tcp.incoming as u16);
        self.tcp.begun.insert((other, remote), (from, Vec::new()));
        let max_message = self.net.max_message;
        self.later(host, self.net.latency, Input::ConnectionOpened { conn, max_message });
    }

    /// What a host makes of an input: of a connection that has just come in, it reads the handshake first.
    pub fn accept(&mut self, host: usize, input: Input) -> Vec<Input> {
        match &input {
            Input::ConnectionData { conn, data } => {
                let Some((from, bytes)) = self.tcp.begun.get_mut(&(host, *conn)) else { return vec![input] };
                bytes.extend_from_slice(data);
                let Some(start) = bytes.first_chunk::<{ Handshake::LENGTH }>() else { return Vec::new() };
                let info_hash = Handshake::decode(start).expect("a handshake").info_hash;
                let incoming = Input::ConnectionIncoming { conn: *conn, address: *from, info_hash };
                let data = std::mem::take(bytes).into();
                let conn = *conn;
                self.tcp.begun.remove(&(host, conn));
                vec![incoming, Input::ConnectionData { conn, data }]
            }
            Input::ConnectionClosed { conn, .. } if self.tcp.begun.remove(&(host, *conn)).is_some() => {
                Vec::new()
            }
            _ => vec![input],
        }
    }
}
