//! Bodies of the fuzz targets in `tests/fuzz`, here so that every build compiles them.
//!
//! Each takes any bytes, and panics where something does not hold that should: a text that reads in one form and writes
//! in another, a bound that is passed, two ways to the same thing that differ.

mod engine;
mod stun;
mod trackers;

use bytes::Bytes;

use crate::bencode::{self, Order, Value, Writer};
use crate::magnet::Link;
use crate::metainfo::Metainfo;
use crate::metainfo::path::{Tree, safe_path};
use crate::tracker::ws::{ClientMessage, Request, Response, ServerMessage};
use crate::wire::extension::metadata::MetadataMessage;
use crate::wire::extension::{ExtendedHandshake, donthave};
use crate::wire::{Framer, Handshake, Message, WireError, client_name};
use crate::{id, limits, url};
pub use engine::engine_ops;
pub use stun::stun;
pub use trackers::{tracker_http, tracker_udp};

/// The body of one target.
pub type Body = fn(&[u8]);

/// All targets by name.
pub const TARGETS: &[(&str, Body)] = &[
    ("bencode", bencode),
    ("metainfo", metainfo),
    ("path", path),
    ("magnet", magnet),
    ("wire", wire),
    ("extension", extension),
    ("tracker_ws", tracker_ws),
    ("tracker_http", tracker_http),
    ("tracker_udp", tracker_udp),
    ("stun", stun),
    ("engine_ops", engine_ops),
];

/// What is read strictly is written the same; what is read in any order can be walked.
pub fn bencode(data: &[u8]) {
    let strict = bencode::decode(data, Order::Strict);
    if let Ok(value) = strict {
        let mut again = Vec::new();
        write(&mut Writer::new(&mut again), value);
        assert_eq!(again, data, "a canonical text has one form");
        assert_eq!(bencode::decode(data, Order::Any), strict);
    }
    if let Ok((value, rest)) = bencode::decode_prefix(data, Order::Any) {
        let mut again = Vec::new();
        write(&mut Writer::new(&mut again), value);
        assert_eq!(again.len() + rest.len(), data.len(), "a walk passes over every byte once");
    }
}

/// Writes a value item by item, in its own order of keys.
fn write(writer: &mut Writer<'_>, value: Value<'_>) {
    match value {
        Value::Integer(number) => writer.integer(number),
        Value::Bytes(bytes) => writer.bytes(bytes),
        Value::List(list) => writer.list(|writer| list.iter().for_each(|item| write(writer, item))),
        Value::Dictionary(dictionary) => {
            writer.raw(b"d");
            for (key, value) in dictionary {
                assert_eq!(dictionary.get(key), Some(value), "each key is there once");
                writer.bytes(key);
                write(writer, value);
            }
            writer.raw(b"e");
        }
    }
}

/// What is read has safe paths, each its own, and survives being written.
pub fn metainfo(data: &[u8]) {
    for metainfo in
        [Metainfo::parse(data), Metainfo::from_info(Bytes::copy_from_slice(data))].into_iter().flatten()
    {
        let again = Metainfo::parse(&metainfo.to_torrent(metainfo.trackers()));
        assert_eq!(again.as_ref(), Ok(&metainfo));
        assert_eq!(metainfo.files().len(), metainfo.layout().files().len());
        check_names([metainfo.name()]);
        let mut tree = Tree::new();
        for file in metainfo.files() {
            check_names(file.path.iter().map(String::as_str));
            assert_eq!(tree.place(file.path.clone()), file.path, "each path is its own");
        }
        for piece in metainfo.layout().all_pieces() {
            let hash = metainfo.piece_hash(piece);
            let start = hash.as_ptr() as usize - metainfo.info_bytes().as_ptr() as usize;
            assert!(start + 20 <= metainfo.info_bytes().len());
        }
    }
}

/// Any list of names (parts end with `/`, paths with a line feed) becomes safe paths, or is refused.
pub fn path(data: &[u8]) {
    let mut tree = Tree::new();
    let mut placed = std::collections::BTreeSet::new();
    for line in data.split(|byte| *byte == b'\n').take(limits::FILES_MAX) {
        let Ok(safe) = safe_path(line.split(|byte| *byte == b'/')) else { continue };
        check_names(safe.iter().map(String::as_str));
        let again = safe_path(safe.iter().map(String::as_bytes));
        assert_eq!(again.as_ref(), Ok(&safe), "what is safe stays as it is");
        let path = tree.place(safe);
        check_names(path.iter().map(String::as_str));
        let joined = path.join("/").to_lowercase();
        assert!(placed.insert(joined), "no two files have one path");
    }
    for path in &placed {
        for (at, _) in path.match_indices('/') {
            assert!(!placed.contains(&path[..at]), "no file lies within a file");
        }
    }
}

fn check_names<'a>(names: impl IntoIterator<Item = &'a str>) {
    for name in names {
        assert!(!name.is_empty() && name.len() <= limits::NAME_MAX, "{name:?}");
        assert!(!name.contains(['/', '\\', '\0', ':']) && !name.ends_with(['.', ' ']), "{name:?}");
        assert!(!name.chars().any(crate::text::is_treacherous), "{name:?}");
    }
}

/// What is read is in bounds and survives being written.
pub fn magnet(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(link) = Link::parse(text) {
        assert!(link.trackers.len() <= limits::TRACKERS_PER_TORRENT);
        for tracker in &link.trackers {
            assert_eq!(url::check(tracker, url::TRACKER_SCHEMES).as_ref(), Ok(tracker));
        }
        assert_eq!(Link::parse(&link.to_magnet()).as_ref(), Ok(&link));
        assert_eq!(Link::parse(&link.to_share_link("https://host")), Ok(link));
    }
}

/// The stream means the same however it is cut, and each message writes back as the bytes it came as. The first byte
/// says how to cut it.
pub fn wire(data: &[u8]) {
    let Some((cut, data)) = data.split_first() else { return };
    let mut stream = Vec::new();
    // Without a handshake in front, hardly any input would reach a message.
    Handshake::new(id::InfoHash([1; 20]), id::PeerId([2; 20])).encode(&mut stream);
    if cut & 1 == 0 {
        stream.clear();
    }
    stream.extend_from_slice(data);
    let whole = frames(&stream, stream.len().max(1));
    assert_eq!(whole, frames(&stream, usize::from(cut / 2) + 1), "cuts mean nothing");
    let (handshake, messages, error, buffered) = whole;
    let mut again = Vec::new();
    if let Some(handshake) = handshake {
        handshake.encode(&mut again);
        assert!(client_name(&handshake.peer_id).len() <= limits::CLIENT_NAME_MAX * 4);
    }
    for message in &messages {
        let before = again.len();
        message.encode(&mut again);
        assert_eq!(again.len() - before, message.encoded_length());
    }
    if !messages.iter().any(|message| matches!(message, Message::Unknown { .. })) {
        assert_eq!(again, stream[..again.len()], "a message has one form");
        assert!(error.is_some() || again.len() + buffered == stream.len() || buffered == 0);
    }
}

type Frames = (Option<Handshake>, Vec<Message>, Option<WireError>, usize);

fn frames(stream: &[u8], cut: usize) -> Frames {
    let mut framer = Framer::new();
    let (mut handshake, mut messages) = (None, Vec::new());
    for chunk in stream.chunks(cut) {
        framer.push(Bytes::copy_from_slice(chunk));
        match framer.handshake() {
            Ok(None) => {}
            Ok(Some(read)) => handshake = Some(read),
            Err(error) => return (handshake, messages, Some(error), framer.buffered()),
        }
        loop {
            match framer.message() {
                Ok(None) => break,
                Ok(Some(message)) => messages.push(message),
                Err(error) => return (handshake, messages, Some(error), framer.buffered()),
            }
        }
        assert!(framer.buffered() < limits::WIRE_MESSAGE_MAX + 4, "no more than one message is held");
    }
    (handshake, messages, None, framer.buffered())
}

/// What is read survives being written.
pub fn extension(data: &[u8]) {
    let mut again = Vec::new();
    if let Ok(handshake) = ExtendedHandshake::decode(data) {
        handshake.encode(&mut again);
        assert_eq!(ExtendedHandshake::decode(&again), Ok(handshake));
    }
    again.clear();
    if let Ok(message) = MetadataMessage::decode(&Bytes::copy_from_slice(data)) {
        message.encode(&mut again);
        // Stock WebTorrent takes the first "ee" for the end of the dictionary.
        let first = again.windows(2).position(|pair| pair == b"ee").map(|at| at + 2);
        let rest = bencode::decode_prefix(&again, Order::Strict).map(|(_, rest)| rest.len());
        assert_eq!(first, rest.ok().map(|rest| again.len() - rest));
        assert_eq!(MetadataMessage::decode(&Bytes::from(again.clone())), Ok(message));
    }
    again.clear();
    if let Ok(piece) = donthave::decode(data) {
        donthave::encode(piece, &mut again);
        assert_eq!(again, data);
    }
}

/// What the tracker reads and passes on is what the other peer reads.
pub fn tracker_ws(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(message) = ServerMessage::parse(text)
        && let ServerMessage::Offer { info_hash, peer_id, offer_id, sdp } = message
    {
        let answer = ClientMessage::Answer {
            info_hash,
            peer_id,
            to_peer_id: peer_id,
            offer_id: offer_id.clone(),
            sdp,
            tracker_id: None,
        };
        match Request::parse(&answer.to_json()) {
            Ok(Request::Answer(read)) => assert_eq!(read.offer_id, offer_id),
            other => panic!("an answer of ours, read as {other:?}"),
        }
    }
    match Request::parse(text) {
        Ok(Request::Announce(announce)) => {
            for offer in announce.offers {
                let relayed = Response::Offer {
                    info_hash: announce.info_hash,
                    peer_id: announce.peer_id,
                    offer_id: offer.offer_id,
                    offer: offer.offer,
                };
                check_json(&relayed);
            }
        }
        Ok(Request::Answer(answer)) => {
            check_json(&Response::Answer {
                info_hash: answer.info_hash,
                peer_id: answer.peer_id,
                offer_id: answer.offer_id,
                answer: answer.answer,
            });
        }
        Ok(Request::Scrape(_)) => {}
        Err(failure) => {
            let json = check_json(&Response::Failure(failure));
            assert!(matches!(ServerMessage::parse(&json), Ok(ServerMessage::Failure { .. })), "{json}");
        }
    }
}

/// Whatever a stranger put into it, what the tracker sends is JSON that a peer can take apart.
fn check_json(response: &Response<'_>) -> String {
    let json = response.to_json();
    let read: Result<serde::de::IgnoredAny, _> = serde_json::from_str(&json);
    assert!(read.is_ok(), "{json}");
    let _ = ServerMessage::parse(&json);
    json
}
