//! What is kept beside a download to go on with it later.

use shared::bencode::{Order, Writer, decode};

/// Longest record that is read: the engine's own (a bit a piece) and 25 bytes a file.
pub(super) const RECORD_MAX: usize = 4 * 1024 * 1024;

/// The engine's resume record, with what tells whether files may still be what it says of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// Opaque.
    pub(super) engine: Vec<u8>,
    /// The run of the system (boot id) in which it was written.
    pub(super) boot: Vec<u8>,
    /// When each file was last written to, in the order of the torrent: `seconds.nanoseconds`, empty for one that is not
    /// there. Only of a storage that was closed: then everything lies on the disk, and nothing but what the engine's record
    /// names is there.
    pub(super) closed: Option<Vec<Vec<u8>>>,
    /// Files that the download has made: a bit each, the first in the highest bit.
    pub(super) made: Vec<u8>,
}

impl Record {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.engine.len() + self.made.len() + 128);
        Writer::new(&mut out).dictionary(|entries| {
            entries.key("boot").bytes(&self.boot);
            if let Some(stamps) = &self.closed {
                entries.key("closed").list(|list| stamps.iter().for_each(|stamp| list.bytes(stamp)));
            }
            entries.key("engine").bytes(&self.engine);
            entries.key("made").bytes(&self.made);
        });
        out
    }

    /// `None` for what is no record.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let entries = decode(bytes, Order::Any).ok()?.dictionary()?;
        let bytes = |key: &[u8]| entries.get(key).and_then(|value| value.bytes()).map(<[u8]>::to_vec);
        let closed = match entries.get(b"closed") {
            Some(value) => {
                Some(value.list()?.iter().map(|stamp| stamp.bytes().unwrap_or_default().to_vec()).collect())
            }
            None => None,
        };
        Some(Self { engine: bytes(b"engine")?, boot: bytes(b"boot")?, closed, made: bytes(b"made")? })
    }
}

/// Names this run of the system: what was not yet on the disk when it ended is lost.
pub(super) fn boot() -> Vec<u8> {
    let id = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim_ascii().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_garbage_is_none() {
        for closed in [None, Some(vec![b"1.5".to_vec(), Vec::new()])] {
            let record = Record { engine: vec![0, 255], boot: b"x".to_vec(), closed, made: vec![0x80] };
            assert_eq!(Record::decode(&record.encode()), Some(record));
        }
        for garbage in [&b""[..], b"de", b"i1e", b"d4:boot1:x6:closedi1e6:engine0:4:made0:e"] {
            assert_eq!(Record::decode(garbage), None);
        }
    }
}
