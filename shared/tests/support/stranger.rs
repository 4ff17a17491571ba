use std::net::SocketAddr;

use bytes::Bytes;
use shared::engine::Input;
use shared::id::{ConnId, InfoHash, PeerId};
use shared::peer::CloseReason;
use shared::tracker::ws::{Json, Response};
use shared::wire::extension::ExtendedHandshake;
use shared::wire::{Framer, Handshake, Message, Reserved};

use super::World;

/// A peer that says what a test wants it to say.
pub struct Stranger {
    pub host: usize,
    pub conn: ConnId,
    pub peer_id: PeerId,
    framer: Framer,
    taken: usize,
}

impl Stranger {
    /// Connects to an engine through its tracker; nothing is said yet.
    pub fn connect(world: &mut World, host: usize, torrent: InfoHash, name: u8) -> Self {
        let peer_id = PeerId([name; 20]);
        let offer = r#"{"type":"offer","sdp":"offer of a stranger"}"#;
        let response = Response::Offer {
            info_hash: torrent,
            peer_id,
            offer_id: format!("offer {name}").into(),
            offer: Json::parse(offer).expect("JSON"),
        };
        let tracker = *world.hosts[host].sockets.keys().next().expect("a tracker");
        let before = world.hosts[host].answers.len();
        world.input(host, Input::TrackerMessage { tracker, text: response.to_json() });
        let conn = *world.hosts[host].answers.get(before).expect("the offer is answered");
        world.run(20);
        world.input(host, Input::ConnectionOpened { conn, max_message: 64 * 1024 });
        Self { host, conn, peer_id, framer: Framer::new(), taken: 0 }
    }

    /// Dials a host from this address and shakes hands.
    pub fn dials(world: &mut World, host: usize, torrent: InfoHash, name: u8, address: SocketAddr) -> Self {
        let conn = ConnId(ConnId::INCOMING.0 + 1_000 + u32::from(name));
        let peer_id = PeerId([name; 20]);
        world.input(host, Input::ConnectionIncoming { conn, address, info_hash: torrent });
        let stranger = Self { host, conn, peer_id, framer: Framer::new(), taken: 0 };
        let mut handshake = Vec::new();
        Handshake::new(torrent, peer_id).encode(&mut handshake);
        stranger.raw(world, &handshake);
        stranger
    }

    /// What the engine said in its extension handshake.
    pub fn introduction(&mut self, world: &World) -> ExtendedHandshake {
        let introduces = |message: Message| match message {
            Message::Extended { id: 0, payload } => ExtendedHandshake::decode(&payload).ok(),
            _ => None,
        };
        self.heard(world).into_iter().find_map(introduces).expect("an extension handshake")
    }

    /// Connects and shakes hands.
    pub fn shaken(world: &mut World, host: usize, torrent: InfoHash, name: u8) -> Self {
        let stranger = Self::connect(world, host, torrent, name);
        let mut handshake = Vec::new();
        Handshake::new(torrent, stranger.peer_id).encode(&mut handshake);
        stranger.raw(world, &handshake);
        stranger
    }

    /// Connects and shakes hands, but speaks neither the fast extension nor the extension protocol.
    pub fn plain(world: &mut World, host: usize, torrent: InfoHash, name: u8) -> Self {
        let stranger = Self::connect(world, host, torrent, name);
        let mut handshake = Vec::new();
        let plain = Handshake { reserved: Reserved([0; 8]), info_hash: torrent, peer_id: stranger.peer_id };
        plain.encode(&mut handshake);
        stranger.raw(world, &handshake);
        stranger
    }

    pub fn raw(&self, world: &mut World, bytes: &[u8]) {
        world
            .input(self.host, Input::ConnectionData { conn: self.conn, data: Bytes::copy_from_slice(bytes) });
    }

    pub fn say(&self, world: &mut World, message: &Message) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        self.raw(world, &bytes);
    }

    /// What the engine said since the last call.
    pub fn heard(&mut self, world: &World) -> Vec<Message> {
        let all = world.hosts[self.host].outgoing.get(&self.conn).map_or(&[][..], Vec::as_slice);
        self.framer.push(Bytes::copy_from_slice(&all[self.taken..]));
        self.taken = all.len();
        let _ = self.framer.handshake().expect("a handshake");
        std::iter::from_fn(|| self.framer.message().expect("a message")).collect()
    }

    /// Why the engine closed the connection, if it did.
    pub fn closed(&self, world: &World) -> Option<CloseReason> {
        let closed = &world.hosts[self.host].closed;
        closed.iter().find(|(conn, _)| *conn == self.conn).map(|(_, reason)| reason.clone())
    }
}
