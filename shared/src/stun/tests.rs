use proptest::prelude::*;

use super::*;
use crate::tracker::udp::{Packet, UdpRequest};

/// RFC 5769, 2.1: a request with SOFTWARE, PRIORITY, ICE-CONTROLLED, USERNAME, MESSAGE-INTEGRITY and FINGERPRINT.
const SAMPLE_REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e2074657374206\
    36c69656e74002400046e0001ff80290008932ff9b151263b36000600096576746a3a683676592020200008001\
    49aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";

/// RFC 5769, 2.2: the response to it, from 192.0.2.1:32853.
const SAMPLE_RESPONSE: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220\
    002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";

/// RFC 5769, 2.3: the same over IPv6.
const SAMPLE_RESPONSE_V6: &str = "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220\
    002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bf\
    e3ed4180280004c8fb0b4c";

fn hex(text: &str) -> Vec<u8> {
    let text: String = text.split_whitespace().collect();
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}

#[test]
fn the_samples_of_rfc_5769_are_read() {
    let request = hex(SAMPLE_REQUEST);
    let message = Message::parse(&request).unwrap();
    assert_eq!((message.class, message.method), (Class::Request, BINDING));
    assert!(message.has_fingerprint());
    assert_eq!(message.attribute(attribute::USERNAME).unwrap().value, b"evtj:h6vY");
    let kinds: Vec<u16> = message.attributes().map(|attribute| attribute.kind).collect();
    assert_eq!(kinds, [0x8022, 0x0024, 0x8029, 0x0006, 0x0008, 0x8028]);
    for (sample, address) in [
        (SAMPLE_RESPONSE, "192.0.2.1:32853"),
        (SAMPLE_RESPONSE_V6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ] {
        let response = hex(sample);
        let response = Message::parse(&response).unwrap();
        assert_eq!((response.class, response.method), (Class::Success, BINDING));
        assert_eq!(response.address(attribute::XOR_MAPPED_ADDRESS), Some(address.parse().unwrap()));
    }
}

#[test]
fn what_was_changed_on_the_way_is_refused() {
    let request = hex(SAMPLE_REQUEST);
    // But for the kind of the last attribute: another kind than a checksum may be unknown.
    for at in (0..request.len()).filter(|at| !(100..102).contains(at)) {
        let mut changed = request.clone();
        changed[at] ^= 4;
        assert!(Message::parse(&changed).is_err(), "byte {at}");
    }
    for length in 0..request.len() {
        assert!(Message::parse(&request[..length]).is_err(), "{length} bytes");
    }
}

/// A request as browsers send it: a header only.
fn plain_request() -> Vec<u8> {
    let mut request = Vec::new();
    Writer::new(&mut request, Class::Request, BINDING, TransactionId([7; 12]));
    request
}

#[test]
fn a_request_is_answered_with_its_senders_address() {
    for (remote, expected) in [
        ("192.0.2.1:7", "192.0.2.1:7"),
        ("[::ffff:192.0.2.1]:7", "192.0.2.1:7"),
        ("[2001:db8::1]:65535", "[2001:db8::1]:65535"),
    ] {
        let mut reply = vec![1, 2, 3];
        assert!(answer_binding(&plain_request(), remote.parse().unwrap(), &mut reply));
        let reply = Message::parse(&reply).unwrap();
        assert_eq!((reply.class, reply.transaction), (Class::Success, TransactionId([7; 12])));
        assert_eq!(reply.address(attribute::XOR_MAPPED_ADDRESS), Some(expected.parse().unwrap()));
        assert!(!reply.has_fingerprint());
    }
}

#[test]
fn what_must_be_understood_and_is_not_is_named() {
    // PRIORITY is of ICE, between peers.
    let mut reply = Vec::new();
    assert!(answer_binding(&hex(SAMPLE_REQUEST), "192.0.2.1:7".parse().unwrap(), &mut reply));
    let reply = Message::parse(&reply).unwrap();
    assert_eq!(reply.class, Class::Error);
    assert_eq!(reply.attribute(attribute::ERROR_CODE).unwrap().value, [0, 0, 4, 20]);
    assert_eq!(reply.attribute(attribute::UNKNOWN_ATTRIBUTES).unwrap().value, [0x00, 0x24]);
    assert!(reply.has_fingerprint(), "the request has one");
}

#[test]
fn what_is_no_binding_request_gets_no_answer() {
    let remote = "192.0.2.1:7".parse().unwrap();
    for (class, method) in [
        (Class::Indication, BINDING),
        (Class::Success, BINDING),
        (Class::Error, BINDING),
        (Class::Request, 0x003),
    ] {
        let mut message = Vec::new();
        Writer::new(&mut message, class, method, TransactionId([7; 12]));
        assert!(is_stun(&message));
        let mut reply = Vec::new();
        assert!(!answer_binding(&message, remote, &mut reply) && reply.is_empty(), "{class:?} {method}");
    }
}

#[test]
fn what_a_hash_covers_is_what_was_signed() {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, Class::Request, method::ALLOCATE, TransactionId([7; 12]));
    writer.attribute(attribute::USERNAME, |value| value.extend_from_slice(b"me"));
    let mut signed = Vec::new();
    writer.integrity(|covered| {
        signed = covered.to_vec();
        [9; 20]
    });
    writer.fingerprint();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.integrity(), Some((signed, [9; 20])));
    // RFC 5769's sample: 24 bytes of MESSAGE-INTEGRITY and 8 of FINGERPRINT are not covered.
    let sample = hex(SAMPLE_REQUEST);
    let (covered, hash) = Message::parse(&sample).unwrap().integrity().unwrap();
    assert_eq!((covered.len(), covered[3], hash[..2].to_vec()), (sample.len() - 32, 0x50, vec![0x9a, 0xea]));
}

#[test]
fn channels_carry_bytes() {
    let mut bytes = Vec::new();
    put_channel_data(0x4001, b"hello", &mut bytes);
    assert_eq!(bytes, b"\x40\x01\x00\x05hello");
    assert_eq!(channel_data(&bytes), Some((0x4001, &b"hello"[..])));
    // Filled up to a multiple of four, as over TCP.
    bytes.extend_from_slice(&[0; 3]);
    assert_eq!(channel_data(&bytes), Some((0x4001, &b"hello"[..])));
    for wrong in
        [&b""[..], b"\x40\x01\x00", b"\x40\x01\x00\x05hell", b"\x00\x01\x00\x00", b"\x50\x00\x00\x00"]
    {
        assert_eq!(channel_data(wrong), None, "{wrong:?}");
    }
}

#[test]
fn a_trackers_datagrams_are_told_from_these() {
    let mut connect = Vec::new();
    Packet { transaction: 0x2112_A442, request: UdpRequest::Connect }.encode(&mut connect);
    assert!(!is_stun(&connect));
    assert!(is_stun(&plain_request()));
    assert!(!is_stun(&plain_request()[..19]));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        class in prop::sample::select(vec![Class::Request, Class::Indication, Class::Success, Class::Error]),
        method in 0_u16..0x1000,
        transaction: [u8; 12],
        // FINGERPRINT has its own place.
        attributes in prop::collection::vec((0_u16..0x8028, prop::collection::vec(any::<u8>(), 0..40)), 0..8),
        address: SocketAddr,
        fingerprint: bool,
    ) {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, class, method, TransactionId(transaction));
        for (kind, value) in &attributes {
            writer.attribute(*kind, |out| out.extend_from_slice(value));
        }
        writer.address(0xFFFF, address);
        if fingerprint {
            writer.fingerprint();
        }
        prop_assert!(is_stun(&bytes));
        let message = Message::parse(&bytes).unwrap();
        prop_assert_eq!(message.class, class);
        prop_assert_eq!(message.method, method);
        prop_assert_eq!(message.transaction, TransactionId(transaction));
        prop_assert_eq!(message.has_fingerprint(), fingerprint);
        let read: Vec<_> = message.attributes().map(|a| (a.kind, a.value.to_vec())).take(attributes.len()).collect();
        prop_assert_eq!(read, attributes);
        let canonical = SocketAddr::new(address.ip().to_canonical(), address.port());
        prop_assert_eq!(message.address(0xFFFF), Some(canonical));
    }

    #[test]
    fn an_answer_is_little_longer_than_its_request(
        attributes in prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 0..9)), 0..40),
        remote: SocketAddr,
        fingerprint: bool,
    ) {
        let mut request = Vec::new();
        let mut writer = Writer::new(&mut request, Class::Request, BINDING, TransactionId([1; 12]));
        for (kind, value) in attributes.iter().filter(|(kind, _)| *kind != attribute::FINGERPRINT) {
            writer.attribute(*kind, |out| out.extend_from_slice(value));
        }
        if fingerprint {
            writer.fingerprint();
        }
        let mut reply = Vec::new();
        prop_assert!(answer_binding(&request, remote, &mut reply));
        prop_assert!(reply.len() <= request.len() + 24, "{} to {}", reply.len(), request.len());
        prop_assert!(reply.len() * 10 <= request.len() * 22);
    }
}
