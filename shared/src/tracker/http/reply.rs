use core::net::{IpAddr, SocketAddr};

use crate::bencode::{self, DecodeError, Dictionary, DictionaryWriter, List, Order, Value, Writer};
use crate::id::{InfoHash, PeerId};
use crate::limits;
use crate::text::shown;
use crate::tracker::announce::AnnounceResponse;
use crate::tracker::compact::{self, CompactError, Family};
use crate::tracker::scrape::ScrapeCounts;

/// When a refused announce may be tried again (BEP 31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// After so many minutes.
    Minutes(u32),
    /// Never.
    Never,
}

/// Why a tracker's reply gives nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// The tracker refuses.
    #[error("{reason}")]
    Failure {
        /// In its own words, at most [`limits::TRACKER_TEXT_MAX`] characters.
        reason: String,
        /// When to try again, if it says so.
        retry: Option<Retry>,
    },
    /// Longer than [`limits::TRACKER_REPLY_MAX`].
    #[error("expected a reply of at most {max} bytes, got {0}", max = limits::TRACKER_REPLY_MAX)]
    TooLong(usize),
    /// Not bencoded.
    #[error("{0}")]
    Bencode(#[from] DecodeError),
    /// Another kind of value than there should be.
    #[error("expected {expected} as {field}, got {got}")]
    Kind {
        /// Key, or `the reply`.
        field: &'static str,
        /// What should have come.
        expected: &'static str,
        /// What came.
        got: &'static str,
    },
    /// Peers that are no whole number of addresses.
    #[error("{field}: {error}")]
    Peers {
        /// Key.
        field: &'static str,
        /// What is wrong.
        error: CompactError,
    },
}

/// How peers are written.
#[derive(Clone, Copy, Debug)]
pub enum Peers<'a> {
    /// As runs of bytes, `peers` and `peers6` (BEP 7, 23).
    Compact,
    /// As a list of dictionaries (BEP 3), with these ids in the order of the peers; one that has none comes without.
    List(&'a [PeerId]),
    /// As runs of bytes that are there already, in place of the peers of the response.
    Runs {
        /// Addresses of IPv4, six bytes each.
        v4: &'a [u8],
        /// Addresses of IPv6, eighteen bytes each.
        v6: &'a [u8],
    },
}

/// The reply to an announce. A key stands only where there is something to say, `peers` always.
pub fn encode_announce(response: &AnnounceResponse, form: Peers<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 + response.peers.len() * 18);
    write_announce(response, form, &mut out);
    out
}

/// The same, appended to `out`.
pub fn write_announce(response: &AnnounceResponse, form: Peers<'_>, out: &mut Vec<u8>) {
    Writer::new(out).dictionary(|entries| {
        let number = |entries: &mut DictionaryWriter<'_>, key: &str, number: Option<u32>| {
            if let Some(number) = number {
                entries.key(key).integer(number);
            }
        };
        number(entries, "complete", response.complete);
        match response.external_ip {
            Some(IpAddr::V4(ip)) => entries.key("external ip").bytes(ip.octets()),
            Some(IpAddr::V6(ip)) => entries.key("external ip").bytes(ip.octets()),
            None => {}
        }
        number(entries, "incomplete", response.incomplete);
        number(entries, "interval", Some(response.interval));
        number(entries, "min interval", response.min_interval);
        match form {
            Peers::Compact => write_compact(entries, &response.peers),
            Peers::List(ids) => entries.key("peers").list(|list| write_list(list, &response.peers, ids)),
            Peers::Runs { v4, v6 } => write_runs(entries, v4, v6),
        }
        if let Some(id) = &response.tracker_id {
            entries.key("tracker id").bytes(id);
        }
        if let Some(warning) = &response.warning {
            entries.key("warning message").bytes(warning);
        }
    });
}

fn write_compact(entries: &mut DictionaryWriter<'_>, peers: &[SocketAddr]) {
    let (mut v4, mut v6) = (Vec::with_capacity(peers.len() * compact::V4_LENGTH), Vec::new());
    for peer in peers {
        compact::push(if peer.is_ipv4() { &mut v4 } else { &mut v6 }, *peer);
    }
    write_runs(entries, &v4, &v6);
}

fn write_runs(entries: &mut DictionaryWriter<'_>, v4: &[u8], v6: &[u8]) {
    entries.key("peers").bytes(v4);
    if !v6.is_empty() {
        entries.key("peers6").bytes(v6);
    }
}

fn write_list(list: &mut Writer<'_>, peers: &[SocketAddr], ids: &[PeerId]) {
    for (number, peer) in peers.iter().enumerate() {
        list.dictionary(|entries| {
            entries.key("ip").bytes(peer.ip().to_string());
            if let Some(id) = ids.get(number) {
                entries.key("peer id").bytes(id.0);
            }
            entries.key("port").integer(peer.port());
        });
    }
}

/// The reply to a request that is not granted.
pub fn encode_failure(reason: &str, retry: Option<Retry>) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).dictionary(|entries| {
        entries.key("failure reason").bytes(reason);
        match retry {
            Some(Retry::Minutes(minutes)) => entries.key("retry in").integer(minutes),
            Some(Retry::Never) => entries.key("retry in").bytes("never"),
            None => {}
        }
    });
    out
}

/// The reply to a request that is not granted to whoever makes it, with the same in one word for programs
/// (`login_required`).
pub fn encode_refusal(reason: &str, code: &str, retry: Retry) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).dictionary(|entries| {
        entries.key("failure code").bytes(code);
        entries.key("failure reason").bytes(reason);
        match retry {
            Retry::Minutes(minutes) => entries.key("retry in").integer(minutes),
            Retry::Never => entries.key("retry in").bytes("never"),
        }
    });
    out
}

/// The reply to a scrape (BEP 48), with the seconds before which none is wanted again. Of a swarm that is named twice the
/// last numbers count.
pub fn encode_scrape(files: &[(InfoHash, ScrapeCounts)], min_request_interval: Option<u32>) -> Vec<u8> {
    let sorted: std::collections::BTreeMap<_, _> =
        files.iter().map(|(hash, counts)| (hash.0, counts)).collect();
    let mut out = Vec::with_capacity(64 + files.len() * 80);
    Writer::new(&mut out).dictionary(|entries| {
        entries.key("files").dictionary(|files| {
            for (hash, counts) in sorted {
                files.key(hash).dictionary(|entries| {
                    entries.key("complete").integer(counts.complete);
                    entries.key("downloaded").integer(counts.downloaded);
                    if let Some(downloaders) = counts.downloaders {
                        entries.key("downloaders").integer(downloaders);
                    }
                    entries.key("incomplete").integer(counts.incomplete);
                });
            }
        });
        if let Some(seconds) = min_request_interval {
            entries.key("flags").dictionary(|flags| flags.key("min_request_interval").integer(seconds));
        }
    });
    out
}

/// Reads a tracker's reply to an announce. Unknown keys mean nothing; a number that cannot be is left out, a missing
/// interval is 0. Peers that nobody can dial, and those given by a name, are left out.
///
/// # Errors
///
/// See [`ReplyError`]; a `failure reason` is one of them.
pub fn parse_announce_reply(body: &[u8]) -> Result<AnnounceResponse, ReplyError> {
    let reply = dictionary(body)?;
    let text = |key: &str| {
        let bytes = reply.get(key.as_bytes())?.bytes()?;
        Some(shown(&String::from_utf8_lossy(bytes), limits::TRACKER_TEXT_MAX)).filter(|text| !text.is_empty())
    };
    let tracker_id = reply.get(b"tracker id").and_then(Value::text);
    let mut response = AnnounceResponse {
        interval: number(reply, b"interval").unwrap_or(0),
        min_interval: number(reply, b"min interval"),
        complete: number(reply, b"complete"),
        incomplete: number(reply, b"incomplete"),
        peers: Vec::new(),
        external_ip: reply.get(b"external ip").and_then(Value::bytes).and_then(ip_of),
        tracker_id: tracker_id.filter(|id| id.len() <= limits::TRACKER_ID_MAX).map(str::to_owned),
        warning: text("warning message"),
    };
    for (key, family) in [("peers", Family::V4), ("peers6", Family::V6)] {
        match reply.get(key.as_bytes()) {
            None => {}
            Some(Value::Bytes(bytes)) => {
                let peers = compact::decode(bytes, family);
                response.add_peers(peers.map_err(|error| ReplyError::Peers { field: key, error })?);
            }
            Some(Value::List(list)) => response.add_peers(listed(list)),
            Some(other) => {
                let (expected, got) = ("a byte string or a list", other.kind());
                return Err(ReplyError::Kind { field: key, expected, got });
            }
        }
    }
    Ok(response)
}

/// Reads a tracker's reply to a scrape: at most [`limits::SCRAPE_HASHES_MAX`] swarms.
///
/// # Errors
///
/// See [`ReplyError`]; a `failure reason` is one of them.
pub fn parse_scrape_reply(body: &[u8]) -> Result<Vec<(InfoHash, ScrapeCounts)>, ReplyError> {
    let reply = dictionary(body)?;
    let files = match reply.get(b"files") {
        Some(Value::Dictionary(files)) => files,
        other => {
            let got = other.map_or("nothing", Value::kind);
            return Err(ReplyError::Kind { field: "files", expected: "a dictionary", got });
        }
    };
    let read = |(hash, counts): (&[u8], Value<'_>)| {
        let (hash, counts) = (hash.try_into().ok().map(InfoHash)?, counts.dictionary()?);
        let downloaders = number(counts, b"downloaders");
        let number = |key: &[u8]| number(counts, key).unwrap_or(0);
        let (complete, incomplete) = (number(b"complete"), number(b"incomplete"));
        Some((hash, ScrapeCounts { complete, incomplete, downloaders, downloaded: number(b"downloaded") }))
    };
    Ok(files.iter().filter_map(read).take(limits::SCRAPE_HASHES_MAX).collect())
}

/// The dictionary that every reply is. Keys may stand in any order, because of trackers that do not sort them.
fn dictionary(body: &[u8]) -> Result<Dictionary<'_>, ReplyError> {
    if body.len() > limits::TRACKER_REPLY_MAX {
        return Err(ReplyError::TooLong(body.len()));
    }
    let reply = match bencode::decode_prefix(body, Order::Any)?.0 {
        Value::Dictionary(reply) => reply,
        other => {
            let (expected, got) = ("a dictionary", other.kind());
            return Err(ReplyError::Kind { field: "the reply", expected, got });
        }
    };
    let Some(reason) = reply.get(b"failure reason") else { return Ok(reply) };
    let reason = String::from_utf8_lossy(reason.bytes().unwrap_or(b"no reason given"));
    let retry = match reply.get(b"retry in") {
        Some(Value::Integer(minutes)) => u32::try_from(minutes).ok().map(Retry::Minutes),
        Some(Value::Bytes(b"never")) => Some(Retry::Never),
        Some(Value::Bytes(text)) => {
            core::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).map(Retry::Minutes)
        }
        _ => None,
    };
    Err(ReplyError::Failure { reason: shown(&reason, limits::TRACKER_TEXT_MAX), retry })
}

fn number(dictionary: Dictionary<'_>, key: &[u8]) -> Option<u32> {
    let number = dictionary.get(key)?.integer()?;
    (number >= 0).then(|| u32::try_from(number).unwrap_or(u32::MAX))
}

fn ip_of(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| IpAddr::from(v6).to_canonical())
}

/// The peers of a list of dictionaries.
fn listed(list: List<'_>) -> impl Iterator<Item = SocketAddr> {
    list.iter().filter_map(|peer| {
        let peer = peer.dictionary()?;
        let ip: IpAddr = peer.get(b"ip")?.text()?.parse().ok()?;
        let port = u16::try_from(peer.get(b"port")?.integer()?).ok()?;
        Some(SocketAddr::new(ip.to_canonical(), port))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn response() -> AnnounceResponse {
        AnnounceResponse {
            interval: 1_800,
            min_interval: Some(900),
            complete: Some(1),
            incomplete: Some(2),
            peers: vec!["10.0.0.1:128".parse().unwrap(), "[2001:db8::1]:6881".parse().unwrap()],
            external_ip: Some("192.0.2.7".parse().unwrap()),
            tracker_id: Some("id".to_owned()),
            warning: Some("soon".to_owned()),
        }
    }

    #[test]
    fn replies_are_these_bytes() {
        let compact = encode_announce(&response(), Peers::Compact);
        let expected: &[u8] = b"d8:completei1e11:external ip4:\xc0\0\x02\x0710:incompletei2e8:intervali1800e\
            12:min intervali900e5:peers6:\x0a\0\0\x01\0\x806:peers618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1\
            10:tracker id2:id15:warning message4:soone";
        assert_eq!(compact, expected);
        assert_eq!(parse_announce_reply(&compact), Ok(response()));
        let ids = [PeerId([b'a'; 20])];
        let list = encode_announce(&response(), Peers::List(&ids));
        let part = b"5:peersld2:ip8:10.0.0.17:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti128eed2:ip11:2001:db8::14:porti6881eee";
        assert!(list.windows(part.len()).any(|bytes| bytes == part), "{}", list.escape_ascii());
        assert_eq!(parse_announce_reply(&list), Ok(response()));
        let empty = encode_announce(&AnnounceResponse { interval: 9, ..Default::default() }, Peers::Compact);
        assert_eq!(empty, b"d8:intervali9e5:peers0:e");
    }

    #[test]
    fn failures_are_these_bytes() {
        for (bytes, retry) in [
            (&b"d14:failure reason7:no \"x\"!e"[..], None),
            (b"d14:failure reason7:no \"x\"!8:retry ini5ee", Some(Retry::Minutes(5))),
            (b"d14:failure reason7:no \"x\"!8:retry in5:nevere", Some(Retry::Never)),
        ] {
            assert_eq!(encode_failure("no \"x\"!", retry), bytes);
            let reason = "no \"x\"!".to_owned();
            assert_eq!(parse_announce_reply(bytes), Err(ReplyError::Failure { reason, retry }));
        }
        let long = encode_failure(&format!("\u{202e}{}", "x".repeat(500)), None);
        let Err(ReplyError::Failure { reason, .. }) = parse_scrape_reply(&long) else { panic!("no failure") };
        assert_eq!(reason, "x".repeat(limits::TRACKER_TEXT_MAX));
    }

    #[test]
    fn a_scrape_is_these_bytes() {
        let counts = |complete, downloaded, incomplete, downloaders| ScrapeCounts {
            complete,
            incomplete,
            downloaders,
            downloaded,
        };
        let files = [
            (InfoHash([b'b'; 20]), counts(1, 2, 3, Some(2))),
            (InfoHash([b'a'; 20]), counts(5, 50, 10, None)),
        ];
        let bytes = encode_scrape(&files, Some(600));
        // The second file is the example of BEP 48.
        assert_eq!(
            bytes,
            b"d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei5e10:downloadedi50e10:incompletei10ee\
            20:bbbbbbbbbbbbbbbbbbbbd8:completei1e10:downloadedi2e11:downloadersi2e\
            10:incompletei3eee5:flagsd20:min_request_intervali600eee"
        );
        assert_eq!(parse_scrape_reply(&bytes), Ok(vec![files[1], files[0]]));
        assert_eq!(encode_scrape(&[], None), b"d5:filesdee");
    }

    #[test]
    fn what_is_no_reply_says_why_and_what_is_odd_is_left_out() {
        assert!(matches!(parse_announce_reply(b"<html>"), Err(ReplyError::Bencode(_))));
        assert!(matches!(parse_announce_reply(b"le"), Err(ReplyError::Kind { field: "the reply", .. })));
        assert!(matches!(parse_announce_reply(b"d5:peers5:12345e"), Err(ReplyError::Peers { .. })));
        assert!(matches!(parse_announce_reply(b"d5:peersi1ee"), Err(ReplyError::Kind { .. })));
        assert!(matches!(parse_scrape_reply(b"de"), Err(ReplyError::Kind { field: "files", .. })));
        let long = vec![b'x'; limits::TRACKER_REPLY_MAX + 1];
        assert_eq!(parse_announce_reply(&long), Err(ReplyError::TooLong(long.len())));
        // Unsorted keys, a negative number, a peer by name, one without port, one twice.
        let odd = b"d5:peersld2:ip4:host4:porti1eed2:ip7:1.2.3.44:porti0eed2:ip7:1.2.3.44:porti9eed2:ip7:1.2.3.44:porti9eee\
            8:completei-1e8:intervali99999999999ee\n";
        let read = parse_announce_reply(odd).unwrap();
        assert_eq!((read.complete, read.interval), (None, u32::MAX));
        assert_eq!(read.peers, ["1.2.3.4:9".parse().unwrap()]);
    }

    proptest! {
        #[test]
        fn a_reply_survives(
            interval: u32, min_interval: Option<u32>, complete: Option<u32>, incomplete: Option<u32>,
            v4: Vec<(u32, u16)>, v6: Vec<(u128, u16)>, external: Option<u32>,
            tracker_id in prop::option::of("[a-z]{1,20}"), warning in prop::option::of("[a-z ]{1,200}"),
        ) {
            let mut response = AnnounceResponse {
                interval, min_interval, complete, incomplete, tracker_id, warning,
                external_ip: external.map(|ip| core::net::Ipv4Addr::from_bits(ip).into()),
                ..Default::default()
            };
            let v4 = v4.into_iter().map(|(ip, port)| (IpAddr::from(core::net::Ipv4Addr::from_bits(ip)), port));
            let v6 = v6.into_iter().map(|(ip, port)| (IpAddr::from(core::net::Ipv6Addr::from_bits(ip)), port));
            let v6 = v6.filter(|(ip, _)| ip.to_canonical() == *ip);
            response.add_peers(v4.chain(v6).map(SocketAddr::from));
            for form in [Peers::Compact, Peers::List(&[])] {
                let bytes = encode_announce(&response, form);
                let read = parse_announce_reply(&bytes);
                prop_assert_eq!(read.as_ref(), Ok(&response));
            }
        }
    }
}
