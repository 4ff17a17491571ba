//! JSON taken apart where it lies, in one pass and without copying: what travels through the tracker is opaque to it, and most of a
//! message is that.
//!
//! What is read here is checked to be JSON (RFC 8259) to the last byte, since it is written into other messages as it stands.

use std::borrow::Cow;

/// Objects and arrays within each other. Offers have two or three.
const DEPTH_MAX: usize = 64;

/// A JSON value as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Json<'a> {
    text: &'a str,
    /// A string with escapes.
    escaped: bool,
}

/// What is wrong with a text that should be JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Something else stands there.
    #[error("expected {expected} at byte {at}")]
    Expected {
        /// What JSON allows there.
        expected: &'static str,
        /// Where, from the beginning of the text.
        at: usize,
    },
    /// More than 64 objects and arrays within each other.
    #[error("expected at most {DEPTH_MAX} objects and arrays within each other")]
    Depth,
}

impl<'a> Json<'a> {
    /// Checks that `text` is one JSON value, with white space around it at most.
    ///
    /// # Errors
    ///
    /// [`JsonError`].
    pub fn parse(text: &'a str) -> Result<Self, JsonError> {
        let mut scanner = Scanner { text, at: 0 };
        scanner.space();
        let value = scanner.value(0)?;
        scanner.space();
        if scanner.at == text.len() { Ok(value) } else { Err(scanner.expected("the end")) }
    }

    /// Checks that `text` is one JSON object, with white space around it at most, and calls `field` with the name and value of
    /// each of its fields, in order, as far as it is one. Before that it calls `inner` with the number of the item and the name
    /// and value of each field of the items of the field called `list`, if that is an array and the items are objects.
    ///
    /// # Errors
    ///
    /// [`JsonError`].
    pub fn parse_object(
        text: &'a str,
        list: &str,
        mut field: impl FnMut(&str, Self),
        mut inner: impl FnMut(usize, &str, Self),
    ) -> Result<(), JsonError> {
        let mut scanner = Scanner { text, at: 0 };
        scanner.space();
        scanner.members(0, |scanner, name, depth| {
            let (name, start) = (name.string().unwrap_or_default(), scanner.at);
            if name == list && scanner.peek() == Some(b'[') {
                scanner.objects(depth, |number, name, value| {
                    inner(number, &name.string().unwrap_or_default(), value);
                })?;
                field(&name, Self { text: &text[start..scanner.at], escaped: false });
            } else {
                field(&name, scanner.value(depth)?);
            }
            Ok(())
        })?;
        scanner.space();
        if scanner.at == text.len() { Ok(()) } else { Err(scanner.expected("the end")) }
    }

    /// As it was written.
    pub const fn get(self) -> &'a str {
        self.text
    }

    /// Its items, if it is an array.
    pub fn items(self) -> Option<Vec<Self>> {
        let mut items = Vec::new();
        let mut scanner = Scanner { text: self.text, at: 0 };
        scanner.array(DEPTH_MAX, &mut |item| items.push(item)).ok()?;
        Some(items)
    }

    /// The text that it stands for, if it is a string; half a surrogate pair becomes U+FFFD.
    pub fn string(self) -> Option<Cow<'a, str>> {
        let inner = self.text.strip_prefix('"')?.strip_suffix('"')?;
        Some(if self.escaped { Cow::Owned(unescaped(inner)) } else { Cow::Borrowed(inner) })
    }
}

/// The text without its escapes, which have been checked.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let mut chars = rest[at + 1..].chars();
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                let (char, behind) = escaped_unit(chars.as_str());
                out.push(char);
                chars = behind.chars();
            }
            Some(plain) => out.push(plain),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out
}

/// The character behind `\u`, of which a second escape may be part, and what follows.
fn escaped_unit(text: &str) -> (char, &str) {
    let unit = |text: &str| text.get(..4).and_then(|hex| u16::from_str_radix(hex, 16).ok());
    let Some(first) = unit(text) else { return (char::REPLACEMENT_CHARACTER, text) };
    let rest = &text[4..];
    let second = rest.strip_prefix("\\u").and_then(unit);
    let decoded = |units: &[u16]| char::decode_utf16(units.iter().copied()).next().and_then(Result::ok);
    match (decoded(&[first]), second.and_then(|second| decoded(&[first, second]))) {
        (Some(char), _) => (char, rest),
        (None, Some(char)) => (char, &rest[6..]),
        (None, None) => (char::REPLACEMENT_CHARACTER, rest),
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    const fn expected(&self, expected: &'static str) -> JsonError {
        JsonError::Expected { expected, at: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.expected(expected))
        }
    }

    /// One value within `depth` others.
    fn value(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => return self.string(),
            Some(b'{') => self.members(depth, |scanner, _, depth| scanner.value(depth).map(drop))?,
            Some(b'[') => self.array(depth, &mut |_| {})?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        }
        Ok(Json { text: &self.text[start..self.at], escaped: false })
    }

    /// An object within `depth` others, whose values `member` reads: it is called with the name and the depth of the value.
    fn members(
        &mut self,
        depth: usize,
        mut member: impl FnMut(&mut Self, Json<'a>, usize) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.take(b'{', "an object")?;
        let depth = deeper(depth)?;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            self.take(b':', "`:`")?;
            self.space();
            member(self, name, depth)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => return self.take(b'}', "`,` or `}`"),
            }
        }
    }

    /// An array within `depth` others. Calls `field` with the number of the item and each of its fields, for items that are objects.
    fn objects(
        &mut self,
        depth: usize,
        mut field: impl FnMut(usize, Json<'a>, Json<'a>),
    ) -> Result<(), JsonError> {
        let (inner, mut number) = (deeper(depth)?, 0);
        self.list(|scanner| {
            number += 1;
            if scanner.peek() != Some(b'{') {
                return scanner.value(inner).map(drop);
            }
            scanner.members(inner, |scanner, name, depth| {
                field(number - 1, name, scanner.value(depth)?);
                Ok(())
            })
        })
    }

    fn array(&mut self, depth: usize, item: &mut dyn FnMut(Json<'a>)) -> Result<(), JsonError> {
        let inner = deeper(depth)?;
        self.list(|scanner| scanner.value(inner).map(&mut *item))
    }

    /// An array whose items `item` reads.
    fn list(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), JsonError>) -> Result<(), JsonError> {
        self.take(b'[', "an array")?;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.space();
            item(self)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => return self.take(b']', "`,` or `]`"),
            }
        }
    }

    fn string(&mut self) -> Result<Json<'a>, JsonError> {
        let (start, mut escaped) = (self.at, false);
        self.take(b'"', "a string")?;
        loop {
            self.at += plain_length(&self.text.as_bytes()[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Json { text: &self.text[start..self.at], escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += 1;
                    self.escape()?;
                }
                _ => return Err(self.expected("a character of a string, or its end")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                let digits = self.text.as_bytes().get(self.at..self.at + 4);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(self.expected("four hexadecimal digits"));
                }
                self.at += 4;
            }
            _ => return Err(self.expected("an escaped character")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.expected("a digit")) } else { Ok(()) }
    }

    fn word(&mut self) -> Result<(), JsonError> {
        let rest = &self.text.as_bytes()[self.at..];
        for word in ["true", "false", "null"] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(());
            }
        }
        Err(self.expected("a value"))
    }
}

const fn deeper(depth: usize) -> Result<usize, JsonError> {
    // A value that was checked is taken apart at the last depth: what is in it is checked again, but not counted.
    match depth {
        DEPTH_MAX => Ok(DEPTH_MAX),
        depth if depth + 1 == DEPTH_MAX => Err(JsonError::Depth),
        depth => Ok(depth + 1),
    }
}

/// How many bytes at the beginning are neither `"` nor `\` nor control characters: eight at a time.
pub(super) fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    // The highest bit of each byte that is zero; of bytes behind one that is zero it may be set too.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let (words, _) = bytes.as_chunks::<8>();
    let mut length = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let quotes = zeros(word ^ (ONES * u64::from(b'"')));
        let escapes = zeros(word ^ (ONES * u64::from(b'\\')));
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let found = quotes | escapes | controls;
        if found != 0 {
            // Little-endian: the lowest byte is the first, and the first that is found is found rightly.
            return length + (found.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    let plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
    length + bytes[length..].iter().take_while(|byte| plain(byte)).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// JSON as others write it: with white space, escapes, numbers of all kinds.
    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            any::<f64>()
                .prop_filter("finite", |number| number.is_finite())
                .prop_map(|number| format!("{number:e}")),
            any::<i64>().prop_map(|number| number.to_string()),
            any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
            Just(r#""\ud834\udd1e\u00ff\/\b""#.to_owned()),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6)
                    .prop_map(|items| format!("[ {}\n]", items.join(" ,"))),
                prop::collection::vec((any::<String>(), inner), 0..6).prop_map(|fields| {
                    let fields: Vec<_> = fields
                        .into_iter()
                        .map(|(name, value)| format!("{} :\t{value}", serde_json::to_string(&name).unwrap()))
                        .collect();
                    format!("{{{}}}", fields.join(", "))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_json_is_taken_apart_as_others_do(text in json()) {
            let parsed = Json::parse(&text).unwrap();
            match serde_json::from_str::<Value>(&text).unwrap() {
                Value::Array(expected) => {
                    let items: Vec<Value> =
                        parsed.items().unwrap().iter().map(|item| serde_json::from_str(item.get()).unwrap()).collect();
                    prop_assert_eq!(items, expected);
                }
                Value::Object(expected) => {
                    let mut fields = serde_json::Map::new();
                    let insert = |name: &str, value: Json<'_>| {
                        fields.insert(name.to_owned(), serde_json::from_str(value.get()).unwrap());
                    };
                    Json::parse_object(&text, "", insert, |_, _, _| {}).unwrap();
                    prop_assert_eq!(fields, expected);
                }
                Value::String(expected) => prop_assert_eq!(parsed.string().unwrap(), expected),
                _ => prop_assert!(parsed.string().is_none() && parsed.items().is_none()),
            }
        }

        /// Damaged in one place, it is JSON to both or to neither.
        #[test]
        fn what_is_no_json_is_refused(text in json(), at: prop::sample::Index, byte in "[\\[\\]{},:\"\\\\0-9a-fu.eE+\\-\n\u{1} ]") {
            let mut chars: Vec<char> = text.chars().collect();
            let at = at.index(chars.len());
            chars[at] = byte.chars().next().unwrap();
            let damaged: String = chars.into_iter().collect();
            // The other one refuses numbers that are too large for it, and half of a surrogate pair.
            let other = serde_json::from_str::<&serde_json::value::RawValue>(&damaged);
            prop_assert_eq!(Json::parse(&damaged).is_ok(), other.is_ok(), "{}: {:?}", damaged, other.err());
        }

        /// A list is taken apart into what its items are by themselves, and is JSON whether it is looked into or not.
        #[test]
        fn a_list_is_looked_into(text in json()) {
            let whole = format!("{{ \"no\":[{{}}], \"l\\u0069st\" : {text} }}");
            let (mut items, mut fields) = (Vec::new(), Vec::new());
            let field = |name: &str, value: Json<'_>| fields.push((name.to_owned(), value.get().to_owned()));
            let inner = |number: usize, name: &str, value: Json<'_>| {
                let value: Value = serde_json::from_str(value.get()).unwrap();
                items.push((number, name.to_owned(), value));
            };
            Json::parse_object(&whole, "list", field, inner).unwrap();
            prop_assert_eq!(&fields, &[("no".to_owned(), "[{}]".to_owned()), ("list".to_owned(), text.clone())]);
            let mut expected = Vec::new();
            for (number, item) in Json::parse(&text).unwrap().items().into_iter().flatten().enumerate() {
                let field = |name: &str, value: Json<'_>| {
                    expected.push((number, name.to_owned(), serde_json::from_str(value.get()).unwrap()));
                };
                let _ = Json::parse_object(item.get(), "", field, |_, _, _| {});
            }
            prop_assert_eq!(items, expected);
        }

        #[test]
        fn nothing_panics(text: String) {
            let _ = Json::parse(&text).map(|json| (json.items(), json.string()));
            let _ = Json::parse_object(&text, "a", |_, _| {}, |_, _, _| {});
        }

        #[test]
        fn eight_at_a_time_is_as_one_at_a_time(bytes: Vec<u8>) {
            let plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
            prop_assert_eq!(plain_length(&bytes), bytes.iter().take_while(plain).count());
        }
    }

    #[test]
    fn errors_say_what_is_wrong_and_where() {
        for (text, expected, at) in [
            ("", "a value", 0),
            ("[1,]", "a value", 3),
            ("[1 2]", "`,` or `]`", 3),
            ("{\"a\" 1}", "`:`", 5),
            ("{a:1}", "a string", 1),
            ("\"\\x\"", "an escaped character", 2),
            ("\"\\u12g4\"", "four hexadecimal digits", 3),
            ("\"a\nb\"", "a character of a string, or its end", 2),
            ("-", "a digit", 1),
            ("01", "the end", 1),
            ("{} x", "the end", 3),
        ] {
            assert_eq!(Json::parse(text), Err(JsonError::Expected { expected, at }), "{text}");
        }
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(&deep(DEPTH_MAX - 1)).is_ok());
        assert_eq!(Json::parse(&deep(DEPTH_MAX)), Err(JsonError::Depth));
        assert_eq!(Json::parse(&"[".repeat(1_000_000)), Err(JsonError::Depth));
        assert_eq!(Json::parse(&deep(DEPTH_MAX - 1)).unwrap().items().map(|items| items.len()), Some(1));
    }
}
