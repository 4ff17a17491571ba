//! From counters to bytes by layer. Pure.
//!
//! The parts are counted apart from the link's byte counter, so that their sum can be held against it: content and what is
//! above and below TLS in our own client; segments and datagrams by the kernel, each times its header and that of the packet it is in; frames by the
//! link's frame counter.

use serde::{Deserialize, Serialize};

use super::lab::counters::Counters;
use super::model::Wire;

/// Ethernet header: two addresses and a type. The checksum after a frame is never in a Linux counter.
pub const ETHERNET_HEADER: u64 = 14;
/// An ARP packet for IPv4 over Ethernet, without the Ethernet header.
const ARP: u64 = 28;
/// IPv4 header without options.
pub const IP_HEADER: u64 = 20;
/// TCP header with timestamps, as Linux sends on every segment but the first.
pub const TCP_HEADER: u64 = 32;
/// What options a SYN or SYN-ACK has on top: segment size, window scale, selective acknowledgements, less padding.
const SYN_OPTIONS: u64 = 8;
/// UDP header.
pub const UDP_HEADER: u64 = 8;
/// MTU of the link, bytes of IP packet.
pub const MTU: u64 = 1_500;
/// Content of a full TCP segment.
pub const SEGMENT: u64 = MTU - IP_HEADER - TCP_HEADER;

/// What the client's own code counted in one run, both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// Content, once.
    pub payload: u64,
    /// Bytes above TLS or DTLS, content and framing.
    pub above_sent: u64,
    /// The same, received.
    pub above_received: u64,
    /// Bytes of TLS records on TCP connections, or of datagrams' contents on UDP, handshakes included; what is above if in clear.
    pub below_sent: u64,
    /// The same, received.
    pub below_received: u64,
    /// Of `below`, SCTP headers and everything else between DTLS and the messages of a data channel, both directions.
    pub sctp: u64,
    /// Connections.
    pub connections: u64,
    /// UDP datagrams, each way: the kernel counts what is handed to it at once as one.
    #[serde(default)]
    pub datagrams: u64,
    /// Whether connections are broken off while content is under way on them, which is then read by nobody.
    #[serde(default)]
    pub broken_off: bool,
}

impl Layers {
    const fn above(&self) -> u64 {
        self.above_sent + self.above_received
    }

    const fn below(&self) -> u64 {
        self.below_sent + self.below_received
    }
}

/// Splits what a link between two namespaces carried during one run. `client` and `server` are what grew meanwhile.
pub fn measured(layers: &Layers, client: &Counters, server: &Counters) -> Wire {
    let segments = client.tcp_sent + server.tcp_sent;
    let datagrams = layers.datagrams.max(client.udp_sent + server.udp_sent);
    // Each is one packet: TCP keeps its segments below the MTU, and so does SCTP. The kernel's own count of IP packets is of
    // what goes down the stack, where a packet may still be many.
    let packets = segments + datagrams;
    let frames = client.sent_frames + client.received_frames;
    let beyond = beyond(layers, client, server);
    let retransmits = beyond.min((client.tcp_again + server.tcp_again) * SEGMENT);
    let unread = if layers.broken_off { beyond - retransmits } else { 0 };
    let tcp = segments * TCP_HEADER + (client.tcp_opened + server.tcp_opened) * SYN_OPTIONS;
    let transport = tcp + datagrams * UDP_HEADER + layers.sctp + retransmits;
    // With IPv6 switched off, what is no IP packet is ARP.
    let arp = frames.saturating_sub(packets);
    finish(Wire {
        payload: layers.payload,
        application: (layers.above() + unread).saturating_sub(layers.payload),
        security: layers.below().saturating_sub(layers.above() + layers.sctp),
        transport,
        network: packets * IP_HEADER,
        link_layer: frames * ETHERNET_HEADER + arp * ARP,
        retransmits,
        sum: 0,
        link: client.sent_bytes + client.received_bytes,
        sent: client.sent_bytes,
        received: client.received_bytes,
        measured: true,
    })
}

/// What went down from IP beyond its headers and beyond what our own code sent and received: segments that were sent again,
/// of which the kernel counts how many they are, not their bytes; and what was sent and never read.
fn beyond(layers: &Layers, client: &Counters, server: &Counters) -> u64 {
    let (packets, datagrams) = (client.ip_sent + server.ip_sent, client.udp_sent + server.udp_sent);
    let headers = packets * IP_HEADER
        + packets.saturating_sub(datagrams) * TCP_HEADER
        + datagrams * UDP_HEADER
        + (client.tcp_opened + server.tcp_opened) * SYN_OPTIONS;
    (client.ip_bytes + server.ip_bytes).saturating_sub(headers + layers.below())
}

/// The same where nobody could count: full segments on a link of [`MTU`], an acknowledgement for every second, none lost.
pub fn modelled(layers: &Layers) -> Wire {
    let segments = |bytes: u64| bytes.div_ceil(SEGMENT);
    let acknowledgements = |bytes: u64| segments(bytes).div_ceil(2);
    // SYN, SYN-ACK, ACK; FIN and ACK from each side.
    let (opening, closing) = (3 * layers.connections, 4 * layers.connections);
    let sent = segments(layers.below_sent)
        + acknowledgements(layers.below_received)
        + (opening + closing).div_ceil(2);
    let received =
        segments(layers.below_received) + acknowledgements(layers.below_sent) + (opening + closing) / 2;
    let header = ETHERNET_HEADER + IP_HEADER + TCP_HEADER;
    let packets = sent + received;
    let wire = finish(Wire {
        payload: layers.payload,
        application: layers.above().saturating_sub(layers.payload),
        security: layers.below().saturating_sub(layers.above() + layers.sctp),
        transport: packets * TCP_HEADER + 2 * layers.connections * SYN_OPTIONS + layers.sctp,
        network: packets * IP_HEADER,
        link_layer: packets * ETHERNET_HEADER,
        sent: layers.below_sent + sent * header + layers.connections * SYN_OPTIONS,
        received: layers.below_received + received * header + layers.connections * SYN_OPTIONS,
        ..Wire::default()
    });
    Wire { link: wire.sum, ..wire }
}

/// Mean size of the frames that were received, to notice a link that carries what no wire could.
pub fn mean_frame(counters: &Counters) -> u64 {
    counters.received_bytes.checked_div(counters.received_frames).unwrap_or(0)
}

const fn finish(wire: Wire) -> Wire {
    let sum =
        wire.payload + wire.application + wire.security + wire.transport + wire.network + wire.link_layer;
    Wire { sum, ..wire }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of 10 000 bytes with 300 of HTTP each way, in clear: 3 segments of handshake, 1 request, 8 of answer, 4
    /// acknowledgements, 4 at the end; and one ARP exchange.
    fn plain() -> (Layers, Counters, Counters) {
        let layers = Layers {
            payload: 10_000,
            above_sent: 300,
            above_received: 10_300,
            below_sent: 300,
            below_received: 10_300,
            connections: 1,
            ..Layers::default()
        };
        let (sent, received) = (2 + 1 + 4 + 2, 1 + 8 + 2);
        let sent_bytes = 300 + sent * 66 + 8 + 42;
        let received_bytes = 10_300 + received * 66 + 8 + 42;
        let client = Counters {
            sent_bytes,
            sent_frames: sent + 1,
            received_bytes,
            received_frames: received + 1,
            tcp_sent: sent,
            tcp_opened: 1,
            ..Counters::default()
        };
        let server = Counters { tcp_sent: received, tcp_opened: 1, ..Counters::default() };
        (layers, client, server)
    }

    #[test]
    fn parts_of_a_clear_transfer_add_up_to_the_link() {
        let (layers, client, server) = plain();
        let wire = measured(&layers, &client, &server);
        assert_eq!((wire.payload, wire.application, wire.security), (10_000, 600, 0));
        assert_eq!(wire.transport, 20 * 32 + 16);
        assert_eq!(wire.network, 20 * 20);
        assert_eq!(wire.link_layer, 22 * 14 + 2 * 28);
        assert_eq!(wire.sum, wire.link);
        assert!(wire.measured && wire.adds_up());
        assert_eq!(wire.sum, wire.parts().iter().map(|(_, bytes)| bytes).sum::<u64>());
    }

    #[test]
    fn parts_are_not_a_residual() {
        let (layers, client, server) = plain();
        let lost = Counters { sent_bytes: client.sent_bytes + 5_000, ..client };
        let wire = measured(&layers, &lost, &server);
        assert_eq!(wire.discrepancy(), 5_000, "what nobody accounts for is seen");
        assert!(!wire.adds_up());
    }

    #[test]
    fn what_was_sent_again_is_inside_transport() {
        let (layers, client, server) = plain();
        let before = measured(&layers, &client, &server);
        // Of a full segment and one of 100 bytes, in two of twelve packets.
        let again = Counters {
            tcp_again: 2,
            tcp_sent: server.tcp_sent + 2,
            ip_sent: 12,
            ip_bytes: 12 * 52 + 8 + 10_600 + 1_548,
            tcp_opened: 0,
            ..server
        };
        let wire = measured(&layers, &Counters { tcp_opened: 1, ..client }, &again);
        assert_eq!(wire.retransmits, 1_548);
        assert_eq!(wire.transport, before.transport + 2 * 32 + 1_548 - 8);
        let probed = Counters { ip_bytes: 0, ..again };
        assert_eq!(
            measured(&layers, &client, &probed).retransmits,
            0,
            "an acknowledgement alone has no bytes"
        );
    }

    #[test]
    fn what_was_sent_and_never_read_is_counted_only_where_connections_are_broken_off() {
        let (layers, client, server) = plain();
        // Two segments more, full, and the client had gone.
        let (tcp_sent, more) = (server.tcp_sent + 2, 2 * (SEGMENT + 66));
        let client = Counters { received_bytes: client.received_bytes + more, received_frames: 14, ..client };
        let ip_bytes = 22 * 52 + 16 + 10_600 + 2 * SEGMENT;
        let server = Counters { tcp_sent, ip_sent: 22, ip_bytes, ..server };
        assert_eq!(measured(&layers, &client, &server).discrepancy(), 2 * SEGMENT);
        let wire = measured(&Layers { broken_off: true, ..layers }, &client, &server);
        assert_eq!((wire.application, wire.retransmits), (600 + 2 * SEGMENT, 0));
        assert_eq!(wire.sum, wire.link);
    }

    #[test]
    fn datagrams_that_the_kernel_took_at_once_are_no_arp() {
        let layers =
            Layers { datagrams: 10, above_received: 1_000, below_received: 1_000, ..Layers::default() };
        let client = Counters { received_frames: 10, received_bytes: 1_420, ..Counters::default() };
        let server = Counters { udp_sent: 2, ..Counters::default() };
        let wire = measured(&layers, &client, &server);
        assert_eq!((wire.transport, wire.network, wire.link_layer), (80, 200, 140));
        assert_eq!(wire.sum, wire.link);
    }

    #[test]
    fn tls_is_what_is_between_the_two_counts() {
        let (layers, client, server) = plain();
        let layers = Layers { below_sent: 800, below_received: 12_300, ..layers };
        assert_eq!(measured(&layers, &client, &server).security, 500 + 2_000);
    }

    #[test]
    fn the_model_is_near_what_is_measured() {
        let (layers, client, server) = plain();
        let (model, measure) = (modelled(&layers), measured(&layers, &client, &server));
        assert!(!model.measured);
        assert_eq!(model.link, model.sum);
        assert_eq!(model.sum, model.sent + model.received);
        assert!(model.sum.abs_diff(measure.sum) < 300, "{} and {}", model.sum, measure.sum);
    }
}
