//! Which program a peer is.

/// Name and version of a program that marks its peer_id in Azureus's style: `-`, two letters, four characters of the
/// version, `-` (BEP 20).
pub(crate) fn client_name(prefix: &[u8]) -> (String, String) {
    let (b'-', Some(&[a, b, v0, v1, v2, v3, b'-'])) =
        (prefix[0], prefix.get(1..8).and_then(|rest| rest.first_chunk()))
    else {
        return unknown(prefix);
    };
    let name = match [a, b] {
        [b'W', b'W'] => "WebTorrent",
        [b'W', b'D'] => "WebTorrent Desktop",
        [b'P', b'M'] => return ("Piecemeal".to_owned(), digits([v0, v1, v2, v3])),
        letters if letters.iter().all(u8::is_ascii_alphanumeric) => {
            return (String::from_utf8_lossy(&letters).into_owned(), digits([v0, v1, v2, v3]));
        }
        _ => return unknown(prefix),
    };
    // WebTorrent writes two digits for the major and two for the minor number.
    let pair = |tens: u8, ones: u8| match tens {
        b'0' => char::from(ones).to_string(),
        _ => digits([tens, ones]),
    };
    (name.to_owned(), format!("{}.{}", pair(v0, v1), pair(v2, v3)))
}

fn unknown(prefix: &[u8]) -> (String, String) {
    ("unknown".to_owned(), prefix.iter().copied().map(printable).collect())
}

fn digits<const N: usize>(bytes: [u8; N]) -> String {
    bytes.into_iter().map(printable).collect()
}

fn printable(byte: u8) -> char {
    if byte.is_ascii_graphic() { char::from(byte) } else { '?' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_by_their_prefix() {
        for (prefix, name, version) in [
            (b"-WW0091-", "WebTorrent", "0.91"),
            (b"-WW0300-", "WebTorrent", "3.0"),
            (b"-WW1203-", "WebTorrent", "12.3"),
            (b"-qB4650-", "qB", "4650"),
            (b"-PM0010-", "Piecemeal", "0010"),
            (b"-\0\xff1234-", "unknown", "-??1234-"),
            (b"M7-9-2--", "unknown", "M7-9-2--"),
        ] {
            assert_eq!(client_name(prefix), (name.to_owned(), version.to_owned()));
        }
    }
}
