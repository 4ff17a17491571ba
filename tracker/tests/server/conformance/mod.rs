//! What a tracker promises, over each of its protocols: BEP 3, 7, 15, 21, 23, 24, 31, 41, 48, 52, and WebTorrent's.
//!
//! Requests are written here byte by byte, not by the code that reads them.

mod clients;
mod downloads;
mod http;
mod swarm;
mod udp;

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};
use shared::tracker::http::{parse_announce_reply, parse_scrape_reply};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::support::{PATIENCE, Peer, Server, id};

/// A protocol in which peers announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    WebSocket,
    Http,
    Udp,
}

pub(crate) const WAYS: [Way; 3] = [Way::WebSocket, Way::Http, Way::Udp];

/// Members with everything, and without.
type Counts = (u32, u32);

/// A peer that speaks one of them.
pub(crate) struct Member<'a> {
    server: &'a Server,
    name: String,
    port: u16,
    socket: Option<Peer>,
    udp: Option<Udp>,
}

impl<'a> Member<'a> {
    pub(crate) async fn new(server: &'a Server, way: Way, name: &str, port: u16) -> Self {
        let socket = if way == Way::WebSocket { Some(server.peer(name).await) } else { None };
        let udp = if way == Way::Udp { Some(Udp::connect(server).await) } else { None };
        Self { server, name: id(name), port, socket, udp }
    }

    /// Announces, `left` unknown if it is `None`; what is counted, or why it is refused.
    pub(crate) async fn try_announce(
        &mut self,
        torrent: &str,
        left: Option<u64>,
        event: &str,
    ) -> Result<Counts, String> {
        match (&mut self.socket, &mut self.udp) {
            (Some(socket), _) => {
                let reply = socket.announce(torrent, json!(left), event, &[]).await;
                if let Some(reason) = reply["failure reason"].as_str() {
                    return Err(reason.to_owned());
                }
                assert_eq!(
                    (&reply["action"], &reply["info_hash"]),
                    (&json!("announce"), &json!(id(torrent)))
                );
                assert_eq!(reply["interval"], 120);
                Ok((number(&reply["complete"]), number(&reply["incomplete"])))
            }
            (_, Some(udp)) => {
                let request = udp.announce(id(torrent).as_bytes(), &self.name, self.port, left, event);
                let reply = udp.ask(&request).await;
                if reply[3] == 3 {
                    return Err(String::from_utf8(reply[8..].to_vec()).unwrap());
                }
                assert_eq!(word(&reply, 0), 1, "{reply:?}");
                assert_eq!(word(&reply, 8), 600);
                Ok((word(&reply, 16), word(&reply, 12)))
            }
            _ => {
                let response = self.server.get(&self.url(torrent, left, event), &[]).await;
                assert_eq!(response.status(), 200);
                let reply = parse_announce_reply(response.body()).map_err(|error| error.to_string())?;
                assert_eq!(reply.interval, 600);
                Ok((reply.complete.unwrap(), reply.incomplete.unwrap()))
            }
        }
    }

    pub(crate) async fn announce(&mut self, torrent: &str, left: Option<u64>, event: &str) -> Counts {
        self.try_announce(torrent, left, event).await.unwrap()
    }

    fn url(&self, torrent: &str, left: Option<u64>, event: &str) -> String {
        let (hash, name, port) = (id(torrent), &self.name, self.port);
        let mut url =
            format!("/announce?info_hash={hash}&peer_id={name}&port={port}&uploaded=0&downloaded=0");
        if let Some(left) = left {
            url += &format!("&left={left}");
        }
        if !event.is_empty() {
            url += &format!("&event={event}");
        }
        url
    }

    /// Numbers of these swarms in their order: complete, downloaded, incomplete.
    pub(crate) async fn scrape(&mut self, torrents: &[&str]) -> Vec<[u32; 3]> {
        match (&mut self.socket, &mut self.udp) {
            (Some(socket), _) => {
                let hashes: Vec<_> = torrents.iter().map(|torrent| id(torrent)).collect();
                socket.send(json!({"action": "scrape", "info_hash": hashes})).await;
                let reply = socket.next().await;
                assert_eq!(reply["action"], "scrape", "{reply}");
                let of = |torrent: &&str| {
                    let file = &reply["files"][id(torrent)];
                    ["complete", "downloaded", "incomplete"].map(|name| number(&file[name]))
                };
                torrents.iter().map(of).collect()
            }
            (_, Some(udp)) => {
                let hashes: String = torrents.iter().map(|torrent| id(torrent)).collect();
                let reply = udp.ask(&udp.packet(2, hashes.as_bytes())).await;
                assert_eq!((word(&reply, 0), reply.len()), (2, 8 + 12 * torrents.len()), "{reply:?}");
                let of = |at: usize| [word(&reply, at), word(&reply, at + 4), word(&reply, at + 8)];
                (0..torrents.len()).map(|place| of(8 + 12 * place)).collect()
            }
            _ => {
                let query: Vec<_> =
                    torrents.iter().map(|torrent| format!("info_hash={}", id(torrent))).collect();
                let response = self.server.get(&format!("/scrape?{}", query.join("&")), &[]).await;
                let files = parse_scrape_reply(response.body()).unwrap();
                let of = |torrent: &&str| {
                    let found = files.iter().find(|(hash, _)| hash.0 == id(torrent).as_bytes());
                    let counts = found.unwrap().1;
                    [counts.complete, counts.downloaded, counts.incomplete]
                };
                torrents.iter().map(of).collect()
            }
        }
    }
}

/// How many of a swarm download, as a scrape over each protocol that has a place for it says.
pub(crate) async fn downloaders(server: &Server, torrent: &str) -> [u32; 2] {
    let mut socket = server.peer("asks").await;
    socket.send(json!({"action": "scrape", "info_hash": id(torrent)})).await;
    let over_websocket = number(&socket.next().await["files"][id(torrent)]["downloaders"]);
    let response = server.get(&format!("/scrape?info_hash={}", id(torrent)), &[]).await;
    let files = parse_scrape_reply(response.body()).unwrap();
    [over_websocket, files[0].1.downloaders.unwrap()]
}

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))).unwrap()
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// A socket that knows its connection id.
pub(crate) struct Udp {
    socket: UdpSocket,
    connection: [u8; 8],
}

impl Udp {
    async fn connect(server: &Server) -> Self {
        Self::connect_to(server.udp_address.unwrap()).await
    }

    async fn connect_to(tracker: SocketAddr) -> Self {
        let local = match tracker {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            SocketAddr::V6(_) => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 0)),
        };
        let socket = UdpSocket::bind(local).await.unwrap();
        socket.connect(tracker).await.unwrap();
        let mut udp = Self { socket, connection: *b"\0\0\x04\x17\x27\x10\x19\x80" };
        let reply = udp.ask(&udp.packet(0, &[])).await;
        assert_eq!((&reply[..8], reply.len()), (&b"\0\0\0\0\x01\x02\x03\x04"[..], 16));
        udp.connection = reply[8..].try_into().unwrap();
        udp
    }

    fn packet(&self, action: u8, rest: &[u8]) -> Vec<u8> {
        [&self.connection[..], &[0, 0, 0, action, 1, 2, 3, 4], rest].concat()
    }

    fn announce(&self, hash: &[u8], name: &str, port: u16, left: Option<u64>, event: &str) -> Vec<u8> {
        let event = ["", "completed", "started", "stopped", "paused"].iter().position(|word| *word == event);
        let rest = [
            hash,
            name.as_bytes(),
            &[0; 8],
            // As bittorrent-tracker's client says that it does not know.
            &left.unwrap_or(u64::MAX).to_be_bytes(),
            &[0; 8],
            &(event.unwrap() as u32).to_be_bytes(),
            // An address that is not believed, a key, and as many peers as the tracker likes.
            &[203, 0, 113, 7, 9, 9, 9, 9, 255, 255, 255, 255],
            &port.to_be_bytes(),
        ];
        self.packet(1, &rest.concat())
    }

    async fn heard(&self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 4_096];
        let length = timeout(PATIENCE, self.socket.recv(&mut buffer)).await.ok()?.unwrap();
        buffer.truncate(length);
        Some(buffer)
    }

    /// Asks once: nothing is lost over loopback.
    async fn ask(&self, datagram: &[u8]) -> Vec<u8> {
        self.socket.send(datagram).await.unwrap();
        let reply = self.heard().await.expect("a reply");
        assert_eq!(reply[4..8], [1, 2, 3, 4], "the transaction is repeated");
        reply
    }
}
