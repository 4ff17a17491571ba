//! How a willing peer says, every few seconds, how far it is: a message of our own.
//!
//! Our tracker asks for it, with `{"action":"piecemeal","reports":3}`, and only those who call themselves `-PM…-` (BEP 20);
//! only then, and only to trackers that the host trusts with it, a peer sends
//! `{"action":"report",…}`. Other trackers and peers never see either. It is for display: nothing is decided by it.

use core::fmt::Write as _;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::binary;
use super::client::{bytes, hash, string};
use crate::id::{InfoHash, PeerId};
use crate::limits;

/// First bytes of the peer_ids of those who understand an [`invitation`].
pub const UNDERSTANDS: &[u8] = b"-PM";

/// Where a peer stands in one torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which torrent.
    pub info_hash: InfoHash,
    /// What the peer calls itself.
    pub peer_id: PeerId,
    /// Payload bytes from peers and web seeds.
    pub downloaded: u64,
    /// Payload bytes to peers.
    pub uploaded: u64,
    /// Pieces verified and written.
    pub pieces_done: u32,
    /// Pieces of the torrent, 0 while that is not known.
    pub pieces: u32,
    /// Bytes of the torrent, 0 while that is not known.
    pub size: u64,
    /// Payload bytes a second from peers and web seeds.
    pub down_rate: u64,
    /// Payload bytes a second to peers.
    pub up_rate: u64,
    /// Of [`Report::down_rate`], what comes from web seeds.
    pub web_rate: u64,
    /// Its node of the distributed hash table.
    pub dht: DhtState,
    /// Peers that this node knows.
    pub dht_peers: u32,
    /// How it stands with the trackers of the torrent.
    pub tracker: TrackerLink,
    /// Whom it exchanges bytes with, the fastest [`limits::REPORT_PEERS_MAX`].
    pub exchanges: Vec<Exchange>,
}

/// Where a node of the distributed hash table stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DhtState {
    /// There is none.
    #[default]
    Off,
    /// It looks for others.
    Joining,
    /// It knows others.
    On,
}

/// How a peer stands with its trackers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrackerLink {
    /// None has answered yet.
    #[default]
    Connecting,
    /// At least one answered the last announce.
    Working,
    /// None answers.
    Unreachable,
}

/// What two peers exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The other.
    pub peer_id: PeerId,
    /// How it is reached.
    pub path: Path,
    /// Payload bytes a second from it.
    pub down: u64,
    /// Payload bytes a second to it.
    pub up: u64,
}

/// How a peer is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// A WebRTC data channel.
    Webrtc,
    /// TCP.
    Tcp,
}

/// What the tracker sends to have reports every so often; zero ends them.
pub fn invitation(every: Duration) -> String {
    format!(r#"{{"action":"piecemeal","reports":{}}}"#, every.as_secs())
}

impl Report {
    /// The message as it is sent.
    pub fn to_json(&self) -> String {
        let mut json = String::with_capacity(384 + 96 * self.exchanges.len());
        json.push_str(r#"{"action":"report","info_hash":"#);
        binary::write_json(&mut json, &self.info_hash.0);
        json.push_str(r#","peer_id":"#);
        binary::write_json(&mut json, &self.peer_id.0);
        let Self { downloaded, uploaded, pieces_done, pieces, size, down_rate, up_rate, web_rate, .. } = self;
        let word = |value: Result<String, _>| value.unwrap_or_default();
        let (dht, tracker) =
            (word(serde_json::to_string(&self.dht)), word(serde_json::to_string(&self.tracker)));
        let _ = write!(
            json,
            r#","downloaded":{downloaded},"uploaded":{uploaded},"pieces_done":{pieces_done},"pieces":{pieces},"size":{size},"down_rate":{down_rate},"up_rate":{up_rate},"web_rate":{web_rate},"dht":{dht},"dht_peers":{},"tracker":{tracker},"exchanges":["#,
            self.dht_peers
        );
        for (number, exchange) in self.exchanges.iter().take(limits::REPORT_PEERS_MAX).enumerate() {
            json.push_str(if number == 0 { r#"{"peer_id":"# } else { r#",{"peer_id":"# });
            binary::write_json(&mut json, &exchange.peer_id.0);
            let Exchange { down, up, path, .. } = exchange;
            let path = word(serde_json::to_string(path));
            let _ = write!(json, r#","path":{path},"down":{down},"up":{up}}}"#);
        }
        json.push_str("]}");
        json
    }

    /// Reads a report; `None` of everything else, and of one that names more than it may. What is missing is nothing.
    pub fn parse(text: &str) -> Option<Self> {
        // A sequence would be read as the fields in order.
        if text.len() > limits::REPORT_MAX || !text.trim_start().starts_with('{') {
            return None;
        }
        let fields: Fields<'_> = serde_json::from_str(text).ok()?;
        if string(fields.action).as_deref() != Some("report")
            || fields.exchanges.len() > limits::REPORT_PEERS_MAX
        {
            return None;
        }
        let exchanges = fields.exchanges.into_iter().map(|exchange| {
            let peer_id = PeerId(bytes(exchange.peer_id)?);
            Some(Exchange { peer_id, path: exchange.path, down: exchange.down, up: exchange.up })
        });
        Some(Self {
            info_hash: hash(fields.info_hash)?,
            peer_id: PeerId(bytes(fields.peer_id)?),
            downloaded: fields.downloaded,
            uploaded: fields.uploaded,
            pieces_done: fields.pieces_done.min(fields.pieces),
            pieces: fields.pieces,
            size: fields.size,
            down_rate: fields.down_rate,
            up_rate: fields.up_rate,
            web_rate: fields.web_rate,
            dht: fields.dht,
            dht_peers: fields.dht_peers,
            tracker: fields.tracker,
            exchanges: exchanges.collect::<Option<_>>()?,
        })
    }
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default)]
    action: Option<&'a RawValue>,
    #[serde(borrow, default)]
    info_hash: Option<&'a RawValue>,
    #[serde(borrow, default)]
    peer_id: Option<&'a RawValue>,
    #[serde(default)]
    downloaded: u64,
    #[serde(default)]
    uploaded: u64,
    #[serde(default)]
    pieces_done: u32,
    #[serde(default)]
    pieces: u32,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    down_rate: u64,
    #[serde(default)]
    up_rate: u64,
    #[serde(default)]
    web_rate: u64,
    #[serde(default)]
    dht: DhtState,
    #[serde(default)]
    dht_peers: u32,
    #[serde(default)]
    tracker: TrackerLink,
    #[serde(borrow, default)]
    exchanges: Vec<ExchangeFields<'a>>,
}

#[derive(Deserialize)]
struct ExchangeFields<'a> {
    #[serde(borrow, default)]
    peer_id: Option<&'a RawValue>,
    path: Path,
    #[serde(default)]
    down: u64,
    #[serde(default)]
    up: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn report(numbers: [u64; 6], ids: ([u8; 20], [u8; 20]), exchanges: usize) -> Report {
        let [downloaded, uploaded, size, down_rate, up_rate, web_rate] = numbers;
        let exchange = |number: usize| Exchange {
            peer_id: PeerId([number as u8; 20]),
            path: if number.is_multiple_of(2) { Path::Webrtc } else { Path::Tcp },
            down: downloaded,
            up: number as u64,
        };
        Report {
            info_hash: InfoHash(ids.0),
            peer_id: PeerId(ids.1),
            downloaded,
            uploaded,
            pieces_done: 3,
            pieces: 4,
            size,
            down_rate,
            up_rate,
            web_rate,
            dht: DhtState::On,
            dht_peers: 7,
            tracker: TrackerLink::Working,
            exchanges: (0..exchanges).map(exchange).collect(),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(numbers: [u64; 6], ids: ([u8; 20], [u8; 20]), exchanges in 0..=limits::REPORT_PEERS_MAX) {
            let report = report(numbers, ids, exchanges);
            prop_assert_eq!(Report::parse(&report.to_json()), Some(report));
        }
    }

    #[test]
    fn the_longest_report_is_within_its_bound() {
        // Control characters take the most room.
        let mut longest = report([u64::MAX; 6], ([1; 20], [2; 20]), limits::REPORT_PEERS_MAX);
        longest.exchanges.iter_mut().for_each(|exchange| exchange.up = u64::MAX);
        assert!(longest.to_json().len() <= limits::REPORT_MAX, "{}", longest.to_json().len());
    }

    #[test]
    fn what_is_no_report_is_none() {
        let whole = report([1; 6], ([b'a'; 20], [b'b'; 20]), 2).to_json();
        for length in 0..whole.len() {
            assert_eq!(whole.get(..length).and_then(Report::parse), None, "{length}");
        }
        let changed = |from: &str, to: &str| {
            assert!(whole.contains(from), "{from}");
            Report::parse(&whole.replace(from, to))
        };
        for (from, to) in [
            ("\"report\"", "\"announce\""),
            ("\"size\":1", "\"size\":-1"),
            ("\"size\":1", "\"size\":null"),
            ("\"pieces\":4", "\"pieces\":4294967296"),
            ("aaaaaaaaaaaaaaaaaaaa", "short"),
            ("\"webrtc\"", "\"pigeon\""),
            ("\"exchanges\":[", "\"exchanges\":[null,"),
        ] {
            assert_eq!(changed(from, to), None, "{to}");
        }
        let lying = changed("\"pieces_done\":3", "\"pieces_done\":9").unwrap();
        assert_eq!(lying.pieces_done, 4, "nobody has more than there is");
        let crowd = format!(
            "[{}",
            r#"{"peer_id":"bbbbbbbbbbbbbbbbbbbb","path":"tcp"},"#.repeat(limits::REPORT_PEERS_MAX)
        );
        assert_eq!(changed("\"exchanges\":[", &format!("\"exchanges\":{crowd}")), None);
        for text in ["", "[]", "{}", "null", "{\"action\":\"report\"}", &"[".repeat(10_000)] {
            assert_eq!(Report::parse(text), None, "{text:.20}");
        }
        let least =
            r#"{"action":"report","info_hash":"aaaaaaaaaaaaaaaaaaaa","peer_id":"bbbbbbbbbbbbbbbbbbbb"}"#;
        assert_eq!(Report::parse(least).map(|report| (report.dht, report.size)), Some((DhtState::Off, 0)));
    }
}
