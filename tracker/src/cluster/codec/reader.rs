//! From bytes to messages, within bounds. What is announced is not believed before its bytes are there.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use shared::id::{InfoHash, PeerId};
use shared::limits::SDP_MAX;
use shared::tracker::announce::Role;

use super::{
    DecodeError, ENTRIES_MAX, Entry, MAGIC, MESSAGE_MAX, Message, NAME_MAX, NodeId, OFFER_ID_BYTES, Relay,
    TALLY_MAX, Tally, VERSION,
};
use crate::cluster::digest::{Digest, PartDigest};
use crate::swarm::change::{Held, Key, SOCKETS_MAX};

/// Relays in one message: each takes more than 40 bytes.
const RELAYS_MAX: usize = MESSAGE_MAX / 40;

pub(super) fn message(bytes: &[u8]) -> Result<(NodeId, Message), DecodeError> {
    if bytes.len() > MESSAGE_MAX {
        return Err(DecodeError::Long(bytes.len()));
    }
    let mut reader = Reader(bytes);
    if reader.array("the magic")? != MAGIC {
        return Err(DecodeError::Magic);
    }
    match reader.byte("the version")? {
        VERSION => {}
        other => return Err(DecodeError::Version(other)),
    }
    let from = NodeId(u64::from_be_bytes(reader.array("the sender")?));
    let message = match reader.byte("the kind")? {
        0 => Message::Hello {
            seq: reader.number("a sequence number")?,
            name: reader.text("a node's name", NAME_MAX)?,
        },
        1 => Message::Bye,
        2 => Message::Batch { seq: reader.number("a sequence number")?, changes: reader.entries(false)? },
        3 => Message::Digest { seq: reader.number("a sequence number")?, digest: reader.digest()? },
        4 => Message::Tally(reader.tally()?),
        5 => Message::Ask {
            session: reader.number("a session")?,
            parts: u64::from_be_bytes(reader.array("the parts")?),
        },
        6 => Message::Ack {
            session: reader.number("a session")?,
            chunk: reader.number_32("a chunk's number")?,
        },
        7 => Message::Chunk {
            session: reader.number("a session")?,
            number: reader.number_32("a chunk's number")?,
            seq: reader.number("a sequence number")?,
            last: reader.bool("whether it is the last")?,
            members: reader.entries(true)?,
        },
        8 => Message::Relays(reader.relays()?),
        _ => return Err(DecodeError::Value("a kind of message")),
    };
    match reader.0.len() {
        0 => Ok((from, message)),
        rest => Err(DecodeError::Rest(rest)),
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(DecodeError::Ends(what))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(DecodeError::Ends(what))?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        self.array(what).map(|[byte]| byte)
    }

    fn bool(&mut self, what: &'static str) -> Result<bool, DecodeError> {
        match self.byte(what)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Value(what)),
        }
    }

    /// LEB128 in its shortest form.
    fn number(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(what)?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits || (shift > 0 && byte == 0) {
                return Err(DecodeError::Value(what));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Value(what))
    }

    fn number_32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        self.number(what)?.try_into().map_err(|_| DecodeError::Value(what))
    }

    /// How many of something follow.
    fn count(&mut self, what: &'static str, max: usize) -> Result<usize, DecodeError> {
        let got = self.number(what)?;
        let count = usize::try_from(got).ok().filter(|count| *count <= max);
        count.ok_or(DecodeError::Many { what, max, got })
    }

    fn text(&mut self, what: &'static str, max: usize) -> Result<String, DecodeError> {
        let length = self.count(what, max)?;
        let bytes = self.bytes(length, what)?;
        core::str::from_utf8(bytes).map(str::to_owned).map_err(|_| DecodeError::Value(what))
    }

    fn peer_id(&mut self) -> Result<PeerId, DecodeError> {
        self.array("a peer_id").map(PeerId)
    }

    fn info_hash(&mut self) -> Result<InfoHash, DecodeError> {
        self.array("an info-hash").map(InfoHash)
    }

    fn socket(&mut self) -> Result<u64, DecodeError> {
        let socket = self.number("a socket's number")?;
        if socket < SOCKETS_MAX { Ok(socket) } else { Err(DecodeError::Value("a socket's number")) }
    }

    fn entries(&mut self, of_snapshot: bool) -> Result<Vec<Entry>, DecodeError> {
        let runs = self.count("swarms", ENTRIES_MAX)?;
        let mut entries: Vec<Entry> = Vec::new();
        for _ in 0..runs {
            let info_hash = self.info_hash()?;
            if entries.last().is_some_and(|last| *last.key.info_hash() == info_hash) {
                return Err(DecodeError::Value("another swarm than before"));
            }
            match self.count("members", ENTRIES_MAX - entries.len())? {
                0 => return Err(DecodeError::Value("at least one member of a swarm")),
                count => {
                    for _ in 0..count {
                        entries.push(self.entry(info_hash, of_snapshot)?);
                    }
                }
            }
        }
        Ok(entries)
    }

    fn entry(&mut self, info_hash: InfoHash, of_snapshot: bool) -> Result<Entry, DecodeError> {
        let tag = self.byte("a member")?;
        let role = match tag >> 2 {
            0 if !of_snapshot => None,
            3 if !of_snapshot && tag & 3 != 0 => None,
            1 => Some(Role::Leech),
            2 => Some(Role::Seed),
            4 => Some(Role::PartialSeed),
            _ => return Err(DecodeError::Value("a member's role")),
        };
        let ip = match tag & 3 {
            0 => {
                let (socket, peer_id) = (self.socket()?, self.peer_id()?);
                let now = role.map(|role| Held { peer_id, role });
                return Ok(Entry {
                    key: Key::Socket { info_hash, peer_id, socket },
                    now,
                    age: 0,
                    anywhere: false,
                });
            }
            1 => IpAddr::V4(Ipv4Addr::from(self.array("an address")?)),
            2 => IpAddr::V6(Ipv6Addr::from(self.array("an address")?)),
            _ => return Err(DecodeError::Value("a kind of member")),
        };
        if ip.to_canonical() != ip {
            return Err(DecodeError::Value("an IPv4 address as such"));
        }
        let port = u16::from_be_bytes(self.array("a port")?);
        let now = role.map(|role| self.peer_id().map(|peer_id| Held { peer_id, role })).transpose()?;
        let age = if now.is_some() { self.number_32("an age")? } else { 0 };
        let anywhere = tag >> 2 == 3;
        Ok(Entry { key: Key::Address { info_hash, ip, port }, now, age, anywhere })
    }

    fn digest(&mut self) -> Result<Box<Digest>, DecodeError> {
        let mut digest = Box::<Digest>::default();
        for part in &mut digest.0 {
            *part = PartDigest {
                count: u32::from_be_bytes(self.array("a digest")?),
                sum: u64::from_be_bytes(self.array("a digest")?),
            };
        }
        Ok(digest)
    }

    fn tally(&mut self) -> Result<Tally, DecodeError> {
        let mut tally = Tally::default();
        for _ in 0..self.count("addresses", TALLY_MAX)? {
            let network = u128::from_be_bytes(self.array("an address")?);
            if tally.sockets.last().is_some_and(|(last, _)| *last >= network) {
                return Err(DecodeError::Value("addresses in ascending order"));
            }
            tally.sockets.push((network, self.number_32("a number of sockets")?));
        }
        for buckets in [&mut tally.requests, &mut tally.messages] {
            for _ in 0..self.count("buckets", TALLY_MAX)? {
                let bucket = u16::from_be_bytes(self.array("a bucket")?);
                if buckets.last().is_some_and(|(last, _)| *last >= bucket) {
                    return Err(DecodeError::Value("buckets in ascending order"));
                }
                buckets.push((bucket, self.number_32("how many a bucket let through")?));
            }
        }
        Ok(tally)
    }

    fn relays(&mut self) -> Result<Vec<Relay>, DecodeError> {
        let count = self.count("relays", RELAYS_MAX)?;
        let mut relays = Vec::new();
        for _ in 0..count {
            let is_answer = self.bool("an offer or an answer")?;
            let (to, from) = (self.socket()?, self.socket()?);
            let (info_hash, peer_id) = (self.info_hash()?, self.peer_id()?);
            let answers = is_answer.then(|| self.peer_id()).transpose()?;
            let offer_id = self.text("an offer_id", OFFER_ID_BYTES)?;
            let payload = self.text("an offer or an answer", SDP_MAX)?;
            relays.push(Relay { to, from, info_hash, peer_id, answers, offer_id, payload });
        }
        Ok(relays)
    }
}
