use proptest::prelude::*;
use shared::tracker::announce::Role;

use super::*;
use crate::cluster::digest::PartDigest;
use crate::swarm::change::SOCKETS_MAX;

fn twenty() -> impl Strategy<Value = [u8; 20]> {
    // Few different ones, so that runs of one swarm come up.
    prop_oneof![(0_u8..3).prop_map(|byte| [byte; 20]), any::<[u8; 20]>()]
}

fn key() -> impl Strategy<Value = Key> {
    let ip = any::<core::net::IpAddr>().prop_map(|ip| ip.to_canonical());
    prop_oneof![
        (twenty(), twenty(), 0..SOCKETS_MAX).prop_map(|(info_hash, peer_id, socket)| Key::Socket {
            info_hash: InfoHash(info_hash),
            peer_id: PeerId(peer_id),
            socket
        }),
        (twenty(), ip, any::<u16>()).prop_map(|(info_hash, ip, port)| Key::Address {
            info_hash: InfoHash(info_hash),
            ip,
            port
        }),
    ]
}

const ROLES: [Role; 3] = [Role::Leech, Role::PartialSeed, Role::Seed];

fn entry(of_snapshot: bool) -> impl Strategy<Value = Entry> {
    (key(), twenty(), any::<bool>(), 0..3_usize, any::<u32>()).prop_map(move |(key, id, gone, role, age)| {
        let gone = gone && !of_snapshot;
        let (peer_id, age) = match key {
            Key::Socket { peer_id, .. } => (peer_id, 0),
            Key::Address { .. } => (PeerId(id), if gone { 0 } else { age }),
        };
        let now = (!gone).then_some(Held { peer_id, role: ROLES[role] });
        Entry { key, now, age, anywhere: gone && role == 0 && matches!(key, Key::Address { .. }) }
    })
}

fn entries(of_snapshot: bool) -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec(entry(of_snapshot), 0..40)
}

fn relay() -> impl Strategy<Value = Relay> {
    let sockets = (0..SOCKETS_MAX, 0..SOCKETS_MAX);
    (sockets, twenty(), twenty(), prop::option::of(twenty()), ".{0,64}", ".{0,300}").prop_map(
        |((to, from), info_hash, peer_id, answers, offer_id, payload)| Relay {
            to,
            from,
            info_hash: InfoHash(info_hash),
            peer_id: PeerId(peer_id),
            answers: answers.map(PeerId),
            offer_id,
            payload,
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    let tally = (
        prop::collection::btree_map(any::<u128>(), any::<u32>(), 0..20),
        prop::collection::btree_map(any::<u16>(), any::<u32>(), 0..20),
        prop::collection::btree_map(any::<u16>(), any::<u32>(), 0..20),
    );
    prop_oneof![
        (any::<u64>(), "[a-zé]{0,32}").prop_map(|(seq, name)| Message::Hello { seq, name }),
        Just(Message::Bye),
        (any::<u64>(), entries(false)).prop_map(|(seq, changes)| Message::Batch { seq, changes }),
        (any::<u64>(), any::<u32>(), any::<u64>()).prop_map(|(seq, count, sum)| {
            let mut digest = Box::<Digest>::default();
            digest.0[count as usize % digest.0.len()] = PartDigest { count, sum };
            Message::Digest { seq, digest }
        }),
        tally.prop_map(|(sockets, requests, messages)| Message::Tally(Tally {
            sockets: sockets.into_iter().collect(),
            requests: requests.into_iter().collect(),
            messages: messages.into_iter().collect(),
        })),
        (any::<u64>(), any::<u64>()).prop_map(|(session, parts)| Message::Ask { session, parts }),
        (any::<u64>(), any::<u32>()).prop_map(|(session, chunk)| Message::Ack { session, chunk }),
        (any::<u64>(), any::<u32>(), any::<u64>(), any::<bool>(), entries(true)).prop_map(
            |(session, number, seq, last, members)| Message::Chunk { session, number, seq, last, members }
        ),
        prop::collection::vec(relay(), 0..5).prop_map(Message::Relays),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(node: u64, message in message()) {
        let bytes = encode(NodeId(node), &message);
        prop_assert_eq!(decode(&bytes), Ok((NodeId(node), message)));
    }

    #[test]
    fn any_bytes_are_refused_or_have_one_form(mut bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0_u8..10) {
        if bytes.len() > 13 {
            bytes[..4].copy_from_slice(b"PMC\x02");
            bytes[12] = kind;
        }
        if let Ok((node, message)) = decode(&bytes) {
            prop_assert_eq!(encode(node, &message), bytes);
        }
    }

    #[test]
    fn what_is_cut_or_longer_or_changed_is_refused_or_has_one_form(message in message(), at: prop::sample::Index, byte: u8) {
        let bytes = encode(NodeId(7), &message);
        let cut = &bytes[..at.index(bytes.len())];
        prop_assert!(decode(cut).is_err());
        let longer = [&bytes[..], &[byte]].concat();
        prop_assert!(decode(&longer).is_err());
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] = byte;
        if let Ok((node, message)) = decode(&changed) {
            prop_assert_eq!(encode(node, &message), changed);
        }
    }
}

#[test]
fn the_form_is_this_one() {
    let key = Key::Address { info_hash: InfoHash([1; 20]), ip: [192, 0, 2, 1].into(), port: 0x1ae1 };
    let changes = vec![
        Entry {
            key,
            now: Some(Held { peer_id: PeerId([2; 20]), role: Role::Seed }),
            age: 3,
            anywhere: false,
        },
        Entry { key, now: None, age: 0, anywhere: false },
    ];
    let bytes = encode(NodeId(0x0102_0304_0506_0708), &Message::Batch { seq: 300, changes });
    let mut expected = b"PMC\x02\x01\x02\x03\x04\x05\x06\x07\x08\x02\xac\x02\x01".to_vec();
    expected.extend([1; 20]);
    expected.extend([2, 2 << 2 | 1, 192, 0, 2, 1, 0x1a, 0xe1]);
    expected.extend([2; 20]);
    expected.extend([3, 1, 192, 0, 2, 1, 0x1a, 0xe1]);
    assert_eq!(bytes, expected);
}

#[test]
fn what_is_wrong_is_said() {
    let with =
        |version: u8, kind: u8, rest: &[u8]| [&b"PMC"[..], &[version], &[0; 8], &[kind], rest].concat();
    for (bytes, error) in [
        (b"GET / HTTP/1.1".to_vec(), DecodeError::Magic),
        (with(1, 0, &[]), DecodeError::Version(1)),
        (vec![0; MESSAGE_MAX + 1], DecodeError::Long(MESSAGE_MAX + 1)),
        (with(VERSION, 9, &[]), DecodeError::Value("a kind of message")),
        (with(VERSION, 1, &[0]), DecodeError::Rest(1)),
        (with(VERSION, 0, &[]), DecodeError::Ends("a sequence number")),
        (with(VERSION, 0, &[0x80, 0]), DecodeError::Value("a sequence number")),
        (with(VERSION, 0, &[0, 65]), DecodeError::Many { what: "a node's name", max: 64, got: 65 }),
        (with(VERSION, 0, &[0, 1, 0xff]), DecodeError::Value("a node's name")),
        (
            with(VERSION, 2, &[0, 0xff, 0xff, 0xff, 0xff, 0x0f]),
            DecodeError::Many { what: "swarms", max: ENTRIES_MAX, got: u64::from(u32::MAX) },
        ),
    ] {
        assert_eq!(decode(&bytes), Err(error));
    }
    // The longest messages of each kind that has many parts stay within the bound.
    let key = Key::Address { info_hash: InfoHash([0; 20]), ip: [0xffff_u16; 8].into(), port: 1 };
    let entry = |number: usize| {
        let Key::Address { ip, port, .. } = key else { panic!() };
        let info_hash = InfoHash([number as u8; 20]);
        let now = Some(Held { peer_id: PeerId([2; 20]), role: Role::Seed });
        Entry { key: Key::Address { info_hash, ip, port }, now, age: u32::MAX, anywhere: false }
    };
    let members = (0..ENTRIES_MAX).map(entry).collect();
    let message = Message::Chunk { session: 1, number: 1, seq: 1, last: false, members };
    assert!(encode(NodeId(1), &message).len() <= MESSAGE_MAX);
    let sockets = (0..TALLY_MAX).map(|at| (at as u128, u32::MAX)).collect();
    let requests: Vec<_> = (0..TALLY_MAX).map(|at| (at as u16, u32::MAX)).collect();
    let messages = requests.clone();
    assert!(encode(NodeId(1), &Message::Tally(Tally { sockets, requests, messages })).len() <= MESSAGE_MAX);
}

#[test]
fn the_seeds_of_the_fuzz_target_are_one_message_of_each_kind() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/corpus/cluster");
    let mut kinds = std::collections::BTreeSet::new();
    for file in std::fs::read_dir(corpus).unwrap() {
        let file = file.unwrap().path();
        let bytes = std::fs::read(&file).unwrap();
        assert!(decode(&bytes).is_ok(), "{}: {:?}", file.display(), decode(&bytes));
        kinds.insert(bytes[12]);
    }
    assert_eq!(kinds.len(), 9);
}
