//! Bodies of the fuzz targets that need a tracker, as `shared::fuzz` has those of the formats: from bytes as they come off a socket
//! to the replies as they are sent, over all swarms.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use shared::rng::Rng;
use shared::time::Instant;
use shared::tracker::http;
use shared::tracker::udp::{Packet, UdpRequest};
use shared::tracker::ws::{Request, Response};

use crate::cluster::codec;
use crate::swarm::address::{Found, Reach};
use crate::swarm::{Limits, Reply, SocketId, SocketTally, Swarms};

/// The body of one target.
pub type Body = fn(&[u8]);

/// All targets by name.
pub const TARGETS: &[(&str, Body)] = &[("tracker_frontends", tracker_frontends), ("cluster", cluster)];

/// What nodes of a cluster say to each other: it is refused, or has one form and stays within its bound.
pub fn cluster(data: &[u8]) {
    if let Ok((node, message)) = codec::decode(data) {
        assert_eq!(codec::encode(node, &message), data);
        assert!(data.len() <= codec::MESSAGE_MAX);
    }
}

/// Small, so that a short input comes to each.
fn limits() -> Limits {
    Limits {
        members_per_socket: 4,
        peer_ids_per_swarm: 2,
        members_per_address: 5,
        peers_per_swarm: 3,
        members_per_torrent: 6,
        members: 12,
        pending_per_socket: 3,
        pending: 6,
        offers_per_announce: 3,
        scrape: 3,
        ..Limits::default()
    }
}

const SOCKETS: u64 = 4;

/// Peers in one reply.
const MOST: usize = 4;

/// The bytes are steps: what, by whom, how long, and the message. Whatever it is, replies go to open sockets only and are JSON, an
/// offer reaches somebody else, nobody is told of oneself, no bound is passed, and nothing is left when all are gone.
pub fn tracker_frontends(data: &[u8]) {
    let mut world = World {
        swarms: Swarms::new(limits(), Rng::from_seed([1; 32])),
        open: BTreeSet::new(),
        now: Instant::ORIGIN,
        found: Found::default(),
    };
    let mut rest = data;
    while let Some((&[what, who, low, high], after)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_le_bytes([low, high])).min(after.len());
        let (message, next) = after.split_at(length);
        rest = next;
        world.step(what, who, message);
        world.check();
    }
    world.end();
}

struct World {
    swarms: Swarms,
    open: BTreeSet<SocketId>,
    now: Instant,
    found: Found,
}

impl World {
    fn step(&mut self, what: u8, who: u8, message: &[u8]) {
        let socket = SocketId(u64::from(who) % SOCKETS);
        match what % 6 {
            0 => {
                self.open.insert(socket);
                self.swarms.open(socket, address(who), &SocketTally::default());
            }
            1 => {
                self.open.remove(&socket);
                self.swarms.close(socket);
            }
            2 => self.now = self.now + Duration::from_secs(u64::from(who)),
            3 => self.text(socket, message),
            4 => self.query(who, message),
            _ => self.datagram(who, message),
        }
    }

    fn text(&mut self, socket: SocketId, message: &[u8]) {
        let Ok(text) = core::str::from_utf8(message) else { return };
        let mut replies = Vec::new();
        match Request::parse(text) {
            Ok(request) => self.swarms.handle(self.now, socket, request, &mut replies),
            Err(failure) => replies.push(Reply { to: socket, response: Response::Failure(failure) }),
        }
        let asked = self.open.contains(&socket);
        let failed = matches!(replies.first(), Some(Reply { response: Response::Failure(_), .. }));
        assert!(asked || failed || replies.is_empty(), "who is not there gets nothing done");
        assert!(replies.len() <= 1 + limits().offers_per_announce, "{}", replies.len());
        for (number, Reply { to, response }) in replies.into_iter().enumerate() {
            assert!(failed || self.open.contains(&to), "to nobody");
            if matches!(response, Response::Offer { .. }) {
                assert!(number > 0, "the announcer is answered first");
            }
            let json = response.to_json();
            let read: Result<serde::de::IgnoredAny, _> = serde_json::from_str(&json);
            assert!(read.is_ok(), "{json}");
        }
    }

    fn query(&mut self, who: u8, message: &[u8]) {
        let Ok(query) = core::str::from_utf8(message) else { return };
        if let Ok(announce) = http::parse_announce(query) {
            self.announce(who, &announce.request, Reach::Both);
        }
        if let Ok(hashes) = http::parse_scrape(query) {
            let files = self.swarms.scraped(&hashes);
            assert!(files.len() <= limits().scrape);
            assert!(http::parse_scrape_reply(&http::encode_scrape(&files, None)).is_ok());
        }
    }

    fn datagram(&mut self, who: u8, message: &[u8]) {
        match Packet::parse(message).map(|packet| packet.request) {
            Ok(UdpRequest::Announce { request, .. }) => self.announce(who, &request, Reach::OwnFamily),
            Ok(UdpRequest::Scrape { hashes, .. }) => {
                assert_eq!(self.swarms.scraped(&hashes).len(), hashes.len().min(limits().scrape));
            }
            Ok(UdpRequest::Connect) | Err(_) => {}
        }
    }

    fn announce(&mut self, who: u8, request: &shared::tracker::AnnounceRequest, reach: Reach) {
        let ip = address(who);
        self.found.clear(true);
        let met = self.swarms.announce_address(self.now, ip, request, reach, MOST, &mut self.found);
        if met.is_err() {
            assert!(self.found.is_empty(), "who is refused is told of nobody");
        }
        assert!(self.found.len() <= MOST);
        let told: Vec<_> = self.found.addresses().collect();
        assert_eq!((told.len(), self.found.ids().count()), (self.found.len(), told.len()));
        assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len(), "nobody twice");
        assert!(!told.iter().any(|at| at.ip() == ip && at.port() == request.port), "not of oneself");
        assert!(reach == Reach::Both || told.iter().all(|at| at.is_ipv4() == ip.is_ipv4()));
    }

    fn check(&self) {
        let stats = self.swarms.stats();
        assert!(stats.members <= limits().members, "{stats:?}");
        assert!(stats.torrents <= stats.members, "no torrent without a member");
        // Those beyond the bound give way with the next request.
        assert!(stats.pending_offers <= limits().pending + limits().offers_per_announce);
    }

    /// All leave, or are silent for long enough.
    fn end(mut self) {
        for socket in &self.open {
            self.swarms.close(*socket);
        }
        // A sweep looks at a part at a time.
        for _ in 0..200 {
            self.now = self.now + Duration::from_secs(60);
            self.swarms.expire(self.now);
        }
        let stats = self.swarms.stats();
        assert_eq!((stats.members, stats.torrents, stats.pending_offers), (0, 0, 0), "something is left");
    }
}

/// A few of both families, two of one network, one of this host.
fn address(who: u8) -> IpAddr {
    match who % 5 {
        0 => Ipv4Addr::LOCALHOST.into(),
        1 => Ipv4Addr::new(192, 0, 2, 1).into(),
        2 => Ipv4Addr::new(192, 0, 2, who).to_ipv6_mapped().to_canonical(),
        other => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, other.into()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/corpus");

    /// A step of the input.
    fn step(what: u8, who: u8, message: &[u8]) -> Vec<u8> {
        [&[what, who][..], &(message.len() as u16).to_le_bytes(), message].concat()
    }

    #[test]
    fn the_corpus_holds_for_every_target() {
        for (name, body) in TARGETS {
            let files = std::fs::read_dir(std::path::Path::new(CORPUS).join(name)).unwrap();
            let count = files.map(|file| body(&std::fs::read(file.unwrap().path()).unwrap())).count();
            assert!(count > 0, "no corpus for {name}");
        }
    }

    /// Every message of the corpora of single messages, over and over, by all in all orders.
    #[test]
    fn random_steps_of_known_messages_hold() {
        let mut messages = Vec::new();
        for (what, folder) in [(3, "tracker_ws"), (4, "tracker_http"), (5, "tracker_udp")] {
            for file in std::fs::read_dir(std::path::Path::new(CORPUS).join(folder)).unwrap() {
                messages.push((what, std::fs::read(file.unwrap().path()).unwrap()));
            }
        }
        let mut rng = Rng::from_seed([7; 32]);
        for _ in 0..300 {
            let mut data = Vec::new();
            for _ in 0..60 {
                let who = rng.below(256) as u8;
                match rng.index(messages.len() + 4) {
                    Some(at) if at < messages.len() => {
                        data.extend(step(messages[at].0, who, &messages[at].1))
                    }
                    Some(at) => data.extend(step((at - messages.len()) as u8, who, b"")),
                    None => {}
                }
            }
            // Some bytes are others.
            for _ in 0..rng.below(4) {
                let at = rng.below(data.len() as u64) as usize;
                data[at] = rng.below(256) as u8;
            }
            let caught = std::panic::catch_unwind(|| tracker_frontends(&data));
            assert!(caught.is_ok(), "does not hold for {data:?}");
        }
    }
}
