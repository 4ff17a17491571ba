use core::net::IpAddr;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use shared::id::{InfoHash, PeerId};
use shared::limits;
use shared::wire::extension::metadata::{BLOCK_LENGTH, MetadataMessage};
use shared::wire::extension::{ExtendedHandshake, ExtensionError, Ids, donthave};
use shared::wire::{Framer, Handshake, Message, Request, WireError, client_name};

use super::mutations;

/// A stream after its handshake.
fn shaken() -> Framer {
    let mut framer = Framer::new();
    let mut bytes = Vec::new();
    Handshake::new(InfoHash([1; 20]), PeerId([2; 20])).encode(&mut bytes);
    framer.push(bytes.into());
    assert!(matches!(framer.handshake(), Ok(Some(_))));
    framer
}

/// All messages of a stream that comes in chunks of these lengths, over and over, and how it ended.
fn read(stream: &[u8], cuts: &[usize]) -> (Vec<Message>, Option<WireError>, Framer) {
    let (mut framer, mut messages, mut at) = (shaken(), Vec::new(), 0);
    for cut in cuts.iter().cycle() {
        if at == stream.len() {
            return (messages, None, framer);
        }
        let end = (at + cut).min(stream.len());
        framer.push(Bytes::copy_from_slice(&stream[at..end]));
        at = end;
        loop {
            match framer.message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(framer.message(), Err(error.clone()), "an error is final");
                    assert_eq!(framer.buffered(), 0);
                    return (messages, Some(error), framer);
                }
            }
        }
        assert!(framer.buffered() < limits::WIRE_MESSAGE_MAX + 4);
    }
    (messages, None, framer)
}

fn bytes(most: usize) -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..=most).prop_map(Bytes::from)
}

fn any_message() -> impl Strategy<Value = Message> {
    let number = prop_oneof![any::<u32>(), Just(0), Just(u32::MAX)];
    let request = (number.clone(), number.clone(), number.clone())
        .prop_map(|(piece, begin, length)| Request { piece, begin, length });
    let block = (1..=limits::REQUEST_LENGTH_MAX, any::<u8>())
        .prop_map(|(n, byte)| Bytes::from(vec![byte; n as usize]));
    let block = prop_oneof![9 => bytes(40).prop_filter("a block is not empty", |block| !block.is_empty()), 1 => block];
    let unknown = any::<u8>().prop_filter("known", |id| !matches!(id, 0..=9 | 13..=17 | 20));
    prop_oneof![
        Just(Message::KeepAlive),
        Just(Message::Choke),
        Just(Message::Unchoke),
        Just(Message::Interested),
        Just(Message::NotInterested),
        number.clone().prop_map(Message::Have),
        bytes(300).prop_map(Message::Bitfield),
        request.clone().prop_map(Message::Request),
        (number.clone(), number.clone(), block).prop_map(|(piece, begin, block)| Message::Piece {
            piece,
            begin,
            block
        }),
        request.clone().prop_map(Message::Cancel),
        any::<u16>().prop_map(Message::Port),
        number.clone().prop_map(Message::Suggest),
        Just(Message::HaveAll),
        Just(Message::HaveNone),
        request.prop_map(Message::Reject),
        number.prop_map(Message::AllowedFast),
        (any::<u8>(), bytes(300)).prop_map(|(id, payload)| Message::Extended { id, payload }),
        unknown.prop_map(|id| Message::Unknown { id }),
    ]
}

/// Which variant, counted from 0. Exhaustive, so that a new one is noticed here.
fn variant(message: &Message) -> usize {
    match message {
        Message::KeepAlive => 0,
        Message::Choke => 1,
        Message::Unchoke => 2,
        Message::Interested => 3,
        Message::NotInterested => 4,
        Message::Have(_) => 5,
        Message::Bitfield(_) => 6,
        Message::Request(_) => 7,
        Message::Piece { .. } => 8,
        Message::Cancel(_) => 9,
        Message::Port(_) => 10,
        Message::Suggest(_) => 11,
        Message::HaveAll => 12,
        Message::HaveNone => 13,
        Message::Reject(_) => 14,
        Message::AllowedFast(_) => 15,
        Message::Extended { .. } => 16,
        Message::Unknown { .. } => 17,
    }
}

const VARIANTS: usize = 18;

/// One message of each variant.
fn samples() -> Vec<Message> {
    let mut runner = TestRunner::deterministic();
    let mut samples: Vec<Option<Message>> = vec![None; VARIANTS];
    for _ in 0..2_000 {
        let message = any_message().new_tree(&mut runner).expect("a message").current();
        // Short ones, so that a sweep over each of their bits ends.
        let place = &mut samples[variant(&message)];
        if message.encoded_length() < 64 && place.is_none() {
            *place = Some(message);
        }
    }
    samples.into_iter().map(|sample| sample.expect("every variant is generated")).collect()
}

#[test]
fn the_generator_reaches_every_message() {
    assert_eq!(samples().len(), VARIANTS);
}

proptest! {
    #[test]
    fn messages_survive_the_wire_however_it_is_cut(
        messages in proptest::collection::vec(any_message(), 0..12),
        cuts in proptest::collection::vec(prop_oneof![1..20_usize, 1..70_000_usize], 1..8),
    ) {
        let mut stream = Vec::new();
        for message in &messages {
            let before = stream.len();
            message.encode(&mut stream);
            prop_assert_eq!(stream.len() - before, message.encoded_length());
        }
        let (got, error, framer) = read(&stream, &cuts);
        prop_assert_eq!((got, error, framer.buffered()), (messages, None, 0));
    }

    #[test]
    fn a_handshake_survives_the_wire(reserved: [u8; 8], info_hash: [u8; 20], peer_id: [u8; 20], cut in 1..68_usize) {
        let mut handshake = Handshake::new(InfoHash(info_hash), PeerId(peer_id));
        handshake.reserved.0 = reserved;
        let mut bytes = Vec::new();
        handshake.encode(&mut bytes);
        let mut framer = Framer::new();
        framer.push(Bytes::copy_from_slice(&bytes[..cut]));
        prop_assert_eq!(framer.handshake(), Ok(None));
        framer.push(Bytes::copy_from_slice(&bytes[cut..]));
        prop_assert_eq!(framer.handshake(), Ok(Some(handshake)));
        let name = client_name(&handshake.peer_id);
        prop_assert!(!name.is_empty() && name.chars().count() <= limits::CLIENT_NAME_MAX);
        prop_assert!(!name.chars().any(char::is_control));
    }
}

#[test]
fn every_mutation_of_every_message_is_read_or_refused() {
    let mut refused = 0;
    for message in samples() {
        let mut stream = Vec::new();
        message.encode(&mut stream);
        for mutated in mutations(&stream) {
            let (got, error, framer) = read(&mutated, &[7]);
            refused += usize::from(error.is_some());
            // What was read is what was there.
            let mut again = Vec::new();
            got.iter().for_each(|message| message.encode(&mut again));
            if !got.iter().any(|message| matches!(message, Message::Unknown { .. })) {
                assert_eq!(again, mutated[..again.len()], "{message:?}");
            }
            assert!(framer.buffered() <= mutated.len());
        }
    }
    assert!(refused > 1_000, "the sweep reaches the checks: {refused}");
}

#[test]
fn every_cut_of_every_message_waits_for_the_rest() {
    for message in samples() {
        let mut stream = Vec::new();
        message.encode(&mut stream);
        for length in 0..stream.len() {
            let (got, error, _) = read(&stream[..length], &[3]);
            assert_eq!((got, error), (vec![], None), "{message:?} cut at {length}");
        }
    }
}

#[test]
fn every_length_of_every_message_is_held_against_its_kind() {
    let lengths = (0..70)
        .chain([16_392, 16_393, 16_394, 65_537, 65_538, 131_081, 131_082, 250_001, 250_002, 251_024])
        .chain([251_025, 1 << 24, 1 << 31, (1 << 31) + 5, u32::MAX]);
    for length in lengths {
        for id in 0..=255_u8 {
            let mut framer = shaken();
            framer.push(Bytes::copy_from_slice(&length.to_be_bytes()));
            framer.push(Bytes::copy_from_slice(&[id]));
            let got = framer.message();
            let fits = match id {
                _ if length == 0 => true,
                _ if length as usize > limits::WIRE_MESSAGE_MAX => false,
                0..=3 | 14 | 15 => length == 1,
                4 | 13 | 17 => length == 5,
                5 => (1..=1 + limits::PIECES_MAX / 8).contains(&length),
                6 | 8 | 16 => length == 13,
                7 => (10..=9 + limits::REQUEST_LENGTH_MAX).contains(&length),
                9 => length == 3,
                20 => (2..=2 + limits::EXTENDED_MAX).contains(&length),
                _ => true,
            };
            assert_eq!(got.is_ok(), fits, "message {id} of length {length}: {got:?}");
            match got {
                Ok(_) => {}
                Err(WireError::TooLong { got }) => assert_eq!(got, length),
                Err(WireError::Length { id: of, got, min, max }) => {
                    assert_eq!((of, got), (id, length));
                    assert!(!(min..=max).contains(&length));
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn blocks_in_order_cost_nothing_but_their_own_bytes() {
    // A thousand blocks in chunks of 256 KiB: all but those at the edges are parts of their chunk.
    let message = Message::Piece { piece: 1, begin: 0, block: Bytes::from(vec![7; 16_384]) };
    let mut stream = Vec::new();
    for _ in 0..1_000 {
        message.encode(&mut stream);
    }
    let (mut framer, mut inside, mut count) = (shaken(), 0, 0);
    for chunk in stream.chunks(limits::SEND_MESSAGE_MAX) {
        let chunk = Bytes::copy_from_slice(chunk);
        framer.push(chunk.clone());
        let range = chunk.as_ptr_range();
        while let Some(Message::Piece { block, .. }) = framer.message().expect("sound") {
            count += 1;
            inside += usize::from(range.contains(&block.as_ptr()));
        }
    }
    assert_eq!(count, 1_000);
    assert!(inside > 930, "{inside}");
}

fn any_extended() -> impl Strategy<Value = ExtendedHandshake> {
    let id = || proptest::option::of(1..=255_u8);
    let ids = (id(), id(), id()).prop_map(|(metadata, pex, donthave)| Ids { metadata, pex, donthave });
    let version = proptest::option::of("[^\\p{C}\\p{Z}]{0,20}");
    let size = proptest::option::of(1..i64::MAX as u64);
    (
        ids,
        size,
        proptest::option::of(1..=u32::MAX),
        version,
        proptest::option::of(1..=u16::MAX),
        any::<Option<IpAddr>>(),
        any::<bool>(),
    )
        .prop_map(|(ids, metadata_size, reqq, version, port, your_ip, upload_only)| ExtendedHandshake {
            ids,
            metadata_size,
            reqq,
            version,
            port,
            your_ip,
            upload_only,
        })
}

fn any_metadata() -> impl Strategy<Value = MetadataMessage> {
    let block = proptest::collection::vec(any::<u8>(), 1..100).prop_map(Bytes::from);
    let size = proptest::option::of(1..i64::MAX as u64);
    prop_oneof![
        any::<u32>().prop_map(|piece| MetadataMessage::Request { piece }),
        (any::<u32>(), size, block).prop_map(|(piece, total_size, block)| MetadataMessage::Data {
            piece,
            total_size,
            block
        }),
        any::<u32>().prop_map(|piece| MetadataMessage::Reject { piece }),
        (3..i64::MAX).prop_map(|kind| MetadataMessage::Unknown { kind }),
    ]
}

proptest! {
    #[test]
    fn an_extension_handshake_survives(handshake in any_extended()) {
        let mut payload = Vec::new();
        handshake.encode(&mut payload);
        prop_assert_eq!(ExtendedHandshake::decode(&payload), Ok(handshake));
    }

    #[test]
    fn a_metadata_message_survives_and_ends_its_dictionary_with_the_first_ee(message in any_metadata()) {
        let mut payload = Vec::new();
        message.encode(&mut payload);
        let first = payload.windows(2).position(|pair| pair == b"ee").expect("an end") + 2;
        let after = if let MetadataMessage::Data { block, .. } = &message { block.len() } else { 0 };
        prop_assert_eq!(first + after, payload.len());
        prop_assert_eq!(MetadataMessage::decode(&payload.into()), Ok(message));
    }
}

#[test]
fn the_generators_reach_every_part_of_an_extension() {
    let mut runner = TestRunner::deterministic();
    let (mut kinds, mut parts) = ([false; 4], [false; 10]);
    for _ in 0..300 {
        let kind = match any_metadata().new_tree(&mut runner).expect("one").current() {
            MetadataMessage::Request { .. } => 0,
            MetadataMessage::Data { .. } => 1,
            MetadataMessage::Reject { .. } => 2,
            MetadataMessage::Unknown { .. } => 3,
        };
        kinds[kind] = true;
        let handshake = any_extended().new_tree(&mut runner).expect("one").current();
        let has = [
            handshake.ids.metadata.is_some(),
            handshake.ids.pex.is_some(),
            handshake.ids.donthave.is_some(),
            handshake.metadata_size.is_some(),
            handshake.reqq.is_some(),
            handshake.version.is_some(),
            handshake.port.is_some(),
            handshake.your_ip.is_some_and(|ip| ip.is_ipv4()),
            handshake.your_ip.is_some_and(|ip| ip.is_ipv6()),
            handshake.upload_only,
        ];
        parts.iter_mut().zip(has).for_each(|(part, has)| *part |= has);
    }
    assert_eq!((kinds, parts), ([true; 4], [true; 10]));
}

#[test]
fn what_stock_peers_send_is_read() {
    // WebTorrent 3.0 in a browser, and what others add.
    let stock =
        ExtendedHandshake::decode(b"d1:md11:lt_donthavei2e11:ut_metadatai1ee13:metadata_sizei31235ee");
    let expected = ExtendedHandshake {
        ids: Ids { metadata: Some(1), pex: None, donthave: Some(2) },
        metadata_size: Some(31_235),
        ..ExtendedHandshake::default()
    };
    assert_eq!(stock, Ok(expected));
    let long = "é".repeat(100);
    let other = format!(
        "d12:complete_agoi-1e1:md11:upload_onlyi3e11:ut_metadatai0e6:ut_pexi999ee13:metadata_sizei0e\
         1:pi70000e4:reqqi2000e11:upload_onlyi1e1:v{}:\x07\u{202e}{long}6:yourip4:\x01\x02\x03\x04e trailing",
        200 + 4
    );
    let other = ExtendedHandshake::decode(other.as_bytes()).expect("sound");
    assert_eq!(other.ids, Ids::default());
    assert_eq!((other.metadata_size, other.port, other.reqq), (None, None, Some(2_000)));
    assert_eq!(other.version, Some("é".repeat(limits::CLIENT_NAME_MAX)));
    assert_eq!((other.your_ip, other.upload_only), (Some(IpAddr::from([1, 2, 3, 4])), true));
    let data = Bytes::from_static(b"d8:msg_typei1e5:piecei3e10:total_sizei34256eexxxx");
    let block = Bytes::from_static(b"xxxx");
    assert_eq!(
        MetadataMessage::decode(&data),
        Ok(MetadataMessage::Data { piece: 3, total_size: Some(34_256), block })
    );
}

#[test]
fn what_is_no_extension_message_says_why() {
    let metadata =
        |text: &[u8]| MetadataMessage::decode(&Bytes::copy_from_slice(text)).expect_err("no message");
    assert_eq!(metadata(b"le"), ExtensionError::NotADictionary("a list"));
    assert_eq!(metadata(b"de"), ExtensionError::Missing("msg_type"));
    assert_eq!(metadata(b"d8:msg_typei0ee"), ExtensionError::Missing("piece"));
    assert_eq!(
        metadata(b"d8:msg_typei0e5:piecei-1ee").to_string(),
        "expected 0 to 4294967295 as \"piece\" in an extension message, got -1"
    );
    let length = |got| ExtensionError::Length { min: 1, max: BLOCK_LENGTH, got };
    assert_eq!(metadata(b"d8:msg_typei1e5:piecei0ee"), length(0));
    let long = [&b"d8:msg_typei1e5:piecei0ee"[..], &[b'x'; BLOCK_LENGTH + 1]].concat();
    assert_eq!(metadata(&long), length(BLOCK_LENGTH + 1));
    assert!(matches!(metadata(b"x"), ExtensionError::Bencode(_)));
    for wrong in ["d1:mi1ee", "d1:md11:ut_metadata1:xee", "d4:reqq1:xe", "d1:vi1ee", "d6:youripi1ee", "i1e"] {
        assert!(ExtendedHandshake::decode(wrong.as_bytes()).is_err(), "{wrong}");
    }
    assert_eq!(donthave::decode(&[0, 0, 1, 0]), Ok(256));
    assert_eq!(donthave::decode(&[0; 5]), Err(ExtensionError::Length { min: 4, max: 4, got: 5 }));
}

#[test]
fn every_mutation_of_an_extension_message_is_read_or_refused() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..20 {
        let mut payload = Vec::new();
        any_extended().new_tree(&mut runner).expect("one").current().encode(&mut payload);
        for mutated in mutations(&payload) {
            shared::fuzz::extension(&mutated);
        }
        payload.clear();
        any_metadata().new_tree(&mut runner).expect("one").current().encode(&mut payload);
        for mutated in mutations(&payload) {
            shared::fuzz::extension(&mutated);
        }
    }
}

#[test]
fn peer_ids_tell_the_program() {
    for (id, name) in [
        (b"-WW0300-abcdefghijkl", "WebTorrent 3.0"),
        (b"-WW0091-abcdefghijkl", "WebTorrent 0.91"),
        (b"-WD0024-abcdefghijkl", "WebTorrent Desktop 0.24"),
        (b"-LT2100-abcdefghijkl", "libtorrent 2.1"),
        (b"-qB4650-abcdefghijkl", "qBittorrent 4.6.5"),
        (b"-TR400Z-abcdefghijkl", "Transmission 4.0.0.35"),
        (b"-PM0100-abcdefghijkl", "Piecemeal 0.1"),
        (b"-ZZ12A3-abcdefghijkl", "ZZ 1.2.10.3"),
        (b"-WW03x0-abcdefghijkl", "WebTorrent"),
        (b"-\x00\xff0300-abcdefghijkl", "unknown (-··0300-)"),
        (b"\x1b[31m\n\0\0abcdefghijkl", "unknown (·[31m···)"),
    ] {
        assert_eq!(client_name(&PeerId(*id)), name);
    }
}
