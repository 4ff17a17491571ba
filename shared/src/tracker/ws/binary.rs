//! Bytes as JSON strings: each byte is the character with that code point, U+0000 to U+00FF.

use super::json::plain_length;

/// The twenty bytes that `text` stands for; `None` if it has another length or a character above U+00FF.
pub fn decode(text: &str) -> Option<[u8; 20]> {
    let (mut bytes, mut rest) = ([0; 20], text.as_bytes());
    for byte in &mut bytes {
        // In UTF-8 the characters from U+0080 to U+00FF are C2 or C3 and one byte more.
        (*byte, rest) = match rest {
            [plain @ 0..0x80, rest @ ..] => (*plain, rest),
            [high @ 0xc2..=0xc3, low, rest @ ..] => ((high << 6) | (low & 0x3f), rest),
            _ => return None,
        };
    }
    rest.is_empty().then_some(bytes)
}

/// Appends `bytes` to `json` as a quoted string.
pub fn write_json(json: &mut String, bytes: &[u8]) {
    json.reserve(bytes.len() * 2 + 2);
    json.push('"');
    for byte in bytes {
        push_escaped(json, char::from(*byte));
    }
    json.push('"');
}

/// Appends `text` to `json` as a quoted string.
pub fn write_json_text(json: &mut String, text: &str) {
    json.push('"');
    let mut rest = text;
    // What needs no escaping is written as it stands.
    loop {
        let (plain, escaped) = rest.split_at(plain_length(rest.as_bytes()));
        json.push_str(plain);
        let Some(byte) = escaped.bytes().next() else { break };
        push_escaped(json, char::from(byte));
        rest = &escaped[1..];
    }
    json.push('"');
}

#[inline]
fn push_escaped(json: &mut String, char: char) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match char {
        ' ' | '!' | '#'..='[' | ']'..='\u{7f}' => json.push(char),
        '"' => json.push_str("\\\""),
        '\\' => json.push_str("\\\\"),
        '\0'..='\x1f' => {
            let byte = char as usize;
            json.push_str("\\u00");
            json.push(char::from(HEX[byte >> 4]));
            json.push(char::from(HEX[byte & 15]));
        }
        _ => json.push(char),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_decoded_has_twenty_characters_up_to_ff(text in "[\u{0}-\u{101}]{19,21}") {
            let bytes: Option<Vec<u8>> = text.chars().map(|char| u8::try_from(u32::from(char)).ok()).collect();
            prop_assert_eq!(decode(&text).map(Vec::from), bytes.filter(|bytes| bytes.len() == 20));
        }

        #[test]
        fn bytes_survive_the_way_through_json(bytes: [u8; 20]) {
            let mut json = String::new();
            write_json(&mut json, &bytes);
            let text: String = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(decode(&text), Some(bytes));
        }

        #[test]
        fn text_survives_the_way_through_json(text: String) {
            let mut json = String::new();
            write_json_text(&mut json, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }

    #[test]
    fn other_lengths_and_characters_are_refused() {
        assert_eq!(decode(&"a".repeat(19)), None);
        assert_eq!(decode(&"a".repeat(21)), None);
        assert_eq!(decode(&format!("Ł{}", "a".repeat(19))), None);
        assert_eq!(decode(&"ÿ".repeat(20)), Some([255; 20]));
    }
}
