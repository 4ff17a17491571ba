//! The resume record on disk: its length, then its bytes, written in place. The record has a checksum of its own, so
//! one that was torn by a power cut is found out and the pieces are checked instead.

use bytes::Bytes;

use crate::platform::JsError;
use crate::platform::files::SyncFile;

/// Name of the file with the record.
pub const RECORD: &str = "resume";

/// Name of the file with the `.torrent`, trackers included.
pub const META: &str = "meta";

/// A record longer than that is not one of ours: two million pieces need 250 kB.
const RECORD_MAX: u32 = 1024 * 1024;

const HEAD: usize = size_of::<u32>();

/// The record as it stands in a file's bytes; `None` where there is none.
pub fn parse(stored: &Bytes) -> Option<Bytes> {
    let (head, rest) = stored.split_first_chunk::<HEAD>()?;
    let length = u32::from_le_bytes(*head);
    (length > 0 && length <= RECORD_MAX && rest.len() >= length as usize)
        .then(|| stored.slice(HEAD..HEAD + length as usize))
}

/// Replaces the record in its file.
pub fn write(file: &SyncFile, record: &[u8]) -> Result<(), JsError> {
    let mut bytes = Vec::with_capacity(HEAD + record.len());
    bytes.extend_from_slice(&(record.len() as u32).to_le_bytes());
    bytes.extend_from_slice(record);
    file.write(0, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_what_its_length_says_and_the_rest_is_older() {
        assert_eq!(parse(&Bytes::from_static(b"\x03\0\0\0abcdefg")), Some(Bytes::from_static(b"abc")));
        for no_record in [&b""[..], b"\x03\0\0", b"\x03\0\0\0ab", b"\0\0\0\0abc", b"\xff\xff\xff\xffabc"] {
            assert_eq!(parse(&Bytes::copy_from_slice(no_record)), None);
        }
    }
}
