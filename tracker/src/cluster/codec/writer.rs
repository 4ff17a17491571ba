//! From messages to bytes.

use core::net::IpAddr;

use shared::tracker::announce::Role;

use super::{
    ENTRIES_MAX, Entry, MAGIC, Message, NAME_MAX, NodeId, OFFER_ID_BYTES, Relay, TALLY_MAX, Tally, VERSION,
};
use crate::swarm::change::Key;

pub(super) fn message(from: NodeId, message: &Message) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(&MAGIC);
    bytes.push(VERSION);
    bytes.extend_from_slice(&from.0.to_be_bytes());
    match message {
        Message::Hello { seq, name } => {
            bytes.push(0);
            number(&mut bytes, *seq);
            text(&mut bytes, &name[..name.floor_char_boundary(NAME_MAX)]);
        }
        Message::Bye => bytes.push(1),
        Message::Batch { seq, changes } => {
            bytes.push(2);
            number(&mut bytes, *seq);
            entries(&mut bytes, changes);
        }
        Message::Digest { seq, digest } => {
            bytes.push(3);
            number(&mut bytes, *seq);
            for part in &digest.0 {
                bytes.extend_from_slice(&part.count.to_be_bytes());
                bytes.extend_from_slice(&part.sum.to_be_bytes());
            }
        }
        Message::Tally(it) => {
            bytes.push(4);
            tally(&mut bytes, it);
        }
        Message::Ask { session, parts } => {
            bytes.push(5);
            number(&mut bytes, *session);
            bytes.extend_from_slice(&parts.to_be_bytes());
        }
        Message::Ack { session, chunk } => {
            bytes.push(6);
            number(&mut bytes, *session);
            number(&mut bytes, u64::from(*chunk));
        }
        Message::Chunk { session, number: at, seq, last, members } => {
            bytes.push(7);
            number(&mut bytes, *session);
            number(&mut bytes, u64::from(*at));
            number(&mut bytes, *seq);
            bytes.push(u8::from(*last));
            entries(&mut bytes, members);
        }
        Message::Relays(relays) => {
            bytes.push(8);
            number(&mut bytes, relays.len() as u64);
            for it in relays {
                relay(&mut bytes, it);
            }
        }
    }
    bytes
}

fn number(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    number(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

/// Runs of members of one swarm each.
fn entries(bytes: &mut Vec<u8>, entries: &[Entry]) {
    let entries = &entries[..entries.len().min(ENTRIES_MAX)];
    let runs = || entries.chunk_by(|a, b| a.key.info_hash() == b.key.info_hash());
    number(bytes, runs().count() as u64);
    for run in runs() {
        let Some(first) = run.first() else { continue };
        bytes.extend_from_slice(&first.key.info_hash().0);
        number(bytes, run.len() as u64);
        for it in run {
            entry(bytes, it);
        }
    }
}

fn entry(bytes: &mut Vec<u8>, entry: &Entry) {
    let role = match entry.now {
        None => 3 * u8::from(entry.anywhere),
        Some(held) => match held.role {
            Role::Leech => 1,
            Role::Seed => 2,
            Role::PartialSeed => 4,
        },
    } << 2;
    match &entry.key {
        Key::Socket { peer_id, socket, .. } => {
            bytes.push(if entry.now.is_some() { role } else { 0 });
            number(bytes, *socket);
            bytes.extend_from_slice(&peer_id.0);
            return;
        }
        Key::Address { ip: IpAddr::V4(ip), port, .. } => {
            bytes.push(role | 1);
            bytes.extend_from_slice(&ip.octets());
            bytes.extend_from_slice(&port.to_be_bytes());
        }
        Key::Address { ip: IpAddr::V6(ip), port, .. } => {
            bytes.push(role | 2);
            bytes.extend_from_slice(&ip.octets());
            bytes.extend_from_slice(&port.to_be_bytes());
        }
    }
    if let Some(held) = &entry.now {
        bytes.extend_from_slice(&held.peer_id.0);
        number(bytes, u64::from(entry.age));
    }
}

fn tally(bytes: &mut Vec<u8>, tally: &Tally) {
    let sockets = &tally.sockets[..tally.sockets.len().min(TALLY_MAX)];
    number(bytes, sockets.len() as u64);
    for (network, count) in sockets {
        bytes.extend_from_slice(&network.to_be_bytes());
        number(bytes, u64::from(*count));
    }
    for buckets in [&tally.requests, &tally.messages] {
        let buckets = &buckets[..buckets.len().min(TALLY_MAX)];
        number(bytes, buckets.len() as u64);
        for (bucket, count) in buckets {
            bytes.extend_from_slice(&bucket.to_be_bytes());
            number(bytes, u64::from(*count));
        }
    }
}

fn relay(bytes: &mut Vec<u8>, relay: &Relay) {
    bytes.push(u8::from(relay.answers.is_some()));
    number(bytes, relay.to);
    number(bytes, relay.from);
    bytes.extend_from_slice(&relay.info_hash.0);
    bytes.extend_from_slice(&relay.peer_id.0);
    if let Some(answers) = &relay.answers {
        bytes.extend_from_slice(&answers.0);
    }
    text(bytes, &relay.offer_id[..relay.offer_id.floor_char_boundary(OFFER_ID_BYTES)]);
    text(bytes, &relay.payload);
}
