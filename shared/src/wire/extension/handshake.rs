use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ExtensionError;
use crate::bencode::{Dictionary, Order, Value, Writer, decode_prefix};

/// Ids by which a side wants to be sent the extensions that we know; `None` where it does not speak one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// `ut_metadata` (BEP 9).
    pub metadata: Option<u8>,
    /// `ut_pex` (BEP 11).
    pub pex: Option<u8>,
    /// `lt_donthave`.
    pub donthave: Option<u8>,
}

impl Ids {
    /// What we want to be sent.
    pub const OURS: Self = Self { metadata: Some(1), pex: None, donthave: Some(2) };

    /// What we want to be sent by a peer over TCP of a torrent that is not private.
    pub const WITH_PEX: Self = Self { pex: Some(3), ..Self::OURS };
}

/// The extension handshake (BEP 10). What a stock peer leaves out is `None` or `false`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtendedHandshake {
    /// `m`: by which ids the sender wants to be sent what. Names that we do not know are left out.
    pub ids: Ids,
    /// `metadata_size`: length of the info dictionary in bytes (BEP 9), if the sender has it. At least 1; not yet
    /// held against [`crate::limits::METADATA_MAX`].
    pub metadata_size: Option<u64>,
    /// `reqq`: requests that the sender queues. At least 1.
    pub reqq: Option<u32>,
    /// `v`: program and version, in the sender's words; at most [`crate::limits::CLIENT_NAME_MAX`] characters, controls
    /// taken out.
    pub version: Option<String>,
    /// `p`: TCP port on which the sender listens.
    pub port: Option<u16>,
    /// `yourip`: the receiver's address as the sender sees it.
    pub your_ip: Option<IpAddr>,
    /// `upload_only`: the sender wants nothing (BEP 21).
    pub upload_only: bool,
}

impl ExtendedHandshake {
    /// Appends the payload of the message (id 0).
    pub fn encode(&self, out: &mut Vec<u8>) {
        Writer::new(out).dictionary(|entries| {
            entries.key("m").dictionary(|names| {
                let Ids { metadata, pex, donthave } = self.ids;
                for (name, id) in [("lt_donthave", donthave), ("ut_metadata", metadata), ("ut_pex", pex)] {
                    if let Some(id) = id {
                        names.key(name).integer(id);
                    }
                }
            });
            if let Some(size) = self.metadata_size {
                entries.key("metadata_size").integer(size);
            }
            if let Some(port) = self.port {
                entries.key("p").integer(port);
            }
            if let Some(reqq) = self.reqq {
                entries.key("reqq").integer(reqq);
            }
            if self.upload_only {
                entries.key("upload_only").integer(1);
            }
            if let Some(version) = &self.version {
                entries.key("v").bytes(version);
            }
            match self.your_ip {
                Some(IpAddr::V4(ip)) => entries.key("yourip").bytes(ip.octets()),
                Some(IpAddr::V6(ip)) => entries.key("yourip").bytes(ip.octets()),
                None => {}
            }
        });
    }

    /// Reads the payload of the message (id 0). Keys that we do not know, numbers out of range and whatever follows
    /// the dictionary are passed over, because stock clients send all three; a known key of the wrong kind is an
    /// error.
    pub fn decode(payload: &[u8]) -> Result<Self, ExtensionError> {
        let (value, _) = decode_prefix(payload, Order::Any)?;
        let dictionary = value.dictionary().ok_or_else(|| ExtensionError::NotADictionary(value.kind()))?;
        let integer = |key: &'static str| integer(dictionary, key);
        let bytes = |key: &'static str| bytes(dictionary, key);
        Ok(Self {
            ids: ids(dictionary)?,
            metadata_size: integer("metadata_size")?
                .and_then(|size| u64::try_from(size).ok())
                .filter(|size| *size > 0),
            reqq: integer("reqq")?
                .filter(|reqq| *reqq > 0)
                .map(|reqq| u32::try_from(reqq).unwrap_or(u32::MAX)),
            version: bytes("v")?.map(crate::wire::client::printable),
            port: integer("p")?.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0),
            your_ip: bytes("yourip")?.and_then(address),
            upload_only: integer("upload_only")?.is_some_and(|flag| flag != 0),
        })
    }
}

fn ids(dictionary: Dictionary<'_>) -> Result<Ids, ExtensionError> {
    let mut ids = Ids::default();
    let Some(value) = dictionary.get(b"m") else { return Ok(ids) };
    let names = value.dictionary().ok_or_else(|| wrong("m", "a dictionary", value))?;
    for (name, value) in names {
        let slot = match name {
            b"ut_metadata" => &mut ids.metadata,
            b"ut_pex" => &mut ids.pex,
            b"lt_donthave" => &mut ids.donthave,
            _ => continue,
        };
        // 0 takes an extension back (BEP 10).
        let id = value.integer().ok_or_else(|| wrong("m", "an integer for each name", value))?;
        *slot = u8::try_from(id).ok().filter(|id| *id > 0);
    }
    Ok(ids)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|octets| Ipv6Addr::from(octets).into())
}

fn integer(dictionary: Dictionary<'_>, key: &'static str) -> Result<Option<i64>, ExtensionError> {
    let Some(value) = dictionary.get(key.as_bytes()) else { return Ok(None) };
    value.integer().map(Some).ok_or_else(|| wrong(key, "an integer", value))
}

fn bytes<'a>(dictionary: Dictionary<'a>, key: &'static str) -> Result<Option<&'a [u8]>, ExtensionError> {
    let Some(value) = dictionary.get(key.as_bytes()) else { return Ok(None) };
    value.bytes().map(Some).ok_or_else(|| wrong(key, "a byte string", value))
}

fn wrong(key: &'static str, expected: &'static str, value: Value<'_>) -> ExtensionError {
    ExtensionError::Value { key, expected, got: value.kind().to_owned() }
}
