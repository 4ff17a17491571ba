//! What a comparison found, in the shape of `--json`: bytes, seconds, and bytes a second throughout.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One way for the same bytes to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Lane {
    /// HTTP/1.1 in clear.
    #[serde(rename = "http1")]
    Http1,
    /// HTTP/2 in clear, with prior knowledge.
    #[serde(rename = "h2c")]
    H2c,
    /// BitTorrent over TCP, in clear.
    #[serde(rename = "bt-tcp")]
    BtTcp,
    /// HTTP/1.1 over TLS.
    #[serde(rename = "http1-tls")]
    Http1Tls,
    /// HTTP/2 over TLS, by ALPN.
    #[serde(rename = "http2")]
    Http2,
    /// BitTorrent over WebRTC data channels: always DTLS.
    #[serde(rename = "bt-webrtc")]
    BtWebRtc,
    /// A web seed and the swarm at once.
    #[serde(rename = "hybrid")]
    Hybrid,
}

impl Lane {
    /// All of them: those in clear, those that are encrypted, and both at once.
    pub const ALL: [Self; 7] =
        [Self::Http1, Self::H2c, Self::BtTcp, Self::Http1Tls, Self::Http2, Self::BtWebRtc, Self::Hybrid];

    /// As in `--json` and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::H2c => "h2c",
            Self::BtTcp => "bt-tcp",
            Self::Http1Tls => "http1-tls",
            Self::Http2 => "http2",
            Self::BtWebRtc => "bt-webrtc",
            Self::Hybrid => "hybrid",
        }
    }

    /// As people say it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::H2c => "HTTP/2 (h2c)",
            Self::BtTcp => "BitTorrent, TCP",
            Self::Http1Tls => "HTTP/1.1, TLS",
            Self::Http2 => "HTTP/2, TLS",
            Self::BtWebRtc => "BitTorrent, WebRTC",
            Self::Hybrid => "Hybrid",
        }
    }

    /// Whether bytes are encrypted on the way. Only lanes that agree in this may be judged beside each other.
    pub const fn is_encrypted(self) -> bool {
        matches!(self, Self::Http1Tls | Self::Http2 | Self::BtWebRtc)
    }

    /// Whether a web server alone sends.
    pub const fn is_http(self) -> bool {
        matches!(self, Self::Http1 | Self::Http1Tls | Self::H2c | Self::Http2)
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no lane of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of http1, h2c, bt-tcp, http1-tls, http2, bt-webrtc, hybrid, got {0:?}")]
pub struct UnknownLane(pub String);

impl FromStr for Lane {
    type Err = UnknownLane;

    fn from_str(text: &str) -> Result<Self, UnknownLane> {
        Self::ALL.into_iter().find(|lane| lane.name() == text).ok_or_else(|| UnknownLane(text.to_owned()))
    }
}

/// Which server an HTTP lane asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Site {
    /// The tracker, or whatever is in its place.
    #[default]
    Tracker,
    /// nginx, which serves the same files.
    Nginx,
}

impl Site {
    /// As in CSV.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tracker => "tracker",
            Self::Nginx => "nginx",
        }
    }
}

/// Everything that a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Where and how it was measured.
    pub environment: Environment,
    /// One transfer to one receiver each; warm-ups are not among them.
    pub runs: Vec<Run>,
    /// One transfer to many receivers each.
    pub receivers: Vec<Receivers>,
    /// The same transfers from another server, if one was asked for: see [`Environment::beside`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Run>,
}

/// Where and how it was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Version of this program.
    pub version: String,
    /// When it began, seconds since 1970.
    pub started: u64,
    /// Operating system and kernel.
    pub system: String,
    /// Model of the processor.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Which server answered: the tracker's executable or a URL.
    pub server: String,
    /// The other server, as it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
    /// Seed of contents and order.
    pub seed: u64,
    /// Transfers at once; each run moves that many files of `size`, and its figures are of all of them.
    pub parallel: u32,
    /// Whether each side ran in a network namespace of its own; if not, wire bytes below our code are modelled.
    pub namespaces: bool,
    /// Largest IP packet of the link, bytes.
    pub mtu: u32,
    /// What was the same for every lane, one sentence each.
    pub held_equal: Vec<String>,
    /// Receive windows, one sentence a lane: they govern a download.
    pub windows: Vec<String>,
    /// What was modelled rather than measured, one sentence each.
    pub modelled: Vec<String>,
    /// What to keep in mind when reading, one sentence each.
    pub caveats: Vec<String>,
}

/// One transfer to one receiver. What could not be had is absent (`null`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Which way it went.
    pub lane: Lane,
    /// Size of the file, bytes.
    pub size: u64,
    /// Number among the runs of its lane and size, from 1.
    pub run: u32,
    /// Whether every byte arrived and the hash was right.
    pub ok: bool,
    /// What went wrong, one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// From before the connection was opened to the last byte checked and written.
    pub seconds: Option<f64>,
    /// From before the connection was opened to the first byte of the content.
    pub ttfb_seconds: Option<f64>,
    /// Bytes of content a second.
    pub goodput: Option<f64>,
    /// Bytes that the server's side put on the wire, all layers.
    pub server_egress: Option<u64>,
    /// Processor time, user and system.
    pub cpu_seconds: Option<CpuSeconds>,
    /// Bytes on the wire.
    pub wire: Option<Wire>,
}

/// Processor seconds of both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuSeconds {
    /// All processes of the sending side.
    pub server: f64,
    /// The receiving process.
    pub client: f64,
}

/// Bytes on the wire in both directions, by layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wire {
    /// The content itself, once.
    pub payload: u64,
    /// Headers and framing above TLS or DTLS: HTTP, BitTorrent, signalling; content that came more than once.
    pub application: u64,
    /// TLS, handshakes included; DTLS: record headers, nonces, tags.
    pub security: u64,
    /// TCP, or SCTP and UDP: headers, and whatever was sent again. Over WebRTC also STUN, the handshake of DTLS, and
    /// SCTP's acknowledgements and what it sent again.
    pub transport: u64,
    /// IP headers.
    pub network: u64,
    /// Ethernet headers, and ARP.
    pub link_layer: u64,
    /// Bytes that TCP sent again; contained in the parts above.
    pub retransmits: u64,
    /// All parts but `retransmits`.
    pub sum: u64,
    /// What the link's own counter says, both directions.
    pub link: u64,
    /// Of `link`, what the client sent.
    pub sent: u64,
    /// Of `link`, what the client received.
    pub received: u64,
    /// Whether there was a link to count on. If not, everything below our own code is modelled, and `link` is `sum`.
    pub measured: bool,
}

impl Wire {
    /// The parts in the order of their layers, with their names.
    pub const fn parts(&self) -> [(&'static str, u64); 6] {
        [
            ("payload", self.payload),
            ("application", self.application),
            ("security", self.security),
            ("transport", self.transport),
            ("network", self.network),
            ("link layer", self.link_layer),
        ]
    }

    /// Bytes by which the parts miss the link's counter.
    pub const fn discrepancy(&self) -> u64 {
        self.sum.abs_diff(self.link)
    }

    /// Whether the parts add up: within 1 % of the link's counter, or within 1 kB where that is more.
    pub const fn adds_up(&self) -> bool {
        let percent = self.link / 100;
        self.discrepancy() <= if percent > 1_000 { percent } else { 1_000 }
    }
}

/// Who sends to many receivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The server, to each.
    ClientServer,
    /// The server and every receiver.
    P2p,
}

impl Mode {
    /// As in `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientServer => "client-server",
            Self::P2p => "p2p",
        }
    }
}

/// One transfer to many receivers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receivers {
    /// Who sends.
    pub mode: Mode,
    /// Which way it went.
    pub lane: Lane,
    /// Receivers.
    pub n: u32,
    /// Size of the file, bytes.
    pub size: u64,
    /// Whether every receiver got every byte.
    pub ok: bool,
    /// What went wrong, one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Until the last receiver was done.
    pub seconds_last: Option<f64>,
    /// Until the median receiver was done.
    pub seconds_median: Option<f64>,
    /// Bytes that the server put on the wire, all layers.
    pub server_egress: Option<u64>,
    /// What no scheme of this mode can beat: D_cs or D_p2p, from shaped rates less the share of headers in full
    /// TCP segments.
    pub bound_seconds: f64,
    /// Shaped rate of the server's uplink, bytes a second on the wire.
    pub server_uplink: u64,
    /// Shaped rate of each receiver's uplink, bytes a second on the wire.
    pub receiver_uplink: u64,
    /// Shaped rate of each receiver's downlink, bytes a second on the wire.
    pub receiver_downlink: u64,
    /// Pieces of the torrent; 0 for client-server.
    pub pieces: u32,
}

impl Receivers {
    /// Completion time of the last receiver over the bound, from 1.
    pub fn over_bound(&self) -> Option<f64> {
        self.seconds_last.map(|seconds| seconds / self.bound_seconds)
    }

    /// Server egress in copies of the file.
    pub fn copies(&self) -> Option<f64> {
        self.server_egress.map(|bytes| bytes as f64 / self.size as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_have_one_name_everywhere() {
        for lane in Lane::ALL {
            assert_eq!(lane.name().parse(), Ok(lane));
            assert_eq!(serde_json::to_string(&lane).unwrap(), format!("\"{lane}\""));
        }
        assert!("http3".parse::<Lane>().unwrap_err().to_string().contains("bt-webrtc"));
    }

    #[test]
    fn json_has_the_documented_fields() {
        let wire = Wire { payload: 1, measured: true, ..Wire::default() };
        let run = Run {
            lane: Lane::BtTcp,
            size: 1,
            run: 1,
            ok: true,
            error: None,
            seconds: Some(0.5),
            ttfb_seconds: Some(0.25),
            goodput: Some(2.0),
            server_egress: Some(3),
            cpu_seconds: Some(CpuSeconds { server: 1.0, client: 2.0 }),
            wire: Some(wire),
        };
        let json = serde_json::to_string(&run).unwrap();
        let expected = r#"{"lane":"bt-tcp","size":1,"run":1,"ok":true,"seconds":0.5,"ttfb_seconds":0.25,"goodput":2.0,"server_egress":3,"cpu_seconds":{"server":1.0,"client":2.0},"wire":{"payload":1,"application":0,"security":0,"transport":0,"network":0,"link_layer":0,"retransmits":0,"sum":0,"link":0,"sent":0,"received":0,"measured":true}}"#;
        assert_eq!(json, expected);
        assert_eq!(serde_json::to_string(&Mode::ClientServer).unwrap(), "\"client-server\"");
        assert_eq!(serde_json::to_string(&Mode::P2p).unwrap(), "\"p2p\"");
    }

    #[test]
    fn parts_add_up_within_a_hundredth_or_a_kilobyte() {
        let wire = |sum, link| Wire { sum, link, ..Wire::default() };
        assert!(wire(11_000, 12_000).adds_up());
        assert!(!wire(11_000, 12_001).adds_up());
        assert!(wire(990_000, 1_000_000).adds_up());
        assert!(!wire(989_999, 1_000_000).adds_up());
    }
}
