use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use shared::bencode::{Order, Value, Writer, decode};

use super::mutations;

/// A value of its own, to compare with.
#[derive(Clone, Debug, PartialEq)]
enum Owned {
    Integer(i64),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Dictionary(std::collections::BTreeMap<Vec<u8>, Self>),
}

impl Owned {
    fn write(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Integer(number) => writer.integer(*number),
            Self::Bytes(bytes) => writer.bytes(bytes),
            Self::List(items) => writer.list(|writer| items.iter().for_each(|item| item.write(writer))),
            Self::Dictionary(entries) => writer.dictionary(|writer| {
                for (key, value) in entries {
                    value.write(writer.key(key));
                }
            }),
        }
    }

    fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        self.write(&mut Writer::new(&mut text));
        text
    }

    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Integer(number) => Self::Integer(number),
            Value::Bytes(bytes) => Self::Bytes(bytes.to_vec()),
            Value::List(list) => Self::List(list.iter().map(Self::of).collect()),
            Value::Dictionary(dictionary) => Self::Dictionary(
                dictionary.iter().map(|(key, value)| (key.to_vec(), Self::of(value))).collect(),
            ),
        }
    }

    /// The same as another implementation sees it.
    fn oracle(value: &bt_bencode::Value) -> Option<Self> {
        Some(match value {
            bt_bencode::Value::Int(number) => Self::Integer(number.to_string().parse().ok()?),
            bt_bencode::Value::ByteStr(bytes) => Self::Bytes(bytes.to_vec()),
            bt_bencode::Value::List(items) => {
                Self::List(items.iter().map(Self::oracle).collect::<Option<_>>()?)
            }
            bt_bencode::Value::Dict(entries) => Self::Dictionary(
                entries
                    .iter()
                    .map(|(key, value)| Some((key.to_vec(), Self::oracle(value)?)))
                    .collect::<Option<_>>()?,
            ),
        })
    }
}

fn any_value() -> impl Strategy<Value = Owned> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..12);
    let leaf = prop_oneof![
        // Without i64::MIN, which the oracle cannot read.
        (i64::MIN + 1..=i64::MAX).prop_map(Owned::Integer),
        prop_oneof![Just(0), Just(i64::MAX), -9..9_i64].prop_map(Owned::Integer),
        bytes().prop_map(Owned::Bytes),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Owned::List),
            proptest::collection::btree_map(bytes(), inner, 0..6).prop_map(Owned::Dictionary),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_survives_and_another_implementation_agrees(value in any_value()) {
        let text = value.text();
        prop_assert_eq!(decode(&text, Order::Strict).map(Owned::of), Ok(value.clone()));
        let oracle: bt_bencode::Value = bt_bencode::from_slice(&text).expect("read by the oracle");
        prop_assert_eq!(Owned::oracle(&oracle), Some(value));
        prop_assert_eq!(bt_bencode::to_vec(&oracle).expect("written by the oracle"), text);
    }

    #[test]
    fn what_is_read_strictly_is_canonical_for_the_oracle_too(text in proptest::collection::vec(
        proptest::sample::select(&b"0123456789-iled:ab"[..]), 0..24,
    )) {
        if let Ok(value) = decode(&text, Order::Strict) {
            prop_assert_eq!(Owned::of(value).text(), &text[..]);
            let oracle: bt_bencode::Value = bt_bencode::from_slice(&text).expect("read by the oracle");
            prop_assert_eq!(Owned::oracle(&oracle), Some(Owned::of(value)));
        }
    }
}

#[test]
fn every_mutation_of_a_value_is_read_or_refused() {
    let mut runner = TestRunner::deterministic();
    let mut kinds = [0; 4];
    for _ in 0..150 {
        let value = any_value().new_tree(&mut runner).expect("a value").current();
        let kind = match value {
            Owned::Integer(_) => 0,
            Owned::Bytes(_) => 1,
            Owned::List(_) => 2,
            Owned::Dictionary(_) => 3,
        };
        kinds[kind] += 1;
        let text = value.text();
        for mutated in mutations(&text[..text.len().min(300)]) {
            shared::fuzz::bencode(&mutated);
        }
    }
    assert!(kinds.iter().all(|count| *count > 0), "every kind is generated: {kinds:?}");
}

#[test]
fn depth_and_length_are_bounded_before_anything_is_allocated() {
    for text in [&b"l"[..], b"d1:a", b"d0:", b"ld1:al"] {
        let deep = text.repeat(100_000);
        assert!(decode(&deep, Order::Strict).is_err());
        assert!(decode(&deep, Order::Any).is_err());
    }
    assert!(decode(b"9223372036854775807:x", Order::Strict).is_err());
    assert!(decode(b"18446744073709551615:x", Order::Strict).is_err());
}
