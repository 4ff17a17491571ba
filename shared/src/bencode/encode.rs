/// Appends values to a buffer in canonical form.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Appends to `out`.
    pub const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// `i…e`.
    pub fn integer(&mut self, number: impl Into<i128>) {
        self.out.push(b'i');
        self.out.extend_from_slice(number.into().to_string().as_bytes());
        self.out.push(b'e');
    }

    /// `n:…`.
    pub fn bytes(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.out.extend_from_slice(bytes.len().to_string().as_bytes());
        self.out.push(b':');
        self.out.extend_from_slice(bytes);
    }

    /// `l…e`, filled by `fill`.
    pub fn list(&mut self, fill: impl FnOnce(&mut Writer<'_>)) {
        self.out.push(b'l');
        fill(&mut Writer::new(self.out));
        self.out.push(b'e');
    }

    /// `d…e`, filled by `fill`.
    pub fn dictionary(&mut self, fill: impl FnOnce(&mut DictionaryWriter<'_>)) {
        self.out.push(b'd');
        fill(&mut DictionaryWriter { writer: Writer::new(self.out), last: None });
        self.out.push(b'e');
    }

    /// Bytes that are a canonical value already.
    pub fn raw(&mut self, value: &[u8]) {
        self.out.extend_from_slice(value);
    }

    /// Any value that was decoded, as it is.
    pub fn value(&mut self, value: super::Value<'_>) {
        match value {
            super::Value::Integer(number) => self.integer(number),
            super::Value::Bytes(bytes) => self.bytes(bytes),
            super::Value::List(list) => self.raw(list.raw()),
            super::Value::Dictionary(dictionary) => self.raw(dictionary.raw()),
        }
    }
}

/// Appends entries to a dictionary.
#[derive(Debug)]
pub struct DictionaryWriter<'a> {
    writer: Writer<'a>,
    /// Where the last key lies in the buffer.
    last: Option<core::ops::Range<usize>>,
}

impl<'a> DictionaryWriter<'a> {
    /// Writes a key, which must sort after the one before it; exactly one value must follow.
    pub fn key(&mut self, key: impl AsRef<[u8]>) -> &mut Writer<'a> {
        let key = key.as_ref();
        debug_assert!(
            self.last.clone().is_none_or(|last| &self.writer.out[last] < key),
            "keys are written in ascending order"
        );
        self.writer.bytes(key);
        let end = self.writer.out.len();
        self.last = Some(end - key.len()..end);
        &mut self.writer
    }
}
