//! From counters to bytes by layer. Headers are counts of packets times their size; where nobody counted the packets, they are
//! modelled, and marked so.

use serde::{Deserialize, Serialize};

/// Address and type of an Ethernet frame; preamble and checksum are in no counter.
const ETHERNET: u64 = 14;
const IPV4: u64 = 20;
const IPV6: u64 = 40;
const UDP: u64 = 8;
/// TCP header without options, and what the timestamps of each segment add.
const TCP: u64 = 20;
const TIMESTAMPS: u64 = 12;
/// Payload of a full segment where nobody tells: 1500 bytes of IPv4 packet with timestamps.
const SEGMENT: u64 = 1_448;
/// Header, nonce and tag of a DTLS 1.2 record with AES-GCM, which browsers agree on; each packet has one record.
const DTLS: u64 = 37;
/// A block of BitTorrent, and what asks for it (17 bytes) and precedes it (13).
const BLOCK: u64 = 16_384;
const FRAMING: u64 = 30;
/// Payload of a frame of HTTP/2, and of a TLS record, as the server fills them; and what is around each.
const FRAME: u64 = 16_384;
const H2_FRAMING: u64 = 9;
const TLS_FRAMING: u64 = 22;
/// UDP payload of the packets that browsers fill, with what is around.
const DATAGRAM: u64 = 1_200;

/// Bytes on the wire in both directions, by layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wire {
    /// The content, once.
    pub payload: u64,
    /// Heads and framing above TLS or DTLS.
    pub application: u64,
    /// TLS or DTLS.
    pub security: u64,
    /// TCP, or SCTP and UDP; and what was sent again.
    pub transport: u64,
    /// IP headers.
    pub network: u64,
    /// Ethernet headers.
    pub link_layer: u64,
    /// Bytes sent again; contained in the parts above.
    pub retransmits: u64,
    /// Of all, what the receiver sent.
    pub sent: u64,
    /// Of all, what the receiver got.
    pub received: u64,
    /// Whether the packets were counted, rather than modelled.
    pub measured: bool,
}

impl Wire {
    /// The parts that make up the whole, from the content down.
    pub const fn parts(&self) -> [u64; 6] {
        [self.payload, self.application, self.security, self.transport, self.network, self.link_layer]
    }

    /// Of both, for one transfer that went two ways.
    pub const fn plus(self, other: Self) -> Self {
        Self {
            payload: self.payload + other.payload,
            application: self.application + other.application,
            security: self.security + other.security,
            transport: self.transport + other.transport,
            network: self.network + other.network,
            link_layer: self.link_layer + other.link_layer,
            retransmits: self.retransmits + other.retransmits,
            sent: self.sent + other.sent,
            received: self.received + other.received,
            measured: self.measured && other.measured,
        }
    }

    /// The share of `part` in traffic that carried this much content: what went to other receivers is theirs. Which packet
    /// was for whom nobody counts, so this is no measurement any more.
    pub fn share(self, part: u64) -> Self {
        let whole = self.payload;
        if part >= whole {
            return self;
        }
        let of = |bytes: u64| (u128::from(bytes) * u128::from(part) / u128::from(whole)) as u64;
        let shared = Self {
            payload: part,
            application: of(self.application),
            security: of(self.security),
            transport: of(self.transport),
            network: of(self.network),
            link_layer: of(self.link_layer),
            retransmits: of(self.retransmits),
            sent: of(self.sent),
            received: 0,
            measured: false,
        };
        Self { received: shared.sum() - shared.sent, ..shared }
    }

    /// All of it.
    pub fn sum(&self) -> u64 {
        self.parts().iter().sum()
    }

    /// What the content cost beside itself, as a part of it.
    pub fn overhead(&self) -> Option<f64> {
        (self.payload > 0).then(|| (self.sum() - self.payload) as f64 / self.payload as f64)
    }
}

/// Bytes in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Both {
    /// By whoever counts.
    pub sent: u64,
    /// By whoever counts.
    pub received: u64,
}

impl Both {
    const fn all(self) -> u64 {
        self.sent + self.received
    }

    /// What came after `earlier`.
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            sent: self.sent.saturating_sub(earlier.sent),
            received: self.received.saturating_sub(earlier.received),
        }
    }

    /// Both together.
    pub const fn plus(self, other: Self) -> Self {
        Self { sent: self.sent + other.sent, received: self.received + other.received }
    }
}

/// What the server counted of one request, see the tracker's `/compare/ID.json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Bytes of the file.
    pub body: u64,
    /// Above TLS, as the server sees it.
    pub http: Both,
    /// Given to TCP, and got from it.
    pub stream: Both,
    /// Segments and bytes sent again, if the server's kernel told.
    pub tcp: Option<Segments>,
    /// Over IPv6.
    pub ipv6: bool,
}

/// Segments of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segments {
    /// In both directions.
    pub segments: Both,
    /// Bytes that the server sent again.
    pub bytes_again: u64,
    /// Each has timestamps.
    pub timestamps: bool,
}

impl Served {
    /// By layer.
    pub fn wire(&self) -> Wire {
        let tcp = self.tcp.unwrap_or_else(|| self.modelled());
        let header = TCP + if tcp.timestamps { TIMESTAMPS } else { 0 };
        let ip = if self.ipv6 { IPV6 } else { IPV4 };
        let packets = tcp.segments.all();
        Wire {
            payload: self.body,
            application: self.http.all().saturating_sub(self.body),
            security: self.stream.all().saturating_sub(self.http.all()),
            transport: packets * header + tcp.bytes_again,
            network: packets * ip,
            link_layer: packets * ETHERNET,
            retransmits: tcp.bytes_again,
            sent: self.stream.received + tcp.segments.received * (header + ip + ETHERNET),
            received: self.egress(),
            measured: self.tcp.is_some(),
        }
    }

    /// What the server put on the wire.
    pub fn egress(&self) -> u64 {
        let tcp = self.tcp.unwrap_or_else(|| self.modelled());
        let header = TCP + if tcp.timestamps { TIMESTAMPS } else { 0 };
        let ip = if self.ipv6 { IPV6 } else { IPV4 };
        self.stream.sent + tcp.bytes_again + tcp.segments.sent * (header + ip + ETHERNET)
    }

    /// Of a request that shared its HTTP/2 connection over TLS with others: only its body was counted by itself.
    pub fn shared(body: u64, ipv6: bool) -> Self {
        let http = body + body.div_ceil(FRAME) * H2_FRAMING;
        let stream = http + http.div_ceil(FRAME) * TLS_FRAMING;
        Self {
            body,
            http: Both { sent: http, received: 0 },
            stream: Both { sent: stream, received: 0 },
            tcp: None,
            ipv6,
        }
    }

    /// Full segments, one acknowledgement for every two.
    const fn modelled(&self) -> Segments {
        let full = self.stream.sent.div_ceil(SEGMENT);
        let asked = self.stream.received.div_ceil(SEGMENT);
        let segments = Both { sent: full, received: asked + full.div_ceil(2) };
        Segments { segments, bytes_again: 0, timestamps: true }
    }
}

/// What `getStats()` counts of one peer connection, as this tab sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// In UDP packets: DTLS, SCTP and what is in it.
    pub datagrams: Both,
    /// Packets; both 0 where the browser does not count them.
    pub packets: Both,
    /// Messages of the data channels; both 0 where the browser does not count them.
    pub messages: Both,
}

impl Traffic {
    /// What came after `earlier`.
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            datagrams: self.datagrams.since(earlier.datagrams),
            packets: self.packets.since(earlier.packets),
            messages: self.messages.since(earlier.messages),
        }
    }

    /// Of both connections.
    pub const fn plus(self, other: Self) -> Self {
        Self {
            datagrams: self.datagrams.plus(other.datagrams),
            packets: self.packets.plus(other.packets),
            messages: self.messages.plus(other.messages),
        }
    }

    /// By layer, for this much content. `None` where the browser counted less than the content.
    pub fn wire(&self, payload: u64) -> Option<Wire> {
        if self.datagrams.all() < payload {
            return None;
        }
        let counted = self.packets.all() > 0;
        let packets = if counted { self.packets } else { self.modelled() };
        let count = packets.all();
        let security = (count * DTLS).min(self.datagrams.all() - payload);
        let inside = self.datagrams.all() - security;
        let counted_messages = self.messages.all() >= payload;
        let messages =
            if counted_messages { self.messages.all() } else { payload + payload.div_ceil(BLOCK) * FRAMING };
        let messages = messages.min(inside);
        let headers = UDP + IPV4 + ETHERNET;
        Some(Wire {
            payload,
            application: messages - payload,
            security,
            transport: inside - messages + count * UDP,
            network: count * IPV4,
            link_layer: count * ETHERNET,
            // SCTP's are not told.
            retransmits: 0,
            sent: self.datagrams.sent + packets.sent * headers,
            received: self.datagrams.received + packets.received * headers,
            measured: counted,
        })
    }

    const fn modelled(&self) -> Both {
        Both {
            sent: self.datagrams.sent.div_ceil(DATAGRAM),
            received: self.datagrams.received.div_ceil(DATAGRAM),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_counted_adds_up() {
        let tcp =
            Segments { segments: Both { sent: 700, received: 300 }, bytes_again: 1_448, timestamps: true };
        let served = Served {
            body: 1_000_000,
            http: Both { sent: 1_000_300, received: 400 },
            stream: Both { sent: 1_002_000, received: 500 },
            tcp: Some(tcp),
            ipv6: false,
        };
        let wire = served.wire();
        assert_eq!(wire.parts(), [1_000_000, 700, 1_800, 1_000 * 32 + 1_448, 20_000, 14_000]);
        assert_eq!(wire.sum(), wire.sent + wire.received);
        assert_eq!(wire.received, served.egress());
        assert!(wire.measured && (wire.overhead().unwrap() - 0.069_948).abs() < 1e-9);
        let modelled = Served { tcp: None, ..served }.wire();
        assert!(!modelled.measured);
        assert_eq!(modelled.network, (692 + 1 + 346) * 20);
        assert_eq!(modelled.sum(), modelled.sent + modelled.received);
    }

    #[test]
    fn what_the_browser_counted_adds_up() {
        let traffic = Traffic {
            datagrams: Both { sent: 20_000, received: 1_080_000 },
            packets: Both { sent: 400, received: 900 },
            messages: Both { sent: 2_000, received: 1_001_000 },
        };
        let wire = traffic.wire(1_000_000).unwrap();
        assert_eq!(wire.sum(), wire.sent + wire.received);
        assert_eq!((wire.application, wire.security, wire.measured), (3_000, 1_300 * 37, true));
        let uncounted = Traffic { packets: Both::default(), messages: Both::default(), ..traffic };
        let wire = uncounted.wire(1_000_000).unwrap();
        assert_eq!((wire.application, wire.measured), (62 * 30, false));
        assert_eq!(wire.sum(), wire.sent + wire.received);
        let shared = wire.share(250_000);
        assert_eq!((shared.payload, shared.measured), (250_000, false));
        assert!(shared.sum().abs_diff(wire.sum() / 4) < 8 && shared.sum() == shared.sent + shared.received);
        assert_eq!(wire.share(1_000_000), wire);
        assert_eq!(traffic.wire(2_000_000), None);
        assert_eq!(traffic.since(traffic).plus(traffic), traffic);
    }
}
