//! Links that name a torrent: magnet links (BEP 9, BEP 53), share links, bare info-hashes.
//!
//! A share link is the address of a page with a magnet link or an info-hash as its fragment, which browsers keep to
//! themselves: `https://host/#magnet:?xt=…` is ours, `https://host/#<info-hash>` is instant.io's and βTorrent's.
//!
//! What a link says beside its info-hash is a stranger's advice: URLs are checked ([`crate::url`]), repeated ones and
//! those of no use left out, the number of each kind bounded, the name made safe to show.

use core::fmt::Write as _;
use core::ops::RangeInclusive;
use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::id::{IdError, InfoHash};
use crate::{limits, text, url};

/// What a link says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The torrent (`xt=urn:btih:`).
    pub info_hash: InfoHash,
    /// What to call it until its metadata is known (`dn`); safe to show, but not a file name.
    pub name: Option<String>,
    /// Bytes in the torrent, as far as the link knows (`xl`).
    pub length: Option<u64>,
    /// Announce URLs (`tr`), at most [`limits::TRACKERS_PER_TORRENT`].
    pub trackers: Vec<String>,
    /// Web seeds (`ws`, and `as`), at most [`limits::WEB_SEEDS_PER_TORRENT`].
    pub web_seeds: Vec<String>,
    /// Where the `.torrent` can be had (`xs`), at most [`limits::LINK_SOURCES_MAX`].
    pub sources: Vec<String>,
    /// Addresses of peers as `host:port` (`x.pe`), at most [`limits::LINK_PEERS_MAX`].
    pub peers: Vec<String>,
    /// Numbers of the files that are meant (`so`, BEP 53), at most [`limits::LINK_RANGES_MAX`] ranges; empty for all.
    pub select: Vec<RangeInclusive<u32>>,
}

/// Why a text is not a link to a torrent. Made to be read by the person who pasted it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Too long.
    #[error("expected a link of at most {max} bytes, got {0}", max = limits::LINK_MAX)]
    TooLong(usize),
    /// No kind of link that we know.
    #[error("expected a magnet link, a share link or an info-hash, got {0}")]
    Unknown(String),
    /// An address of a page, but nothing in its fragment that names a torrent.
    #[error("expected a torrent after the \"#\" of the address, got {0}")]
    NoTorrent(String),
    /// A magnet link without `xt=urn:btih:`.
    #[error("expected \"xt=urn:btih:\" with an info-hash in the magnet link, got none")]
    NoHash,
    /// A magnet link to a torrent of version 2 only.
    #[error("expected a magnet link to a torrent of version 1, got one of version 2 only (urn:btmh)")]
    VersionTwo,
    /// An info-hash that is none.
    #[error("info-hash of the link: {0}")]
    Hash(#[from] IdError),
}

/// Everything but RFC 3986's unreserved characters, so that no chat program and no parser finds the end of the link, or
/// of a part of it, where there is none.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How much of a text an error repeats, in characters.
const QUOTED_MAX: usize = 48;

impl Link {
    /// A link that says nothing but which torrent.
    pub const fn new(info_hash: InfoHash) -> Self {
        Self {
            info_hash,
            name: None,
            length: None,
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            sources: Vec::new(),
            peers: Vec::new(),
            select: Vec::new(),
        }
    }

    /// Reads a magnet link, a share link, a fragment of one (with its `#`), or a bare info-hash; blanks around it are
    /// ignored.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        if text.len() > limits::LINK_MAX {
            return Err(LinkError::TooLong(text.len()));
        }
        let link = text.trim();
        if let Some(query) = magnet_query(link) {
            return Self::from_query(query);
        }
        let page = strip_prefix(link, "http://").or_else(|| strip_prefix(link, "https://")).is_some();
        if page || link.starts_with('#') {
            let fragment = link.split_once('#').map_or("", |(_, fragment)| fragment);
            return Self::from_fragment(fragment);
        }
        if matches!(link.len(), 32 | 40) && link.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(Self::new(link.parse()?));
        }
        Err(LinkError::Unknown(quoted(link)))
    }

    fn from_fragment(fragment: &str) -> Result<Self, LinkError> {
        // Some programs escape the fragment as a whole.
        let whole = if magnet_query(fragment).is_none() { percent_decode(fragment) } else { None };
        let fragment = whole.as_deref().unwrap_or(fragment);
        if let Some(query) = magnet_query(fragment) {
            return Self::from_query(query);
        }
        let hash = fragment.trim_start_matches('/');
        hash.parse().map(Self::new).map_err(|_| LinkError::NoTorrent(quoted(fragment)))
    }

    fn from_query(query: &str) -> Result<Self, LinkError> {
        let mut link = Self::new(InfoHash([0; 20]));
        let mut hash = None;
        let mut other = LinkError::NoHash;
        for (key, value) in parameters(query) {
            match key {
                "xt" if hash.is_none() => {
                    let topic = percent_decode(value).unwrap_or_default();
                    if let Some(text) = strip_prefix(&topic, "urn:btih:") {
                        hash = Some(text.parse::<InfoHash>());
                    } else if strip_prefix(&topic, "urn:btmh:").is_some() {
                        other = LinkError::VersionTwo;
                    }
                }
                "dn" if link.name.is_none() => link.name = name(value),
                "xl" if link.length.is_none() => link.length = value.parse().ok(),
                "tr" => {
                    add_url(&mut link.trackers, value, url::TRACKER_SCHEMES, limits::TRACKERS_PER_TORRENT);
                }
                "ws" | "as" => {
                    add_url(&mut link.web_seeds, value, url::WEB_SCHEMES, limits::WEB_SEEDS_PER_TORRENT);
                }
                "xs" => add_url(&mut link.sources, value, url::WEB_SCHEMES, limits::LINK_SOURCES_MAX),
                "x.pe" => {
                    let peer = percent_decode(value).and_then(|text| url::check_host_port(&text));
                    add(&mut link.peers, peer, limits::LINK_PEERS_MAX);
                }
                "so" if link.select.is_empty() => link.select = ranges(value),
                _ => {}
            }
        }
        link.info_hash = hash.ok_or(other)??;
        Ok(link)
    }

    /// The magnet link.
    pub fn to_magnet(&self) -> String {
        let mut link = format!("magnet:?xt=urn:btih:{}", self.info_hash);
        if let Some(name) = &self.name {
            put(&mut link, "dn", name);
        }
        if let Some(length) = self.length {
            let _ = write!(link, "&xl={length}");
        }
        let urls =
            [("tr", &self.trackers), ("ws", &self.web_seeds), ("xs", &self.sources), ("x.pe", &self.peers)];
        for (key, values) in urls {
            for value in values {
                put(&mut link, key, value);
            }
        }
        for (number, range) in self.select.iter().enumerate() {
            link.push_str(if number == 0 { "&so=" } else { "," });
            let _ = write!(link, "{}", range.start());
            if range.end() > range.start() {
                let _ = write!(link, "-{}", range.end());
            }
        }
        link
    }

    /// The share link to the page at `origin` (scheme, host, port, and path if it is not at the root).
    pub fn to_share_link(&self, origin: &str) -> String {
        format!("{}/#{}", origin.trim_end_matches('/'), self.to_magnet())
    }
}

impl core::str::FromStr for Link {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        Self::parse(text)
    }
}

/// What follows `magnet:?`.
fn magnet_query(text: &str) -> Option<&str> {
    let rest = strip_prefix(text, "magnet:")?;
    rest.strip_prefix("//").unwrap_or(rest).trim_start_matches('/').strip_prefix('?')
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Keys and values, still escaped. Keys may be numbered (`tr.1`), and stand behind `&amp;` where a link was copied out
/// of HTML.
fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter_map(|parameter| {
        let parameter = parameter.strip_prefix("amp;").unwrap_or(parameter);
        let (key, value) = parameter.split_once('=')?;
        let key = match key.rsplit_once('.') {
            Some((key, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
                key
            }
            _ => key,
        };
        Some((key, value))
    })
}

/// The text that `%XX` stand for; `None` if it is not UTF-8. A `%` that begins no escape stands for itself.
fn percent_decode(value: &str) -> Option<String> {
    percent_decode_str(value).decode_utf8().ok().map(Cow::into_owned)
}

/// In a name, and only there, `+` is a blank: stock WebTorrent writes it so.
fn name(value: &str) -> Option<String> {
    let spaced = value.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8_lossy();
    let shown = text::shown(decoded.trim(), limits::NAME_MAX).trim().to_owned();
    (!shown.is_empty()).then_some(shown)
}

fn add_url(urls: &mut Vec<String>, value: &str, schemes: &'static [&'static str], most: usize) {
    add(urls, percent_decode(value).and_then(|text| url::check(&text, schemes).ok()), most);
}

fn add(values: &mut Vec<String>, value: Option<String>, most: usize) {
    if let Some(value) = value
        && values.len() < most
        && !values.contains(&value)
    {
        values.push(value);
    }
}

/// `0,2,4-7`; nothing at all if any of it is no range.
fn ranges(value: &str) -> Vec<RangeInclusive<u32>> {
    let range = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        (first <= last).then_some(first..=last)
    };
    let decoded = percent_decode(value).unwrap_or_default();
    decoded.split(',').take(limits::LINK_RANGES_MAX).map(range).collect::<Option<_>>().unwrap_or_default()
}

fn put(link: &mut String, key: &str, value: &str) {
    let _ = write!(link, "&{key}={}", utf8_percent_encode(value, ESCAPED));
}

fn quoted(link: &str) -> String {
    match text::shown(link, QUOTED_MAX) {
        shown if shown.is_empty() => "nothing".to_owned(),
        shown => format!("{shown:?}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;

    use super::*;

    const HEX: &str = "08ada5a7a6183aae1e09d831df6748d566095a10";

    fn hash() -> InfoHash {
        HEX.parse().expect("hex")
    }

    #[test]
    fn a_magnet_link_of_stock_webtorrent_is_read_whole() {
        let link = Link::parse(&format!(
            " magnet:?xt=urn:btih:{HEX}&dn=Sintel+%28a+film%2B%29&tr=udp%3A%2F%2Fexplodie.org%3A6969&\
             tr=wss%3A%2F%2Ftracker.btorrent.xyz&tr.1=wss%3A%2F%2FTracker.btorrent.xyz/&\
             ws=https%3A%2F%2Fwebtorrent.io%2Ftorrents%2F&as=http%3A%2F%2Fa.example&xl=129302391&kt=a+b&\
             xs=https%3A%2F%2Fwebtorrent.io%2Ftorrents%2Fsintel.torrent&xs=urn:btpk:ab&so=0,2-4&x.pe=[::1]:80&x.pe=h:1\n"
        ));
        let mut expected = Link::new(hash());
        expected.name = Some("Sintel (a film+)".to_owned());
        expected.length = Some(129_302_391);
        expected.trackers =
            vec!["udp://explodie.org:6969".to_owned(), "wss://tracker.btorrent.xyz".to_owned()];
        expected.web_seeds =
            vec!["https://webtorrent.io/torrents/".to_owned(), "http://a.example".to_owned()];
        expected.sources = vec!["https://webtorrent.io/torrents/sintel.torrent".to_owned()];
        expected.peers = vec!["[::1]:80".to_owned(), "h:1".to_owned()];
        expected.select = vec![0..=0, 2..=4];
        assert_eq!(link, Ok(expected));
    }

    #[test]
    fn every_way_to_name_a_torrent_alone_is_the_same() {
        let upper = HEX.to_uppercase();
        let base32 = data_encoding::BASE32_NOPAD.encode(&hash().0);
        for text in [
            HEX,
            &upper,
            &base32,
            &base32.to_lowercase(),
            &format!("\t{HEX} "),
            &format!("magnet:?xt=urn:btih:{upper}"),
            &format!("MAGNET:?dn=&xt.1=URN:BTIH:{base32}"),
            &format!("magnet://?xt=urn%3Abtih%3A{HEX}"),
            &format!("magnet:?a&b=1&amp;xt=urn:btih:{HEX}&tr=javascript%3Ax&xl=many&so=9-1"),
            &format!("#{HEX}"),
            &format!("https://instant.io/#{HEX}"),
            &format!("https://btorrent.xyz/view#{HEX}"),
            &format!("http://192.168.1.2:8080/#magnet:?xt=urn:btih:{HEX}"),
            &format!("https://host/#magnet%3A%3Fxt%3Durn%3Abtih%3A{HEX}"),
            &format!("https://host/app/#/{HEX}"),
        ] {
            assert_eq!(Link::parse(text), Ok(Link::new(hash())), "{text}");
        }
    }

    #[test]
    fn what_is_no_link_says_why_to_a_person() {
        let wrong = |text: &str| Link::parse(text).expect_err(text).to_string();
        assert_eq!(wrong(""), "expected a magnet link, a share link or an info-hash, got nothing");
        assert_eq!(wrong("hello"), "expected a magnet link, a share link or an info-hash, got \"hello\"");
        assert_eq!(wrong("https://host/"), "expected a torrent after the \"#\" of the address, got nothing");
        assert_eq!(
            wrong("https://host/#top"),
            "expected a torrent after the \"#\" of the address, got \"top\""
        );
        assert!(wrong("magnet:?dn=x").contains("got none"));
        assert!(wrong("magnet:?xt=urn:btmh:1220ab").contains("version 2"));
        assert_eq!(
            wrong("magnet:?xt=urn:btih:abc"),
            "info-hash of the link: expected 40 hexadecimal or 32 base32 characters, got 3 characters"
        );
        assert!(wrong(&"z".repeat(40)).contains("position 0"));
        assert_eq!(Link::parse(&"x".repeat(70_000)), Err(LinkError::TooLong(70_000)));
        assert!(wrong(&format!("#\u{202e}{}", "x".repeat(1_000))).len() < 200);
    }

    #[test]
    fn what_a_link_names_is_bounded() {
        let mut text = format!("magnet:?xt=urn:btih:{HEX}&dn={}", "%F0%9F%98%80".repeat(500));
        for number in 0..100 {
            let _ = write!(text, "&tr=ws://h:{n}&ws=http://h:{n}&xs=http://h:{n}&x.pe=h:{n}", n = number + 1);
        }
        let link = Link::parse(&text).expect("sound");
        assert_eq!(link.name.map(|name| name.chars().count()), Some(limits::NAME_MAX));
        assert_eq!(link.trackers.len(), limits::TRACKERS_PER_TORRENT);
        assert_eq!(link.web_seeds.len(), limits::WEB_SEEDS_PER_TORRENT);
        assert_eq!(
            (link.sources.len(), link.peers.len()),
            (limits::LINK_SOURCES_MAX, limits::LINK_PEERS_MAX)
        );
        let many = format!("magnet:?xt=urn:btih:{HEX}&so={}", ["7"; 5_000].join(","));
        assert_eq!(Link::parse(&many).expect("sound").select.len(), limits::LINK_RANGES_MAX);
    }

    #[test]
    fn a_share_link_ends_in_the_magnet_link() {
        let mut link = Link::new(hash());
        link.name = Some("a&b=c +#%é.txt".to_owned());
        link.length = Some(7);
        link.trackers = vec!["wss://host:8443/announce?x=y".to_owned()];
        let expected = format!(
            "https://host/#magnet:?xt=urn:btih:{HEX}&dn=a%26b%3Dc%20%2B%23%25%C3%A9.txt&xl=7\
             &tr=wss%3A%2F%2Fhost%3A8443%2Fannounce%3Fx%3Dy"
        );
        assert_eq!(link.to_share_link("https://host"), expected);
        assert_eq!(link.to_share_link("https://host/"), expected);
        assert_eq!(Link::parse(&expected), Ok(link));
    }

    fn any_link() -> impl Strategy<Value = Link> {
        let list = |scheme: &'static str| {
            let url = "[a-z]{1,9}(:[1-9][0-9]{0,3})?(/[!$-;=?-Z_a-z~]{1,9})?"
                .prop_map(move |rest| format!("{scheme}://{rest}"));
            proptest::collection::btree_set(url, 0..4).prop_map(|set| set.into_iter().collect::<Vec<_>>())
        };
        let name = proptest::option::of("\\PC{0,20}").prop_map(|name| {
            name.map(|name| text::shown(name.trim(), 99))
                .filter(|name| !name.is_empty() && name.trim() == name)
        });
        let ranges = proptest::collection::vec((0..9_u32, 0..9_u32).prop_map(|(a, b)| a..=a + b), 0..4);
        let peers = proptest::collection::btree_set("[a-z]{1,9}:[1-9][0-9]{0,3}", 0..3);
        let rest = (list("wss"), list("http"), list("https"), peers, ranges);
        (any::<[u8; 20]>(), name, any::<Option<u64>>(), rest).prop_map(
            |(hash, name, length, (trackers, web_seeds, sources, peers, select))| Link {
                info_hash: InfoHash(hash),
                name,
                length,
                trackers,
                web_seeds,
                sources,
                peers: peers.into_iter().collect(),
                select,
            },
        )
    }

    proptest! {
        #[test]
        fn a_link_survives_being_written_and_read(link in any_link()) {
            prop_assert_eq!(&Link::parse(&link.to_magnet()), &Ok(link.clone()));
            prop_assert_eq!(&Link::parse(&link.to_share_link("http://localhost:8080")), &Ok(link));
        }

        #[test]
        fn no_text_panics_and_what_is_read_is_written_the_same(text in "\\PC{0,60}|magnet:\\?xt=urn:btih:[a-f0-9]{40}(&(dn|tr|xl|so|x.pe|ws)=\\PC{0,20}){0,4}") {
            if let Ok(link) = Link::parse(&text) {
                prop_assert_eq!(Link::parse(&link.to_magnet()), Ok(link));
            }
        }
    }

    #[test]
    fn the_generator_reaches_every_part_of_a_link() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let mut seen = [false; 7];
        for _ in 0..200 {
            let link = any_link().new_tree(&mut runner).expect("a link").current();
            let parts = [
                link.name.is_some(),
                link.length.is_some(),
                !link.trackers.is_empty(),
                !link.web_seeds.is_empty(),
                !link.sources.is_empty(),
                !link.peers.is_empty(),
                !link.select.is_empty(),
            ];
            for (seen, part) in seen.iter_mut().zip(parts) {
                *seen |= part;
            }
        }
        assert_eq!(seen, [true; 7]);
    }
}
