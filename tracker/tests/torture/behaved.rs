//! Peers that behave well, and how long they wait.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{sleep, timeout};

use super::attacks::Target;
use super::socket::Socket;

/// Whom the attackers know of: the swarm, and both peers.
pub(crate) const SWARM: &str = "swarm-of-the-behaved";
pub(crate) const ASKER: &str = "-PM0001-asks-others-";
pub(crate) const ANSWERER: &str = "-PM0001-gives-answer";

/// Their own address; all other peers come from others.
pub(crate) const HOME: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Pause between two requests: what is measured is not meant to be another flood.
const PAUSE: Duration = Duration::from_millis(15);

/// Announces of one socket: as many as a peer makes in some hours.
const ROUNDS: u64 = 200;

/// What an answer says that comes from somebody who was offered nothing.
pub(crate) const STOLEN: &str = "of nobody who was asked";

/// What a datagram is waited for.
const UDP_PATIENCE: Duration = Duration::from_secs(2);

/// How long each request took.
#[derive(Default)]
pub(crate) struct Served {
    pub(crate) announces: Vec<Duration>,
    /// From an announce with offers to the answer of the other.
    pub(crate) introductions: Vec<Duration>,
    pub(crate) http: Vec<Duration>,
    pub(crate) udp: Vec<Duration>,
    /// Datagrams without a reply.
    pub(crate) lost: u64,
    /// Answers to the other's offer that are not from it.
    pub(crate) stolen: u64,
    /// Announces of which no offer reached the other.
    pub(crate) missed: u64,
}

impl Served {
    pub(crate) fn latencies(&self) -> [(&'static str, &[Duration]); 4] {
        [
            ("announce, WebSocket", &self.announces),
            ("introduction", &self.introductions),
            ("announce, HTTP", &self.http),
            ("announce, UDP", &self.udp),
        ]
    }
}

pub(crate) fn quantile(times: &[Duration], part: f64) -> Option<Duration> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get(((sorted.len() as f64 * part) as usize).min(sorted.len().checked_sub(1)?)).copied()
}

pub(crate) struct Behaved;

impl Behaved {
    /// Peers that are introduced to each other again and again, and clients that announce over HTTP and UDP.
    pub(crate) async fn serve_for(target: &Target, token: &str, long: Duration) -> Served {
        let end = Instant::now() + long;
        let (sockets, http, udp) = tokio::join!(
            introduce(target, token.to_owned(), end),
            announce_http(target, end),
            announce_udp(target, end)
        );
        let (udp, lost) = udp;
        Served { http, udp, lost, ..sockets }
    }
}

async fn introduce(target: &Target, token: String, end: Instant) -> Served {
    let mut served = Served::default();
    let mut asker = Socket::open(target.clear, HOME).await.unwrap();
    let mut answerer = Socket::open(target.clear, HOME).await.unwrap();
    let joined =
        json!({"action": "announce", "info_hash": SWARM, "peer_id": ANSWERER, "left": 1, "event": "started"});
    answerer.send(&joined).await.unwrap();
    assert_eq!(answerer.next().await.unwrap()["action"], "announce");
    let answering = tokio::spawn(answer(answerer, token.clone()));
    for round in 0_u64.. {
        if Instant::now() >= end {
            break;
        }
        // As many as are relayed at most: every member gets one, also those that took somebody's peer_id.
        let offers: Vec<_> = (0..20)
            .map(|number| json!({"offer": {"type": "offer", "sdp": token}, "offer_id": offer_id(round, number)}))
            .collect();
        let announce = json!({"action": "announce", "info_hash": SWARM, "peer_id": ASKER, "left": 1, "numwant": 20, "offers": offers});
        let start = Instant::now();
        asker.send(&announce).await.unwrap();
        let mut answered = false;
        while !answered {
            let Ok(message) = timeout(Duration::from_secs(5), asker.next()).await else {
                served.missed += 1;
                break;
            };
            let message = message.unwrap();
            if message["interval"].is_u64() {
                served.announces.push(start.elapsed());
            } else if message["answer"]["sdp"] == token.as_str() {
                served.introductions.push(start.elapsed());
                answered = true;
            } else if message["answer"]["sdp"] == STOLEN {
                served.stolen += 1;
            }
        }
        if round % ROUNDS == ROUNDS - 1 {
            // What thieves never answer counts against the bound of a socket.
            asker = Socket::open(target.clear, HOME).await.unwrap();
        }
        sleep(PAUSE).await;
    }
    answering.abort();
    served
}

pub(crate) fn offer_id(round: u64, number: u64) -> String {
    format!("{round:017}-{number:02}")
}

/// Answers every offer of the asker.
async fn answer(mut socket: Socket, token: String) {
    while let Ok(message) = socket.next().await {
        if message["offer"].is_null() || message["peer_id"] != ASKER {
            continue;
        }
        let answer = json!({"action": "announce", "info_hash": SWARM, "peer_id": ANSWERER, "to_peer_id": ASKER,
                            "offer_id": message["offer_id"], "answer": {"type": "answer", "sdp": token}});
        if socket.send(&answer).await.is_err() {
            return;
        }
    }
}

async fn announce_http(target: &Target, end: Instant) -> Vec<Duration> {
    let mut stream = TcpStream::connect(target.clear).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let request = format!(
        "GET /announce?info_hash={SWARM}&peer_id={ASKER}&port=6881&left=1&numwant=5 HTTP/1.1\r\nhost: x\r\n\r\n"
    );
    let mut served = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        stream.write_all(request.as_bytes()).await.unwrap();
        let body = http_body(&mut stream).await;
        assert!(body.windows(8).any(|part| part == b"interval"), "{}", String::from_utf8_lossy(&body));
        served.push(start.elapsed());
        sleep(PAUSE).await;
    }
    served
}

async fn http_body(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    body
}

async fn announce_udp(target: &Target, end: Instant) -> (Vec<Duration>, u64) {
    let socket = UdpSocket::bind((HOME, 0)).await.unwrap();
    socket.connect(target.udp).await.unwrap();
    let (mut served, mut lost) = (Vec::new(), 0);
    let mut number = 0_u32;
    while Instant::now() < end {
        number += 1;
        let start = Instant::now();
        let transaction = number.to_be_bytes();
        let connect = [b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0", &transaction[..]].concat();
        let Some(reply) = ask(&socket, &connect, transaction).await else {
            lost += 1;
            continue;
        };
        let announce = udp_announce(&reply[8..16], transaction, ASKER, 6_882);
        match ask(&socket, &announce, transaction).await {
            Some(_) => served.push(start.elapsed()),
            None => lost += 1,
        }
        sleep(PAUSE).await;
    }
    (served, lost)
}

async fn ask(socket: &UdpSocket, datagram: &[u8], transaction: [u8; 4]) -> Option<Vec<u8>> {
    socket.send(datagram).await.unwrap();
    let mut reply = vec![0; 2_048];
    let heard = async {
        loop {
            let length = socket.recv(&mut reply).await.unwrap();
            // Not one that came late, to the request before.
            if length >= 16 && reply[4..8] == transaction {
                return;
            }
        }
    };
    timeout(UDP_PATIENCE, heard).await.ok()?;
    Some(reply)
}

pub(crate) fn udp_announce(connection: &[u8], transaction: [u8; 4], peer_id: &str, port: u16) -> Vec<u8> {
    [
        connection,
        &[0, 0, 0, 1],
        &transaction,
        SWARM.as_bytes(),
        peer_id.as_bytes(),
        &[0; 8],
        &1_u64.to_be_bytes(),
        &[0; 8],
        &[0, 0, 0, 2, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 5],
        &port.to_be_bytes(),
    ]
    .concat()
}

/// What an attacker says who answers the offers of others.
pub(crate) fn stolen_answer(peer_id: &str, offer_id: &str) -> Value {
    json!({"action": "announce", "info_hash": SWARM, "peer_id": peer_id, "to_peer_id": ASKER, "offer_id": offer_id,
           "answer": {"type": "answer", "sdp": STOLEN}})
}
