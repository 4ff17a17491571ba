//! Announces over HTTP/1.1 on kept connections.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use shared::id::{InfoHash, PeerId};
use shared::rng::Rng;
use shared::tracker::AnnounceRequest;
use shared::tracker::announce::Event;
use shared::tracker::http::{announce_url, parse_announce_reply};

use super::servers::Node;
use super::throughput::{Done, MEMBERS, TORRENTS};

/// Connections to each node.
const CONNECTIONS: usize = 32;

/// A response that takes longer does not come.
const WITHIN: Duration = Duration::from_secs(10);

/// Keeps all nodes busy for so long with renewals of members that are where they announced before.
pub(crate) fn run(nodes: &[Node], time: Duration) -> Result<Done> {
    let mut done = Done::new(nodes.len());
    let mut rng = Rng::from_seed([8; 32]);
    let connect = |node: &Node| (0..CONNECTIONS).map(|_| Connection::open(node)).collect::<Result<Vec<_>>>();
    let mut connections: Vec<_> = nodes.iter().map(connect).collect::<Result<_>>()?;
    let end = Instant::now() + time;
    while Instant::now() < end {
        for (at, of_node) in connections.iter_mut().enumerate() {
            for connection in of_node {
                let torrent = rng.below(u64::from(TORRENTS)) as u32;
                let home = |member: &u16| (torrent as usize + usize::from(*member)) % nodes.len() == at;
                let member = (0..MEMBERS).find(home).unwrap_or(0);
                connection.send(&announce(torrent, member))?;
            }
        }
        for (at, of_node) in connections.iter_mut().enumerate() {
            for connection in of_node {
                done.peers += connection.receive()?;
                done.responses[at] += 1;
                done.mix.announces += 1;
            }
        }
    }
    Ok(done)
}

/// The members of [`super::udp::Load`].
fn announce(torrent: u32, member: u16) -> String {
    let (mut info_hash, mut peer_id) = ([7; 20], *b"-XX0001-\0\0\0\0\0\0\0\0\0\0\0\0");
    info_hash[..4].copy_from_slice(&torrent.wrapping_mul(0x9e37_79b9).to_be_bytes());
    peer_id[18..].copy_from_slice(&member.to_be_bytes());
    let request = AnnounceRequest {
        info_hash: InfoHash(info_hash),
        peer_id: PeerId(peer_id),
        port: 1_000 + member,
        uploaded: 0,
        downloaded: 0,
        left: Some(u64::from(!member.is_multiple_of(4))),
        event: Event::Update,
        wanted: None,
        key: 0,
        tracker_id: None,
    };
    announce_url("/announce", &request)
}

struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    fn open(node: &Node) -> Result<Self> {
        let stream = TcpStream::connect(node.http)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(WITHIN))?;
        Ok(Self { stream, read: Vec::new() })
    }

    fn send(&mut self, target: &str) -> Result<()> {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        Ok(self.stream.write_all(request.as_bytes())?)
    }

    /// How many peers the next response names.
    fn receive(&mut self) -> Result<u64> {
        self.read.clear();
        let mut buffer = [0; 4_096];
        loop {
            let length = self.stream.read(&mut buffer)?;
            ensure!(length > 0, "the tracker closed a connection");
            self.read.extend_from_slice(&buffer[..length]);
            let Some(head) = self.read.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            let text = std::str::from_utf8(&self.read[..head])?.to_ascii_lowercase();
            let body = text.lines().find_map(|line| line.strip_prefix("content-length:"));
            let body: usize = body.context("no length")?.trim().parse()?;
            if let Some(body) = self.read.get(head + 4..head + 4 + body) {
                return Ok(parse_announce_reply(body)?.peers.len() as u64);
            }
        }
    }
}
