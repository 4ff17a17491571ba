//! What members cost in memory and bytes, at their own node and at another, and how long a new node takes to learn of them.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use load::client::peer::{Peer, Route};
use serde::Serialize;
use tokio::time::sleep;

use super::servers::{Node, Redis};
use super::udp::Load;
use super::ws::announce;

/// Members of one swarm.
const AT_ADDRESS: u16 = 40;
const ON_SOCKETS: usize = 10;

/// Memberships of one WebSocket: what it takes itself is nothing beside them.
const OF_SOCKET: usize = 500;

/// One measurement: bytes for each membership.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Memory {
    pub(crate) kind: &'static str,
    pub(crate) members: usize,
    pub(crate) own: f64,
    pub(crate) other: f64,
    /// Published when they joined.
    pub(crate) published: f64,
    /// For a node that is started then: seconds until it knows all of them, and what its snapshot took.
    pub(crate) late_seconds: f64,
    pub(crate) late_published: f64,
}

/// Members at addresses.
pub(crate) fn at_addresses(tracker: &Path, members: usize) -> Result<Memory> {
    let (redis, nodes) = two(tracker)?;
    let torrents = members.div_ceil(usize::from(AT_ADDRESS)) as u32;
    let members = torrents as usize * usize::from(AT_ADDRESS);
    let before = Before::now(&nodes)?;
    Load::new(&[nodes[0].udp], torrents, AT_ADDRESS)?.fill()?;
    before.compare("HTTP or UDP", tracker, &redis, &nodes, members)
}

/// Members over WebSocket.
pub(crate) async fn on_sockets(tracker: &Path, members: usize) -> Result<Memory> {
    let (redis, nodes) = two(tracker)?;
    let sockets = members.div_ceil(OF_SOCKET).next_multiple_of(ON_SOCKETS);
    let mut peers = Vec::new();
    for _ in 0..sockets {
        peers.push(Peer::open(&Route::clear(nodes[0].http), Ipv4Addr::LOCALHOST.into(), None).await?);
    }
    sleep(Duration::from_secs(1)).await;
    let before = Before::now(&nodes)?;
    for (number, peer) in peers.iter_mut().enumerate() {
        for at in 0..OF_SOCKET {
            let swarm = format!("m{}.{at}", number / ON_SOCKETS);
            peer.send_text(announce(&swarm, &format!("peer{number}"), 0, 0)).await?;
            peer.with("interval").await?;
        }
    }
    before.compare("WebSocket", tracker, &redis, &nodes, sockets * OF_SOCKET)
}

fn two(tracker: &Path) -> Result<(Redis, Vec<Node>)> {
    let redis = Redis::start()?;
    let nodes = Node::several(tracker, &redis, 2)?;
    Ok((redis, nodes))
}

struct Before {
    memory: Vec<f64>,
    published: f64,
}

impl Before {
    fn now(nodes: &[Node]) -> Result<Self> {
        let memory = nodes.iter().map(Node::memory).collect::<Result<_>>()?;
        Ok(Self { memory, published: nodes[0].number("bytesPublished")? })
    }

    fn compare(
        &self,
        kind: &'static str,
        tracker: &Path,
        redis: &Redis,
        nodes: &[Node],
        members: usize,
    ) -> Result<Memory> {
        let all = members as u64;
        let knows_all = |node: &Node| node.other_members().is_ok_and(|known| known >= all);
        nodes[1].until(knows_all)?;
        let each = |bytes: f64| bytes / members as f64;
        let now = Self::now(nodes)?;
        let begun = Instant::now();
        let late = Node::start(tracker, redis, "late")?;
        late.until(knows_all)?;
        let late_seconds = begun.elapsed().as_secs_f64();
        // What was published is noted once a second.
        std::thread::sleep(Duration::from_millis(1_100));
        Ok(Memory {
            kind,
            members,
            own: each(now.memory[0] - self.memory[0]),
            other: each(now.memory[1] - self.memory[1]),
            published: each(now.published - self.published),
            late_seconds,
            late_published: each(nodes[0].number("bytesPublished")? - now.published),
        })
    }
}
