//! Names of programs, from peer ids (BEP 20) and from the extension handshake.

use crate::id::PeerId;
use crate::limits;

/// Two letters between dashes, as in `-WW0300-`, and who uses them.
const AZUREUS: &[(&[u8; 2], &str)] = &[
    (b"7T", "aTorrent"),
    (b"A2", "aria2"),
    (b"AG", "Ares"),
    (b"AN", "Ares"),
    (b"AZ", "Vuze"),
    (b"BC", "BitComet"),
    (b"BG", "BTG"),
    (b"BI", "BiglyBT"),
    (b"BL", "BitLord"),
    (b"BT", "BitTorrent"),
    (b"DE", "Deluge"),
    (b"FD", "Free Download Manager"),
    (b"FL", "Flud"),
    (b"GT", "anacrolix/torrent"),
    (b"KG", "KGet"),
    (b"KT", "KTorrent"),
    (b"LT", "libtorrent"),
    (b"PM", "Piecemeal"),
    (b"TR", "Transmission"),
    (b"TX", "Tixati"),
    (b"UM", "uTorrent for Mac"),
    (b"UT", "uTorrent"),
    (b"UW", "uTorrent Web"),
    (b"WD", "WebTorrent Desktop"),
    (b"WW", "WebTorrent"),
    (b"XL", "Xunlei"),
    (b"lt", "rTorrent"),
    (b"qB", "qBittorrent"),
    (b"rQ", "rqbit"),
];

/// Program and version as the peer id tells them, e.g. `WebTorrent 3.0`; for an id in no known style its printable
/// start. Never empty, at most [`limits::CLIENT_NAME_MAX`] characters.
pub fn client_name(peer: &PeerId) -> String {
    if let [b'-', a, b, version @ .., b'-'] = &peer.0[..8] {
        let known = AZUREUS.iter().find(|(code, _)| code[..] == [*a, *b]).map(|(_, name)| (*name).to_owned());
        let name = known.or_else(|| {
            (a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric())
                .then(|| format!("{}{}", *a as char, *b as char))
        });
        if let Some(name) = name {
            let web = matches!((a, b), (b'W', b'W' | b'D'));
            return match version_text(version, web) {
                Some(version) => format!("{name} {version}"),
                None => name,
            };
        }
    }
    let start: String =
        peer.0[..8].iter().map(|byte| if byte.is_ascii_graphic() { *byte as char } else { '·' }).collect();
    format!("unknown ({start})")
}

/// Four characters as a version. Most programs give each part one character, `0` to `9` and `A` for 10 and so on;
/// WebTorrent's give two digits each to major and minor.
fn version_text(version: &[u8], two_digits: bool) -> Option<String> {
    let digits: Vec<u32> = version.iter().map(|byte| (*byte as char).to_digit(36)).collect::<Option<_>>()?;
    let &[a, b, c, d] = digits.as_slice() else { return None };
    if two_digits {
        return version.iter().all(u8::is_ascii_digit).then(|| format!("{}.{}", a * 10 + b, c * 10 + d));
    }
    let parts: &[u32] = match (c, d) {
        (0, 0) => &[a, b],
        (_, 0) => &[a, b, c],
        _ => &[a, b, c, d],
    };
    Some(parts.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
}

/// A name in a stranger's words, made safe to show; at most [`limits::CLIENT_NAME_MAX`] characters.
pub(super) fn printable(bytes: &[u8]) -> String {
    crate::text::shown(&String::from_utf8_lossy(bytes), limits::CLIENT_NAME_MAX)
}
