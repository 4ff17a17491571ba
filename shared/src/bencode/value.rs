use super::decode::{skip, string};

/// One value, borrowed from a text that [`super::decode`] found sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `i…e`, within 64 bits.
    Integer(i64),
    /// `n:…`; bencode has no other strings.
    Bytes(&'a [u8]),
    /// `l…e`.
    List(List<'a>),
    /// `d…e`.
    Dictionary(Dictionary<'a>),
}

impl<'a> Value<'a> {
    /// The integer, if it is one.
    pub const fn integer(self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(number) } else { None }
    }

    /// The byte string, if it is one.
    pub const fn bytes(self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// The byte string as text, if it is one and is UTF-8.
    pub fn text(self) -> Option<&'a str> {
        self.bytes().and_then(|bytes| core::str::from_utf8(bytes).ok())
    }

    /// The list, if it is one.
    pub const fn list(self) -> Option<List<'a>> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    /// The dictionary, if it is one.
    pub const fn dictionary(self) -> Option<Dictionary<'a>> {
        if let Self::Dictionary(dictionary) = self { Some(dictionary) } else { None }
    }

    /// What it is, for messages: `an integer`, `a byte string`, `a list` or `a dictionary`.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Integer(_) => "an integer",
            Self::Bytes(_) => "a byte string",
            Self::List(_) => "a list",
            Self::Dictionary(_) => "a dictionary",
        }
    }

    /// Reads the value at the start of a sound text; also answers what follows it.
    pub(super) fn read(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (first, rest) = text.split_first()?;
        match first {
            b'i' => {
                let end = rest.iter().position(|byte| *byte == b'e')?;
                let number = core::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
                Some((Self::Integer(number), &rest[end + 1..]))
            }
            b'l' | b'd' => {
                let (raw, rest) = text.split_at_checked(skip(text)?)?;
                let value =
                    if *first == b'l' { Self::List(List(raw)) } else { Self::Dictionary(Dictionary(raw)) };
                Some((value, rest))
            }
            _ => string(text).map(|(bytes, rest)| (Self::Bytes(bytes), rest)),
        }
    }
}

/// A list, walked where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List<'a>(&'a [u8]);

impl<'a> List<'a> {
    /// Its items, in order. A whole walk takes time linear in the list's bytes.
    pub const fn iter(self) -> Items<'a> {
        Items(inner(self.0))
    }

    /// The exact bytes, `l` and `e` included.
    pub const fn raw(self) -> &'a [u8] {
        self.0
    }
}

impl<'a> IntoIterator for List<'a> {
    type Item = Value<'a>;
    type IntoIter = Items<'a>;

    fn into_iter(self) -> Items<'a> {
        self.iter()
    }
}

/// Items of a [`List`].
#[derive(Clone, Debug)]
pub struct Items<'a>(&'a [u8]);

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let (value, rest) = Value::read(self.0)?;
        self.0 = rest;
        Some(value)
    }
}

/// A dictionary, walked where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dictionary<'a>(&'a [u8]);

impl<'a> Dictionary<'a> {
    /// The value of this key. Takes time linear in the dictionary's bytes.
    pub fn get(self, key: &[u8]) -> Option<Value<'a>> {
        self.iter().find_map(|(found, value)| (found == key).then_some(value))
    }

    /// Keys and values, in the order of the text.
    pub const fn iter(self) -> Entries<'a> {
        Entries(inner(self.0))
    }

    /// The exact bytes, `d` and `e` included.
    pub const fn raw(self) -> &'a [u8] {
        self.0
    }
}

impl<'a> IntoIterator for Dictionary<'a> {
    type Item = (&'a [u8], Value<'a>);
    type IntoIter = Entries<'a>;

    fn into_iter(self) -> Entries<'a> {
        self.iter()
    }
}

/// Keys and values of a [`Dictionary`].
#[derive(Clone, Debug)]
pub struct Entries<'a>(&'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<(&'a [u8], Value<'a>)> {
        let (key, rest) = string(self.0)?;
        let (value, rest) = Value::read(rest)?;
        self.0 = rest;
        Some((key, value))
    }
}

/// Without the opening letter and the closing `e`.
const fn inner(raw: &[u8]) -> &[u8] {
    match raw {
        [_, inner @ .., _] => inner,
        _ => &[],
    }
}
