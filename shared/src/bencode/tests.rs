use super::*;

#[test]
fn what_is_not_canonical_says_where() {
    let fails = |text: &[u8]| decode(text, Order::Strict).expect_err("not canonical");
    assert_eq!(fails(b""), DecodeError::End { expected: "a value", at: 0 });
    assert_eq!(fails(b"i-0e"), DecodeError::NotShortest { at: 0 });
    assert_eq!(fails(b"i03e"), DecodeError::NotShortest { at: 0 });
    assert_eq!(fails(b"ie"), DecodeError::Byte { expected: "a digit", got: b'e', at: 1 });
    assert_eq!(fails(b"i-e"), DecodeError::Byte { expected: "a digit", got: b'e', at: 2 });
    assert_eq!(fails(b"i9223372036854775808e"), DecodeError::Overflow { at: 0 });
    assert_eq!(fails(b"03:abc"), DecodeError::NotShortest { at: 0 });
    assert_eq!(fails(b"4:abc"), DecodeError::Length { got: 4, rest: 3, at: 2 });
    assert_eq!(fails(b"99999999999999999999:"), DecodeError::Overflow { at: 0 });
    assert_eq!(fails(b"d1:bi1e1:ai2ee"), DecodeError::Unsorted { at: 7 });
    assert_eq!(fails(b"d1:ai1e1:ai2ee"), DecodeError::Duplicate { at: 7 });
    assert_eq!(fails(b"di1ei2ee"), DecodeError::Byte { expected: "a key", got: b'i', at: 1 });
    assert_eq!(fails(b"d1:ae"), DecodeError::Byte { expected: "a value", got: b'e', at: 4 });
    assert_eq!(fails(b"e"), DecodeError::Byte { expected: "a value", got: b'e', at: 0 });
    assert_eq!(fails(b"i1ei2e"), DecodeError::Trailing { at: 3, rest: 3 });
    let deep = [b"l".repeat(33), b"e".repeat(33)].concat();
    assert_eq!(fails(&deep), DecodeError::Depth { at: 32 });
}

#[test]
fn the_ends_of_the_integers_pass() {
    for number in [i64::MIN, i64::MAX, 0, -1] {
        let text = format!("i{number}e");
        assert_eq!(decode(text.as_bytes(), Order::Strict), Ok(Value::Integer(number)));
    }
}

#[test]
fn unsorted_keys_pass_where_asked_for_but_never_twice_the_same() {
    let value = decode(b"d1:bi1e1:ali2eee", Order::Any).expect("allowed");
    let dictionary = value.dictionary().expect("one");
    assert_eq!(dictionary.get(b"b"), Some(Value::Integer(1)));
    assert_eq!(dictionary.get(b"a").and_then(Value::list).expect("a list").iter().count(), 1);
    assert_eq!(decode(b"d1:bi1e1:ai1e1:bi1ee", Order::Any), Err(DecodeError::Duplicate { at: 20 }));
}

#[test]
fn what_follows_a_prefix_is_answered() {
    let (value, rest) = decode_prefix(b"d1:ai0eerest", Order::Strict).expect("sound");
    assert_eq!(value.dictionary().expect("one").raw(), b"d1:ai0ee");
    assert_eq!(rest, b"rest");
}
