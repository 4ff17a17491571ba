//! Announces over UDP, many at once.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use shared::rng::Rng;

use super::throughput::Done;

/// Announces that wait for their response.
const WINDOW: usize = 64;

/// Where the next announce goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    /// A member renews where it is.
    Same,
    /// A member renews at any node.
    Any,
    /// Somebody new comes, to any node.
    New,
}

pub(crate) struct Load {
    sockets: Vec<(UdpSocket, u64)>,
    torrents: u32,
    members: u16,
    rng: Rng,
    /// Ports of those who came later.
    newest: u16,
}

impl Load {
    pub(crate) fn new(targets: &[SocketAddr], torrents: u32, members: u16) -> Result<Self> {
        let sockets = targets.iter().map(|target| connect(*target)).collect::<Result<_>>()?;
        Ok(Self { sockets, torrents, members, rng: Rng::from_seed([7; 32]), newest: 20_000 })
    }

    /// Each member announces once, where it will be.
    pub(crate) fn fill(&self) -> Result<()> {
        for at in 0..self.sockets.len() {
            let mut all = Vec::new();
            for torrent in 0..self.torrents {
                let own = (0..self.members).filter(|member| self.home(torrent, *member) == at);
                all.extend(own.map(|member| (torrent, member)));
            }
            for window in all.chunks(WINDOW) {
                let (mut missing, deadline) = (true, Instant::now() + Duration::from_secs(10));
                while missing {
                    window.iter().try_for_each(|(torrent, member)| self.send(at, *torrent, *member))?;
                    missing = (0..window.len()).any(|_| self.receive(at).is_none());
                    if Instant::now() > deadline {
                        bail!("the tracker does not answer");
                    }
                }
            }
        }
        Ok(())
    }

    /// Keeps all nodes busy for so long.
    pub(crate) fn run(&mut self, which: Where, time: Duration) -> Result<Done> {
        let nodes = self.sockets.len();
        let mut done = Done::new(nodes);
        let end = Instant::now() + time;
        while Instant::now() < end {
            for at in 0..nodes {
                for _ in 0..WINDOW {
                    let (torrent, member) = self.next(which, at);
                    self.send(at, torrent, member)?;
                }
            }
            for at in 0..nodes {
                for _ in 0..WINDOW {
                    let Some(peers) = self.receive(at) else {
                        done.missed += 1;
                        break;
                    };
                    done.responses[at] += 1;
                    done.mix.announces += 1;
                    done.peers += peers;
                }
            }
        }
        Ok(done)
    }

    fn next(&mut self, which: Where, at: usize) -> (u32, u16) {
        let torrent = self.rng.below(u64::from(self.torrents)) as u32;
        let member = match which {
            // Those whose home is this node: one in as many as there are nodes.
            Where::Same => (0..self.members).find(|member| self.home(torrent, *member) == at).unwrap_or(0),
            Where::Any => self.rng.below(u64::from(self.members)) as u16,
            Where::New => {
                self.newest = self.newest.wrapping_add(1).max(20_000);
                self.newest
            }
        };
        (torrent, member)
    }

    fn home(&self, torrent: u32, member: u16) -> usize {
        (torrent as usize + usize::from(member)) % self.sockets.len()
    }

    fn send(&self, at: usize, torrent: u32, member: u16) -> Result<()> {
        let (socket, connection) = &self.sockets[at];
        let mut packet = Vec::with_capacity(98);
        packet.extend_from_slice(&connection.to_be_bytes());
        packet.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 9]);
        packet.extend_from_slice(&torrent.wrapping_mul(0x9e37_79b9).to_be_bytes());
        packet.extend_from_slice(&[7; 16]);
        packet.extend_from_slice(b"-XX0001-");
        packet.extend_from_slice(&[0; 10]);
        packet.extend_from_slice(&member.to_be_bytes());
        packet.extend_from_slice(&[0; 8]);
        packet.extend_from_slice(&u64::from(!member.is_multiple_of(4)).to_be_bytes());
        packet.extend_from_slice(&[0; 8 + 4 + 4 + 4]);
        packet.extend_from_slice(&(-1_i32).to_be_bytes());
        packet.extend_from_slice(&1_000_u16.wrapping_add(member).to_be_bytes());
        socket.send(&packet)?;
        Ok(())
    }

    /// How many peers a response named; `None` if none came.
    fn receive(&self, at: usize) -> Option<u64> {
        let mut reply = [0; 2_048];
        let length = self.sockets[at].0.recv(&mut reply).ok()?;
        (length >= 20 && reply[..4] == [0, 0, 0, 1]).then(|| (length as u64 - 20) / 6)
    }
}

fn connect(target: SocketAddr) -> Result<(UdpSocket, u64)> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(target)?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    for _ in 0..50 {
        socket.send(&[0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0, 0, 0, 0, 9])?;
        let mut reply = [0; 16];
        if socket.recv(&mut reply).is_ok_and(|length| length == 16) {
            return Ok((socket, u64::from_be_bytes(reply[8..].try_into()?)));
        }
    }
    bail!("no connection id from {target}")
}
