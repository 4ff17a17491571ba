use core::fmt::Write as _;
use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::id::{InfoHash, PeerId};
use crate::limits;
use crate::tracker::announce::{AnnounceRequest, Event, LEFT_UNKNOWN};

/// What is not escaped (RFC 3986, unreserved).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is wrong with a query. The texts of the first three are those of bittorrent-tracker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// No info_hash of twenty bytes, or of 32 (v2).
    #[error("invalid info_hash")]
    InfoHash,
    /// No peer_id of twenty bytes.
    #[error("invalid peer_id")]
    PeerId,
    /// No port from 0 to 65535.
    #[error("invalid port")]
    Port,
    /// An event that is not in [`Event`].
    #[error("invalid event")]
    Event,
    /// Longer than [`limits::TRACKER_QUERY_MAX`].
    #[error("expected a query of at most {max} bytes, got {0}", max = limits::TRACKER_QUERY_MAX)]
    TooLong(usize),
    /// A scrape that names more than [`limits::SCRAPE_HASHES_MAX`] swarms.
    #[error("expected at most {max} info_hash in a scrape", max = limits::SCRAPE_HASHES_MAX)]
    TooMany,
}

/// An announce over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnnounce {
    /// What it says. A `tracker_id` that is longer than [`limits::TRACKER_ID_MAX`] or no UTF-8 is left out.
    pub request: AnnounceRequest,
    /// Peers may come as runs of bytes (BEP 23): unless `compact=0`, as that BEP suggests.
    pub compact: bool,
    /// In a list of dictionaries peer ids may be left out.
    pub no_peer_id: bool,
}

/// The URL to GET for an announce. `url` is the tracker's, which may have a query of its own (a passkey).
pub fn announce_url(url: &str, request: &AnnounceRequest) -> String {
    let AnnounceRequest { port, uploaded, downloaded, key, .. } = request;
    let mut out = begin(url);
    push(&mut out, "info_hash", &request.info_hash.0);
    push(&mut out, "peer_id", &request.peer_id.0);
    let left = request.left.unwrap_or(LEFT_UNKNOWN);
    let _ = write!(
        out,
        "&port={port}&uploaded={uploaded}&downloaded={downloaded}&left={left}&compact=1&key={key:08x}"
    );
    if let Some(event) = request.event.name() {
        let _ = write!(out, "&event={event}");
    }
    if let Some(wanted) = request.wanted {
        let _ = write!(out, "&numwant={wanted}");
    }
    if let Some(id) = &request.tracker_id {
        push(&mut out, "trackerid", id.as_bytes());
    }
    out
}

/// The URL to GET for a scrape (BEP 48); `None` if the last part of the tracker's path does not begin with `announce`,
/// which says that it takes no scrapes. No swarm named means all.
pub fn scrape_url(url: &str, hashes: &[InfoHash]) -> Option<String> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let authority = path.find("://").map_or(0, |at| at + 3);
    let last = authority + path[authority..].rfind('/')? + 1;
    let rest = url[last..].strip_prefix("announce")?;
    let scrape = format!("{}scrape{rest}", &url[..last]);
    if hashes.is_empty() {
        return Some(scrape);
    }
    let mut out = begin(&scrape);
    hashes.iter().for_each(|hash| push(&mut out, "info_hash", &hash.0));
    Some(out)
}

/// The URL without fragment, ready for the first parameter.
fn begin(url: &str) -> String {
    let mut out = url.split('#').next().unwrap_or_default().to_owned();
    if !out.contains('?') {
        out.push('?');
    }
    out
}

fn push(out: &mut String, name: &str, value: &[u8]) {
    if !out.ends_with(['?', '&']) {
        out.push('&');
    }
    let _ = write!(out, "{name}={}", percent_encode(value, ESCAPED));
}

/// Reads the query of an announce, the part of the URL after `?`. Of a parameter that comes twice the first counts;
/// unknown ones mean nothing. A wrong number is 0 or unknown, save the port; `ip`, `ipv4` and `ipv6` are not read, because
/// anybody can claim anything there.
///
/// # Errors
///
/// See [`QueryError`].
pub fn parse_announce(query: &str) -> Result<HttpAnnounce, QueryError> {
    let fields = Fields::read(query)?;
    let port = fields.text("port").and_then(|text| text.parse().ok()).ok_or(QueryError::Port);
    let event = match fields.text("event") {
        None => Event::Update,
        Some(name) => Event::from_name(name).ok_or(QueryError::Event)?,
    };
    let tracker_id = fields.bytes("trackerid").filter(|id| id.len() <= limits::TRACKER_ID_MAX);
    let request = AnnounceRequest {
        info_hash: fields.bytes("info_hash").and_then(|bytes| hash(&bytes)).ok_or(QueryError::InfoHash)?,
        peer_id: PeerId(
            fields.bytes("peer_id").and_then(|id| id.as_ref().try_into().ok()).ok_or(QueryError::PeerId)?,
        ),
        port: port?,
        uploaded: fields.number("uploaded").unwrap_or(0),
        downloaded: fields.number("downloaded").unwrap_or(0),
        left: fields.number("left"),
        event,
        wanted: fields.number("numwant").map(|wanted| u32::try_from(wanted).unwrap_or(u32::MAX)),
        key: fields.bytes("key").map_or(0, |key| key_of(&key)),
        tracker_id: tracker_id.and_then(|id| String::from_utf8(id.into_owned()).ok()),
    };
    let compact = fields.text("compact") != Some("0");
    let no_peer_id = fields.text("no_peer_id").is_some_and(|text| text != "0");
    Ok(HttpAnnounce { request, compact, no_peer_id })
}

/// Reads the query of a scrape: the swarms it names; none means all.
///
/// # Errors
///
/// See [`QueryError`].
pub fn parse_scrape(query: &str) -> Result<Vec<InfoHash>, QueryError> {
    let fields = Fields::read(query)?;
    let mut hashes = Vec::new();
    for (name, value) in fields.iter() {
        if name != "info_hash" {
            continue;
        }
        if hashes.len() == limits::SCRAPE_HASHES_MAX {
            return Err(QueryError::TooMany);
        }
        hashes.push(hash(&unescape(value)).ok_or(QueryError::InfoHash)?);
    }
    Ok(hashes)
}

/// A client's `key` as a number: up to eight hexadecimal digits, as most send it, or whatever else folded (FNV-1a).
fn key_of(key: &[u8]) -> u32 {
    let hex = (1..=8).contains(&key.len()) && key.iter().all(u8::is_ascii_hexdigit);
    let hex = hex.then(|| core::str::from_utf8(key).ok()).flatten();
    hex.and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or_else(|| {
        key.iter()
            .fold(0x811c_9dc5, |folded: u32, byte| (folded ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
    })
}

/// The parameters of a query, still escaped.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    fn read(query: &'a str) -> Result<Self, QueryError> {
        if query.len() > limits::TRACKER_QUERY_MAX {
            return Err(QueryError::TooLong(query.len()));
        }
        Ok(Self(query))
    }

    fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.split('&').filter_map(|field| field.split_once('='))
    }

    /// The value as it stands in the URL; enough for what needs no escaping.
    fn text(self, name: &str) -> Option<&'a str> {
        self.iter().find_map(|(found, value)| (found == name).then_some(value))
    }

    fn bytes(self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.text(name).map(unescape)
    }

    fn number(self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }
}

/// The swarm that these bytes name. That of a v2 info-hash has the first 20 of its 32 bytes as name (BEP 52); clients are to cut
/// it themselves, and some do not.
fn hash(bytes: &[u8]) -> Option<InfoHash> {
    let named = if bytes.len() == 32 { bytes.get(..20)? } else { bytes };
    named.try_into().ok().map(InfoHash)
}

/// The bytes that a value stands for. `+` is a space, as in forms: whoever means `+` escapes it.
fn unescape(value: &str) -> Cow<'_, [u8]> {
    if value.contains('+') {
        let spaced = value.replace('+', " ");
        return Cow::Owned(percent_decode_str(&spaced).collect());
    }
    percent_decode_str(value).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: &str = "%12%34%56%78%9A%BC%DE%F1%23%45%67%89%AB%CD%EF%12%34%56%78%9A";
    const BYTES: InfoHash =
        InfoHash(*b"\x12\x34\x56\x78\x9a\xbc\xde\xf1\x23\x45\x67\x89\xab\xcd\xef\x12\x34\x56\x78\x9a");

    fn request() -> AnnounceRequest {
        AnnounceRequest {
            info_hash: BYTES,
            peer_id: PeerId(*b"-PM0100-a b+c&d=e%f~"),
            port: 6881,
            uploaded: 1,
            downloaded: 2,
            left: Some(3),
            event: Event::Started,
            wanted: Some(50),
            key: 0xdead_beef,
            tracker_id: Some("ü&".to_owned()),
        }
    }

    #[test]
    fn an_announce_is_this_url() {
        assert_eq!(
            announce_url("http://tracker.example:6969/announce?passkey=x#part", &request()),
            "http://tracker.example:6969/announce?passkey=x&info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A\
             &peer_id=-PM0100-a%20b%2Bc%26d%3De%25f~&port=6881&uploaded=1&downloaded=2&left=3&compact=1&key=deadbeef\
             &event=started&numwant=50&trackerid=%C3%BC%26"
        );
    }

    #[test]
    fn queries_of_other_clients_are_read() {
        // aria2 1.37, with its key of any characters.
        let query = format!(
            "info_hash={HASH}&peer_id=A2-1-37-0-%8F%A9%00xyzabcd&uploaded=0&downloaded=0&left=9&compact=1\
             &key=a%26bcdefg&numwant=50&no_peer_id=1&port=6881&event=started&supportcrypto=1"
        );
        let read = parse_announce(&query);
        // Twenty bytes it is not: 10 + 3 + 7.
        let read = read.unwrap();
        assert_eq!(read.request.info_hash, BYTES);
        assert_eq!(read.request.peer_id, PeerId(*b"A2-1-37-0-\x8f\xa9\0xyzabcd"));
        assert!(read.compact && read.no_peer_id);
        assert_eq!((read.request.left, read.request.wanted), (Some(9), Some(50)));
        assert_ne!(read.request.key, 0);
        // Wrong numbers are unknown; `+` is a space.
        let query =
            format!("info_hash={HASH}&peer_id=++++++++++%2B+++++++++&port=0&left=-1&numwant=-1&compact=0");
        let read = parse_announce(&query).unwrap();
        assert_eq!(read.request.peer_id, PeerId(*b"          +         "));
        assert_eq!((read.request.left, read.request.wanted, read.compact), (None, None, false));
    }

    #[test]
    fn a_v2_info_hash_names_the_swarm_of_its_first_twenty_bytes() {
        let whole = format!("{HASH}{}", "%00".repeat(12));
        let query = format!("info_hash={whole}&peer_id={}&port=1", "a".repeat(20));
        assert_eq!(parse_announce(&query).unwrap().request.info_hash, BYTES);
        assert_eq!(parse_scrape(&format!("info_hash={whole}")), Ok(vec![BYTES]));
        assert_eq!(parse_scrape(&format!("info_hash={whole}a")), Err(QueryError::InfoHash));
    }

    #[test]
    fn what_is_no_announce_says_why() {
        let hash = format!("info_hash={HASH}");
        let peer = format!("peer_id={}", "a".repeat(20));
        for (query, expected) in [
            (String::new(), QueryError::InfoHash),
            (format!("info_hash={}&{peer}&port=1", "a".repeat(40)), QueryError::InfoHash),
            (format!("info_hash={HASH}a&{peer}&port=1"), QueryError::InfoHash),
            (format!("{hash}&peer_id=x&port=1"), QueryError::PeerId),
            (format!("{hash}&{peer}"), QueryError::Port),
            (format!("{hash}&{peer}&port=65536"), QueryError::Port),
            (format!("{hash}&{peer}&port=1&event=maybe"), QueryError::Event),
            ("a".repeat(8_193), QueryError::TooLong(8_193)),
        ] {
            assert_eq!(parse_announce(&query), Err(expected), "{query}");
        }
        assert_eq!(parse_scrape(&"info_hash=aaaaaaaaaaaaaaaaaaaa&".repeat(75)), Err(QueryError::TooMany));
        assert_eq!(parse_scrape("info_hash=a"), Err(QueryError::InfoHash));
        assert_eq!(parse_scrape(""), Ok(Vec::new()));
    }

    #[test]
    fn the_scrape_url_follows_from_the_announce_url() {
        // The examples of BEP 48.
        for (announce, scrape) in [
            ("http://example.com/announce", Some("http://example.com/scrape")),
            ("http://example.com/x/announce", Some("http://example.com/x/scrape")),
            ("http://example.com/announce.php", Some("http://example.com/scrape.php")),
            ("http://example.com/a", None),
            ("http://example.com/announce?x2%0644", Some("http://example.com/scrape?x2%0644")),
            ("http://example.com/announce?x=2/4", Some("http://example.com/scrape?x=2/4")),
            ("http://example.com/x%064announce", None),
            ("http://announce.example", None),
        ] {
            assert_eq!(scrape_url(announce, &[]).as_deref(), scrape, "{announce}");
        }
        assert_eq!(
            scrape_url("http://h/announce?k=1", &[BYTES, InfoHash([b'a'; 20])]).unwrap(),
            "http://h/scrape?k=1&info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A&info_hash=aaaaaaaaaaaaaaaaaaaa"
        );
    }

    fn events() -> impl Strategy<Value = Event> {
        prop::sample::select(vec![
            Event::Update,
            Event::Started,
            Event::Completed,
            Event::Stopped,
            Event::Paused,
        ])
    }

    proptest! {
        #[test]
        fn an_announce_survives(
            info_hash: [u8; 20], peer_id: [u8; 20], port: u16, numbers: (u64, u64, u64), event in events(),
            wanted: Option<u32>, key: u32, tracker_id in prop::option::of(".{0,60}"),
        ) {
            let (uploaded, downloaded, left) = numbers;
            let request = AnnounceRequest {
                info_hash: InfoHash(info_hash), peer_id: PeerId(peer_id), port, uploaded, downloaded,
                left: Some(left), event, wanted, key, tracker_id,
            };
            let url = announce_url("http://h/announce", &request);
            let read = parse_announce(url.split_once('?').unwrap().1).unwrap();
            prop_assert_eq!(read, HttpAnnounce { request, compact: true, no_peer_id: false });
        }

        #[test]
        fn a_scrape_survives(hashes in prop::collection::vec(any::<[u8; 20]>(), 1..74)) {
            let hashes: Vec<InfoHash> = hashes.into_iter().map(InfoHash).collect();
            let url = scrape_url("http://h/announce", &hashes).unwrap();
            prop_assert_eq!(parse_scrape(url.split_once('?').unwrap().1), Ok(hashes));
        }
    }
}
