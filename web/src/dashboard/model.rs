//! What the tracker tells of itself, as `/api/live` and `/api/swarms/…` have it. What is missing is nothing.

use std::collections::VecDeque;

use serde::Deserialize;

/// Samples that the charts show: two minutes.
pub const WINDOW: usize = 120;

/// Events that are kept on the page.
pub const EVENTS: usize = 500;

/// How a dashboard is begun with.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Beginning {
    /// The last two minutes, where they were noted.
    pub history: Vec<Numbers>,
    /// The latest, oldest first.
    pub events: Vec<Event>,
}

/// All numbers at one moment; rates are of the second before.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Numbers {
    /// Milliseconds since 1970, by the server's clock.
    pub at: u64,
    /// Since the server started.
    pub uptime_seconds: u64,
    /// In any swarm.
    pub peers: u64,
    /// Those that have everything they take part in.
    pub seeds: u64,
    /// Swarms.
    pub torrents: u64,
    /// Open WebSockets of peers.
    pub web_sockets: u64,
    /// Open connections of all kinds.
    pub connections: u64,
    /// Downloads of `/files/` under way.
    pub http_streams: u64,
    /// Connections that speak HTTP/1.1.
    pub http1_connections: u64,
    /// Connections that speak HTTP/2.
    pub http2_connections: u64,
    /// A second, by frontend.
    pub announces: Vec<Named>,
    /// Bytes a second that the server sends, by protocol.
    pub egress: Vec<Named>,
    /// Bytes that the server sent, by protocol.
    pub egress_total: Vec<Named>,
    /// Bytes a second that reporting peers give each other.
    pub peer_rate: u64,
    /// Bytes that they gave each other.
    pub peer_bytes: u64,
    /// How many report.
    pub reporting: u64,
    /// Seconds of a median announce; `None` if there was none.
    #[serde(rename = "latencyP50")]
    pub latency_p50: Option<f64>,
    /// Seconds that one announce in a hundred takes longer than.
    #[serde(rename = "latencyP99")]
    pub latency_p99: Option<f64>,
    /// The part of the offers that was answered; `None` if none came to an end.
    pub answered: Option<f64>,
    /// Relayed offers a second.
    pub offers: f64,
    /// What was refused or lost a second.
    pub errors: f64,
    /// What was refused or lost.
    pub errors_total: u64,
    /// The largest swarms.
    pub swarms: Vec<SwarmCounts>,
    /// What happened in this second.
    pub events: Vec<Event>,
}

/// A number with a name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Named {
    /// Of a protocol or frontend.
    pub name: String,
    /// Of which unit, its place says.
    pub value: f64,
}

/// A swarm, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SwarmCounts {
    /// In hexadecimal.
    pub info_hash: String,
    /// Members that have everything.
    pub seeds: u64,
    /// Others.
    pub leeches: u64,
}

/// Something that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Event {
    /// Counts up by one.
    pub number: u64,
    /// Milliseconds since 1970, by the server's clock.
    pub at: u64,
    /// `joined`, `left`, `completed`, `refused`, `closed`, `download`, `certificate`, `node`, `tracker`.
    pub kind: String,
    /// In words.
    pub text: String,
    /// The swarm that it is about.
    pub swarm: Option<String>,
    /// Others like it that were left out before it.
    pub left_out: u64,
}

/// One swarm as a picture.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Swarm {
    /// In hexadecimal.
    pub info_hash: String,
    /// Members that have everything.
    pub seeds: u64,
    /// Others.
    pub leeches: u64,
    /// Those of the others that want no more.
    pub partial_seeds: u64,
    /// Some of them, if there are many.
    pub peers: Vec<Peer>,
    /// What is on its way between them.
    pub flows: Vec<Flow>,
}

/// One member.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Peer {
    /// Of this run of the server.
    pub id: String,
    /// `websocket`, `address` or `server`.
    pub kind: String,
    /// Program and version.
    pub client: String,
    /// Whether it has everything.
    pub seed: bool,
    /// 0 to 1, if it is known.
    pub progress: Option<f64>,
    /// What it says of itself, if it does.
    pub report: Option<Report>,
}

/// What a peer says of itself.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Report {
    /// Bytes.
    pub downloaded: u64,
    /// Bytes.
    pub uploaded: u64,
    /// Pieces that it has.
    pub pieces_done: u64,
    /// Of so many.
    pub pieces: u64,
    /// Bytes of the torrent.
    pub size: u64,
    /// Bytes a second.
    pub down_rate: u64,
    /// Bytes a second.
    pub up_rate: u64,
    /// Uploaded by downloaded.
    pub ratio: Option<f64>,
    /// `off`, `joining` or `on`.
    pub dht: String,
    /// Peers that its node knows.
    pub dht_peers: u64,
    /// `working`, `connecting` or `unreachable`.
    pub tracker: String,
}

/// Bytes on their way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Flow {
    /// [`Peer::id`], or `server`.
    pub from: String,
    /// [`Peer::id`].
    pub to: String,
    /// Bytes a second.
    pub rate: u64,
    /// `webrtc`, `tcp` or `http`.
    pub path: String,
}

/// The value of one name.
pub fn named(of: &[Named], name: &str) -> f64 {
    of.iter().filter(|one| one.name == name).map(|one| one.value).sum()
}

/// All of them.
pub fn sum(of: &[Named]) -> f64 {
    of.iter().map(|one| one.value).sum()
}

/// The numbers of the last two minutes; seconds without any are not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past(VecDeque<Numbers>);

impl Past {
    /// Adds the newest. Numbers that are not newer are those of a server that was started again: then nothing that came before
    /// counts.
    pub fn push(&mut self, mut numbers: Numbers) {
        if self.0.back().is_some_and(|last| numbers.uptime_seconds < last.uptime_seconds) {
            self.0.clear();
        }
        numbers.events = Vec::new();
        if self.0.len() == WINDOW {
            self.0.pop_front();
        }
        self.0.push_back(numbers);
    }

    /// One value of each, oldest first.
    pub fn series(&self, value: impl Fn(&Numbers) -> f64) -> Vec<f64> {
        self.0.iter().map(value).collect()
    }

    /// The newest.
    pub fn last(&self) -> Option<&Numbers> {
        self.0.back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_what_is_missing_is_nothing() {
        let text =
            r#"{"at":5,"peers":3,"latencyP99":0.001,"announces":[{"name":"http","value":2.5}],"new":1}"#;
        let numbers: Numbers = serde_json::from_str(text).expect("numbers");
        assert_eq!((numbers.peers, numbers.latency_p99, numbers.answered), (3, Some(0.001), None));
        assert!((named(&numbers.announces, "http") - 2.5).abs() < f64::EPSILON);
        assert!(named(&numbers.announces, "udp") == 0.0);
    }

    #[test]
    fn the_past_is_bounded_and_ends_with_a_restart() {
        let mut past = Past::default();
        for second in 0..200 {
            past.push(Numbers { uptime_seconds: second, ..Numbers::default() });
        }
        assert_eq!(past.series(|numbers| numbers.uptime_seconds as f64).len(), WINDOW);
        past.push(Numbers::default());
        assert_eq!(past.series(|_| 0.0).len(), 1);
    }
}
