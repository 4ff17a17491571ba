//! Where everything stands in the picture of a swarm.

use core::f64::consts::PI;

use super::model::{Flow, Peer, Swarm};

/// Width and height of the picture.
pub const SIZE: (f64, f64) = (800.0, 440.0);

/// Name of the server among the ends of flows.
pub const SERVER: &str = "server";

/// Peers of up to so many stand on one ring.
const RING: usize = 24;

/// A peer in the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// [`Peer::id`].
    pub id: String,
    /// Its middle.
    pub x: f64,
    /// Its middle.
    pub y: f64,
    /// Half its width.
    pub radius: f64,
    /// How full it is, 0 to 1; `None` if that is not known.
    pub progress: Option<f64>,
    /// It is the server: a square.
    pub server: bool,
}

/// A flow in the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// As SVG writes paths.
    pub path: String,
    /// `webrtc`, `tcp` or `http`.
    pub kind: String,
    /// Of the line.
    pub width: f64,
}

/// Peers and flows with their places. Peers keep theirs as long as the same are there: they come sorted by what does not
/// change. The server stands in the middle if it is one of them or gives anything.
pub fn place(swarm: &Swarm) -> (Vec<Node>, Vec<Edge>) {
    let middle = (SIZE.0 / 2.0, SIZE.1 / 2.0);
    let others: Vec<&Peer> = swarm.peers.iter().filter(|peer| peer.id != SERVER).collect();
    let serves = swarm.flows.iter().any(|flow| flow.from == SERVER) || others.len() < swarm.peers.len();
    let radius = match others.len() {
        0..=12 => 18.0,
        13..=RING => 13.0,
        25..=80 => 9.0,
        _ => 6.0,
    };
    let mut nodes = Vec::with_capacity(others.len() + 1);
    if serves {
        let server = swarm.peers.iter().find(|peer| peer.id == SERVER);
        let progress = server.map_or(Some(1.0), |server| server.progress);
        nodes.push(Node {
            id: SERVER.to_owned(),
            x: middle.0,
            y: middle.1,
            radius: 20.0,
            progress,
            server: true,
        });
    }
    for (number, peer) in others.iter().enumerate() {
        let (x, y) = spot(number, others.len(), serves);
        let (x, y) = (middle.0 + x * (SIZE.0 / 2.0 - 40.0), middle.1 + y * (SIZE.1 / 2.0 - 40.0));
        nodes.push(Node { id: peer.id.clone(), x, y, radius, progress: peer.progress, server: false });
    }
    let edges = swarm.flows.iter().filter_map(|flow| edge(flow, &nodes)).collect();
    (nodes, edges)
}

/// On the unit disc: few on a ring, many as the seeds of a sunflower.
fn spot(number: usize, of: usize, middle_taken: bool) -> (f64, f64) {
    if of == 1 && !middle_taken {
        return (0.0, 0.0);
    }
    if of <= RING {
        let angle = 2.0 * PI * number as f64 / of as f64 - PI / 2.0;
        return (angle.cos(), angle.sin());
    }
    let golden = PI * (3.0 - 5.0_f64.sqrt());
    let inner = if middle_taken { 0.2 } else { 0.0 };
    let distance = inner + (1.0 - inner) * ((number as f64 + 0.5) / of as f64).sqrt();
    let angle = golden * number as f64;
    (distance * angle.cos(), distance * angle.sin())
}

/// A curve from one's rim to the other's, bent to its left: two that go both ways stand beside each other.
fn edge(flow: &Flow, nodes: &[Node]) -> Option<Edge> {
    let find = |id: &str| nodes.iter().find(|node| node.id == id);
    let (from, to) = (find(&flow.from)?, find(&flow.to)?);
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    let length = dx.hypot(dy);
    if length < 1.0 {
        return None;
    }
    let (ux, uy) = (dx / length, dy / length);
    let bend = length * 0.12;
    let (cx, cy) = ((from.x + to.x) / 2.0 + uy * bend, (from.y + to.y) / 2.0 - ux * bend);
    let start = (from.x + ux * from.radius, from.y + uy * from.radius);
    let end = (to.x - ux * (to.radius + 4.0), to.y - uy * (to.radius + 4.0));
    let n = |value: f64| ((value * 10.0).round() / 10.0).to_string();
    let path = ["M", &n(start.0), " ", &n(start.1), "Q", &n(cx), " ", &n(cy), " ", &n(end.0), " ", &n(end.1)]
        .concat();
    // From a kilobyte a second to a hundred megabytes: one to five.
    let width = 1.0 + ((flow.rate as f64 / 1_000.0).max(1.0).log10() * 0.8).min(4.0);
    Some(Edge { path, kind: flow.kind().to_owned(), width })
}

impl Flow {
    /// Its path, as classes name it.
    pub fn kind(&self) -> &'static str {
        match self.path.as_str() {
            "http" => "http",
            "tcp" => "tcp",
            _ => "webrtc",
        }
    }
}

/// The filled part of a round node: what lies below a level.
pub fn level(node: &Node) -> String {
    let part = node.progress.unwrap_or(0.0).clamp(0.0, 1.0);
    let r = node.radius - 2.0;
    if part <= 0.0 {
        return String::new();
    }
    let n = |value: f64| ((value * 100.0).round() / 100.0).to_string();
    if part >= 1.0 {
        let (left, right, y) = (n(node.x - r), n(node.x + r), n(node.y));
        let r = n(r);
        return [
            "M", &left, " ", &y, "A", &r, " ", &r, " 0 1 0 ", &right, " ", &y, "A", &r, " ", &r, " 0 1 0 ",
            &left, " ", &y, "Z",
        ]
        .concat();
    }
    let y = node.y + r - 2.0 * r * part;
    let x = (r * r - (y - node.y) * (y - node.y)).max(0.0).sqrt();
    let large = if part > 0.5 { " 0 1 0 " } else { " 0 0 0 " };
    let rr = n(r);
    ["M", &n(node.x - x), " ", &n(y), "A", &rr, " ", &rr, large, &n(node.x + x), " ", &n(y), "Z"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swarm(peers: usize, flows: &[(&str, &str)]) -> Swarm {
        let peer = |number: usize| Peer { id: number.to_string(), progress: Some(0.5), ..Peer::default() };
        let flow = |(from, to): &(&str, &str)| Flow {
            from: (*from).to_owned(),
            to: (*to).to_owned(),
            rate: 1_000_000,
            path: "http".to_owned(),
        };
        Swarm {
            peers: (0..peers).map(peer).collect(),
            flows: flows.iter().map(flow).collect(),
            ..Swarm::default()
        }
    }

    #[test]
    fn nobody_stands_on_another_or_beside_the_picture() {
        for peers in [1, 2, 5, 12, 13, 24, 25, 80, 200] {
            for flows in [&[][..], &[(SERVER, "0")]] {
                let (nodes, _) = place(&swarm(peers, flows));
                assert_eq!(nodes.len(), peers + flows.len());
                for (number, node) in nodes.iter().enumerate() {
                    assert!(node.x >= node.radius && node.x <= SIZE.0 - node.radius, "{peers}: {node:?}");
                    assert!(node.y >= node.radius && node.y <= SIZE.1 - node.radius, "{peers}: {node:?}");
                    for other in &nodes[..number] {
                        let apart = (node.x - other.x).hypot(node.y - other.y);
                        assert!(apart >= node.radius + other.radius, "{peers}: {node:?} {other:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn both_ways_are_two_lines_and_strangers_have_none() {
        let (_, edges) = place(&swarm(2, &[("0", "1"), ("1", "0"), ("0", "9"), (SERVER, "0")]));
        assert_eq!(edges.len(), 3);
        assert_ne!(edges[0].path, edges[1].path);
        assert!(edges.iter().all(|edge| (1.0..=5.0).contains(&edge.width)));
    }

    #[test]
    fn a_level_is_drawn_between_empty_and_full() {
        let node =
            |progress| Node { id: String::new(), x: 50.0, y: 50.0, radius: 12.0, progress, server: false };
        assert_eq!(level(&node(None)), "");
        assert_eq!(level(&node(Some(0.0))), "");
        assert_eq!(level(&node(Some(0.5))), "M40 50A10 10 0 0 0 60 50Z");
        assert!(level(&node(Some(0.9))).contains(" 0 1 0 "));
        assert!(level(&node(Some(7.0))).starts_with("M40 50A"));
    }
}
